/* test_out_socks_udp.c - UDP ASSOCIATE against relays that behave and do not */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rogue.h"
#include "udp_rig.h"

/**
 * struct leg - A client, its map and the datagram end
 */
struct leg {
	struct client c;
	struct dgram din, *d;
	struct udp_map *map;
	struct pkt got[DGRAM_BATCH];
	uint8_t data[DGRAM_BATCH][512];
	int n, want;
	struct addr relay_from;
};

static uint8_t associated[10];
static struct addr leave_by; /* sendThrough; kind NONE: not set */

static void leg_begin(struct leg *g, void (*serve)(struct rogue *, int, int))
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	memset(g, 0, sizeof(*g));
	begin(&g->c, serve);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g->c.r.udp = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(g->c.r.udp, (struct sockaddr *)&sin, len), 0);
	getsockname(g->c.r.udp, (struct sockaddr *)&sin, &len);
	/* "the same address as mine" */
	memset(associated, 0, sizeof(associated));
	associated[0] = 5;
	associated[3] = 1;
	memcpy(associated + 8, &sin.sin_port, 2);
	g->c.r.say = associated;
	g->c.r.len = sizeof(associated);
	g->c.ob.send_through = leave_by;
	g->map = map_new(&g->c.l, &g->din);
	assert_int_equal(
		g->c.ob.ops->open_dgram(&g->c.ob, g->map, &g->c.s, &g->d), 0);
}

static void leg_end(struct leg *g)
{
	if (g->d)
		g->d->ops->close(g->d);
	map_end(&g->c.l, g->map);
	end(&g->c);
}

static int leg_send(struct leg *g, struct addr to, const char *text)
{
	uint8_t data[64];
	struct pkt p = { .peer = to, .data = data, .len = strlen(text) };

	memcpy(data, text, p.len);
	return g->d->ops->send(g->d, &p, 1);
}

static bool leg_up(void *arg)
{
	struct leg *g = arg;

	g->n = leg_send(g, addr_of("192.0.2.1", 53), "one");
	g->d->ops->want(g->d, ST_READ | ST_WRITE);
	return g->n != -EAGAIN;
}

/* What the relay got last, with its head */
static ssize_t relay_recv(struct leg *g, uint8_t *p, size_t n)
{
	struct timeval tv = { .tv_sec = 2 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t got;

	setsockopt(g->c.r.udp, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	got = recvfrom(g->c.r.udp, p, n, 0, (struct sockaddr *)&ss, &len);
	g->relay_from = addr_from_sockaddr(&ss);
	return got;
}

static void relay_send(struct leg *g, int fd, const void *p, size_t n)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&g->relay_from, AF_INET, &ss);

	assert_int_equal(sendto(fd, p, n, 0, (struct sockaddr *)&ss, len), n);
}

static bool leg_got(void *arg)
{
	struct leg *g = arg;
	struct pkt v[DGRAM_BATCH];
	int n = g->d->ops->recv(g->d, v, DGRAM_BATCH);

	for (int i = 0; i < n; i++) {
		g->got[g->n] = v[i];
		assert_true(v[i].len <= sizeof(g->data[0]));
		memcpy(g->data[g->n++], v[i].data, v[i].len);
	}
	g->d->ops->want(g->d, ST_READ);
	return g->n >= g->want;
}

