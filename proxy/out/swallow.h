/* swallow.h - What the client of a forbidden address speaks to, for a while */
#ifndef PROXY_OUT_SWALLOW_H
#define PROXY_OUT_SWALLOW_H

#include "gateway/core/stream.h"

struct session;

/**
 * swallow_new() - A stream that takes over when @below ends with -EFORBIDDEN
 * @below:	Owned, also on failure; it sets @s->block_ms before it ends so.
 *		NULL: it is forbidden already
 *
 * Return: 0 with *@out, or -ENOMEM
 */
int swallow_new(struct session *s, struct stream *below, struct stream **out);

#endif
