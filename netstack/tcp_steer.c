/*
 * tcp_steer.c - A TCP packet on the queue of a worker that has not its flow
 *
 * The kernel steers by a hash of both ends, and learns from the queue that the
 * replies of a flow leave by: a flow stays where it was born. It moves when that
 * memory is lost (4,096 flows, 3 s of silence) and the hash says otherwise: another
 * number of queues, a steering program, reassembled fragments. Without help lwIP
 * would answer RST.
 *
 *   unknown here -> owners_find() -> message to the owner's worker -> its lwIP
 *                                    -> its answer teaches the kernel
 *
 * One hop only; bytes on their way to one worker are limited.
 * Source: Linux drivers/net/tun.c, tun_automq_select_queue(), tun_flow_update()
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/core/worker.h"
#include "netstack/lw.h"
#include "netstack/netstack.h"
#include "netstack/owners.h"
#include "netstack/tun.h"

#define STEER_BYTES (4u << 20) /* on their way to one worker, all included */

/**
 * struct steered - One packet on its way to its worker
 * @device:	Compared only: where the worker's netstack stands
 * @data:	The whole packet; @p refers to it
 */
struct steered {
	struct message m; /* must be first */
	const struct tun_device *device;
	struct packet p;
	_Alignas(16) uint8_t data[];
};

static struct netstack **stacks(struct worker *w)
{
	return (struct netstack **)&w->rooms[ROOM_NETTCP];
}

void tcp_steer_add(struct netstack *ns)
{
	struct netstack **first = stacks(ns->worker);

	ns->next = *first;
	*first = ns;
}

void tcp_steer_del(struct netstack *ns)
{
	struct netstack **p = stacks(ns->worker);

	while (*p && *p != ns)
		p = &(*p)->next;
	if (*p)
		*p = ns->next;
}

static uint32_t steered_cost(const struct steered *s)
{
	return (uint32_t)sizeof(*s) + s->p.len;
}

/* In the thread of the worker it belongs to */
static void steered_take(struct worker *w, struct message *m)
{
	struct steered *s = container_of(m, struct steered, m);
	struct netstack *ns = *stacks(w);

	atomic_fetch_sub_explicit(&w->handed_tcp, steered_cost(s),
				  memory_order_relaxed);
	while (ns && ns->device != s->device)
		ns = ns->next;
	if (ns)
		ns->lw_ops->input(ns->lw, &s->p, NULL);
	free(s);
}

static void hand_over(struct netstack *ns, struct worker *to,
		      const struct packet *p)
{
	struct steered *s;

	if (atomic_load_explicit(&to->handed_tcp, memory_order_relaxed) +
		    sizeof(*s) + p->len >
	    STEER_BYTES) {
		worker_drop(ns->worker, DROP_TCP_STEER);
		return;
	}
	s = malloc(sizeof(*s) + p->len);
	if (!s) {
		worker_drop(ns->worker, DROP_NO_MEMORY);
		return;
	}
	s->m.fn = steered_take;
	s->device = ns->device;
	s->p = *p;
	s->p.data = s->data;
	s->p.handed = true;
	memcpy(s->data, p->data, p->len);
	atomic_fetch_add_explicit(&to->handed_tcp, steered_cost(s),
				  memory_order_relaxed);
	worker_event(ns->worker, EVENT_TCP_MOVED);
	worker_post(to, &s->m);
}

bool tcp_steer(struct netstack *ns, uint64_t tuple, const struct packet *p)
{
	int owner = owners_find(ns->device->owners, tuple);

	if (owner < 0 || (unsigned int)owner == ns->worker->index)
		return false;
	if (p->handed || (unsigned int)owner >= workers_count)
		worker_drop(ns->worker, DROP_TCP_STEER); /* TCP repeats it */
	else
		hand_over(ns, workers_all[owner], p);
	return true;
}

bool tcp_steer_claim(struct netstack *ns, uint64_t tuple)
{
	return owners_claim(ns->device->owners, tuple, ns->worker->index) ==
	       ns->worker->index;
}

void tcp_steer_ended(struct netstack *ns, uint64_t tuple)
{
	owners_drop(ns->device->owners, tuple, ns->worker->index);
}
