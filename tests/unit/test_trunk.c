/* test_trunk.c - Mux.cool connections, two trunks wired together or fed by hand */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/mux/sub.h"
#include "proxy/mux/trunk.h"
#include "proxy/wire/xudp.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/loop.h"

#define SUBS 300

/**
 * struct end - One side
 * @born:	Subs made by New frames
 */
struct end {
	struct trunk t;
	struct loop *l;
	struct stream *born[SUBS];
	struct dgram *born_udp[SUBS];
	unsigned int count, udp_count, kicks, left;
	bool refuse;
};

struct rig {
	struct loop l;
	struct end a, b; /* client, server */
};

static void end_kick(struct trunk *t)
{
	container_of(t, struct end, t)->kicks++;
}

static void end_left(struct trunk *t)
{
	container_of(t, struct end, t)->left++;
}

static struct sub *end_birth(struct trunk *t, const struct mux_frame *f)
{
	struct end *e = container_of(t, struct end, t);
	struct sub_stream *ss;
	struct sub_dgram *d;

	if (e->refuse || e->count == SUBS) {
		trunk_put_end(t, f->session, true);
		return NULL;
	}
	if (f->network == MUX_UDP) {
		d = sub_dgram_new(t, f->session, &f->to, true);
		if (!d)
			return NULL;
		d->d.job = &e->l->job;
		e->born_udp[e->udp_count++] = &d->d;
		return &d->sub;
	}
	ss = sub_stream_new(t, f->session, NULL);
	if (!ss)
		return NULL;
	ss->s.job = &e->l->job;
	e->born[e->count++] = &ss->s;
	return &ss->sub;
}

static const struct trunk_ops client_ops = { .kick = end_kick,
					     .left = end_left };
static const struct trunk_ops server_ops = { .kick = end_kick,
					     .birth = end_birth,
					     .left = end_left };

static void rig_up(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	r->a.l = r->b.l = &r->l;
	trunk_init(&r->a.t, &client_ops, &r->l.w);
	trunk_init(&r->b.t, &server_ops, &r->l.w);
	r->a.t.up = r->b.t.up = true;
}

static void end_close(struct end *e)
{
	for (unsigned int i = 0; i < SUBS; i++) {
		stream_close(&e->born[i], 0);
		if (e->born_udp[i])
			e->born_udp[i]->ops->close(e->born_udp[i]);
	}
	trunk_kill(&e->t, -ECONNRESET);
}

static void rig_down(struct rig *r)
{
	end_close(&r->a);
	end_close(&r->b);
	loop_fini(&r->l);
}

static struct stream *open_sub(struct rig *r, uint16_t id)
{
	struct addr to = addr_of("192.0.2.1", 80);
	struct sub_stream *ss = sub_stream_new(&r->a.t, id, &to);

	assert_non_null(ss);
	ss->s.job = &r->l.job;
	return &ss->s;
}

/* From @from's queue into @to, at most @step bytes a time. Bytes moved */
static size_t carry(struct end *from, struct end *to, size_t step)
{
	uint8_t b[70000];
	size_t all = 0;

	while (from->t.tx.bytes) {
		struct iovec iov = { b, step < sizeof(b) ? step : sizeof(b) };
		struct queue copy = from->t.tx;
		struct iovec v[64];
		int cnt = queue_show(&copy, v, 64);
		size_t n = 0;
		ssize_t k;

		for (int i = 0; i < cnt && n < iov.iov_len; i++) {
			size_t m = v[i].iov_len;

			m = m < iov.iov_len - n ? m : iov.iov_len - n;
			memcpy(b + n, v[i].iov_base, m);
			n += m;
		}
		k = trunk_feed(&to->t, b, n);
		assert_true(k >= 0);
		trunk_sent(&from->t, (size_t)k);
		all += (size_t)k;
		if ((size_t)k < n)
			break;
	}
	return all;
}

