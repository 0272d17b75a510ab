/*
 * test_lw_pair.c - Two stacks of one copy that speak with each other: one connects,
 * the other lets in. What is global of lwIP changes with every packet between them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "netstack/lw/lw_in.h"

#define WAIT_MAX 400 /* packets on the wire */

/* A packet on its way */
struct wire {
	struct lw *to;
	size_t len;
	_Alignas(16) uint8_t data[1500];
};

static struct worker W;
static struct lw *A, *B; /* A connects, B lets in */
static struct wire wire[WAIT_MAX];
static unsigned int first, count, lost;
static struct stream *in;
static bool refuse;
static struct job idle;

static int on_send(void *arg, const struct vnet *vnet, const struct iovec *iov,
		   int cnt)
{
	struct wire *w = &wire[(first + count) % WAIT_MAX];
	struct lw *to = *(struct lw **)arg;

	(void)vnet;
	if (count == WAIT_MAX || !to) {
		lost++;
		return 0;
	}
	w->to = to;
	w->len = 0;
	for (int i = 0; i < cnt; i++) {
		assert_true(w->len + iov[i].iov_len <= sizeof(w->data));
		memcpy(w->data + w->len, iov[i].iov_base, iov[i].iov_len);
		w->len += iov[i].iov_len;
	}
	count++;
	return 0;
}

static int on_accept(void *arg, struct stream *s, const struct addr *client,
		     const struct addr *dest)
{
	(void)arg;
	(void)client;
	(void)dest;
	if (refuse)
		return -ENOBUFS;
	in = s;
	stream_set_job(s, &idle);
	return 0;
}

static void on_wake(void *arg)
{
	(void)arg;
}

static void on_idle(struct job *j)
{
	(void)j;
}

static struct lw *stack(struct lw **to, bool lets_in)
{
	struct lw_conf c = { .worker = &W,
			     .mtu = 1420,
			     .send = on_send,
			     .accept = lets_in ? on_accept : NULL,
			     .wake = on_wake,
			     .arg = to,
			     .flow_max = 100,
			     .half_open_max = 50,
			     .half_open_source_max = 50,
			     .secret = { 1, lets_in } };

	return lw_ops.new(&c);
}

static int up(void **state)
{
	(void)state;
	if (worker_init(&W, 0, NULL))
		return -1;
	W.now_ms = 1000;
	idle = (struct job){ .run = on_idle, .worker = &W };
	first = count = lost = 0;
	in = NULL;
	refuse = false;
	A = stack(&B, false);
	B = stack(&A, true);
	return A && B ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	if (A)
		lw_ops.free(A);
	A = NULL;
	if (in)
		in->ops->close(in, 0);
	if (B)
		lw_ops.free(B);
	B = NULL;
	worker_fini(&W);
	return 0;
}

/* Everything on the wire arrives, and what that brings, for @ms */
static void run(uint32_t ms)
{
	for (uint32_t end = W.now_ms + ms; (int32_t)(end - W.now_ms) > 0;
	     W.now_ms += 10) {
		while (count) {
			struct wire *w = &wire[first];
			struct vnet none = { 0 };
			struct packet p;
			enum drop why;

			first = (first + 1) % WAIT_MAX;
			count--;
			assert_int_equal(
				packet_parse(w->data, w->len, &none, &p, &why),
				0);
			lw_ops.input(w->to, &p, NULL);
		}
		for (int i = 0; i < 2; i++) {
			struct lw *lw = i ? B : A;

			if (!lw)
				continue;
			lw_ops.flush(lw);
			if (lw_ops.next_timer(lw) == 0)
				lw_ops.tick(lw);
		}
	}
}

static struct stream *call(bool v6, uint16_t port)
{
	static const uint8_t a[16] = { 0xfd, [15] = 1 },
			     b[16] = { 0xfd, [15] = 2 };
	struct addr from = v6 ? addr_v6(a, port) : addr_v4("\12\1\0\1", port);
	struct addr to = v6 ? addr_v6(b, 80) : addr_v4("\12\1\0\2", 80);
	struct stream *s = NULL;

	assert_int_equal(lw_ops.connect(A, &from, &to, &s), 0);
	stream_set_job(s, &idle);
	return s;
}

static void transfer(struct stream *from, struct stream *to, size_t n)
{
	static uint8_t out[300000], back[300000];
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(i * 13 + (i >> 9));
	for (int turn = 0; turn < 500 && got < n; turn++) {
		ssize_t k = stream_write(from, out + sent, n - sent);

		sent += k > 0 ? (size_t)k : 0;
		run(10);
		while ((k = stream_read(to, back + got, sizeof(back) - got)) >
		       0)
			got += (size_t)k;
	}
	assert_int_equal(got, n);
	assert_memory_equal(out, back, n);
}

static void bytes_go_both_ways(bool v6)
{
	struct stream *s = call(v6, 40000);
	uint8_t c;

	assert_false(s->ops->up(s));
	assert_int_equal(stream_read(s, &c, 1), -EAGAIN);
	assert_int_equal(stream_write(s, "x", 1), -EAGAIN);
	assert_int_equal(s->ops->finish(s), -EAGAIN);
	run(100);
	assert_true(s->ops->up(s));
	assert_non_null(in);
	transfer(s, in, 300000);
	transfer(in, s, 300000);
	assert_int_equal(s->ops->finish(s), 0);
	run(100);
	assert_int_equal(stream_read(in, &c, 1), 0);
	transfer(in, s, 5000);
	in->ops->close(in, 0);
	in = NULL;
	run(100);
	assert_int_equal(stream_read(s, &c, 1), 0);
	s->ops->close(s, 0);
	run(5000);
}

static void v4(void **state)
{
	(void)state;
	bytes_go_both_ways(false);
}

