/* pass.c - Lending through a layer that passes bytes on as they are */
#include "proxy/layer/pass.h"

#include <errno.h>

#include "gateway/core/worker.h"

ssize_t pass_lend(struct stream *s, const struct stream_ops *copies,
		  struct iovec *iov, int *cnt)
{
	stream_shed(&s->below);
	if (s->below->ops->lend)
		return s->below->ops->lend(s->below, iov, cnt);
	s->ops = copies;
	job_ready(s->job);
	return -EAGAIN;
}

void pass_took(struct stream *s, size_t n)
{
	s->below->ops->took(s->below, n);
}
