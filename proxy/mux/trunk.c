/*
 * trunk.c - The frames of one Mux.cool connection, either side; no I/O
 *
 *   bytes -> head -> New: a sub is born     (server)
 *                    Keep: data to the sub; an unknown id is answered by End
 *                    End: the sub's input ends; a second one, or one with the
 *                         error bit, ends all of it
 *                    KeepAlive: nothing
 *
 * Mux.cool has no flow control: a sub that is not read fills its queue, then
 * the whole connection waits (rx_stall). What is to be sent is bounded as well;
 * answers to unknown ids cannot grow it without end (tx_stall).
 *
 * Half close: for Xray an End frame ends both directions of a session, for
 * v2ray's server only one. Culvert's server says that it is of the second kind
 * by a KeepAlive frame with the session id 0x6863 ("hc") and no data, which
 * others throw away; then culvert's client may send End at once (sub.c). A second
 * one, and more, come from a client that lives, and will go on to say so (bridge.c).
 *
 * Source: xray.md, 2.10; Xray common/mux/{client,server,session}.go (facts)
 */
#include "proxy/mux/trunk.h"

#include <errno.h>
#include <string.h>

#include "proxy/mux/sub.h"

static struct list *bucket_of(struct trunk *t, uint16_t id)
{
	return &t->bucket[id % TRUNK_BUCKETS];
}

void trunk_init(struct trunk *t, const struct trunk_ops *ops, struct worker *w)
{
	memset(t, 0, sizeof(*t));
	t->ops = ops;
	t->worker = w;
	for (unsigned int i = 0; i < TRUNK_BUCKETS; i++)
		list_init(&t->bucket[i]);
	list_init(&t->waiting);
}

struct sub *trunk_find(struct trunk *t, uint16_t id)
{
	struct list *l = bucket_of(t, id), *p;

	list_for_each (p, l) {
		struct sub *s = container_of(p, struct sub, in_bucket);

		if (s->id == id)
			return s;
	}
	return NULL;
}

void trunk_attach(struct trunk *t, struct sub *s, uint16_t id)
{
	s->trunk = t;
	s->id = id;
	list_init(&s->in_waiting);
	list_add_tail(bucket_of(t, id), &s->in_bucket);
	t->live++;
}

void trunk_resume(struct trunk *t, const struct sub *s)
{
	if (!t->rx_stall || t->cur != s)
		return;
	t->rx_stall = false;
	t->ops->kick(t);
}

void trunk_detach(struct sub *s)
{
	struct trunk *t = s->trunk;

	if (!t)
		return;
	s->trunk = NULL;
	list_del(&s->in_bucket);
	list_del(&s->in_waiting);
	t->live--;
	trunk_resume(t, s);
	if (t->cur == s)
		t->cur = NULL;
	t->ops->left(t);
}

/* --- out --- */

int trunk_put(struct trunk *t, struct mux_frame *f, const struct iovec *iov,
	      int cnt, size_t n)
{
	uint8_t head[MUX_HEAD_MAX];
	ssize_t len;

	f->has_data = n > 0;
	f->len = (uint16_t)n;
	len = mux_frame_encode(f, head, sizeof(head));
	if (len < 0)
		return (int)len;
	if (queue_reserve(&t->tx, (size_t)len + n) < 0)
		return -ENOMEM;
	queue_put(&t->tx, head, (size_t)len);
	for (int i = 0; i < cnt && n > 0; i++) {
		size_t k = iov[i].iov_len < n ? iov[i].iov_len : n;

		queue_put(&t->tx, iov[i].iov_base, k);
		n -= k;
	}
	t->ops->kick(t);
	return 0;
}

void trunk_put_end(struct trunk *t, uint16_t id, bool error)
{
	struct mux_frame f = { .session = id,
			       .status = MUX_END,
			       .error = error };

	trunk_put(t, &f, NULL, 0, 0);
}

void trunk_put_half_mark(struct trunk *t)
{
	struct mux_frame f = { .session = TRUNK_HALF_MARK,
			       .status = MUX_ALIVE };

	trunk_put(t, &f, NULL, 0, 0);
}

