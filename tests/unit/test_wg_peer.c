/*
 * test_wg_peer.c - Two WireGuard devices on a network in memory, with a clock moved by
 * hand: handshakes, rekeying, timers, queues, cookies, and what strangers repeat
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/stream.h"
#include "proxy/layer/wg_int.h"

#define NET_MAX 512

/* A datagram on the network, or one that was */
struct seen {
	struct addr from, to;
	size_t len;
	uint8_t data[2048];
};

/**
 * struct node - A device, and its place on the network
 * @got:	Packets delivered; @last: the newest one
 * @sent:	Datagrams by kind
 */
struct node {
	struct dgram d; /* in place of the socket; first member */
	struct wg_dev dev;
	struct wg_conf conf;
	struct wg_peer_conf peer;
	struct cidr allowed;
	struct addr at;
	unsigned int got, sent[5];
	uint8_t last[2048];
	size_t last_len;
};

static struct worker W;
static struct node A, B;
static struct seen net[NET_MAX], shown;
static unsigned int first, count;
static struct seen last_of[5]; /* the newest from A, by kind */
static struct seen cookie_of_b;
static bool cut;
static const struct seen *now_read;

static int net_send(struct dgram *d, const struct pkt *v, int n)
{
	struct node *x = container_of(d, struct node, d);

	for (int i = 0; i < n; i++) {
		struct seen *s = &net[(first + count) % NET_MAX];

		assert_true(v[i].len <= sizeof(s->data) && count < NET_MAX);
		*s = (struct seen){ .from = x->at,
				    .to = v[i].peer,
				    .len = v[i].len };
		memcpy(s->data, v[i].data, v[i].len);
		x->sent[s->data[0]]++;
		if (x == &A)
			last_of[s->data[0]] = *s;
		else if (s->data[0] == WG_COOKIE)
			cookie_of_b = *s;
		count += !cut;
	}
	return n;
}

static int net_recv(struct dgram *d, struct pkt *v, int max)
{
	struct node *x = container_of(d, struct node, d);

	(void)max;
	if (!now_read || !addr_eq(&now_read->to, &x->at))
		return -EAGAIN;
	shown = *now_read;
	now_read = NULL;
	v[0] = (struct pkt){ .peer = shown.from,
			     .data = shown.data,
			     .len = shown.len };
	return 1;
}

static void net_want(struct dgram *d, unsigned int events)
{
	(void)d;
	(void)events;
}

static void net_close(struct dgram *d)
{
	(void)d;
}

static const struct dgram_ops net_ops = {
	.name = "net",
	.recv = net_recv,
	.send = net_send,
	.want = net_want,
	.close = net_close,
};

static void on_deliver(struct wg_dev *d, uint8_t *p, size_t n)
{
	struct node *x = container_of(d, struct node, dev);

	assert_true(n <= sizeof(x->last));
	memcpy(x->last, p, n);
	x->last_len = n;
	x->got++;
}

static void arrives(const struct seen *s)
{
	struct node *x = addr_eq(&s->to, &A.at) ? &A : &B;

	now_read = s;
	if (x->dev.sock)
		x->dev.job.run(&x->dev.job);
	now_read = NULL;
}

/* Until @ms have passed */
static void run(uint32_t ms)
{
	uint32_t end = W.now_ms + ms;

	for (;;) {
		A.dev.flusher.flush(&A.dev.flusher);
		B.dev.flusher.flush(&B.dev.flusher);
		while (count) {
			struct seen s = net[first];

			first = (first + 1) % NET_MAX;
			count--;
			arrives(&s);
			A.dev.flusher.flush(&A.dev.flusher);
			B.dev.flusher.flush(&B.dev.flusher);
		}
		if ((int32_t)(end - W.now_ms) <= 0)
			return;
		W.now_ms += 50;
		wheel_run(&W.wheel, W.now_ms);
	}
}

static void start(struct node *x)
{
	assert_int_equal(wg_dev_start(&x->dev, &W, &x->conf), 0);
	x->dev.sock->ops->close(x->dev.sock);
	x->dev.sock = &x->d;
	x->d.ops = &net_ops;
	x->dev.deliver = on_deliver;
}

