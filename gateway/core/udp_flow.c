/*
 * udp_flow.c - Flows: one destination of one client address and port
 *
 *   new -> (session sniffs and routes; packets wait) -> udp_flow_open -> leg
 *       \-> udp_flow_reject: refused for a while, packets answered by ICMP
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/base/hash.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/session.h"
#include "gateway/core/target.h"
#include "gateway/core/udp_int.h"

static uint32_t dest_hash(const struct udp_map *m, const struct addr *dest)
{
	return addr_hash(dest, hash_mix((uintptr_t)m) ^ rand_key());
}

/* Its session goes on (or its refusal is remembered) */
static bool flow_alive(const struct udp_flow *f)
{
	if (f->gone)
		return false;
	return f->refused || (f->session && f->session->state != SES_DYING);
}

/* Its session goes on, but by a configuration that is not in force any more */
static bool flow_stale(const struct udp_flow *f)
{
	const struct session *s = f->session;

	return s && s->outbound && s->outbound->ops->answers &&
	       s->cfg != s->job.worker->cfg;
}

static void flow_end(struct udp_flow *f, int why)
{
	udp_flow_detach(f);
	if (f->session)
		ses_kill(f->session, why, 2);
	else
		udp_flow_free(f);
}

struct udp_flow *udp_flow_find(struct udp_map *m, const struct addr *dest)
{
	uint32_t h = dest_hash(m, dest);
	struct udp_flow *f;
	struct hnode *n;

	htab_each(n, &m->room->flows, h)
	{
		f = container_of(n, struct udp_flow, by_dest);
		if (f->map != m || !addr_eq(&f->dest, dest))
			continue;
		if (flow_alive(f) && !flow_stale(f))
			return f;
		if (flow_alive(f))
			flow_end(f, 0);
		else
			udp_flow_detach(f);
		return NULL;
	}
	return NULL;
}

static void flow_touch(struct udp_flow *f)
{
	list_del(&f->lru);
	list_add_tail(&f->map->room->lru, &f->lru);
	list_del(&f->in_map);
	list_add_tail(&f->map->flows, &f->in_map);
}

static void wait_free(struct udp_flow *f)
{
	struct udp_wait *x, *next;

	for (x = f->head; x; x = next) {
		next = x->next;
		free(x);
	}
	f->map->room->wait_bytes -= f->wait_bytes;
	f->head = NULL;
	f->tail = &f->head;
	f->waiting = 0;
	f->wait_bytes = 0;
}

/* Memory of one that waits; an empty one takes some, too */
static size_t wait_cost(size_t len)
{
	return sizeof(struct udp_wait) + len;
}

/* Take the packet at @p out of the queue */
static void wait_drop(struct udp_flow *f, struct udp_wait **p)
{
	struct udp_wait *x = *p;

	*p = x->next;
	if (f->tail == &x->next)
		f->tail = p;
	f->waiting--;
	f->wait_bytes -= wait_cost(x->len);
	f->map->room->wait_bytes -= wait_cost(x->len);
	free(x);
}

/* Oldest first, but before the decision the sniffer needs the first ones */
static void wait_drop_oldest(struct udp_flow *f)
{
	struct udp_wait **p = &f->head;
	unsigned int i, keep = f->leg ? 0 : SNIFF_DGRAMS;

	for (i = 0; i < keep && (*p)->next; i++)
		p = &(*p)->next;
	wait_drop(f, p);
	worker_drop(f->map->job.worker, DROP_UDP_QUEUE);
}

static void wait_add(struct udp_flow *f, const struct pkt *v)
{
	struct udp_room *r = f->map->room;
	size_t cost = wait_cost(v->len);
	struct udp_wait *x;

	while (f->head && (f->waiting >= UDP_WAIT_PKTS ||
			   f->wait_bytes + cost > UDP_WAIT_BYTES ||
			   r->wait_bytes + cost > UDP_WAIT_ALL_BYTES))
		wait_drop_oldest(f);
	if (r->wait_bytes + cost > UDP_WAIT_ALL_BYTES) {
		worker_drop(r->worker, DROP_UDP_QUEUE);
		return;
	}
	x = malloc(cost);
	if (!x) {
		worker_drop(r->worker, DROP_NO_MEMORY);
		return;
	}
	x->next = NULL;
	x->len = v->len;
	if (v->len)
		memcpy(x->data, v->data, v->len);
	*f->tail = x;
	f->tail = &x->next;
	f->waiting++;
	f->wait_bytes += cost;
	r->wait_bytes += cost;
}

