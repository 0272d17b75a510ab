/*
 * test_greet.c - socks and http inbounds over a socket pair
 *
 * Each greeting comes whole and byte by byte, with every allocation failing
 * once, and as garbage; plain requests are read through their layer.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/unit/loop.h"

#include "gateway/core/fd_stream.h"
#include "gateway/core/session.h"
#include "proxy/in/greet.h"
#include "proxy/in/in.h"
#include "tests/unit/alloc_fail.h"

static struct in_account ann = { .user = "ann", .pass_key = "pw" };

/**
 * struct talk - One client and its session, which stops where SNIFF begins
 * @result:	What greet said last; 1 before it was asked
 */
struct talk {
	struct loop l;
	struct policy policy;
	struct proxy_conf conf;
	struct inbound ib;
	struct session *s;
	struct job job;
	int client, result;
};

static void talk_run(struct job *j)
{
	struct talk *t = container_of(j, struct talk, job);

	if (t->result == 0 || (t->result < 0 && t->result != -EAGAIN))
		return;
	t->result = t->ib.ops->greet(t->s);
}

/* False: out of memory already here */
static bool talk_begin(struct talk *t, const struct inbound_ops *ops)
{
	struct stream *in;
	int sv[2];

	memset(t, 0, sizeof(*t));
	loop_init(&t->l);
	t->policy = POLICY_DEFAULT;
	t->conf.accounts = (struct in_accounts){ &ann, 1 };
	t->conf.transparent = true;
	t->ib = (struct inbound){ .ops = ops,
				  .tag = "t",
				  .policy = &t->policy,
				  .sockopt = SOCKOPT_DEFAULT,
				  .settings = &t->conf };
	t->result = 1;
	t->job = (struct job){ .run = talk_run, .worker = &t->l.w };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	t->client = sv[1];
	in = fd_stream_new(&t->l.w, sv[0], &t->job, false);
	if (!in) {
		close(sv[0]);
		return false;
	}
	t->s = ses_new(&t->l.w, &t->ib, NET_TCP, in);
	if (!t->s) {
		stream_close(&in, 0);
		return false;
	}
	t->s->local = t->s->source = addr_of("127.0.0.1", 1080);
	stream_set_job(in, &t->job);
	job_ready(&t->job);
	return true;
}

static void talk_end(struct talk *t)
{
	if (t->s) {
		if (t->s->in)
			stream_set_job(t->s->in, &t->s->job);
		ses_kill(t->s, -ECANCELED, 2);
	}
	ses_reap(&t->l.w);
	job_forget(&t->job);
	close(t->client);
	loop_fini(&t->l);
}

static void talk_turn(struct talk *t)
{
	worker_tick(&t->l.w, 0);
	worker_tick(&t->l.w, 0);
}

/* Say @p in pieces of @step while the greeting goes on */
static void say(struct talk *t, const char *p, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i += step) {
		size_t k = n - i < step ? n - i : step;

		if (write(t->client, p + i, k) < 0)
			break; /* it has hung up */
		talk_turn(t);
	}
	talk_turn(t);
}

