/* test_carrier.c - Connections to a Mux.cool server: places, death, idleness */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "gateway/core/fd_stream.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "proxy/mux/carrier.h"
#include "proxy/mux/mux.h"
#include "proxy/mux/sub.h"
#include "tests/unit/loop.h"

#define CONNS 8

/**
 * struct rig - An outbound whose connections end here
 * @far:	Their far ends, non-blocking
 * @fail:	What the next open says
 */
struct rig {
	struct loop l;
	struct outbound ob;
	struct mux_conf conf;
	struct session s; /* who asks; not on any list */
	int far[CONNS];
	unsigned int conns;
	int fail;
};

static struct rig *the_rig;

static int rig_open(const struct outbound *ob, struct session *s,
		    struct stream **out)
{
	struct rig *r = the_rig;
	int sv[2];

	assert_ptr_equal(ob, &r->ob);
	assert_true(ses_to_mux(&s->target));
	assert_int_equal(s->target.port, 9527);
	if (r->fail)
		return r->fail;
	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, sv),
			 0);
	*out = fd_stream_new(&r->l.w, sv[0], &s->job, false);
	assert_non_null(*out);
	r->far[r->conns++] = sv[1];
	return 0;
}

static int rig_dgram(const struct outbound *ob, struct udp_map *m,
		     struct session *s, struct dgram **out)
{
	(void)ob, (void)m, (void)s, (void)out;
	return -EADDRINUSE; /* so that the tests know it */
}

static const struct outbound_ops rig_ops = { .name = "rig",
					     .open = rig_open,
					     .open_dgram = rig_dgram };

static void rig_up(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	the_rig = r;
	r->conf = (struct mux_conf){ .enabled = true, .concurrency = 2 };
	r->ob = (struct outbound){ .ops = &rig_ops,
				   .tag = "rig",
				   .wrap = &mux_wrap,
				   .wrap_conf = &r->conf };
	r->s.job = (struct job){ .run = loop_job, .worker = &r->l.w };
	r->s.cfg = &r->l.cfg;
	r->s.net = NET_TCP;
	r->s.target = addr_of("192.0.2.1", 80);
}

static void rig_down(struct rig *r)
{
	for (unsigned int i = 0; i < r->conns; i++)
		close(r->far[i]);
	loop_fini(&r->l);
}

static struct stream *rig_sub(struct rig *r)
{
	struct stream *s = NULL;

	assert_int_equal(outbound_open(&r->ob, &r->s, &s), 0);
	stream_set_job(s, &r->l.job);
	return s;
}

static void turns(struct rig *r)
{
	for (int i = 0; i < 5; i++)
		worker_tick(&r->l.w, 0);
}

static void sessions_share_connections(void **state)
{
	struct stream *s[5];
	struct rig r;
	uint8_t b[64];

	(void)state;
	rig_up(&r);
	for (int i = 0; i < 5; i++) {
		s[i] = rig_sub(&r);
		assert_int_equal(stream_write(s[i], "hi", 2), 2);
	}
	assert_int_equal(r.conns, 3);
	turns(&r);
	assert_true(s[0]->ops->up(s[0]));
	assert_int_equal(read(r.far[0], b, sizeof(b)), 2 * (16 + 2));
	assert_int_equal(b[3], 1); /* ids from 1 */
	assert_int_equal(b[18 + 3], 2);
	/* a place that becomes free is used again, under another id */
	stream_close(&s[0], 0);
	s[0] = rig_sub(&r);
	assert_int_equal(stream_write(s[0], "hi", 2), 2);
	assert_int_equal(r.conns, 3);
	for (int i = 0; i < 5; i++)
		stream_close(&s[i], 0);
	rig_down(&r);
}

static void a_connection_has_128_sessions_in_its_life(void **state)
{
	struct stream *s;
	struct rig r;
	uint8_t b[4096];

	(void)state;
	rig_up(&r);
	for (int i = 0; i < 128; i++) {
		s = rig_sub(&r);
		assert_int_equal(stream_write(s, "hi", 2), 2);
		/* one that was never up would be closed 1 ms after its last */
		worker_tick(&r.l.w, 0);
		stream_close(&s, 0);
		worker_tick(&r.l.w, 0);
		/* a carrier that nobody reads takes no more */
		while (recv(r.far[0], b, sizeof(b), MSG_DONTWAIT) > 0)
			;
	}
	assert_int_equal(r.conns, 1);
	s = rig_sub(&r);
	assert_int_equal(r.conns, 2);
	/* the spent one is closed at once, in order */
	for (int i = 0; i < 20; i++)
		worker_tick(&r.l.w, 1);
	while (read(r.far[0], b, sizeof(b)) > 0)
		;
	assert_int_equal(read(r.far[0], b, sizeof(b)), 0);
	stream_close(&s, 0);
	rig_down(&r);
}

