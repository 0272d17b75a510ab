/*
 * ahead.c - Connections to a server that are made before they are needed
 *
 *   pool (outbound) -- entry, entry ...	connected, its security agreed on
 *
 * Who dials takes the oldest one that stands, and makes one himself when there is
 * none. 200 ms later those that miss are made. One that nobody took for two minutes
 * is closed, and no other comes in its place until somebody dials again; so is one
 * that the server closes, or on which it speaks first. A new configuration ends all.
 *
 * What depends on the session cannot be made before it is there: with sendThrough
 * "origin" or "srcip", here or in an outbound dialed through, nothing is made ahead.
 *
 * Source: Xray-core proxy/vless/outbound ("testpre"; facts)
 */
#include "proxy/out/ahead.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/timer.h"
#include "gateway/core/config.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "gateway/core/worker.h"

#define KEEP_MS  120000u
#define PAUSE_MS 200u

/**
 * struct room - worker->rooms[ROOM_AHEAD]
 * @pools:	struct ahead_pool
 * @dead:	Entries to be freed at the end of the tick
 */
struct room {
	struct worker *worker;
	struct flusher flusher;
	struct list pools, dead;
};

/**
 * struct ahead_pool - Of one outbound
 * @ob, @to:	Live as long as @cfg, one reference
 * @stranger:	As in struct dial
 * @entries:	The oldest first; @count: them and those on their way to be freed
 * @refill:	When it fires, there will be @wanted
 */
struct ahead_pool {
	struct list node;
	struct room *room;
	struct config *cfg;
	const struct outbound *ob;
	const struct addr *to;
	uint8_t stranger;
	unsigned int wanted, count;
	struct list entries;
	struct timer refill;
};

/**
 * struct entry - One connection
 * @conn:	Owned
 * @why:	Of its end; it waits in room->dead then
 */
struct entry {
	struct job job;
	struct list node;
	struct ahead_pool *pool;
	struct stream *conn;
	struct timer expiry;
	bool dead;
	int why;
};

static void pool_tidy(struct ahead_pool *p)
{
	if (p->count || timer_armed(&p->refill))
		return;
	list_del(&p->node);
	config_unref(p->cfg);
	free(p);
}

/* It is freed when no job runs */
static void entry_kill(struct entry *e, int why)
{
	if (e->dead)
		return;
	e->dead = true;
	e->why = why;
	timer_cancel(&e->expiry);
	list_del(&e->node);
	list_add_tail(&e->pool->room->dead, &e->node);
	log_debug("ahead: [%s] one ends unused", e->pool->ob->tag);
	job_ready(&e->job); /* so that the tick ends soon */
}

static void entry_free(struct entry *e)
{
	list_del(&e->node);
	stream_close(&e->conn, e->why);
	job_forget(&e->job);
	e->pool->count--;
	pool_tidy(e->pool);
	free(e);
}

/* Its handshakes, then nothing: who speaks before he is asked is no server */
static void entry_run(struct job *j)
{
	struct entry *e = container_of(j, struct entry, job);
	struct stream *s = e->conn;
	uint8_t b;
	ssize_t n;

	if (e->dead)
		return;
	n = s->ops->up(s) ? 0 : s->ops->writev(s, NULL, 0);
	if (n >= 0 && s->ops->up(s))
		n = stream_read(s, &b, sizeof(b));
	else if (n >= 0)
		n = -EAGAIN;
	if (n == -EAGAIN)
		s->ops->want(s, s->ops->up(s) ? ST_READ : ST_READ | ST_WRITE);
	else
		entry_kill(e, n < 0 ? (int)n : -ECONNRESET);
}

static void entry_expired(struct timer *t)
{
	entry_kill(container_of(t, struct entry, expiry), 0);
}

/* 0 or -errno */
static int entry_new(struct ahead_pool *p)
{
	struct worker *w = p->room->worker;
	struct entry *e = calloc(1, sizeof(*e));
	struct dial d = {
		.worker = w, .cfg = p->cfg, .ob = p->ob, .stranger = p->stranger
	};
	int rc;

	if (!e)
		return -ENOMEM;
	e->job = (struct job){ .run = entry_run, .worker = w };
	d.job = &e->job;
	rc = transport_dial(p->ob->transport, &d, p->to, &e->conn);
	if (rc < 0) {
		job_forget(&e->job);
		free(e);
		return rc;
	}
	e->pool = p;
	timer_init(&e->expiry, entry_expired);
	timer_set(&w->wheel, &e->expiry, KEEP_MS);
	list_add_tail(&p->entries, &e->node);
	p->count++;
	job_ready(&e->job);
	return 0;
}