/* What came back, NUL terminated; bytes */
static size_t hear(struct talk *t, char *out, size_t room)
{
	ssize_t n = read(t->client, out, room - 1);

	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

#define TEXT(s) (s), sizeof(s) - 1

/* Good greetings: all that is said, and what is expected */
static const struct {
	const struct inbound_ops *ops;
	bool need_auth;
	const char *say;
	size_t say_n;
	const char *hear;
	size_t hear_n;
	const char *to, *user, *early;
} good[] = {
	{ &in_socks, false, TEXT("\5\1\0\5\1\0\1\1\2\3\4\0\120more"),
	  TEXT("\5\0\5\0\0\1\177\0\0\1\4\70"), "1.2.3.4:80", NULL, "more" },
	{ &in_socks, true, TEXT("\5\2\0\2\1\3ann\2pw\5\1\0\3\5A.tst\1\273more"),
	  TEXT("\5\2\1\0\5\0\0\1\177\0\0\1\4\70"), "a.tst:443", "ann", "more" },
	{ &in_socks, false, TEXT("\4\1\0\120\0\0\0\1me\0a.tst\0more"),
	  TEXT("\0\132\4\70\177\0\0\1"), "a.tst:80", NULL, "more" },
	{ &in_socks, false, TEXT("CONNECT a.tst:443 HTTP/1.1\r\n\r\nmore"),
	  TEXT("HTTP/1.1 200 Connection established\r\n\r\n"), "a.tst:443",
	  NULL, "more" },
	{ &in_http, true,
	  TEXT("CONNECT [::1]:443 HTTP/1.1\r\nProxy-Authorization: "
	       "Basic YW5uOnB3\r\n\r\nmore"),
	  TEXT("HTTP/1.1 200 Connection established\r\n\r\n"), "[::1]:443",
	  "ann", "more" },
};

/* The bytes behind the greeting: kept, or still in the socket */
static void check_early(struct talk *t, const char *want)
{
	struct buf *b = t->s->half[UP].early;
	char got[64] = "";
	size_t n = 0;
	ssize_t k;

	if (b) {
		memcpy(got, buf_head(b), b->len);
		n = b->len;
	}
	k = stream_read(t->s->in, got + n, sizeof(got) - 1 - n);
	got[n + (k > 0 ? (size_t)k : 0)] = '\0';
	assert_string_equal(got, want);
}

static void try_good(size_t i, size_t step)
{
	static struct talk t;
	char got[512], text[ADDR_TEXT_MAX];

	assert_true(talk_begin(&t, good[i].ops));
	t.conf.need_auth = good[i].need_auth;
	say(&t, good[i].say, good[i].say_n, step);
	assert_int_equal(t.result, 0);
	assert_int_equal(hear(&t, got, sizeof(got)), good[i].hear_n);
	assert_memory_equal(got, good[i].hear, good[i].hear_n);
	assert_string_equal(addr_format(&t.s->target, text, sizeof(text)),
			    good[i].to);
	assert_true(addr_eq(&t.s->orig, &t.s->target));
	if (good[i].user)
		assert_string_equal(t.s->user, good[i].user);
	else
		assert_null(t.s->user);
	check_early(&t, good[i].early);
	talk_end(&t);
}

static void greetings_come_in_any_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		for (size_t step = 1; step < 100; step += step < 8 ? 1 : 30)
			try_good(i, step);
}

/* Whatever allocation fails, it ends by -ENOMEM or goes well; nothing leaks */
static void memory_may_run_out_at_any_point(void **state)
{
	static struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		for (unsigned int n = 1; n < 12; n++) {
			assert_true(talk_begin(&t, good[i].ops));
			t.conf.need_auth = good[i].need_auth;
			alloc_fail_at(n);
			say(&t, good[i].say, good[i].say_n, 7);
			alloc_fail_at(0);
			assert_true(t.result == 0 || t.result == -ENOMEM);
			talk_end(&t);
		}
	}
}

static void refused(const struct inbound_ops *ops, bool need_auth,
		    const char *p, size_t n, const char *want, size_t want_n)
{
	static struct talk t;
	char got[512];

	assert_true(talk_begin(&t, ops));
	t.conf.need_auth = need_auth;
	t.conf.transparent = false;
	say(&t, p, n, n);
	assert_true(t.result < 0 && t.result != -EAGAIN);
	assert_int_equal(hear(&t, got, sizeof(got)) >= want_n, 1);
	assert_memory_equal(got, want, want_n);
	assert_int_equal(read(t.client, got, 1), 0); /* an end, no reset */
	talk_end(&t);
}

static void what_is_refused_is_told_why(void **state)
{
	(void)state;
	/* no method; wrong password; bind; UDP where it is off; a bad type */
	refused(&in_socks, true, TEXT("\5\1\0"), TEXT("\5\377"));
	refused(&in_socks, true, TEXT("\5\1\2\1\3ann\2no"), TEXT("\5\2\1\377"));
	refused(&in_socks, false, TEXT("\5\1\0\5\2\0\1\1\2\3\4\0\120"),
		TEXT("\5\0\5\7"));
	refused(&in_socks, false, TEXT("\5\1\0\5\3\0\1\0\0\0\0\0\0"),
		TEXT("\5\0\5\7"));
	refused(&in_socks, false, TEXT("\5\1\0\5\1\0\2\0\0\0\0\0\0"),
		TEXT("\5\0\5\10"));
	refused(&in_socks, false, TEXT("\4\2\0\120\1\2\3\4\0"), TEXT("\0\133"));
	refused(&in_socks, true, TEXT("\4\1\0\120\1\2\3\4\0"), TEXT("\0\133"));
	refused(&in_socks, true, TEXT("CONNECT a:1 HTTP/1.1\r\n\r\n"),
		TEXT("HTTP/1.1 407 "));
	refused(&in_http, false, TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
		TEXT("HTTP/1.1 400 "));
	refused(&in_http, false, TEXT("\5\1\0"), TEXT("HTTP/1.1 400 "));
	refused(&in_socks, false, TEXT("\26\3\1\2\0"), TEXT("HTTP/1.1 400 "));
}

