/* cursor.h - A walk over the pieces a caller of writev or readv brings */
#ifndef PROXY_LAYER_CURSOR_H
#define PROXY_LAYER_CURSOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream;

/**
 * struct cursor - A place in the caller's pieces
 * @iov, @cnt:	Those left, the one looked at included
 * @off:	Bytes of it used
 */
struct cursor {
	const struct iovec *iov;
	int cnt;
	size_t off;
};

/* Bytes from here on */
size_t cursor_left(const struct cursor *k);
/* Copy up to @n bytes to @to; how many there were */
size_t cursor_copy(struct cursor *k, uint8_t *to, size_t n);
/* The next @n <= cursor_left() bytes: where they lie if in one piece, else at @to */
const uint8_t *cursor_next(struct cursor *k, uint8_t *to, size_t n);
/* Copy what lies at @from to @to as far as either goes. Bytes */
size_t cursor_spread(const struct iovec *from, int from_cnt,
		     const struct iovec *to, int to_cnt);
/* The op readv of a stream that lends: a copy, and then took */
ssize_t lent_readv(struct stream *s, const struct iovec *iov, int cnt);

#endif
