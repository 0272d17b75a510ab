/*
 * resolver.c - Lookups: one question, its servers in order, its waiters
 *
 *   resolve -> hosts? -> order of servers -> [cache? -> ask -> filter] ... -> done
 *                                             next server when nothing came
 *
 * What counts as an answer, and what sends us to the next server:
 *   addresses left by the filters        answer
 *   "no such records" for AAAA           answer: most names have no AAAA, and
 *                                        asking the next server would tell it
 *                                        every name (and may get a lie)
 *   "no such records" for A, no such name, any failure, all filtered: next
 *
 * An upstream's message is only stored when it comes; the lookup's own turn
 * does the rest, so that nothing is closed under a caller.
 */
#include "gateway/dns/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "gateway/core/worker.h"
#include "gateway/dns/upstream.h"

#define BUCKETS         64
#define LOOKUPS_MAX     4096 /* of a worker; more are refused */
#define RESEND_PART     3 /* a UDP query goes out again after timeout / 3 */
#define STRAIGHT_MIN_MS 1000 /* for one of several system servers */

/**
 * struct dns_room - The module's state of one worker
 * @dying, @dead:	Finished lookups; freed when a whole turn has passed, for
 *			sessions that point into their config are reaped first
 */
struct dns_room {
	struct worker *worker;
	struct flusher flusher;
	struct list buckets[BUCKETS];
	struct list dying, dead;
	unsigned int count;
};

/**
 * struct lookup - One question under way
 * @order, @order_count, @at:	Servers, and which is asked now
 * @nameserver:	Which of the system's servers is asked
 * @got:	@found is an answer that was not looked at yet
 * @last:	What the servers before said; given when none has more
 * @stale:	Waiters were served from the cache; this only refreshes it
 */
struct lookup {
	struct list node;
	struct job job;
	struct timer timer;
	struct list waiters;
	struct dns_room *room;
	struct config *cfg;
	struct dns *dns;
	struct upstream up;
	struct dns_found found;
	struct dns_outcome last;
	uint32_t hash, asked_ms, resend_ms;
	uint16_t id;
	uint8_t family, flags;
	uint8_t order[DNS_SERVERS_MAX];
	unsigned int order_count, at, nameserver, nameserver_count;
	bool got, edns, done, stale, timed_out;
	char name[256];
};

static void lookup_run(struct job *j);

static uint64_t now_s(void)
{
	return clock_us() / 1000000u;
}

static uint16_t type_of(uint8_t family)
{
	return family == DNS_V4 ? DNS_T_A : DNS_T_AAAA;
}

static const struct dns_server *server_at(const struct lookup *l)
{
	uint8_t i = l->order[l->at];

	return i == DNS_SERVERS_MAX ? &l->dns->system : &l->dns->servers[i];
}

/* --- log --------------------------------------------------------------------- */

/* Xray's line: SERVER got answer: name -> [ip, ip] 12ms */
static void log_lookup(const struct config *cfg, const char *server,
		       const char *what, const char *name,
		       const struct dns_outcome *o, int ms)
{
	char line[1536], ip[64];
	size_t n;
	int i;

	if (!cfg->log.dns_log || !log_access_on())
		return;
	n = (size_t)snprintf(line, sizeof(line), "%s %s %s -> [", server, what,
			     name);
	for (i = 0; i < o->count; i++) {
		struct addr a = dns_ip_addr(&o->ips[i], 0);

		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s",
				      i ? ", " : "",
				      addr_format_host(&a, ip, sizeof(ip)));
	}
	n += (size_t)snprintf(line + n, sizeof(line) - n, "]");
	if (ms >= 0)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %dms", ms);
	if (o->rc || !o->count)
		snprintf(line + n, sizeof(line) - n, " <%s>",
			 o->rc                    ? strerror(-o->rc) :
			 o->rcode == DNS_NXDOMAIN ? "no such name" :
			 o->rcode                 ? "server failure" :
						    "empty response");
	log_access(line);
}

/* --- room ---------------------------------------------------------------------- */

static void lookup_free(struct lookup *l)
{
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
	list_init(&r->dying);
	list_init(&r->dead);
	r->flusher.flush = room_flush;
	list_add_tail(&w->flushers, &r->flusher.node);
	w->rooms[ROOM_DNS] = r;
	return 0;
}

static void lookup_finish(struct lookup *l, const struct dns_outcome *o);

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
	list_del(&r->flusher.node);
	ses_reap(w); /* queries' sessions and maps point into their config */
	udp_reap(w);
	list_free(&r->dying);
	list_free(&r->dead);
	free(r);
	w->rooms[ROOM_DNS] = NULL;
}