/* Stop and start: keys and sessions are lost */
static void restart(struct node *x)
{
	wg_dev_stop(&x->dev);
	memset(&x->dev, 0, sizeof(x->dev));
	start(x);
}

static void configure(struct node *x, uint8_t key, uint8_t other,
		      const char *inside)
{
	struct wg_self_key theirs;
	uint8_t secret[WG_KEY_BYTES] = { other, 1, 2, 3 };

	memset(x, 0, sizeof(*x));
	x->conf.secret_key[0] = key;
	memcpy(x->conf.secret_key + 1, secret + 1, 3);
	x->conf.mtu = 1420;
	x->conf.tag = "test";
	x->conf.sockopt = SOCKOPT_DEFAULT;
	x->conf.peer_count = 1;
	x->conf.peers = &x->peer;
	assert_int_equal(wg_self_set(&theirs, secret), 0);
	memcpy(x->peer.public_key, theirs.public_key, WG_KEY_BYTES);
	x->peer.psk[3] = 9;
	x->peer.allowed = &x->allowed;
	x->peer.allowed_count = 1;
	assert_int_equal(cidr_parse(&x->allowed, inside), 0);
	x->at = addr_v4("\300\0\2\1", key);
}

static int up(void **state)
{
	(void)state;
	if (worker_init(&W, 0, NULL))
		return -1;
	first = count = 0;
	cut = false;
	configure(&A, 1, 2, "10.0.0.2/32");
	configure(&B, 2, 1, "10.0.0.1/32");
	A.peer.endpoint = B.at;
	start(&A);
	start(&B);
	return 0;
}

static int down(void **state)
{
	(void)state;
	wg_dev_stop(&A.dev);
	wg_dev_stop(&B.dev);
	worker_fini(&W);
	return 0;
}

/* A packet of 100 bytes from @x to the other */
static void say(struct node *x, uint8_t what)
{
	uint8_t p[100] = { 0x45, [3] = 100, [12] = 10, [16] = 10, [99] = what };
	struct iovec v[2] = { { p, 20 }, { p + 20, 80 } };

	p[15] = x == &A ? 1 : 2;
	p[19] = x == &A ? 2 : 1;
	wg_dev_send(&x->dev, v, 2);
}

static uint32_t session(const struct node *x)
{
	return x->dev.peers[0].cur ? x->dev.peers[0].cur->slot.index : 0;
}

static void packets_wait_for_the_handshake(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 5; i++)
		say(&A, i);
	assert_int_equal(A.sent[WG_INITIATION], 0);
	run(0);
	assert_int_equal(A.sent[WG_INITIATION], 1);
	assert_int_equal(B.sent[WG_RESPONSE], 1);
	assert_int_equal(B.got, 5);
	assert_int_equal(B.last[99], 4);
	assert_int_equal(B.last_len, 112); /* padded */
	say(&B, 77);
	run(0);
	assert_int_equal(A.got, 1);
	assert_int_equal(A.last[99], 77);
	assert_int_equal(B.sent[WG_INITIATION], 0);
}

static void last_words_leave(void **state)
{
	(void)state;
	say(&A, 1);
	run(0);
	say(&A, 2);
	restart(&A);
	run(0);
	assert_int_equal(B.got, 2);
	assert_int_equal(B.last[99], 2);
}

static void the_oldest_of_too_many_go(void **state)
{
	(void)state;
	cut = true;
	for (int i = 0; i < 300; i++)
		say(&A, (uint8_t)i);
	assert_int_equal(A.dev.peers[0].waiting, WG_QUEUE_PACKETS);
	run(0);
	cut = false;
	run(6000);
	assert_int_equal(B.got, WG_QUEUE_PACKETS);
	assert_int_equal(B.last[99], 299 - 256);
}

/* Of all peers together, too */
static void what_waits_is_bounded_for_all(void **state)
{
	(void)state;
	cut = true;
	say(&A, 1);
	assert_int_equal(A.dev.wait_bytes, 100);
	A.dev.wait_bytes = WG_WAIT_BYTES; /* most of others */
	say(&A, 2);
	assert_int_equal(A.dev.peers[0].waiting, 1);
	A.dev.wait_bytes += 100;
	say(&A, 3); /* even what comes */
	assert_int_equal(A.dev.peers[0].waiting, 0);
	assert_int_equal(A.dev.wait_bytes, WG_WAIT_BYTES);
	assert_int_equal(A.dev.peers[0].wait_bytes, 0);
	A.dev.wait_bytes = 0;
	say(&A, 4);
	run(200000);
	assert_int_equal(A.dev.wait_bytes, 0);
}

