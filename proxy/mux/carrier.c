/*
 * carrier.c - Client: connections to a Mux.cool server, shared by sessions
 *
 *   pool (outbound, kind) -- open: carrier, carrier ...   take sessions
 *                         \- full: carrier ...            busy, spent, stalled
 *
 * A carrier is a job of its own: it moves bytes between its connection and its
 * trunk. It ends when the connection does (its subs then end with the reason),
 * when it has had 128 sessions and the last has gone, or after 16 to 32 s
 * without one. One whose reader is stalled gets no new sessions.
 *
 * Source: xray.md, section R; Xray common/mux/client.go (facts)
 */
#include "proxy/mux/carrier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "proxy/mux/sub.h"

static struct carrier *of_trunk(struct trunk *t)
{
	return container_of(t, struct carrier, trunk);
}

static struct carrier *of_job(struct job *j)
{
	struct session *s = container_of(j, struct session, job);

	return container_of(s, struct carrier, inner);
}

static bool takes_sessions(const struct carrier *c)
{
	return !c->dead && c->trunk.live < c->concurrency &&
	       c->total < (c->pool->kind == POOL_SOLO ? 1 : CARRIER_SESSIONS) &&
	       !trunk_stalled(&c->trunk);
}

/* Into the list where it belongs now */
static void carrier_place(struct carrier *c)
{
	if (c->dead)
		return;
	list_del(&c->node);
	list_add(takes_sessions(c) ? &c->pool->open : &c->pool->full, &c->node);
}

/* Its subs end with @why; it is freed at the end of the tick */
static void carrier_kill(struct carrier *c, int why)
{
	if (c->dead)
		return;
	c->dead = true;
	c->why = why;
	timer_cancel(&c->idle);
	list_del(&c->node);
	list_add_tail(&c->pool->room->dead, &c->node);
	if (c->trunk.live)
		log_info("s%x mux: [%s] connection with %u sessions ended: %s",
			 c->inner.id, c->inner.outbound->tag, c->trunk.live,
			 strerror(-why));
	else
		log_debug("s%x mux: [%s] connection closed after %u sessions",
			  c->inner.id, c->inner.outbound->tag, c->total);
	trunk_kill(&c->trunk, why ? why : -ECONNRESET);
	job_ready(&c->inner.job); /* so that the tick ends soon */
}

/* Received bytes into the trunk. 0 all, -EAGAIN stalled, -errno */
static int carrier_take(struct carrier *c, const uint8_t *p, size_t n)
{
	ssize_t k = trunk_feed(&c->trunk, p, n);

	if (k < 0)
		return (int)k;
	if ((size_t)k == n)
		return 0;
	c->rest = buf_new(n - (size_t)k);
	if (!c->rest)
		return -ENOMEM;
	buf_put(c->rest, p + k, n - (size_t)k);
	return -EAGAIN;
}

static int carrier_take_rest(struct carrier *c)
{
	struct buf *b = c->rest;
	ssize_t k;

	if (!b)
		return 0;
	k = trunk_feed(&c->trunk, buf_head(b), b->len);
	if (k < 0)
		return (int)k;
	buf_drop(b, (size_t)k);
	if (b->len)
		return -EAGAIN;
	c->rest = NULL;
	buf_free(b);
	return 0;
}

/* 0: budget used up, -EAGAIN, -errno (the connection's end is one) */
static int carrier_read(struct carrier *c)
{
	uint8_t *p = c->trunk.worker->scratch;
	size_t used = 0;
	int rc = carrier_take_rest(c);

	while (rc == 0 && used < CARRIER_BUDGET) {
		ssize_t n = stream_read(c->conn, p, CARRIER_READ_BYTES);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ECONNRESET;
		used += (size_t)n;
		rc = carrier_take(c, p, (size_t)n);
	}
	return rc;
}

/* 0 all sent, -EAGAIN, -errno */
static int carrier_write(struct carrier *c)
{
	while (c->trunk.tx.bytes) {
		struct iovec iov[STREAM_IOV];
		int cnt = queue_show(&c->trunk.tx, iov, STREAM_IOV);
		ssize_t n = c->conn->ops->writev(c->conn, iov, cnt);

		if (n < 0)
			return (int)n;
		trunk_sent(&c->trunk, (size_t)n);
	}
	return 0;
}

static void carrier_want(struct carrier *c)
{
	unsigned int events = c->rest ? 0 : ST_READ;

	if (c->trunk.tx.bytes || !c->trunk.up)
		events |= ST_WRITE;
	c->conn->ops->want(c->conn, events);
}

static bool is_final(int rc)
{
	return rc < 0 && rc != -EAGAIN;
}

/*
 * Nothing can be written any more: it ends with @err, but what was received comes
 * first. A session that does not read yet calls again (trunk_resume)
 */
static void carrier_broken(struct carrier *c, int rd, int err)
{
	if (rd == 0)
		job_ready(&c->inner.job);
	else if (!c->rest)
		carrier_kill(c, err);
}

static void carrier_run(struct job *j)
{
	struct carrier *c = of_job(j);
	int rd, wr;

	if (c->dead)
		return;
	stream_shed(&c->conn);
	wr = carrier_write(c);
	rd = carrier_read(c);
	if (wr >= 0 && rd != -ECONNRESET)
		wr = carrier_write(c); /* answers */
	if (is_final(rd)) {
		carrier_kill(c, rd);
		return;
	}
	if (is_final(wr)) {
		carrier_broken(c, rd, wr);
		return;
	}
	if (!c->trunk.up && c->conn->ops->up(c->conn))
		trunk_up(&c->trunk);
	carrier_place(c);
	carrier_want(c);
	if (rd == 0)
		job_ready(j);
}

