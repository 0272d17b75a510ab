/*
 * socks_udp.c - UDP ASSOCIATE: a socket for the datagrams of one client
 *
 *   client <-- SOCKS head | data --> assoc <-- data --> map -> flows
 *      \------- TCP ----------------/  its end ends the association
 *
 * Only the client's address may send; its first datagram fixes the port. It
 * also ends after connIdle without a datagram.
 * Source: RFC 1928, 7; xray.md, C4
 */
#include "proxy/in/socks_udp.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/udp.h"
#include "proxy/layer/keep.h"
#include "proxy/wire/socks5.h"
#include "proxy/wire/socks_srv.h"

/**
 * struct assoc - Inbound end of a map; the map owns it
 * @d:		Datagrams without their SOCKS head; d.below is the socket
 * @job:	Of the control connection
 * @reply:	What the connection did not take of it yet; NULL none
 * @client:	Port 0 until the first datagram
 * @policy:	Of the map's configuration
 */
struct assoc {
	struct dgram d; /* must be first */
	struct job job;
	struct stream *control;
	struct buf *reply;
	struct udp_map *map;
	struct addr client;
	struct timer timer;
	const struct policy *policy;
	uint32_t last_active;
};

static struct assoc *assoc_of(struct dgram *d)
{
	return container_of(d, struct assoc, d);
}

static bool from_client(struct assoc *a, const struct addr *peer)
{
	if (a->client.port)
		return addr_eq(&a->client, peer);
	if (!addr_eq_host(&a->client, peer) || !peer->port)
		return false;
	a->client.port = peer->port;
	udp_map_set_client(a->map, &a->client);
	return true;
}

/* Strip the head in place; its bytes keep the name. False: not a datagram */
static bool strip(struct pkt *p)
{
	struct addr to;
	char name[256];
	ssize_t head = socks5_get_udp(p->data, p->len, &to, name);

	if (head < 0 || !to.port)
		return false;
	if (to.kind == ADDR_NAME) { /* shorter than its head by 7 bytes */
		memcpy(p->data, name, (size_t)to.len + 1);
		to.name = (const char *)p->data;
	}
	p->peer = to;
	p->data += head;
	p->len -= (size_t)head;
	return true;
}

static int assoc_recv(struct dgram *d, struct pkt *v, int max)
{
	struct assoc *a = assoc_of(d);
	struct worker *w = a->job.worker;
	int got, n = 0;

	for (int tries = 0; n == 0; tries++) {
		if (tries == DGRAM_TRIES) {
			job_ready(d->job);
			return -EAGAIN;
		}
		got = d->below->ops->recv(d->below, v, max);
		if (got <= 0)
			return got;
		for (int i = 0; i < got; i++) {
			if (!from_client(a, &v[i].peer) || !strip(&v[i]))
				worker_drop(w, DROP_UDP_HEADER);
			else
				v[n++] = v[i];
		}
	}
	a->last_active = w->now_ms;
	return n;
}

/* As many of @v as fit into the scratch memory. How many were looked at */
static int send_some(struct assoc *a, const struct pkt *v, int n)
{
	struct worker *w = a->job.worker;
	struct pkt out[DGRAM_BATCH];
	size_t used = 0;
	int i, count = 0, sent = 0;

	for (i = 0; i < n && count < DGRAM_BATCH; i++) {
		uint8_t *p = w->scratch + used;
		ssize_t head;

		if (v[i].len + SOCKS5_UDP_HEAD_MAX >
		    WORKER_SCRATCH_BYTES - used) {
			if (count)
				break;
			worker_drop(w, DROP_UDP_SEND);
			continue;
		}
		head = socks5_set_udp(p, &v[i].peer);
		if (head < 0)
			continue;
		if (v[i].len)
			memcpy(p + head, v[i].data, v[i].len);
		out[count].peer = a->client;
		out[count].data = p;
		out[count].len = (size_t)head + v[i].len;
		used += out[count++].len;
	}
	if (count)
		sent = a->d.below->ops->send(a->d.below, out, count);
	if (sent < count)
		worker_drops(w, DROP_UDP_SEND,
			     (uint64_t)(count - (sent > 0 ? sent : 0)));
	return i;
}

static int assoc_send(struct dgram *d, const struct pkt *v, int n)
{
	struct assoc *a = assoc_of(d);

	a->last_active = a->job.worker->now_ms;
	for (int i = 0; a->client.port && i < n;)
		i += send_some(a, v + i, n - i);
	return n;
}

static void assoc_want(struct dgram *d, unsigned int events)
{
	d->below->ops->want(d->below, events);
}

static void assoc_close(struct dgram *d)
{
	struct assoc *a = assoc_of(d);

	timer_cancel(&a->timer);
	stream_close(&a->control, 0);
	buf_free(a->reply);
	job_forget(&a->job);
	d->below->ops->close(d->below);
	free(a);
}

