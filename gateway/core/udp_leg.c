/*
 * udp_leg.c - Legs: one dgram of one outbound, shared by flows of a map
 *
 * A reply is attributed by the peer it comes from. So no two flows of a leg
 * have the same peer. Where the far end resolves names, a reply carries an
 * address nobody here knows: a leg has one name flow a port, and what comes
 * from an unknown peer of that port is its reply.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/base/hash.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/udp_int.h"

static uint32_t peer_hash(const struct udp_leg *l, const struct addr *peer)
{
	return addr_hash(peer, hash_mix((uintptr_t)l) ^ rand_key());
}

static struct udp_flow *leg_flow(const struct udp_leg *l,
				 const struct addr *peer)
{
	struct hnode *n;
	struct udp_flow *f;
	uint32_t h = peer_hash(l, peer);

	htab_each(n, &l->map->room->peers, h)
	{
		f = container_of(n, struct udp_flow, by_peer);
		if (f->leg == l && addr_eq(&f->peer, peer))
			return f;
	}
	return NULL;
}

/* The flow whose peer is a name with this port */
static struct udp_flow *leg_name_flow(const struct udp_leg *l, uint16_t port)
{
	struct list *p;

	list_for_each (p, &l->flows) {
		struct udp_flow *f = container_of(p, struct udp_flow, in_leg);

		if (f->peer.kind == ADDR_NAME && f->peer.port == port)
			return f;
	}
	return NULL;
}

/* Replies from @peer could not be taken for another flow's */
static bool leg_fits(const struct udp_leg *l, const struct udp_flow *f,
		     const struct addr *peer)
{
	if (l->dead || l->outbound != f->session->outbound ||
	    l->kind != outbound_leg_kind(l->outbound, f->session))
		return false;
	if (leg_flow(l, peer))
		return false;
	if (peer->kind == ADDR_NAME && leg_name_flow(l, peer->port))
		return false;
	return true;
}

static void leg_join(struct udp_leg *l, struct udp_flow *f,
		     const struct addr *peer)
{
	f->leg = l;
	f->peer = *peer;
	list_add_tail(&l->flows, &f->in_leg);
	htab_put(&l->map->room->peers, &f->by_peer, peer_hash(l, peer));
}

/* Too many legs: those of the one opened first end */
static void leg_evict(struct udp_map *m)
{
	struct list *p;

	list_for_each (p, &m->legs) {
		struct udp_leg *l = container_of(p, struct udp_leg, node);

		if (l->dead)
			continue;
		worker_drop(m->job.worker, DROP_UDP_LIMIT);
		udp_leg_fail(l, -ENOBUFS);
		return;
	}
}

static int leg_new(struct udp_flow *f, struct udp_leg **out)
{
	struct session *s = f->session;
	struct udp_map *m = f->map;
	struct udp_leg *l;
	int rc;

	if (!f->retried && worker_fds_short(m->job.worker))
		return -EMFILE;
	if (m->leg_count >= UDP_LEGS_MAP)
		leg_evict(m);
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->kind = outbound_leg_kind(s->outbound, s);
	rc = outbound_open_dgram(s->outbound, m, s, &l->d);
	if (rc) {
		free(l);
		return rc;
	}
	l->map = m;
	l->outbound = s->outbound;
	l->cfg = config_ref(s->cfg);
	list_init(&l->flows);
	list_add_tail(&m->legs, &l->node);
	m->leg_count++;
	*out = l;
	return 0;
}

int udp_leg_find(struct udp_flow *f, const struct addr *peer)
{
	struct udp_leg *l;
	struct list *p;
	int rc;

	list_for_each (p, &f->map->legs) {
		l = container_of(p, struct udp_leg, node);
		if (leg_fits(l, f, peer)) {
			leg_join(l, f, peer);
			return 0;
		}
	}
	rc = leg_new(f, &l);
	if (!rc)
		leg_join(l, f, peer);
	return rc;
}

/* Called in the reaper only: the leg is on no call stack */
void udp_leg_leave(struct udp_flow *f)
{
	struct udp_leg *l = f->leg;

	if (!l)
		return;
	f->leg = NULL;
	htab_del(&l->map->room->peers, &f->by_peer);
	list_del(&f->in_leg);
	if (!list_empty(&l->flows))
		return;
	list_del(&l->node);
	if (!l->dead)
		l->map->leg_count--;
	l->d->ops->close(l->d);
	config_unref(l->cfg);
	free(l);
}

