/*
 * resolver.c - Lookups: one question, its servers, its waiters
 *
 *   resolve -> hosts? -> order of servers -> [cache? -> ask -> filter] ... -> done
 *                        which is next, and for whom to wait: pick.h
 *
 * What counts as an answer, and what sends us to the next server:
 *   addresses left by the filters        answer
 *   "no such records" for AAAA           answer: most names have no AAAA, and
 *                                        asking the next server would tell it
 *                                        every name (and may get a lie)
 *   "no such records" for A, no such name, any failure, all filtered: next
 *
 * A lookup whose waiters are served lingers until the servers it still asks
 * have answered or failed: that is how one that was down is found up again.
 */
#include "gateway/dns/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/sock.h"
#include "gateway/core/udp.h"
#include "gateway/core/worker.h"
#include "gateway/dns/attempt.h"
#include "gateway/dns/outcome.h"
#include "gateway/dns/pick.h"

#define BUCKETS       64
#define LOOKUPS_MAX   4096 /* of a worker; more are refused */
#define LINGER_MAX    1024 /* of a worker; more are ended */
#define HOLD_MS       300 /* for a server that was down, when another answered */
#define ROUTES_FOR_MS 1000

/**
 * struct dns_room - The module's state of one worker
 * @lingering:	Served lookups that still hear servers
 * @dying, @dead:	Finished lookups; freed when a whole turn has passed, for
 *			sessions that point into their config are reaped first
 * @conns:	Connections to encrypted servers
 * @routed:	Families the host has a route for, as of @routed_ms
 */
struct dns_room {
	struct worker *worker;
	struct flusher flusher;
	struct list buckets[BUCKETS];
	struct list lingering, dying, dead;
	struct conns conns;
	unsigned int count, linger_count;
	uint8_t routed;
	bool routed_known;
	uint32_t routed_ms;
};

/**
 * struct lookup - One question under way
 * @timer:	The moment of PICK_HOLD
 * @order, @cand, @count:	Servers, and how far each is
 * @best, @best_at:	The answer of the first server in order that has one
 * @last:	What the servers said; given when none has addresses
 * @done:	The waiters are served
 * @stale:	They were served from the cache; this only refreshes it
 */
struct lookup {
	struct list node;
	struct job job;
	struct timer timer;
	struct list waiters, attempts;
	struct dns_room *room;
	struct config *cfg;
	struct question q;
	struct dns_outcome best, last;
	uint32_t hash;
	uint8_t flags;
	uint8_t order[DNS_SERVERS_MAX];
	struct cand cand[DNS_SERVERS_MAX];
	unsigned int count, best_at, asking;
	bool done, stale, hurry;
};

static uint64_t now_s(void)
{
	return clock_us() / 1000000u;
}

static const struct dns_server *server_at(const struct lookup *l,
					  unsigned int at)
{
	uint8_t i = l->order[at];

	return i == DNS_SERVERS_MAX ? &l->q.dns->system : &l->q.dns->servers[i];
}

/* --- room ---------------------------------------------------------------------- */

static void lookup_free(struct lookup *l)
{
	struct list *p, *next;

	list_for_each_safe (p, next, &l->attempts)
		attempt_free(container_of(p, struct attempt, node));
	job_forget(&l->job);
	config_unref(l->cfg);
	free(l);
}

static void list_free(struct list *list)
{
	struct list *p, *next;

	list_for_each_safe (p, next, list)
		lookup_free(container_of(p, struct lookup, node));
	list_init(list);
}

static void room_flush(struct flusher *f)
{
	struct dns_room *r = container_of(f, struct dns_room, flusher);

	list_free(&r->dead);
	while (!list_empty(&r->dying)) {
		struct list *p = r->dying.next;

		list_del(p);
		list_add_tail(&r->dead, p);
	}
	conns_turn(&r->conns);
}

