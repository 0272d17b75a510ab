/* buf.h - A byte buffer with a read offset; malloc'ed in one piece */
#ifndef GATEWAY_BASE_BUF_H
#define GATEWAY_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct buf - Bytes [off, off + len) are in use, [off + len, cap) are free
 */
struct buf {
	uint32_t off, len, cap;
	uint8_t data[];
};

struct buf *buf_new(size_t cap); /* NULL: out of memory */
void buf_free(struct buf *b); /* NULL is allowed */
static inline uint8_t *buf_head(struct buf *b)
{
	return b->data + b->off;
}
static inline uint8_t *buf_tail(struct buf *b)
{
	return b->data + b->off + b->len;
}
static inline size_t buf_space(const struct buf *b)
{
	return b->cap - b->off - b->len;
}
/* Forget the first @n bytes in use */
void buf_drop(struct buf *b, size_t n);
/* 0, or -ENOBUFS when fewer than @n bytes are free (moves to the front first) */
int buf_put(struct buf *b, const void *p, size_t n);

#endif