/* Make place for one more: in all, in the map, among the sessions */
static void flow_evict(struct udp_map *m)
{
	struct udp_room *r = m->room;
	struct worker *w = r->worker;
	struct list *p;

	if ((r->flow_count >= udp_flows_max(r) ||
	     w->session_count >= w->session_limit) &&
	    !list_empty(&r->lru)) {
		worker_drop(w, DROP_UDP_LIMIT);
		flow_end(list_first(&r->lru, struct udp_flow, lru), -ENOBUFS);
	}
	if (m->flow_count < UDP_FLOWS_MAP)
		return;
	list_for_each (p, &m->flows) {
		struct udp_flow *f = container_of(p, struct udp_flow, in_map);

		if (f->gone)
			continue;
		worker_drop(w, DROP_UDP_LIMIT);
		flow_end(f, -ENOBUFS);
		return;
	}
}

static void flow_timer(struct timer *t)
{
	struct udp_flow *f = container_of(t, struct udp_flow, timer);

	if (!f->session) {
		udp_flow_free(f); /* the refusal is forgotten */
		return;
	}
	f->late = true;
	job_ready(&f->session->job);
}

static struct udp_flow *flow_alloc(struct udp_map *m, const struct addr *dest)
{
	struct udp_flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->dest = *dest;
	if (dest->kind == ADDR_NAME) {
		f->name = strndup(dest->name, dest->len);
		if (!f->name) {
			free(f);
			return NULL;
		}
		f->dest.name = f->name;
	}
	f->map = m;
	f->tail = &f->head;
	list_init(&f->in_leg);
	timer_init(&f->timer, flow_timer);
	list_add_tail(&m->flows, &f->in_map);
	list_add_tail(&m->room->lru, &f->lru);
	htab_put(&m->room->flows, &f->by_dest, dest_hash(m, dest));
	m->flow_count++;
	m->room->flow_count++;
	return f;
}

struct udp_flow *udp_flow_new(struct udp_map *m, const struct addr *dest)
{
	struct udp_flow *f;
	struct session *s;

	flow_evict(m);
	f = flow_alloc(m, dest);
	if (!f)
		return NULL;
	s = ses_new(m->job.worker, m->inbound, NET_UDP, NULL);
	if (!s) {
		udp_flow_free(f);
		return NULL;
	}
	s->source = m->client;
	s->orig = f->dest;
	s->target = f->dest;
	s->user = m->user;
	s->policy = m->policy;
	s->skip_dns = m->skip_dns;
	s->vless_route = m->vless_route;
	s->map = m;
	s->flow = f;
	f->session = s;
	ses_start(s);
	return f;
}

void udp_flow_detach(struct udp_flow *f)
{
	struct udp_map *m = f->map;

	if (f->gone)
		return;
	f->gone = true;
	htab_del(&m->room->flows, &f->by_dest);
	list_del(&f->lru);
	timer_cancel(&f->timer);
	m->room->flow_count--;
	if (--m->flow_count == 0)
		udp_map_flowless(m);
}

void udp_flow_free(struct udp_flow *f)
{
	udp_flow_detach(f);
	udp_leg_leave(f);
	wait_free(f);
	list_del(&f->in_map);
	free(f->name);
	free(f);
}

/* Send to the leg until it is full: how many were taken */
static int flow_send(struct udp_flow *f, struct pkt *v, int n)
{
	struct session *s = f->session;
	size_t bytes = 0;
	int i, k, done = 0;

	for (i = 0; i < n; i++)
		v[i].peer = f->peer;
	while (done < n) {
		k = udp_leg_send(f->leg, v + done, n - done);
		if (k <= 0)
			break;
		for (i = done; i < done + k; i++)
			bytes += v[i].len;
		done += k;
	}
	if (!done)
		return 0;
	s->half[UP].total += bytes;
	count_add(&s->job.worker->moved[UP], bytes);
	stat_add(s->inbound->stat_up, s->job.worker->index, bytes);
	stat_add(s->outbound->stat_up, s->job.worker->index, bytes);
	stat_add(s->stat_user[UP], s->job.worker->index, bytes);
	ses_active(s);
	return done;
}

