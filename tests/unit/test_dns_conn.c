/* test_dns_conn.c - Shared connections, against a server made of memory */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/dns/conf.h"
#include "gateway/dns/conn.h"
#include "proxy/wire/dns_msg.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/loop.h"

#define WIRES     16
#define TIMEOUT   200u
#define ASKS      40
#define QUERY_LEN 32u

/**
 * struct wire - One connection as the server sees it
 * @in, @in_len:	What the client wrote; @at: how far the server read it
 * @out, @out_len:	What the server wrote and the client did not read yet
 * @eof, @err:	How it ends after that
 */
struct wire {
	struct stream s;
	uint8_t in[8192], out[8192];
	size_t in_len, at, out_len;
	bool open, eof;
	int err;
	unsigned int want;
};

/**
 * struct rig - The server and who asks
 * @refuse:	What dialing gives; @hold: connections do not come up
 * @dialed:	How many there were, wire[0] being the first
 * @told, @rc, @first, @age:	Of ask @i
 */
struct rig {
	struct loop l; /* must be first */
	struct conns conns;
	struct flusher flusher;
	struct dns_server server;
	struct transport level;
	struct wire wire[WIRES];
	unsigned int dialed;
	int refuse;
	bool hold;
	const char *alpn;
	struct conn_ask ask[ASKS];
	uint8_t query[ASKS][QUERY_LEN];
	unsigned int told[ASKS];
	int rc[ASKS];
	uint8_t first[ASKS];
	uint32_t age[ASKS];
};

static struct rig *rig;

static ssize_t wire_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct wire *w = container_of(s, struct wire, s);
	size_t n = w->out_len < iov[0].iov_len ? w->out_len : iov[0].iov_len;

	assert_int_equal(cnt, 1);
	if (!n)
		return w->err ? w->err : w->eof ? 0 : -EAGAIN;
	memcpy(iov[0].iov_base, w->out, n);
	memmove(w->out, w->out + n, w->out_len - n);
	w->out_len -= n;
	return (ssize_t)n;
}

static ssize_t wire_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct wire *w = container_of(s, struct wire, s);

	assert_int_equal(cnt, 1);
	if (rig->hold)
		return -EAGAIN;
	if (w->err)
		return w->err;
	assert_true(w->in_len + iov[0].iov_len <= sizeof(w->in));
	memcpy(w->in + w->in_len, iov[0].iov_base, iov[0].iov_len);
	w->in_len += iov[0].iov_len;
	return (ssize_t)iov[0].iov_len;
}

static void wire_want(struct stream *s, unsigned int events)
{
	container_of(s, struct wire, s)->want = events;
}

static bool wire_up(const struct stream *s)
{
	(void)s;
	return !rig->hold;
}

static void wire_close(struct stream *s, int why)
{
	(void)why;
	container_of(s, struct wire, s)->open = false;
}

static void wire_hello(struct stream *s, struct stream_hello *out)
{
	(void)s;
	snprintf(out->alpn, sizeof(out->alpn), "%s", rig->alpn);
}

static const struct stream_ops wire_ops = {
	.name = "wire",
	.readv = wire_readv,
	.writev = wire_writev,
	.want = wire_want,
	.up = wire_up,
	.close = wire_close,
	.hello = wire_hello,
};

static int wire_dial(const struct transport *t, const struct dial *d,
		     const struct addr *to, struct stream **out)
{
	struct wire *w = &rig->wire[rig->dialed];

	(void)t;
	(void)to;
	if (rig->refuse)
		return rig->refuse;
	assert_true(rig->dialed < WIRES);
	rig->dialed++;
	memset(w, 0, sizeof(*w));
	w->s = (struct stream){ .ops = &wire_ops, .job = d->job };
	w->open = true;
	*out = &w->s;
	return 0;
}

static const struct transport_ops wire_level = { .name = "wire",
						 .dial = wire_dial };

static void on_turn(struct flusher *f)
{
	conns_turn(&container_of(f, struct rig, flusher)->conns);
}

