/*
 * udp_end.c - UDP straight from and to the TUN, one end a client address:port
 *
 *   TUN -> udp_input: copied into the end's queue -> recv (by the map's job)
 *   TUN <- one frame, a super-packet of equal sizes, or fragments <- send
 *
 * The queue holds what came in one turn of the worker; it is bounded, and the
 * oldest goes first. An idle end holds no buffer.
 * Source: RFC 768; super-packets: Linux include/uapi/linux/virtio_net.h
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/htab.h"
#include "gateway/base/rand.h"
#include "gateway/core/dgram_queue.h"
#include "gateway/core/stream.h"
#include "gateway/core/udp.h"
#include "netstack/ip_out.h"
#include "netstack/netstack.h"
#include "netstack/udp_end.h"

#define UDP_HEADER      8
#define UDP_CSUM_OFFSET 6
#define UDP_SEGMENTS    64 /* of one super-packet; UDP_MAX_SEGMENTS of Linux */

/**
 * struct udp_table - The ends of one netstack
 * @next:	Of the same worker, on another device
 * @bytes:	In all queues
 */
struct udp_table {
	struct udp_table *next;
	struct netstack *ns;
	struct htab ends;
	struct list all; /* struct udp_end.node */
	size_t bytes;
};

/**
 * struct udp_end - One client address and port
 * @table:	NULL once the netstack is gone
 */
struct udp_end {
	struct dgram d; /* must be first */
	struct hnode by_client;
	struct list node;
	struct udp_table *table;
	struct udp_map *map;
	struct addr client;
	struct dgram_queue queue;
};

static struct udp_end *end_of(struct dgram *d)
{
	return container_of(d, struct udp_end, d);
}

static int ude_recv(struct dgram *d, struct pkt *v, int max)
{
	struct udp_end *e = end_of(d);
	int n = dgram_queue_recv(&e->queue, v, max);

	if (n)
		return n;
	return e->table ? -EAGAIN : -ENODEV;
}

static void ude_want(struct dgram *d, unsigned int events)
{
	if (end_of(d)->queue.head && events & ST_READ)
		job_ready(d->job);
}

/* How many packets of @v leave in one super-packet */
static int run_length(const struct netstack *ns, const struct pkt *v, int n)
{
	size_t len = v->len, bytes = len;
	int k = 1;

	if (!ns->vnet_hdr || !ns->uso || !len ||
	    !ip_fits(ns, v->peer.kind == ADDR_V6, UDP_HEADER + len))
		return 1;
	while (k < n && k < UDP_SEGMENTS && v[k].len && v[k].len <= len &&
	       bytes + v[k].len <= DGRAM_MAX && addr_eq(&v[k].peer, &v->peer)) {
		bytes += v[k].len;
		if (v[k++].len < len)
			break; /* only the last may be shorter */
	}
	return k;
}

/* The device makes the checksum: the field holds the pseudo-header's sum */
static void udp_offload(uint8_t *h, struct vnet *vnet, const struct addr *src,
			const struct addr *dst, size_t len)
{
	uint32_t sum = csum_pseudo(src, dst, IPPROTO_UDP, (uint32_t)len);

	put_be16(h + UDP_CSUM_OFFSET, (uint16_t)~csum_fold(sum));
	vnet->csum_partial = true;
	vnet->csum_offset = UDP_CSUM_OFFSET;
	vnet->hdr_len = UDP_HEADER;
}

static void udp_checksum(uint8_t *h, const struct addr *src,
			 const struct pkt *p, const struct addr *dst)
{
	uint32_t len = (uint32_t)(UDP_HEADER + p->len);
	uint32_t sum = csum_pseudo(src, dst, IPPROTO_UDP, len);
	uint16_t c;

	sum = csum_add(sum, h, UDP_HEADER);
	if (p->len)
		sum = csum_add(sum, p->data, p->len);
	c = csum_fold(sum);
	put_be16(h + UDP_CSUM_OFFSET, c ? c : 0xffff);
}

void udp_header(uint8_t *h, const struct addr *src, const struct pkt *p,
		const struct addr *dst)
{
	put_be16(h, src->port);
	put_be16(h + 2, dst->port);
	put_be16(h + 4, (uint16_t)(UDP_HEADER + p->len));
	put_be16(h + UDP_CSUM_OFFSET, 0);
	udp_checksum(h, src, p, dst);
}

/* One frame of the @k packets at @v, which have one peer */
static void end_write(struct udp_end *e, const struct pkt *v, int k)
{
	struct netstack *ns = e->table->ns;
	const struct addr *src = &v->peer, *dst = &e->client;
	uint8_t h[UDP_HEADER] = { 0 };
	struct iovec iov[UDP_SEGMENTS + 1];
	struct ip_msg msg = { src, dst, iov, k + 1, IPPROTO_UDP };
	struct vnet vnet = { 0 };
	size_t len = UDP_HEADER;
	bool offload;
	int i;

	iov[0].iov_base = h;
	iov[0].iov_len = UDP_HEADER;
	for (i = 0; i < k; i++) {
		iov[i + 1].iov_base = v[i].data;
		iov[i + 1].iov_len = v[i].len;
		len += v[i].len;
	}
	offload = ns->vnet_hdr &&
		  (k > 1 || ip_fits(ns, src->kind == ADDR_V6, len));
	put_be16(h, src->port);
	put_be16(h + 2, dst->port);
	put_be16(h + 4, (uint16_t)len);
	if (offload)
		udp_offload(h, &vnet, src, dst, len);
	else
		udp_checksum(h, src, v, dst);
	if (k > 1) {
		vnet.gso = GSO_UDP;
		vnet.gso_size = (uint16_t)v->len;
	}
	if (ip_send(ns, &msg, offload ? &vnet : NULL))
		worker_drop(ns->worker, DROP_UDP_SEND);
}

