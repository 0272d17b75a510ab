/*
 * fd_stream.c - A kernel stream socket as a stream
 *
 * One edge-triggered watch for the life of the socket. A call is made only
 * while its readiness bit is set; EAGAIN clears the bit, and so does a call that
 * moves less than it was asked to: nothing is left then (epoll(7), Q9).
 */
#include "gateway/core/fd_stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/core/fd_linger.h"
#include "gateway/core/worker.h"

/**
 * struct fd_stream - The bottom of a stack
 * @watch:	Owns the registration; watch.fd is the socket, owned
 * @connecting:	connect() not decided yet
 * @eof:	End of stream was read; only an error can follow
 * @err:	-errno of a failed connect; 0
 */
struct fd_stream {
	struct stream s;
	struct watch watch;
	struct worker *worker;
	bool connecting, eof;
	int err;
};

static struct fd_stream *fds(struct stream *s)
{
	return container_of(s, struct fd_stream, s);
}

/* Is the connect decided? 0 connected, -EAGAIN, -errno */
static int fds_settle(struct fd_stream *f)
{
	socklen_t len = sizeof(f->err);
	int err = 0;

	if (!f->connecting)
		return f->err;
	if (!(f->watch.ready & ST_WRITE))
		return -EAGAIN;
	/* A connect that failed raises EPOLLERR and EPOLLHUP */
	if (f->watch.odd &&
	    getsockopt(f->watch.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	f->connecting = false;
	if (err == ECONNRESET || err == EPIPE) /* later than connected */
		watch_broke(&f->watch, -err);
	else
		f->err = -err;
	return f->err;
}

/* Turn a failed call into the contract's codes */
static ssize_t fds_fail(struct fd_stream *f, unsigned int dir)
{
	int err = errno;

	if (err == EINTR || err == EAGAIN) {
		if (err == EAGAIN)
			watch_used_up(&f->watch, dir);
		else
			job_ready(f->s.job);
		return -EAGAIN;
	}
	if (dir == ST_WRITE)
		watch_broke(&f->watch, -err);
	return -err;
}

/*
 * Reading says that it ended. The reset that a write has met is told to no other
 * call; -EPIPE is what the kernel makes of one behind the other side's FIN
 */
static int fds_end(const struct fd_stream *f)
{
	return f->watch.broken == -EPIPE ? 0 : f->watch.broken;
}

/* The kernel says that there is nothing more. 0 or -errno */
static int fds_ended(struct fd_stream *f)
{
	int err = fds_end(f);

	f->eof = err == 0; /* the next edge is a reset */
	watch_used_up(&f->watch, ST_READ);
	return err;
}

/* @n bytes were moved: all that could be, when they are fewer than asked for */
static void fds_moved(struct fd_stream *f, unsigned int dir, size_t n,
		      const struct iovec *iov, int cnt)
{
	for (int i = 0; i < cnt; i++) {
		if (n < iov[i].iov_len) {
			watch_used_up(&f->watch, dir);
			return;
		}
		n -= iov[i].iov_len;
	}
}

static ssize_t fds_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct fd_stream *f = fds(s);
	int err = fds_settle(f);
	ssize_t n;

	if (err < 0)
		return err;
	if (!(f->watch.ready & ST_READ))
		return f->eof ? 0 : fds_end(f) ? fds_end(f) : -EAGAIN;
	n = cnt == 1 ? read(f->watch.fd, iov->iov_base, iov->iov_len) :
		       readv(f->watch.fd, iov, cnt);
	if (n < 0)
		return fds_fail(f, ST_READ);
	if (n == 0) {
		n = fds_ended(f);
	} else if (!f->watch.odd) {
		fds_moved(f, ST_READ, (size_t)n, iov, cnt);
	}
	return n;
}

ssize_t fd_stream_end(struct stream *s)
{
	return fds_ended(fds(s));
}

static ssize_t fds_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct fd_stream *f = fds(s);
	struct msghdr msg = { .msg_iovlen = (size_t)cnt };
	int err = fds_settle(f);
	ssize_t n;

	if (err < 0)
		return err;
	if (f->watch.broken)
		return f->watch.broken;
	if (!(f->watch.ready & ST_WRITE))
		return -EAGAIN;
	/* sendmsg does not write through msg_iov; it has no const form */
	memcpy(&msg.msg_iov, &iov, sizeof(msg.msg_iov));
	n = sendmsg(f->watch.fd, &msg, MSG_NOSIGNAL);
	if (n < 0)
		return fds_fail(f, ST_WRITE);
	fds_moved(f, ST_WRITE, (size_t)n, iov, cnt);
	return n;
}

static void fds_want(struct stream *s, unsigned int events)
{
	struct fd_stream *f = fds(s);

	/* Until the connect is decided, its outcome is what everybody waits for */
	if (f->connecting)
		events |= ST_WRITE;
	f->watch.job = s->job;
	watch_want(&f->watch, events);
}

/* Settling only caches what the kernel says: const for the caller */
static struct fd_stream *fds_const(const struct stream *s)
{
	union {
		const struct stream *c;
		struct stream *s;
	} u = { .c = s };

	return fds(u.s);
}

static bool fds_up(const struct stream *s)
{
	return fds_settle(fds_const(s)) == 0;
}

static int fds_finish(struct stream *s)
{
	struct fd_stream *f = fds(s);
	int err = fds_settle(f);

	if (err < 0)
		return err;
	return shutdown(f->watch.fd, SHUT_WR) < 0 && errno != ENOTCONN ?
		       -errno :
		       0;
}

static void fds_close(struct stream *s, int why)
{
	struct fd_stream *f = fds(s);
	int fd = f->watch.fd;

	watch_del(f->worker, &f->watch);
	/* an other side that has ended sends nothing that would spoil a FIN */
	if (why < 0 || !f->eof)
		fd_linger(f->worker, fd, why < 0);
	else
		close(fd);
	free(f);
}

static struct watch *fds_watch(struct stream *s, unsigned int dir)
{
	(void)dir;
	return fds_up(s) ? &fds(s)->watch : NULL;
}

static const struct stream_ops fd_stream_ops = {
	.name = "fd",
	.readv = fds_readv,
	.writev = fds_writev,
	.want = fds_want,
	.up = fds_up,
	.finish = fds_finish,
	.close = fds_close,
	.watch = fds_watch,
};

struct stream *fd_stream_new(struct worker *w, int fd, struct job *job,
			     bool connecting)
{
	struct fd_stream *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return NULL;
	f->s = (struct stream){ .ops = &fd_stream_ops, .job = job };
	f->worker = w;
	f->connecting = connecting;
	err = connecting ? watch_add(w, &f->watch, fd, job) :
			   watch_add_open(w, &f->watch, fd, job);
	if (err < 0) {
		free(f);
		return NULL;
	}
	return &f->s;
}

bool fd_stream_is(const struct stream *s)
{
	return s->ops == &fd_stream_ops;
}
