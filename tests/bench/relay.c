/*
 * relay.c - The least a redirect gateway must do: the limit of the benchmarks
 *
 *	relay copy|splice PORT [THREADS]
 *
 * Accepts what nftables redirects to PORT, connects to the original target and
 * moves bytes both ways: no protocol, no rules, no timeouts, no log. One thread
 * or more that share nothing: each has its listener and its epoll. copy: read and
 * write through one 256 KiB buffer; splice: through a 1 MiB pipe that a direction
 * borrows while it holds bytes.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <linux/netfilter_ipv4.h> /* behind what defines in_addr */
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>

enum { PIPE_BYTES = 1 << 20, TURNS = 4 };

/** struct pipe_pair - A spare pipe, or one that holds bytes */
struct pipe_pair {
	struct pipe_pair *next;
	int fd[2];
};

/**
 * struct end - One socket and the bytes that go into it
 * @held:	Bytes waiting for it: in @pipe, or in @kept behind @off
 * @full:	Nothing may be read for it until it is writable
 * @eof:	Its peer has no more
 */
struct end {
	struct end *peer;
	struct pipe_pair *pipe;
	uint8_t *kept;
	size_t held, off;
	int fd;
	int full, eof, dead;
};

static int splicing;
static struct sockaddr_in here;
static _Thread_local int ep;
static _Thread_local struct pipe_pair *spare;
static _Thread_local struct end *corpses;
static _Thread_local uint8_t buffer[BULK_BYTES];

static struct pipe_pair *pipe_get(void)
{
	struct pipe_pair *p = spare;

	if (p) {
		spare = p->next;
		return p;
	}
	p = calloc(1, sizeof(*p));
	if (!p || pipe2(p->fd, O_NONBLOCK) < 0)
		die("pipe");
	fcntl(p->fd[1], F_SETPIPE_SZ, PIPE_BYTES);
	return p;
}

static void pipe_put(struct end *e)
{
	e->pipe->next = spare;
	spare = e->pipe;
	e->pipe = NULL;
}

/* Both sockets; freed when the round is over */
static void end_both(struct end *e)
{
	struct end *two[2] = { e, e->peer };

	for (int i = 0; i < 2; i++) {
		if (two[i]->dead)
			return;
		two[i]->dead = 1;
		close(two[i]->fd);
		if (two[i]->pipe) {
			close(two[i]->pipe->fd[0]);
			close(two[i]->pipe->fd[1]);
			free(two[i]->pipe);
		}
		free(two[i]->kept);
	}
	e->kept = (uint8_t *)corpses;
	corpses = e;
}

static void bury(void)
{
	struct end *e;

	while ((e = corpses)) {
		corpses = (struct end *)(void *)e->kept;
		free(e->peer);
		free(e);
	}
}

/* What waits for @e. 1 all gone, 0 the socket is full, -1 broken */
static int put_held(struct end *e)
{
	ssize_t n;

	while (e->held) {
		n = splicing ? splice(e->pipe->fd[0], NULL, e->fd, NULL,
				      e->held, SPLICE_F_NONBLOCK) :
			       send(e->fd, e->kept + e->off, e->held,
				    MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			e->full = 1;
			return 0;
		}
		if (n <= 0)
			return -1;
		e->held -= (size_t)n;
		e->off += (size_t)n;
	}
	if (e->pipe)
		pipe_put(e);
	free(e->kept);
	e->kept = NULL;
	return 1;
}

static int keep(struct end *to, ssize_t put, ssize_t n)
{
	if (put < 0 && errno != EAGAIN)
		return -1;
	put = put < 0 ? 0 : put;
	to->held = (size_t)(n - put);
	to->off = 0;
	if (!to->held)
		return 1;
	to->kept = malloc(to->held);
	if (!to->kept)
		return -1;
	memcpy(to->kept, buffer + put, to->held);
	to->full = 1;
	return 0;
}

