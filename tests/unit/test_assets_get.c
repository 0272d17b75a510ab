/* test_assets_get.c - One GET on a worker: bodies, redirects, and servers that lie */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/assets/get.h"
#include "gateway/core/fd_stream.h"
#include "tests/unit/loop.h"

#define DIALS_MAX 16
#define OK        "HTTP/1.1 200 OK\r\n"

/**
 * struct shop - A GET, its server and its reader
 * @server:	The other end of each dial, to the host @to[]; @asked: what came there
 * @answers:	Of each dial; the last one of those that follow
 * @slow:	Answers go a byte a turn; @shut: then the server ends
 * @reader:	-1: it went away
 */
struct shop {
	struct loop l;
	struct assets conf;
	struct https_url url;
	struct get_order o;
	int server[DIALS_MAX], reader;
	unsigned int dials;
	char to[DIALS_MAX][64], asked[DIALS_MAX][1024];
	size_t sent[DIALS_MAX];
	const char *answers[DIALS_MAX];
	bool slow, shut;
	size_t got;
	char body[1024];
};

static struct shop *shop;

static int shop_dial(const struct transport *t, const struct dial *d,
		     const struct addr *to, struct stream **out)
{
	struct shop *s = shop;
	int fd[2];

	(void)t;
	assert_true(s->dials < DIALS_MAX);
	addr_format(to, s->to[s->dials], sizeof(s->to[0]));
	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, fd),
			 0);
	s->server[s->dials++] = fd[1];
	*out = fd_stream_new(d->worker, fd[0], d->job, false);
	assert_non_null(*out);
	return 0;
}

static const struct transport_ops shop_ops = { .name = "shop",
					       .dial = shop_dial };

static void shop_open(struct shop *s, const char *etag)
{
	static const char url[] = "https://a.test/x.dat";
	int fd[2];

	memset(s, 0, sizeof(*s));
	shop = s;
	loop_init(&s->l);
	s->conf.tls.ops = &shop_ops;
	s->conf.deadline_ms = 5000;
	s->conf.pace_ms = 5000;
	s->conf.pace_bytes = 1;
	assert_int_equal(https_url_parse(&s->url, url, strlen(url)), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	s->reader = fd[0];
	s->o = (struct get_order){ .conf = &s->conf,
				   .cfg = &s->l.cfg,
				   .url = &s->url,
				   .etag = etag,
				   .max = 100,
				   .fd = fd[1] };
}

/* The newest connection's server: read the request, answer it */
static void serve(struct shop *s)
{
	unsigned int i = s->dials - 1, k = i;
	size_t have = strlen(s->asked[i]), n;
	ssize_t got = recv(s->server[i], s->asked[i] + have,
			   sizeof(s->asked[i]) - 1 - have, 0);

	if (got > 0)
		s->asked[i][have + (size_t)got] = '\0';
	if (!strstr(s->asked[i], "\r\n\r\n"))
		return;
	while (k && !s->answers[k])
		k--;
	n = s->answers[k] ? strlen(s->answers[k]) - s->sent[i] : 0;
	if (s->slow && n > 1)
		n = 1;
	got = n ? send(s->server[i], s->answers[k] + s->sent[i], n,
		       MSG_NOSIGNAL) :
		  0;
	if (got > 0)
		s->sent[i] += (size_t)got;
	if (s->shut && s->sent[i] == strlen(s->answers[k]))
		shutdown(s->server[i], SHUT_WR);
}

static bool over(void *arg)
{
	struct shop *s = arg;
	ssize_t n;

	if (s->dials)
		serve(s);
	while (s->reader >= 0 && s->got < sizeof(s->body) - 1 &&
	       (n = read(s->reader, s->body + s->got,
			 sizeof(s->body) - 1 - s->got)) > 0)
		s->got += (size_t)n;
	return s->o.done;
}

static int shop_close(struct shop *s)
{
	get_wait(&s->o);
	over(s); /* what is left in the socket */
	worker_tick(&s->l.w, 5);
	worker_tick(&s->l.w, 5); /* freed, a turn later */
	for (unsigned int i = 0; i < s->dials; i++)
		close(s->server[i]);
	if (s->reader >= 0)
		close(s->reader);
	loop_fini(&s->l);
	return s->o.rc;
}

static int shop_run(struct shop *s)
{
	get_start(&s->l.w, &s->o);
	assert_true(loop_until(&s->l, over, s, 5000));
	return shop_close(s);
}

static void says(const struct shop *s, const char *want)
{
	char text[96];

	assert_string_equal(get_why(&s->o, text), want);
}

static void a_body_comes_whole(void **state)
{
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	for (int slow = 0; slow < 2; slow++) {
		shop_open(s, "");
		s->slow = slow;
		s->answers[0] = OK "ETag: \"1\"\r\nContent-Length: 5\r\n\r\n"
				   "hello";
		assert_int_equal(shop_run(s), 0);
		assert_int_equal(s->o.status, 200);
		assert_string_equal(s->o.now, "\"1\"");
		assert_string_equal(s->body, "hello");
		assert_string_equal(s->to[0], "a.test:443");
		assert_memory_equal(s->asked[0], "GET /x.dat HTTP/1.1\r\n", 21);
	}
	free(s);
}

static void a_redirect_is_followed(void **state)
{
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	shop_open(s, "\"0\"");
	s->answers[0] = "HTTP/1.1 302 Found\r\nLocation: "
			"https://b.test:8443/y\r\n\r\n";
	s->answers[1] = "HTTP/1.1 307 Temporary\r\nLocation: z\r\n\r\n";
	s->answers[2] = OK "Transfer-Encoding: chunked\r\n\r\n"
			   "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
	assert_int_equal(shop_run(s), 0);
	assert_int_equal(s->dials, 3);
	assert_string_equal(s->to[1], "b.test:8443");
	assert_string_equal(s->to[2], "b.test:8443");
	assert_non_null(strstr(s->asked[2], "GET /z HTTP/1.1\r\n"
					    "Host: b.test:8443\r\n"));
	assert_non_null(strstr(s->asked[2], "If-None-Match: \"0\"\r\n"));
	assert_string_equal(s->body, "hello");
	free(s);
}

static void what_is_there_already_is_not_sent(void **state)
{
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	shop_open(s, "\"0\"");
	s->answers[0] = "HTTP/1.1 304 Not Modified\r\nETag: \"0\"\r\n\r\n";
	assert_int_equal(shop_run(s), 0);
	assert_int_equal(s->o.status, 304);
	/* nobody asked for that */
	shop_open(s, "");
	s->answers[0] = "HTTP/1.1 304 Not Modified\r\n\r\n";
	assert_int_equal(shop_run(s), -EBADMSG);
	free(s);
}

static void other_answers_are_told(void **state)
{
	static const struct {
		const char *answer;
		int rc;
		const char *why;
	} bad[] = {
		{ "HTTP/1.1 404 Not Found\r\n\r\n", -EBADMSG,
		  "HTTP status 404" },
		{ OK "Content-Length: 9\r\n\r\nhello", -ECONNRESET,
		  "Connection reset by peer" },
		{ OK "Content-Length: 0\r\n\r\n", -ENODATA,
		  "the answer is empty" },
		{ OK "Content-Length: 101\r\n\r\n", -EMSGSIZE,
		  "larger than 0 KiB" },
		{ "SSH-2.0-x\r\n", -EPROTO,
		  "the answer is no HTTP that is understood" },
		{ "HTTP/1.1 301 Moved\r\nLocation: http://a.test/\r\n\r\n",
		  -EPROTONOSUPPORT, "redirected to what is not https" },
		{ "HTTP/1.1 301 Moved\r\nLocation: /x.dat\r\n\r\n", -ELOOP,
		  "redirected too often" },
	};
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		shop_open(s, "");
		s->shut = true;
		s->answers[0] = bad[i].answer;
		assert_int_equal(shop_run(s), bad[i].rc);
		says(s, bad[i].why);
		assert_true(s->dials <= GET_HOPS_MAX + 1);
	}
	free(s);
}

