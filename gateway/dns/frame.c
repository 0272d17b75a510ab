/* frame.c - Messages with their length before them (contract: frame.h) */
#include "gateway/dns/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "gateway/base/compat.h"

/*
 * Take bytes, up to the end of one message. Bytes used (not 0 when @n is not),
 * -ENOMEM
 */
static ssize_t frame_take(struct frame *f, const uint8_t *p, size_t n)
{
	size_t used = 0, left;

	while (used < n && f->got < 2)
		f->head[f->got++] = p[used++];
	if (f->got < 2)
		return (ssize_t)used;
	left = get_be16(f->head) - (f->got - 2);
	if (left > n - used)
		left = n - used;
	if (!left)
		return (ssize_t)used;
	/* 64 KiB at most */
	if (!f->msg && !(f->msg = malloc(get_be16(f->head))))
		return -ENOMEM;
	memcpy(f->msg + f->got - 2, p + used, left);
	f->got += left;
	return (ssize_t)(used + left);
}

void frame_next(struct frame *f)
{
	free(f->msg);
	*f = (struct frame){ .got = 0 };
}

int frame_each(struct frame *f, const uint8_t *p, size_t n, frame_fn *message,
	       void *arg)
{
	size_t len;
	ssize_t k;
	int rc = 0;

	while (n && !rc) {
		k = frame_take(f, p, n);
		if (k < 0)
			return (int)k;
		p += k;
		n -= (size_t)k;
		len = get_be16(f->head);
		if (f->got < 2 || f->got - 2 < len)
			continue;
		rc = message(arg, f->msg, len);
		frame_next(f);
	}
	return rc;
}
