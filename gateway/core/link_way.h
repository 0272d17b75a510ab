/* link_way.h - Between link.c and link_splice.c only */
#ifndef GATEWAY_CORE_LINK_WAY_H
#define GATEWAY_CORE_LINK_WAY_H

#include "gateway/core/link.h"
#include "gateway/core/worker.h"

/* What a move returns: bytes, 0 end of source, -EAGAIN, or -errno with @dst_failed */
struct moved {
	ssize_t n;
	bool dst_failed;
};

static inline struct moved moved(ssize_t n, bool dst)
{
	return (struct moved){ n, dst };
}

/* A side said -EAGAIN: remember which one the half waits for */
static inline struct moved half_blocked(struct half *h, bool dst)
{
	if (dst)
		h->dst_blocked = true;
	else
		h->src_blocked = true;
	return moved(-EAGAIN, dst);
}

/* A pipe for @h, if one can be had (else the bytes are copied) */
bool pipe_borrow(struct worker *w, struct half *h);
/* Give the pipe back; one that still holds bytes is closed. Without one: nothing */
void pipe_return(struct worker *w, struct half *h);
/* Up to @max bytes of it; one that is empty then is given back. Bytes or -errno */
ssize_t pipe_read(struct worker *w, struct half *h, uint8_t *p, size_t max);
/* End of the worker */
void pipe_drop_all(struct worker *w);
/* Empty the pipe into @to, else fill it from @from and empty it */
struct moved half_splice(struct worker *w, struct half *h, struct watch *from,
			 struct watch *to);
/* By the worker's scratch memory; any two streams can */
struct moved half_copy(struct worker *w, struct half *h);

#endif