/* --- filters -------------------------------------------------------------------- */

/* Keep the addresses for which @set says @want; none left and @soft: keep all */
static void ips_filter(struct dns_outcome *o, const struct ipset *set,
		       bool want, bool soft)
{
	struct dns_ip kept[DNS_MAX_IPS];
	uint8_t n = 0, i;

	for (i = 0; set && i < o->count; i++) {
		struct addr a = dns_ip_addr(&o->ips[i], 0);

		if (ipset_has(set, &a) == want)
			kept[n++] = o->ips[i];
	}
	if (!set || (!n && soft))
		return;
	memcpy(o->ips, kept, n * sizeof(*kept));
	o->count = n;
}

/* What @l->found means as an outcome; @refused: filters took everything */
static void found_outcome(const struct lookup *l, struct dns_outcome *o,
			  bool *refused)
{
	const struct dns_server *s = server_at(l);
	uint8_t i;

	*o = (struct dns_outcome){
		.rcode = l->found.rcode,
		.ttl = l->found.ttl,
	};
	for (i = 0; i < l->found.count; i++) {
		o->ips[i].kind = l->found.ips[i].kind;
		memcpy(o->ips[i].ip, l->found.ips[i].ip, 16);
	}
	o->count = l->found.count;
	ips_filter(o, s->expected, true, s->prefer_expected);
	ips_filter(o, s->unexpected, false, s->avoid_unexpected);
	*refused = l->found.count && !o->count;
	if (*refused)
		o->ttl = l->found.ttl;
}

/* Is @o what the asker shall have, whatever other servers would say? */
static bool outcome_final(const struct dns_outcome *o, uint8_t family,
			  bool refused)
{
	if (o->rc)
		return false;
	if (o->count)
		return true;
	return family == DNS_V6 && o->rcode == DNS_NOERROR && !refused;
}

/* --- one lookup ------------------------------------------------------------------ */

static void lookup_finish(struct lookup *l, const struct dns_outcome *o)
{
	l->done = true;
	timer_cancel(&l->timer);
	upstream_close(&l->up);
	list_del(&l->node);
	list_add_tail(&l->room->dying, &l->node);
	l->room->count--;
	while (!list_empty(&l->waiters)) {
		struct waiter *wt =
			list_first(&l->waiters, struct waiter, node);

		list_del(&wt->node);
		wt->lookup = NULL;
		wt->done(wt, o);
	}
}

/* The most telling of the answers without addresses stays */
static void last_keep(struct lookup *l, const struct dns_outcome *o)
{
	if (!l->last.rc && l->last.rcode == DNS_NOERROR)
		return; /* a server knows the name */
	if (o->rc && !l->last.rc)
		return;
	l->last = *o;
}

static bool found_put(struct upstream *u, const uint8_t *msg, size_t n)
{
	struct lookup *l = container_of(u, struct lookup, up);

	if (l->got || n < DNS_HEAD_BYTES || get_be16(msg) != l->id)
		return l->got;
	if (dns_found_decode(msg, n, l->name, type_of(l->family), &l->found) <
	    0)
		return false;
	l->got = true;
	job_ready(&l->job);
	return true;
}

/* Where the current server is. 0 or -errno */
static int server_addr(struct lookup *l, const struct dns_server *s,
		       struct addr *to)
{
	struct addr list[SYSCONF_SERVERS];

	if (s->kind != SERVER_SYSTEM) {
		*to = s->addr;
		return 0;
	}
	l->nameserver_count =
		sysconf_servers(&l->dns->sys, l->room->worker->now_ms, list);
	if (l->nameserver >= l->nameserver_count)
		return -ENOENT;
	*to = list[l->nameserver];
	return 0;
}

static uint32_t timeout_of(const struct lookup *l, const struct dns_server *s)
{
	uint32_t ms = s->timeout_ms;

	if (s->kind == SERVER_SYSTEM && l->nameserver_count > 1) {
		ms /= l->nameserver_count;
		if (ms < STRAIGHT_MIN_MS)
			ms = STRAIGHT_MIN_MS;
	}
	return ms;
}

