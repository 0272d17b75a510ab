/* test_ahead.c - Connections made before they are needed: for whom, for how long */
#include "tests/unit/loop.h"

#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "proxy/out/ahead.h"
#include "tests/unit/fake_ends.h"

#define CONNS 8

/**
 * struct rig - An outbound whose connections end here
 * @of:		The session that each was dialed for; NULL: ahead
 */
static struct rig {
	struct loop l;
	struct config next;
	struct outbound ob, via;
	struct transport t;
	struct session s;
	struct addr to;
	struct dial d;
	struct fake conn[CONNS];
	const struct session *of[CONNS];
	unsigned int conns;
} r;

static int rig_dial(const struct transport *t, const struct dial *d,
		    const struct addr *to, struct stream **out)
{
	struct fake *f = &r.conn[r.conns];

	(void)t;
	(void)to;
	assert_true(r.conns < CONNS);
	r.of[r.conns++] = d->s;
	f->s = (struct stream){ .ops = &fake_ops, .job = d->job };
	f->up = true;
	*out = &f->s;
	return 0;
}

static const struct transport_ops rig_ops = { .name = "rig", .dial = rig_dial };

static int begin(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	loop_init(&r.l);
	worker_tick(&r.l.w, 0);
	r.t.ops = &rig_ops;
	r.ob = (struct outbound){ .tag = "out", .transport = &r.t };
	r.to = addr_of("192.0.2.1", 443);
	r.d = (struct dial){ .worker = &r.l.w,
			     .job = &r.l.job,
			     .cfg = &r.l.cfg,
			     .ob = &r.ob,
			     .s = &r.s };
	return 0;
}

static int end(void **state)
{
	(void)state;
	loop_fini(&r.l);
	for (unsigned int i = 0; i < r.conns; i++)
		assert_true(r.conn[i].closed);
	return 0;
}

/* A session's connection, closed at once; then what is made ahead is there */
static void dial_one(void)
{
	struct stream *s = NULL;
	uint32_t t0 = clock_ms();

	assert_int_equal(ahead_dial(&r.d, &r.to, 2, &s), 0);
	stream_close(&s, 0);
	while (clock_ms() - t0 < 250)
		worker_tick(&r.l.w, 5);
}

static void some_are_made_ahead_and_taken(void **state)
{
	(void)state;
	dial_one();
	assert_int_equal(r.conns, 3);
	assert_ptr_equal(r.of[0], &r.s);
	assert_null(r.of[1]);
	assert_null(r.of[2]);
	dial_one();
	assert_true(r.conn[1].closed); /* the oldest was his */
	assert_int_equal(r.conns, 4);
	assert_null(r.of[3]);
}

static void what_depends_on_the_session_is_not_made_ahead(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		r.ob.send_how = i == 0 ? SEND_ORIGIN : SEND_ADDR;
		r.via.send_how = i == 1 ? SEND_SRCIP : SEND_ADDR;
		r.ob.dialer = &r.via;
		dial_one();
		if (i < 2) {
			assert_int_equal(r.conns, i + 1);
			assert_ptr_equal(r.of[i], &r.s);
		}
	}
	assert_int_equal(r.conns, 5); /* an address is everybody's */
}

static void a_new_configuration_ends_them(void **state)
{
	(void)state;
	dial_one();
	assert_false(r.conn[1].closed || r.conn[2].closed);
	r.l.w.cfg = &r.next;
	worker_tick(&r.l.w, 0);
	worker_tick(&r.l.w, 0);
	assert_true(r.conn[1].closed && r.conn[2].closed);
	/* a session of the old one: nobody comes after it */
	dial_one();
	assert_int_equal(r.conns, 4);
	assert_ptr_equal(r.of[3], &r.s);
	r.l.w.cfg = &r.l.cfg;
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(some_are_made_ahead_and_taken),
		T(what_depends_on_the_session_is_not_made_ahead),
		T(a_new_configuration_ends_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
