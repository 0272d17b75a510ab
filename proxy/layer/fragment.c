/*
 * fragment.c - The first writes of a stream in pieces, with pauses between them
 *
 *	writev -> in: bytes of one write -> out: one piece -> below -> pause ...
 *
 * A hello is awaited until its record is whole, at most HOLD_MS; what is none
 * passes as it is. With no pause all its records leave in one write. Once the
 * last write to be cut has gone the layer is spent and sheds.
 *
 * Source: Xray proxy/freedom/freedom.go, FragmentWriter (facts)
 */
#include "proxy/layer/fragment.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/worker.h"
#include "proxy/layer/keep.h"

#define RECORD_HEAD 5
#define RECORD_MAX  8192u /* a longer hello passes as it is */
#define IN_MAX      16384u /* bytes taken of one write */
#define HOLD_MS     200u
#define HANDSHAKE   22 /* content type of a TLS record */

/**
 * struct fragment - One stream
 * @in:		Taken and not yet cut; NULL none
 * @out:	The piece on its way; NULL none
 * @count:	Writes seen
 * @left:	Payload of the hello's record not yet cut; @plain: the rest of @in
 *		goes as it is
 * @pieces, @most:	Of this write; @most 0: any number
 * @holding:	A hello is not whole yet
 */
struct fragment {
	struct stream s;
	const struct fragment_conf *conf;
	struct worker *worker;
	struct timer timer;
	struct buf *in, *out;
	uint64_t count;
	size_t left;
	uint32_t pieces, most;
	uint8_t head[3];
	bool holding, plain, spent;
};

static struct fragment *fragment_of(struct stream *s)
{
	return container_of(s, struct fragment, s);
}

static void on_timer(struct timer *t)
{
	job_ready(container_of(t, struct fragment, timer)->s.job);
}

/* --- cutting --- */

static struct span step_of(const struct steps *s, uint32_t i, struct span rest)
{
	return i < s->count ? s->v[i] : rest;
}

/* All records of a hello leave in one write */
static bool is_merged(const struct fragment_conf *c)
{
	return !c->gaps.count && !c->gap_ms.hi;
}

/* The pause behind the last piece, ms */
static uint32_t gap_now(const struct fragment *f)
{
	struct span s;

	if (f->plain || !f->pieces)
		return 0;
	s = step_of(&f->conf->gaps, f->pieces - 1, f->conf->gap_ms);
	return rand_between(s.lo, s.hi);
}

/* The next length of @n bytes that are left */
static size_t piece_len(struct fragment *f, size_t n)
{
	struct span s = step_of(&f->conf->lengths, f->pieces, f->conf->length);
	size_t want = rand_between(s.lo, s.hi);

	f->pieces++;
	if (want > n || (f->most && f->pieces >= f->most))
		want = n;
	return want;
}

/* A record of its own around the next bytes of the hello */
static void cut_record(struct fragment *f)
{
	size_t n = piece_len(f, f->left);
	uint8_t head[RECORD_HEAD] = { f->head[0], f->head[1], f->head[2],
				      (uint8_t)(n >> 8), (uint8_t)n };

	buf_put(f->out, head, sizeof(head));
	buf_put(f->out, buf_head(f->in), n);
	buf_drop(f->in, n);
	f->left -= n;
}

/* The next piece to @out. 0 or -ENOMEM */
static int cut(struct fragment *f)
{
	size_t n = f->in->len;

	f->out = buf_new(f->left ? f->left * (RECORD_HEAD + 1) : n);
	if (!f->out)
		return -ENOMEM;
	if (f->left) {
		do {
			cut_record(f);
		} while (f->left && is_merged(f->conf));
		f->plain = !f->left;
		return 0;
	}
	if (!f->plain)
		n = piece_len(f, n);
	buf_put(f->out, buf_head(f->in), n);
	buf_drop(f->in, n);
	return 0;
}

/* --- moving --- */

/* Pieces go down as far as they may. 0 nothing is left, -EAGAIN, -errno */
static int push(struct fragment *f)
{
	stream_shed(&f->s.below);
	for (;;) {
		if (f->out) {
			int rc = keep_flush(&f->out, f->s.below);
			uint32_t gap = gap_now(f);

			if (rc < 0)
				return rc;
			if (f->in->len && gap)
				timer_set(&f->worker->wheel, &f->timer, gap);
		}
		if (!f->in || !f->in->len) {
			buf_free(f->in);
			f->in = NULL;
			return 0;
		}
		if (timer_armed(&f->timer))
			return -EAGAIN;
		if (f->holding) { /* nobody sent the rest of it */
			f->holding = false;
			f->plain = f->spent = true;
		}
		if (cut(f) < 0)
			return -ENOMEM;
	}
}

/* Take up to @n bytes in all into @in. How many, or -ENOMEM */
static ssize_t take(struct fragment *f, const struct iovec *iov, int cnt,
		    size_t n)
{
	size_t got = 0;

	if (!f->in)
		f->in = buf_new(n);
	if (!f->in)
		return -ENOMEM;
	for (int i = 0; i < cnt && f->in->len < n; i++) {
		size_t some = iov[i].iov_len;

		if (some > n - f->in->len)
			some = n - f->in->len;
		if (some)
			buf_put(f->in, iov[i].iov_base, some);
		got += some;
	}
	return (ssize_t)got;
}

