/* test_out_socks.c - SOCKS5 client against servers that behave and that do not */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/core/dgram.h"
#include "gateway/core/dns.h"
#include "gateway/core/session.h"
#include "gateway/core/transport.h"
#include "gateway/core/udp.h"
#include "loop.h"
#include "proxy/out/out.h"
#include "proxy/out/socks.h"
#include "proxy/wire/socks5.h"

/* Names are the server's business here: nobody may ask */
int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags)
{
	(void)w;
	(void)cfg;
	(void)r;
	(void)job;
	(void)families;
	(void)flags;
	fail_msg("%s was looked up", name);
	return -ENOENT;
}

void dns_cancel(struct dns_req *r)
{
	(void)r;
}

struct addr dns_ip_addr(const struct dns_ip *ip, uint16_t port)
{
	return ip->kind == ADDR_V6 ? addr_v6(ip->ip, port) :
				     addr_v4(ip->ip, port);
}

/* --- the server: a thread that serves one connection after the other --- */

/**
 * struct rogue - A server
 * @serve:	What it does with connection @nth (from 0); the caller closes
 * @say, @len:	What it answers
 * @drip_us:	Pause after each byte of it
 * @stay:	Then waits for the client's end instead of closing
 * @udp:	Relay socket of UDP ASSOCIATE
 * @seen, @seen_len:	Bytes of the last request
 */
struct rogue {
	int lfd;
	uint16_t port;
	pthread_t thread;
	void (*serve)(struct rogue *r, int fd, int nth);
	const uint8_t *say;
	size_t len;
	unsigned int drip_us;
	bool stay;
	int udp;
	uint8_t seen[1024];
	size_t seen_len;
	atomic_int conns;
};

static const uint8_t reply_ok[] = { 5, 0, 0, 1, 127, 0, 0, 1, 0x12, 0x34 };

static void *rogue_main(void *arg)
{
	struct rogue *r = arg;
	int fd;

	while ((fd = accept(r->lfd, NULL, NULL)) >= 0) {
		r->serve(r, fd, atomic_fetch_add(&r->conns, 1));
		close(fd);
	}
	return NULL;
}

static void until_end(int fd)
{
	uint8_t junk[512];

	while (recv(fd, junk, sizeof(junk), 0) > 0)
		;
}

static void echo(int fd)
{
	uint8_t p[512];
	ssize_t n;

	while ((n = recv(fd, p, sizeof(p), 0)) > 0)
		(void)send(fd, p, (size_t)n, MSG_NOSIGNAL);
}

static void see(struct rogue *r, int fd, size_t n)
{
	ssize_t got = recv(fd, r->seen + r->seen_len, n, MSG_WAITALL);

	if (got > 0)
		r->seen_len += (size_t)got;
}

/* As dante: takes each message by its length, whatever follows it */
static void serve_exact(struct rogue *r, int fd, int nth)
{
	size_t at;

	(void)nth;
	r->seen_len = 0;
	see(r, fd, 3);
	if (r->seen[2] == SOCKS5_PASSWORD) {
		(void)send(fd, "\5\2", 2, MSG_NOSIGNAL);
		see(r, fd, 2);
		see(r, fd, r->seen[4]);
		see(r, fd, 1);
		see(r, fd, r->seen[r->seen_len - 1]);
		(void)send(fd, "\1\0", 2, MSG_NOSIGNAL);
	} else {
		(void)send(fd, "\5\0", 2, MSG_NOSIGNAL);
	}
	at = r->seen_len;
	see(r, fd, 5);
	see(r, fd,
	    r->seen[at + 3] == 3 ? r->seen[at + 4] + 2u :
	    r->seen[at + 3] == 1 ? 5 :
				   17);
	(void)send(fd, r->say, r->len, MSG_NOSIGNAL);
	echo(fd);
}

