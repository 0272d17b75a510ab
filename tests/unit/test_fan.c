/* test_fan.c - Streams for datagrams: how many, who fails, deadlines, the bound */
#include <errno.h>

#include "udp_rig.h"

#include "alloc_fail.h"
#include "fake_ends.h"
#include "proxy/out/fan.h"

#define STREAMS (FAN_TUBES + 8)

static struct fake ends[STREAMS];
static struct addr asked[STREAMS];
static unsigned int dials;
static int dial_rc;
static bool born_up;

static int dial(const struct dial *d, const struct addr *peer,
		struct stream **out)
{
	struct fake *f = &ends[dials];

	if (dial_rc)
		return dial_rc;
	assert_true(dials < STREAMS);
	memset(f, 0, sizeof(*f));
	f->s = (struct stream){ .ops = &fake_ops, .job = d->job };
	f->up = born_up;
	asked[dials++] = *peer;
	*out = &f->s;
	return 0;
}

static const struct fan_ops one_for_all = { .tube = &tube_trojan,
					    .dial = dial };
static const struct fan_ops one_a_peer = { .tube = &tube_vless,
					   .per_peer = true,
					   .dial = dial };

/**
 * struct leg - A fan on a worker
 */
struct leg {
	struct loop l;
	struct dgram din, *d;
	struct udp_map *map;
	struct server_conf conf;
	struct outbound ob;
	struct session s;
	int rc;
};

static void begin(struct leg *g, const struct fan_ops *ops)
{
	memset(g, 0, sizeof(*g));
	dials = 0;
	dial_rc = 0;
	born_up = true;
	loop_init(&g->l);
	g->map = map_new(&g->l, &g->din);
	g->ob.settings = &g->conf;
	g->s.cfg = &g->l.cfg;
	assert_int_equal(fan_open(ops, &g->ob, g->map, &g->s, &g->d), 0);
}

static void end(struct leg *g)
{
	g->d->ops->close(g->d);
	for (unsigned int i = 0; i < dials; i++)
		assert_true(ends[i].closed);
	map_end(&g->l, g->map);
	loop_fini(&g->l);
}

static struct addr peer(unsigned int i)
{
	return addr_of("192.0.2.1", (uint16_t)(i + 1));
}

/* Send a byte to each of the @n peers; what send said */
static int send_to(struct leg *g, const unsigned int *to, int n)
{
	static uint8_t data[1] = { 'x' };
	struct pkt v[STREAMS];

	for (int i = 0; i < n; i++)
		v[i] = (struct pkt){ peer(to[i]), data, 1 };
	return g->d->ops->send(g->d, v, n);
}

static int recv_one(struct leg *g, struct pkt *p)
{
	return g->d->ops->recv(g->d, p, 1);
}

static void one_stream_carries_all_destinations(void **state)
{
	static const unsigned int to[] = { 0, 1, 0 };
	struct leg g;

	(void)state;
	begin(&g, &one_for_all);
	assert_int_equal(send_to(&g, to, 3), 3);
	assert_int_equal(dials, 1);
	/* type, IPv4, port, length, CR LF, payload */
	assert_int_equal(ends[0].tx_len, 3 * (1 + 4 + 2 + 2 + 2 + 1));
	end(&g);
}

static void each_destination_has_its_stream(void **state)
{
	static const unsigned int to[] = { 0, 0, 1, 0 };
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	assert_int_equal(send_to(&g, to, 4), 4);
	assert_int_equal(dials, 2);
	assert_int_equal(asked[1].port, 2);
	assert_int_equal(ends[0].tx_len, 3 * 3); /* length and payload */
	assert_int_equal(ends[1].tx_len, 3);
	end(&g);
}

static void an_answer_is_from_the_peer_of_its_stream(void **state)
{
	static const unsigned int to[] = { 0, 1 };
	struct pkt p;
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	assert_int_equal(send_to(&g, to, 2), 2);
	assert_int_equal(recv_one(&g, &p), -EAGAIN);
	fake_say(&ends[1], "\0\2ok", 4);
	assert_int_equal(recv_one(&g, &p), 1);
	assert_int_equal(p.peer.port, 2);
	assert_int_equal(p.len, 2);
	assert_int_equal(recv_one(&g, &p), -EAGAIN);
	end(&g);
}

static void a_dial_that_fails_is_told(void **state)
{
	static const unsigned int to[] = { 0 };
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	dial_rc = -ENETUNREACH;
	assert_int_equal(send_to(&g, to, 1), -ENETUNREACH);
	dial_rc = 0;
	assert_int_equal(send_to(&g, to, 1), 1);
	end(&g);
}

static void a_failure_before_it_is_up_ends_the_leg(void **state)
{
	static const unsigned int to[] = { 0, 1 };
	struct pkt p;
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	born_up = false;
	assert_int_equal(send_to(&g, to, 2), 2);
	ends[0].rx_err = -ECONNREFUSED;
	assert_int_equal(recv_one(&g, &p), -ECONNREFUSED);
	assert_int_equal(recv_one(&g, &p), -ECONNREFUSED); /* for good */
	assert_int_equal(send_to(&g, to, 1), -ECONNREFUSED);
	end(&g);
}