/* From @e to its peer. 1 more may come, 0 wait, -1 broken */
static int move(struct end *e)
{
	struct end *to = e->peer;
	ssize_t n;

	if (splicing) {
		to->pipe = pipe_get();
		n = splice(e->fd, NULL, to->pipe->fd[1], NULL, PIPE_BYTES,
			   SPLICE_F_NONBLOCK);
		if (n > 0) {
			to->held = (size_t)n;
			return put_held(to);
		}
		pipe_put(to);
	} else {
		n = read(e->fd, buffer, sizeof(buffer));
		if (n > 0)
			return keep(
				to,
				send(to->fd, buffer, (size_t)n, MSG_NOSIGNAL),
				n);
	}
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	e->eof = 1;
	shutdown(to->fd, SHUT_WR);
	return 0;
}

static void pump(struct end *e)
{
	int r = 1;

	for (int i = 0; i < TURNS && r > 0 && !e->eof && !e->peer->full; i++)
		r = move(e);
	if (r < 0 || (e->eof && e->peer->eof))
		end_both(e);
	else if (r > 0 && !e->eof && !e->peer->full) /* ask for a new edge */
		watch_fd(ep, e->fd, EPOLLIN | EPOLLOUT | EPOLLET, e,
			 EPOLL_CTL_MOD);
}

static void on_event(struct end *e, uint32_t events)
{
	if (e->dead)
		return;
	if (events & EPOLLOUT && e->full) {
		int r = put_held(e);

		if (r < 0) {
			end_both(e);
			return;
		}
		e->full = !r;
		if (r)
			pump(e->peer);
	}
	if (!e->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		pump(e);
}

static struct end *end_new(int fd)
{
	struct end *e = calloc(1, sizeof(*e));
	int one = 1;

	if (!e)
		die("calloc");
	e->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return e;
}

static void on_accept(int fd)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	struct end *a, *b;
	int out;

	if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, &to, &len) < 0)
		die("SO_ORIGINAL_DST");
	out = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (out < 0 || (connect(out, (struct sockaddr *)&to, len) < 0 &&
			errno != EINPROGRESS)) {
		close(out);
		close(fd);
		return;
	}
	a = end_new(fd);
	b = end_new(out);
	a->peer = b;
	b->peer = a;
	b->full = 1; /* until connected */
	watch_fd(ep, fd, EPOLLIN | EPOLLOUT | EPOLLET, a, EPOLL_CTL_ADD);
	watch_fd(ep, out, EPOLLIN | EPOLLOUT | EPOLLET, b, EPOLL_CTL_ADD);
}

static int listen_here(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(fd, 16384) < 0)
		die("bind");
	return fd;
}

/* One thread, for ever */
static void *serve(void *arg)
{
	int listener = listen_here(), fd;

	ep = epoll_create1(0);
	watch_fd(ep, listener, EPOLLIN, NULL, EPOLL_CTL_ADD);
	for (;;) {
		struct epoll_event ev[128];
		int n = epoll_wait(ep, ev, 128, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				on_event(ev[i].data.ptr, ev[i].events);
			else
				while ((fd = accept4(listener, NULL, NULL,
						     SOCK_NONBLOCK)) >= 0)
					on_accept(fd);
		}
		bury();
	}
	return arg;
}

int main(int argc, char **argv)
{
	unsigned long threads = argc == 4 ? strtoul(argv[3], NULL, 10) : 1;
	pthread_t t;

	if (argc < 3 || argc > 4 || threads < 1 || threads > 64) {
		fprintf(stderr, "usage: relay copy|splice PORT [THREADS]\n");
		return 2;
	}
	fd_limit();
	signal(SIGPIPE, SIG_IGN); /* splice has no MSG_NOSIGNAL */
	splicing = !strcmp(argv[1], "splice");
	here = sock_name("0.0.0.0", argv[2]);
	while (--threads)
		if (pthread_create(&t, NULL, serve, NULL))
			die("pthread_create");
	serve(NULL);
}