/* As microsocks: one recv a message, what came along is lost */
static void serve_lossy(struct rogue *r, int fd, int nth)
{
	uint8_t p[1024];

	(void)nth;
	if (recv(fd, p, sizeof(p), 0) <= 0)
		return;
	(void)send(fd, "\5\0", 2, MSG_NOSIGNAL);
	if (recv(fd, p, sizeof(p), 0) <= 0)
		return;
	(void)send(fd, r->say, r->len, MSG_NOSIGNAL);
	echo(fd);
}

/* As lossy, but takes more bytes than a greeting for an attack */
static void serve_strict(struct rogue *r, int fd, int nth)
{
	uint8_t p[1024];

	if (recv(fd, p, sizeof(p), MSG_PEEK) == 3)
		serve_lossy(r, fd, nth);
}

/* Says something when the client has spoken */
static void serve_script(struct rogue *r, int fd, int nth)
{
	uint8_t p[1024];

	(void)nth;
	if (recv(fd, p, sizeof(p), 0) <= 0)
		return;
	for (size_t i = 0; i < r->len; i++) {
		if (r->drip_us || i == 0)
			(void)send(fd, r->say + i, r->drip_us ? 1 : r->len,
				   MSG_NOSIGNAL);
		usleep(r->drip_us);
	}
	if (r->stay)
		until_end(fd);
}

/**
 * struct client - One worker, one outbound, one server
 * @rc:		How the open ended: 0 up, -errno; -EAGAIN not at all
 */
struct client {
	struct loop l;
	struct rogue r;
	struct socks_conf conf;
	struct outbound ob;
	struct session s;
	struct stream *st;
	int rc;
};

static void begin(struct client *c, void (*serve)(struct rogue *, int, int))
{
	memset(c, 0, sizeof(*c));
	loop_init(&c->l);
	c->r.serve = serve;
	c->r.say = reply_ok;
	c->r.len = sizeof(reply_ok);
	c->r.udp = -1;
	c->r.lfd = listen_on("127.0.0.1", &c->r.port);
	c->conf.server = addr_of("127.0.0.1", c->r.port);
	c->ob.ops = &out_socks;
	c->ob.transport = &transport_raw;
	c->ob.sockopt = SOCKOPT_DEFAULT;
	c->ob.settings = &c->conf;
	c->s.job = c->l.job;
	c->s.cfg = &c->l.cfg;
	c->s.target = addr_name("web.test", 8, 443);
	assert_int_equal(pthread_create(&c->r.thread, NULL, rogue_main, &c->r),
			 0);
}

static void end(struct client *c)
{
	stream_close(&c->st, 0);
	job_forget(&c->s.job);
	shutdown(c->r.lfd, SHUT_RDWR);
	pthread_join(c->r.thread, NULL);
	close(c->r.lfd);
	if (c->r.udp >= 0)
		close(c->r.udp);
	loop_fini(&c->l);
}

static bool decided(void *arg)
{
	struct client *c = arg;

	stream_shed(&c->st);
	if (c->st->ops->up(c->st))
		c->rc = 0;
	else
		c->rc = (int)c->st->ops->writev(c->st, NULL, 0);
	if (c->rc == -EAGAIN)
		c->st->ops->want(c->st, ST_READ | ST_WRITE);
	return c->rc != -EAGAIN;
}

static int open_in(struct client *c, unsigned int ms)
{
	stream_close(&c->st, 0);
	worker_tick(&c->l.w, 0);
	assert_int_equal(c->ob.ops->open(&c->ob, &c->s, &c->st), 0);
	loop_until(&c->l, decided, c, ms);
	return c->rc;
}

struct expect {
	struct client *c;
	uint8_t got[64];
	size_t n, want;
};

static bool received(void *arg)
{
	struct expect *e = arg;
	struct stream *st = e->c->st;
	ssize_t n = stream_read(st, e->got + e->n, sizeof(e->got) - e->n);

	if (n > 0)
		e->n += (size_t)n;
	st->ops->want(st, ST_READ);
	return e->n >= e->want;
}

