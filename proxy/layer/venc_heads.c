/*
 * venc_heads.c - A stream of TLS records whose heads look like noise
 *
 * VLESS encryption in mode random, after Vision has left its records: what comes then
 * is TLS of the stream within, whose heads are masked by the same key stream
 * (struct venc_heads_key). Bodies are as they are.
 *
 * Source: docs/wire/vless_encryption.md
 */
#include "proxy/layer/venc_heads.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/crypto.h"
#include "proxy/layer/cursor.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/room.h"

/**
 * struct heads - The layer
 * @reads, @writes:	Such a direction has begun
 * @err:	Of writing, final; 0
 * @out:	Masked, not written yet; NULL none
 */
struct heads {
	struct stream s;
	struct worker *worker;
	bool reads, writes;
	int err;
	struct buf *out;
	struct venc_heads_key rx, tx;
};

static struct heads *heads_of(struct stream *s)
{
	return container_of(s, struct heads, s);
}

/* 0, -EAGAIN, -errno */
static int flush_out(struct heads *h)
{
	int rc = h->err ? h->err : keep_flush(&h->out, h->s.below);

	if (rc && rc != -EAGAIN)
		h->err = rc;
	return rc;
}

/* As much as one call takes, masked. Bytes or -errno, which is final */
static ssize_t put_masked(struct heads *h, const struct iovec *iov, int cnt)
{
	struct layer_room *r = layer_room(h->worker);
	uint8_t *out = r ? pool_get(&r->out) : NULL;
	struct cursor k = { .iov = iov, .cnt = cnt };
	size_t n;
	int rc;

	if (!out)
		return -ENOMEM;
	n = cursor_copy(&k, out, LAYER_CALL_BYTES);
	rc = venc_heads_run(&h->tx, false, out, n);
	if (!rc)
		rc = keep_put(&h->out, h->s.below, out, n);
	pool_put(&r->out, out);
	return rc < 0 ? rc : (ssize_t)n;
}

static ssize_t heads_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct heads *h = heads_of(s);
	ssize_t n;
	int rc;

	stream_shed(&s->below);
	rc = flush_out(h);
	if (rc)
		return rc;
	if (!h->writes || !cnt)
		return s->below->ops->writev(s->below, iov, cnt);
	n = put_masked(h, iov, cnt);
	if (n < 0)
		h->err = (int)n;
	return n;
}

static ssize_t heads_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct heads *h = heads_of(s);
	ssize_t n = s->below->ops->readv(s->below, iov, cnt);
	size_t left = n > 0 && h->reads ? (size_t)n : 0, k;

	for (int i = 0; left; i++) {
		k = iov[i].iov_len < left ? iov[i].iov_len : left;
		if (venc_heads_take(s, iov[i].iov_base, k) < 0)
			return -ENOMEM;
		left -= k;
	}
	return n;
}

static void heads_want(struct stream *s, unsigned int events)
{
	struct heads *h = heads_of(s);

	/* the owner may have no more to write, and never call for that again */
	if (h->out && flush_out(h) < 0 && h->err)
		job_ready(s->job);
	if (h->out)
		events |= ST_WRITE;
	s->below->ops->want(s->below, events);
}

static bool heads_up(const struct stream *s)
{
	return s->below->ops->up(s->below);
}

static int heads_finish(struct stream *s)
{
	int rc = flush_out(heads_of(s));

	return rc ? rc : s->below->ops->finish(s->below);
}

static void heads_close(struct stream *s, int why)
{
	struct heads *h = heads_of(s);

	stream_close(&s->below, why);
	buf_free(h->out);
	venc_mask_drop(&h->rx.mask);
	venc_mask_drop(&h->tx.mask);
	free(h);
}

static const struct stream_ops heads_ops = {
	.name = "vless encryption",
	.readv = heads_readv,
	.writev = heads_writev,
	.want = heads_want,
	.up = heads_up,
	.finish = heads_finish,
	.close = heads_close,
};

struct stream *venc_heads_new(struct worker *w, struct stream *below)
{
	struct heads *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->s = (struct stream){ .ops = &heads_ops,
				.below = below,
				.job = below->job };
	h->worker = w;
	return &h->s;
}

void venc_heads_start(struct stream *s, unsigned int dir,
		      struct venc_mask_key *mask)
{
	struct heads *h = heads_of(s);
	struct venc_heads_key *to = dir == ST_READ ? &h->rx : &h->tx;

	to->mask = *mask;
	memset(mask, 0, sizeof(*mask));
	h->reads |= dir == ST_READ;
	h->writes |= dir == ST_WRITE;
}

int venc_heads_take(struct stream *s, uint8_t *p, size_t n)
{
	return venc_heads_run(&heads_of(s)->rx, true, p, n);
}
