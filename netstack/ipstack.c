/*
 * ipstack.c - A netstack without a device: core/ipstack.h
 *
 *   tunnel -> input -> packet_parse -> fragment? frag.c -> another lane? pass
 *          -> TCP: lw/   UDP: a port opened here, or udp_end.c   ICMP: icmp.c
 *
 * The struct netstack is the same as that of a TUN; its packets leave by a sink.
 */
#include "gateway/core/ipstack.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "gateway/base/compat.h"
#include "gateway/base/htab.h"
#include "gateway/base/rand.h"
#include "gateway/core/dgram_queue.h"
#include "gateway/core/stream.h"
#include "netstack/ip_out.h"
#include "netstack/lw.h"
#include "netstack/netstack.h"
#include "netstack/udp_end.h"

enum {
	PORT_FIRST = 32768,
	PORT_COUNT = 32768,
	PORT_TRIES = 32,
	UDP_HEADER = 8
};

/**
 * struct ipstack - The stack
 * @ports:	struct port_end by its port
 * @queued:	Bytes in their queues
 */
struct ipstack {
	struct netstack ns; /* must be first */
	struct ipstack_conf conf;
	struct htab ports;
	struct list ends;
	size_t queued;
};

/**
 * struct port_end - One port of our own, for both families
 * @st:		NULL once the stack is gone
 */
struct port_end {
	struct dgram d; /* must be first */
	struct hnode by_port;
	struct list node;
	struct ipstack *st;
	uint16_t port;
	struct dgram_queue queue;
};

static struct port_end *end_of(struct dgram *d)
{
	return container_of(d, struct port_end, d);
}

static struct port_end *port_find(const struct ipstack *st, uint16_t port)
{
	struct hnode *n;

	htab_each(n, &st->ports, port)
	{
		return container_of(n, struct port_end, by_port);
	}
	return NULL;
}

/* One of this lane, by chance */
static uint16_t port_pick(const struct ipstack *st)
{
	unsigned int lanes = st->conf.lanes;
	unsigned int port = PORT_FIRST + rand_below(PORT_COUNT / lanes) * lanes;

	port += (st->conf.lane + lanes - port % lanes) % lanes;
	return (uint16_t)(port > UINT16_MAX ? port - lanes : port);
}

/* Our address of the family of @to; kind NONE: there is none */
static struct addr own_addr(const struct ipstack *st, const struct addr *to)
{
	if (!addr_is_ip(to))
		return (struct addr){ .kind = ADDR_NONE };
	return st->conf.own[to->kind == ADDR_V6];
}

/* --- datagrams ------------------------------------------------------------------ */

static int pe_recv(struct dgram *d, struct pkt *v, int max)
{
	struct port_end *e = end_of(d);
	int n = dgram_queue_recv(&e->queue, v, max);

	if (n)
		return n;
	return e->st ? -EAGAIN : -ENETDOWN;
}

static void send_one(struct port_end *e, const struct pkt *v)
{
	struct ipstack *st = e->st;
	struct addr src = own_addr(st, &v->peer);
	uint8_t h[UDP_HEADER] = { 0 };
	struct iovec iov[2] = { { h, UDP_HEADER }, { v->data, v->len } };
	struct ip_msg msg = { .src = &src,
			      .dst = &v->peer,
			      .l4 = iov,
			      .cnt = 2,
			      .proto = IPPROTO_UDP };

	src.port = e->port;
	if (src.kind == ADDR_NONE || v->len > DGRAM_MAX) {
		worker_drop(st->ns.worker, DROP_UDP_SEND);
		return;
	}
	udp_header(h, &src, v, &v->peer);
	if (ip_send(&st->ns, &msg, NULL))
		worker_drop(st->ns.worker, DROP_UDP_SEND);
}

static int pe_send(struct dgram *d, const struct pkt *v, int n)
{
	struct port_end *e = end_of(d);

	if (!e->st)
		return -ENETDOWN;
	for (int i = 0; i < n; i++)
		send_one(e, v + i);
	return n;
}

static void pe_want(struct dgram *d, unsigned int events)
{
	if (end_of(d)->queue.head && events & ST_READ)
		job_ready(d->job);
}

static void end_detach(struct port_end *e)
{
	dgram_queue_clear(&e->queue);
	htab_del(&e->st->ports, &e->by_port);
	list_del(&e->node);
	e->st = NULL;
}

static void pe_close(struct dgram *d)
{
	struct port_end *e = end_of(d);

	if (e->st)
		end_detach(e);
	dgram_queue_free(&e->queue);
	free(e);
}

static const struct dgram_ops port_ops = {
	.name = "tunnel",
	.recv = pe_recv,
	.send = pe_send,
	.want = pe_want,
	.close = pe_close,
};

