/* keep.c - A buffer that a layer has only while it holds bytes */
#include "proxy/layer/keep.h"

#include <errno.h>
#include <string.h>

static void drop(struct buf **b, size_t n)
{
	buf_drop(*b, n);
	if ((*b)->len)
		return;
	buf_free(*b);
	*b = NULL;
}

int keep_flush(struct buf **b, struct stream *below)
{
	ssize_t n;

	while (*b) {
		n = stream_write(below, buf_head(*b), (*b)->len);
		if (n <= 0)
			return n ? (int)n : -EAGAIN;
		drop(b, (size_t)n);
	}
	return 0;
}

int keep_copy(struct buf **b, const uint8_t *p, size_t n)
{
	if (!n)
		return 0;
	*b = buf_new(n);
	return *b ? buf_put(*b, p, n) : -ENOMEM;
}

int keep_append(struct buf **b, const uint8_t *p, size_t n)
{
	struct buf *more;

	if (!*b)
		return keep_copy(b, p, n);
	if (!n || buf_put(*b, p, n) == 0)
		return 0;
	more = buf_new((*b)->len + n);
	if (!more)
		return -ENOMEM;
	buf_put(more, buf_head(*b), (*b)->len);
	buf_put(more, p, n);
	buf_free(*b);
	*b = more;
	return 0;
}

int keep_put(struct buf **b, struct stream *below, const uint8_t *p, size_t n)
{
	size_t done = 0;

	/* a layer below may take less at a time */
	while (done < n) {
		ssize_t put = stream_write(below, p + done, n - done);

		if (put == -EAGAIN || put == 0)
			break;
		if (put < 0)
			return (int)put;
		done += (size_t)put;
	}
	return keep_copy(b, p + done, n - done);
}

size_t keep_take(struct buf **b, const struct iovec *iov, int cnt)
{
	size_t done = 0, n;

	for (int i = 0; i < cnt && *b; i++) {
		n = iov[i].iov_len < (*b)->len ? iov[i].iov_len : (*b)->len;
		memcpy(iov[i].iov_base, buf_head(*b), n);
		drop(b, n);
		done += n;
	}
	return done;
}