static void rig_init(struct rig *r, uint8_t kind, const char *alpn)
{
	memset(r, 0, sizeof(*r));
	rig = r;
	loop_init(&r->l);
	conns_init(&r->conns);
	r->flusher.flush = on_turn;
	list_add_tail(&r->l.w.flushers, &r->flusher.node);
	r->alpn = alpn;
	r->level.ops = &wire_level;
	r->server = (struct dns_server){ .kind = kind,
					 .name = "DOT//wire",
					 .path = "/q",
					 .authority = "d.example",
					 .timeout_ms = TIMEOUT,
					 .top = &r->level };
}

static void rig_fini(struct rig *r)
{
	conns_stop(&r->conns);
	conns_free(&r->conns);
	for (unsigned int i = 0; i < r->dialed; i++)
		assert_false(r->wire[i].open);
	assert_true(list_empty(&r->conns.pools));
	assert_int_equal(atomic_load(&r->l.cfg.refs), 2); /* ours, worker's */
	list_del(&r->flusher.node);
	loop_fini(&r->l);
}

static void turns(struct rig *r)
{
	for (int i = 0; i < 6; i++)
		worker_tick(&r->l.w, 0);
}

static void on_done(struct conn_ask *a, int rc, uint8_t *msg, size_t n,
		    uint32_t age_s)
{
	size_t i = (size_t)(a - rig->ask);

	rig->age[i] = age_s;
	rig->told[i]++;
	rig->rc[i] = rc;
	rig->first[i] = !rc && n > DNS_HEAD_BYTES ? msg[DNS_HEAD_BYTES] : 0;
}

/* Ask number @i, whose thirteenth byte is @i, too */
static int ask(struct rig *r, unsigned int i)
{
	memset(r->query[i], 0, QUERY_LEN);
	r->query[i][DNS_HEAD_BYTES] = (uint8_t)i;
	r->ask[i] = (struct conn_ask){ .query = r->query[i],
				       .len = QUERY_LEN,
				       .done = on_done };
	return conn_ask(&r->conns, &r->l.w, &r->l.cfg, &r->server, &r->ask[i]);
}

/* The server's side of DNS over TLS: its next query. NULL: none is there */
static const uint8_t *dot_next(struct wire *w)
{
	const uint8_t *q = w->in + w->at + 2;

	if (w->in_len - w->at < 2 + QUERY_LEN)
		return NULL;
	assert_int_equal(get_be16(w->in + w->at), QUERY_LEN);
	w->at += 2 + QUERY_LEN;
	return q;
}

static void reply(struct wire *w, const void *p, size_t n)
{
	memcpy(w->out + w->out_len, p, n);
	w->out_len += n;
	job_ready(w->s.job);
}

static void dot_reply(struct wire *w, const uint8_t *query)
{
	uint8_t head[2] = { 0, QUERY_LEN };

	reply(w, head, 2);
	reply(w, query, QUERY_LEN);
}

static void finish(struct wire *w, int err)
{
	w->eof = !err;
	w->err = err;
	job_ready(w->s.job);
}

static void queries_share_a_connection_and_come_in_any_order(void **state)
{
	const uint8_t *q[3];
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_TLS, "");
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ask(&r, i), 0);
	turns(&r);
	assert_int_equal(r.dialed, 1);
	for (int i = 0; i < 3; i++)
		assert_non_null(q[i] = dot_next(&r.wire[0]));
	assert_int_not_equal(get_be16(q[0]), get_be16(q[1]));
	for (int i = 3; i-- > 0;) {
		dot_reply(&r.wire[0], q[i]);
		turns(&r);
		assert_int_equal(r.told[i], 1);
		assert_int_equal(r.rc[i], 0);
		assert_int_equal(r.first[i], i);
	}
	ask(&r, 3);
	turns(&r);
	assert_int_equal(r.dialed, 1);
	conn_ask_end(&r.ask[3], false);
	conn_ask_end(&r.ask[3], false);
	turns(&r);
	assert_true(r.wire[0].open); /* nobody timed out */
	assert_int_equal(r.told[3], 0);
	rig_fini(&r);
}

