/*
 * test_ss_udp_in.c - Shadowsocks datagrams of a server: both ways, users,
 * garbage, replays, bounded queues, ends; the client is a socket of the test
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "loop.h"

#include "alloc_fail.h"
#include "gateway/base/rand.h"
#include "gateway/core/route.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "no_dns.h"
#include "no_fakedns.h"
#include "proxy/in/ss_in.h"

#define SERVER_PSK "AAECAwQFBgcICQoLDA0ODw==" /* 16 bytes each */
#define USER_PSK   "EBESExQVFhcYGRobHB0eHw=="
#define OTHER_PSK  "ICEiIyQlJicoKSorLC0uLw=="
#define QUEUE      128 /* packets that may wait, as ss_udp_in.c has it */

/* --- the outbound: keeps what it gets, answers when it is asked to ------------ */

struct kept {
	struct addr peer;
	char name[256];
	uint8_t data[16];
	size_t len;
};

/**
 * struct far_end - All legs in one
 * @got:	The last packets; @count of all
 * @say:	What the next recv gives, once; data NULL: nothing
 * @user:	Of the last session
 */
static struct far_end {
	struct dgram *leg;
	struct kept got[8];
	unsigned int count, opened, closed;
	struct pkt say;
	const char *user;
} far;

static int far_send(struct dgram *d, const struct pkt *v, int n)
{
	(void)d;
	for (int i = 0; i < n; i++) {
		struct kept *k = &far.got[far.count++ % ARRAY_SIZE(far.got)];

		k->peer = v[i].peer;
		if (k->peer.kind == ADDR_NAME) {
			memcpy(k->name, v[i].peer.name, v[i].peer.len);
			k->name[v[i].peer.len] = '\0';
			k->peer.name = k->name;
		}
		k->len = v[i].len;
		if (k->len && k->len <= sizeof(k->data))
			memcpy(k->data, v[i].data, k->len);
	}
	return n;
}

static int far_recv(struct dgram *d, struct pkt *v, int max)
{
	(void)d;
	(void)max;
	if (!far.say.data)
		return -EAGAIN;
	*v = far.say;
	far.say.data = NULL;
	return 1;
}

static void far_want(struct dgram *d, unsigned int events)
{
	(void)d;
	(void)events;
}

static void far_close(struct dgram *d)
{
	far.closed++;
	if (far.leg == d)
		far.leg = NULL;
	free(d);
}

static const struct dgram_ops far_ops = { .name = "far",
					  .recv = far_recv,
					  .send = far_send,
					  .want = far_want,
					  .close = far_close };

static int far_open(const struct outbound *ob, struct udp_map *m,
		    struct session *s, struct dgram **out)
{
	struct dgram *d = calloc(1, sizeof(*d));

	(void)ob;
	if (!d)
		return -ENOMEM;
	d->ops = &far_ops;
	d->job = udp_map_job(m);
	far.user = s->user;
	far.leg = d;
	far.opened++;
	*out = d;
	return 0;
}

static const struct outbound_ops far_outbound = { .name = "far",
						  .open_dgram = far_open };
static const struct outbound far_ob = { .ops = &far_outbound, .tag = "far" };

/* --- all goes there, as it is asked for ---------------------------------------- */

int route_pick(const struct router *r, struct session *s,
	       const struct outbound **ob)
{
	(void)r;
	(void)s;
	*ob = &far_ob;
	return 0;
}

bool router_wants_attrs(const struct router *r)
{
	(void)r;
	return false;
}

/* --- the server and its clients ------------------------------------------------ */

/**
 * struct served - A server on one port of 127.0.0.1
 * @k:		What a client seals with
 * @tx, @rx:	A client's sessions (2022)
 * @fd:		Its socket
 */
struct served {
	struct loop l;
	struct inbound ib;
	struct listener listener;
	struct ss_in conf;
	struct ss_user_key keys[2];
	struct ss_secret_key k;
	struct srv_user user[2], *v[2];
	struct srv_users us;
	struct ss_udp_in *u;
	struct ss22_udp_key tx, rx[2];
	uint16_t port;
	int fd;
};

static const char *const methods[] = { "aes-128-gcm", "chacha20-ietf-poly1305",
				       "none", "2022-blake3-aes-128-gcm" };

