/* test_bridge.c - A client that lets its server's sessions come back: when it calls */
#include "tests/unit/loop.h"

#include "proxy/mux/bridge.h"
#include "proxy/mux/mux.h"
#include "tests/unit/fake_ends.h"

#define CONNS 8

/**
 * struct rig - A client, and the connections that it made
 * @fail:	What making one gives
 */
static struct rig {
	struct loop l;
	struct outbound ob;
	struct reverse rev;
	struct policy policy;
	struct fake conn[CONNS];
	unsigned int conns, calls;
	int fail;
} r;

static int rig_open(const struct outbound *ob, struct session *s,
		    struct stream **out)
{
	struct fake *f = &r.conn[r.conns];

	(void)ob;
	assert_true(s->reverse);
	r.calls++;
	if (r.fail)
		return r.fail;
	assert_true(r.conns++ < CONNS);
	f->s.ops = &fake_ops;
	f->up = true;
	*out = &f->s;
	return 0;
}

static const struct outbound_ops rig_ops = { .name = "rig", .open = rig_open };
static const struct inbound_ops in_ops = { .name = "in" };

static int begin(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	loop_init(&r.l);
	r.policy = POLICY_DEFAULT;
	r.ob = (struct outbound){ .ops = &rig_ops, .tag = "up" };
	r.rev.ob = &r.ob;
	r.rev.ib.ops = &in_ops;
	r.rev.ib.tag = "home";
	r.rev.ib.policy = &r.policy;
	r.l.cfg.mux_server = &mux_server;
	r.l.cfg.reverses = &r.rev;
	bridges_start(&r.l.w, &r.l.cfg);
	return 0;
}

static int end(void **state)
{
	(void)state;
	bridges_stop(&r.l.w);
	ses_reap(&r.l.w);
	loop_fini(&r.l);
	return 0;
}

static void turn_for(uint32_t ms)
{
	uint32_t t0 = clock_ms();

	do
		worker_tick(&r.l.w, 5);
	while (clock_ms() - t0 < ms);
}

/* Our side of connection @i */
static struct server *server(int i)
{
	struct session *s = ses_of(r.conn[i].s.job);

	assert_non_null(s);
	return container_of(s->out, struct server, s);
}

/* The server opens the session in which it tells that it lives */
static void let_in(int i)
{
	/* New, id 1, data, UDP, port 0, name "reverse"; a field of noise */
	static const uint8_t first[] = "\0\x10\0\1\1\1\2\0\0\2\7reverse"
				       "\0\4\x9a\6\1x";

	fake_say(&r.conn[i], first, sizeof(first) - 1);
	turn_for(20);
}

static void a_server_that_goes_silent_is_called_again(void **state)
{
	(void)state;
	turn_for(50);
	assert_int_equal(r.conns, 1);
	let_in(0);
	assert_true(server(0)->told);
	server(0)->ses->born_ms -= 60000;
	server(0)->heard_ms -= SERVER_SILENT_MS - 5000;
	timer_set(&r.l.w.wheel, &server(0)->beat, 1);
	turn_for(20);
	assert_false(r.conn[0].closed);
	server(0)->heard_ms -= 5000;
	timer_set(&r.l.w.wheel, &server(0)->beat, 1);
	turn_for(100); /* at once, not at the next look */
	assert_true(r.conn[0].closed);
	assert_int_equal(r.conns, 2);
}

static void one_that_is_lost_is_made_again_at_once(void **state)
{
	(void)state;
	turn_for(50);
	let_in(0);
	server(0)->ses->born_ms -= 60000;
	r.conn[0].rx_err = -ECONNRESET;
	fake_wake(&r.conn[0]);
	turn_for(100);
	assert_int_equal(r.conns, 2);
	/* but not when it had just been let in */
	let_in(1);
	r.conn[1].rx_err = -ECONNRESET;
	fake_wake(&r.conn[1]);
	turn_for(100);
	assert_true(r.conn[1].closed);
	assert_int_equal(r.conns, 2);
}

/* Words are answered by others, so that the server knows that its client lives */
static void the_server_hears_that_its_client_lives(void **state)
{
	static const uint8_t mark[] = { 0, 4, 0x68, 0x63, 4, 0 };
	size_t before;

	(void)state;
	turn_for(50);
	let_in(0);
	before = r.conn[0].tx_len;
	timer_set(&r.l.w.wheel, &server(0)->beat, 1);
	turn_for(20);
	assert_int_equal(r.conn[0].tx_len, before + sizeof(mark));
	assert_memory_equal(r.conn[0].tx + before, mark, sizeof(mark));
}

/* Its outbound carries what comes back: in Xray it is counted there, too */
static void what_comes_by_it_is_its_outbounds(void **state)
{
	static struct counter up, down;

	(void)state;
	memset(&up, 0, sizeof(up));
	memset(&down, 0, sizeof(down));
	r.ob.stat_up = &up;
	r.ob.stat_down = &down;
	turn_for(50);
	let_in(0);
	assert_int_equal(down.cell[0], 24);
	assert_int_equal(r.conn[0].rx_len, 0);
	assert_true(r.conn[0].tx_len > 0);
	assert_int_equal(up.cell[0], r.conn[0].tx_len);
}

static void a_drained_one_is_exchanged_at_once(void **state)
{
	static const uint8_t drain[] = "\0\4\0\1\2\1\0\2\x08\1";

	(void)state;
	turn_for(50);
	let_in(0);
	fake_say(&r.conn[0], drain, sizeof(drain) - 1);
	turn_for(100);
	assert_int_equal(r.conns, 2);
	/* it says no more, and is left alone */
	server(0)->heard_ms -= 2 * SERVER_SILENT_MS;
	timer_set(&r.l.w.wheel, &server(0)->beat, 1);
	turn_for(20);
	assert_false(r.conn[0].closed);
}

static void the_pause_grows_while_nobody_lets_it_in(void **state)
{
	(void)state;
	r.fail = -ECONNREFUSED;
	turn_for(5000); /* at once, after 2 s; then after 4 s more */
	assert_int_equal(r.calls, 2);
	r.fail = 0;
	turn_for(1500);
	assert_int_equal(r.calls, 3);
	assert_int_equal(r.conns, 1);
}

static void who_is_not_let_in_in_time_calls_again(void **state)
{
	(void)state;
	turn_for(50);
	server(0)->heard_ms -= 16000;
	timer_set(&r.l.w.wheel, &server(0)->beat, 1);
	turn_for(50);
	assert_true(r.conn[0].closed);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_server_that_goes_silent_is_called_again),
		T(one_that_is_lost_is_made_again_at_once),
		T(the_server_hears_that_its_client_lives),
		T(what_comes_by_it_is_its_outbounds),
		T(a_drained_one_is_exchanged_at_once),
		T(the_pause_grows_while_nobody_lets_it_in),
		T(who_is_not_let_in_in_time_calls_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