static void assert_echo(struct client *c)
{
	struct expect e = { .c = c, .want = 5 };

	assert_int_equal(stream_write(c->st, "hello", 5), 5);
	assert_true(loop_until(&c->l, received, &e, 2000));
	assert_memory_equal(e.got, "hello", 5);
}

/* --- streams --- */

static void a_name_is_asked_for_as_a_name_and_the_layer_sheds(void **state)
{
	static const uint8_t want[] = { 5,   1,   0,   5,   1,   0,
					3,   8,   'w', 'e', 'b', '.',
					't', 'e', 's', 't', 1,   0xbb };
	struct client c;

	(void)state;
	begin(&c, serve_exact);
	assert_int_equal(open_in(&c, 2000), 0);
	assert_string_equal(c.st->ops->name, "fd");
	assert_int_equal(c.r.seen_len, sizeof(want));
	assert_memory_equal(c.r.seen, want, sizeof(want));
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_YES);
	assert_int_equal(atomic_load(&c.r.conns), 1);
	end(&c);
}

static void password_v6_and_all_in_one_go(void **state)
{
	static const uint8_t head[] = { 5,   1,   2,   1, 2, 'm', 'e', 3,
					'p', 'w', 'd', 5, 1, 0,   4 };
	struct client c;

	(void)state;
	begin(&c, serve_exact);
	c.conf.user = "me";
	c.conf.pass = "pwd";
	c.s.target = addr_of("2001:db8::9", 80);
	assert_int_equal(open_in(&c, 2000), 0);
	assert_int_equal(c.r.seen_len, sizeof(head) + 18);
	assert_memory_equal(c.r.seen, head, sizeof(head));
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_YES);
	end(&c);
}

static void a_server_that_loses_the_request_is_asked_again(void **state)
{
	struct client c;
	uint32_t t0 = clock_ms();

	(void)state;
	begin(&c, serve_lossy);
	assert_int_equal(open_in(&c, 4000), 0);
	assert_in_range(clock_ms() - t0, 950, 2000);
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_NO);
	assert_int_equal(atomic_load(&c.r.conns), 2);
	/* and is known from now on */
	t0 = clock_ms();
	assert_int_equal(open_in(&c, 2000), 0);
	assert_true(clock_ms() - t0 < 500);
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.r.conns), 3);
	end(&c);
}

static void a_server_that_hangs_up_on_a_pipeline_is_asked_again(void **state)
{
	struct client c;
	uint32_t t0 = clock_ms();

	(void)state;
	begin(&c, serve_strict);
	assert_int_equal(open_in(&c, 2000), 0);
	assert_true(clock_ms() - t0 < 500);
	assert_echo(&c);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_NO);
	end(&c);
}

static void what_was_learned_is_doubted_when_a_request_hangs(void **state)
{
	struct client c;

	(void)state;
	begin(&c, serve_lossy);
	atomic_store(&c.conf.pipeline, PIPELINE_YES);
	assert_int_equal(open_in(&c, 300), -EAGAIN);
	stream_close(&c.st, -ETIMEDOUT);
	assert_int_equal(atomic_load(&c.conf.pipeline), PIPELINE_UNKNOWN);
	end(&c);
}

static void script(struct client *c, const char *bytes, size_t n, bool stay)
{
	union {
		const char *c;
		const uint8_t *u;
	} p = { .c = bytes };

	c->r.say = p.u;
	c->r.len = n;
	c->r.stay = stay;
}

static void every_cut_is_an_error(void **state)
{
	static const char whole[] = "\5\2\1\0\5\0\0\3\4name\1\2";
	struct client c;

	(void)state;
	for (int pipeline = PIPELINE_UNKNOWN; pipeline <= PIPELINE_YES;
	     pipeline++) {
		begin(&c, serve_script);
		c.conf.user = "me";
		c.conf.pass = "pwd";
		for (size_t n = 0; n < sizeof(whole) - 1; n++) {
			int rc;

			script(&c, whole, n, false);
			atomic_store(&c.conf.pipeline, pipeline);
			rc = open_in(&c, 2000);
			if (rc != -ECONNRESET)
				fail_msg("cut at %zu: %d", n, rc);
		}
		script(&c, whole, sizeof(whole) - 1, true);
		assert_int_equal(open_in(&c, 2000), 0);
		end(&c);
	}
}