static void datagrams_carry_their_address_both_ways(void **state)
{
	static const uint8_t six[] = { 0, 0, 0, 4,  0x20, 1,   0xd, 0xb8, 0,
				       0, 0, 0, 0,  0,    0,   0,   0,    0,
				       0, 5, 0, 99, 's',  'i', 'x' };
	struct leg g;
	uint8_t p[256];
	struct addr want = addr_of("2001:db8::5", 99);

	(void)state;
	leg_begin(&g, serve_exact);
	assert_true(loop_until(&g.c.l, leg_up, &g, 2000));
	assert_int_equal(g.n, 1);
	assert_memory_equal(g.c.r.seen, "\5\1\0\5\3\0\1\0\0\0\0\0\0", 13);
	assert_int_equal(relay_recv(&g, p, sizeof(p)), 13);
	assert_memory_equal(p, "\0\0\0\1\xc0\0\2\1\0\x35one", 13);
	assert_int_equal(leg_send(&g, addr_name("d.test", 6, 53), "two"), 1);
	assert_int_equal(relay_recv(&g, p, sizeof(p)), 3 + 1 + 7 + 2 + 3);
	assert_memory_equal(p, "\0\0\0\3\6d.test\0\x35two", 16);
	/* an empty one, and one from a third party in v6 */
	relay_send(&g, g.c.r.udp, "\0\0\0\1\xc0\0\2\1\0\x35", 10);
	relay_send(&g, g.c.r.udp, six, sizeof(six));
	relay_send(&g, g.c.r.udp, "\0\0\0\3\1x\0\x35name", 12);
	g.n = 0;
	g.want = 3;
	assert_true(loop_until(&g.c.l, leg_got, &g, 2000));
	assert_int_equal(g.got[0].len, 0);
	assert_true(addr_eq(&g.got[1].peer, &want));
	assert_int_equal(g.got[1].len, 3);
	assert_memory_equal(g.data[1], "six", 3);
	assert_int_equal(g.got[2].peer.kind, ADDR_NAME);
	assert_memory_equal(g.data[2], "name", 4);
	leg_end(&g);
}

static void datagrams_leave_by_the_address_asked_for(void **state)
{
	struct leg g;
	uint8_t p[256];
	struct addr want = addr_of("127.0.0.9", 0);

	(void)state;
	leave_by = want;
	leg_begin(&g, serve_exact);
	assert_true(loop_until(&g.c.l, leg_up, &g, 2000));
	assert_int_equal(relay_recv(&g, p, sizeof(p)), 13);
	assert_true(addr_eq_host(&g.relay_from, &want));
	leg_end(&g);
	leave_by = addr_of("::1", 0); /* the relay has IPv4 */
	leg_begin(&g, serve_exact);
	assert_true(loop_until(&g.c.l, leg_up, &g, 2000));
	assert_int_equal(g.n, -EAFNOSUPPORT);
	leg_end(&g);
	leave_by.kind = ADDR_NONE;
}

static void garbage_and_strangers_are_ignored(void **state)
{
	static const uint8_t whole[] = "\0\0\0\1\xc0\0\2\1\0\x35ok";
	struct leg g;
	uint8_t p[256];
	int stranger;

	(void)state;
	leg_begin(&g, serve_exact);
	stranger = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(loop_until(&g.c.l, leg_up, &g, 2000));
	assert_true(relay_recv(&g, p, sizeof(p)) > 0);
	for (size_t n = 0; n < 10; n++)
		relay_send(&g, g.c.r.udp, whole, n);
	relay_send(&g, g.c.r.udp, "\0\0\1\1\xc0\0\2\1\0\x35 fragment", 19);
	relay_send(&g, g.c.r.udp, "\0\0\0\7\xc0\0\2\1\0\x35 type", 15);
	relay_send(&g, g.c.r.udp, "\0\0\0\3\0\0\x35 no name", 15);
	relay_send(&g, stranger, whole, 12);
	relay_send(&g, g.c.r.udp, whole, 12);
	g.n = 0;
	g.want = 1;
	assert_true(loop_until(&g.c.l, leg_got, &g, 2000));
	for (int i = 0; i < 5; i++)
		worker_tick(&g.c.l.w, 5);
	(void)leg_got(&g);
	assert_int_equal(g.n, 1);
	assert_memory_equal(g.data[0], "ok", 2);
	close(stranger);
	leg_end(&g);
}

static bool leg_failed(void *arg)
{
	struct leg *g = arg;
	struct pkt v[1];

	g->n = g->d->ops->recv(g->d, v, 1);
	g->d->ops->want(g->d, ST_READ);
	return g->n != -EAGAIN;
}

