/*
 * duct.c - Two ends of a byte pipe in memory (contract: duct.h)
 *
 *   one end  writev -> lane -> readv  the other one
 *
 * Each direction holds DUCT_BYTES at most, and no buffer while it is empty. All is
 * freed when both ends are closed.
 */
#include "gateway/core/duct.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/compat.h"

#define DUCT_BYTES 16384

/** struct lane - One direction; @fin: no more will be written */
struct lane {
	struct buf *b;
	bool fin;
};

/**
 * struct end - One end
 * @in, @out:	What it reads and writes
 * @want:	ST_READ | ST_WRITE
 * @gone:	Closed; @ended: it knows that the other one is
 * @why:	What the other end reads then
 * @told, @arg:	duct_tell()
 */
struct end {
	struct stream s;
	struct duct *duct;
	struct end *other;
	struct lane *in, *out;
	unsigned int want;
	bool gone, ended;
	int why;
	void (*told)(void *arg, int why);
	void *arg;
};

struct duct {
	struct end end[2];
	struct lane lane[2];
};

static struct end *end_of(struct stream *s)
{
	return container_of(s, struct end, s);
}

/* Something changed for @e in direction @dir */
static void end_wake(struct end *e, unsigned int dir)
{
	if (!e->gone && e->want & dir && e->s.job)
		job_ready(e->s.job);
}

static ssize_t end_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct end *e = end_of(s);
	struct buf *b = e->in->b;
	size_t did = 0, k;

	if (!b && !e->in->fin && !e->other->gone)
		return -EAGAIN;
	if (!b) {
		e->ended = e->other->gone;
		return e->in->fin ? 0 : e->other->why;
	}
	for (int i = 0; i < cnt && b->len; i++) {
		k = iov[i].iov_len < b->len ? iov[i].iov_len : b->len;
		if (k)
			memcpy(iov[i].iov_base, buf_head(b), k);
		buf_drop(b, k);
		did += k;
	}
	if (!b->len) {
		buf_free(b);
		e->in->b = NULL;
	}
	end_wake(e->other, ST_WRITE);
	return (ssize_t)did;
}

static ssize_t end_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct end *e = end_of(s);
	struct lane *w = e->out;
	size_t did = 0, k, room;

	if (e->other->gone)
		return e->other->why ? e->other->why : -EPIPE;
	if (w->fin)
		return -EPIPE;
	if (!w->b && !(w->b = buf_new(DUCT_BYTES)))
		return -ENOMEM;
	for (int i = 0; i < cnt; i++) {
		room = DUCT_BYTES - w->b->len;
		k = iov[i].iov_len < room ? iov[i].iov_len : room;
		if (k && buf_put(w->b, iov[i].iov_base, k) < 0)
			break;
		did += k;
	}
	if (!w->b->len) {
		buf_free(w->b);
		w->b = NULL;
		return 0;
	}
	end_wake(e->other, ST_READ);
	return did ? (ssize_t)did : -EAGAIN;
}

static bool can_read(const struct end *e)
{
	return e->in->b || e->in->fin || e->other->gone;
}

static bool can_write(const struct end *e)
{
	return !e->out->b || e->out->b->len < DUCT_BYTES || e->other->gone;
}

static void end_want(struct stream *s, unsigned int events)
{
	struct end *e = end_of(s);

	e->want = events;
	/* After the end was read, only a break is news, and that once */
	if ((events & ST_READ && can_read(e) && !e->ended &&
	     !(e->in->fin && !e->in->b && !e->other->gone)) ||
	    (events & ST_WRITE && can_write(e)))
		job_ready(s->job);
}

static bool end_up(const struct stream *s)
{
	(void)s;
	return true;
}

static int end_finish(struct stream *s)
{
	struct end *e = end_of(s);

	e->out->fin = true;
	end_wake(e->other, ST_READ);
	return 0;
}

static void end_close(struct stream *s, int why)
{
	struct end *e = end_of(s);
	struct duct *d = e->duct;

	e->gone = true;
	e->why = why;
	e->s.job = NULL;
	if (!e->other->gone) {
		end_wake(e->other, ST_READ | ST_WRITE);
		if (e->told)
			e->told(e->arg, why);
		return;
	}
	buf_free(d->lane[0].b);
	buf_free(d->lane[1].b);
	free(d);
}

static const struct stream_ops end_ops = {
	.name = "duct",
	.readv = end_readv,
	.writev = end_writev,
	.want = end_want,
	.up = end_up,
	.finish = end_finish,
	.close = end_close,
};

static void end_init(struct duct *d, int i)
{
	struct end *e = &d->end[i];

	e->s.ops = &end_ops;
	e->duct = d;
	e->other = &d->end[!i];
	e->in = &d->lane[i];
	e->out = &d->lane[!i];
}

int duct_new(struct stream *ends[2])
{
	struct duct *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	for (int i = 0; i < 2; i++) {
		end_init(d, i);
		ends[i] = &d->end[i].s;
	}
	return 0;
}

void duct_tell(struct stream *end, void (*told)(void *arg, int why), void *arg)
{
	end_of(end)->told = told;
	end_of(end)->arg = arg;
}
