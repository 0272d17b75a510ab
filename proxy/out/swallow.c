/*
 * swallow.c - What the client of a forbidden address speaks to, for a while
 *
 *   PASS  all goes to the stream below, which is being connected
 *     | connected: sheds          | -EFORBIDDEN
 *     v                           v
 *   (gone)                      HOLE  takes all, answers nothing, until the delay
 *                                     is over or the client ends: -EFORBIDDEN
 *
 * A client that is refused at once tries again at once; and a port scanner learns
 * nothing from waiting.
 * Source: Xray proxy/freedom/freedom.go, blockDelay (facts)
 */
#include "proxy/out/swallow.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/base/compat.h"
#include "gateway/core/session.h"

/**
 * struct swallow - One stream
 * @ses:	Whose; lives longer
 * @hole:	Nothing is below any more
 * @over:	The end is told
 */
struct swallow {
	struct stream s;
	struct session *ses;
	struct timer timer;
	bool hole, over;
};

static struct swallow *swallow_of(struct stream *s)
{
	return container_of(s, struct swallow, s);
}

static void end_it(struct swallow *w)
{
	w->over = true;
	job_ready(w->s.job);
}

static void on_timer(struct timer *t)
{
	end_it(container_of(t, struct swallow, timer));
}

static void open_hole(struct swallow *w)
{
	struct worker *worker = w->ses->job.worker;

	stream_close(&w->s.below, -ECANCELED);
	w->hole = true;
	w->over = !w->ses->block_ms;
	if (!w->over)
		timer_set(&worker->wheel, &w->timer, w->ses->block_ms);
	worker_drop(worker, DROP_BLOCKED);
}

/* What the stream below said: forbidden opens the hole. -EAGAIN, or @rc */
static ssize_t pass(struct swallow *w, ssize_t rc)
{
	if (rc != -EFORBIDDEN)
		return rc;
	open_hole(w);
	return w->over ? rc : -EAGAIN;
}

static ssize_t swallow_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct swallow *w = swallow_of(s);

	if (w->hole)
		return w->over ? -EFORBIDDEN : -EAGAIN;
	return pass(w, s->below->ops->readv(s->below, iov, cnt));
}

static ssize_t swallow_writev(struct stream *s, const struct iovec *iov,
			      int cnt)
{
	struct swallow *w = swallow_of(s);
	ssize_t n = 0;

	if (!w->hole)
		n = pass(w, s->below->ops->writev(s->below, iov, cnt));
	if (!w->hole)
		return n;
	if (w->over)
		return -EFORBIDDEN;
	n = 0;
	for (int i = 0; i < cnt; i++)
		n += (ssize_t)iov[i].iov_len;
	return n;
}

static void swallow_want(struct stream *s, unsigned int events)
{
	struct swallow *w = swallow_of(s);

	if (!w->hole)
		s->below->ops->want(s->below, events);
	else if (events & ST_WRITE || w->over)
		job_ready(s->job);
}

static bool swallow_up(const struct stream *s)
{
	const struct swallow *w = (const struct swallow *)(const void *)s;

	return w->hole || s->below->ops->up(s->below);
}

static int swallow_finish(struct stream *s)
{
	struct swallow *w = swallow_of(s);
	ssize_t rc = 0;

	if (!w->hole)
		rc = pass(w, s->below->ops->finish(s->below));
	if (!w->hole)
		return (int)rc;
	end_it(w);
	return 0;
}

static void swallow_close(struct stream *s, int why)
{
	struct swallow *w = swallow_of(s);

	timer_cancel(&w->timer);
	stream_close(&s->below, why);
	free(w);
}

static struct stream *swallow_shed(struct stream *s)
{
	struct stream *below = s->below;

	if (!below || !below->ops->up(below))
		return NULL;
	free(swallow_of(s)); /* no hole: its timer never ran */
	return below;
}

static const struct stream_ops swallow_ops = {
	.name = "swallow",
	.readv = swallow_readv,
	.writev = swallow_writev,
	.want = swallow_want,
	.up = swallow_up,
	.finish = swallow_finish,
	.close = swallow_close,
	.shed = swallow_shed,
};

int swallow_new(struct session *s, struct stream *below, struct stream **out)
{
	struct swallow *w = calloc(1, sizeof(*w));

	if (!w) {
		stream_close(&below, -ENOMEM);
		return -ENOMEM;
	}
	w->s = (struct stream){ .ops = &swallow_ops,
				.below = below,
				.job = &s->job };
	w->ses = s;
	timer_init(&w->timer, on_timer);
	if (!below)
		open_hole(w);
	*out = &w->s;
	return 0;
}
