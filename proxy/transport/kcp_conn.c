/*
 * kcp_conn.c - An mKCP connection as a stream
 *
 * Closed by its owner it lives on until the other side knows, without a stream
 * and with little memory; its timer frees it.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "proxy/transport/kcp_int.h"

static struct kcp_conn *conn_of(struct stream *s)
{
	return container_of(s, struct kcp_conn, s);
}

static const struct stream_ops kcp_stream_ops;

/* --- the worker's ------------------------------------------------------------------ */

static void room_free(void *room)
{
	struct kcp_room *r = room;

	while (!list_empty(&r->conns))
		kcp_conn_free(
			container_of(r->conns.next, struct kcp_conn, all));
	free(r);
}

struct kcp_room *kcp_room(struct worker *w)
{
	struct kcp_room *r = w->rooms[ROOM_KCP];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->pool.most = KCP_POOL_BYTES;
	list_init(&r->conns);
	list_init(&r->closed);
	w->rooms[ROOM_KCP] = r;
	w->room_free[ROOM_KCP] = room_free;
	return r;
}

/* --- life -------------------------------------------------------------------------- */

static void on_timer(struct timer *t)
{
	struct kcp_conn *c = container_of(t, struct kcp_conn, timer);

	if (!c->open && c->link.state == KCP_OVER)
		kcp_conn_free(c);
	else
		kcp_conn_mark(c);
}

struct kcp_conn *kcp_conn_new(struct worker *w, const struct kcp_rules *r,
			      struct job *job)
{
	struct kcp_room *room = kcp_room(w);
	struct kcp_conn *c = room ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	c->s = (struct stream){ .ops = &kcp_stream_ops, .job = job };
	c->worker = w;
	c->room = room;
	c->open = true;
	c->born_ms = w->now_ms;
	c->link.emit = kcp_port_emit;
	kcp_link_init(&c->link, r, &room->pool, w->now_ms);
	timer_init(&c->timer, on_timer);
	list_init(&c->dirty);
	list_init(&c->closed);
	list_add_tail(&room->conns, &c->all);
	return c;
}

void kcp_conn_grown(struct kcp_conn *c)
{
	c->link.tight = false;
	if (c->young)
		c->port->young--;
	c->young = false;
}

void kcp_conn_free(struct kcp_conn *c)
{
	struct kcp_port *p = c->port;

	kcp_way_free(c);
	timer_cancel(&c->timer);
	kcp_conn_grown(c);
	list_del(&c->dirty);
	list_del(&c->all);
	if (!list_empty(&c->closed))
		c->room->closed_count--;
	list_del(&c->closed);
	kcp_link_drop(&c->link);
	if (p && p->only == c)
		kcp_port_close(p);
	else if (p)
		htab_del(&p->conns, &c->node);
	if (p)
		kcp_port_unref(p);
	free(c);
}

void kcp_conn_join(struct kcp_conn *c, struct kcp_port *p)
{
	c->port = p;
	p->refs++;
}

void kcp_conn_mark(struct kcp_conn *c)
{
	if (!c->port || !c->port->sock)
		return; /* closed: nothing is sent, and its job may outlive it */
	if (list_empty(&c->dirty))
		list_add_tail(&c->port->dirty, &c->dirty);
	job_ready(&c->port->job);
}

/* Does anything that the owner waits for hold? */
static bool is_ready(const struct kcp_conn *c)
{
	return (c->want & ST_READ && kcp_link_readable(&c->link)) ||
	       (c->want & ST_WRITE && kcp_link_writable(&c->link));
}

void kcp_conn_run(struct kcp_conn *c)
{
	struct worker *w = c->worker;

	list_del(&c->dirty);
	kcp_link_tick(&c->link, w->now_ms);
	if (c->young && w->now_ms - c->born_ms >= KCP_YOUNG_MS)
		kcp_conn_grown(c);
	if (c->open && is_ready(c))
		job_ready(c->s.job);
	if (c->open && c->link.state == KCP_OVER)
		timer_cancel(&c->timer);
	else
		timer_set(&w->wheel, &c->timer,
			  kcp_link_wait(&c->link, w->now_ms));
}

/* --- the stream -------------------------------------------------------------------- */

/* 0 it can be used, -EAGAIN, -errno */
static int conn_step(struct kcp_conn *c)
{
	return c->way ? kcp_way_step(c) : 0;
}

static ssize_t kcp_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct kcp_conn *c = conn_of(s);
	ssize_t n = conn_step(c);

	if (n < 0)
		return n;
	n = kcp_link_read(&c->link, iov, cnt);
	if (c->link.ack_now)
		kcp_conn_mark(c); /* the window opened */
	return n;
}

static ssize_t kcp_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct kcp_conn *c = conn_of(s);
	ssize_t n = conn_step(c);

	if (n < 0)
		return n;
	n = kcp_link_write(&c->link, iov, cnt);
	if (n > 0) {
		kcp_conn_grown(c);
		kcp_conn_mark(c);
	}
	return n;
}

static void kcp_want(struct stream *s, unsigned int events)
{
	struct kcp_conn *c = conn_of(s);

	c->want = (uint8_t)events;
	if (!c->way && is_ready(c))
		job_ready(s->job);
}

static bool kcp_up(const struct stream *s)
{
	const struct kcp_conn *c = (const struct kcp_conn *)(const void *)s;

	return c->port;
}

static int kcp_finish(struct stream *s)
{
	struct kcp_conn *c = conn_of(s);
	int rc = conn_step(c);

	if (rc < 0)
		return rc;
	rc = kcp_link_finish(&c->link);
	kcp_conn_grown(c);
	kcp_conn_mark(c);
	return rc;
}

/* Many that are not over yet: the oldest was told often enough */
static void linger(struct kcp_conn *c)
{
	struct kcp_room *r = c->room;

	if (r->closed_count >= KCP_LINGER_MAX)
		kcp_conn_free(
			container_of(r->closed.next, struct kcp_conn, closed));
	list_add_tail(&r->closed, &c->closed);
	r->closed_count++;
	kcp_conn_mark(c);
}

/*
 * Who was never answered may be nobody: one word, and it is forgotten. So is
 * what has no socket any more.
 */
static void kcp_close(struct stream *s, int why)
{
	struct kcp_conn *c = conn_of(s);
	bool young = c->young;

	c->open = false;
	c->s.job = NULL;
	if (!c->port || !c->port->sock) {
		kcp_conn_free(c);
		return;
	}
	kcp_link_close(&c->link, young ? -ECONNRESET : why, c->worker->now_ms);
	if (young)
		kcp_link_tick(&c->link, c->worker->now_ms);
	kcp_port_send(c->port);
	if (young || c->link.state == KCP_OVER)
		kcp_conn_free(c);
	else
		linger(c);
}

static const struct stream_ops kcp_stream_ops = {
	.name = "kcp",
	.readv = kcp_readv,
	.writev = kcp_writev,
	.want = kcp_want,
	.up = kcp_up,
	.finish = kcp_finish,
	.close = kcp_close,
};