static void an_end_before_it_is_up_is_a_reset(void **state)
{
	static const unsigned int to[] = { 0 };
	struct pkt p;
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	born_up = false;
	assert_int_equal(send_to(&g, to, 1), 1);
	fake_end(&ends[0]);
	assert_int_equal(recv_one(&g, &p), -ECONNRESET);
	end(&g);
}

static void a_stream_that_ends_later_is_dialled_again(void **state)
{
	static const unsigned int to[] = { 0 };
	struct pkt p;
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	assert_int_equal(send_to(&g, to, 1), 1);
	ends[0].rx_err = -ECONNRESET;
	assert_int_equal(recv_one(&g, &p), -EAGAIN);
	assert_true(ends[0].closed);
	assert_int_equal(ends[0].why, -ECONNRESET);
	assert_int_equal(send_to(&g, to, 1), 1);
	assert_int_equal(dials, 2);
	/* writing may be what tells: nothing more is there to be read, so it ends */
	ends[1].tx_err = -EPIPE;
	assert_int_equal(send_to(&g, to, 1), 1);
	assert_false(ends[1].closed);
	assert_int_equal(recv_one(&g, &p), -EAGAIN);
	assert_true(ends[1].closed);
	assert_int_equal(ends[1].why, -EPIPE);
	end(&g);
}

static bool leg_over(void *arg)
{
	struct leg *g = arg;
	struct pkt p;

	g->rc = recv_one(g, &p);
	return g->rc != -EAGAIN;
}

static void a_handshake_has_a_deadline(void **state)
{
	static const unsigned int to[] = { 0 };
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	g.l.cfg.levels[0].policy.handshake_ms = 20;
	born_up = false;
	assert_int_equal(send_to(&g, to, 1), 1);
	assert_true(loop_until(&g.l, leg_over, &g, 5000));
	assert_int_equal(g.rc, -ETIMEDOUT);
	end(&g);
}

static void what_is_up_has_none(void **state)
{
	static const unsigned int to[] = { 0 };
	struct pkt p;
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	g.l.cfg.levels[0].policy.handshake_ms = 20;
	assert_int_equal(send_to(&g, to, 1), 1);
	assert_int_equal(recv_one(&g, &p), -EAGAIN); /* sees that it is up */
	assert_false(loop_until(&g.l, leg_over, &g, 100));
	end(&g);
}

static void the_stream_not_used_for_longest_gives_way(void **state)
{
	static const unsigned int first[] = { 0 };
	unsigned int to[FAN_TUBES + 1];
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	for (unsigned int i = 0; i <= FAN_TUBES; i++)
		to[i] = i;
	assert_int_equal(send_to(&g, to, FAN_TUBES), FAN_TUBES);
	assert_int_equal(send_to(&g, first, 1), 1); /* used again */
	assert_int_equal(send_to(&g, to + FAN_TUBES, 1), 1);
	assert_int_equal(dials, FAN_TUBES + 1);
	assert_false(ends[0].closed);
	assert_true(ends[1].closed);
	assert_false(ends[2].closed);
	end(&g);
}

static void names_are_kept_by_the_stream(void **state)
{
	char name[] = "a.test";
	struct pkt p = { addr_name(name, 6, 53), NULL, 0 }, got;
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	assert_int_equal(g.d->ops->send(g.d, &p, 1), 1);
	memset(name, 'z', 6); /* the caller's memory is gone */
	fake_say(&ends[0], "\0\1x", 3);
	assert_int_equal(recv_one(&g, &got), 1);
	assert_memory_equal(got.peer.name, "a.test", 6);
	end(&g);
}

static void without_memory_nothing_is_left_behind(void **state)
{
	static const unsigned int to[] = { 0 };
	struct dgram *d;
	struct leg g;

	(void)state;
	begin(&g, &one_a_peer);
	alloc_fail_at(1);
	assert_int_equal(fan_open(&one_a_peer, &g.ob, g.map, &g.s, &d),
			 -ENOMEM);
	alloc_fail_at(1);
	assert_int_equal(send_to(&g, to, 1), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_int_equal(dials, 0);
	end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_stream_carries_all_destinations),
		cmocka_unit_test(each_destination_has_its_stream),
		cmocka_unit_test(an_answer_is_from_the_peer_of_its_stream),
		cmocka_unit_test(a_dial_that_fails_is_told),
		cmocka_unit_test(a_failure_before_it_is_up_ends_the_leg),
		cmocka_unit_test(an_end_before_it_is_up_is_a_reset),
		cmocka_unit_test(a_stream_that_ends_later_is_dialled_again),
		cmocka_unit_test(a_handshake_has_a_deadline),
		cmocka_unit_test(what_is_up_has_none),
		cmocka_unit_test(the_stream_not_used_for_longest_gives_way),
		cmocka_unit_test(names_are_kept_by_the_stream),
		cmocka_unit_test(without_memory_nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
