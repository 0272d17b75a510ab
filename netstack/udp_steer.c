/*
 * udp_steer.c - All datagrams of one client address:port go to one worker
 *
 * The kernel picks a queue by both ends of a flow, so the datagrams of one
 * client port to two destinations may come to two workers; with two maps they
 * would leave by two outer ports, which is no full cone any more. So a hash of
 * the client's address and port decides, and a worker hands over what is not
 * its own. The kernel learns from the queue of the reply: only the first
 * packets of a flow make this detour. Reassembled datagrams always may.
 * Source: Linux drivers/net/tun.c, tun_flow_update()
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/core/worker.h"
#include "netstack/netstack.h"
#include "netstack/tun.h"
#include "netstack/udp_end.h"

#define STEER_BYTES (4u << 20) /* on their way to one worker, all included */

/**
 * struct steered - One datagram on its way to its worker
 * @device:	Compared only: where the worker's netstack stands
 */
struct steered {
	struct message m; /* must be first */
	const struct tun_device *device;
	struct udp_in in;
	uint8_t data[];
};

static struct udp_table **tables(struct worker *w)
{
	return (struct udp_table **)&w->rooms[ROOM_NETUDP];
}

void udp_steer_add(struct udp_table *t)
{
	struct udp_table **first = tables(udp_table_netstack(t)->worker);

	*udp_table_next(t) = *first;
	*first = t;
}

void udp_steer_del(struct udp_table *t)
{
	struct udp_table **p = tables(udp_table_netstack(t)->worker);

	while (*p && *p != t)
		p = udp_table_next(*p);
	if (*p)
		*p = *udp_table_next(t);
}

static uint32_t steered_cost(const struct steered *s)
{
	return (uint32_t)(sizeof(*s) + s->in.len);
}

/* In the thread of the worker it belongs to */
static void steered_take(struct worker *w, struct message *m)
{
	struct steered *s = container_of(m, struct steered, m);
	struct udp_table *t;

	atomic_fetch_sub_explicit(&w->handed_udp, steered_cost(s),
				  memory_order_relaxed);
	for (t = *tables(w); t; t = *udp_table_next(t)) {
		if (udp_table_netstack(t)->device == s->device) {
			udp_take(t, &s->in);
			break;
		}
	}
	free(s);
}

static void hand_over(struct netstack *ns, struct worker *to,
		      const struct udp_in *in)
{
	struct steered *s;

	if (atomic_load_explicit(&to->handed_udp, memory_order_relaxed) +
		    sizeof(*s) + in->len >
	    STEER_BYTES) {
		worker_drop(ns->worker, DROP_UDP_QUEUE);
		return;
	}
	s = malloc(sizeof(*s) + in->len);
	if (!s) {
		worker_drop(ns->worker, DROP_NO_MEMORY);
		return;
	}
	s->m.fn = steered_take;
	s->device = ns->device;
	s->in = *in;
	s->in.data = s->data;
	if (in->len)
		memcpy(s->data, in->data, in->len);
	atomic_fetch_add_explicit(&to->handed_udp, steered_cost(s),
				  memory_order_relaxed);
	worker_event(ns->worker, EVENT_UDP_MOVED);
	worker_post(to, &s->m);
}

/* By the upper bits: the lower ones are slots of the table of that worker */
static unsigned int owner_of(uint32_t hash, unsigned int queues)
{
	return (unsigned int)((uint64_t)hash * queues >> 32);
}

bool udp_steer(struct netstack *ns, const struct udp_in *in)
{
	unsigned int owner;

	if (!ns->device || ns->device->queues < 2)
		return false;
	owner = owner_of(in->hash, ns->device->queues);
	if (owner == ns->worker->index || owner >= workers_count)
		return false;
	hand_over(ns, workers_all[owner], in);
	return true;
}