static void feed_hex(struct end *e, const char *hex, ssize_t want)
{
	uint8_t b[512];
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned int x;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &x), 1);
		b[i] = (uint8_t)x;
	}
	assert_int_equal(trunk_feed(&e->t, b, n), want < 0 ? want : (ssize_t)n);
}

static ssize_t read_some(struct stream *s, void *p, size_t n)
{
	return stream_read(s, p, n);
}

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 131 + (i >> 8) * 7);
}

static void bytes_pass_at_every_cut(void **state)
{
	static uint8_t data[20000], got[20000];

	(void)state;
	fill(data, sizeof(data));
	for (size_t step = 1; step < 40; step++) {
		struct rig r;
		struct stream *s;

		rig_up(&r);
		s = open_sub(&r, 1);
		assert_int_equal(stream_write(s, data, 20000), 20000);
		carry(&r.a, &r.b, step);
		assert_int_equal(r.b.count, 1);
		assert_int_equal(read_some(r.b.born[0], got, 20000), 20000);
		assert_memory_equal(data, got, 20000);
		assert_int_equal(read_some(r.b.born[0], got, 1), -EAGAIN);
		/* and back */
		assert_int_equal(stream_write(r.b.born[0], data, 9000), 9000);
		carry(&r.b, &r.a, step);
		assert_int_equal(read_some(s, got, 20000), 9000);
		assert_memory_equal(data, got, 9000);
		stream_close(&s, 0);
		carry(&r.a, &r.b, step);
		assert_int_equal(read_some(r.b.born[0], got, 1), 0);
		assert_int_equal(r.a.t.live, 0);
		rig_down(&r);
	}
}

static void new_leaves_with_the_first_bytes_or_with_the_wait(void **state)
{
	struct rig r;
	struct stream *s, *t;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 1);
	t = open_sub(&r, 2);
	assert_int_equal(r.a.t.tx.bytes, 0);
	assert_int_equal(stream_write(s, "x", 1), 1);
	assert_int_equal(r.a.t.tx.bytes, 2 + 4 + 1 + 2 + 1 + 4 + 2 + 1);
	carry(&r.a, &r.b, 100);
	t->ops->want(t, ST_READ);
	assert_int_equal(r.a.t.tx.bytes, 2 + 4 + 1 + 2 + 1 + 4);
	t->ops->want(t, ST_READ);
	carry(&r.a, &r.b, 100);
	assert_int_equal(r.b.count, 2);
	stream_close(&s, 0);
	stream_close(&t, 0);
	rig_down(&r);
}

static void one_never_used_says_nothing(void **state)
{
	struct rig r;
	struct stream *s;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 1);
	stream_close(&s, 0);
	assert_int_equal(r.a.t.tx.bytes, 0);
	assert_int_equal(r.a.left, 1);
	rig_down(&r);
}

static void half_close_keeps_the_other_direction(void **state)
{
	uint8_t got[8];
	struct rig r;
	struct stream *s;

	(void)state;
	rig_up(&r);
	trunk_put_half_mark(&r.b.t);
	carry(&r.b, &r.a, 100);
	assert_true(r.a.t.half);
	s = open_sub(&r, 1);
	assert_int_equal(stream_write(s, "ask", 3), 3);
	assert_int_equal(s->ops->finish(s), 0);
	carry(&r.a, &r.b, 100);
	assert_int_equal(read_some(r.b.born[0], got, 8), 3);
	assert_int_equal(read_some(r.b.born[0], got, 8), 0);
	assert_int_equal(stream_write(r.b.born[0], "answer", 6), 6);
	assert_int_equal(r.b.born[0]->ops->finish(r.b.born[0]), 0);
	carry(&r.b, &r.a, 100);
	assert_int_equal(read_some(s, got, 8), 6);
	assert_int_equal(read_some(s, got, 8), 0);
	/* both have ended: nothing more is said */
	stream_close(&s, 0);
	stream_close(&r.b.born[0], 0);
	assert_int_equal(r.a.t.tx.bytes + r.b.t.tx.bytes, 0);
	rig_down(&r);
}

static bool has_tx(void *arg)
{
	return ((struct rig *)arg)->a.t.tx.bytes > 0;
}

