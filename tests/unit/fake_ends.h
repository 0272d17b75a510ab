/* fake_ends.h - Streams in memory and kinds of in- and outbounds, for sessions */
#ifndef TESTS_UNIT_FAKE_ENDS_H
#define TESTS_UNIT_FAKE_ENDS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/session.h"

#define FAKE_BYTES 4096

/**
 * struct fake - A stream as the test drives it
 * @rx:		What the session may read; @rx_end: then 0, @rx_err: then this
 * @tx:		What it wrote; @tx_err: what writing gives, @tx_full: -EAGAIN
 * @finish_rc:	What finish gives
 * @reads, @wants:	How often it was asked
 * @closed, @why:	It was closed, with what
 */
struct fake {
	struct stream s; /* must be first */
	uint8_t rx[FAKE_BYTES], tx[FAKE_BYTES];
	size_t rx_len, tx_len;
	bool rx_end, up, tx_full, fin, closed;
	int rx_err, tx_err, finish_rc, why;
	unsigned int want, wants, reads;
};

static inline struct fake *fake_of(struct stream *s)
{
	return container_of(s, struct fake, s);
}

static inline ssize_t fake_readv(struct stream *s, const struct iovec *iov,
				 int cnt)
{
	struct fake *f = fake_of(s);
	size_t n = f->rx_len < iov[0].iov_len ? f->rx_len : iov[0].iov_len;

	(void)cnt;
	f->reads++;
	if (!n)
		return f->rx_err ? f->rx_err : f->rx_end ? 0 : -EAGAIN;
	memcpy(iov[0].iov_base, f->rx, n);
	f->rx_len -= n;
	memmove(f->rx, f->rx + n, f->rx_len);
	return (ssize_t)n;
}

static inline ssize_t fake_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct fake *f = fake_of(s);

	f->reads++;
	if (!f->rx_len)
		return f->rx_err ? f->rx_err : f->rx_end ? 0 : -EAGAIN;
	/* in two pieces, as a netstack shows segments */
	iov[0] = (struct iovec){ f->rx, f->rx_len / 2 };
	iov[1] = (struct iovec){ f->rx + f->rx_len / 2,
				 f->rx_len - f->rx_len / 2 };
	*cnt = 2;
	if (f->rx_len == 1) {
		iov[0] = iov[1];
		*cnt = 1;
	}
	return (ssize_t)f->rx_len;
}

static inline void fake_took(struct stream *s, size_t n)
{
	struct fake *f = fake_of(s);

	f->rx_len -= n;
	memmove(f->rx, f->rx + n, f->rx_len);
}

static inline ssize_t fake_writev(struct stream *s, const struct iovec *iov,
				  int cnt)
{
	struct fake *f = fake_of(s);
	size_t sum = 0;

	if (f->tx_err)
		return f->tx_err;
	if (f->tx_full)
		return -EAGAIN;
	for (int i = 0; i < cnt; i++) {
		size_t n = iov[i].iov_len;

		if (n > FAKE_BYTES - f->tx_len)
			n = FAKE_BYTES - f->tx_len;
		memcpy(f->tx + f->tx_len, iov[i].iov_base, n);
		f->tx_len += n;
		sum += n;
	}
	return sum ? (ssize_t)sum : -EAGAIN;
}

/* As the contract says: readiness that holds already marks the job at once */
static inline void fake_want(struct stream *s, unsigned int events)
{
	struct fake *f = fake_of(s);

	f->want = events;
	f->wants++;
	if ((events & ST_READ && (f->rx_len || (f->rx_end && !f->fin))) ||
	    (events & ST_WRITE && !f->tx_full))
		job_ready(s->job);
}

static inline bool fake_up(const struct stream *s)
{
	const struct fake *f = (const void *)s; /* its first member */

	return f->up;
}

static inline int fake_finish(struct stream *s)
{
	struct fake *f = fake_of(s);

	if (!f->finish_rc)
		f->fin = true;
	return f->finish_rc;
}

static inline void fake_close(struct stream *s, int why)
{
	fake_of(s)->closed = true;
	fake_of(s)->why = why;
}

static const struct stream_ops fake_ops = {
	.name = "fake",
	.readv = fake_readv,
	.writev = fake_writev,
	.want = fake_want,
	.up = fake_up,
	.finish = fake_finish,
	.close = fake_close,
};

static const struct stream_ops fake_lend_ops = {
	.name = "fake-lend",
	.readv = fake_readv,
	.writev = fake_writev,
	.lend = fake_lend,
	.took = fake_took,
	.want = fake_want,
	.up = fake_up,
	.finish = fake_finish,
	.close = fake_close,
};

/* The test put something there: as the kernel would, wake who wants it */
static inline void fake_wake(struct fake *f)
{
	if (f->s.job && f->want)
		job_ready(f->s.job);
}

static inline void fake_say(struct fake *f, const void *p, size_t n)
{
	if (n > FAKE_BYTES - f->rx_len)
		abort(); /* the test says too much */
	memcpy(f->rx + f->rx_len, p, n);
	f->rx_len += n;
	fake_wake(f);
}

static inline void fake_end(struct fake *f)
{
	f->rx_end = true;
	fake_wake(f);
}

#endif
