/* SPDX-License-Identifier: MIT */
/*
 * stall.c - Preloaded into a program that uses edge-triggered epoll: its stream
 * sockets say EAGAIN when nobody expects it, and take and give less than they could
 *
 * Of 100 calls STALL (20) say EAGAIN and as many move a part only. As a kernel
 * would, the socket then tells again that it is ready: EPOLL_CTL_MOD does that.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS   4096
#define PARTS 64

/* What was registered; @ep is 0 for what is no stream socket */
static struct {
	int ep;
	struct epoll_event ev;
} reg[FDS];

static _Thread_local unsigned int seed = 1;

enum fate { WHOLE, PART, NOTHING };

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
	       type == SOCK_STREAM;
}

int epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	static int (*real)(int, int, int, struct epoll_event *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
	if (fd >= 0 && fd < FDS && op != EPOLL_CTL_DEL) {
		reg[fd].ep = is_stream(fd) ? ep : 0;
		reg[fd].ev = *ev;
	} else if (fd >= 0 && fd < FDS) {
		reg[fd].ep = 0;
	}
	return real(ep, op, fd, ev);
}

/* Decide, and see to it that readiness is told again. NOTHING: errno says why */
static enum fate decide(int fd)
{
	static int share = -1;
	struct epoll_event ev;
	int dice = rand_r(&seed) % 100;

	if (share < 0)
		share = atoi(getenv("STALL") ? getenv("STALL") : "20");
	if (fd < 0 || fd >= FDS || !reg[fd].ep || dice >= 2 * share)
		return WHOLE;
	ev = reg[fd].ev;
	epoll_ctl(reg[fd].ep, EPOLL_CTL_MOD, fd, &ev);
	if (dice >= share)
		return PART;
	errno = EAGAIN;
	return NOTHING;
}

/* At most half of @iov, at least a byte, to @part. Its pieces */
static int cut(const struct iovec *iov, int cnt, struct iovec part[PARTS])
{
	size_t sum = 0, most;
	int n = 0;

	for (int i = 0; i < cnt; i++)
		sum += iov[i].iov_len;
	most = sum / 2 ? (size_t)rand_r(&seed) % (sum / 2) + 1 : sum;
	for (int i = 0; i < cnt && n < PARTS && most; i++) {
		part[n] = iov[i];
		if (part[n].iov_len > most)
			part[n].iov_len = most;
		most -= part[n++].iov_len;
	}
	return n;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	static ssize_t (*real)(int, const struct msghdr *, int);
	struct iovec part[PARTS];
	struct msghdr less = *m;
	enum fate f = decide(fd);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
	if (f == NOTHING)
		return -1;
	if (f == PART) {
		less.msg_iovlen =
			(size_t)cut(m->msg_iov, (int)m->msg_iovlen, part);
		less.msg_iov = part;
	}
	return real(fd, &less, flags);
}

ssize_t readv(int fd, const struct iovec *iov, int cnt)
{
	static ssize_t (*real)(int, const struct iovec *, int);
	struct iovec part[PARTS];
	enum fate f = decide(fd);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "readv");
	if (f == NOTHING)
		return -1;
	if (f == PART) {
		cnt = cut(iov, cnt, part);
		iov = part;
	}
	return real(fd, iov, cnt);
}

ssize_t read(int fd, void *p, size_t n)
{
	struct iovec iov = { p, n };

	return readv(fd, &iov, 1);
}