static int ude_send(struct dgram *d, const struct pkt *v, int n)
{
	struct udp_end *e = end_of(d);
	int i, k;

	if (!e->table)
		return -ENODEV;
	for (i = 0; i < n; i += k) {
		k = 1;
		/* a source the client's family cannot show, or a name */
		if (v[i].peer.kind != e->client.kind || v[i].len > DGRAM_MAX) {
			worker_drop(e->table->ns->worker, DROP_UDP_SEND);
			continue;
		}
		k = run_length(e->table->ns, v + i, n - i);
		end_write(e, v + i, k);
	}
	return n;
}

static void ude_reject(struct dgram *d, const struct addr *peer)
{
	struct udp_end *e = end_of(d);

	if (e->table && peer->kind == e->client.kind)
		icmp_unreachable(e->table->ns, &e->client, peer);
}

static void end_detach(struct udp_end *e)
{
	dgram_queue_clear(&e->queue);
	htab_del(&e->table->ends, &e->by_client);
	list_del(&e->node);
	e->table = NULL;
}

static void ude_close(struct dgram *d)
{
	struct udp_end *e = end_of(d);

	if (e->table)
		end_detach(e);
	dgram_queue_free(&e->queue);
	free(e);
}

static const struct dgram_ops udp_end_ops = {
	.name = "netstack",
	.recv = ude_recv,
	.send = ude_send,
	.want = ude_want,
	.close = ude_close,
	.reject = ude_reject,
};

static struct udp_end *end_find(struct udp_table *t, const struct addr *client,
				uint32_t hash)
{
	struct hnode *n;
	struct udp_end *e;

	htab_each(n, &t->ends, hash)
	{
		e = container_of(n, struct udp_end, by_client);
		if (addr_eq(&e->client, client))
			return e;
	}
	return NULL;
}

static struct udp_end *end_new(struct udp_table *t, const struct addr *client,
			       uint32_t hash)
{
	struct udp_end *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->d.ops = &udp_end_ops;
	e->table = t;
	e->client = *client;
	dgram_queue_init(&e->queue, t->ns->worker, &t->bytes);
	e->map = udp_map_new(t->ns->worker, t->ns->listener.ib, client, &e->d);
	if (!e->map) {
		free(e);
		return NULL;
	}
	if (t->ns->user) {
		struct ipstack_user u = t->ns->user(t->ns->sink_arg, client);

		udp_map_set(e->map, u.name, false);
		udp_map_set_policy(e->map, u.policy);
	}
	htab_put(&t->ends, &e->by_client, hash);
	list_add_tail(&t->all, &e->node);
	return e;
}

int udp_payload(const struct packet *p, struct udp_in *in)
{
	size_t have, said;

	if (p->len < (size_t)p->l4 + UDP_HEADER)
		return -1;
	have = p->len - p->l4;
	said = get_be16(p->data + p->l4 + 4);
	/* of a super-packet some kernels give the first segment's length */
	if (p->vnet.gso == GSO_UDP)
		said = have;
	if (said < UDP_HEADER || said > have)
		return -1;
	in->src = p->src;
	in->dst = p->dst;
	in->data = p->data + p->l4 + UDP_HEADER;
	in->len = said - UDP_HEADER;
	in->segment = p->vnet.gso == GSO_UDP ? p->vnet.gso_size : 0;
	return 0;
}

void udp_take(struct udp_table *t, const struct udp_in *in)
{
	struct udp_end *e = end_find(t, &in->src, in->hash);

	if (!e)
		e = end_new(t, &in->src, in->hash);
	if (!e) {
		worker_drop(t->ns->worker, DROP_UDP_LIMIT);
		return;
	}
	dgram_queue_put(&e->queue, &in->dst, in->data, in->len, in->segment);
	job_ready(e->d.job);
}

void udp_input(struct netstack *ns, struct packet *p)
{
	struct udp_in in;

	if (udp_payload(p, &in)) {
		worker_drop(ns->worker, DROP_UDP_HEADER);
		return;
	}
	in.hash = addr_hash(&in.src, rand_key());
	if (!udp_steer(ns, &in))
		udp_take(ns->udp, &in);
}

struct netstack *udp_table_netstack(const struct udp_table *t)
{
	return t->ns;
}

struct udp_table **udp_table_next(struct udp_table *t)
{
	return &t->next;
}

struct udp_table *udp_table_new(struct netstack *ns)
{
	struct udp_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ns = ns;
	list_init(&t->all);
	if (htab_init(&t->ends, 64)) {
		free(t);
		return NULL;
	}
	udp_steer_add(t);
	return t;
}

/* The maps end; each closes its end in the reaper */
void udp_table_free(struct udp_table *t)
{
	if (!t)
		return;
	udp_steer_del(t);
	while (!list_empty(&t->all)) {
		struct udp_end *e = list_first(&t->all, struct udp_end, node);

		end_detach(e);
		udp_map_kill(e->map, -ENODEV);
	}
	htab_free(&t->ends);
	free(t);
}
