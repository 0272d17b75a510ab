/*
 * sub_udp.c - A UDP session of a Mux.cool connection, as a dgram: XUDP
 *
 *	New   target, global id, first packet
 *	Keep  peer, packet			both ways
 *
 * A frame is a datagram; without an address it is the session's target's. The
 * queue is bounded and drops the oldest: datagrams never stall a connection.
 *
 * Source: xray.md, 2.10 and 2.11
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/worker.h"
#include "proxy/mux/sub.h"
#include "proxy/wire/xudp.h"

static struct sub_dgram *dgram_of(struct dgram *d)
{
	return container_of(d, struct sub_dgram, d);
}

static struct sub_dgram *of_sub(struct sub *s)
{
	return container_of(s, struct sub_dgram, sub);
}

static void pkts_free(struct sub_pkt **list)
{
	while (*list) {
		struct sub_pkt *p = *list;

		*list = p->next;
		free(p);
	}
}

/* --- in --- */

static void drop_oldest(struct sub_dgram *d)
{
	struct sub_pkt *p = d->rx;

	d->rx = p->next;
	if (!d->rx)
		d->rx_tail = &d->rx;
	d->rx_count--;
	d->rx_bytes -= p->len;
	free(p);
	worker_drop(d->worker, DROP_UDP_QUEUE);
}

static void packet_done(struct sub_dgram *d)
{
	struct sub_pkt *p = d->part;

	d->part = NULL;
	while (d->rx &&
	       (d->rx_count >= SUB_PKTS || d->rx_bytes + p->len > SUB_PKT_MAX))
		drop_oldest(d);
	*d->rx_tail = p;
	d->rx_tail = &p->next;
	d->rx_count++;
	d->rx_bytes += p->len;
	sub_wake(&d->sub, ST_READ);
}

/*
 * Answers without an address: to this server (v2ray) a session has the one
 * destination of its New, whatever Keep says. Sessions that believed otherwise
 * end; client.c then makes one for each destination.
 */
static void learn_plain(struct sub_dgram *d)
{
	if (!d->plain)
		return;
	if (!atomic_exchange(d->plain, true))
		log_info("mux: the server knows no XUDP: a session for each "
			 "UDP destination");
	if (d->mixed)
		sub_lost(&d->sub, -ECONNRESET);
}

static bool dgram_begin(struct sub *s, const struct mux_frame *f)
{
	struct sub_dgram *d = of_sub(s);
	const struct addr *from = f->network == MUX_UDP ? &f->to : &d->target;
	size_t name = from->kind == ADDR_NAME ? from->len : 0;
	struct sub_pkt *p;

	free(d->part);
	d->part = NULL;
	if (f->network != MUX_UDP)
		learn_plain(d);
	if (f->len > DGRAM_MAX || from->kind == ADDR_NONE || s->err)
		return false;
	p = malloc(sizeof(*p) + f->len + name);
	if (!p) {
		worker_drop(d->worker, DROP_NO_MEMORY);
		return false;
	}
	p->next = NULL;
	p->peer = *from;
	p->len = f->len;
	p->got = 0;
	if (name) {
		memcpy(p->data + p->len, from->name, name);
		p->peer.name = (const char *)p->data + p->len;
	}
	d->part = p;
	return true;
}

static size_t dgram_take(struct sub *s, const uint8_t *p, size_t n)
{
	struct sub_dgram *d = of_sub(s);

	memcpy(d->part->data + d->part->got, p, n);
	d->part->got = (uint16_t)(d->part->got + n);
	if (d->part->got == d->part->len)
		packet_done(d);
	return n;
}

/* The session of one that is held is over, but not what it stands for */
static void dgram_hold(struct sub_dgram *d)
{
	trunk_detach(&d->sub);
	timer_set(&d->worker->wheel, &d->hold, SUB_HOLD_MS);
}

static void dgram_wake(struct sub *s, unsigned int events)
{
	struct sub_dgram *d = of_sub(s);

	(void)events;
	if (d->held && (s->peer_end || !s->trunk))
		dgram_hold(d);
	if (d->d.job)
		job_ready(d->d.job);
}

static const struct sub_ops dgram_sub_ops = {
	.begin = dgram_begin,
	.take = dgram_take,
	.wake = dgram_wake,
};

/* 0: goes on */
static int dgram_end(const struct sub_dgram *d)
{
	const struct sub *s = &d->sub;

	if (d->held)
		return 0; /* another connection may come for it */
	if (s->err)
		return s->err;
	return s->peer_end ? -ECONNRESET : 0;
}