void udp_flow_flush(struct udp_flow *f)
{
	struct pkt v[DGRAM_BATCH];
	struct udp_wait *x;
	int i, n, done;

	while (f->head && f->leg && !f->leg->blocked && !f->leg->dead &&
	       flow_alive(f)) {
		n = 0;
		for (x = f->head; x && n < DGRAM_BATCH; x = x->next, n++) {
			v[n].data = x->data;
			v[n].len = x->len;
		}
		done = flow_send(f, v, n);
		for (i = 0; i < done; i++)
			wait_drop(f, &f->head);
		if (done < n)
			return;
	}
}

void udp_flow_put(struct udp_flow *f, struct pkt *v, int n)
{
	struct udp_map *m = f->map;
	int i = 0;

	flow_touch(f);
	if (f->refused) {
		if (m->din->ops->reject)
			m->din->ops->reject(m->din, &f->dest);
		return;
	}
	if (f->leg && !f->head && !f->leg->blocked)
		i = flow_send(f, v, n);
	for (; i < n && flow_alive(f); i++)
		wait_add(f, &v[i]);
	if (!f->leg)
		job_ready(&f->session->job);
}

int udp_flow_pending(const struct session *s, struct iovec *v, int max)
{
	struct udp_wait *x;
	int n = 0;

	if (!s->flow)
		return 0;
	for (x = s->flow->head; x && n < max; x = x->next, n++) {
		v[n].iov_base = x->data;
		v[n].iov_len = x->len;
	}
	return n;
}

/* What a domain strategy means: families to ask for, and which goes first */
struct families {
	uint8_t ask;
	uint8_t first; /* enum addr_kind; ADDR_NONE: as the original destination */
};

static const struct families families[] = {
	[DS_AS_IS] = { DNS_V4 | DNS_V6, ADDR_NONE },
	[DS_USE_IP] = { DNS_V4 | DNS_V6, ADDR_NONE },
	[DS_USE_IPV4] = { DNS_V4, ADDR_V4 },
	[DS_USE_IPV6] = { DNS_V6, ADDR_V6 },
	[DS_USE_IPV4V6] = { DNS_V4 | DNS_V6, ADDR_V4 },
	[DS_USE_IPV6V4] = { DNS_V4 | DNS_V6, ADDR_V6 },
	[DS_FORCE_IP] = { DNS_V4 | DNS_V6, ADDR_NONE },
	[DS_FORCE_IPV4] = { DNS_V4, ADDR_V4 },
	[DS_FORCE_IPV6] = { DNS_V6, ADDR_V6 },
	[DS_FORCE_IPV4V6] = { DNS_V4 | DNS_V6, ADDR_V4 },
	[DS_FORCE_IPV6V4] = { DNS_V4 | DNS_V6, ADDR_V6 },
};

static uint8_t flow_strategy(const struct session *s)
{
	uint8_t ds = s->outbound->target_strategy;

	if (ds == DS_AS_IS)
		ds = s->outbound->sockopt.domain_strategy;
	return ds < ARRAY_SIZE(families) ? ds : DS_AS_IS;
}

static void flow_dns_done(struct session *s)
{
	dns_cancel(s->dns);
	free(s->dns);
	s->dns = NULL;
}

/* The outbound's own rules let datagrams go to @to */
static bool flow_may_reach(const struct udp_flow *f, const struct addr *to)
{
	const struct outbound *ob = f->session->outbound;
	struct reach r = ses_reach(f->session);

	/* in mux it goes to who takes that apart */
	return ob->wrap || ses_may_reach(NULL, ob, &r, to);
}

/* Best answer so far, of family @first if there is one; -EAGAIN: wait for it */
static int flow_pick(struct udp_flow *f, const struct dns_req *r, uint8_t first,
		     struct addr *peer)
{
	unsigned int bit = first == ADDR_V6 ? DNS_V6 : DNS_V4;
	uint16_t port = f->session->target.port;
	struct addr any = { .kind = ADDR_NONE }, a;
	int i;

