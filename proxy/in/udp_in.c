/*
 * udp_in.c - Datagrams of a listening socket, an end for each client
 *
 *   socket -> recvmmsg -> end of the client (queue) -> recv, by the map's job
 *   client <- sendmsg (UDP_SEGMENT) <- reply socket, or the listener's <- send
 *
 * Every worker has its own SO_REUSEPORT socket. The kernel spreads by a hash
 * of both ends; under TProxy the local end of that hash is the listener's
 * address on the interface the client comes in by, not what the client sent
 * to. So all datagrams of one client port reach one worker and one map, and
 * nothing has to be handed over. (A client port that comes in by two
 * interfaces may have two maps.)
 *
 * The queue holds what came in one turn of the worker; it is bounded, and the
 * oldest goes first. An idle end holds no buffer.
 * Source: ip(7) IP_RECVORIGDSTADDR, udp(7) UDP_GRO; Linux nf_tproxy_ipv4.c
 */
#include "proxy/in/udp_in.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/htab.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/dgram_queue.h"
#include "gateway/core/listen.h"
#include "gateway/core/stream.h"
#include "gateway/core/udp.h"
#include "proxy/in/reply.h"
#include "proxy/in/udp_raw.h"
#include "proxy/in/udp_send.h"

#define MSGS       32 /* a recvmmsg */
#define MSG_BYTES  65536
#define TURN_READS 8 /* recvmmsg calls a turn */
#define SWEEP_MS   10000
#define CTRL_BYTES \
	(2 * CMSG_SPACE(sizeof(struct sockaddr_in6)) + CMSG_SPACE(sizeof(int)))

union control {
	char bytes[CTRL_BYTES];
	struct cmsghdr align;
};

/* Receive buffers; untouched pages cost nothing */
struct inbox {
	struct mmsghdr msg[MSGS];
	struct iovec iov[MSGS];
	struct sockaddr_storage peer[MSGS];
	union control control[MSGS];
	uint8_t data[MSGS][MSG_BYTES];
};

/* One listening socket */
struct udp_sock {
	struct job job; /* must be first */
	struct watch watch; /* its descriptor is owned */
	struct udp_in *owner;
	struct udp_sock *next;
	struct addr at;
	int family;
};

/**
 * struct udp_in - All ports of one inbound on one worker
 * @ends:	struct udp_end by client; @all: the same in a list
 * @bytes:	In all queues
 * @sweep:	Closes idle reply sockets
 * @raw:	For v4 and v6, when an answer leaves from this host's own address;
 *		-1: not opened yet
 */
struct udp_in {
	struct listener *l;
	udp_in_target target;
	bool exact;
	struct udp_sock *socks;
	struct inbox *box;
	struct htab ends;
	struct list all;
	size_t bytes, gso_max;
	struct replies replies;
	struct timer sweep;
	int raw[2];
};

/**
 * struct udp_end - One client address and port
 * @u:		NULL once the listener is gone
 * @local:	Where it sends to, unless exact: replies leave from there
 */
struct udp_end {
	struct dgram d; /* must be first */
	struct hnode by_client;
	struct list node;
	struct udp_in *u;
	struct udp_sock *sock;
	struct udp_map *map;
	struct addr client, local;
	struct dgram_queue queue;
};

/* What was received: a datagram, or several of @segment bytes */
struct received {
	struct addr client, dst;
	const uint8_t *data;
	size_t len, segment;
};

static struct udp_end *end_of(struct dgram *d)
{
	return container_of(d, struct udp_end, d);
}

/* --- an end, as the map sees it --- */

static int end_recv(struct dgram *d, struct pkt *v, int max)
{
	struct udp_end *e = end_of(d);
	int n = dgram_queue_recv(&e->queue, v, max);

	if (n)
		return n;
	return e->u ? -EAGAIN : -ENODEV;
}

static void end_want(struct dgram *d, unsigned int events)
{
	if (end_of(d)->queue.head && events & ST_READ)
		job_ready(d->job);
}