static void its_death_ends_its_sessions_only(void **state)
{
	struct stream *s[4];
	struct rig r;
	uint8_t b[8];

	(void)state;
	rig_up(&r);
	for (int i = 0; i < 4; i++) {
		s[i] = rig_sub(&r);
		s[i]->ops->want(s[i], ST_READ);
	}
	turns(&r);
	/* half a frame, then the end */
	assert_int_equal(write(r.far[0], "\0\4\0\1\2\1\0\5he", 10), 10);
	close(r.far[0]);
	r.far[0] = dup(r.far[1]);
	turns(&r);
	assert_int_equal(stream_read(s[0], b, 8), 2);
	assert_int_equal(stream_read(s[0], b, 8), -ECONNRESET);
	assert_int_equal(stream_read(s[1], b, 8), -ECONNRESET);
	assert_int_equal(stream_read(s[2], b, 8), -EAGAIN);
	assert_int_equal(stream_write(s[3], "x", 1), 1);
	for (int i = 0; i < 4; i++)
		stream_close(&s[i], 0);
	rig_down(&r);
}

/* A write fails, but its sessions' bytes had come; one of them does not read yet */
static void what_came_is_given_out_before_a_failed_write(void **state)
{
	static uint8_t frame[8 + 8192], got[sizeof(frame)];
	size_t have[2] = { 0, 0 };
	struct stream *s[2];
	struct rig r;
	ssize_t n = 0;

	(void)state;
	rig_up(&r);
	for (int i = 0; i < 2; i++) {
		s[i] = rig_sub(&r);
		assert_int_equal(stream_write(s[i], "hi", 2), 2);
	}
	turns(&r);
	/* so much for the first that the second's waits in the connection */
	memcpy(frame, "\0\4\0\1\2\1\x20\0", 8);
	for (int i = 0; i < 40; i++) {
		frame[3] = i < 35 ? 1 : 2;
		if (i < 28)
			worker_tick(&r.l.w, 0);
		assert_int_equal(send(r.far[0], frame, sizeof(frame), 0),
				 sizeof(frame));
	}
	close(r.far[0]);
	r.far[0] = open("/dev/null", O_RDONLY);
	assert_int_equal(stream_write(s[0], "x", 1), 1);
	turns(&r);
	assert_false(s[0]->job->queued); /* waiting costs no turns */
	for (int k = 0; k < 200; k++) {
		n = stream_read(s[k & 1], got, sizeof(got));
		have[k & 1] += n > 0 ? (size_t)n : 0;
		worker_tick(&r.l.w, 0);
	}
	assert_int_equal(have[0], 35 * 8192);
	assert_int_equal(have[1], 5 * 8192);
	assert_true(n == -EPIPE || n == -ECONNRESET);
	for (int i = 0; i < 2; i++)
		stream_close(&s[i], 0);
	rig_down(&r);
}

static void garbage_is_the_end_of_it(void **state)
{
	struct stream *s;
	struct rig r;
	uint8_t b[8];

	(void)state;
	rig_up(&r);
	s = rig_sub(&r);
	s->ops->want(s, ST_READ);
	turns(&r);
	assert_int_equal(write(r.far[0], "HTTP/1.1 400", 12), 12);
	turns(&r);
	assert_int_equal(stream_read(s, b, 8), -EPROTO);
	stream_close(&s, 0);
	s = rig_sub(&r);
	assert_int_equal(r.conns, 2);
	stream_close(&s, 0);
	rig_down(&r);
}

static void an_open_that_fails_leaves_nothing(void **state)
{
	struct stream *s = NULL;
	struct rig r;

	(void)state;
	rig_up(&r);
	r.fail = -EHOSTUNREACH;
	assert_int_equal(outbound_open(&r.ob, &r.s, &s), -EHOSTUNREACH);
	assert_true(list_empty(&mux_room(&r.l.w)->pools));
	rig_down(&r);
}

static void a_stalled_one_gets_no_new_sessions(void **state)
{
	static uint8_t frame[8 + 8192];
	struct stream *s, *t;
	struct rig r;
	size_t sent = 0;

	(void)state;
	rig_up(&r);
	r.conf.concurrency = 8;
	s = rig_sub(&r);
	s->ops->want(s, ST_READ);
	turns(&r);
	memcpy(frame, "\0\4\0\1\2\1\x20\0", 8);
	for (int i = 0; i < 200; i++) {
		size_t at = sent % sizeof(frame);
		ssize_t n = write(r.far[0], frame + at, sizeof(frame) - at);

		if (n > 0)
			sent += (size_t)n;
		worker_tick(&r.l.w, 0);
	}
	assert_true(sent > SUB_RX_MAX);
	t = rig_sub(&r);
	assert_int_equal(r.conns, 2);
	stream_close(&t, 0);
	/* it goes on when it is read */
	for (int i = 0; i < 2000 && sent > 0; i++) {
		ssize_t n = stream_read(s, frame, sizeof(frame));

		worker_tick(&r.l.w, 0);
		if (n == -EAGAIN)
			break;
	}
	t = rig_sub(&r);
	assert_int_equal(r.conns, 2);
	stream_close(&t, 0);
	stream_close(&s, 0);
	rig_down(&r);
}