static int ipstack_bind(struct ipstack *st, struct job *job, struct dgram **out)
{
	struct port_end *e = calloc(1, sizeof(*e));
	int tries = PORT_TRIES;

	if (!e)
		return -ENOMEM;
	do {
		e->port = port_pick(st);
	} while (port_find(st, e->port) && --tries);
	if (!tries) {
		free(e);
		return -EADDRINUSE;
	}
	e->d = (struct dgram){ .ops = &port_ops, .job = job };
	e->st = st;
	dgram_queue_init(&e->queue, st->ns.worker, &st->queued);
	htab_put(&st->ports, &e->by_port, e->port);
	list_add_tail(&st->ends, &e->node);
	*out = &e->d;
	return 0;
}

/* True: it was for a port of our own */
static bool udp_own(struct ipstack *st, const struct packet *p)
{
	struct port_end *e = port_find(st, p->dst.port);
	struct addr own = own_addr(st, &p->dst);
	struct udp_in in;

	if (!e || !addr_eq_host(&own, &p->dst))
		return false;
	if (udp_payload(p, &in)) {
		worker_drop(st->ns.worker, DROP_UDP_HEADER);
		return true;
	}
	dgram_queue_put(&e->queue, &in.src, in.data, in.len, 0);
	job_ready(e->d.job);
	return true;
}

/* --- in and out ------------------------------------------------------------------- */

static int sink(void *arg, const struct iovec *iov, int cnt)
{
	struct ipstack *st = arg;

	st->conf.send(st->conf.arg, iov, cnt);
	return 0;
}

static struct ipstack_user user_of(void *arg, const struct addr *client)
{
	struct ipstack *st = arg;

	return st->conf.user(st->conf.arg, client);
}

/* Nobody is let in: only what is for our address is looked at */
static bool is_ours(const struct ipstack *st, const struct packet *p)
{
	struct addr own = own_addr(st, &p->dst);

	return st->conf.ib || addr_eq_host(&own, &p->dst);
}

static void ipstack_input(struct ipstack *st, uint8_t *data, size_t n)
{
	struct vnet none = { 0 };
	struct packet p, whole;
	unsigned int lane;
	enum drop why;

	if (st->conf.ib)
		st->ns.listener.ib = *st->conf.ib;
	if (packet_parse(data, n, &none, &p, &why)) {
		worker_drop(st->ns.worker, why);
		return;
	}
	if (p.frag) {
		if (!frag_input(st->ns.frag, &p, &whole))
			return;
		p = whole;
	}
	if (!is_ours(st, &p)) {
		worker_drop(st->ns.worker, DROP_IP_MARTIAN);
		return;
	}
	lane = p.dst.port % st->conf.lanes;
	if (lane != st->conf.lane && p.dst.port)
		st->conf.pass(st->conf.arg, lane, p.data, p.len);
	else if (p.proto != IPPROTO_UDP || !udp_own(st, &p))
		netstack_input(&st->ns, &p);
}

static int ipstack_connect(struct ipstack *st, const struct addr *to,
			   struct job *job, struct stream **out)
{
	struct addr from = own_addr(st, to);
	int rc = -EADDRINUSE;

	if (from.kind == ADDR_NONE)
		return -EAFNOSUPPORT;
	for (int i = 0; rc == -EADDRINUSE && i < PORT_TRIES; i++) {
		from.port = port_pick(st);
		rc = st->ns.lw_ops->connect(st->ns.lw, &from, to, out);
	}
	if (!rc)
		stream_set_job(*out, job);
	return rc;
}

/* --- birth and end ------------------------------------------------------------------ */

static int ipstack_open(const struct ipstack_conf *conf, struct ipstack **out)
{
	struct ipstack *st;
	int rc;

	if (conf->worker->index >= lw_table_len)
		return -ENOTSUP;
	st = calloc(1, sizeof(*st));
	if (!st)
		return -ENOMEM;
	st->conf = *conf;
	list_init(&st->ends);
	st->ns.worker = conf->worker;
	st->ns.listener.ib = conf->ib ? *conf->ib : NULL;
	st->ns.fd = -1;
	st->ns.mtu = conf->mtu;
	st->ns.local_echo = true;
	st->ns.sink = sink;
	st->ns.sink_arg = st;
	st->ns.user = conf->user ? user_of : NULL;
	rc = htab_init(&st->ports, 64);
	if (!rc)
		rc = netstack_stack_start(&st->ns);
	if (rc < 0) {
		htab_free(&st->ports);
		free(st);
		return rc;
	}
	*out = st;
	return 0;
}

static void ipstack_close(struct ipstack *st)
{
	netstack_stack_stop(&st->ns);
	while (!list_empty(&st->ends))
		end_detach(list_first(&st->ends, struct port_end, node));
	htab_free(&st->ports);
	free(st);
}

const struct ipstack_ops ipstack_ops = {
	.open = ipstack_open,
	.close = ipstack_close,
	.input = ipstack_input,
	.connect = ipstack_connect,
	.bind = ipstack_bind,
};