/* Packets of @v with the peer of the first */
static int run_length(const struct pkt *v, int n)
{
	int k = 1;

	while (k < n && addr_eq(&v[k].peer, &v->peer))
		k++;
	return k;
}

/* Which socket shows @peer to the client; -errno: it cannot be shown */
static int end_source(struct udp_end *e, const struct addr *peer)
{
	struct udp_in *u = e->u;
	struct worker *w = u->l->worker;
	char text[ADDR_TEXT_MAX];
	int fd;

	if (peer->kind != e->client.kind || !peer->port)
		return -EAFNOSUPPORT;
	fd = replies_get(&u->replies, peer, &u->l->ib->sockopt, w->now_ms);
	if (fd < 0 && fd != -EADDRINUSE)
		log_debug("inbound [%s]: reply from %s: %s", u->l->ib->tag,
			  addr_format(peer, text, sizeof(text)), strerror(-fd));
	else if (!timer_armed(&u->sweep))
		timer_set(&w->wheel, &u->sweep, SWEEP_MS);
	return fd;
}

/* From an address of this host, without a socket that is bound there */
static int end_send_raw(struct udp_end *e, const struct pkt *v, int n)
{
	struct udp_in *u = e->u;
	bool v6 = v->peer.kind == ADDR_V6;
	int *fd = &u->raw[v6], sent = 0, err = 0;

	if (*fd < 0)
		*fd = sock_open_local(&u->l->ib->sockopt,
				      v6 ? AF_INET6 : AF_INET, SOCK_RAW);
	if (*fd < 0)
		err = *fd;
	for (int i = 0; i < n && *fd >= 0; i++) {
		int one = udp_raw_send(*fd, &u->l->ib->sockopt, &v->peer,
				       &e->client, v[i].data, v[i].len);

		if (one == 0)
			sent++;
		else
			err = one;
	}
	if (err)
		log_debug("inbound [%s]: answer from this host: %s",
			  u->l->ib->tag, strerror(-err));
	return sent;
}

/* The packets of @v have one peer. How many were sent */
static int end_send_run(struct udp_end *e, const struct pkt *v, int n)
{
	struct udp_in *u = e->u;
	struct sockaddr_storage to;
	struct udp_out o = { .to = &to, .gso_max = &u->gso_max };
	int family = e->client.kind == ADDR_V6 ? AF_INET6 : AF_INET;

	if (u->exact) {
		o.fd = end_source(e, &v->peer);
		if (o.fd == -EADDRINUSE)
			return end_send_raw(e, v, n);
		if (o.fd < 0)
			return 0;
	} else {
		o.fd = e->sock->watch.fd;
		family = e->sock->family;
		if (e->local.kind != ADDR_NONE)
			o.source = &e->local;
	}
	o.to_len = addr_to_sockaddr(&e->client, family, &to);
	return udp_send_all(&o, v, n);
}

static int end_send(struct dgram *d, const struct pkt *v, int n)
{
	struct udp_end *e = end_of(d);
	int i, k, sent;

	if (!e->u)
		return -ENODEV;
	for (i = 0; i < n; i += k) {
		k = e->u->exact ? run_length(v + i, n - i) : n - i;
		sent = end_send_run(e, v + i, k);
		worker_drops(e->u->l->worker, DROP_UDP_SEND,
			     (uint64_t)(k - sent));
	}
	return n;
}

static void end_detach(struct udp_end *e)
{
	dgram_queue_clear(&e->queue);
	htab_del(&e->u->ends, &e->by_client);
	list_del(&e->node);
	e->u = NULL;
	e->sock = NULL;
}

static void end_close(struct dgram *d)
{
	struct udp_end *e = end_of(d);

	if (e->u)
		end_detach(e);
	dgram_queue_free(&e->queue);
	free(e);
}

static const struct dgram_ops end_ops = {
	.name = "listener",
	.recv = end_recv,
	.send = end_send,
	.want = end_want,
	.close = end_close,
};

/* --- from the socket to the ends --- */