int dns_worker_start(struct worker *w)
{
	struct dns_room *r;
	int i;

	if (w->rooms[ROOM_DNS])
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->worker = w;
	for (i = 0; i < BUCKETS; i++)
		list_init(&r->buckets[i]);
	list_init(&r->lingering);
	list_init(&r->dying);
	list_init(&r->dead);
	conns_init(&r->conns);
	r->flusher.flush = room_flush;
	list_add_tail(&w->flushers, &r->flusher.node);
	w->rooms[ROOM_DNS] = r;
	return 0;
}

static void lookup_finish(struct lookup *l, const struct dns_outcome *o);
static void lookup_end(struct lookup *l);

void dns_worker_stop(struct worker *w)
{
	static const struct dns_outcome cancelled = { .rc = -ECANCELED };
	struct dns_room *r = w->rooms[ROOM_DNS];
	int i;

	if (!r)
		return;
	for (i = 0; i < BUCKETS; i++)
		while (!list_empty(&r->buckets[i]))
			lookup_finish(
				list_first(&r->buckets[i], struct lookup, node),
				&cancelled);
	while (!list_empty(&r->lingering))
		lookup_end(list_first(&r->lingering, struct lookup, node));
	list_del(&r->flusher.node);
	conns_stop(&r->conns);
	ses_reap(w); /* queries' sessions and maps point into their config */
	udp_reap(w);
	list_free(&r->dying);
	list_free(&r->dead);
	conns_free(&r->conns);
	free(r);
	w->rooms[ROOM_DNS] = NULL;
	w->nameless = true; /* another room would have nobody who ends it */
}

/* --- routes of the host (UseSys) ------------------------------------------------ */

/* Is there a way to @to for a socket of ours? */
static bool route_has(const struct addr *to)
{
	int family = to->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd = sock_open(NULL, family, SOCK_DGRAM), rc;

	if (fd < 0)
		return false;
	rc = sock_connect(fd, family, to);
	close(fd);
	return !rc;
}

/* Families with a route to the world: a root server stands for it, as in Xray */
static uint8_t routes_of(struct dns_room *r)
{
	static const uint8_t v4[4] = { 192, 33, 4, 12 };
	static const uint8_t v6[16] = { 0x20, 0x01, 0x05, 0x00, 0, 2, 0, 0,
					0,    0,    0,    0,    0, 0, 0, 0x0c };
	struct addr a4 = addr_v4(v4, 53), a6 = addr_v6(v6, 53);
	uint32_t now = r->worker->now_ms;

	if (r->routed_known && now - r->routed_ms < ROUTES_FOR_MS)
		return r->routed;
	r->routed = (uint8_t)((route_has(&a4) ? DNS_V4 : 0u) |
			      (route_has(&a6) ? DNS_V6 : 0u));
	r->routed_known = true;
	r->routed_ms = now;
	return r->routed;
}

/* --- one lookup ------------------------------------------------------------------ */

/* Nobody is asked any more */
static void lookup_end(struct lookup *l)
{
	struct list *p;

	list_for_each (p, &l->attempts)
		attempt_end(container_of(p, struct attempt, node));
	list_del(&l->node);
	if (l->room->linger_count)
		l->room->linger_count--;
	list_add_tail(&l->room->dying, &l->node);
}

static void lookup_finish(struct lookup *l, const struct dns_outcome *o)
{
	l->done = true;
	timer_cancel(&l->timer);
	list_del(&l->node);
	list_add_tail(&l->room->lingering, &l->node);
	l->room->count--;
	l->room->linger_count++;
	if (!l->asking || l->room->linger_count > LINGER_MAX)
		lookup_end(l);
	while (!list_empty(&l->waiters)) {
		struct waiter *wt =
			list_first(&l->waiters, struct waiter, node);

		list_del(&wt->node);
		wt->lookup = NULL;
		wt->done(wt, o);
	}
}

/* What is known of the answer of @s. CACHE_STALE: ask all the same */
static enum cache_found lookup_known(struct lookup *l,
				     const struct dns_server *s,
				     struct dns_outcome *o)
{
	struct dns_key k = { s->index, l->q.family, l->q.name };
	uint8_t kind = l->q.family == DNS_V4 ? ADDR_V4 : ADDR_V6;
	struct addr ips[DNS_MAX_IPS];
	int n, i;