static void carrier_kick(struct trunk *t)
{
	struct carrier *c = of_trunk(t);

	if (!c->dead)
		job_ready(&c->inner.job);
}

void carrier_unused(struct carrier *c)
{
	struct trunk *t = &c->trunk;

	if (c->dead)
		return;
	carrier_place(c);
	if (t->live)
		return;
	/* spent, or not even connected: a short wait lets the last End leave */
	if (!t->up || c->pool->kind == POOL_SOLO ||
	    c->total >= CARRIER_SESSIONS)
		timer_set(&t->worker->wheel, &c->idle, 1);
	else
		timer_set(&t->worker->wheel, &c->idle,
			  CARRIER_IDLE_MS + rand_below(CARRIER_IDLE_MS));
}

static void carrier_left(struct trunk *t)
{
	carrier_unused(of_trunk(t));
}

static void carrier_idle(struct timer *t)
{
	struct carrier *c = container_of(t, struct carrier, idle);

	if (!c->trunk.live)
		carrier_kill(c, 0);
}

static const struct trunk_ops carrier_trunk_ops = {
	.kick = carrier_kick,
	.left = carrier_left,
};

/* A session to the server of sessions; of @s only what all of them share */
static void inner_init(struct carrier *c, const struct outbound *ob,
		       const struct session *s)
{
	struct session *in = &c->inner;

	in->job = (struct job){ .run = carrier_run, .worker = s->job.worker };
	in->net = NET_TCP;
	in->id = s->id;
	in->cfg = c->cfg;
	in->inbound_tag = "mux";
	in->outbound = ob;
	in->orig = in->target =
		addr_name(MUX_TARGET, strlen(MUX_TARGET), MUX_TARGET_PORT);
	in->born_ms = in->last_active = s->job.worker->now_ms;
}

static int carrier_new(struct mux_pool *p, struct session *s,
		       unsigned int concurrency, struct carrier **out)
{
	struct carrier *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	trunk_init(&c->trunk, &carrier_trunk_ops, s->job.worker);
	c->pool = p;
	c->concurrency = concurrency;
	c->cfg = config_ref(s->cfg);
	timer_init(&c->idle, carrier_idle);
	inner_init(c, p->ob, s);
	rc = p->ob->ops->open(p->ob, &c->inner, &c->conn);
	if (rc < 0) {
		job_forget(&c->inner.job);
		config_unref(c->cfg);
		free(c);
		return rc;
	}
	stream_set_job(c->conn, &c->inner.job);
	list_add(&p->open, &c->node);
	p->count++;
	job_ready(&c->inner.job);
	log_debug("s%x mux: [%s] opens a connection", s->id, p->ob->tag);
	*out = c;
	return 0;
}

static struct mux_pool *pool_find(struct mux_room *r, const struct outbound *ob,
				  enum pool_kind kind)
{
	struct mux_pool *p;
	struct list *l;

	list_for_each (l, &r->pools) {
		p = container_of(l, struct mux_pool, node);
		if (p->ob == ob && p->kind == kind)
			return p;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->room = r;
	p->ob = ob;
	p->kind = kind;
	list_init(&p->open);
	list_init(&p->full);
	list_add_tail(&r->pools, &p->node);
	return p;
}

/* An empty pool goes: its outbound may be freed with its configuration */
static void pool_tidy(struct mux_pool *p)
{
	if (p->count)
		return;
	list_del(&p->node);
	free(p);
}

int carrier_get(const struct outbound *ob, struct session *s,
		enum pool_kind kind, unsigned int concurrency,
		struct carrier **out, uint16_t *id)
{
	struct mux_room *r = mux_room(s->job.worker);
	struct mux_pool *p = r ? pool_find(r, ob, kind) : NULL;
	struct carrier *c = NULL;
	int rc;

	if (!p)
		return -ENOMEM;
	while (!c && !list_empty(&p->open)) {
		struct carrier *first =
			list_first(&p->open, struct carrier, node);

		if (takes_sessions(first))
			c = first;
		else
			carrier_place(first);
	}
	if (!c) {
		rc = carrier_new(p, s, concurrency, &c);
		if (rc < 0) {
			pool_tidy(p);
			return rc;
		}
	}
	timer_cancel(&c->idle);
	c->total++;
	*id = kind == POOL_SOLO ? 0 : (uint16_t)c->total;
	*out = c;
	return 0;
}

static void carrier_free(struct carrier *c)
{
	struct mux_pool *p = c->pool;

	list_del(&c->node);
	stream_close(&c->conn, c->why);
	job_forget(&c->inner.job);
	buf_free(c->rest);
	config_unref(c->cfg);
	free(c);
	p->count--;
	pool_tidy(p);
}

void carriers_reap(struct mux_room *r)
{
	struct list *l, *next;

	/* what dies meanwhile is for the next turn */
	list_for_each_safe (l, next, &r->dead)
		carrier_free(container_of(l, struct carrier, node));
}

void carriers_stop(struct mux_room *r)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &r->pools) {
		struct mux_pool *p = container_of(l, struct mux_pool, node);

		while (!list_empty(&p->open))
			carrier_kill(list_first(&p->open, struct carrier, node),
				     -ECANCELED);
		while (!list_empty(&p->full))
			carrier_kill(list_first(&p->full, struct carrier, node),
				     -ECANCELED);
	}
	carriers_reap(r); /* a pool goes with its last carrier */
}