static void wrong_answers_have_their_errors(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int rc;
	} cases[] = {
		{ "\4\0", 2, -EPROTO }, /* version */
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", 28, -EPROTO },
		{ "\5\xff", 2, -EPERM }, /* no method */
		{ "\5\2", 2, -EPROTO }, /* one we did not offer */
		{ "\5\0\4\0\0\1\0\0\0\0\0\0", 12, -EPROTO },
		{ "\5\0\5\0\0\2\0\0\0\0\0\0", 12, -EPROTO }, /* address type */
		{ "\5\0\5\0\0\3\3a b\0\0", 12, -EPROTO }, /* name */
		{ "\5\0\5\1\0\1\0\0\0\0\0\0", 12, -EREMOTEIO },
		{ "\5\0\5\2\0\1\0\0\0\0\0\0", 12, -EPERM },
		{ "\5\0\5\3\0\1\0\0\0\0\0\0", 12, -ENETUNREACH },
		{ "\5\0\5\4\0\1\0\0\0\0\0\0", 12, -EHOSTUNREACH },
		{ "\5\0\5\5\0\1\0\0\0\0\0\0", 12, -ECONNREFUSED },
		{ "\5\0\5\5\0\3\0\0\0", 9, -ECONNREFUSED },
		{ "\5\0\5\xf0\0\1\0\0\0\0\0\0", 12, -EPROTO },
	};
	struct client c;

	(void)state;
	begin(&c, serve_script);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rc;

		script(&c, cases[i].bytes, cases[i].n, true);
		atomic_store(&c.conf.pipeline, PIPELINE_YES);
		rc = open_in(&c, 2000);
		if (rc != cases[i].rc)
			fail_msg("case %zu: %d", i, rc);
		assert_false(c.st->ops->up(c.st));
	}
	end(&c);
}

static void a_password_refused_is_told(void **state)
{
	struct client c;

	(void)state;
	begin(&c, serve_script);
	c.conf.user = "me";
	c.conf.pass = "wrong";
	script(&c, "\5\2\1\1", 4, false);
	assert_int_equal(open_in(&c, 2000), -EPERM);
	assert_int_equal(atomic_load(&c.r.conns), 1);
	end(&c);
}

static void a_refused_server_is_told(void **state)
{
	struct client c;

	(void)state;
	begin(&c, serve_exact);
	c.conf.server.port = port_unused("127.0.0.1");
	assert_int_equal(open_in(&c, 2000), -ECONNREFUSED);
	end(&c);
}

static void a_dripping_server_works_and_payload_behind_it_is_kept(void **state)
{
	static const char all[] = "\5\0\5\0\0\1\1\2\3\4\5\6payload";
	struct expect e = { .want = 7 };
	struct client c;

	(void)state;
	begin(&c, serve_script);
	script(&c, all, sizeof(all) - 1, true);
	c.r.drip_us = 3000;
	e.c = &c;
	assert_int_equal(open_in(&c, 4000), 0);
	assert_true(loop_until(&c.l, received, &e, 2000));
	assert_memory_equal(e.got, "payload", 7);
	/* all at once, too */
	c.r.drip_us = 0;
	e.n = 0;
	assert_int_equal(open_in(&c, 2000), 0);
	assert_true(loop_until(&c.l, received, &e, 2000));
	assert_memory_equal(e.got, "payload", 7);
	end(&c);
}