static void end_waits_for_a_quiet_download_where_it_might_cut_it(void **state)
{
	struct rig r;
	struct stream *s;
	uint32_t t0;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 1);
	assert_int_equal(stream_write(s, "ask", 3), 3);
	carry(&r.a, &r.b, 100);
	t0 = clock_ms();
	assert_int_equal(s->ops->finish(s), 0);
	assert_false(has_tx(&r));
	assert_true(loop_until(&r.l, has_tx, &r, 3000));
	assert_true(clock_ms() - t0 + 5 >= SUB_QUIET_MS);
	carry(&r.a, &r.b, 100);
	assert_int_equal(read_some(r.b.born[0], &t0, 3), 3);
	assert_int_equal(read_some(r.b.born[0], &t0, 3), 0);
	stream_close(&s, 0);
	rig_down(&r);
}

static void an_error_is_a_reset_after_what_was_received(void **state)
{
	uint8_t got[8];
	struct rig r;
	struct stream *s;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 1);
	assert_int_equal(stream_write(s, "abc", 3), 3);
	stream_close(&s, -ETIMEDOUT);
	carry(&r.a, &r.b, 1);
	assert_int_equal(read_some(r.b.born[0], got, 8), 3);
	assert_int_equal(read_some(r.b.born[0], got, 8), -ECONNRESET);
	assert_int_equal(stream_write(r.b.born[0], "x", 1), -ECONNRESET);
	rig_down(&r);
}

static void a_second_end_closes_the_upload_too(void **state)
{
	uint8_t got[8];
	struct rig r;
	struct stream *s;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 5);
	s->ops->want(s, ST_READ);
	feed_hex(&r.a, "000400050300", 0);
	assert_int_equal(read_some(s, got, 8), 0);
	r.a.t.tx.bytes ? carry(&r.a, &r.b, 100) : 0;
	assert_int_equal(stream_write(s, "x", 1), 1); /* may still be wanted */
	feed_hex(&r.a, "000400050300", 0);
	assert_int_equal(stream_write(s, "x", 1), -EPIPE);
	assert_int_equal(read_some(s, got, 8), -EPIPE);
	stream_close(&s, 0);
	rig_down(&r);
}

static void strangers_are_told_to_end(void **state)
{
	uint8_t got[16];
	struct iovec iov = { got, sizeof(got) };
	struct rig r;

	(void)state;
	rig_up(&r);
	feed_hex(&r.b, "000400090201000568656c6c6f", 0); /* Keep 9 "hello" */
	assert_int_equal(queue_read(&r.b.t.tx, &iov, 1), 6);
	assert_memory_equal(got, "\0\4\0\11\3\0", 6);
	feed_hex(&r.b, "000400090200", 0); /* Keep without data */
	feed_hex(&r.b, "000400090300", 0); /* End: no answer, no ping-pong */
	feed_hex(&r.b, "00040000040100026869", 0); /* KeepAlive "hi" */
	assert_int_equal(r.b.t.tx.bytes, 0);
	assert_int_equal(r.b.count, 0);
	rig_down(&r);
}

static void answers_to_strangers_are_bounded(void **state)
{
	static uint8_t flood[6000 * 9];
	struct rig r;
	size_t all = 0;

	(void)state;
	rig_up(&r);
	for (size_t i = 0; i < sizeof(flood); i += 9)
		memcpy(flood + i, "\0\4\0\11\2\1\0\1x", 9);
	for (int i = 0; i < 20; i++) {
		ssize_t n = trunk_feed(&r.b.t, flood, sizeof(flood));

		assert_true(n >= 0);
		all += (size_t)n;
	}
	assert_true(r.b.t.tx.bytes <= TRUNK_TX_HARD + 16);
	assert_true(all < 20 * sizeof(flood));
	assert_true(trunk_stalled(&r.b.t));
	trunk_sent(&r.b.t, r.b.t.tx.bytes);
	assert_false(trunk_stalled(&r.b.t));
	rig_down(&r);
}