static const struct dgram_ops assoc_ops = {
	.name = "socks",
	.recv = assoc_recv,
	.send = assoc_send,
	.want = assoc_want,
	.close = assoc_close,
};

/* Something came by the control connection: only its end matters */
static void assoc_run(struct job *j)
{
	struct assoc *a = container_of(j, struct assoc, job);
	struct worker *w = j->worker;
	ssize_t n = keep_flush(&a->reply, a->control);

	if (n < 0 && n != -EAGAIN) {
		udp_map_kill(a->map, (int)n);
		return;
	}
	for (size_t got = 0; got < WORKER_BUDGET_BYTES; got += (size_t)n) {
		n = stream_read(a->control, w->scratch, WORKER_SCRATCH_BYTES);
		if (n <= 0)
			break;
	}
	if (n > 0 || n == -EAGAIN) /* what is left makes it ready again */
		a->control->ops->want(a->control,
				      ST_READ | (a->reply ? ST_WRITE : 0u));
	else
		udp_map_kill(a->map, 0);
}

static void assoc_timer(struct timer *t)
{
	struct assoc *a = container_of(t, struct assoc, timer);
	struct worker *w = a->job.worker;
	uint32_t idle = w->now_ms - a->last_active;

	if (idle >= a->policy->idle_ms)
		udp_map_kill(a->map, 0);
	else
		timer_set(&w->wheel, t, a->policy->idle_ms - idle);
}

/* A datagram socket where the client came to, on a port of its own */
static int assoc_socket(const struct session *s, struct addr *bound)
{
	int family = s->local.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd = sock_open_local(&s->inbound->sockopt, family, SOCK_DGRAM);
	struct sockaddr_storage ss;
	struct addr at = s->local;
	socklen_t len;
	int err;

	if (fd < 0)
		return fd;
	at.port = 0;
	len = addr_to_sockaddr(&at, family, &ss);
	if (!bind(fd, (struct sockaddr *)&ss, len)) {
		len = sizeof(ss);
		if (!getsockname(fd, (struct sockaddr *)&ss, &len)) {
			*bound = addr_from_sockaddr(&ss);
			return fd;
		}
	}
	err = -errno;
	close(fd);
	return err;
}

/* @fd is owned from now on, also when this fails */
static struct assoc *assoc_new(struct session *s, int fd)
{
	int family = s->local.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	struct worker *w = s->job.worker;
	struct dgram *below = fd_dgram_new(w, fd, family, NULL);
	struct assoc *a = below ? calloc(1, sizeof(*a)) : NULL;

	if (!below)
		close(fd);
	else if (!a)
		below->ops->close(below);
	if (!a)
		return NULL;
	a->d = (struct dgram){ .ops = &assoc_ops, .below = below };
	a->job = (struct job){ .run = assoc_run, .worker = w };
	a->client = s->source;
	a->client.port = 0;
	a->policy = s->inbound->policy;
	a->last_active = w->now_ms;
	timer_init(&a->timer, assoc_timer);
	a->map = udp_map_new(w, s->inbound, &a->client, &a->d);
	if (!a->map) {
		assoc_close(&a->d);
		return NULL;
	}
	/* a reload may have come since the accept */
	udp_map_set_cfg(a->map, s->cfg);
	udp_map_set(a->map, s->user, false);
	udp_map_hold(a->map, true);
	return a;
}

/* The last answer of the greeting; whatever came before it has gone */
static int assoc_reply(struct assoc *a, struct stream *to,
		       const struct addr *bound)
{
	struct buf *b = buf_new(SOCKS5_REPLY_MAX);
	int err = b ? socks_srv_put_reply(b, SOCKS5_OK, bound) : -ENOMEM;

	if (!err)
		err = keep_put(&a->reply, to, buf_head(b), b->len);
	buf_free(b);
	return err;
}

int assoc_open(struct session *s, const struct addr *tell)
{
	struct worker *w = s->job.worker;
	struct addr bound = { .kind = ADDR_NONE };
	struct assoc *a;
	int fd, err;

	fd = assoc_socket(s, &bound);
	if (fd < 0)
		return fd;
	a = assoc_new(s, fd);
	if (!a)
		return -ENOMEM;
	udp_map_set_relay(a->map, &bound);
	if (addr_is_ip(tell)) {
		uint16_t port = bound.port;

		bound = *tell;
		bound.port = port;
	}
	err = assoc_reply(a, s->in, &bound);
	if (err) {
		udp_map_kill(a->map, err);
		return err;
	}
	a->control = s->in;
	s->in = NULL;
	stream_set_job(a->control, &a->job);
	job_ready(&a->job);
	timer_set(&w->wheel, &a->timer, a->policy->idle_ms);
	return 0;
}