static void garbage_never_gets_through(void **state)
{
	static struct talk t;
	uint32_t x = 12345;
	char p[300];

	(void)state;
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i < sizeof(p); i++) {
			x = x * 1664525 + 1013904223;
			p[i] = (char)(x >> 24);
		}
		p[0] = round % 3 == 0 ? 5 : round % 3 == 1 ? 4 : p[0];
		p[1] = round % 3 == 0 ? 1 : p[1];
		assert_true(talk_begin(&t, &in_socks));
		t.conf.need_auth = true;
		say(&t, p, sizeof(p), 50);
		assert_true(t.result != 0);
		talk_end(&t);
	}
}

static void an_endless_header_is_refused(void **state)
{
	static char p[40000];
	static struct talk t;

	(void)state;
	memset(p, 'a', sizeof(p));
	memcpy(p, "GET http://a/ HTTP/1.1\r\nX: ", 27);
	assert_true(talk_begin(&t, &in_http));
	say(&t, p, sizeof(p), 4000);
	assert_int_equal(t.result, -EPROTO);
	talk_end(&t);
}

/* --- plain requests, through the layer --- */

/* All the layer gives the server, as text; it stops at @room or when blocked */
static void drain(struct talk *t, char *out, size_t room, size_t *n)
{
	ssize_t k;

	for (int i = 0; i < 200; i++) {
		k = stream_read(t->s->in, out + *n, room - 1 - *n);
		if (k > 0)
			*n += (size_t)k;
		else if (k != -EAGAIN)
			break;
		if (k < 0) {
			t->s->in->ops->want(t->s->in, ST_READ);
			worker_tick(&t->l.w, 0);
		}
	}
	out[*n] = '\0';
}

static const char requests[] =
	"POST http://a.tst/1 HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\n"
	"hello"
	"\r\nPOST http://a.tst:80/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
	"Proxy-Connection: keep-alive\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n"
	"GET http://a.tst/3 HTTP/1.1\r\n\r\n";
static const char sent_on[] =
	"POST /1 HTTP/1.1\r\nHost: a.tst\r\nContent-Length: 5\r\n"
	"Connection: keep-alive\r\n\r\nhello"
	"POST /2 HTTP/1.1\r\nHost: a.tst:80\r\nTransfer-Encoding: chunked\r\n"
	"Connection: keep-alive\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n"
	"GET /3 HTTP/1.1\r\nHost: a.tst\r\nConnection: keep-alive\r\n\r\n";

static void requests_pass_in_any_pieces(void **state)
{
	static struct talk t;
	char got[2048];

	(void)state;
	for (size_t step = 1; step < 400; step += step < 10 ? 1 : 50) {
		size_t n = 0, len = sizeof(requests) - 1;

		assert_true(talk_begin(&t, &in_http));
		for (size_t i = 0; i < len; i += step) {
			say(&t, requests + i, len - i < step ? len - i : step,
			    step);
			if (t.result == 0)
				drain(&t, got, sizeof(got), &n);
		}
		assert_string_equal(got, sent_on);
		assert_string_equal(t.s->in->ops->name, "http");
		talk_end(&t);
	}
}

static void after(const char *second, const char *third, bool passes,
		  ssize_t then)
{
	static struct talk t;
	char got[2048], c;
	size_t n = 0;

	assert_true(talk_begin(&t, &in_http));
	say(&t, TEXT("GET http://a.tst/1 HTTP/1.1\r\n\r\n"), 100);
	assert_int_equal(t.result, 0);
	drain(&t, got, sizeof(got), &n);
	n = 0;
	say(&t, second, strlen(second), 1000);
	drain(&t, got, sizeof(got), &n);
	assert_int_equal(n > 0, passes);
	say(&t, third, strlen(third), 1000);
	n = 0;
	drain(&t, got, sizeof(got), &n);
	assert_int_equal(n, 0);
	assert_int_equal(stream_read(t.s->in, &c, 1), then);
	talk_end(&t);
}