	if (s->kind == SERVER_SYSTEM) {
		n = sysconf_hosts(&l->q.dns->sys, l->room->worker->now_ms,
				  l->q.name, kind, ips, DNS_MAX_IPS);
		*o = (struct dns_outcome){ .ttl = DNS_HOSTS_TTL };
		for (i = 0; i < n; i++) {
			o->ips[i].kind = kind;
			memcpy(o->ips[o->count++].ip, ips[i].ip, 16);
		}
		if (n >= 0)
			return CACHE_HIT;
	}
	if (s->cache_off || l->stale)
		return CACHE_MISS;
	return dns_cache_get(&l->q.dns->cache, &k, now_s(), s->serve_stale,
			     s->stale_s, o);
}

static void lookup_go(struct lookup *l);

/* A server is down: who waits for it looks at the others */
static void room_look_again(struct dns_room *r)
{
	struct list *p;
	int i;

	for (i = 0; i < BUCKETS; i++)
		list_for_each (p, &r->buckets[i])
			job_ready(&container_of(p, struct lookup, node)->job);
}

static void message_look_again(struct worker *w, struct message *m)
{
	if (w->rooms[ROOM_DNS])
		room_look_again(w->rooms[ROOM_DNS]);
	free(m);
}

/* The same in every worker */
static void all_look_again(struct dns_room *r)
{
	struct message *m;
	unsigned int i;

	room_look_again(r);
	for (i = 0; i < workers_count; i++) {
		if (workers_all[i] == r->worker)
			continue;
		m = calloc(1, sizeof(*m));
		if (!m)
			return; /* they wait for their own time-outs */
		m->fn = message_look_again;
		worker_post(workers_all[i], m);
	}
}

/* Server @at says @o: is that the end? */
static void cand_said(struct lookup *l, unsigned int at,
		      const struct dns_outcome *o, bool refused)
{
	if (!outcome_final(o, l->q.family, refused)) {
		l->cand[at].state = CAND_NO;
		outcome_keep(&l->last, o);
		return;
	}
	l->cand[at].state = CAND_YES;
	if (at > l->best_at)
		return;
	l->best_at = at;
	l->best = *o;
}

/* An attempt has ended */
static void cand_ended(struct attempt *a, int rc)
{
	struct lookup *l = container_of(a->q, struct lookup, q);
	const struct dns_server *s = a->server;
	struct dns_room *r = l->room;
	struct dns_key k = { s->index, l->q.family, l->q.name };
	struct dns_outcome o = { .rc = rc };
	bool refused = false;

	if (!rc)
		refused = outcome_of(s, &a->found, &o);
	outcome_log(l->cfg, s->name, "got answer:", l->q.name, &o,
		    (int)(l->room->worker->now_ms - a->asked_ms));
	if (!rc && !s->cache_off && !refused)
		dns_cache_put(&l->q.dns->cache, &k, now_s(), &o);
	cand_said(l, a->place, &o, refused);
	l->asking--;
	if (!l->done)
		lookup_go(l);
	else if (!l->asking)
		lookup_end(l);
	if (a->felled)
		all_look_again(r);
}

/* Does server @s tell of @l's family at all? */
static bool family_asked(struct lookup *l, const struct dns_server *s)
{
	return s->families & l->q.family &&
	       (!s->by_routes || routes_of(l->room) & l->q.family);
}

/* What needs no query. True: it is done with */
static bool cand_known(struct lookup *l, unsigned int at)
{
	const struct dns_server *s = server_at(l, at);
	struct dns_outcome o = { .fake = s->kind == SERVER_FAKE };
	enum cache_found known;

	l->cand[at].state = CAND_NO;
	if (!family_asked(l, s))
		return true;
	if (o.fake) {
		cand_said(l, at, &o, false);
		return true;
	}
	known = lookup_known(l, s, &o);
	if (known == CACHE_STALE) {
		l->stale = true;
		l->last = o;
	}
	if (known != CACHE_HIT)
		return false;
	cand_said(l, at, &o, false);
	if (l->cand[at].state == CAND_YES)
		outcome_log(l->cfg, s->name, "cache HIT:", l->q.name, &o, -1);
	return true;
}

