/*
 * test_ss_udp.c - Shadowsocks datagrams of a client: both ways, strangers,
 * garbage, what is too big; the server is a socket of the test
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "udp_rig.h"

#include "alloc_fail.h"
#include "gateway/base/rand.h"
#include "gateway/core/session.h"
#include "proxy/out/shadowsocks.h"

#define PSK "AAECAwQFBgcICQoLDA0ODw==" /* 16 bytes */

/**
 * struct leg - A client's leg, and its server's socket @fd
 * @rx, @tx:	The server's sessions (2022)
 */
struct leg {
	struct loop l;
	struct dgram din, *d;
	struct udp_map *map;
	struct ss_conf conf;
	struct outbound ob;
	struct session s;
	struct sockaddr_storage from;
	struct ss22_udp_key rx[2], tx;
	int fd;
};

static const char *const methods[] = { "aes-128-gcm", "chacha20-ietf-poly1305",
				       "none", "2022-blake3-aes-128-gcm" };

static int server_socket(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	*port = ntohs(a.sin_port);
	return fd;
}

static void begin(struct leg *g, const char *method)
{
	const struct ss_method *m = ss_method_find(method);
	uint16_t port;

	memset(g, 0, sizeof(*g));
	loop_init(&g->l);
	g->map = map_new(&g->l, &g->din);
	g->fd = server_socket(&port);
	g->conf.server.server = addr_of("127.0.0.1", port);
	assert_int_equal(
		ss_secret_set(&g->conf.key, m, m->v2022 ? PSK : "secret"), 0);
	g->ob.settings = &g->conf;
	g->ob.sockopt = SOCKOPT_DEFAULT;
	g->s.cfg = &g->l.cfg;
	assert_int_equal(ss_open_dgram(&g->ob, g->map, &g->s, &g->d), 0);
}

static void end(struct leg *g)
{
	g->d->ops->close(g->d);
	map_end(&g->l, g->map);
	ss22_udp_drop(&g->rx[0]);
	ss22_udp_drop(&g->rx[1]);
	ss22_udp_drop(&g->tx);
	close(g->fd);
	loop_fini(&g->l);
}

static int put(struct leg *g, struct addr to, void *p, size_t n)
{
	struct pkt v = { to, p, n };

	return g->d->ops->send(g->d, &v, 1);
}

/* What the server got, opened. False: nothing came */
static bool hear(struct leg *g, struct wire_packet *pk)
{
	static uint8_t p[65536];
	const struct ss_secret_key *k = &g->conf.key;
	struct ss22_udp_head h = { .from_server = false };
	socklen_t len = sizeof(g->from);
	ssize_t n = recvfrom(g->fd, p, sizeof(p), 0,
			     (struct sockaddr *)&g->from, &len);
	struct iovec v = { p, n > 0 ? (size_t)n : 0 };

	if (n < 0)
		return false;
	if (k->method->v2022)
		assert_int_equal(ss22_udp_decode(g->rx, &k->psk, &v, &h, pk),
				 0);
	else
		assert_int_equal(
			ss_udp_open(k->method, k->master, p, v.iov_len, pk), 0);
	return true;
}

/* A sealed answer from @peer. @client: whose session it names (2022) */
static size_t answer(struct leg *g, const struct addr *peer, uint8_t *out,
		     const uint8_t *client)
{
	const struct ss_secret_key *k = &g->conf.key;
	struct wire_packet pk = { .peer = *peer,
				  .data = (const uint8_t *)"answer",
				  .len = 6 };
	struct ss22_udp_head h = { .from_server = true,
				   .time_s = (uint64_t)clock_wall() };
	uint8_t salt[SS_KEY_MAX] = { 1, 2, 3 };
	ssize_t n;

	if (k->method->v2022) {
		if (!g->tx.live)
			assert_int_equal(ss22_udp_set(&g->tx, &k->psk, salt),
					 0);
		memcpy(h.client, client, sizeof(h.client));
		n = ss22_udp_encode(&g->tx, &k->psk, &h, &pk, out, 1500);
	} else {
		rand_bytes(salt, sizeof(salt));
		n = ss_udp_seal(k->method, k->master, salt, &pk, out, 1500);
	}
	assert_true(n > 0);
	return (size_t)n;
}

static void say(struct leg *g, int fd, const uint8_t *p, size_t n)
{
	assert_int_equal(sendto(fd, p, n, 0, (struct sockaddr *)&g->from,
				sizeof(struct sockaddr_in)),
			 (ssize_t)n);
	worker_tick(&g->l.w, 0);
}