static struct udp_end *end_find(struct udp_in *u, const struct received *r,
				uint32_t hash)
{
	struct hnode *n;
	struct udp_end *e;

	htab_each(n, &u->ends, hash)
	{
		e = container_of(n, struct udp_end, by_client);
		if (addr_eq(&e->client, &r->client) &&
		    (u->exact || addr_eq(&e->local, &r->dst)))
			return e;
	}
	return NULL;
}

static struct udp_end *end_new(struct udp_sock *s, const struct received *r,
			       uint32_t hash)
{
	struct udp_in *u = s->owner;
	struct udp_end *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->d.ops = &end_ops;
	e->u = u;
	e->sock = s;
	e->client = r->client;
	e->local = r->dst;
	dgram_queue_init(&e->queue, u->l->worker, &u->bytes);
	e->map = udp_map_new(u->l->worker, u->l->ib, &e->client, &e->d);
	if (!e->map) {
		free(e);
		return NULL;
	}
	udp_map_set_relay(e->map, &e->local);
	htab_put(&u->ends, &e->by_client, hash);
	list_add_tail(&u->all, &e->node);
	return e;
}

static void take(struct udp_sock *s, const struct received *r)
{
	struct udp_in *u = s->owner;
	struct worker *w = u->l->worker;
	struct addr dst = r->dst;
	uint32_t hash = addr_hash(&r->client, rand_key());
	struct udp_end *e;

	if (!addr_is_ip(&r->client) || !r->client.port ||
	    u->target(u->l->ib, w, &s->at, &r->client, &dst) < 0)
		return;
	e = end_find(u, r, hash);
	if (!e)
		e = end_new(s, r, hash);
	if (!e) {
		worker_drop(w, DROP_UDP_LIMIT);
		return;
	}
	dgram_queue_put(&e->queue, &dst, r->data, r->len, r->segment);
	job_ready(e->d.job);
}

/* Original destination and segment size, from the control messages */
static void read_control(struct msghdr *h, struct received *r)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct sockaddr_storage ss = { 0 };
		int size = 0;

		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			r->segment = size > 0 ? (size_t)size : 0;
		} else if (c->cmsg_level == IPPROTO_IP &&
			   c->cmsg_type == IP_ORIGDSTADDR) {
			memcpy(&ss, CMSG_DATA(c), sizeof(struct sockaddr_in));
			r->dst = addr_from_sockaddr(&ss);
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
			   c->cmsg_type == IPV6_ORIGDSTADDR) {
			memcpy(&ss, CMSG_DATA(c), sizeof(struct sockaddr_in6));
			r->dst = addr_from_sockaddr(&ss);
		}
	}
}

/* Messages read, or -errno */
static int box_read(struct inbox *b, int fd)
{
	int n;

	for (int i = 0; i < MSGS; i++) {
		b->iov[i].iov_base = b->data[i];
		b->iov[i].iov_len = MSG_BYTES;
		b->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &b->peer[i],
			.msg_namelen = sizeof(b->peer[i]),
			.msg_iov = &b->iov[i],
			.msg_iovlen = 1,
			.msg_control = &b->control[i],
			.msg_controllen = sizeof(b->control[i]),
		};
	}
	n = recvmmsg(fd, b->msg, MSGS, MSG_DONTWAIT, NULL);
	return n < 0 ? -errno : n;
}

static void box_take(struct udp_sock *s, struct inbox *b, int n)
{
	for (int i = 0; i < n; i++) {
		struct received r = {
			.client = addr_from_sockaddr(&b->peer[i]),
			.dst = { .kind = ADDR_NONE },
			.data = b->data[i],
			.len = b->msg[i].msg_len,
		};

		if (b->msg[i].msg_hdr.msg_flags & MSG_TRUNC)
			continue;
		read_control(&b->msg[i].msg_hdr, &r);
		take(s, &r);
	}
}

