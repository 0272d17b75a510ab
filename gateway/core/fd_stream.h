/* fd_stream.h - A kernel stream socket as a stream */
#ifndef GATEWAY_CORE_FD_STREAM_H
#define GATEWAY_CORE_FD_STREAM_H

#include <stdbool.h>

#include "gateway/core/stream.h"

/**
 * fd_stream_new() - Wrap a connected or connecting socket
 * @fd:		Non-blocking; owned by the stream on success
 * @connecting:	connect() is under way: -EAGAIN until it is decided
 *
 * Return: the stream, or NULL (out of memory or epoll space; @fd stays open)
 */
struct stream *fd_stream_new(struct worker *w, int fd, struct job *job,
			     bool connecting);
/* Is @s such a stream, with nothing above it? */
bool fd_stream_is(const struct stream *s);
/* splice(2) has met the end of @s: what reading says of it. 0 or -errno */
ssize_t fd_stream_end(struct stream *s);

#endif