static int client_socket(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* One that nobody has now */
static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void prepare(struct served *s, const char *method)
{
	const struct ss_method *m = ss_method_find(method);
	const char *password = m->v2022 ? SERVER_PSK : "secret";

	memset(s, 0, sizeof(*s));
	memset(&far, 0, sizeof(far));
	loop_init(&s->l);
	worker_tick(&s->l.w, 0);
	s->conf.method = m;
	s->us = (struct srv_users){ .count = 1,
				    .key_bytes = sizeof(s->keys[0]),
				    .v = s->v,
				    .keys = (uint8_t *)s->keys };
	atomic_init(&s->us.refs, 1);
	pthread_mutex_init(&s->conf.srv.users.lock, NULL);
	s->conf.srv.users.now = &s->us;
	for (int i = 0; i < 2; i++) {
		s->v[i] = &s->user[i];
		s->user[i].email = "";
	}
	assert_int_equal(ss_secret_set(&s->keys[0].k, m, password), 0);
	assert_int_equal(ss_secret_set(&s->k, m, password), 0);
	s->port = free_port();
	s->ib = (struct inbound){ .tag = "ss",
				  .policy = &s->l.cfg.levels[0].policy,
				  .sockopt = SOCKOPT_DEFAULT,
				  .settings = &s->conf,
				  .port_count = 1 };
	s->ib.listen = addr_of("127.0.0.1", 0);
	s->ib.ports[0].lo = s->ib.ports[0].hi = s->port;
	s->listener = (struct listener){ .ib = &s->ib, .worker = &s->l.w };
}

static void begin(struct served *s, const char *method)
{
	prepare(s, method);
	assert_int_equal(ss_udp_start(&s->listener, &s->u), 0);
	s->fd = client_socket(s->port);
}

/* Two users; the client is the second one, or nobody */
static void begin_users(struct served *s, const char *method, bool known)
{
	const struct ss_method *m = ss_method_find(method);

	prepare(s, method);
	s->us.count = 2;
	s->user[0].email = "first";
	s->user[1].email = "second";
	if (m->v2022) {
		assert_int_equal(ss_secret_set(&s->conf.server, m, SERVER_PSK),
				 0);
		ss_secret_set(&s->keys[0].k, m, OTHER_PSK);
		ss_secret_set(&s->keys[1].k, m, USER_PSK);
		for (int i = 0; i < 2; i++)
			ss22_user_hash(&s->keys[i].k.psk, s->keys[i].hash);
		ss_secret_set(&s->k, m,
			      known ? SERVER_PSK ":" USER_PSK :
				      SERVER_PSK ":" SERVER_PSK);
	} else {
		ss_secret_set(&s->keys[1].k, m, "other");
		ss_secret_set(&s->k, m, known ? "other" : "nobody's");
	}
	assert_int_equal(ss_udp_start(&s->listener, &s->u), 0);
	s->fd = client_socket(s->port);
}

static void end(struct served *s)
{
	ss_udp_stop(s->u);
	ss22_udp_drop(&s->tx);
	ss22_udp_drop(&s->rx[0]);
	ss22_udp_drop(&s->rx[1]);
	close(s->fd);
	loop_fini(&s->l);
	assert_int_equal(far.opened, far.closed);
	assert_int_equal(s->l.cfg.refs, 1);
}

/* As a client seals it, @age seconds ago */
static size_t sealed(struct served *s, const struct addr *to, const void *data,
		     size_t n, int age, uint8_t *out)
{
	struct wire_packet pk = { .peer = *to, .data = data, .len = n };
	struct ss22_udp_head h = { .time_s = (uint64_t)(clock_wall() - age) };
	uint8_t salt[SS_KEY_MAX];
	ssize_t k;

	rand_bytes(salt, sizeof(salt));
	if (s->k.method->v2022) {
		if (!s->tx.live)
			assert_int_equal(ss22_udp_set(&s->tx, &s->k.psk, salt),
					 0);
		k = ss22_udp_encode(&s->tx, &s->k.psk, &h, &pk, out, 2000);
	} else {
		k = ss_udp_seal(s->k.method, s->k.master, salt, &pk, out, 2000);
	}
	assert_true(k > 0);
	return (size_t)k;
}

/* It arrives, and all that follows from it is done */
static void say(struct served *s, const void *p, size_t n)
{
	assert_int_equal(send(s->fd, p, n, 0), (ssize_t)n);
	for (int i = 0; i < 4; i++)
		worker_tick(&s->l.w, 0);
}

static void ask(struct served *s, const struct addr *to, const char *text)
{
	uint8_t p[2000];

	say(s, p, sealed(s, to, text, strlen(text), 0, p));
}

/* What the client hears, opened. False: nothing */
static bool hear(struct served *s, struct wire_packet *pk)
{
	static uint8_t p[65536];
	struct ss22_udp_head h = { .from_server = true };
	ssize_t n = recv(s->fd, p, sizeof(p), 0);
	struct iovec v = { p, n > 0 ? (size_t)n : 0 };

	if (n < 0)
		return false;
	if (!s->k.method->v2022) {
		assert_int_equal(
			ss_udp_open(s->k.method, s->k.master, p, v.iov_len, pk),
			0);
		return true;
	}
	assert_int_equal(ss22_udp_decode(s->rx, &s->k.psk, &v, &h, pk), 0);
	assert_memory_equal(h.client, s->tx.session, sizeof(h.client));
	assert_true(ss22_time_ok(h.time_s, (uint64_t)clock_wall()));
	return true;
}

/* The far end says @n bytes, from @peer */
static void answer(struct served *s, const struct addr *peer, uint8_t *p,
		   size_t n)
{
	assert_non_null(far.leg);
	far.say = (struct pkt){ *peer, p, n };
	job_ready(far.leg->job);
	for (int i = 0; i < 3; i++)
		worker_tick(&s->l.w, 0);
}

static const struct kept *last(void)
{
	assert_true(far.count > 0);
	return &far.got[(far.count - 1) % ARRAY_SIZE(far.got)];
}

static void packets_go_and_come_with_their_addresses(void **state)
{
	const struct addr to[] = { addr_of("192.0.2.1", 53),
				   addr_of("2001:db8::1", 443) };
	uint8_t reply[] = "reply";

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		struct wire_packet pk;
		struct served s;

		begin(&s, methods[m]);
		for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
			ask(&s, &to[i], "question");
			assert_int_equal(far.count, i + 1);
			assert_true(addr_eq(&last()->peer, &to[i]));
			assert_int_equal(last()->len, 8);
			assert_memory_equal(last()->data, "question", 8);
			answer(&s, &to[i], reply, 5);
			assert_true(hear(&s, &pk));
			assert_true(addr_eq(&pk.peer, &to[i]));
			assert_int_equal(pk.len, 5);
			assert_memory_equal(pk.data, "reply", 5);
			assert_false(hear(&s, &pk));
		}
		end(&s);
	}
}