static void what_cannot_be_dialed_fails_at_once(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_TLS, "");
	r.refuse = -ENETUNREACH;
	assert_int_equal(ask(&r, 0), -ENETUNREACH);
	assert_int_equal(r.told[0], 0);
	r.refuse = 0;
	r.hold = true;
	ask(&r, 0);
	ask(&r, 1);
	turns(&r);
	finish(&r.wire[0], -ECONNREFUSED);
	turns(&r);
	assert_int_equal(r.dialed, 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(r.rc[i], -ECONNREFUSED);
	rig_fini(&r);
}

static bool told_first(void *arg)
{
	return ((struct rig *)arg)->told[0];
}

static void a_handshake_that_hangs_is_given_up(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_TLS, "");
	r.hold = true;
	ask(&r, 0);
	assert_true(loop_until(&r.l, told_first, &r, 2000));
	assert_int_equal(r.rc[0], -ETIMEDOUT);
	assert_false(r.wire[0].open);
	rig_fini(&r);
}

static void an_ended_connection_is_replaced_once(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_TLS, "");
	ask(&r, 0);
	turns(&r);
	finish(&r.wire[0], 0);
	turns(&r);
	assert_int_equal(r.dialed, 2);
	assert_int_equal(r.told[0], 0);
	ask(&r, 1);
	turns(&r);
	finish(&r.wire[1], -ECONNRESET);
	turns(&r);
	assert_int_equal(r.rc[0], -ECONNRESET); /* it was sent twice */
	assert_int_equal(r.told[1], 0);
	assert_int_equal(r.dialed, 3);
	assert_non_null(dot_next(&r.wire[2]));
	r.refuse = -ECONNREFUSED;
	finish(&r.wire[2], 0);
	turns(&r);
	assert_int_equal(r.told[1], 1);
	assert_int_equal(r.rc[1], -ECONNRESET);
	ask(&r, 2);
	assert_int_equal(r.ask[2].pool == NULL, true);
	rig_fini(&r);
}

static void silence_takes_a_connection_out_of_use(void **state)
{
	const uint8_t *q;
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_TLS, "");
	ask(&r, 0);
	turns(&r);
	dot_reply(&r.wire[0], dot_next(&r.wire[0]));
	turns(&r);
	ask(&r, 1);
	ask(&r, 2);
	turns(&r);
	q = dot_next(&r.wire[0]);
	dot_next(&r.wire[0]);
	dot_reply(&r.wire[0], q); /* somebody was answered since: it lives */
	turns(&r);
	conn_ask_again(&r.ask[2]);
	conn_ask_end(&r.ask[2], true);
	ask(&r, 3);
	turns(&r);
	assert_int_equal(r.dialed, 1);
	conn_ask_again(&r.ask[3]); /* nobody was: elsewhere */
	turns(&r);
	assert_int_equal(r.dialed, 2);
	assert_false(r.wire[0].open);
	dot_reply(&r.wire[1], dot_next(&r.wire[1]));
	turns(&r);
	assert_int_equal(r.told[3], 1);
	assert_int_equal(r.first[3], 3);
	ask(&r, 4);
	ask(&r, 5);
	turns(&r);
	conn_ask_end(&r.ask[4], true);
	turns(&r);
	assert_false(r.wire[1].open);
	assert_int_equal(r.dialed, 3); /* for the other one */
	assert_int_equal(r.told[4] + r.told[5], 0);
	rig_fini(&r);
}

static void bytes_that_are_no_answers_end_it(void **state)
{
	static const uint8_t brief[] = { 0, 3, 'a', 'b', 'c' };
	uint8_t stray[2 + QUERY_LEN] = { 0, QUERY_LEN };
	const uint8_t *q;
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_TLS, "");
	ask(&r, 0);
	turns(&r);
	reply(&r.wire[0], brief, sizeof(brief));
	turns(&r);
	assert_false(r.wire[0].open);
	assert_int_equal(r.dialed, 2);
	q = dot_next(&r.wire[1]);
	put_be16(stray + 2, (uint16_t)(get_be16(q) + 1));
	for (int i = 0; i < 64; i++)
		reply(&r.wire[1], stray, sizeof(stray));
	dot_reply(&r.wire[1], q); /* so many are borne */
	turns(&r);
	assert_int_equal(r.told[0], 1);
	assert_true(r.wire[1].open);
	for (int i = 0; i < 65; i++)
		reply(&r.wire[1], stray, sizeof(stray));
	turns(&r);
	assert_false(r.wire[1].open);
	rig_fini(&r);
}

