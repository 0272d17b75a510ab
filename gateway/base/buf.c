/* buf.c - A byte buffer with a read offset */
#include "gateway/base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct buf *buf_new(size_t cap)
{
	struct buf *b;

	if (cap > UINT32_MAX - sizeof(*b))
		return NULL;
	b = malloc(sizeof(*b) + cap);
	if (!b)
		return NULL;
	b->off = 0;
	b->len = 0;
	b->cap = (uint32_t)cap;
	return b;
}

void buf_free(struct buf *b)
{
	free(b);
}

void buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= (uint32_t)n;
	b->off = b->len ? b->off + (uint32_t)n : 0;
}

int buf_put(struct buf *b, const void *p, size_t n)
{
	if (n > b->cap - b->len)
		return -ENOBUFS;
	if (!n)
		return 0;
	if (n > buf_space(b)) {
		memmove(b->data, buf_head(b), b->len);
		b->off = 0;
	}
	memcpy(buf_tail(b), p, n);
	b->len += (uint32_t)n;
	return 0;
}