static void names_and_empty_packets_pass(void **state)
{
	struct addr to = addr_name("a.test", 6, 5353);

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		struct served s;

		begin(&s, methods[m]);
		ask(&s, &to, "x");
		assert_true(addr_eq(&last()->peer, &to));
		ask(&s, &to, "");
		assert_int_equal(far.count, 2);
		assert_int_equal(last()->len, 0);
		end(&s);
	}
}

static void what_does_not_open_is_nobodys(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		bool plain = !strcmp(methods[m], "none");
		struct wire_packet pk;
		uint8_t p[2000], bad[2000];
		struct served s;
		size_t n;

		begin(&s, methods[m]);
		n = sealed(&s, &to, "question", 8, 0, p);
		/* cut anywhere: plain packets may be cut in their payload */
		for (size_t cut = 0; cut < (plain ? 7 : n); cut++)
			say(&s, p, cut);
		for (size_t i = 0; !plain && i < n; i++) {
			memcpy(bad, p, n);
			bad[i] ^= 1;
			say(&s, bad, n);
		}
		assert_int_equal(far.count, 0);
		assert_int_equal(s.l.w.session_count, 0);
		assert_true(list_empty(&s.l.w.maps));
		assert_false(hear(&s, &pk)); /* not a word */
		say(&s, p, n);
		assert_int_equal(far.count, 1);
		/* a client that is known gets no more credit */
		for (size_t i = 0; !plain && i < n; i++) {
			memcpy(bad, p, n);
			bad[i] ^= 1;
			say(&s, bad, n);
		}
		for (size_t cut = 0; cut < (plain ? 7 : n); cut++)
			say(&s, p, cut);
		assert_int_equal(far.count, 1);
		assert_false(hear(&s, &pk));
		end(&s);
	}
}

