/*
 * udp.c - Maps: birth, the turn of a map's job, eviction, death
 *
 *   din --recv--> flow of the destination --send--> leg --> remote
 *   din <-send--- source put back        <--recv--- leg <-- remote
 *
 * A map has one job; its inbound end and all its legs mark it ready.
 */
#include "gateway/core/udp.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/udp_int.h"

static uint32_t source_hash(const struct addr *host)
{
	return addr_hash(host, rand_key());
}

static struct udp_source *source_get(struct udp_room *r,
				     const struct addr *client)
{
	struct addr host = *client;
	struct udp_source *s;
	struct hnode *n;
	uint32_t h;

	host.port = 0;
	h = source_hash(&host);
	htab_each(n, &r->sources, h)
	{
		s = container_of(n, struct udp_source, node);
		if (addr_eq(&s->host, &host))
			return s;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->host = host;
	list_init(&s->maps);
	htab_put(&r->sources, &s->node, h);
	return s;
}

static void source_put(struct udp_room *r, struct udp_source *s)
{
	if (s->count)
		return;
	htab_del(&r->sources, &s->node);
	free(s);
}

/* The map was used: last to be evicted */
void udp_map_touch(struct udp_map *m)
{
	list_del(&m->node);
	list_add_tail(&m->job.worker->maps, &m->node);
	list_del(&m->in_source);
	list_add_tail(&m->source->maps, &m->in_source);
}

/* No flow is left: end it soon, unless the inbound holds it */
void udp_map_flowless(struct udp_map *m)
{
	if (!m->dead && !m->held)
		timer_set(&m->job.worker->wheel, &m->timer, UDP_LINGER_MS);
}

static void map_timer(struct timer *t)
{
	struct udp_map *m = container_of(t, struct udp_map, timer);

	if (!m->flow_count && !m->held)
		udp_map_kill(m, 0);
}

/* End the least recently used map but @not_this; false: there is none */
bool udp_evict_map(struct udp_room *r, const struct udp_map *not_this)
{
	struct list *l = &r->worker->maps;
	struct udp_map *m;

	if (list_empty(l))
		return false;
	m = list_first(l, struct udp_map, node);
	if (m == not_this) {
		if (m->node.next == l)
			return false;
		m = list_first(&m->node, struct udp_map, node);
	}
	worker_drop(r->worker, DROP_UDP_LIMIT);
	udp_map_kill(m, -ENOBUFS);
	return true;
}

static void source_evict(struct udp_room *r, struct udp_source *s)
{
	struct udp_map *m = list_first(&s->maps, struct udp_map, in_source);

	worker_drop(r->worker, DROP_UDP_LIMIT);
	udp_map_kill(m, -ENOBUFS);
}

/* Packets of @v up to the first with another destination than v[0] */
static int run_length(const struct pkt *v, int n)
{
	int k = 1;

	while (k < n && addr_eq(&v[k].peer, &v[0].peer))
		k++;
	return k;
}

static void map_put(struct udp_map *m, struct pkt *v, int n)
{
	struct udp_flow *f;
	int k;

	for (; n > 0; v += k, n -= k) {
		k = run_length(v, n);
		f = udp_flow_find(m, &v->peer);
		if (!f)
			f = udp_flow_new(m, &v->peer);
		if (f)
			udp_flow_put(f, v, k);
		if (m->dead)
			return;
	}
}

/* Client to flows. True: budget used up, there is more */
static bool map_read(struct udp_map *m)
{
	struct pkt v[DGRAM_BATCH];
	int i, n;

	for (i = 0; i < UDP_TURN_BATCHES; i++) {
		n = m->din->ops->recv(m->din, v, DGRAM_BATCH);
		if (n == -EAGAIN)
			return false;
		if (n <= 0) {
			udp_map_kill(m, n);
			return false;
		}
		udp_map_touch(m);
		map_put(m, v, n);
		if (m->dead)
			return false;
	}
	return true;
}

static bool map_legs(struct udp_map *m)
{
	struct list *p, *next;
	bool more = false;

	list_for_each_safe (p, next, &m->legs) {
		struct udp_leg *l = container_of(p, struct udp_leg, node);

		if (l->dead)
			continue;
		if (l->blocked)
			udp_leg_flush(l);
		if (!l->dead && udp_leg_read(l))
			more = true;
		if (m->dead)
			return false;
	}
	return more;
}

static void map_want(struct udp_map *m)
{
	struct list *p;

	m->din->ops->want(m->din, ST_READ);
	list_for_each (p, &m->legs) {
		struct udp_leg *l = container_of(p, struct udp_leg, node);

		if (!l->dead)
			l->d->ops->want(l->d,
					ST_READ | (l->blocked ? ST_WRITE : 0));
	}
}

static void map_run(struct job *j)
{
	struct udp_map *m = container_of(j, struct udp_map, job);
	bool more;

	if (m->dead)
		return;
	more = map_read(m);
	if (!m->dead && map_legs(m))
		more = true;
	if (m->dead)
		return;
	map_want(m);
	if (more)
		job_ready(j);
}

static struct udp_map *map_alloc(struct udp_room *r, const struct inbound *ib,
				 const struct addr *client)
{
	struct udp_map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->source = source_get(r, client);
	if (!m->source) {
		free(m);
		return NULL;
	}
	m->room = r;
	m->job.run = map_run;
	m->job.worker = r->worker;
	m->inbound = ib;
	m->cfg = config_ref(r->worker->cfg);
	m->client = *client;
	list_init(&m->flows);
	list_init(&m->legs);
	timer_init(&m->timer, map_timer);
	return m;
}

struct udp_map *udp_map_new(struct worker *w, const struct inbound *ib,
			    const struct addr *client, struct dgram *din)
{
	struct udp_room *r = udp_room(w);
	struct udp_map *m;

	if (!r)
		return NULL;
	if (r->map_count >= r->maps_max || r->map_count >= udp_flows_max(r))
		udp_evict_map(r, NULL);
	m = map_alloc(r, ib, client);
	if (!m)
		return NULL;
	if (m->source->count++ >= r->maps_source_max)
		source_evict(r, m->source);
	m->din = din;
	dgram_set_job(din, &m->job);
	list_add_tail(&w->maps, &m->node);
	list_add_tail(&m->source->maps, &m->in_source);
	r->map_count++;
	timer_set(&w->wheel, &m->timer, UDP_LINGER_MS);
	job_ready(&m->job);
	return m;
}

void udp_map_set(struct udp_map *m, const char *user, bool skip_dns)
{
	m->user = user;
	m->skip_dns = skip_dns;
}

void udp_map_set_cfg(struct udp_map *m, struct config *cfg)
{
	config_ref(cfg);
	config_unref(m->cfg);
	m->cfg = cfg;
}

void udp_map_set_policy(struct udp_map *m, const struct policy *p)
{
	m->policy = p;
}

void udp_map_set_client(struct udp_map *m, const struct addr *client)
{
	m->client = *client;
}

void udp_map_set_vless_route(struct udp_map *m, uint16_t route)
{
	m->vless_route = route;
}

void udp_map_set_relay(struct udp_map *m, const struct addr *relay)
{
	m->relay = *relay;
}

void udp_map_hold(struct udp_map *m, bool held)
{
	m->held = held;
	if (!held && !m->flow_count)
		udp_map_flowless(m);
}

void udp_map_kill(struct udp_map *m, int why)
{
	struct list *p, *next;

	if (m->dead)
		return;
	m->dead = true;
	timer_cancel(&m->timer);
	list_del(&m->node);
	list_add_tail(&m->job.worker->dead_maps, &m->node);
	list_del(&m->in_source);
	m->source->count--;
	source_put(m->room, m->source);
	m->source = NULL;
	m->room->map_count--;
	list_for_each_safe (p, next, &m->flows) {
		struct udp_flow *f = container_of(p, struct udp_flow, in_map);

		udp_flow_detach(f);
		if (f->session)
			ses_kill(f->session, why, 0);
		else
			udp_flow_free(f);
	}
}

struct job *udp_map_job(struct udp_map *m)
{
	return &m->job;
}

struct worker *udp_map_worker(const struct udp_map *m)
{
	return m->job.worker;
}

struct config *udp_map_cfg(const struct udp_map *m)
{
	return m->cfg;
}

const struct addr *udp_map_client(const struct udp_map *m)
{
	return &m->client;
}

const struct addr *udp_map_relay(const struct udp_map *m)
{
	return &m->relay;
}

void udp_reap(struct worker *w)
{
	struct list *p, *next;

	list_for_each_safe (p, next, &w->dead_maps) {
		struct udp_map *m = container_of(p, struct udp_map, node);

		if (!list_empty(&m->flows))
			continue; /* its sessions are reaped first */
		list_del(&m->node);
		m->din->ops->close(m->din);
		job_forget(&m->job);
		config_unref(m->cfg);
		free(m);
	}
}

int udp_worker_start(struct worker *w)
{
	struct udp_room *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->worker = w;
	list_init(&r->lru);
	r->maps_max = UDP_MAPS_MAX;
	r->maps_source_max = UDP_MAPS_SOURCE;
	r->flows_max = UDP_FLOWS_MAX;
	if (htab_init(&r->flows, 64) || htab_init(&r->peers, 64) ||
	    htab_init(&r->sources, 16)) {
		htab_free(&r->flows);
		htab_free(&r->peers);
		free(r);
		return -ENOMEM;
	}
	w->rooms[ROOM_UDP] = r;
	return 0;
}

void udp_worker_stop(struct worker *w)
{
	struct udp_room *r = udp_room(w);

	if (!r)
		return;
	while (!list_empty(&w->maps))
		udp_map_kill(list_first(&w->maps, struct udp_map, node), 0);
	ses_reap(w);
	udp_reap(w);
	htab_free(&r->flows);
	htab_free(&r->peers);
	htab_free(&r->sources);
	free(r);
	w->rooms[ROOM_UDP] = NULL;
}