/* Ask the current server, by TCP when @tcp. 0 or -errno */
static int lookup_ask(struct lookup *l, bool tcp)
{
	const struct dns_server *s = server_at(l);
	bool straight = s->kind == SERVER_SYSTEM || s->kind == SERVER_TCP_LOCAL;
	struct upstream *u = &l->up;
	uint32_t ms;
	ssize_t n;
	int err;

	upstream_close(u);
	err = server_addr(l, s, &u->to);
	if (err)
		return err;
	rand_bytes(&l->id, sizeof(l->id));
	n = dns_query_encode(u->query + 2, DNS_QUERY_MAX, l->id, l->name,
			     type_of(l->family), l->edns ? DNS_UDP_EDNS : 0,
			     s->subnet.kind && l->edns ? &s->subnet : NULL);
	if (n < 0)
		return (int)n;
	u->query_len = (size_t)n + 2;
	u->worker = l->room->worker;
	u->job = &l->job;
	u->answer = found_put;
	u->tcp = tcp || s->kind == SERVER_TCP || s->kind == SERVER_TCP_LOCAL;
	l->got = false;
	ms = timeout_of(l, s);
	l->resend_ms = u->tcp ? 0 : ms - ms / RESEND_PART;
	timer_set(&u->worker->wheel, &l->timer,
		  l->resend_ms ? ms / RESEND_PART : ms);
	return upstream_open(u, straight ? NULL : s->inbound);
}

/* What is known of the current server's answer. CACHE_STALE: ask all the same */
static enum cache_found lookup_known(struct lookup *l,
				     const struct dns_server *s,
				     struct dns_outcome *o)
{
	struct dns_key k = { s->index, l->family, l->name };
	uint8_t kind = l->family == DNS_V4 ? ADDR_V4 : ADDR_V6;
	struct addr ips[DNS_MAX_IPS];
	int n, i;

	if (s->kind == SERVER_SYSTEM) {
		n = sysconf_hosts(&l->dns->sys, l->room->worker->now_ms,
				  l->name, kind, ips, DNS_MAX_IPS);
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
	return dns_cache_get(&l->dns->cache, &k, now_s(), s->serve_stale,
			     s->stale_s, o);
}

/*
 * From the current server on, until one is asked (-EAGAIN) or there is a result
 * in @l->last (0)
 */
static int lookup_next(struct lookup *l)
{
	for (; l->at < l->order_count; l->at++, l->nameserver = 0) {
		const struct dns_server *s = server_at(l);
		struct dns_outcome o;
		enum cache_found known;

		if (!(s->families & l->family))
			continue;
		if (s->kind == SERVER_FAKE) {
			l->last = (struct dns_outcome){ .fake = true };
			return 0;
		}
		known = lookup_known(l, s, &o);
		if (known == CACHE_HIT && outcome_final(&o, l->family, false)) {
			log_lookup(l->cfg, s->name, "cache HIT:", l->name, &o,
				   -1);
			l->last = o;
			return 0;
		}
		if (known == CACHE_HIT) { /* it said no a moment ago */
			last_keep(l, &o);
			continue;
		}
		if (known == CACHE_STALE) {
			l->stale = true;
			l->last = o;
		}
		l->edns = true;
		l->asked_ms = l->room->worker->now_ms;
		o = (struct dns_outcome){ .rc = lookup_ask(l, false) };
		if (!o.rc)
			return -EAGAIN;
		last_keep(l, &o);
	}
	return 0;
}

static void lookup_go(struct lookup *l)
{
	if (lookup_next(l) == 0)
		lookup_finish(l, &l->last);
}

/* The server did not help (@err) or not enough (@o): what next */
static void lookup_fail(struct lookup *l, int err)
{
	const struct dns_server *s = server_at(l);
	struct dns_outcome o = { .rc = err };

	upstream_close(&l->up);
	log_lookup(l->cfg, s->name, "got answer:", l->name, &o,
		   (int)(l->room->worker->now_ms - l->asked_ms));
	log_debug("dns: %s: %s: %s", s->name, l->name, strerror(-err));
	last_keep(l, &o);
	if (s->kind == SERVER_SYSTEM && ++l->nameserver < l->nameserver_count &&
	    !lookup_ask(l, false))
		return;
	l->at++;
	l->nameserver = 0;
	lookup_go(l);
}

static void lookup_answer(struct lookup *l)
{
	const struct dns_server *s = server_at(l);
	struct dns_key k = { s->index, l->family, l->name };
	struct dns_outcome o;
	bool refused;
	int err = 0;

	if (l->found.truncated && !l->up.tcp)
		err = lookup_ask(l, true);
	else if (l->edns && (l->found.rcode == DNS_FORMERR ||
			     l->found.rcode == DNS_NOTIMP)) {
		l->edns = false;
		err = lookup_ask(l, l->up.tcp);
	} else {
		goto answer;
	}
	if (err)
		lookup_fail(l, err);
	return;
answer:
	upstream_close(&l->up);
	found_outcome(l, &o, &refused);
	log_lookup(l->cfg, s->name, "got answer:", l->name, &o,
		   (int)(l->room->worker->now_ms - l->asked_ms));
	if (!s->cache_off && !refused)
		dns_cache_put(&l->dns->cache, &k, now_s(), &o);
	if (outcome_final(&o, l->family, refused)) {
		lookup_finish(l, &o);
		return;
	}
	last_keep(l, &o);
	l->at++;
	l->nameserver = 0;
	lookup_go(l);
}

static void lookup_run(struct job *j)
{
	struct lookup *l = container_of(j, struct lookup, job);

	if (l->done)
		return;
	if (!l->got)
		upstream_run(&l->up);
	if (l->got)
		lookup_answer(l);
	else if (l->up.err)
		lookup_fail(l, l->up.err);
	else if (l->timed_out)
		lookup_fail(l, -ETIMEDOUT);
	l->timed_out = false;
}

static void lookup_timer(struct timer *t)
{
	struct lookup *l = container_of(t, struct lookup, timer);

	if (l->resend_ms) {
		timer_set(&l->room->worker->wheel, t, l->resend_ms);
		l->resend_ms = 0;
		upstream_again(&l->up);
		return;
	}
	l->timed_out = true;
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

		if (l->hash == hash && l->dns == dns && l->family == family &&
		    l->flags == flags && !strcmp(l->name, name))
			return l;
	}
	return NULL;
}

