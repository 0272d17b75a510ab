/* test_portal.c - Sessions that go out by a connection which a client made for them */
#include "tests/unit/loop.h"

#include "gateway/core/session.h"
#include "proxy/mux/mux.h"
#include "proxy/mux/server.h"

#define CONNS 3

/**
 * struct rig - An outbound whose sessions clients take, and connections of theirs
 * @cs:		The sessions that are those connections; NULL: ended
 * @removed:	Their user has gone
 */
static struct rig {
	struct loop l;
	struct outbound ob;
	struct inbound ib, *ibs[1];
	struct session s, *cs[CONNS];
	bool removed;
} r;

static bool holds(const struct inbound *ib, const struct session *s)
{
	(void)ib;
	(void)s;
	return !r.removed;
}

static const struct inbound_ops in_ops = { .name = "in", .holds = holds };

static struct server *conn(int i)
{
	return container_of(r.cs[i]->out, struct server, s);
}

static void no_run(struct job *j)
{
	(void)j;
}

/* Client @i calls */
static struct server *call(int i)
{
	struct session *s = ses_new(&r.l.w, &r.ib, NET_TCP, NULL);

	assert_non_null(s);
	s->reverse = true;
	s->state = SES_RELAY;
	s->outbound = &r.ob;
	s->job.run = no_run; /* the test reads what is sent */
	assert_int_equal(outbound_open(&r.ob, s, &s->out), 0);
	r.cs[i] = s;
	return conn(i);
}

static int begin(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	loop_init(&r.l);
	r.ob = (struct outbound){ .ops = &mux_portal, .tag = "back" };
	r.ib = (struct inbound){ .ops = &in_ops, .tag = "" };
	r.ibs[0] = &r.ib;
	r.l.cfg.inbounds = r.ibs;
	r.l.cfg.inbound_count = 1;
	r.s.job = (struct job){ .run = no_run, .worker = &r.l.w };
	r.s.cfg = &r.l.cfg;
	r.s.outbound = &r.ob;
	r.s.target = addr_of("192.0.2.1", 80);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (int i = 0; i < CONNS; i++)
		if (r.cs[i])
			ses_kill(r.cs[i], 0, 2);
	ses_reap(&r.l.w);
	job_forget(&r.s.job);
	loop_fini(&r.l);
	return 0;
}

static int rig_open(struct stream **out)
{
	*out = NULL;
	return outbound_open(&r.ob, &r.s, out);
}

static void beat(struct server *v)
{
	timer_set(&r.l.w.wheel, &v->beat, 1);
	for (int i = 0; i < 5; i++)
		worker_tick(&r.l.w, 1);
}

/* All that was written to the client. Is it the end of it? */
static bool at_end(int i)
{
	struct stream *s = r.cs[i]->out;
	uint8_t b[4096];
	ssize_t n;

	do
		n = stream_read(s, b, sizeof(b));
	while (n > 0);
	return n == 0;
}

static void spend(unsigned int sessions)
{
	for (unsigned int i = 0; i < sessions; i++) {
		struct stream *s;

		assert_int_equal(rig_open(&s), 0);
		stream_close(&s, 0);
	}
}

static void without_a_client_nothing_goes_out(void **state)
{
	struct stream *s;

	(void)state;
	assert_int_equal(rig_open(&s), -ENETUNREACH);
	call(0);
	assert_int_equal(rig_open(&s), 0);
	stream_close(&s, 0);
	ses_kill(r.cs[0], 0, 2);
	r.cs[0] = NULL;
	assert_int_equal(rig_open(&s), -ENETUNREACH);
}

/* The client needs a moment to make another one: nothing fails meanwhile */
static void one_that_is_spent_serves_until_there_is_another(void **state)
{
	struct server *v;
	struct stream *s;

	(void)state;
	v = call(0);
	spend(257);
	beat(v);
	assert_true(v->drain);
	assert_false(at_end(0));
	assert_int_equal(rig_open(&s), 0);
	stream_close(&s, 0);
	assert_false(at_end(0));
	assert_int_equal(call(1)->drain, false);
	assert_true(at_end(0));
	assert_int_equal(rig_open(&s), 0);
	assert_ptr_equal(container_of(s, struct sub_stream, s)->sub.trunk,
			 &conn(1)->trunk);
	stream_close(&s, 0);
	assert_false(at_end(1));
}

static void one_that_is_spent_ends_with_its_last_session(void **state)
{
	struct stream *s, *t;
	struct server *v;

	(void)state;
	v = call(0);
	spend(256);
	assert_int_equal(rig_open(&s), 0);
	beat(v);
	call(1);
	assert_false(at_end(0));
	assert_int_equal(rig_open(&t), 0);
	stream_close(&s, 0);
	assert_true(at_end(0));
	stream_close(&t, 0);
}

static void the_one_with_the_fewest_sessions_is_next(void **state)
{
	struct stream *s[6];

	(void)state;
	for (int i = 0; i < CONNS; i++)
		call(i);
	for (int i = 0; i < 6; i++)
		assert_int_equal(rig_open(&s[i]), 0);
	for (int i = 0; i < CONNS; i++) /* and the one that tells him */
		assert_int_equal(conn(i)->trunk.live, 2);
	for (int i = 0; i < 6; i++)
		stream_close(&s[i], 0);
}

/* Is connection @i there after a look at it? */
static bool stays(int i)
{
	uint32_t before = r.l.w.session_count;

	beat(conn(i));
	if (r.l.w.session_count == before)
		return true;
	r.cs[i] = NULL;
	return false;
}

/* The API, or a new configuration */
static void a_user_who_is_removed_gets_no_more(void **state)
{
	struct stream *s, *t;

	(void)state;
	call(0);
	call(1);
	assert_int_equal(rig_open(&s), 0);
	assert_true(stays(0));
	r.removed = true;
	/* nothing is sent to him, though he was not looked at yet */
	assert_int_equal(rig_open(&t), -ENETUNREACH);
	worker_tick(&r.l.w, 0);
	r.cs[0] = r.cs[1] = NULL;
	assert_int_equal(r.l.w.session_count, 0);
	assert_true(stream_write(s, "x", 1) < 0);
	stream_close(&s, 0);
	r.removed = false;
	call(0);
	r.removed = true;
	assert_false(stays(0)); /* nor does the connection wait for a session */
}

static void a_client_that_says_it_lives_must(void **state)
{
	/* KeepAlive, id "hc" */
	static uint8_t mark[] = { 0, 4, 0x68, 0x63, 4, 0 };

	(void)state;
	call(0);
	conn(0)->heard_ms -= SERVER_SILENT_MS + 10000;
	assert_true(stays(0)); /* others say nothing at all */
	for (int i = 0; i < 2; i++)
		assert_int_equal(stream_write(r.cs[0]->out, mark, 6), 6);
	assert_true(stays(0));
	conn(0)->heard_ms -= SERVER_SILENT_MS - 1000;
	assert_true(stays(0));
	/* while it cannot be heard it is not silent */
	conn(0)->heard_ms -= 2000;
	conn(0)->trunk.rx_stall = true;
	assert_true(stays(0));
	conn(0)->trunk.rx_stall = false;
	assert_true(stays(0));
	conn(0)->heard_ms -= SERVER_SILENT_MS;
	assert_false(stays(0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_a_client_nothing_goes_out),
		T(one_that_is_spent_serves_until_there_is_another),
		T(one_that_is_spent_ends_with_its_last_session),
		T(the_one_with_the_fewest_sessions_is_next),
		T(a_user_who_is_removed_gets_no_more),
		T(a_client_that_says_it_lives_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
