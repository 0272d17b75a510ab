/*
 * bench.h - What the benchmark programs share: sockets, clock, numbers
 *
 * The first byte of a connection to `target` says what it is for:
 *
 *   U  what follows is thrown away; T: without being copied out of the kernel
 *   D  endless bytes come until the client closes; S: from a file, by sendfile(2)
 *   E  echo, this byte included
 *   C  the count of datagrams received so far comes back (8 bytes)
 *   B  the count of bytes thrown away so far comes back (8 bytes)
 *
 * A datagram that begins with E is echoed, any other counted.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BULK_BYTES = 262144 };

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline void fd_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* IPv4 text and a port; dies of anything else */
static inline struct sockaddr_in sock_name(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || !a.sin_port) {
		fprintf(stderr, "%s:%s is no IPv4 address and port\n", host,
			port);
		exit(2);
	}
	return a;
}

/* Payload that costs its sender no copy: BULK_BYTES of a file in memory. As send() */
static inline ssize_t send_file(int fd)
{
	static int file = -1;
	off_t at = 0;

	if (file < 0) {
		file = memfd_create("bulk", MFD_CLOEXEC);
		if (file < 0 || ftruncate(file, BULK_BYTES) < 0)
			die("memfd");
	}
	return sendfile(fd, file, &at, BULK_BYTES);
}

/* Takes what has come out of the socket, and looks at none of it. As read() */
static inline ssize_t throw_away(int fd)
{
	return recv(fd, NULL, 4 * BULK_BYTES, MSG_TRUNC);
}

static inline void watch_fd(int ep, int fd, uint32_t events, void *ptr, int op)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	if (epoll_ctl(ep, op, fd, &ev) < 0)
		die("epoll_ctl");
}

#endif
