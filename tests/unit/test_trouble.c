/* test_trouble.c - What sessions tell of a server: said once, and that it works again */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/core/session.h"
#include "gateway/core/trouble.h"

static char path[] = "/tmp/culvert-trouble.XXXXXX";
static struct worker w;
static struct addr server = { .kind = ADDR_V4,
			      .ip = { 192, 0, 2, 1 },
			      .port = 443 };
static struct trouble t;
static struct outbound ob = { .tag = "proxy" };
static uint16_t port;

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.server = &server;
	ob.trouble = &t;
	w.now_ms = 100000;
	return truncate(path, 0);
}

/* What was logged since the last call */
static const char *said(void)
{
	static char text[4096];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	assert_int_equal(truncate(path, 0), 0);
	return text;
}

#define SAYS(x) assert_non_null(strstr(said(), x))
#define QUIET() assert_string_equal(said(), "")

/* A session that ends; each for another target */
static struct session ended(enum ses_state at, uint64_t up, int why, int side)
{
	struct session s = {
		.net = NET_TCP,
		.state = at,
		.outbound = &ob,
		.job = { .worker = &w },
		.target = addr_name("example.org", 11, ++port),
		.born_ms = w.now_ms - 10,
	};

	s.half[UP].total = up;
	trouble_end(&s, why, side);
	return s;
}

static void no_connection_is_said_once(void **state)
{
	struct session s;

	(void)state;
	ended(SES_OPEN, 0, -ECONNREFUSED, 1);
	SAYS("[Warning] outbound [proxy]: 192.0.2.1:443 does not work: "
	     "Connection refused (id, password");
	for (int i = 0; i < 100; i++)
		ended(SES_OPEN, 0, -ETIMEDOUT, 1);
	QUIET();
	trouble_over(&ob);
	SAYS("outbound [proxy]: works again");
	trouble_over(&ob);
	QUIET();
	/* one that goes up and down is not said each time */
	ended(SES_OPEN, 0, -ECONNREFUSED, 1);
	QUIET();
	t.told_ms -= LOG_AGAIN_MS;
	s = ended(SES_ROUTE, 0, -ENOENT, 2);
	s.unreached = true;
	s.state = SES_OPEN;
	trouble_end(&s, -ENOENT, 1);
	SAYS("does not work: no address (DNS does not know its name)");
}

static void what_is_no_failure_of_the_server(void **state)
{
	struct session s;

	(void)state;
	for (int i = 0; i < 20; i++) {
		ended(SES_OPEN, 0, -ECANCELED, 2); /* our end */
		ended(SES_OPEN, 0, -EACCES, 2); /* blocked */
		ended(SES_OPEN, 0, -ECONNRESET, 0); /* left at once */
		ended(SES_ROUTE, 0, -ETIMEDOUT, 2); /* no outbound yet */
		ended(SES_RELAY, 0, 0, 2); /* nothing was asked */
		ended(SES_RELAY, 9, -ECONNRESET, 0); /* left at once */
		s = ended(SES_ROUTE, 0, 0, 2);
		s.state = SES_RELAY;
		s.half[UP].total = s.half[DOWN].total = 1;
		trouble_end(&s, -ECONNRESET, 1); /* it had answered */
	}
	QUIET();
	assert_int_equal(t.fails, 0);
}

static void ends_without_an_answer_count_together(void **state)
{
	struct session s;

	(void)state;
	for (int i = 0; i < 5; i++)
		ended(SES_RELAY, 100, 0, 2);
	QUIET();
	trouble_over(&ob); /* another one was answered */
	for (int i = 0; i < 5; i++)
		ended(SES_RELAY, 100, -ECONNRESET, 1);
	QUIET();
	s = ended(SES_ROUTE, 0, 0, 2);
	s.state = SES_RELAY;
	s.half[UP].total = 1;
	s.target.port = port - 1; /* that of the last but this one's own turn */
	trouble_end(&s, 0, 2);
	QUIET(); /* the same target again and again tells nothing */
	ended(SES_RELAY, 100, 0, 2);
	SAYS("does not work: no answer comes through it (id, password");
}

static void who_waits_in_vain(void **state)
{
	struct session s = ended(SES_ROUTE, 0, 0, 2);

	(void)state;
	s.state = SES_OPEN;
	s.born_ms = w.now_ms - 5000;
	trouble_end(&s, -ECONNRESET, 0);
	QUIET();
	s.target.port = 7;
	trouble_end(&s, -ETIMEDOUT, 2);
	SAYS("does not work: Connection timed out (no answer: address");
	trouble_over(&ob);
	t.told_ms -= LOG_AGAIN_MS;
	said();
	s.state =
		SES_RELAY; /* a server that keeps who has the wrong key waiting */
	s.half[UP].total = 200;
	for (int i = 0; i < 6; i++) {
		s.target.port = (uint16_t)(100 + i);
		trouble_end(&s, -ECONNRESET, 0);
	}
	SAYS("does not work: no answer comes through it (id, password");
}

/* socks, http: the server's word may be about the target */
static void a_server_that_answers_for_targets(void **state)
{
	(void)state;
	t.answers = true;
	for (int i = 0; i < 5; i++)
		ended(SES_OPEN, 0, -ECONNREFUSED, 1);
	QUIET();
	trouble_over(&ob);
	ended(SES_OPEN, 0, -EPERM, 1);
	SAYS("Operation not permitted (user or password)");
}

#define T(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_connection_is_said_once),
		T(what_is_no_failure_of_the_server),
		T(ends_without_an_answer_count_together),
		T(who_waits_in_vain),
		T(a_server_that_answers_for_targets),
	};
	int rc, fd = mkstemp(path);

	if (fd < 0 || log_setup(LOG_WARNING, path, "none") < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	close(fd);
	unlink(path);
	return rc;
}