static int get(struct leg *g, struct pkt *p)
{
	return g->d->ops->recv(g->d, p, 1);
}

/* The client speaks first: the server knows it then */
static void meet(struct leg *g)
{
	struct wire_packet pk;
	char hello[] = "hello";

	assert_int_equal(put(g, addr_of("192.0.2.1", 53), hello, 5), 1);
	assert_true(hear(g, &pk));
}

static void packets_go_and_come_with_their_addresses(void **state)
{
	const struct addr to[] = { addr_of("192.0.2.1", 53),
				   addr_of("2001:db8::1", 443),
				   addr_name("a.test", 6, 5353) };
	char text[] = "question";

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		struct wire_packet pk;
		uint8_t p[1500];
		struct leg g;
		struct pkt got;

		begin(&g, methods[m]);
		for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
			assert_int_equal(put(&g, to[i], text, 8), 1);
			assert_true(hear(&g, &pk));
			if (pk.peer.kind == ADDR_NAME)
				pk.peer.name = pk.name;
			assert_true(addr_eq(&pk.peer, &to[i]));
			assert_int_equal(pk.len, 8);
			assert_memory_equal(pk.data, text, 8);
			say(&g, g.fd, p,
			    answer(&g, &to[i], p, g.rx[0].session));
			assert_int_equal(get(&g, &got), 1);
			assert_true(addr_eq(&got.peer, &to[i]));
			assert_int_equal(got.len, 6);
			assert_memory_equal(got.data, "answer", 6);
			assert_int_equal(get(&g, &got), -EAGAIN);
		}
		end(&g);
	}
}

static void what_does_not_open_is_dropped(void **state)
{
	struct addr from = addr_of("192.0.2.1", 53);

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		bool plain = !strcmp(methods[m], "none");
		uint8_t p[1500], bad[1500];
		struct leg g;
		struct pkt got;
		size_t n;

		begin(&g, methods[m]);
		meet(&g);
		n = answer(&g, &from, p, g.rx[0].session);
		/* cut anywhere: plain packets may be cut in their payload */
		for (size_t cut = 0; cut < (plain ? 7 : n); cut++) {
			say(&g, g.fd, p, cut);
			assert_int_equal(get(&g, &got), -EAGAIN);
		}
		for (size_t i = 0; !plain && i < n; i++) {
			memcpy(bad, p, n);
			bad[i] ^= 1;
			say(&g, g.fd, bad, n);
			assert_int_equal(get(&g, &got), -EAGAIN);
		}
		say(&g, g.fd, p, n); /* and the right one still comes */
		assert_int_equal(get(&g, &got), 1);
		end(&g);
	}
}

static void only_the_server_is_listened_to(void **state)
{
	struct addr from = addr_of("192.0.2.1", 53);

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		uint8_t p[1500];
		uint16_t port;
		struct leg g;
		struct pkt got;
		int other;

		begin(&g, methods[m]);
		meet(&g);
		other = server_socket(&port);
		say(&g, other, p, answer(&g, &from, p, g.rx[0].session));
		assert_int_equal(get(&g, &got), -EAGAIN);
		close(other);
		end(&g);
	}
}

static void an_answer_to_another_client_and_a_replay_are_dropped(void **state)
{
	struct addr from = addr_of("192.0.2.1", 53);
	uint8_t p[1500], other[8] = { 9 };
	struct leg g;
	struct pkt got;
	size_t n;

	(void)state;
	begin(&g, "2022-blake3-aes-128-gcm");
	meet(&g);
	say(&g, g.fd, p, answer(&g, &from, p, other));
	assert_int_equal(get(&g, &got), -EAGAIN);
	n = answer(&g, &from, p, g.rx[0].session);
	say(&g, g.fd, p, n);
	assert_int_equal(get(&g, &got), 1);
	say(&g, g.fd, p, n);
	assert_int_equal(get(&g, &got), -EAGAIN);
	end(&g);
}

/* Recordings of what a server said to others: its session of now stays known */
static void answers_to_others_begin_no_session(void **state)
{
	static const uint8_t other[8] = { 9, 9 };
	struct addr from = addr_of("192.0.2.1", 53);
	uint8_t p[1500], old[1500];
	struct pkt got;
	struct leg g;
	size_t n;

	(void)state;
	begin(&g, "2022-blake3-aes-128-gcm");
	meet(&g);
	n = answer(&g, &from, p, g.rx[0].session);
	say(&g, g.fd, p, n);
	assert_int_equal(get(&g, &got), 1);
	for (uint8_t i = 0; i < 2; i++) {
		uint8_t session[8] = { 77, i };

		ss22_udp_drop(&g.tx);
		assert_int_equal(ss22_udp_set(&g.tx, &g.conf.key.psk, session),
				 0);
		say(&g, g.fd, old, answer(&g, &from, old, other));
		assert_int_equal(get(&g, &got), -EAGAIN);
	}
	say(&g, g.fd, p, n);
	assert_int_equal(get(&g, &got), -EAGAIN);
	end(&g);
}