static void sock_run(struct job *j)
{
	struct udp_sock *s = container_of(j, struct udp_sock, job);
	struct inbox *b = s->owner->box;

	for (int i = 0; i < TURN_READS; i++) {
		int n = box_read(b, s->watch.fd);

		if (n > 0)
			box_take(s, b, n);
		/* it met the end, or an error, which is an event */
		if (n == -EAGAIN || (n > 0 && n < MSGS && !s->watch.odd)) {
			watch_used_up(&s->watch, ST_READ);
			break;
		}
		/* other errors are ICMP's of earlier datagrams */
	}
	watch_want(&s->watch, ST_READ);
}

/* --- life --- */

/* The kernel tells where to each datagram was sent, and coalesces */
static void sock_options(int fd, int family)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof(on));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &on,
				 sizeof(on));
	(void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
}

static int sock_start(struct udp_in *u, uint16_t port)
{
	const struct inbound *ib = u->l->ib;
	struct udp_sock *s = calloc(1, sizeof(*s));
	char text[ADDR_TEXT_MAX];
	socklen_t len = sizeof(int);
	int fd, err;

	if (!s)
		return -ENOMEM;
	s->owner = u;
	s->at = ib->listen;
	s->at.port = port;
	s->job = (struct job){ .run = sock_run, .worker = u->l->worker };
	s->family = AF_INET;
	fd = sock_listen(&ib->sockopt, &s->at, SOCK_DGRAM);
	err = fd < 0 ? fd :
		       watch_add_read(u->l->worker, &s->watch, fd, &s->job);
	if (err < 0) {
		log_error("inbound [%s]: cannot listen on udp %s: %s%s",
			  ib->tag, addr_format(&s->at, text, sizeof(text)),
			  strerror(-err), sock_listen_hint(err));
		if (fd >= 0)
			close(fd);
		free(s);
		return err;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &s->family, &len);
	sock_options(fd, s->family);
	watch_want(&s->watch, ST_READ);
	s->next = u->socks;
	u->socks = s;
	return 0;
}

static void sweep_run(struct timer *t)
{
	struct udp_in *u = container_of(t, struct udp_in, sweep);
	struct worker *w = u->l->worker;

	if (replies_sweep(&u->replies, w->now_ms))
		timer_set(&w->wheel, t, SWEEP_MS);
}

static struct udp_in *udp_in_new(struct listener *l, udp_in_target target,
				 bool exact)
{
	struct udp_in *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->l = l;
	u->target = target;
	u->exact = exact;
	u->raw[0] = u->raw[1] = -1;
	u->gso_max = UDP_SEND_GSO_MAX;
	list_init(&u->all);
	timer_init(&u->sweep, sweep_run);
	u->box = malloc(sizeof(*u->box));
	if (u->box && !replies_init(&u->replies)) {
		if (!htab_init(&u->ends, 64))
			return u;
		replies_fini(&u->replies);
	}
	free(u->box);
	free(u);
	return NULL;
}

int udp_in_start(struct listener *l, udp_in_target target, bool exact,
		 struct udp_in **out)
{
	struct udp_in *u = udp_in_new(l, target, exact);
	uint32_t port = 0;
	int err = 0;

	if (!u)
		return -ENOMEM;
	while (!err && listen_next_port(l->ib, &port))
		err = sock_start(u, (uint16_t)port);
	if (err) {
		udp_in_stop(u);
		return err;
	}
	*out = u;
	return 0;
}

void udp_in_stop(struct udp_in *u)
{
	struct udp_sock *s, *next;

	if (!u)
		return;
	while (!list_empty(&u->all)) {
		struct udp_end *e = list_first(&u->all, struct udp_end, node);

		end_detach(e);
		udp_map_kill(e->map, 0);
	}
	for (s = u->socks; s; s = next) {
		int fd = s->watch.fd;

		next = s->next;
		job_forget(&s->job);
		watch_del(s->job.worker, &s->watch);
		close(fd);
		free(s);
	}
	for (int i = 0; i < 2; i++)
		if (u->raw[i] >= 0)
			close(u->raw[i]);
	timer_cancel(&u->sweep);
	replies_fini(&u->replies);
	htab_free(&u->ends);
	free(u->box);
	free(u);
}
