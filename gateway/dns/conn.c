/*
 * conn.c - Connections that many queries share (contract: conn.h)
 *
 *   dial -> handshake -> up: kind by ALPN -> queries and answers -> idle, or leaving
 *
 * A connection's turn reads, hands bytes to its kind, sends who waits, writes.
 * Nothing is freed in a turn: an ended connection gives its queries back at once
 * and is freed a turn later.
 */
#include "gateway/dns/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/pair.h"
#include "gateway/core/worker.h"
#include "gateway/dns/conn_int.h"

#define READ_BYTES 4096
#define TURN_BYTES (64u << 10)
#define OUT_FIRST  1024

/**
 * struct conn_pool - A worker's connections to one server
 * @conns:	struct conn; @count of them
 * @waiting:	struct conn_ask without a connection
 * @one_each:	The server takes one query at a time
 */
struct conn_pool {
	struct list node;
	struct worker *worker;
	struct conns *all;
	const struct dns_server *server;
	struct config *cfg;
	struct list conns, waiting;
	unsigned int count;
	bool one_each;
};

static void pool_go(struct conn_pool *p);

/* Nothing is left of it: gone */
static void pool_put_away(struct conn_pool *p)
{
	if (!list_empty(&p->conns) || !list_empty(&p->waiting))
		return;
	list_del(&p->node);
	free(p);
}