static struct lookup *lookup_new(struct dns_room *r, struct config *cfg,
				 const char *name, uint8_t family,
				 uint8_t flags)
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
	l->dns = cfg->dns;
	l->family = family;
	l->flags = flags;
	l->last.rc = -ENOENT;
	l->hash = lookup_hash(cfg->dns, name);
	memcpy(l->name, name, strlen(name) + 1);
	list_init(&l->waiters);
	timer_init(&l->timer, lookup_timer);
	list_add_tail(&r->buckets[l->hash % BUCKETS], &l->node);
	r->count++;
	if (flags & RESOLVE_SYSTEM) {
		l->order[0] = DNS_SERVERS_MAX;
		l->order_count = 1;
	} else {
		l->order_count = servers_order(l->dns, name,
					       flags & RESOLVE_FAKE, l->order);
	}
	return l;
}

/* A new lookup as far as it goes at once */
static int lookup_start(struct lookup *l, struct waiter *wt,
			struct dns_outcome *out)
{
	int rc = lookup_next(l);

	if (rc == 0) {
		*out = l->last;
		lookup_finish(l, &l->last);
		return 0;
	}
	if (l->stale) { /* the refresh goes on without the asker */
		*out = l->last;
		log_lookup(l->cfg, server_at(l)->name,
			   "cache OPTIMISTE:", l->name, out, -1);
		return 0;
	}
	wt->lookup = l;
	list_add_tail(&l->waiters, &wt->node);
	return -EAGAIN;
}

int resolve(struct worker *w, struct config *cfg, const char *name,
	    struct waiter *wt, struct dns_outcome *out)
{
	uint8_t family = wt->family, flags = wt->flags;
	struct dns_room *r;
	struct lookup *l;
	char now[256];

	wt->lookup = NULL;
	list_init(&wt->node);
	if (dns_worker_start(w) < 0)
		return -ENOMEM;
	r = w->rooms[ROOM_DNS];
	if (!*name || strlen(name) > 253)
		return -EINVAL;
	memcpy(now, name, strlen(name) + 1);
	if (!(flags & RESOLVE_SYSTEM) &&
	    hosts_find(cfg->dns, now, family, out) == HOSTS_YES)
		return 0;
	if (!(flags & RESOLVE_SYSTEM) && !(cfg->dns->families & family)) {
		*out = (struct dns_outcome){ 0 };
		return 0;
	}
	l = lookup_find(r, cfg->dns, now, family, flags,
			lookup_hash(cfg->dns, now));
	if (l && !l->stale) {
		wt->lookup = l;
		list_add_tail(&l->waiters, &wt->node);
		return -EAGAIN;
	}
	if (l) { /* being refreshed: the old answer is still good enough */
		*out = l->last;
		return 0;
	}
	l = lookup_new(r, cfg, now, family, flags);
	return l ? lookup_start(l, wt, out) : -ENOBUFS;
}

void waiter_cancel(struct waiter *wt)
{
	if (!wt->lookup)
		return;
	list_del(&wt->node);
	wt->lookup = NULL; /* the lookup goes on: its answer is for the cache */
}