/* A socket that takes @room more packets, then none */
struct narrow {
	struct dgram d;
	int room, taken;
};

static int narrow_send(struct dgram *d, const struct pkt *v, int n)
{
	struct narrow *w = container_of(d, struct narrow, d);
	int k = n < w->room ? n : w->room;

	(void)v;
	w->room -= k;
	w->taken += k;
	return k ? k : -EAGAIN;
}

/* What a full socket did not take is not said to be sent: it waits */
static void what_a_full_socket_leaves_is_not_lost(void **state)
{
	static const struct dgram_ops ops = { .name = "narrow",
					      .send = narrow_send };
	struct narrow w = { .d.ops = &ops, .room = 3 };
	uint8_t data[8] = "payload";
	struct pkt v[6];
	struct dgram *sock;
	struct leg g;

	(void)state;
	leg_begin(&g, serve_exact);
	assert_true(loop_until(&g.c.l, leg_up, &g, 2000));
	for (int i = 0; i < 6; i++)
		v[i] = (struct pkt){ addr_of("192.0.2.1", 53), data, 8 };
	v[1].len = DGRAM_MAX; /* with its head too long: lost, like anywhere */
	v[1].data = g.c.l.w.scratch;
	sock = g.d->below;
	g.d->below = &w.d;
	assert_int_equal(g.d->ops->send(g.d, v, 6), 4);
	assert_int_equal(w.taken, 3);
	assert_int_equal(g.d->ops->send(g.d, v + 4, 2), -EAGAIN);
	w.room = 9;
	assert_int_equal(g.d->ops->send(g.d, v + 4, 2), 2);
	assert_int_equal(w.taken, 5);
	g.d->below = sock;
	leg_end(&g);
}

static void the_control_streams_end_is_the_legs(void **state)
{
	struct leg g;
	char say[12] = "\5\0";

	(void)state;
	leg_begin(&g, serve_script);
	memcpy(say + 2, associated, sizeof(associated));
	script(&g.c, say, sizeof(say), false);
	g.c.r.drip_us = 2000; /* closes when all is said */
	assert_true(loop_until(&g.c.l, leg_failed, &g, 3000));
	assert_int_equal(g.n, -ECONNRESET);
	leg_end(&g);
}

static void a_server_without_udp_is_told(void **state)
{
	struct leg g;

	(void)state;
	leg_begin(&g, serve_script);
	script(&g.c, "\5\0\5\7\0\1\0\0\0\0\0\0", 12, true);
	assert_true(loop_until(&g.c.l, leg_failed, &g, 3000));
	assert_int_equal(g.n, -EOPNOTSUPP);
	leg_end(&g);
}

static void the_handshake_of_an_association_has_a_deadline(void **state)
{
	struct leg g;
	struct policy p = POLICY_DEFAULT;
	uint32_t t0 = clock_ms();

	(void)state;
	leg_begin(&g, serve_script);
	script(&g.c, "", 0, true);
	g.d->ops->close(g.d);
	p.handshake_ms = 300;
	g.c.l.cfg.levels[0] = (struct policy_level){ 0, p };
	g.c.l.cfg.level_count = 1;
	assert_int_equal(g.c.ob.ops->open_dgram(&g.c.ob, g.map, &g.c.s, &g.d),
			 0);
	assert_true(loop_until(&g.c.l, leg_failed, &g, 3000));
	assert_int_equal(g.n, -ETIMEDOUT);
	assert_in_range(clock_ms() - t0, 280, 900);
	leg_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_carry_their_address_both_ways),
		cmocka_unit_test(datagrams_leave_by_the_address_asked_for),
		cmocka_unit_test(garbage_and_strangers_are_ignored),
		cmocka_unit_test(what_a_full_socket_leaves_is_not_lost),
		cmocka_unit_test(the_control_streams_end_is_the_legs),
		cmocka_unit_test(a_server_without_udp_is_told),
		cmocka_unit_test(
			the_handshake_of_an_association_has_a_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