static void pool_refill(struct timer *t)
{
	struct ahead_pool *p = container_of(t, struct ahead_pool, refill);

	while (p->count < p->wanted && entry_new(p) == 0)
		;
	pool_tidy(p);
}

static struct ahead_pool *pool_find(struct room *r, const struct dial *d)
{
	struct list *l;

	list_for_each (l, &r->pools) {
		struct ahead_pool *p = container_of(l, struct ahead_pool, node);

		if (p->ob == d->ob && p->stranger == d->stranger)
			return p;
	}
	return NULL;
}

static struct ahead_pool *pool_new(struct room *r, const struct dial *d,
				   const struct addr *to, unsigned int count)
{
	struct ahead_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->room = r;
	p->cfg = config_ref(d->cfg);
	p->ob = d->ob;
	p->to = to;
	p->stranger = d->stranger;
	p->wanted = count < AHEAD_MAX ? count : AHEAD_MAX;
	list_init(&p->entries);
	timer_init(&p->refill, pool_refill);
	list_add_tail(&r->pools, &p->node);
	return p;
}

static void room_reap(struct room *r)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &r->dead)
		entry_free(container_of(l, struct entry, node));
}

/* All, or those of generations before @now. What is dead is to be freed still */
static void end_pools(struct room *r, const struct config *now)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &r->pools) {
		struct ahead_pool *p = container_of(l, struct ahead_pool, node);

		if (p->cfg == now)
			continue;
		timer_cancel(&p->refill);
		while (!list_empty(&p->entries))
			entry_kill(list_first(&p->entries, struct entry, node),
				   -ECANCELED);
		if (!p->count)
			pool_tidy(p);
	}
}

static void room_flush(struct flusher *f)
{
	struct room *r = container_of(f, struct room, flusher);

	end_pools(r, r->worker->cfg);
	room_reap(r);
}

static void room_free(void *room)
{
	struct room *r = room;

	end_pools(r, NULL);
	room_reap(r); /* a pool goes with its last entry */
	list_del(&r->flusher.node);
	free(r);
}

static struct room *room_of(struct worker *w)
{
	struct room *r = w->rooms[ROOM_AHEAD];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->worker = w;
	list_init(&r->pools);
	list_init(&r->dead);
	r->flusher.flush = room_flush;
	list_add_tail(&w->flushers, &r->flusher.node);
	w->rooms[ROOM_AHEAD] = r;
	w->room_free[ROOM_AHEAD] = room_free;
	return r;
}

/* The oldest that stands is @d's from now on. NULL: none */
static struct stream *pool_take(struct ahead_pool *p, const struct dial *d)
{
	struct list *l;

	list_for_each (l, &p->entries) {
		struct entry *e = container_of(l, struct entry, node);
		struct stream *s = e->conn;

		if (!s->ops->up(s))
			continue;
		timer_cancel(&e->expiry);
		list_del(&e->node);
		job_forget(&e->job);
		p->count--;
		free(e);
		stream_set_job(s, d->job);
		job_ready(d->job); /* what came meanwhile marked another job */
		return s;
	}
	return NULL;
}

/* A connection for one session cannot serve another; nor outlive a configuration */
static bool can_be_ahead(const struct dial *d)
{
	for (const struct outbound *ob = d->ob; ob; ob = ob->dialer)
		if (send_through_varies(ob))
			return false;
	return d->cfg == d->worker->cfg;
}

int ahead_dial(const struct dial *d, const struct addr *to, unsigned int count,
	       struct stream **out)
{
	struct room *r = room_of(d->worker);
	struct ahead_pool *p;
	struct stream *s;

	if (!can_be_ahead(d))
		return transport_dial(d->ob->transport, d, to, out);
	p = r ? pool_find(r, d) : NULL;
	s = p ? pool_take(p, d) : NULL;
	if (!p && r)
		p = pool_new(r, d, to, count);
	if (!p)
		return -ENOMEM;
	if (!timer_armed(&p->refill))
		timer_set(&d->worker->wheel, &p->refill, PAUSE_MS);
	if (!s)
		return transport_dial(d->ob->transport, d, to, out);
	log_debug("s%x ahead: [%s] takes a connection made ahead",
		  d->s ? d->s->id : 0, d->ob->tag);
	*out = s;
	return 0;
}