	for (i = 0; i < r->count; i++) {
		a = dns_ip_addr(&r->ips[i], port);
		if (!flow_may_reach(f, &a))
			continue;
		if (any.kind != first)
			any = a;
	}
	if (any.kind == first) {
		*peer = any;
		return 0;
	}
	if ((r->pending & bit) && !f->late) {
		if (!timer_armed(&f->timer))
			timer_set(&f->session->job.worker->wheel, &f->timer,
				  UDP_FAMILY_WAIT_MS);
		return -EAGAIN;
	}
	if (any.kind == ADDR_NONE)
		return r->count ? -EFORBIDDEN : -ENOENT;
	*peer = any;
	return 0;
}

/* The target's name becomes an address. 0, -EAGAIN, -errno */
static int flow_resolve(struct udp_flow *f, struct addr *peer)
{
	struct session *s = f->session;
	uint8_t ds = flow_strategy(s);
	uint8_t first = families[ds].first;
	int rc;

	if (!first)
		first = s->orig.kind == ADDR_V6 ? ADDR_V6 : ADDR_V4;
	if (!s->dns) {
		s->dns = calloc(1, sizeof(*s->dns));
		if (!s->dns)
			return -ENOMEM;
		rc = dns_ask(s->job.worker, s->cfg, s->dns, &s->job,
			     s->target.name, families[ds].ask,
			     ds == DS_AS_IS ? DNS_SYSTEM : 0);
	} else {
		rc = s->dns->rc;
	}
	if (!rc)
		rc = flow_pick(f, s->dns, first, peer);
	if (rc != -EAGAIN) {
		timer_cancel(&f->timer);
		flow_dns_done(s);
	}
	return rc;
}

int udp_flow_open(struct session *s)
{
	struct udp_flow *f = s->flow;
	struct addr peer;
	int rc;

	if (!f || f->gone || f->map->dead)
		return -ECANCELED;
	if (f->leg)
		return 0;
	rc = outbound_leg_kind(s->outbound, s);
	if (rc < 0)
		return rc;
	rc = target_resolve(s);
	if (rc)
		return rc;
	peer = s->target;
	if (s->outbound->ops->local && peer.kind == ADDR_NAME) {
		rc = flow_resolve(f, &peer);
		if (rc)
			return rc;
	} else if (!flow_may_reach(f, &peer)) {
		return -EFORBIDDEN;
	}
	rc = udp_leg_find(f, &peer);
	if ((rc == -EMFILE || rc == -ENFILE) && !f->retried) {
		f->retried = true;
		if (udp_evict_map(f->map->room, f->map)) {
			/* its descriptors come back at the end of this tick */
			job_ready(&s->job);
			return -EAGAIN;
		}
		rc = udp_leg_find(f, &peer);
	}
	if (rc)
		return rc;
	ses_active(s);
	udp_flow_flush(f);
	job_ready(&f->map->job); /* to read the leg and set its wants */
	return 0;
}

void udp_flow_reject(struct session *s)
{
	struct udp_flow *f = s->flow;

	if (!f)
		return;
	f->refused = true;
	if (!f->map->dead && f->map->din->ops->reject)
		f->map->din->ops->reject(f->map->din, &f->dest);
}

void udp_flow_close(struct session *s)
{
	struct udp_flow *f = s->flow;

	if (!f)
		return;
	s->flow = NULL;
	f->session = NULL;
	if (!f->refused || f->gone) {
		udp_flow_free(f);
		return;
	}
	udp_leg_leave(f);
	wait_free(f);
	timer_set(&f->map->room->worker->wheel, &f->timer, UDP_BLOCK_MS);
}

uint32_t udp_flow_idle_ms(const struct session *s)
{
	const struct policy *p = s->policy ? s->policy : s->inbound->policy;
	uint32_t idle = p ? p->idle_ms : POLICY_DEFAULT.idle_ms;

	switch (s->orig.port) {
	case 53:
		return UDP_DNS_IDLE_MS;
	case 443:
		return s->flow && s->flow->answered ? UDP_QUIC_IDLE_MS :
						      UDP_QUIC_FIRST_MS;
	default:
		return idle;
	}
}