static void wrong_frames_spoil_the_connection(void **state)
{
	static const char *const wrong[] = {
		"00030001", /* meta too short for the least */
		"020100010401", /* meta 513 */
		"000400010000", /* status 0 */
		"000400010500", /* status 5 */
		"000c0001010003005001c0000201", /* network 3 */
		"000c0001010001005009c0000201", /* address type 9 */
		"00050001010001", /* no address */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct rig r;

		rig_up(&r);
		feed_hex(&r.b, wrong[i], -EPROTO);
		assert_int_equal(r.b.count, 0);
		rig_down(&r);
	}
}

static void an_id_in_use_cannot_be_born_again(void **state)
{
	struct rig r;

	(void)state;
	rig_up(&r);
	feed_hex(&r.b, "000c0001010001005001c0000201", 0);
	assert_int_equal(r.b.count, 1);
	feed_hex(&r.b, "000c0001010001005001c0000201", -EPROTO);
	rig_down(&r);
}

static void a_refused_one_has_its_data_thrown_away(void **state)
{
	struct rig r;
	struct stream *s;

	(void)state;
	rig_up(&r);
	r.b.refuse = true;
	s = open_sub(&r, 1);
	assert_int_equal(stream_write(s, "abcdef", 6), 6);
	carry(&r.a, &r.b, 5);
	assert_int_equal(r.b.t.left, 0);
	carry(&r.b, &r.a, 100);
	assert_int_equal(stream_write(s, "x", 1), -ECONNRESET);
	stream_close(&s, -ECONNRESET);
	rig_down(&r);
}

static void one_not_read_stalls_and_is_bounded(void **state)
{
	static uint8_t data[65536];
	struct rig r;
	struct stream *s;
	size_t sent = 0, got = 0;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 1);
	fill(data, sizeof(data));
	for (int i = 0; i < 100; i++) {
		ssize_t n = stream_write(s, data, sizeof(data));

		if (n > 0)
			sent += (size_t)n;
		carry(&r.a, &r.b, 30000);
	}
	/* the receiver's queue, then the sender's */
	assert_true(trunk_stalled(&r.b.t));
	assert_true(sent <= SUB_RX_MAX + TRUNK_TX_HIGH + MUX_DATA_MAX);
	assert_int_equal(stream_write(s, data, 1), -EAGAIN);
	for (int i = 0; i < 1000 && got < sent; i++) {
		ssize_t n = stream_read(r.b.born[0], data, 10000);

		if (n > 0)
			got += (size_t)n;
		carry(&r.a, &r.b, 30000);
	}
	assert_int_equal(got, sent);
	assert_false(trunk_stalled(&r.b.t));
	assert_int_equal(stream_write(s, data, 1), 1);
	stream_close(&s, 0);
	rig_down(&r);
}

static void closing_the_one_that_stalls_lets_the_others_go_on(void **state)
{
	static uint8_t data[65536];
	struct rig r;
	struct stream *s, *t;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 1);
	t = open_sub(&r, 2);
	t->ops->want(t, ST_READ);
	for (int i = 0; i < 20; i++) {
		stream_write(s, data, sizeof(data));
		carry(&r.a, &r.b, 30000);
	}
	assert_true(trunk_stalled(&r.b.t));
	stream_close(&r.b.born[1], 0); /* born second: s, whose New came last */
	carry(&r.a, &r.b, 30000);
	assert_false(trunk_stalled(&r.b.t));
	assert_int_equal(stream_write(t, "hello", 5), 5);
	carry(&r.a, &r.b, 30000);
	assert_int_equal(stream_read(r.b.born[0], data, 100), 5);
	stream_close(&s, 0);
	stream_close(&t, 0);
	rig_down(&r);
}