static int dgram_recv(struct dgram *dg, struct pkt *v, int max)
{
	struct sub_dgram *d = dgram_of(dg);
	struct sub_pkt **given = &d->given;
	int n = 0, rc;

	pkts_free(&d->given);
	while (d->rx && n < max) {
		struct sub_pkt *p = d->rx;

		d->rx = p->next;
		d->rx_count--;
		d->rx_bytes -= p->len;
		v[n++] = (struct pkt){ .peer = p->peer,
				       .data = p->data,
				       .len = p->len };
		p->next = NULL;
		*given = p;
		given = &p->next;
	}
	if (!d->rx)
		d->rx_tail = &d->rx;
	if (n)
		return n;
	rc = dgram_end(d);
	return rc < 0 ? rc : -EAGAIN;
}

/* --- out --- */

static int keep_target(struct sub_dgram *d, const struct addr *to)
{
	char *name = NULL;

	if (to->kind == ADDR_NAME) {
		name = strndup(to->name, to->len);
		if (!name)
			return -ENOMEM;
	}
	free(d->name);
	d->name = name;
	d->target = *to;
	if (name)
		d->target.name = name;
	return 0;
}

static int put_packet(struct sub_dgram *d, const struct pkt *p)
{
	static const uint8_t none[8];
	struct iovec iov = { p->data, p->len };
	struct mux_frame f = { .session = d->sub.id,
			       .status = MUX_KEEP,
			       .network = MUX_UDP,
			       .to = p->peer };
	int rc;

	if (!p->len || p->len > XUDP_PACKET_MAX) {
		worker_drop(d->worker, DROP_UDP_SEND);
		return 0; /* cannot be carried: lost, like in any network */
	}
	if (!d->sub.opened) {
		f.status = MUX_NEW;
		f.from = d->sub.from;
		f.at = d->sub.at;
		f.has_global = memcmp(d->global, none, sizeof(none)) != 0;
		memcpy(f.global, d->global, sizeof(f.global));
		rc = keep_target(d, &p->peer);
		if (rc < 0)
			return rc;
	}
	d->mixed |= !addr_eq(&p->peer, &d->target);
	rc = trunk_put(d->sub.trunk, &f, &iov, 1, p->len);
	if (!rc)
		d->sub.opened = true;
	return rc;
}

static int dgram_send(struct dgram *dg, const struct pkt *v, int n)
{
	struct sub_dgram *d = dgram_of(dg);
	int rc = dgram_end(d), i;

	if (rc < 0)
		return rc;
	if (!d->sub.trunk)
		return n; /* held: nobody listens now */
	for (i = 0; i < n; i++) {
		if (!sub_may_send(&d->sub))
			return i ? i : -EAGAIN;
		rc = put_packet(d, &v[i]);
		if (rc < 0)
			return i ? i : rc;
	}
	return n;
}

static void dgram_want(struct dgram *dg, unsigned int events)
{
	struct sub_dgram *d = dgram_of(dg);
	bool now = dgram_end(d) < 0;

	d->sub.want = (uint8_t)events;
	if (events & ST_READ)
		now |= d->rx != NULL;
	if (events & ST_WRITE)
		now |= !d->sub.trunk || sub_may_send(&d->sub);
	if (now)
		job_ready(dg->job);
}

static void dgram_close(struct dgram *dg)
{
	struct sub_dgram *d = dgram_of(dg);

	timer_cancel(&d->hold);
	sub_leave(&d->sub, false);
	if (d->gone)
		d->gone(d);
	pkts_free(&d->rx);
	pkts_free(&d->given);
	free(d->part);
	free(d->name);
	free(d);
}

static const struct dgram_ops sub_dgram_ops = {
	.name = "mux",
	.recv = dgram_recv,
	.send = dgram_send,
	.want = dgram_want,
	.close = dgram_close,
};

void sub_dgram_move(struct sub_dgram *d, struct trunk *t, uint16_t id)
{
	timer_cancel(&d->hold);
	trunk_detach(&d->sub);
	d->sub.err = 0;
	d->sub.peer_end = d->sub.reset = d->sub.end_sent = false;
	trunk_attach(t, &d->sub, id);
	/* it may have waited for the old one to have room: nobody wakes it there */
	if (d->d.job)
		job_ready(d->d.job);
}

struct sub_dgram *sub_dgram_new(struct trunk *t, uint16_t id,
				const struct addr *target, bool server)
{
	struct sub_dgram *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->d.ops = &sub_dgram_ops;
	d->worker = t->worker;
	d->rx_tail = &d->rx;
	d->sub.ops = &dgram_sub_ops;
	d->sub.server = d->sub.opened = server;
	timer_init(&d->hold, NULL);
	if (target && keep_target(d, target) < 0) {
		free(d);
		return NULL;
	}
	trunk_attach(t, &d->sub, id);
	return d;
}