static struct conn_pool *pool_get_for(struct conns *all, struct worker *w,
				      struct config *cfg,
				      const struct dns_server *s)
{
	struct conn_pool *p;
	struct list *at;

	list_for_each (at, &all->pools) {
		p = container_of(at, struct conn_pool, node);
		if (p->server == s)
			return p;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->worker = w;
	p->all = all;
	p->server = s;
	p->cfg = cfg;
	list_init(&p->conns);
	list_init(&p->waiting);
	list_add_tail(&all->pools, &p->node);
	return p;
}

/* --- the queries ----------------------------------------------------------- */

static void ask_done(struct conn_ask *a, int rc, uint8_t *msg, size_t n,
		     uint32_t age_s)
{
	list_del(&a->node);
	a->conn = NULL;
	a->pool = NULL;
	a->done(a, rc, msg, n, age_s);
}

static void ask_leave(struct conn *c, struct conn_ask *a)
{
	struct worker *w = c->job.worker;

	list_del(&a->node);
	a->conn = NULL;
	if (!--c->count) /* one of an old configuration has no future */
		timer_set(&w->wheel, &c->timer,
			  c->cfg == w->cfg ? CONN_IDLE_MS : 0);
}

/* @a does not wait for its answer any more */
static void ask_recall(struct conn *c, struct conn_ask *a)
{
	if (c->kind->cancel)
		c->kind->cancel(c, a);
	ask_leave(c, a);
}

/* Wait for another connection. False: it was sent twice */
static bool ask_again(struct conn_pool *p, struct conn_ask *a)
{
	if (a->again)
		return false;
	a->again = true;
	list_add_tail(&p->waiting, &a->node);
	return true;
}

void conn_answer(struct conn *c, struct conn_ask *a, int rc, uint8_t *msg,
		 size_t n, uint32_t age_s)
{
	ask_leave(c, a);
	if (!rc) {
		c->answers++;
		c->strays = 0;
	}
	if (rc == -EAGAIN && ask_again(c->pool, a)) {
		job_ready(&c->job); /* its turn sends who waits */
		return;
	}
	ask_done(a, rc == -EAGAIN ? -ECONNREFUSED : rc, msg, n, age_s);
}

void conn_log_http(const struct conn *c, unsigned int status)
{
	if (status != 200)
		log_info("dns: %s: HTTP status %u", c->server->name, status);
	else
		log_info("dns: %s: the answer is no " DOH_TYPE,
			 c->server->name);
}

static void waiting_fail(struct conn_pool *p, int err)
{
	while (!list_empty(&p->waiting))
		ask_done(list_first(&p->waiting, struct conn_ask, node), err,
			 NULL, 0, 0);
}

/* --- the end of a connection ----------------------------------------------- */

static void conn_free(struct conn *c)
{
	list_del(&c->node);
	job_forget(&c->job);
	config_unref(c->cfg);
	free(c);
}

/* What is under way goes back: to wait, or ended with @why */
static void asks_back(struct conn *c, struct conn_pool *p, int why)
{
	bool was_up = c->kind;

	while (!list_empty(&c->asks)) {
		struct conn_ask *a =
			list_first(&c->asks, struct conn_ask, node);

		list_del(&a->node);
		a->conn = NULL;
		if (!was_up || !ask_again(p, a))
			ask_done(a, why, NULL, 0, 0);
	}
	c->count = 0;
}

static void log_end(const struct conn *c, int why)
{
	log_info("dns: %s: connection ends after %u answers, %u queries under "
		 "way: %s",
		 c->server->name, c->answers, c->count,
		 why ? strerror(-why) : "not needed");
}

/* It ends now, with all below; freed a turn later */
static void conn_stop(struct conn *c, int why)
{
	struct conn_pool *p = c->pool;

	log_end(c, why);
	c->pool = NULL;
	timer_cancel(&c->timer);
	list_del(&c->node);
	list_add_tail(&p->all->dying, &c->node);
	p->count--;
	stream_close(&c->s, why);
	if (c->kind)
		c->kind->drop(c);
	buf_free(c->out);
	c->out = NULL;
	asks_back(c, p, why ? why : -ECONNRESET);
}

static void conn_kill(struct conn *c, int why)
{
	struct conn_pool *p = c->pool;
	bool was_up = c->kind;

	conn_stop(c, why);
	if (!was_up && !p->count)
		waiting_fail(p, why ? why : -ECONNRESET);
	pool_go(p);
	pool_put_away(p);
}

static void conn_timer(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	if (!c->pool)
		return;
	if (!c->kind)
		conn_kill(c, -ETIMEDOUT);
	else if (!c->count)
		conn_kill(c, 0);
}

/* --- its turn ---------------------------------------------------------------- */

int conn_put(struct conn *c, const void *p, size_t n)
{
	size_t have = c->out ? c->out->len : 0;
	struct buf *b = c->out;

	if (have + n > CONN_OUT_MAX)
		return -ENOBUFS;
	if (b && !buf_put(b, p, n))
		return 0;
	b = buf_new(have + n > OUT_FIRST ? 2 * (have + n) : OUT_FIRST);
	if (!b)
		return -ENOMEM;
	if (have)
		buf_put(b, buf_head(c->out), have);
	buf_free(c->out);
	c->out = b;
	return buf_put(b, p, n);
}

/* 0 all is down, -EAGAIN, -errno */
static int conn_flush(struct conn *c)
{
	int rc = 0;

	for (;;) {
		if (!c->out && c->kind && c->kind->give)
			rc = c->kind->give(c);
		if (rc || !c->out)
			return rc;
		while (c->out->len) {
			ssize_t n = stream_write(c->s, buf_head(c->out),
						 c->out->len);

			if (n <= 0)
				return n ? (int)n : -EAGAIN;
			buf_drop(c->out, (size_t)n);
		}
		buf_free(c->out);
		c->out = NULL;
	}
}

/* The handshake is over: which kind? 0 or -errno */
static int conn_begin(struct conn *c)
{
	const struct conn_kind *k = &conn_dot;
	struct stream_hello hello = { 0 };
	int rc;

	if (c->server->kind != SERVER_TLS) {
		stream_hello(c->s, &hello);
		k = c->server->kind == SERVER_H2C || !strcmp(hello.alpn, "h2") ?
			    &conn_h2 :
			    &conn_h1;
	}
	rc = k->begin(c);
	if (rc < 0)
		return rc;
	c->kind = k;
	c->pool->one_each = k == &conn_h1;
	timer_set(&c->job.worker->wheel, &c->timer, CONN_IDLE_MS);
	log_info("dns: %s: connected, %s", c->server->name, k->name);
	return 0;
}

/* Read what is there. -EAGAIN, or -errno: the end (0 in order) */
static int conn_receive(struct conn *c)
{
	uint8_t bytes[READ_BYTES];
	size_t budget = TURN_BYTES;
	ssize_t n;
	int rc;

	while (budget) {
		stream_shed(&c->s);
		n = stream_read(c->s, bytes, sizeof(bytes));
		if (!c->kind && c->s->ops->up(c->s)) {
			rc = conn_begin(c);
			if (rc < 0)
				return rc;
		}
		if (n == 0 && c->kind && c->kind->end)
			c->kind->end(c);
		if (n <= 0)
			return n ? (int)n : c->count ? -ECONNRESET : 0;
		if (!c->kind)
			return -EPROTO;
		rc = c->kind->take(c, bytes, (size_t)n);
		if (rc < 0)
			return rc;
		budget -= (size_t)n < budget ? (size_t)n : budget;
	}
	job_ready(&c->job);
	return -EAGAIN;
}

static void conn_run(struct job *j)
{
	struct conn *c = container_of(j, struct conn, job);
	struct conn_pool *p = c->pool;
	int rc;

	if (!p)
		return;
	rc = c->err ? c->err : conn_receive(c);
	if (rc == -EAGAIN) {
		pool_go(p);
		rc = c->err ? c->err : conn_flush(c);
		rc = rc ? rc : -EAGAIN;
	}
	if (rc == -EAGAIN && c->leaving && !c->count)
		rc = 0;
	if (rc != -EAGAIN) {
		conn_kill(c, rc);
		return;
	}
	c->s->ops->want(c->s, ST_READ | (c->out || !c->kind ? ST_WRITE : 0u));
}

/* --- dialing ------------------------------------------------------------------- */

static int bottom_dial(const struct transport *t, const struct dial *d,
		       const struct addr *to, struct stream **out)
{
	const struct dns_server *s = t->settings;

	(void)to; /* the name its certificate must have */
	if (s->straight)
		return transport_dial(&transport_raw, d, &s->at, out);
	return pair_open(d->worker, d->job, s->inbound, &s->at, out);
}

const struct transport_ops conn_bottom_ops = {
	.name = "dns",
	.dial = bottom_dial,
};

/* One more connection. 0 or -errno */
static int conn_dial(struct conn_pool *p)
{
	const struct dns_server *s = p->server;
	struct conn *c = calloc(1, sizeof(*c));
	struct dial d = { .worker = p->worker, .cfg = p->cfg };
	int rc;

	if (!c)
		return -ENOMEM;
	c->job = (struct job){ .run = conn_run, .worker = p->worker };
	c->server = s;
	list_init(&c->asks);
	timer_init(&c->timer, conn_timer);
	d.job = &c->job;
	rc = transport_dial(s->top, &d, &s->addr, &c->s);
	if (rc < 0) {
		job_forget(&c->job);
		free(c);
		return rc;
	}
	c->pool = p;
	c->cfg = config_ref(p->cfg);
	list_add_tail(&p->conns, &c->node);
	p->count++;
	timer_set(&p->worker->wheel, &c->timer, s->timeout_ms);
	job_ready(&c->job);
	return 0;
}

/* --- who goes where ------------------------------------------------------------ */

/* A connection with a place; @dialing counts those that may become one */
static struct conn *pool_find(struct conn_pool *p, unsigned int *dialing)
{
	struct list *at;

	*dialing = 0;
	list_for_each (at, &p->conns) {
		struct conn *c = container_of(at, struct conn, node);

		if (!c->kind && !c->err)
			++*dialing;
		if (c->kind && !c->leaving && !c->err &&
		    (!c->out || c->out->len < CONN_OUT_MAX / 4) &&
		    c->kind->places(c))
			return c;
	}
	return NULL;
}

static void ask_send(struct conn *c, struct conn_ask *a)
{
	int rc;

	list_del(&a->node);
	list_add_tail(&c->asks, &a->node);
	c->count++;
	a->conn = c;
	a->mark = c->answers;
	rc = c->kind->send(c, a);
	if (rc < 0)
		conn_answer(c, a, rc, NULL, 0, 0);
	job_ready(&c->job);
}

/* More connections than this are of no use for who waits */
static unsigned int pool_wants(const struct conn_pool *p)
{
	unsigned int n = 0;
	const struct list *at;

	if (!p->one_each)
		return 1;
	for (at = p->waiting.next; at != &p->waiting && n < CONN_MAX;
	     at = at->next)
		n++;
	return n;
}

/* Send who waits, as far as there are places; dial when there are none */
static void pool_go(struct conn_pool *p)
{
	unsigned int dialing;
	struct conn *c;
	int rc;

	while (!list_empty(&p->waiting)) {
		c = pool_find(p, &dialing);
		if (c) {
			ask_send(c, list_first(&p->waiting, struct conn_ask,
					       node));
			continue;
		}
		if (dialing >= pool_wants(p) || p->count >= CONN_MAX)
			return;
		rc = conn_dial(p);
		if (rc < 0) {
			if (!p->count)
				waiting_fail(p, rc);
			return;
		}
	}
}

/* NOLINTNEXTLINE(readability-function-size): whose, where, which, what */
int conn_ask(struct conns *all, struct worker *w, struct config *cfg,
	     const struct dns_server *s, struct conn_ask *a)
{
	struct conn_pool *p = pool_get_for(all, w, cfg, s);
	int rc = 0;

	if (!p)
		return -ENOMEM;
	a->pool = p;
	a->conn = NULL;
	a->again = false;
	list_add_tail(&p->waiting, &a->node);
	/* The first one hears at once that nothing can be dialed */
	if (!p->count)
		rc = conn_dial(p);
	if (rc == 0) {
		pool_go(p);
		return 0;
	}
	list_del(&a->node);
	a->pool = NULL;
	pool_put_away(p);
	return rc;
}

void conn_ask_end(struct conn_ask *a, bool timed_out)
{
	struct conn_pool *p = a->pool;
	struct conn *c = a->conn;

	if (!p)
		return;
	a->pool = NULL;
	if (!c) {
		list_del(&a->node);
		pool_put_away(p);
		return;
	}
	ask_recall(c, a);
	if (timed_out && a->mark == c->answers && !c->err) {
		c->err = -ETIMEDOUT;
		c->leaving = true;
	}
	job_ready(&c->job); /* its frames, or its end */
}

void conn_ask_again(struct conn_ask *a)
{
	struct conn_pool *p = a->pool;
	struct conn *c = a->conn;

	if (!c || a->again || !c->answers || a->mark != c->answers || c->err)
		return;
	log_debug("dns: %s: silent, another connection is tried",
		  c->server->name);
	c->leaving = true;
	ask_recall(c, a);
	ask_again(p, a);
	job_ready(&c->job);
	pool_go(p);
}

/* --- all of a worker -------------------------------------------------------------- */

void conns_init(struct conns *c)
{
	list_init(&c->pools);
	list_init(&c->dying);
	list_init(&c->dead);
}

static void list_free(struct list *l)
{
	while (!list_empty(l))
		conn_free(list_first(l, struct conn, node));
}

void conns_turn(struct conns *c)
{
	list_free(&c->dead);
	while (!list_empty(&c->dying)) {
		struct list *p = c->dying.next;

		list_del(p);
		list_add_tail(&c->dead, p);
	}
}

void conns_stop(struct conns *c)
{
	while (!list_empty(&c->pools)) {
		struct conn_pool *p =
			list_first(&c->pools, struct conn_pool, node);

		while (!list_empty(&p->conns))
			conn_stop(list_first(&p->conns, struct conn, node),
				  -ECANCELED);
		waiting_fail(p, -ECANCELED);
		pool_put_away(p);
	}
}

void conns_free(struct conns *c)
{
	list_free(&c->dying);
	list_free(&c->dead);
}