static void a_silent_server_is_never_up_and_takes_no_payload(void **state)
{
	struct client c;

	(void)state;
	begin(&c, serve_script);
	script(&c, "", 0, true);
	assert_int_equal(open_in(&c, 1500), -EAGAIN);
	assert_false(c.st->ops->up(c.st));
	assert_int_equal(stream_write(c.st, "x", 1), -EAGAIN);
	assert_int_equal(c.st->ops->finish(c.st), -EAGAIN);
	assert_int_equal(atomic_load(&c.r.conns), 1);
	end(&c);
}

/* --- datagrams --- */

static int din_recv(struct dgram *d, struct pkt *v, int max)
{
	(void)d;
	(void)v;
	(void)max;
	return -EAGAIN;
}

static int din_send(struct dgram *d, const struct pkt *v, int n)
{
	(void)d;
	(void)v;
	return n;
}

static void din_want(struct dgram *d, unsigned int events)
{
	(void)d;
	(void)events;
}

static void din_close(struct dgram *d)
{
	(void)d;
}

static const struct dgram_ops din_ops = { .name = "test",
					  .recv = din_recv,
					  .send = din_send,
					  .want = din_want,
					  .close = din_close };

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

static void leg_begin(struct leg *g, void (*serve)(struct rogue *, int, int))
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct addr client = addr_of("10.0.0.9", 4000);
	static const struct inbound ib = { .tag = "t" };
	socklen_t len = sizeof(sin);

	memset(g, 0, sizeof(*g));
	begin(&g->c, serve);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g->c.r.udp = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(g->c.r.udp, (struct sockaddr *)&sin, len), 0);
	getsockname(g->c.r.udp, (struct sockaddr *)&sin, &len);
	/* "the same address as mine" */
	memcpy(associated, "\5\0\0\1\0\0\0\0", 8);
	memcpy(associated + 8, &sin.sin_port, 2);
	g->c.r.say = associated;
	g->c.r.len = sizeof(associated);
	g->din.ops = &din_ops;
	worker_tick(&g->c.l.w, 0);
	g->map = udp_map_new(&g->c.l.w, &ib, &client, &g->din);
	assert_non_null(g->map);
	assert_int_equal(
		g->c.ob.ops->open_dgram(&g->c.ob, g->map, &g->c.s, &g->d), 0);
}

static void leg_end(struct leg *g)
{
	if (g->d)
		g->d->ops->close(g->d);
	udp_map_kill(g->map, 0);
	worker_tick(&g->c.l.w, 0);
	end(&g->c);
}

static int leg_send(struct leg *g, struct addr to, const char *text)
{
	uint8_t data[64];
	struct pkt p = { .peer = to, .data = data, .len = strlen(text) };

	memcpy(data, text, p.len + 1);
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
	memcpy(p, "\0\0\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\5\0\x63six", 25);
	relay_send(&g, g.c.r.udp, p, 25);
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
		cmocka_unit_test(
			a_name_is_asked_for_as_a_name_and_the_layer_sheds),
		cmocka_unit_test(password_v6_and_all_in_one_go),
		cmocka_unit_test(
			a_server_that_loses_the_request_is_asked_again),
		cmocka_unit_test(
			a_server_that_hangs_up_on_a_pipeline_is_asked_again),
		cmocka_unit_test(
			what_was_learned_is_doubted_when_a_request_hangs),
		cmocka_unit_test(every_cut_is_an_error),
		cmocka_unit_test(wrong_answers_have_their_errors),
		cmocka_unit_test(a_password_refused_is_told),
		cmocka_unit_test(a_refused_server_is_told),
		cmocka_unit_test(
			a_dripping_server_works_and_payload_behind_it_is_kept),
		cmocka_unit_test(
			a_silent_server_is_never_up_and_takes_no_payload),
		cmocka_unit_test(datagrams_carry_their_address_both_ways),
		cmocka_unit_test(garbage_and_strangers_are_ignored),
		cmocka_unit_test(the_control_streams_end_is_the_legs),
		cmocka_unit_test(a_server_without_udp_is_told),
		cmocka_unit_test(
			the_handshake_of_an_association_has_a_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