static void writers_wait_in_turn(void **state)
{
	static uint8_t data[TRUNK_TX_HIGH * 2];
	struct rig r;
	struct stream *s[3];

	(void)state;
	rig_up(&r);
	for (uint16_t i = 0; i < 3; i++)
		s[i] = open_sub(&r, (uint16_t)(i + 1));
	assert_true(stream_write(s[0], data, sizeof(data)) > 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stream_write(s[i], data, 1), -EAGAIN);
		s[i]->ops->want(s[i], ST_WRITE);
	}
	job_forget(&r.l.job);
	trunk_sent(&r.a.t, r.a.t.tx.bytes - 1);
	assert_true(r.l.job.queued);
	assert_true(list_empty(&r.a.t.waiting));
	for (int i = 0; i < 3; i++)
		stream_close(&s[i], 0);
	rig_down(&r);
}

static void a_dead_connection_ends_all_with_the_reason(void **state)
{
	uint8_t got[8];
	struct rig r;
	struct stream *s, *t;

	(void)state;
	rig_up(&r);
	s = open_sub(&r, 1);
	t = open_sub(&r, 2);
	assert_int_equal(stream_write(s, "x", 1), 1);
	s->ops->want(s, ST_READ);
	carry(&r.a, &r.b, 100);
	assert_int_equal(stream_write(r.b.born[0], "last", 4), 4);
	carry(&r.b, &r.a, 100);
	job_forget(&r.l.job);
	trunk_kill(&r.a.t, -ETIMEDOUT);
	assert_true(r.l.job.queued);
	assert_int_equal(read_some(s, got, 8), 4); /* what came still counts */
	assert_int_equal(read_some(s, got, 8), -ETIMEDOUT);
	assert_int_equal(stream_write(t, "x", 1), -ETIMEDOUT);
	assert_int_equal(r.a.t.live, 0);
	assert_int_equal(trunk_feed(&r.a.t, got, 4), -ETIMEDOUT);
	stream_close(&s, -ETIMEDOUT);
	stream_close(&t, -ETIMEDOUT);
	rig_down(&r);
}

/* --- datagrams --- */

static struct dgram *open_udp(struct rig *r, uint16_t id)
{
	struct sub_dgram *d = sub_dgram_new(&r->a.t, id, NULL, false);

	assert_non_null(d);
	memcpy(d->global, "\1\2\3\4\5\6\7\10", 8);
	d->d.job = &r->l.job;
	return &d->d;
}

static void datagrams_keep_their_peers(void **state)
{
	uint8_t one[7000], two[3] = "two";
	struct pkt out[2] = {
		{ addr_of("192.0.2.1", 53), one, sizeof(one) },
		{ addr_name("peer.test", 9, 99), two, sizeof(two) },
	};
	struct pkt in[4];
	struct rig r;
	struct dgram *d, *e;

	(void)state;
	for (size_t step = 1; step < 30; step++) {
		rig_up(&r);
		fill(one, sizeof(one));
		d = open_udp(&r, 0);
		assert_int_equal(d->ops->send(d, out, 2), 2);
		carry(&r.a, &r.b, step);
		assert_int_equal(r.b.udp_count, 1);
		e = r.b.born_udp[0];
		assert_int_equal(e->ops->recv(e, in, 4), 2);
		assert_true(addr_eq(&in[0].peer, &out[0].peer));
		assert_int_equal(in[0].len, sizeof(one));
		assert_memory_equal(in[0].data, one, sizeof(one));
		assert_true(addr_eq(&in[1].peer, &out[1].peer));
		assert_memory_equal(in[1].data, "two", 3);
		assert_int_equal(e->ops->recv(e, in, 4), -EAGAIN);
		out[0].len = 20;
		assert_int_equal(e->ops->send(e, out, 1), 1);
		out[0].len = sizeof(one);
		carry(&r.b, &r.a, step);
		assert_int_equal(d->ops->recv(d, in, 4), 1);
		assert_true(addr_eq(&in[0].peer, &out[0].peer));
		d->ops->close(d);
		carry(&r.a, &r.b, step);
		assert_int_equal(e->ops->recv(e, in, 4), -ECONNRESET);
		rig_down(&r);
	}
}