/* Final error: the sessions of this leg end, the next packet makes a new one */
void udp_leg_fail(struct udp_leg *l, int err)
{
	struct list *p;

	if (l->dead)
		return;
	l->dead = true;
	l->map->leg_count--;
	list_for_each (p, &l->flows) {
		struct udp_flow *f = container_of(p, struct udp_flow, in_leg);

		udp_flow_detach(f);
		if (f->session)
			ses_kill(f->session, err, 1);
	}
}

int udp_leg_send(struct udp_leg *l, struct pkt *v, int n)
{
	int rc;

	if (l->dead)
		return -EPIPE;
	rc = l->d->ops->send(l->d, v, n);
	if (rc == -EAGAIN)
		l->blocked = true;
	else if (rc < 0)
		udp_leg_fail(l, rc);
	return rc;
}

void udp_leg_flush(struct udp_leg *l)
{
	struct list *p;

	l->blocked = false;
	list_for_each (p, &l->flows) {
		udp_flow_flush(container_of(p, struct udp_flow, in_leg));
		if (l->blocked || l->dead)
			return;
	}
}

/* Whose bytes are those of an unknown remote: of any flow that is alive */
static struct udp_flow *leg_any_flow(const struct udp_leg *l)
{
	struct list *p;

	list_for_each (p, &l->flows) {
		struct udp_flow *f = container_of(p, struct udp_flow, in_leg);

		if (!f->gone && f->session && f->session->state != SES_DYING)
			return f;
	}
	return NULL;
}

/*
 * Put the address the client knows into the reply's @peer. Return: the flow it
 * counts for; NULL: nobody waits for it any more
 */
static struct udp_flow *leg_attribute(struct udp_leg *l, struct addr *peer)
{
	struct udp_flow *f = leg_flow(l, peer);

	if (!f && !l->outbound->ops->local)
		f = leg_name_flow(l, peer->port);
	if (!f)
		return leg_any_flow(l);
	if (f->gone || !f->session || f->session->state == SES_DYING)
		return NULL;
	*peer = f->dest;
	f->answered = true;
	return f;
}

static void leg_count(struct udp_flow *f, size_t bytes)
{
	struct session *s = f->session;
	struct worker *w = s->job.worker;

	if (!s->first_byte_seen) {
		s->first_byte_seen = true;
		s->first_byte_ms = w->now_ms;
	}
	s->half[DOWN].total += bytes;
	count_add(&w->moved[DOWN], bytes);
	stat_add(s->inbound->stat_down, w->index, bytes);
	stat_add(s->outbound->stat_down, w->index, bytes);
	stat_add(s->stat_user[DOWN], w->index, bytes);
	ses_active(s);
}

static void leg_deliver(struct udp_leg *l, struct pkt *v, int n)
{
	struct dgram *din = l->map->din;
	struct udp_flow *f;
	int i, k = 0, rc;

	for (i = 0; i < n; i++) {
		struct pkt p = v[i];

		f = leg_attribute(l, &p.peer);
		if (!f)
			continue;
		leg_count(f, p.len);
		v[k++] = p;
	}
	for (i = 0; i < k; i += rc) {
		rc = din->ops->send(din, v + i, k - i);
		if (rc > 0)
			continue;
		worker_drops(l->map->room->worker, DROP_UDP_SEND,
			     (uint64_t)(k - i));
		if (rc < 0 && rc != -EAGAIN)
			udp_map_kill(l->map, rc);
		return;
	}
}

bool udp_leg_read(struct udp_leg *l)
{
	struct pkt v[DGRAM_BATCH];
	int i, n;

	for (i = 0; i < UDP_TURN_BATCHES; i++) {
		n = l->d->ops->recv(l->d, v, DGRAM_BATCH);
		if (n == -EAGAIN)
			return false;
		if (n <= 0) {
			udp_leg_fail(l, n ? n : -ECONNRESET);
			return false;
		}
		udp_map_touch(l->map);
		leg_deliver(l, v, n);
		if (l->map->dead || l->dead)
			return false;
	}
	return true;
}
