/* test_portal.c - Sessions that go out by a connection which a client made for them */
#include "tests/unit/loop.h"

#include "gateway/core/session.h"
#include "proxy/mux/mux.h"
#include "proxy/mux/server.h"

#define CONNS 3

/**
 * struct rig - An outbound whose sessions clients take, and connections of theirs
 * @cs:		The sessions that are those connections; @conn: their other side
 */
struct rig {
	struct loop l;
	struct outbound ob;
	struct inbound ib;
	struct session s, cs[CONNS];
	struct stream *conn[CONNS];
};

static void session_init(struct rig *r, struct session *s)
{
	s->job = (struct job){ .run = loop_job, .worker = &r->l.w };
	s->cfg = &r->l.cfg;
	s->net = NET_TCP;
	s->state = SES_RELAY;
	s->inbound = &r->ib;
	s->outbound = &r->ob;
	s->target = addr_of("192.0.2.1", 80);
}

/* Client @i calls */
static struct server *call(struct rig *r, int i)
{
	struct session *s = &r->cs[i];

	session_init(r, s);
	s->reverse = true;
	assert_int_equal(outbound_open(&r->ob, s, &r->conn[i]), 0);
	return container_of(r->conn[i], struct server, s);
}

static void rig_up(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	r->ob = (struct outbound){ .ops = &mux_portal, .tag = "back" };
	session_init(r, &r->s);
}

static void rig_down(struct rig *r)
{
	for (int i = 0; i < CONNS; i++) {
		stream_close(&r->conn[i], 0);
		job_forget(&r->cs[i].job);
	}
	job_forget(&r->s.job);
	loop_fini(&r->l);
}

static int rig_open(struct rig *r, struct stream **out)
{
	*out = NULL;
	return outbound_open(&r->ob, &r->s, out);
}

static void beat(struct rig *r, struct server *v)
{
	timer_set(&r->l.w.wheel, &v->beat, 1);
	for (int i = 0; i < 5; i++)
		worker_tick(&r->l.w, 1);
}

/* All that was written to the client. Is it the end of it? */
static bool at_end(struct stream *s)
{
	uint8_t b[4096];
	ssize_t n;

	do
		n = stream_read(s, b, sizeof(b));
	while (n > 0);
	return n == 0;
}

static void spend(struct rig *r, unsigned int sessions)
{
	for (unsigned int i = 0; i < sessions; i++) {
		struct stream *s;

		assert_int_equal(rig_open(r, &s), 0);
		stream_close(&s, 0);
	}
}

static void without_a_client_nothing_goes_out(void **state)
{
	struct stream *s;
	struct rig r;

	(void)state;
	rig_up(&r);
	assert_int_equal(rig_open(&r, &s), -ENETUNREACH);
	call(&r, 0);
	assert_int_equal(rig_open(&r, &s), 0);
	stream_close(&s, 0);
	stream_close(&r.conn[0], 0);
	assert_int_equal(rig_open(&r, &s), -ENETUNREACH);
	rig_down(&r);
}

/* The client needs a moment to make another one: nothing fails meanwhile */
static void one_that_is_spent_serves_until_there_is_another(void **state)
{
	struct server *v;
	struct stream *s;
	struct rig r;

	(void)state;
	rig_up(&r);
	v = call(&r, 0);
	spend(&r, 257);
	beat(&r, v);
	assert_true(v->drain);
	assert_false(at_end(r.conn[0]));
	assert_int_equal(rig_open(&r, &s), 0);
	stream_close(&s, 0);
	assert_false(at_end(r.conn[0]));
	assert_int_equal(call(&r, 1)->drain, false);
	assert_true(at_end(r.conn[0]));
	assert_int_equal(rig_open(&r, &s), 0);
	assert_ptr_equal(container_of(s, struct sub_stream, s)->sub.trunk,
			 &container_of(r.conn[1], struct server, s)->trunk);
	stream_close(&s, 0);
	assert_false(at_end(r.conn[1]));
	rig_down(&r);
}

static void one_that_is_spent_ends_with_its_last_session(void **state)
{
	struct stream *s, *t;
	struct server *v;
	struct rig r;

	(void)state;
	rig_up(&r);
	v = call(&r, 0);
	spend(&r, 256);
	assert_int_equal(rig_open(&r, &s), 0);
	beat(&r, v);
	call(&r, 1);
	assert_false(at_end(r.conn[0]));
	assert_int_equal(rig_open(&r, &t), 0);
	stream_close(&s, 0);
	assert_true(at_end(r.conn[0]));
	stream_close(&t, 0);
	rig_down(&r);
}

static void the_one_with_the_fewest_sessions_is_next(void **state)
{
	struct stream *s[6];
	struct rig r;

	(void)state;
	rig_up(&r);
	for (int i = 0; i < CONNS; i++)
		call(&r, i);
	for (int i = 0; i < 6; i++)
		assert_int_equal(rig_open(&r, &s[i]), 0);
	for (int i = 0; i < CONNS; i++) /* and the one that tells him */
		assert_int_equal(
			container_of(r.conn[i], struct server, s)->trunk.live,
			2);
	for (int i = 0; i < 6; i++)
		stream_close(&s[i], 0);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_client_nothing_goes_out),
		cmocka_unit_test(
			one_that_is_spent_serves_until_there_is_another),
		cmocka_unit_test(one_that_is_spent_ends_with_its_last_session),
		cmocka_unit_test(the_one_with_the_fewest_sessions_is_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