static void a_silent_peer_is_asked_for_90_seconds(void **state)
{
	(void)state;
	cut = true;
	say(&A, 1);
	run(200000);
	assert_int_equal(A.sent[WG_INITIATION], WG_ATTEMPTS_MAX + 1);
	assert_int_equal(A.dev.peers[0].waiting, 0);
	assert_false(A.dev.peers[0].slot.node.linked);
	cut = false;
	say(&A, 2);
	run(0);
	assert_int_equal(B.got, 1);
}

static void sessions_are_renewed_after_two_minutes(void **state)
{
	uint32_t before, sent = 0;

	(void)state;
	say(&A, 1);
	run(0);
	before = session(&A);
	for (int i = 0; i < 118; i++, sent++) {
		say(&A, (uint8_t)i);
		run(1000);
	}
	assert_int_equal(session(&A), before);
	for (int i = 0; i < 240; i++, sent++) {
		say(&A, (uint8_t)i);
		run(1000);
	}
	assert_int_not_equal(session(&A), before);
	assert_int_equal(B.got, sent + 1);
	assert_in_range(A.sent[WG_INITIATION], 3, 4);
	/* the one that answered does not begin */
	assert_int_equal(B.sent[WG_INITIATION], 0);
}

/* 1, from 180 s on */
static void an_old_session_carries_nothing(void **state)
{
	uint32_t before;

	(void)state;
	say(&A, 1);
	run(0);
	before = session(&A);
	run(181000);
	say(&B, 2); /* who answered begins, then */
	run(0);
	assert_int_equal(B.sent[WG_INITIATION], 1);
	assert_int_equal(A.got, 1);
	assert_int_not_equal(session(&A), before);
}

static void who_only_listens_says_so(void **state)
{
	unsigned int sent;

	(void)state;
	say(&A, 1);
	run(0);
	sent = B.sent[WG_DATA];
	run(9000);
	assert_int_equal(B.sent[WG_DATA], sent);
	run(2000);
	assert_int_equal(B.sent[WG_DATA], sent + 1);
	run(60000);
	assert_int_equal(B.sent[WG_DATA], sent + 1);
	assert_int_equal(A.sent[WG_INITIATION], 1);
}

static void keep_alive_keeps(void **state)
{
	unsigned int sent;

	(void)state;
	A.peer.keep_alive_s = 25;
	restart(&A);
	run(0);
	assert_int_equal(A.sent[WG_INITIATION], 1); /* without a packet */
	sent = A.sent[WG_DATA];
	run(101000);
	assert_int_equal(A.sent[WG_DATA], sent + 4);
	assert_int_equal(B.got, 0);
}

static void a_peer_that_lost_its_keys_is_found_out(void **state)
{
	(void)state;
	say(&A, 1);
	run(0);
	restart(&B);
	say(&A, 2);
	run(14000);
	assert_int_equal(A.sent[WG_INITIATION], 1);
	run(2000);
	assert_int_equal(A.sent[WG_INITIATION], 2);
	say(&A, 3);
	run(0);
	assert_int_equal(B.got, 2);
}

static void keys_are_forgotten(void **state)
{
	(void)state;
	say(&A, 1);
	run(0);
	assert_non_null(A.dev.peers[0].cur);
	run(530000);
	assert_non_null(A.dev.peers[0].cur);
	run(11000);
	assert_null(A.dev.peers[0].cur);
	assert_null(B.dev.peers[0].cur);
	assert_int_equal(A.dev.indices.count, 0);
	assert_int_equal(B.dev.indices.count, 0);
}

static void under_load_a_cookie_comes_first(void **state)
{
	(void)state;
	B.dev.loaded = true;
	B.dev.shake_ms = W.now_ms;
	say(&A, 1);
	run(0);
	assert_int_equal(B.sent[WG_COOKIE], 1);
	assert_int_equal(B.sent[WG_RESPONSE], 0);
	run(5000);
	B.dev.shakes = 1000; /* still */
	B.dev.shake_ms = W.now_ms;
	run(400);
	assert_int_equal(B.sent[WG_COOKIE], 1);
	assert_int_equal(A.sent[WG_INITIATION], 2);
	assert_int_equal(B.sent[WG_RESPONSE], 1);
	assert_int_equal(B.got, 1);
}