static void a_recording_of_2022_is_worth_nothing(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);
	uint8_t p[2000], old[2000];
	struct served s;
	size_t n, k;

	(void)state;
	begin(&s, "2022-blake3-aes-128-gcm");
	k = sealed(&s, &to, "late", 4, SS22_CLOCK_S + 2, old);
	say(&s, old, k); /* no client comes of it */
	assert_true(list_empty(&s.l.w.maps));
	n = sealed(&s, &to, "once", 4, 0, p);
	say(&s, p, n);
	assert_int_equal(far.count, 1);
	say(&s, p, n);
	assert_int_equal(far.count, 1);
	k = sealed(&s, &to, "late", 4, SS22_CLOCK_S + 2, old);
	say(&s, old, k);
	assert_int_equal(far.count, 1);
	k = sealed(&s, &to, "early", 5, -SS22_CLOCK_S - 2, old);
	say(&s, old, k);
	assert_int_equal(far.count, 1);
	ask(&s, &to, "next");
	assert_int_equal(far.count, 2);
	end(&s);
}

/* Of sessions that are over, from the same address: the one there is stays */
static void old_sessions_do_not_come_back(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);
	uint8_t p[2000], old[2][2000], reply[] = "reply";
	size_t n, k[2];
	struct wire_packet pk;
	struct served s;

	(void)state;
	begin(&s, "2022-blake3-aes-128-gcm");
	for (int i = 0; i < 2; i++) {
		k[i] = sealed(&s, &to, "late", 4, SS22_CLOCK_S + 2, old[i]);
		ss22_udp_drop(&s.tx);
	}
	n = sealed(&s, &to, "once", 4, 0, p);
	say(&s, p, n);
	assert_int_equal(far.count, 1);
	for (int i = 0; i < 2; i++)
		say(&s, old[i], k[i]);
	answer(&s, &to, reply, 5);
	assert_true(hear(&s, &pk)); /* of the session there is */
	say(&s, p, n); /* whose packets are still known */
	assert_int_equal(far.count, 1);
	end(&s);
}

/* By the API or a reload: others come and go without a word to who stays */
static void who_is_no_user_any_more_is_not_heard(void **state)
{
	static const char *const several[] = { "aes-128-gcm",
					       "2022-blake3-aes-128-gcm" };
	struct addr to = addr_of("192.0.2.1", 53);

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(several); m++) {
		struct srv_users second, first;
		struct served s;

		begin_users(&s, several[m], true);
		ask(&s, &to, "x");
		assert_int_equal(far.count, 1);
		second = first = s.us;
		second.count = first.count = 1;
		second.v++;
		second.keys += second.key_bytes;
		s.conf.srv.users.now = &second;
		usleep(1100000);
		ask(&s, &to, "y");
		ask(&s, &to, "z");
		assert_int_equal(far.count, 3);
		s.conf.srv.users.now = &first;
		usleep(1100000);
		ask(&s, &to, "x");
		assert_int_equal(far.count, 3);
		assert_true(list_empty(&s.l.w.maps));
		ask(&s, &to, "x"); /* nor as a new one */
		assert_int_equal(far.count, 3);
		assert_true(list_empty(&s.l.w.maps));
		end(&s);
	}
}

static void each_user_is_known_by_the_key(void **state)
{
	static const char *const several[] = { "aes-128-gcm",
					       "2022-blake3-aes-128-gcm" };
	struct addr to = addr_of("192.0.2.1", 53);
	uint8_t reply[] = "reply";

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(several); m++) {
		struct wire_packet pk;
		struct served s;

		begin_users(&s, several[m], true);
		ask(&s, &to, "x");
		assert_int_equal(far.count, 1);
		assert_string_equal(far.user, "second");
		answer(&s, &to, reply, 5);
		assert_true(hear(&s, &pk)); /* sealed for this one */
		assert_memory_equal(pk.data, "reply", 5);
		ask(&s, &to, "y");
		assert_int_equal(far.count, 2);
		end(&s);
		begin_users(&s, several[m], false);
		ask(&s, &to, "x");
		assert_int_equal(far.count, 0);
		assert_true(list_empty(&s.l.w.maps));
		end(&s);
	}
}

static void clients_have_ends_of_their_own(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);
	uint8_t reply[] = "reply";
	struct wire_packet pk;
	struct served s;
	int first, other;

	(void)state;
	begin(&s, "aes-128-gcm");
	first = s.fd;
	ask(&s, &to, "a");
	other = s.fd = client_socket(s.port);
	ask(&s, &to, "b");
	assert_int_equal(far.opened, 2);
	answer(&s, &to, reply, 5); /* the second one's leg */
	assert_true(hear(&s, &pk));
	s.fd = first;
	assert_false(hear(&s, &pk));
	close(other);
	end(&s);
}

