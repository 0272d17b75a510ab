/* test_blackhole.c - Blocked at once, or after a 403 that can be read */
#include <errno.h>

#include "loop.h"

#include "alloc_fail.h"
#include "conf_text.h"
#include "gateway/core/session.h"

#define CONF(response) \
	"{\"outbounds\":[{\"protocol\":\"blackhole\",\"tag\":\"b\"," \
	"\"settings\":" response "}]}"
#define HTTP CONF("{\"response\":{\"type\":\"http\"}}")

/**
 * struct hole - The outbound of a configuration, opened on a worker
 */
struct hole {
	struct loop l;
	struct diag d;
	struct config *cfg;
	struct session s;
	struct stream *st;
	int rc;
};

static void begin(struct hole *h, const char *text)
{
	memset(h, 0, sizeof(*h));
	loop_init(&h->l);
	diag_init(&h->d);
	h->cfg = conf_text(&h->d, text, NULL);
	assert_non_null(h->cfg);
	worker_tick(&h->l.w, 0);
	h->s.job = h->l.job;
	h->s.cfg = h->cfg;
	h->rc = h->cfg->outbounds[0]->ops->open(h->cfg->outbounds[0], &h->s,
						&h->st);
}

static void end(struct hole *h)
{
	stream_close(&h->st, 0);
	job_forget(&h->s.job);
	config_unref(h->cfg);
	diag_free(&h->d);
	loop_fini(&h->l);
}

static void nothing_is_opened_unless_asked_for(void **state)
{
	static const char *const plain[] = {
		CONF("{}"), CONF("{\"response\":{}}"),
		CONF("{\"response\":{\"type\":\"none\"}}")
	};
	struct hole h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		begin(&h, plain[i]);
		assert_int_equal(h.rc, -EACCES);
		assert_null(h.st);
		end(&h);
	}
}

static void an_unknown_answer_is_refused(void **state)
{
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_null(
		conf_text(&d, CONF("{\"response\":{\"type\":\"418\"}}"), NULL));
	assert_non_null(strstr(diag_text(&d, false), "response.type"));
	diag_free(&d);
}

static bool at_end(void *arg)
{
	struct hole *h = arg;
	char c;

	h->rc = (int)stream_read(h->st, &c, 1);
	return h->rc != -EAGAIN;
}

/* Whatever the pieces in which it is read */
static void a_403_is_read_whole_and_then_the_end(void **state)
{
	struct hole h;

	(void)state;
	for (size_t step = 1; step < 200; step += 33) {
		char got[512];
		size_t n = 0;
		ssize_t k;

		begin(&h, HTTP);
		assert_int_equal(h.rc, 0);
		assert_true(h.st->ops->up(h.st));
		while ((k = stream_read(h.st, got + n, step)) > 0)
			n += (size_t)k;
		assert_int_equal(k, -EAGAIN); /* the client may read it first */
		got[n] = '\0';
		assert_ptr_equal(strstr(got, "HTTP/1.1 403 Forbidden\r\n"),
				 got);
		assert_non_null(strstr(got, "Content-Length: 0\r\n"));
		assert_string_equal(got + n - 4, "\r\n\r\n");
		end(&h);
	}
}

static void the_end_comes_by_itself(void **state)
{
	char got[512];
	struct hole h;

	(void)state;
	begin(&h, HTTP);
	assert_true(stream_read(h.st, got, sizeof(got)) > 0);
	assert_true(loop_until(&h.l, at_end, &h, 5000));
	assert_int_equal(h.rc, 0);
	end(&h);
}

static void what_the_client_says_is_swallowed(void **state)
{
	static char p[100000];
	struct hole h;

	(void)state;
	begin(&h, HTTP);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stream_write(h.st, p, sizeof(p)), sizeof(p));
	assert_int_equal(h.st->ops->finish(h.st), 0);
	end(&h);
}

static void without_memory_it_is_not_opened(void **state)
{
	struct hole h;
	struct stream *st = NULL;

	(void)state;
	begin(&h, HTTP);
	alloc_fail_at(1);
	assert_int_equal(
		h.cfg->outbounds[0]->ops->open(h.cfg->outbounds[0], &h.s, &st),
		-ENOMEM);
	assert_true(alloc_fail_hit());
	assert_null(st);
	end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_opened_unless_asked_for),
		cmocka_unit_test(an_unknown_answer_is_refused),
		cmocka_unit_test(a_403_is_read_whole_and_then_the_end),
		cmocka_unit_test(the_end_comes_by_itself),
		cmocka_unit_test(what_the_client_says_is_swallowed),
		cmocka_unit_test(without_memory_it_is_not_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