/* Under load a response, too; who sent it proves where it is by the next one */
static void a_response_may_need_a_cookie(void **state)
{
	(void)state;
	A.dev.loaded = true;
	A.dev.shake_ms = W.now_ms;
	say(&A, 1);
	run(0);
	assert_int_equal(B.sent[WG_RESPONSE], 1);
	assert_int_equal(A.sent[WG_COOKIE], 1);
	assert_int_equal(B.got, 0);
	assert_true(B.dev.peers[0].has_cookie);
	run(5000);
	A.dev.loaded = true; /* still */
	A.dev.shake_ms = W.now_ms;
	run(400);
	assert_int_equal(B.sent[WG_RESPONSE], 2);
	assert_int_equal(A.sent[WG_COOKIE], 1);
	assert_int_equal(B.got, 1);
}

/* Peers that answer at the same time, all of them asked, are no load */
static void responses_are_no_load(void **state)
{
	(void)state;
	A.dev.shakes = 50; /* the most that is none */
	A.dev.shake_ms = W.now_ms;
	say(&A, 1);
	run(0);
	assert_int_equal(A.sent[WG_COOKIE], 0);
	assert_int_equal(B.got, 1);
}

static void a_cookie_counts_once(void **state)
{
	struct wg_peer *p = &A.dev.peers[0];
	uint32_t then;

	(void)state;
	B.dev.loaded = true;
	B.dev.shake_ms = W.now_ms;
	say(&A, 1);
	run(0);
	assert_true(p->has_cookie);
	then = p->cookie_ms;
	W.now_ms += 1000;
	assert_int_equal(cookie_of_b.len, WG_COOKIE_BYTES);
	arrives(&cookie_of_b);
	assert_int_equal(p->cookie_ms, then);
}

static void what_is_repeated_is_dropped(void **state)
{
	unsigned int responses;
	struct seen init, data;
	uint32_t before;

	(void)state;
	say(&A, 1);
	run(0);
	init = last_of[WG_INITIATION];
	say(&A, 2);
	run(0);
	data = last_of[WG_DATA];
	responses = B.sent[WG_RESPONSE];
	before = session(&B);
	run(1000);
	/* from elsewhere, too: that would be a move, if it were believed */
	init.from = data.from = addr_v4("\300\0\2\7", 7);
	for (int i = 0; i < 3; i++) {
		arrives(&init);
		arrives(&data);
	}
	run(0);
	assert_int_equal(B.sent[WG_RESPONSE], responses);
	assert_int_equal(B.got, 2);
	assert_int_equal(session(&B), before);
	assert_true(addr_eq(&B.dev.peers[0].endpoint, &A.at));
}

static void who_moves_is_followed(void **state)
{
	(void)state;
	say(&A, 1);
	run(0);
	A.at = addr_v4("\300\0\2\11", 9);
	say(&B, 2); /* to where A was */
	run(0);
	assert_int_equal(A.got, 0);
	say(&A, 3);
	say(&B, 4);
	run(0);
	say(&B, 5);
	run(0);
	assert_true(addr_eq(&B.dev.peers[0].endpoint, &A.at));
	assert_int_equal(A.last[99], 5);
	assert_int_equal(B.sent[WG_INITIATION], 0);
}

/* It moved, lost its keys, and is back where the settings say */
static void who_comes_back_is_found(void **state)
{
	(void)state;
	say(&A, 1);
	run(0);
	B.at.port = 99;
	say(&B, 2);
	run(0);
	assert_int_equal(A.dev.peers[0].endpoint.port, 99);
	B.at.port = 2;
	restart(&B);
	say(&A, 3);
	run(21000);
	say(&A, 4);
	run(0);
	assert_int_equal(B.last[99], 4);
	assert_int_equal(A.dev.peers[0].endpoint.port, 2);
}

