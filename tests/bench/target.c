/*
 * target.c - The server of the benchmarks: sink, source, echo, datagram count
 *
 *	target ADDR PORT	TCP on every address, UDP on ADDR
 *
 * One thread, epoll, level-triggered. What clients ask for: bench.h.
 */
#include <fcntl.h>
#include <signal.h>

#include "tests/bench/bench.h"

enum { CONNS = 1 << 16 };

/** struct conn - @kind: the first byte, 0 before it came */
struct conn {
	int fd;
	char kind;
};

static uint64_t datagrams, thrown_away;
static uint8_t buffer[BULK_BYTES];
static struct conn conns[CONNS]; /* by descriptor */
static struct conn tcp_listener, udp_socket;

static void answer(const struct conn *c, uint64_t number)
{
	if (write(c->fd, &number, sizeof(number)) < 0)
		return; /* the client has gone */
}

static void conn_end(struct conn *c)
{
	close(c->fd);
}

static void conn_source(struct conn *c)
{
	ssize_t n;

	for (int i = 0; i < 4; i++) {
		n = c->kind == 'S' ?
			    send_file(c->fd) :
			    send(c->fd, buffer, sizeof(buffer), MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			conn_end(c);
		if (n < (ssize_t)sizeof(buffer))
			return;
	}
}

/* The first bytes; false: nothing else is to be done with them */
static int conn_first(int ep, struct conn *c, char kind)
{
	c->kind = kind;
	if (kind == 'D' || kind == 'S')
		watch_fd(ep, c->fd, EPOLLOUT, c, EPOLL_CTL_MOD);
	else if (kind == 'C')
		answer(c, datagrams);
	else if (kind == 'B')
		answer(c, thrown_away);
	return kind == 'U' || kind == 'T' || kind == 'E';
}

static void conn_input(int ep, struct conn *c)
{
	ssize_t n = c->kind == 'T' ? throw_away(c->fd) :
				     read(c->fd, buffer, sizeof(buffer));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_end(c);
		return;
	}
	if (!c->kind && !conn_first(ep, c, (char)buffer[0]))
		return;
	if (c->kind == 'U' || c->kind == 'T')
		thrown_away += (uint64_t)n;
	/* what clients echo is small: a full socket is their mistake */
	if (c->kind == 'E' && send(c->fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
		conn_end(c);
}

static void accept_all(int ep)
{
	int fd;

	while ((fd = accept4(tcp_listener.fd, NULL, NULL, SOCK_NONBLOCK)) >=
	       0) {
		struct conn *c = &conns[fd];

		if (fd >= CONNS) {
			close(fd);
			continue;
		}
		*c = (struct conn){ .fd = fd };
		watch_fd(ep, fd, EPOLLIN, c, EPOLL_CTL_ADD);
	}
}

static void datagrams_in(void)
{
	enum { BATCH = 64, BYTES = 2048 };
	static uint8_t space[BATCH][BYTES];
	static struct sockaddr_in from[BATCH];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){ space[i], BYTES };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						.msg_namelen = sizeof(from[i]),
						.msg_iov = &v[i],
						.msg_iovlen = 1 };
	}
	n = recvmmsg(udp_socket.fd, m, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		if (space[i][0] != 'E')
			datagrams++;
		else
			sendto(udp_socket.fd, space[i], m[i].msg_len, 0,
			       (struct sockaddr *)&from[i], sizeof(from[i]));
	}
}

static void listen_on(const char *host, const char *port)
{
	struct sockaddr_in a = sock_name(host, port);
	int one = 1, bytes = 4 << 20;

	udp_socket.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(udp_socket.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		   sizeof(bytes));
	if (bind(udp_socket.fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("udp bind");
	a.sin_addr.s_addr = htonl(INADDR_ANY);
	tcp_listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(tcp_listener.fd, SOL_SOCKET, SO_REUSEADDR, &one,
		   sizeof(one));
	if (bind(tcp_listener.fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(tcp_listener.fd, 16384) < 0)
		die("tcp bind");
}

int main(int argc, char **argv)
{
	int ep = epoll_create1(0);

	if (argc != 3) {
		fprintf(stderr, "usage: target ADDR PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
	fd_limit();
	listen_on(argv[1], argv[2]);
	watch_fd(ep, tcp_listener.fd, EPOLLIN, &tcp_listener, EPOLL_CTL_ADD);
	watch_fd(ep, udp_socket.fd, EPOLLIN, &udp_socket, EPOLL_CTL_ADD);
	for (;;) {
		struct epoll_event ev[128];
		int n = epoll_wait(ep, ev, 128, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (c == &tcp_listener)
				accept_all(ep);
			else if (c == &udp_socket)
				datagrams_in();
			else if (ev[i].events & EPOLLOUT)
				conn_source(c);
			else
				conn_input(ep, c);
		}
	}
}