static void datagrams_that_cannot_be_carried_are_dropped(void **state)
{
	static uint8_t big[XUDP_PACKET_MAX + 1];
	struct pkt v[2] = { { addr_of("192.0.2.1", 53), big, sizeof(big) },
			    { addr_of("192.0.2.1", 53), NULL, 0 } };
	struct rig r;
	struct dgram *d;

	(void)state;
	rig_up(&r);
	d = open_udp(&r, 1);
	assert_int_equal(d->ops->send(d, v, 2), 2);
	assert_int_equal(r.a.t.tx.bytes, 0);
	assert_int_equal(r.l.w.drops[DROP_UDP_SEND], 2);
	d->ops->close(d);
	rig_down(&r);
}

static void a_datagram_queue_drops_the_oldest(void **state)
{
	struct rig r;
	struct dgram *d;
	struct pkt in[SUB_PKTS + 1];
	uint8_t x[2];
	struct pkt v = { addr_of("192.0.2.1", 53), x, 2 };

	(void)state;
	rig_up(&r);
	d = open_udp(&r, 1);
	for (uint16_t i = 0; i < SUB_PKTS + 10; i++) {
		put_be16(x, i);
		assert_int_equal(d->ops->send(d, &v, 1), 1);
		carry(&r.a, &r.b, 1000);
	}
	assert_false(trunk_stalled(&r.b.t));
	assert_int_equal(
		r.b.born_udp[0]->ops->recv(r.b.born_udp[0], in, SUB_PKTS + 1),
		SUB_PKTS);
	assert_int_equal(get_be16(in[0].data), 10);
	assert_int_equal(r.l.w.drops[DROP_UDP_QUEUE], 10);
	d->ops->close(d);
	rig_down(&r);
}

static void a_server_without_xudp_is_recognized(void **state)
{
	atomic_bool plain = false;
	uint8_t x[1] = { 7 };
	struct pkt v[2] = { { addr_of("192.0.2.1", 53), x, 1 },
			    { addr_of("192.0.2.2", 53), x, 1 } };
	struct pkt in[1];
	struct rig r;
	struct dgram *d, *e;

	(void)state;
	rig_up(&r);
	d = open_udp(&r, 1);
	e = open_udp(&r, 2);
	container_of(d, struct sub_dgram, d)->plain = &plain;
	container_of(e, struct sub_dgram, d)->plain = &plain;
	assert_int_equal(d->ops->send(d, v, 1), 1);
	assert_int_equal(e->ops->send(e, v, 2), 2);
	feed_hex(&r.a, "0004000102010001ff", 0);
	assert_true(plain);
	assert_int_equal(d->ops->recv(d, in, 1), 1);
	assert_true(addr_eq(&in[0].peer, &v[0].peer));
	/* it had packets of two destinations: the server mixed them up */
	feed_hex(&r.a, "0004000202010001ff", 0);
	assert_int_equal(e->ops->recv(e, in, 1), -ECONNRESET);
	d->ops->close(d);
	e->ops->close(e);
	rig_down(&r);
}

static void one_that_is_held_moves_to_another_connection(void **state)
{
	struct pkt in[1];
	struct rig r;
	struct end c = { 0 };
	struct sub_dgram *d;
	uint8_t x[1] = { 7 };
	struct pkt v = { addr_of("192.0.2.1", 53), x, 1 };

	(void)state;
	rig_up(&r);
	c.l = &r.l;
	trunk_init(&c.t, &server_ops, &r.l.w);
	d = sub_dgram_new(&r.b.t, 1, &v.peer, true);
	assert_non_null(d);
	d->d.job = &r.l.job;
	d->held = true;
	trunk_kill(&r.b.t, -ECONNRESET);
	assert_true(timer_armed(&d->hold));
	assert_int_equal(d->d.ops->recv(&d->d, in, 1), -EAGAIN);
	assert_int_equal(d->d.ops->send(&d->d, &v, 1), 1); /* to nobody */
	sub_dgram_move(d, &c.t, 9);
	assert_false(timer_armed(&d->hold));
	assert_int_equal(d->d.ops->send(&d->d, &v, 1), 1);
	assert_true(c.t.tx.bytes > 0);
	d->d.ops->close(&d->d);
	trunk_kill(&c.t, -ECONNRESET);
	rig_down(&r);
}

