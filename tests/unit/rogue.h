/*
 * rogue.h - A SOCKS5 server of a test, and its client on a small worker
 *
 * Included by one file of each test program: it also stands for the resolver,
 * which nobody may ask here.
 */
#ifndef TESTS_UNIT_ROGUE_H
#define TESTS_UNIT_ROGUE_H

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
#include "gateway/core/session.h"
#include "gateway/core/transport.h"
#include "gateway/core/udp.h"
#include "loop.h"
#include "no_dns.h"
#include "proxy/out/out.h"
#include "proxy/out/socks.h"
#include "proxy/wire/socks5.h"

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

static inline void *rogue_main(void *arg)
{
	struct rogue *r = arg;
	int fd;

	while ((fd = accept(r->lfd, NULL, NULL)) >= 0) {
		r->serve(r, fd, atomic_fetch_add(&r->conns, 1));
		close(fd);
	}
	return NULL;
}

static inline void until_end(int fd)
{
	uint8_t junk[512];

	while (recv(fd, junk, sizeof(junk), 0) > 0)
		;
}

static inline void echo(int fd)
{
	uint8_t p[512];
	ssize_t n;

	while ((n = recv(fd, p, sizeof(p), 0)) > 0)
		(void)send(fd, p, (size_t)n, MSG_NOSIGNAL);
}

static inline void see(struct rogue *r, int fd, size_t n)
{
	ssize_t got = recv(fd, r->seen + r->seen_len, n, MSG_WAITALL);

	if (got > 0)
		r->seen_len += (size_t)got;
}

/* As dante: takes each message by its length, whatever follows it */
static inline void serve_exact(struct rogue *r, int fd, int nth)
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
static inline void serve_lossy(struct rogue *r, int fd, int nth)
{
	uint8_t p[1024] = { 0 };
	bool password;

	(void)nth;
	if (recv(fd, p, sizeof(p), 0) <= 0)
		return;
	password = p[2] == SOCKS5_PASSWORD;
	(void)send(fd, password ? "\5\2" : "\5\0", 2, MSG_NOSIGNAL);
	if (password) {
		if (recv(fd, p, sizeof(p), 0) <= 0)
			return;
		(void)send(fd, "\1\0", 2, MSG_NOSIGNAL);
	}
	if (recv(fd, p, sizeof(p), 0) <= 0)
		return;
	(void)send(fd, r->say, r->len, MSG_NOSIGNAL);
	echo(fd);
}

/* As lossy, but takes more bytes than a greeting for an attack */
static inline void serve_strict(struct rogue *r, int fd, int nth)
{
	uint8_t p[1024];

	if (recv(fd, p, sizeof(p), MSG_PEEK) == 3)
		serve_lossy(r, fd, nth);
}

/* Says something when the client has spoken */
static inline void serve_script(struct rogue *r, int fd, int nth)
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

static inline void begin(struct client *c,
			 void (*serve)(struct rogue *, int, int))
{
	memset(c, 0, sizeof(*c));
	loop_init(&c->l);
	c->r.serve = serve;
	c->r.say = reply_ok;
	c->r.len = sizeof(reply_ok);
	c->r.udp = -1;
	c->r.lfd = listen_on("127.0.0.1", &c->r.port);
	c->conf.server.server = addr_of("127.0.0.1", c->r.port);
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

static inline void end(struct client *c)
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

static inline bool decided(void *arg)
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

static inline int open_in(struct client *c, unsigned int ms)
{
	stream_close(&c->st, 0);
	worker_tick(&c->l.w, 0);
	assert_int_equal(c->ob.ops->open(&c->ob, &c->s, &c->st), 0);
	loop_until(&c->l, decided, c, ms);
	return c->rc;
}

static inline void script(struct client *c, const char *bytes, size_t n,
			  bool stay)
{
	union {
		const char *c;
		const uint8_t *u;
	} p = { .c = bytes };

	c->r.say = p.u;
	c->r.len = n;
	c->r.stay = stay;
}

#endif