static void a_foreign_source_is_dropped(void **state)
{
	uint8_t p[20] = {
		0x45, [3] = 20, [12] = 10, [15] = 7, [16] = 10, [19] = 2
	};
	struct iovec v = { p, sizeof(p) };

	(void)state;
	wg_dev_send(&A.dev, &v, 1);
	run(0);
	assert_non_null(B.dev.peers[0].cur);
	assert_int_equal(B.got, 0);
	p[19] = 3; /* and nobody is there */
	wg_dev_send(&A.dev, &v, 1);
	assert_int_equal(A.dev.out_count, 0);
}

/* Both begin at the same time: packets go both ways afterwards */
static void handshakes_may_cross(void **state)
{
	(void)state;
	B.peer.endpoint = A.at;
	restart(&B);
	say(&A, 1);
	say(&B, 2);
	run(0);
	say(&A, 3);
	say(&B, 4);
	run(0);
	assert_int_equal(A.got, 2);
	assert_int_equal(B.got, 2);
	for (int i = 0; i < 300; i++) {
		say(&A, 5);
		say(&B, 6);
		run(1000);
	}
	assert_int_equal(A.got, 302);
	assert_int_equal(B.got, 302);
}

static void reserved_bytes_are_sent_and_any_are_taken(void **state)
{
	(void)state;
	memcpy(A.conf.reserved, "\1\2\3", 3);
	say(&A, 1);
	run(0);
	assert_memory_equal(last_of[WG_INITIATION].data, "\1\1\2\3", 4);
	assert_memory_equal(last_of[WG_DATA].data, "\4\1\2\3", 4);
	assert_int_equal(B.got, 1);
}

static void noise_costs_nothing(void **state)
{
	struct seen s = { .from = addr_v4("\300\0\2\7", 7), .to = B.at };
	struct seen good;

	(void)state;
	say(&A, 1);
	run(0);
	good = last_of[WG_DATA];
	srand(3);
	for (int i = 0; i < 20000; i++) {
		s.len = (size_t)(rand() % 200);
		for (size_t k = 0; k < s.len; k++)
			s.data[k] = (uint8_t)rand();
		s.data[0] = (uint8_t)(rand() % 6);
		if (i & 1) { /* of a session that there is */
			s.len = (size_t)rand() % (good.len + 1);
			memcpy(s.data, good.data, s.len);
			s.data[rand() % 20] ^= 1;
		}
		arrives(&s);
	}
	run(0);
	assert_int_equal(B.got, 1);
	assert_int_equal(B.sent[WG_RESPONSE], 1);
	assert_int_equal(B.sent[WG_COOKIE], 0);
	assert_true(addr_eq(&B.dev.peers[0].endpoint, &A.at));
	say(&A, 2);
	run(0);
	assert_int_equal(B.got, 2);
}

/* The worker ends while a name is looked up: the second family is not asked for */
static void a_cancelled_question_is_the_last(void **state)
{
	struct wg_peer *p = &A.dev.peers[0];

	(void)state;
	A.peer.endpoint = addr_name("wg.test", 7, 51820);
	A.conf.strategy = DS_FORCE_IPV4V6;
	p->asking = true;
	p->round = 1;
	p->dns.rc = -ECANCELED;
	p->job.run(&p->job); /* there is no resolver here */
	assert_false(p->asking);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(packets_wait_for_the_handshake),
		T(last_words_leave),
		T(the_oldest_of_too_many_go),
		T(what_waits_is_bounded_for_all),
		T(a_silent_peer_is_asked_for_90_seconds),
		T(sessions_are_renewed_after_two_minutes),
		T(an_old_session_carries_nothing),
		T(who_only_listens_says_so),
		T(keep_alive_keeps),
		T(a_peer_that_lost_its_keys_is_found_out),
		T(keys_are_forgotten),
		T(under_load_a_cookie_comes_first),
		T(a_response_may_need_a_cookie),
		T(responses_are_no_load),
		T(a_cookie_counts_once),
		T(what_is_repeated_is_dropped),
		T(who_moves_is_followed),
		T(who_comes_back_is_found),
		T(a_foreign_source_is_dropped),
		T(handshakes_may_cross),
		T(reserved_bytes_are_sent_and_any_are_taken),
		T(noise_costs_nothing),
		T(a_cancelled_question_is_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
