/*
 * reality_slow.c - A layer that is read at a limited rate
 *
 * A bucket of tokens, one a byte, full at first and filled at @rate. While it is
 * empty nothing is read, which is the back-pressure; a timer marks the job ready
 * when there is something worth waking up for.
 *
 * Source: XTLS/REALITY tls.go, RatelimitedConn (facts)
 */
#include <stdlib.h>

#include "gateway/base/compat.h"
#include "gateway/core/worker.h"
#include "proxy/transport/reality_in.h"

#define STEP_MS   20u /* tokens of so long are worth a read */
#define PIECE_MAX 65536u /* one read takes no more */

/**
 * struct slow - The layer
 * @after:	Bytes that still pass freely
 * @tokens:	Bytes that may be read now; @milli: thousandths of one more
 * @filled_ms:	When it was filled last
 */
struct slow {
	struct stream s;
	struct worker *worker;
	struct timer timer;
	const struct reality_limit *limit;
	uint64_t after, burst, tokens, milli;
	uint32_t filled_ms;
};

static struct slow *slow_of(struct stream *s)
{
	return container_of(s, struct slow, s);
}

static void slow_wake(struct timer *t)
{
	job_ready(container_of(t, struct slow, timer)->s.job);
}

static void fill(struct slow *l)
{
	uint64_t gone = l->worker->now_ms - l->filled_ms;
	uint64_t rate = l->limit->rate;

	l->filled_ms = l->worker->now_ms;
	/* longer than it takes to be full makes no difference, nor overflows */
	if (gone >= (l->burst / rate + 1) * 1000) {
		l->tokens = l->burst;
		return;
	}
	l->milli += gone * rate;
	l->tokens += l->milli / 1000;
	l->milli %= 1000;
	if (l->tokens > l->burst)
		l->tokens = l->burst;
}

/* Bytes that may be read now; 0: wait */
static size_t allowed(struct slow *l)
{
	uint64_t step = l->limit->rate * STEP_MS / 1000;

	if (l->after)
		return l->after < PIECE_MAX ? (size_t)l->after : PIECE_MAX;
	fill(l);
	if (!l->tokens || (l->tokens < step && l->tokens < l->burst))
		return 0;
	return l->tokens < PIECE_MAX ? (size_t)l->tokens : PIECE_MAX;
}

static void slow_took(struct slow *l, size_t n)
{
	if (l->after)
		l->after -= n;
	else
		l->tokens -= n;
}

static ssize_t slow_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct slow *l = slow_of(s);
	struct iovec one = iov[0];
	size_t most;
	ssize_t n;

	(void)cnt; /* the first piece will do */
	stream_shed(&s->below);
	most = allowed(l);
	if (!most)
		return -EAGAIN;
	if (one.iov_len > most)
		one.iov_len = most;
	n = s->below->ops->readv(s->below, &one, 1);
	if (n > 0)
		slow_took(l, (size_t)n);
	return n;
}

static ssize_t slow_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	stream_shed(&s->below);
	return s->below->ops->writev(s->below, iov, cnt);
}

static void slow_want(struct stream *s, unsigned int events)
{
	struct slow *l = slow_of(s);

	if (events & ST_READ && !allowed(l)) {
		events &= ~(unsigned int)ST_READ;
		if (!timer_armed(&l->timer))
			timer_set(&l->worker->wheel, &l->timer,
				  1000 / l->limit->rate > STEP_MS ?
					  (uint32_t)(1000 / l->limit->rate) :
					  STEP_MS);
	}
	s->below->ops->want(s->below, events);
}

static bool slow_up(const struct stream *s)
{
	return s->below->ops->up(s->below);
}

static int slow_finish(struct stream *s)
{
	return s->below->ops->finish(s->below);
}

static void slow_close(struct stream *s, int why)
{
	struct slow *l = slow_of(s);

	timer_cancel(&l->timer);
	stream_close(&s->below, why);
	free(l);
}

static struct watch *slow_watch(struct stream *s, unsigned int dir)
{
	struct stream *b = s->below;

	return dir == ST_WRITE && b->ops->watch ? b->ops->watch(b, dir) : NULL;
}

static const struct stream_ops slow_ops = {
	.name = "slow",
	.readv = slow_readv,
	.writev = slow_writev,
	.want = slow_want,
	.up = slow_up,
	.finish = slow_finish,
	.close = slow_close,
	.watch = slow_watch,
};

int reality_slow_down(struct worker *w, const struct reality_limit *limit,
		      struct stream **s)
{
	struct slow *l;

	if (!limit->rate)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->s = (struct stream){ .ops = &slow_ops,
				.below = *s,
				.job = (*s)->job };
	l->worker = w;
	l->limit = limit;
	l->after = limit->after;
	l->burst = limit->burst > limit->rate ? limit->burst : limit->rate;
	l->tokens = l->burst;
	l->filled_ms = w->now_ms;
	timer_init(&l->timer, slow_wake);
	*s = &l->s;
	return 0;
}
