/* frame.c - Messages with their length before them (contract: frame.h) */
#include "gateway/dns/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"

ssize_t frame_take(struct frame *f, const uint8_t *p, size_t n)
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

bool frame_whole(const struct frame *f, size_t *len)
{
	*len = get_be16(f->head);
	return f->got >= 2 && f->got - 2 == *len;
}

void frame_next(struct frame *f)
{
	free(f->msg);
	*f = (struct frame){ .got = 0 };
}