/* Ask server @at, or find that it need not be asked */
static void cand_ask(struct lookup *l, unsigned int at)
{
	const struct dns_server *s = server_at(l, at);
	struct dns_health *h = attempt_health(l->q.dns, s);
	struct cand *c = &l->cand[at];
	bool forced = c->state == CAND_LATER, down = health_down(h);
	struct dns_outcome o = { 0 };
	struct attempt *a;

	if (!forced && cand_known(l, at))
		return;
	if (!forced && down && !health_probe(h)) {
		c->state = CAND_LATER;
		return;
	}
	c->soft = down;
	a = attempt_new(&l->q, s, down && !forced, cand_ended, &o.rc);
	if (!a) {
		cand_said(l, at, &o, false);
		return;
	}
	a->place = at;
	c->state = CAND_ASKED;
	list_add_tail(&l->attempts, &a->node);
	l->asking++;
}

/* As far as it goes. 0: the result is in @l->last; -EAGAIN */
static int lookup_step(struct lookup *l)
{
	struct pick p;
	unsigned int i;

	for (i = 0; i < l->count; i++)
		if (l->cand[i].state == CAND_ASKED &&
		    health_down(attempt_health(l->q.dns, server_at(l, i))))
			l->cand[i].soft = true;
	for (;;) {
		p = pick(l->cand, l->count, l->q.dns->parallel, !l->last.rc,
			 l->hurry);
		switch (p.what) {
		case PICK_ASK:
			cand_ask(l, p.at);
			break;
		case PICK_HOLD:
			if (!timer_armed(&l->timer))
				timer_set(&l->room->worker->wheel, &l->timer,
					  HOLD_MS);
			return -EAGAIN;
		case PICK_WAIT:
			return -EAGAIN;
		case PICK_TAKE:
			l->last = l->best;
			return 0;
		case PICK_NONE:
		default:
			return 0;
		}
	}
}

static void lookup_go(struct lookup *l)
{
	if (!lookup_step(l))
		lookup_finish(l, &l->last);
}

static void lookup_run(struct job *j)
{
	struct lookup *l = container_of(j, struct lookup, job);

	if (!l->done)
		lookup_go(l);
}

static void lookup_timer(struct timer *t)
{
	struct lookup *l = container_of(t, struct lookup, timer);

	l->hurry = true;
	job_ready(&l->job);
}

/* --- resolve ----------------------------------------------------------------------- */

static uint32_t lookup_hash(const struct dns *dns, const char *name)
{
	return (uint32_t)(hash_bytes(rand_key(), name, strlen(name)) ^
			  hash_mix((uintptr_t)dns));
}

static struct lookup *lookup_find(struct dns_room *r, const struct dns *dns,
				  const char *name, uint8_t family,
				  uint8_t flags, uint32_t hash)
{
	struct list *p, *head = &r->buckets[hash % BUCKETS];

	list_for_each (p, head) {
		struct lookup *l = container_of(p, struct lookup, node);

		if (l->hash == hash && l->q.dns == dns &&
		    l->q.family == family && l->flags == flags &&
		    !strcmp(l->q.name, name))
			return l;
	}
	return NULL;
}

/**
 * struct asked - A question on its way through resolve()
 * @order, @count:	Its servers
 */
struct asked {
	char name[256];
	uint8_t family, flags;
	uint8_t order[DNS_SERVERS_MAX];
	unsigned int count;
};

/* Groups that race: neighbours of one policy when asked in parallel, else none */
static void lookup_group(struct lookup *l)
{
	unsigned int i;

	for (i = 1; i < l->count; i++)
		l->cand[i].group =
			(uint8_t)(l->cand[i - 1].group +
				  (!l->q.dns->parallel ||
				   server_at(l, i)->policy !=
					   server_at(l, i - 1)->policy));
}