static void a_clients_queue_is_bounded(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);
	uint8_t p[2000];
	struct served s;

	(void)state;
	begin(&s, "none");
	ask(&s, &to, "x");
	assert_int_equal(far.count, 1);
	for (int i = 0; i < QUEUE + 20; i++) {
		size_t n = sealed(&s, &to, "y", 1, 0, p);

		assert_int_equal(send(s.fd, p, n, 0), (ssize_t)n);
	}
	for (int i = 0; i < 6; i++)
		worker_tick(&s.l.w, 0);
	assert_int_equal(s.l.w.drops[DROP_UDP_QUEUE], 20);
	assert_int_equal(far.count, 1 + QUEUE);
	end(&s);
}

static void what_no_datagram_can_carry_is_counted(void **state)
{
	static uint8_t big[DGRAM_MAX];
	struct addr to = addr_of("192.0.2.1", 53);

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		struct wire_packet pk;
		struct served s;

		begin(&s, methods[m]);
		ask(&s, &to, "x");
		answer(&s, &to, big, sizeof(big));
		assert_int_equal(s.l.w.drops[DROP_UDP_SEND], 1);
		assert_false(hear(&s, &pk));
		answer(&s, &to, big, sizeof(big) - 200);
		assert_true(hear(&s, &pk));
		assert_int_equal(pk.len, sizeof(big) - 200);
		end(&s);
	}
}

/* The listener goes, its clients' maps a little later: nothing is sent by then */
static void clients_outlive_the_listener(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);
	uint8_t reply[] = "reply";
	struct wire_packet pk;
	struct served s;

	(void)state;
	begin(&s, "2022-blake3-aes-128-gcm");
	ask(&s, &to, "x");
	ss_udp_stop(s.u);
	s.u = NULL;
	answer(&s, &to, reply, 5);
	assert_false(hear(&s, &pk));
	end(&s);
}

static void every_port_is_served_or_none(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);
	struct served s;
	int taken;

	(void)state;
	prepare(&s, "none");
	s.ib.port_count = 2;
	s.ib.ports[1].lo = s.ib.ports[1].hi = free_port();
	assert_int_equal(ss_udp_start(&s.listener, &s.u), 0);
	s.fd = client_socket(s.ib.ports[1].lo);
	ask(&s, &to, "x");
	assert_int_equal(far.count, 1);
	close(s.fd);
	s.fd = client_socket(s.port);
	ask(&s, &to, "x");
	assert_int_equal(far.count, 2);
	ss_udp_stop(s.u);
	/* somebody else has the second one now */
	taken = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(taken,
			      (struct sockaddr *)&(struct sockaddr_in){
				      .sin_family = AF_INET,
				      .sin_port = htons(s.ib.ports[1].lo),
				      .sin_addr = { htonl(INADDR_LOOPBACK) } },
			      sizeof(struct sockaddr_in)),
			 0);
	s.u = NULL;
	assert_int_equal(ss_udp_start(&s.listener, &s.u), -EADDRINUSE);
	assert_null(s.u);
	close(taken);
	end(&s);
}

static void without_memory_a_packet_is_lost_no_more(void **state)
{
	struct addr to = addr_of("192.0.2.1", 53);

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
		struct served s;

		begin(&s, methods[m]);
		for (unsigned int n = 1;; n++) {
			uint8_t p[2000];
			size_t k = sealed(&s, &to, "x", 1, 0, p);

			alloc_fail_at(n);
			say(&s, p, k);
			if (!alloc_fail_hit())
				break;
		}
		ask(&s, &to, "after");
		assert_memory_equal(last()->data, "after", 5);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_go_and_come_with_their_addresses),
		cmocka_unit_test(names_and_empty_packets_pass),
		cmocka_unit_test(what_does_not_open_is_nobodys),
		cmocka_unit_test(a_recording_of_2022_is_worth_nothing),
		cmocka_unit_test(old_sessions_do_not_come_back),
		cmocka_unit_test(who_is_no_user_any_more_is_not_heard),
		cmocka_unit_test(each_user_is_known_by_the_key),
		cmocka_unit_test(clients_have_ends_of_their_own),
		cmocka_unit_test(a_clients_queue_is_bounded),
		cmocka_unit_test(what_no_datagram_can_carry_is_counted),
		cmocka_unit_test(clients_outlive_the_listener),
		cmocka_unit_test(every_port_is_served_or_none),
		cmocka_unit_test(without_memory_a_packet_is_lost_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