/* What of a hello is there: 1 all of it, 0 more is awaited, -1 it is none */
static int look(struct fragment *f)
{
	const uint8_t *p = buf_head(f->in);
	size_t n = f->in->len, len;

	if ((n > 0 && p[0] != HANDSHAKE) || (n > 1 && p[1] != 3))
		return -1;
	if (n < RECORD_HEAD)
		return 0;
	len = (size_t)p[3] << 8 | p[4];
	if (!len || len > RECORD_MAX)
		return -1;
	if (n < RECORD_HEAD + len)
		return 0;
	memcpy(f->head, p, sizeof(f->head));
	f->left = len;
	buf_drop(f->in, RECORD_HEAD);
	return 1;
}

static void begin_hello(struct fragment *f)
{
	int what = look(f);

	if (what == 0) {
		if (!f->holding)
			timer_set(&f->worker->wheel, &f->timer, HOLD_MS);
		f->holding = true;
		return;
	}
	timer_cancel(&f->timer);
	f->holding = false;
	f->plain = what < 0;
	f->spent = true;
}

/* One write of the owner's. Bytes taken, or -errno */
static ssize_t put(struct fragment *f, const struct iovec *iov, int cnt)
{
	const struct fragment_conf *c = f->conf;
	struct stream *below = f->s.below;
	ssize_t n;

	if (f->spent || (!c->hello && f->count + 1 < c->first)) {
		n = below->ops->writev(below, iov, cnt);
		f->count += n > 0;
		return n;
	}
	n = take(f, iov, cnt, c->hello ? RECORD_HEAD + RECORD_MAX : IN_MAX);
	if (n < 0)
		return n;
	f->most = rand_between(c->pieces.lo, c->pieces.hi);
	f->pieces = 0;
	if (c->hello) {
		begin_hello(f);
		return n;
	}
	f->count++;
	f->spent = c->last && f->count >= c->last;
	return n;
}

static ssize_t fragment_writev(struct stream *s, const struct iovec *iov,
			       int cnt)
{
	struct fragment *f = fragment_of(s);
	int rc = f->holding ? 0 : push(f);
	struct stream *b = f->s.below;
	ssize_t n;

	if (rc < 0)
		return rc;
	if (!cnt) /* does something wait? */
		return f->holding ? -EAGAIN : b->ops->writev(b, NULL, 0);
	n = put(f, iov, cnt);
	if (n > 0 && !f->holding) {
		rc = push(f);
		if (rc < 0 && rc != -EAGAIN)
			return rc;
	}
	return n;
}

static ssize_t fragment_readv(struct stream *s, const struct iovec *iov,
			      int cnt)
{
	struct fragment *f = fragment_of(s);

	stream_shed(&s->below);
	if (!timer_armed(&f->timer))
		(void)push(f); /* an error comes again with the read */
	return s->below->ops->readv(s->below, iov, cnt);
}

static void fragment_want(struct stream *s, unsigned int events)
{
	struct fragment *f = fragment_of(s);
	int rc = timer_armed(&f->timer) ? -EAGAIN : push(f);

	if (rc < 0 && rc != -EAGAIN)
		job_ready(s->job); /* the next call tells */
	if (f->out)
		events |= ST_WRITE;
	else if (rc == -EAGAIN) /* also of a hello that is not whole */
		events &= ~(unsigned int)ST_WRITE; /* the timer calls */
	s->below->ops->want(s->below, events);
}

static bool fragment_up(const struct stream *s)
{
	return s->below->ops->up(s->below);
}

static int fragment_finish(struct stream *s)
{
	struct fragment *f = fragment_of(s);
	int rc;

	if (f->holding)
		timer_cancel(&f->timer);
	rc = timer_armed(&f->timer) ? -EAGAIN : push(f);
	return rc < 0 ? rc : s->below->ops->finish(s->below);
}

static void fragment_free(struct fragment *f)
{
	timer_cancel(&f->timer);
	buf_free(f->in);
	buf_free(f->out);
	free(f);
}

static void fragment_close(struct stream *s, int why)
{
	struct fragment *f = fragment_of(s);

	if (!why && (f->in || f->out))
		why = -ECANCELED; /* something is lost: no clean end */
	stream_close(&s->below, why);
	fragment_free(f);
}

static struct stream *fragment_shed(struct stream *s)
{
	struct fragment *f = fragment_of(s);
	struct stream *below = s->below;

	if (!f->spent || f->in || f->out)
		return NULL;
	fragment_free(f);
	return below;
}

static const struct stream_ops fragment_ops = {
	.name = "fragment",
	.readv = fragment_readv,
	.writev = fragment_writev,
	.want = fragment_want,
	.up = fragment_up,
	.finish = fragment_finish,
	.close = fragment_close,
	.shed = fragment_shed,
};

struct stream *fragment_new(const struct fragment_conf *c, struct stream *below,
			    struct worker *w)
{
	struct fragment *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->s = (struct stream){ .ops = &fragment_ops,
				.below = below,
				.job = below->job };
	f->conf = c;
	f->worker = w;
	timer_init(&f->timer, on_timer);
	return &f->s;
}
