/* pass.h - Lending through a layer that passes bytes on as they are */
#ifndef PROXY_LAYER_PASS_H
#define PROXY_LAYER_PASS_H

#include "gateway/core/stream.h"

/*
 * A layer that has done its work on what is read, and stays for what is written, has
 * a second table of ops with these, and takes it (@s->ops) when pass_can() says so.
 * It goes back to @copies, which has no lend, when what is below has changed for a
 * layer that cannot lend either.
 */
static inline bool pass_can(const struct stream *s)
{
	return s->below->ops->lend;
}

ssize_t pass_lend(struct stream *s, const struct stream_ops *copies,
		  struct iovec *iov, int *cnt);
void pass_took(struct stream *s, size_t n);

#endif
