/* endless.h - A stream that always has more to read, up to @left bytes */
#ifndef TESTS_UNIT_ENDLESS_H
#define TESTS_UNIT_ENDLESS_H

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/job.h"
#include "gateway/core/stream.h"

#define ENDLESS_BYTES (64u << 20) /* a loop without a bound ends, too */

struct endless {
	struct stream s; /* must be first */
	size_t left, taken;
	unsigned int wants;
	bool closed;
};

static inline struct endless *endless_of(struct stream *s)
{
	return container_of(s, struct endless, s);
}

static inline ssize_t endless_readv(struct stream *s, const struct iovec *iov,
				    int cnt)
{
	struct endless *e = endless_of(s);
	size_t n = iov->iov_len < e->left ? iov->iov_len : e->left;

	(void)cnt;
	if (!n)
		return -EAGAIN;
	memset(iov->iov_base, 'x', n);
	e->left -= n;
	e->taken += n;
	return (ssize_t)n;
}

static inline ssize_t endless_writev(struct stream *s, const struct iovec *iov,
				     int cnt)
{
	size_t n = 0;

	(void)s;
	for (int i = 0; i < cnt; i++)
		n += iov[i].iov_len;
	return (ssize_t)n;
}

static inline void endless_want(struct stream *s, unsigned int events)
{
	endless_of(s)->wants++;
	if (events & ST_READ && endless_of(s)->left)
		job_ready(s->job);
}

static inline bool endless_up(const struct stream *s)
{
	(void)s;
	return true;
}

static inline int endless_finish(struct stream *s)
{
	(void)s;
	return 0;
}

static inline void endless_close(struct stream *s, int why)
{
	(void)why;
	endless_of(s)->closed = true;
}

static const struct stream_ops endless_ops = {
	.name = "endless",
	.readv = endless_readv,
	.writev = endless_writev,
	.want = endless_want,
	.up = endless_up,
	.finish = endless_finish,
	.close = endless_close,
};

static inline void endless_init(struct endless *e, struct job *j)
{
	*e = (struct endless){ .s = { .ops = &endless_ops, .job = j },
			       .left = ENDLESS_BYTES };
}

#endif