static void v6(void **state)
{
	(void)state;
	bytes_go_both_ways(true);
}

static void lost_packets_come_again(void **state)
{
	struct stream *s = call(false, 40001);
	struct lw *b = B;

	(void)state;
	B = NULL; /* the wire is cut */
	first = count = 0;
	run(500);
	B = b;
	run(3000);
	assert_true(s->ops->up(s));
	assert_non_null(in);
	transfer(s, in, 10000);
	s->ops->close(s, -ECANCELED);
	run(100);
	assert_int_equal(stream_read(in, &(uint8_t){ 0 }, 1), -ECONNRESET);
}

static void a_refusal_is_told(void **state)
{
	struct stream *s = call(false, 40002);

	(void)state;
	refuse = true;
	run(200);
	if (!s->ops->up(s)) /* its SYN was answered before it was refused */
		assert_int_equal(stream_read(s, &(uint8_t){ 0 }, 1),
				 -ECONNREFUSED);
	else
		assert_int_equal(stream_read(s, &(uint8_t){ 0 }, 1),
				 -ECONNRESET);
	s->ops->close(s, 0);
}

/* As a kernel does whose port is closed */
static void a_reset_is_a_refusal(void **state)
{
	struct stream *s = call(false, 40003);
	struct wire w;
	uint8_t *t = w.data + 20;
	uint32_t seq;
	struct vnet none = { 0 };
	struct packet p;
	enum drop why;

	(void)state;
	assert_int_equal(count, 1);
	w = wire[first];
	count = 0;
	seq = get_be32(t + 4);
	memcpy(w.data + 12, "\12\1\0\2\12\1\0\1", 8);
	put_be16(w.data + 2, 40);
	put_be16(w.data + 10, 0);
	put_be16(w.data + 10, csum_fold(csum_add(0, w.data, 20)));
	put_be16(t, 80);
	put_be16(t + 2, 40003);
	put_be32(t + 4, 0);
	t[12] = 5 << 4;
	t[13] = TCP_RST | TCP_ACK;
	none.csum_ok = true;
	for (int guess = 1; guess >= 0; guess--) {
		struct wire copy = w; /* lwIP changes what it is given */

		put_be32(copy.data + 28, seq + 1 + (guess ? 98 : 0));
		assert_int_equal(packet_parse(copy.data, 40, &none, &p, &why),
				 0);
		lw_ops.input(A, &p, NULL);
		if (guess)
			assert_int_equal(stream_read(s, &(uint8_t){ 0 }, 1),
					 -EAGAIN);
	}
	assert_int_equal(stream_read(s, &(uint8_t){ 0 }, 1), -ECONNREFUSED);
	s->ops->close(s, 0);
}

static void silence_is_a_timeout(void **state)
{
	struct stream *s = call(false, 40004);
	struct lw *b = B;

	(void)state;
	B = NULL;
	first = count = 0;
	run(120000);
	B = b;
	assert_int_equal(stream_read(s, &(uint8_t){ 0 }, 1), -ETIMEDOUT);
	assert_true(lost >= 4);
	s->ops->close(s, 0);
}

static void nobody_is_let_in_where_nobody_shall(void **state)
{
	struct addr from = addr_v4("\12\1\0\2", 80);
	struct addr to = addr_v4("\12\1\0\1", 80);
	struct lw_stats st;
	struct stream *s;

	(void)state;
	assert_int_equal(lw_ops.connect(B, &from, &to, &s), 0);
	stream_set_job(s, &idle);
	run(500);
	assert_false(s->ops->up(s));
	lw_ops.stats(A, &st);
	assert_int_equal(st.flows, 0);
	s->ops->close(s, 0);
	lw_ops.stats(B, &st);
	assert_int_equal(st.flows, 0);
}

static void a_port_is_used_once(void **state)
{
	struct addr from = addr_v4("\12\1\0\1", 40005);
	struct addr to = addr_v4("\12\1\0\2", 80);
	struct stream *s = call(false, 40005), *again = NULL;

	(void)state;
	assert_int_equal(lw_ops.connect(A, &from, &to, &again), -EADDRINUSE);
	assert_null(again);
	s->ops->close(s, -ECANCELED);
	assert_int_equal(lw_ops.connect(A, &from, &to, &again), 0);
	again->ops->close(again, 0);
}

static void a_stream_outlives_its_stack(void **state)
{
	struct stream *s = call(false, 40006), *half;

	(void)state;
	run(100);
	half = call(false, 40007); /* not answered yet */
	count = 0;
	lw_ops.free(A);
	A = NULL;
	assert_int_equal(stream_read(s, &(uint8_t){ 0 }, 1), -ENETDOWN);
	assert_int_equal(stream_write(s, "x", 1), -ENETDOWN);
	s->ops->took(s, 10);
	assert_int_equal(s->ops->finish(s), -ENETDOWN);
	run(100);
	s->ops->close(s, 0);
	half->ops->close(half, -EIO);
	run(100);
}

static void a_third_stack_changes_nothing(void **state)
{
	struct stream *s = call(false, 40008);
	struct lw *c = NULL;

	(void)state;
	run(100);
	c = stack(&A, true);
	assert_non_null(c);
	transfer(s, in, 20000);
	lw_ops.free(c);
	transfer(in, s, 20000);
	s->ops->close(s, 0);
	run(100);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(v4),
		T(v6),
		T(lost_packets_come_again),
		T(a_refusal_is_told),
		T(a_reset_is_a_refusal),
		T(silence_is_a_timeout),
		T(nobody_is_let_in_where_nobody_shall),
		T(a_port_is_used_once),
		T(a_stream_outlives_its_stack),
		T(a_third_stack_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