static struct lookup *lookup_new(struct dns_room *r, struct config *cfg,
				 const struct asked *q)
{
	struct lookup *l;

	if (r->count >= LOOKUPS_MAX)
		return NULL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->job.run = lookup_run;
	l->job.worker = r->worker;
	l->room = r;
	l->cfg = config_ref(cfg);
	l->q.worker = r->worker;
	l->q.dns = cfg->dns;
	l->q.cfg = cfg;
	l->q.conns = &r->conns;
	l->q.family = q->family;
	memcpy(l->q.name, q->name, strlen(q->name) + 1);
	l->flags = q->flags;
	l->last.rc = -ENOENT;
	l->best_at = DNS_SERVERS_MAX;
	l->hash = lookup_hash(cfg->dns, q->name);
	l->count = q->count;
	memcpy(l->order, q->order, sizeof(l->order));
	lookup_group(l);
	list_init(&l->waiters);
	list_init(&l->attempts);
	timer_init(&l->timer, lookup_timer);
	list_add_tail(&r->buckets[l->hash % BUCKETS], &l->node);
	r->count++;
	return l;
}

/* A new lookup as far as it goes at once */
static int lookup_start(struct lookup *l, struct waiter *wt,
			struct dns_outcome *out)
{
	if (!lookup_step(l)) {
		*out = l->last;
		lookup_finish(l, &l->last);
		return 0;
	}
	if (l->stale) { /* the refresh goes on without the asker */
		*out = l->last;
		outcome_log(l->cfg, server_at(l, 0)->name,
			    "cache OPTIMISTE:", l->q.name, out, -1);
		return 0;
	}
	wt->lookup = l;
	list_add_tail(&l->waiters, &wt->node);
	return -EAGAIN;
}

/*
 * What needs neither server nor cache: hosts, a family nobody asks for, a fake
 * address. True with @out; false with the servers in @q
 */
static bool asked_known(struct dns_room *r, struct dns *dns, struct asked *q,
			struct dns_outcome *out)
{
	const struct dns_server *first;

	*out = (struct dns_outcome){ 0 };
	if (q->flags & RESOLVE_SYSTEM) {
		q->order[0] = DNS_SERVERS_MAX;
		q->count = 1;
		return false;
	}
	if (!(dns->families & q->family) ||
	    (dns->by_routes && !(routes_of(r) & q->family)))
		return true;
	if (hosts_find(dns, q->name, q->family, out) == HOSTS_YES)
		return true;
	q->count =
		servers_order(dns, q->name, q->flags & RESOLVE_FAKE, q->order);
	first = q->count && q->order[0] != DNS_SERVERS_MAX ?
			&dns->servers[q->order[0]] :
			NULL;
	out->fake = first && first->kind == SERVER_FAKE &&
		    first->families & q->family && !first->by_routes;
	return out->fake;
}

int resolve(struct worker *w, struct config *cfg, const char *name,
	    struct waiter *wt, struct dns_outcome *out)
{
	struct asked q = { .family = wt->family, .flags = wt->flags };
	struct dns_room *r;
	struct lookup *l;

	wt->lookup = NULL;
	list_init(&wt->node);
	if (w->nameless)
		return -ECANCELED;
	if (dns_worker_start(w) < 0)
		return -ENOMEM;
	r = w->rooms[ROOM_DNS];
	if (!*name || strlen(name) > 253)
		return -EINVAL;
	memcpy(q.name, name, strlen(name) + 1);
	if (asked_known(r, cfg->dns, &q, out))
		return 0;
	l = lookup_find(r, cfg->dns, q.name, q.family, q.flags,
			lookup_hash(cfg->dns, q.name));
	if (l && !l->stale) {
		wt->lookup = l;
		list_add_tail(&l->waiters, &wt->node);
		return -EAGAIN;
	}
	if (l) { /* being refreshed: the old answer is still good enough */
		*out = l->last;
		return 0;
	}
	l = lookup_new(r, cfg, &q);
	return l ? lookup_start(l, wt, out) : -ENOBUFS;
}

void waiter_cancel(struct waiter *wt)
{
	if (!wt->lookup)
		return;
	list_del(&wt->node);
	wt->lookup = NULL; /* the lookup goes on: its answer is for the cache */
}