void trunk_sent(struct trunk *t, size_t n)
{
	queue_drop(&t->tx, n);
	if (t->tx.bytes > TRUNK_TX_LOW)
		return;
	t->tx_stall = false;
	while (!list_empty(&t->waiting)) {
		struct sub *s = list_first(&t->waiting, struct sub, in_waiting);

		list_del(&s->in_waiting);
		sub_wake(s, ST_WRITE);
	}
}

void trunk_up(struct trunk *t)
{
	struct list *p;

	if (t->up)
		return;
	t->up = true;
	for (unsigned int i = 0; i < TRUNK_BUCKETS; i++)
		list_for_each (p, &t->bucket[i])
			sub_wake(container_of(p, struct sub, in_bucket),
				 ST_READ | ST_WRITE);
}

void trunk_kill(struct trunk *t, int err)
{
	struct list *p, *next;

	t->err = err;
	for (unsigned int i = 0; i < TRUNK_BUCKETS; i++)
		list_for_each_safe (p, next, &t->bucket[i])
			sub_lost(container_of(p, struct sub, in_bucket), err);
	t->left = 0;
	t->head_len = 0;
	queue_free(&t->tx);
}

/* --- in --- */

static int on_new(struct trunk *t, const struct mux_frame *f)
{
	if (!t->ops->birth)
		return 0;
	if (trunk_find(t, f->session))
		return -EPROTO; /* ids are never used twice at a time */
	t->cur = t->ops->birth(t, f);
	if (t->cur && t->left && !t->cur->ops->begin(t->cur, f))
		t->cur = NULL;
	return 0;
}

static void on_keep(struct trunk *t, const struct mux_frame *f)
{
	struct sub *s = trunk_find(t, f->session);

	if (!t->left)
		return;
	if (!s)
		trunk_put_end(t, f->session, false);
	else if (!s->peer_end && s->ops->begin(s, f))
		t->cur = s;
}

static int on_frame(struct trunk *t, const struct mux_frame *f)
{
	struct sub *s;

	t->cur = NULL;
	t->left = f->len;
	switch (f->status) {
	case MUX_NEW:
		return on_new(t, f);
	case MUX_KEEP:
		on_keep(t, f);
		return 0;
	case MUX_END:
		s = trunk_find(t, f->session);
		if (s)
			sub_peer_end(s, f->error);
		return 0;
	case MUX_ALIVE:
		if (f->session == TRUNK_HALF_MARK && !f->len) {
			t->answers = t->half;
			t->half = true;
		}
		return 0;
	}
	return -EPROTO;
}

/* A head, which may come in pieces. Bytes consumed of @p, -EPROTO */
static ssize_t take_head(struct trunk *t, const uint8_t *p, size_t n)
{
	size_t had = t->head_len, k = sizeof(t->head) - had;
	struct mux_frame f;
	ssize_t len;
	int rc;

	k = k < n ? k : n;
	if (had) {
		memcpy(t->head + had, p, k);
		len = mux_frame_decode_as(t->head, had + k, t->ends, &f);
	} else {
		len = mux_frame_decode_as(p, k, t->ends, &f);
	}
	if (len < 0)
		return len;
	if (len == 0) {
		if (!had)
			memcpy(t->head, p, k);
		t->head_len = (uint16_t)(had + k);
		return k ? (ssize_t)k : -EPROTO;
	}
	t->head_len = 0;
	rc = on_frame(t, &f);
	return rc < 0 ? rc : len - (ssize_t)had;
}

static size_t take_data(struct trunk *t, const uint8_t *p, size_t n)
{
	size_t k = n < t->left ? n : t->left;

	if (t->cur) {
		k = t->cur->ops->take(t->cur, p, k);
		if (!k)
			t->rx_stall = true;
	}
	t->left = (uint16_t)(t->left - k);
	return k;
}

ssize_t trunk_feed(struct trunk *t, const uint8_t *p, size_t n)
{
	size_t used = 0;

	if (t->err)
		return t->err;
	while (used < n && !trunk_stalled(t)) {
		ssize_t k;

		if (t->left)
			k = (ssize_t)take_data(t, p + used, n - used);
		else
			k = take_head(t, p + used, n - used);
		if (k < 0)
			return k;
		used += (size_t)k;
		t->tx_stall = t->tx.bytes > TRUNK_TX_HARD;
	}
	return (ssize_t)used;
}
