/*
 * link_splice.c - Socket to socket through a kernel pipe
 *
 * A pipe is borrowed only while it holds bytes, and emptied before it is
 * filled again, so that EAGAIN always says which socket blocks. Big pipes
 * matter: 0.26-0.30 CPU s/GB with 1 MiB against 0.50 with 64 KiB.
 * Source: splice(2), fcntl(2) F_SETPIPE_SZ
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/core/fd_stream.h"
#include "gateway/core/link_way.h"

#define PIPE_BYTES (1 << 20)
#define PIPES_KEPT 16 /* idle ones a worker */

/** struct pipe - fd[0] is read, fd[1] written; @bytes, @pages: the size granted */
struct pipe {
	struct pipe *next;
	int fd[2];
	size_t bytes, pages;
};

static struct pipe *pipe_make(void)
{
	struct pipe *p = malloc(sizeof(*p));
	int size;

	if (!p)
		return NULL;
	if (pipe2(p->fd, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	/* Refused over the user's limit: the default size works too */
	size = fcntl(p->fd[1], F_SETPIPE_SZ, PIPE_BYTES);
	if (size < 0)
		size = fcntl(p->fd[1], F_GETPIPE_SZ);
	p->bytes = size > 0 ? (size_t)size : 65536;
	p->pages = p->bytes / (size_t)sysconf(_SC_PAGESIZE);
	return p;
}

static void pipe_close(struct worker *w, struct pipe *p)
{
	worker_fds(w, -2);
	close(p->fd[0]);
	close(p->fd[1]);
	free(p);
}

bool pipe_borrow(struct worker *w, struct half *h)
{
	struct pipe *p = w->pipes;

	if (p) {
		w->pipes = p->next;
		w->pipe_count--;
	} else if (worker_fds_spare(w)) {
		p = pipe_make();
		worker_fds(w, p ? 2 : 0);
	}
	h->pipe = p;
	h->piped = 0;
	return p;
}

void pipe_return(struct worker *w, struct half *h)
{
	struct pipe *p = h->pipe;

	h->pipe = NULL;
	if (!p)
		return;
	if (h->piped || w->pipe_count >= PIPES_KEPT || !worker_fds_spare(w)) {
		pipe_close(w, p);
	} else {
		p->next = w->pipes;
		w->pipes = p;
		w->pipe_count++;
	}
	h->piped = 0;
}

ssize_t pipe_read(struct worker *w, struct half *h, uint8_t *p, size_t max)
{
	ssize_t n = read(h->pipe->fd[0], p, max < h->piped ? max : h->piped);

	if (n < 0)
		return -errno;
	h->piped -= (size_t)n;
	if (!h->piped)
		pipe_return(w, h);
	return n;
}

void pipe_drop_all(struct worker *w)
{
	struct pipe *p, *next;

	for (p = w->pipes; p; p = next) {
		next = p->next;
		pipe_close(w, p);
	}
	w->pipes = NULL;
	w->pipe_count = 0;
}

/* >0 bytes, 0 end, -EAGAIN (readiness used up), -errno */
static ssize_t splice_once(struct watch *wt, unsigned int dir, int in, int out,
			   size_t n)
{
	ssize_t r;

	if (!(wt->ready & dir))
		return -EAGAIN;
	r = splice(in, NULL, out, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (r >= 0)
		return r;
	if (errno == EINTR || errno == EAGAIN) {
		watch_used_up(wt, dir);
		return -EAGAIN;
	}
	r = -errno;
	if (dir == ST_WRITE)
		watch_broke(wt, (int)r);
	return r;
}

static struct moved splice_out(struct worker *w, struct half *h,
			       struct watch *to)
{
	ssize_t n = splice_once(to, ST_WRITE, h->pipe->fd[0], to->fd, h->piped);

	if (n == -EAGAIN)
		return half_blocked(h, true);
	if (n <= 0)
		return moved(n < 0 ? n : -EPIPE, true);
	h->piped -= (size_t)n;
	h->way = WAY_SPLICE;
	if (!h->piped)
		pipe_return(w, h);
	return moved(n, true);
}

/*
 * TLS of the kernel: a record that is no data is not spliced, and of one that is
 * broken the layer must know. Without a layer the read fails as splice did
 */
static bool to_be_read(ssize_t err)
{
	return err == -EINVAL || err == -EBADMSG || err == -EMSGSIZE;
}

/* The stream must see the end itself: it reads 0 ever after */
static ssize_t src_ended(struct worker *w, struct stream *src)
{
	return fd_stream_is(src) ? fd_stream_end(src) :
				   stream_read(src, w->scratch, 1);
}

/*
 * @n bytes came into the empty pipe. Each page of it holds one at least: fewer bytes
 * than pages are all there were, and to ask once more is in vain
 */
static void src_moved(const struct half *h, struct watch *from, size_t n)
{
	if (n < h->pipe->pages && !from->odd && fd_stream_is(*h->src))
		watch_used_up(from, ST_READ);
}

struct moved half_splice(struct worker *w, struct half *h, struct watch *from,
			 struct watch *to)
{
	size_t most = h->pipe->bytes;
	ssize_t n;

	if (h->piped)
		return splice_out(w, h, to);
	if (h->most && h->most < most)
		most = h->most;
	n = splice_once(from, ST_READ, from->fd, h->pipe->fd[1], most);
	if (n <= 0) {
		pipe_return(w, h);
		if (to_be_read(n))
			return half_copy(w, h);
		if (n == 0)
			n = src_ended(w, *h->src);
		return n == -EAGAIN ? half_blocked(h, false) : moved(n, false);
	}
	h->piped = (size_t)n;
	src_moved(h, from, h->piped);
	return splice_out(w, h, to);
}