static void what_no_datagram_can_carry_is_counted_as_lost(void **state)
{
	static uint8_t big[DGRAM_MAX];

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		struct addr to = addr_of("192.0.2.1", 53);
		struct wire_packet pk;
		struct leg g;

		begin(&g, methods[m]);
		assert_int_equal(put(&g, to, big, sizeof(big)), 1);
		assert_int_equal(g.l.w.drops[DROP_UDP_SEND], 1);
		assert_false(hear(&g, &pk));
		assert_int_equal(put(&g, to, big, sizeof(big) - 200), 1);
		assert_true(hear(&g, &pk));
		assert_int_equal(pk.len, sizeof(big) - 200);
		assert_int_equal(put(&g, to, NULL, 0), 1); /* empty: one */
		assert_true(hear(&g, &pk));
		assert_int_equal(pk.len, 0);
		end(&g);
	}
}

/* --- through another outbound ------------------------------------------------- */

static struct addr via_peer; /* where the dialer was asked to send */
static int via_sent;
static struct dgram via;
static bool via_closed;

static int via_send(struct dgram *d, const struct pkt *v, int n)
{
	(void)d;
	via_peer = v->peer;
	via_sent += n;
	return n;
}

static void via_close(struct dgram *d)
{
	(void)d;
	via_closed = true;
}

static const struct dgram_ops via_ops = { .name = "via",
					  .recv = din_recv,
					  .send = via_send,
					  .want = din_want,
					  .close = via_close };

static int via_open(const struct outbound *ob, struct udp_map *m,
		    struct session *s, struct dgram **out)
{
	(void)ob;
	(void)s;
	via = (struct dgram){ .ops = &via_ops, .job = udp_map_job(m) };
	via_sent = 0;
	via_closed = false;
	*out = &via;
	return 0;
}

static void datagrams_go_where_its_streams_go(void **state)
{
	static const struct outbound_ops carries = { .name = "carries",
						     .open_dgram = via_open };
	static const struct outbound_ops deaf = { .name = "deaf" };
	struct outbound other = { .ops = &carries };
	struct wire_packet pk;
	struct dgram *d = NULL;
	struct leg g;
	char x[] = "x";
	struct pkt v = { addr_of("192.0.2.1", 53), (uint8_t *)x, 1 };

	(void)state;
	begin(&g, "aes-128-gcm");
	g.ob.dialer = &other;
	assert_int_equal(ss_open_dgram(&g.ob, g.map, &g.s, &d), 0);
	assert_int_equal(d->ops->send(d, &v, 1), 1);
	assert_int_equal(via_sent, 1);
	assert_true(addr_eq(&via_peer, &g.conf.server.server));
	assert_false(hear(&g, &pk)); /* not by a socket of our own */
	d->ops->close(d);
	assert_true(via_closed);
	d = NULL;
	other.ops = &deaf;
	assert_int_equal(ss_open_dgram(&g.ob, g.map, &g.s, &d), -EACCES);
	assert_null(d);
	end(&g);
}

static void without_memory_no_leg_is_opened(void **state)
{
	struct leg g;

	(void)state;
	begin(&g, "aes-128-gcm");
	for (unsigned int n = 1;; n++) {
		struct dgram *d = NULL;
		int rc;

		alloc_fail_at(n);
		rc = ss_open_dgram(&g.ob, g.map, &g.s, &d);
		if (!alloc_fail_hit()) {
			assert_int_equal(rc, 0);
			d->ops->close(d);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(d);
	}
	end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_go_and_come_with_their_addresses),
		cmocka_unit_test(what_does_not_open_is_dropped),
		cmocka_unit_test(only_the_server_is_listened_to),
		cmocka_unit_test(
			an_answer_to_another_client_and_a_replay_are_dropped),
		cmocka_unit_test(answers_to_others_begin_no_session),
		cmocka_unit_test(what_no_datagram_can_carry_is_counted_as_lost),
		cmocka_unit_test(datagrams_go_where_its_streams_go),
		cmocka_unit_test(without_memory_no_leg_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