static void another_host_is_the_end(void **state)
{
	(void)state;
	after("GET http://b.tst/1 HTTP/1.1\r\n\r\n", "x", false, 0);
	after("GET http://a.tst:81/1 HTTP/1.1\r\n\r\n", "x", false, 0);
	after("CONNECT a.tst:80 HTTP/1.1\r\n\r\n", "x", false, 0);
	after("\1\2\3\r\n\r\n", "x", false, 0);
	/* what said "close" was the last: nothing is read on, nobody ended */
	after("GET http://a.tst/2 HTTP/1.1\r\nConnection: close\r\n\r\n",
	      "GET http://a.tst/3 HTTP/1.1\r\n\r\n", true, -EAGAIN);
}

static void nobody_reached_is_told_in_http(void **state)
{
	static struct talk t;
	char got[512];

	(void)state;
	assert_true(talk_begin(&t, &in_http));
	say(&t, TEXT("GET http://a.tst/1 HTTP/1.1\r\n\r\n"), 100);
	assert_int_equal(t.result, 0);
	stream_close(&t.s->in, -ECONNREFUSED);
	assert_true(hear(&t, got, sizeof(got)) > 0);
	assert_memory_equal(got, "HTTP/1.1 503 ", 13);
	assert_int_equal(read(t.client, got, 1), 0);
	talk_end(&t);
}

static void an_answer_under_way_is_not_followed_by_another(void **state)
{
	static struct talk t;
	char got[512];

	(void)state;
	assert_true(talk_begin(&t, &in_http));
	say(&t, TEXT("GET http://a.tst/1 HTTP/1.1\r\n\r\n"), 100);
	assert_null(t.s->in->ops->watch(t.s->in, ST_WRITE));
	assert_int_equal(stream_write(t.s->in, "HTTP/1.1 200", 12), 12);
	/* from here on it may be spliced */
	assert_non_null(t.s->in->ops->watch(t.s->in, ST_WRITE));
	assert_null(t.s->in->ops->watch(t.s->in, ST_READ));
	stream_close(&t.s->in, -ECONNRESET);
	assert_int_equal(hear(&t, got, sizeof(got)), 12);
	talk_end(&t);
}

/* --- who never ends -------------------------------------------------------------- */

static size_t endless_said;

static ssize_t endless_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	(void)s;
	(void)cnt;
	endless_said += iov->iov_len;
	return endless_said > 16u << 20 ? -EIO : (ssize_t)iov->iov_len;
}

/* Nothing is understood, and all is taken */
static ssize_t mute_step(struct session *s, struct greet *g)
{
	(void)s;
	return (ssize_t)g->len;
}

static void who_never_stops_talking_leaves_others_their_turn(void **state)
{
	static const struct stream_ops ops = { .name = "endless",
					       .readv = endless_readv };
	struct session s = { .state = SES_GREET };
	struct stream in = { .ops = &ops };
	struct loop l;

	(void)state;
	loop_init(&l);
	endless_said = 0;
	in.job = &l.job;
	s.in = &in;
	assert_int_equal(greet_run(&s, mute_step), -EAGAIN);
	assert_true(endless_said < 1u << 20);
	assert_true(l.job.queued); /* it goes on by itself */
	free(s.greet_state);
	loop_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greetings_come_in_any_pieces),
		cmocka_unit_test(memory_may_run_out_at_any_point),
		cmocka_unit_test(what_is_refused_is_told_why),
		cmocka_unit_test(garbage_never_gets_through),
		cmocka_unit_test(an_endless_header_is_refused),
		cmocka_unit_test(requests_pass_in_any_pieces),
		cmocka_unit_test(another_host_is_the_end),
		cmocka_unit_test(nobody_reached_is_told_in_http),
		cmocka_unit_test(
			an_answer_under_way_is_not_followed_by_another),
		cmocka_unit_test(
			who_never_stops_talking_leaves_others_their_turn),
	};

	signal(SIGPIPE, SIG_IGN); /* as the program does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