static void idle_ones_are_closed_after_a_while(void **state)
{
	struct stream *s;
	struct rig r;
	struct carrier *c;
	struct mux_pool *p;
	uint8_t b[64];

	(void)state;
	rig_up(&r);
	s = rig_sub(&r);
	assert_int_equal(stream_write(s, "hi", 2), 2);
	turns(&r);
	p = list_first(&mux_room(&r.l.w)->pools, struct mux_pool, node);
	c = list_first(&p->open, struct carrier, node);
	assert_false(timer_armed(&c->idle));
	stream_close(&s, 0);
	assert_true(timer_armed(&c->idle));
	assert_true(c->idle.due_ms - r.l.w.now_ms >= 16000);
	assert_true(c->idle.due_ms - r.l.w.now_ms < 32000);
	/* used again: not idle */
	s = rig_sub(&r);
	assert_false(timer_armed(&c->idle));
	stream_close(&s, 0);
	timer_set(&r.l.w.wheel, &c->idle, 1);
	for (int i = 0; i < 10; i++)
		worker_tick(&r.l.w, 1);
	assert_true(list_empty(&mux_room(&r.l.w)->pools));
	while (read(r.far[0], b, sizeof(b)) > 0)
		;
	assert_int_equal(read(r.far[0], b, sizeof(b)), 0);
	rig_down(&r);
}

static int leg_kind(struct rig *r, uint16_t port)
{
	r->s.net = NET_UDP;
	r->s.target = addr_of("192.0.2.1", port);
	return outbound_leg_kind(&r->ob, &r->s);
}

static void udp_goes_by_the_settings(void **state)
{
	struct rig r;
	int muxed, solo;

	(void)state;
	rig_up(&r);
	muxed = leg_kind(&r, 53);
	assert_true(muxed > 0);
	assert_int_equal(leg_kind(&r, 443), -EACCES);
	r.conf.udp443 = MUX443_ALLOW;
	assert_int_equal(leg_kind(&r, 443), muxed);
	r.conf.udp443 = MUX443_SKIP;
	assert_int_equal(leg_kind(&r, 443), 0);
	r.conf.concurrency = -1; /* no TCP mux, so no UDP with it */
	assert_int_equal(leg_kind(&r, 53), 0);
	r.conf.xudp = 4;
	assert_int_equal(leg_kind(&r, 53), muxed);
	r.conf.xudp = -1;
	r.conf.concurrency = 8;
	assert_int_equal(leg_kind(&r, 5000), 0);
	/* XUDP without mux: vless, vmess */
	r.conf.solo = true;
	solo = leg_kind(&r, 5000);
	assert_true(solo > 0 && solo != muxed);
	r.conf.enabled = false;
	assert_int_equal(leg_kind(&r, 5000), solo);
	assert_int_equal(leg_kind(&r, 53), 0);
	assert_int_equal(leg_kind(&r, 443), 0);
	r.conf.plain = true;
	assert_true(leg_kind(&r, 5000) > solo);
	assert_true(leg_kind(&r, 5000) != leg_kind(&r, 5001));
	rig_down(&r);
}

static void tcp_is_not_muxed_when_it_shall_not(void **state)
{
	struct stream *s = NULL;
	struct rig r;

	(void)state;
	rig_up(&r);
	r.conf.concurrency = -1;
	r.s.target = addr_name("v1.mux.cool", 11, 9527); /* rig_open looks */
	assert_int_equal(outbound_open(&r.ob, &r.s, &s), 0);
	assert_string_equal(s->ops->name, "fd");
	stream_close(&s, 0);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_share_connections),
		cmocka_unit_test(a_connection_has_128_sessions_in_its_life),
		cmocka_unit_test(its_death_ends_its_sessions_only),
		cmocka_unit_test(what_came_is_given_out_before_a_failed_write),
		cmocka_unit_test(garbage_is_the_end_of_it),
		cmocka_unit_test(an_open_that_fails_leaves_nothing),
		cmocka_unit_test(a_stalled_one_gets_no_new_sessions),
		cmocka_unit_test(idle_ones_are_closed_after_a_while),
		cmocka_unit_test(udp_goes_by_the_settings),
		cmocka_unit_test(tcp_is_not_muxed_when_it_shall_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