/* --- HTTP/1.1 --- */

static void h1_reply(struct wire *w, const char *more, uint8_t first)
{
	uint8_t body[DNS_HEAD_BYTES + 1] = { 0 };
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\ncontent-type: "
			 "application/dns-message\r\n%scontent-length: %zu\r\n"
			 "\r\n",
			 more, sizeof(body));

	body[DNS_HEAD_BYTES] = first;
	reply(w, head, (size_t)n);
	reply(w, body, sizeof(body));
}

static void http1_takes_one_each_and_four_connections(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_HTTPS, "http/1.1");
	for (unsigned int i = 0; i < 6; i++)
		ask(&r, i);
	turns(&r);
	assert_int_equal(r.dialed, CONN_MAX);
	assert_non_null(strstr((char *)r.wire[0].in, "POST /q HTTP/1.1\r\n"));
	assert_non_null(strstr((char *)r.wire[0].in, "Host: d.example\r\n"));
	h1_reply(&r.wire[0], "", 7);
	turns(&r);
	assert_int_equal(r.told[0], 1);
	assert_int_equal(r.first[0], 7);
	/* the fifth's */
	h1_reply(&r.wire[0], "connection: close\r\nage: 9\r\n", 8);
	turns(&r);
	assert_int_equal(r.first[4], 8);
	assert_int_equal(r.age[0], 0);
	assert_int_equal(r.age[4], 9);
	assert_false(r.wire[0].open);
	assert_int_equal(r.dialed, CONN_MAX + 1); /* for the sixth */
	conn_ask_end(&r.ask[1], true);
	turns(&r);
	assert_false(r.wire[1].open);
	rig_fini(&r);
}

static void http1_that_is_no_answer_ends_that_query(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 404 No\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\n"
		"content-length: 1\r\ncontent-length: 2\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n",
	};
	struct rig r;

	(void)state;
	rig_init(&r, SERVER_HTTPS, "");
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		ask(&r, i);
		turns(&r);
		assert_int_equal(r.dialed, i + 1);
		reply(&r.wire[i], bad[i], strlen(bad[i]));
		turns(&r);
		assert_int_equal(r.told[i], 1);
		assert_int_equal(r.rc[i], -EPROTO);
		assert_false(r.wire[i].open);
	}
	rig_fini(&r);
}

/* --- all of it without memory --- */

static void out_of_memory_costs_queries_only(void **state)
{
	static const struct {
		uint8_t kind;
		const char *alpn;
	} kinds[] = { { SERVER_TLS, "" },
		      { SERVER_HTTPS, "http/1.1" },
		      { SERVER_HTTPS, "h2" } };
	struct rig r;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		unsigned int n, hit = 1;

		for (n = 1; hit && n < 60; n++) {
			int rc;

			rig_init(&r, kinds[k].kind, kinds[k].alpn);
			alloc_fail_at(n);
			rc = ask(&r, 0);
			turns(&r);
			if (rc == 0 && r.wire[0].open && !k && r.wire[0].in_len)
				dot_reply(&r.wire[0], dot_next(&r.wire[0]));
			if (rc == 0 && r.wire[0].open && k == 1)
				h1_reply(&r.wire[0], "", 1);
			turns(&r);
			hit = alloc_fail_hit();
			if (rc)
				assert_int_equal(rc, -ENOMEM);
			assert_true(r.told[0] <= 1);
			rig_fini(&r);
		}
		assert_in_range(n, 4, 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			queries_share_a_connection_and_come_in_any_order),
		cmocka_unit_test(what_cannot_be_dialed_fails_at_once),
		cmocka_unit_test(a_handshake_that_hangs_is_given_up),
		cmocka_unit_test(an_ended_connection_is_replaced_once),
		cmocka_unit_test(silence_takes_a_connection_out_of_use),
		cmocka_unit_test(bytes_that_are_no_answers_end_it),
		cmocka_unit_test(http1_takes_one_each_and_four_connections),
		cmocka_unit_test(http1_that_is_no_answer_ends_that_query),
		cmocka_unit_test(out_of_memory_costs_queries_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
