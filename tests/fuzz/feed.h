/*
 * feed.h - A stream that says the input in pieces and takes all it is told
 *
 * Included by one file of each target. Random bytes are the same in each run,
 * so that seeds may hold the answer to a question.
 */
#ifndef TESTS_FUZZ_FEED_H
#define TESTS_FUZZ_FEED_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/stream.h"
#include "must.h"

/**
 * struct feed - The far end
 * @p, @n:	What is left to say
 * @step:	Bytes a call; every other call says -EAGAIN
 * @broken:	Ends with a reset instead of in order
 */
struct feed {
	struct stream s;
	const uint8_t *p;
	size_t n, step;
	bool later, broken, closed;
};

static inline ssize_t feed_readv(struct stream *s, const struct iovec *iov,
				 int cnt)
{
	struct feed *f = container_of(s, struct feed, s);
	size_t n = f->n < f->step ? f->n : f->step;

	MUST(!f->closed && cnt > 0 && iov->iov_len > 0);
	f->later = !f->later;
	if (f->later)
		return -EAGAIN;
	if (!f->n)
		return f->broken ? -ECONNRESET : 0;
	if (n > iov->iov_len)
		n = iov->iov_len;
	memcpy(iov->iov_base, f->p, n);
	f->p += n;
	f->n -= n;
	return (ssize_t)n;
}

static inline ssize_t feed_writev(struct stream *s, const struct iovec *iov,
				  int cnt)
{
	struct feed *f = container_of(s, struct feed, s);
	unsigned int sum = 0;
	ssize_t n = 0;

	MUST(!f->closed);
	for (int i = 0; i < cnt; i++) { /* each byte is looked at */
		for (size_t k = 0; k < iov[i].iov_len; k++)
			sum += ((const uint8_t *)iov[i].iov_base)[k];
		n += (ssize_t)iov[i].iov_len;
	}
	return n ? n : (ssize_t)(sum * 0);
}

static inline void feed_want(struct stream *s, unsigned int events)
{
	if (events & (ST_READ | ST_WRITE) && s->job)
		job_ready(s->job);
}

static inline bool feed_up(const struct stream *s)
{
	(void)s;
	return true;
}

static inline int feed_finish(struct stream *s)
{
	MUST(!container_of(s, struct feed, s)->closed);
	return 0;
}

static inline void feed_close(struct stream *s, int why)
{
	struct feed *f = container_of(s, struct feed, s);

	(void)why;
	MUST(!f->closed);
	f->closed = true;
}

static const struct stream_ops feed_ops = {
	.name = "feed",
	.readv = feed_readv,
	.writev = feed_writev,
	.want = feed_want,
	.up = feed_up,
	.finish = feed_finish,
	.close = feed_close,
};

/* @how: the size of the pieces, and the end */
static inline void feed_init(struct feed *f, const uint8_t *p, size_t n,
			     uint8_t how)
{
	*f = (struct feed){ .s = { .ops = &feed_ops },
			    .p = p,
			    .n = n,
			    .step = how & 0x40 ? 4096 : (how & 0x3f) + 1u,
			    .broken = how & 0x80 };
}

/* --- instead of gateway/base/rand.c --------------------------------------------- */

void rand_bytes(void *p, size_t n)
{
	memset(p, 0x5a, n);
}

uint32_t rand_u32(void)
{
	return 0x5a5a5a5a;
}

uint32_t rand_below(uint32_t n)
{
	return 0x5a5a5a5a % n;
}

uint64_t rand_key(void)
{
	return 0x5a5a5a5a5a5a5a5a;
}

#endif
