/* stream.c - What every owner of a stream does with it */
#include "gateway/core/stream.h"

#include <string.h>

#include "gateway/core/fd_stream.h"

void stream_shed(struct stream **sp)
{
	while (*sp && (*sp)->ops->shed) {
		struct stream *below = (*sp)->ops->shed(*sp);

		if (!below)
			return;
		*sp = below;
	}
}

void stream_set_job(struct stream *s, struct job *j)
{
	for (; s; s = s->below)
		s->job = j;
}

void stream_close(struct stream **sp, int why)
{
	struct stream *s = *sp;

	*sp = NULL;
	if (s)
		s->ops->close(s, why);
}

void stream_hello(struct stream *s, struct stream_hello *out)
{
	out->name[0] = out->alpn[0] = '\0';
	while (s && !s->ops->hello)
		s = s->below;
	if (s)
		s->ops->hello(s, out);
}

int stream_settled(struct stream *s)
{
	ssize_t n = 0;

	for (; s && n >= 0 && !fd_stream_is(s); s = s->below)
		n = s->ops->writev(s, NULL, 0);
	return n < 0 ? (int)n : 0;
}

ssize_t stream_read(struct stream *s, void *p, size_t n)
{
	struct iovec iov = { p, n };

	return s->ops->readv(s, &iov, 1);
}

ssize_t stream_write(struct stream *s, const void *p, size_t n)
{
	struct iovec iov;

	/* writev only reads; iovec has no const form */
	memcpy(&iov.iov_base, &p, sizeof(p));
	iov.iov_len = n;
	return s->ops->writev(s, &iov, 1);
}