static void an_endless_answer_ends(void **state)
{
	static char answer[4096];
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	memset(answer, 'x', sizeof(answer) - 1);
	memcpy(answer, OK "\r\n", strlen(OK "\r\n"));
	shop_open(s, "");
	s->answers[0] = answer;
	assert_int_equal(shop_run(s), -EMSGSIZE);
	free(s);
}

static void who_drips_or_is_silent_has_an_end(void **state)
{
	static char answer[4096] = OK "X: ";
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	memset(answer + strlen(answer), 'x', sizeof(answer) - 64);
	shop_open(s, ""); /* silent */
	s->conf.pace_ms = 50;
	assert_int_equal(shop_run(s), -ETIMEDOUT);
	says(s, "too slow");
	shop_open(s, ""); /* drips */
	s->conf.pace_ms = 200;
	s->conf.pace_bytes = 3000;
	s->slow = true;
	s->answers[0] = answer;
	assert_int_equal(shop_run(s), -ETIMEDOUT);
	assert_true(s->sent[0] > 0);
	shop_open(s, ""); /* keeps the pace, and never ends */
	s->conf.pace_ms = 50;
	s->conf.deadline_ms = 150;
	s->slow = true;
	s->answers[0] = answer;
	assert_int_equal(shop_run(s), -ETIMEDOUT);
	free(s);
}

static void who_does_not_want_it_any_more_ends_it(void **state)
{
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	shop_open(s, "");
	s->answers[0] = OK "Content-Length: 50\r\n\r\nhello";
	get_start(&s->l.w, &s->o);
	for (int i = 0; i < 10; i++) {
		worker_tick(&s->l.w, 5);
		assert_false(over(s));
	}
	assert_string_equal(s->body, "hello");
	get_cancel(&s->l.w);
	assert_true(loop_until(&s->l, over, s, 1000));
	assert_int_equal(shop_close(s), -ECANCELED);
	/* the reader is gone */
	shop_open(s, "");
	s->answers[0] = OK "Content-Length: 50\r\n\r\nhello";
	close(s->reader);
	s->reader = -1;
	assert_true(shop_run(s) < 0);
	free(s);
}

/* The worker ends first: the thread hears of it, and nothing is left */
static void the_workers_end_is_told(void **state)
{
	struct shop *s = malloc(sizeof(*s));

	(void)state;
	shop_open(s, "");
	get_start(&s->l.w, &s->o);
	worker_tick(&s->l.w, 5);
	assert_int_equal(s->dials, 1);
	assert_false(s->o.done);
	close(s->server[0]);
	close(s->reader);
	loop_fini(&s->l);
	get_wait(&s->o);
	assert_int_equal(s->o.rc, -ECANCELED);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_comes_whole),
		cmocka_unit_test(a_redirect_is_followed),
		cmocka_unit_test(what_is_there_already_is_not_sent),
		cmocka_unit_test(other_answers_are_told),
		cmocka_unit_test(an_endless_answer_ends),
		cmocka_unit_test(who_drips_or_is_silent_has_an_end),
		cmocka_unit_test(who_does_not_want_it_any_more_ends_it),
		cmocka_unit_test(the_workers_end_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