/* The client came back by another connection; to the old one nothing can be sent */
static void one_that_waits_goes_on_where_it_moves_to(void **state)
{
	static uint8_t full[TRUNK_TX_HIGH];
	struct rig r;
	struct end c = { 0 };
	struct sub_dgram *d;
	struct pkt v = { addr_of("192.0.2.1", 53), full, 1 };

	(void)state;
	rig_up(&r);
	trunk_init(&c.t, &server_ops, &r.l.w);
	d = sub_dgram_new(&r.b.t, 1, &v.peer, true);
	d->d.job = &r.l.job;
	d->held = true;
	assert_int_equal(queue_put(&r.b.t.tx, full, sizeof(full)), 0);
	assert_int_equal(d->d.ops->send(&d->d, &v, 1), -EAGAIN);
	d->d.ops->want(&d->d, ST_WRITE);
	worker_tick(&r.l.w, 0);
	assert_false(r.l.job.queued);
	sub_dgram_move(d, &c.t, 9);
	assert_true(r.l.job.queued);
	d->d.ops->close(&d->d);
	trunk_kill(&c.t, -ECONNRESET);
	rig_down(&r);
}

/* --- memory --- */

static void without_memory_nothing_is_lost_silently(void **state)
{
	static uint8_t data[30000], got[30000];
	unsigned int n, failed = 0;

	(void)state;
	for (n = 1;; n++) {
		struct rig r;
		struct stream *s;
		ssize_t w;
		bool hit;

		rig_up(&r);
		s = open_sub(&r, 1);
		alloc_fail_at(n);
		w = stream_write(s, data, sizeof(data));
		carry(&r.a, &r.b, 5000);
		hit = alloc_fail_hit();
		if (w > 0 && r.b.count) {
			ssize_t k = stream_read(r.b.born[0], got, sizeof(got));

			/* all that was taken arrives, or the sub has failed */
			if (k != w)
				assert_int_equal(
					stream_read(r.b.born[0], got, 1),
					-ENOMEM);
		}
		stream_close(&s, 0);
		rig_down(&r);
		failed += hit;
		if (!hit)
			break;
	}
	assert_true(failed > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_at_every_cut),
		cmocka_unit_test(
			new_leaves_with_the_first_bytes_or_with_the_wait),
		cmocka_unit_test(one_never_used_says_nothing),
		cmocka_unit_test(half_close_keeps_the_other_direction),
		cmocka_unit_test(
			end_waits_for_a_quiet_download_where_it_might_cut_it),
		cmocka_unit_test(an_error_is_a_reset_after_what_was_received),
		cmocka_unit_test(a_second_end_closes_the_upload_too),
		cmocka_unit_test(strangers_are_told_to_end),
		cmocka_unit_test(answers_to_strangers_are_bounded),
		cmocka_unit_test(wrong_frames_spoil_the_connection),
		cmocka_unit_test(an_id_in_use_cannot_be_born_again),
		cmocka_unit_test(a_refused_one_has_its_data_thrown_away),
		cmocka_unit_test(one_not_read_stalls_and_is_bounded),
		cmocka_unit_test(
			closing_the_one_that_stalls_lets_the_others_go_on),
		cmocka_unit_test(writers_wait_in_turn),
		cmocka_unit_test(a_dead_connection_ends_all_with_the_reason),
		cmocka_unit_test(datagrams_keep_their_peers),
		cmocka_unit_test(datagrams_that_cannot_be_carried_are_dropped),
		cmocka_unit_test(a_datagram_queue_drops_the_oldest),
		cmocka_unit_test(a_server_without_xudp_is_recognized),
		cmocka_unit_test(one_that_is_held_moves_to_another_connection),
		cmocka_unit_test(one_that_waits_goes_on_where_it_moves_to),
		cmocka_unit_test(without_memory_nothing_is_lost_silently),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
