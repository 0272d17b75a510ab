/* cursor.c - A walk over the pieces a caller of writev or readv brings */
#include "proxy/layer/cursor.h"

#include <string.h>

#include "gateway/core/stream.h"

size_t cursor_copy(struct cursor *k, uint8_t *to, size_t n)
{
	size_t did = 0, take;

	while (k->cnt > 0 && did < n) {
		take = k->iov->iov_len - k->off;
		if (take > n - did)
			take = n - did;
		if (take)
			memcpy(to + did, (uint8_t *)k->iov->iov_base + k->off,
			       take);
		did += take;
		k->off += take;
		if (k->off == k->iov->iov_len) {
			k->iov++;
			k->cnt--;
			k->off = 0;
		}
	}
	return did;
}

size_t cursor_left(const struct cursor *k)
{
	size_t n = 0;

	for (int i = 0; i < k->cnt; i++)
		n += k->iov[i].iov_len;
	return n - k->off;
}

const uint8_t *cursor_next(struct cursor *k, uint8_t *to, size_t n)
{
	const uint8_t *p;

	while (k->cnt > 0 && k->off == k->iov->iov_len) {
		k->iov++;
		k->cnt--;
		k->off = 0;
	}
	if (k->cnt > 0 && k->iov->iov_len - k->off >= n) {
		p = (const uint8_t *)k->iov->iov_base + k->off;
		k->off += n;
		return p;
	}
	cursor_copy(k, to, n);
	return to;
}

size_t cursor_spread(const struct iovec *from, int from_cnt,
		     const struct iovec *to, int to_cnt)
{
	struct cursor k = { .iov = from, .cnt = from_cnt };
	size_t did = 0;

	for (int i = 0; i < to_cnt && k.cnt > 0; i++)
		did += cursor_copy(&k, to[i].iov_base, to[i].iov_len);
	return did;
}

ssize_t lent_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct iovec lent[STREAM_IOV];
	int lent_cnt = STREAM_IOV;
	ssize_t n = s->ops->lend(s, lent, &lent_cnt);

	if (n <= 0)
		return n;
	n = (ssize_t)cursor_spread(lent, lent_cnt, iov, cnt);
	s->ops->took(s, (size_t)n);
	return n;
}
