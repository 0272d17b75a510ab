/* SPDX-License-Identifier: MIT */
/* nt_udp.c - The datagram commands of nt: udp-serve and udp */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/tools/nt.h"

enum { DGRAM_MAX = 65507 };

/*
 * echo sends each datagram back; cone answers from the next port too, which
 * only a full-cone path delivers; sink only counts.
 */
int cmd_udp_serve(void)
{
	static uint8_t buf[DGRAM_MAX + 1];
	struct sockaddr_storage ss;
	char peer[80], port[16];
	int fd = listen_socket(SOCK_DGRAM), fd2 = -1;

	if (!strcmp(o.mode, "cone")) {
		snprintf(port, sizeof(port), "%d", atoi(o.port) + 1);
		o.port = port;
		fd2 = listen_socket(SOCK_DGRAM);
	}
	for (;;) {
		socklen_t len = sizeof(ss);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0,
				     (struct sockaddr *)&ss, &len);

		if (n < 0)
			continue;
		peer_text(&ss, len, peer, sizeof(peer));
		printf("from=%s size=%zd\n", peer, n);
		fflush(stdout);
		if (!strcmp(o.mode, "sink"))
			continue;
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&ss, len);
		if (fd2 >= 0)
			sendto(fd2, buf, (size_t)n, 0, (struct sockaddr *)&ss,
			       len);
	}
	return 0;
}

/* Wait for one datagram: its size, or -1 with errno */
static ssize_t udp_wait(int fd, uint8_t *buf, size_t n, int ms, char *peer,
			size_t peer_n)
{
	struct pollfd pf = { fd, POLLIN, 0 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t k;

	if (poll(&pf, 1, ms) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	k = recvfrom(fd, buf, n, 0, (struct sockaddr *)&ss, &len);
	if (k >= 0)
		peer_text(&ss, len, peer, peer_n);
	return k;
}

/* Send one datagram of @size, wait for its echo; true when it came back */
static bool udp_one(int fd, const struct addrinfo *ai, size_t size)
{
	static uint8_t a[DGRAM_MAX], b[DGRAM_MAX + 1];
	char peer[80] = "-";
	ssize_t k;
	bool same;

	fill(a, size, size * 31);
	k = o.connected ? send(fd, a, size, 0) :
			  sendto(fd, a, size, 0, ai->ai_addr, ai->ai_addrlen);
	if (k >= 0)
		k = udp_wait(fd, b, sizeof(b), o.timeout_s * 1000, peer,
			     sizeof(peer));
	if (k < 0) {
		printf("size=%zu end=%s\n", size, err_name(errno));
		return false;
	}
	same = (size_t)k == size && !memcmp(a, b, size);
	printf("size=%zu end=%s from=%s\n", size, same ? "ok" : "DIFFERS",
	       peer);
	return same;
}

/* -n SIZE,SIZE,...; then -d ms of listening for more (cone) */
int cmd_udp(void)
{
	static uint8_t buf[DGRAM_MAX + 1];
	struct addrinfo *ai = resolve(o.addr, o.port, SOCK_DGRAM, 0);
	int fd = client_socket(ai), ok = 0, bad = 0;
	const char *p = o.sizes ? o.sizes : "64";
	char peer[80], *e;
	ssize_t k;

	if (o.connected && connect(fd, ai->ai_addr, ai->ai_addrlen))
		die("connect");
	for (;;) {
		unsigned long size = strtoul(p, &e, 10);

		if (e == p || size > DGRAM_MAX)
			break;
		if (udp_one(fd, ai, size))
			ok++;
		else
			bad++;
		if (*e != ',')
			break;
		p = e + 1;
	}
	while (o.delay_ms && (k = udp_wait(fd, buf, sizeof(buf), o.delay_ms,
					   peer, sizeof(peer))) >= 0)
		printf("more size=%zd from=%s\n", k, peer);
	printf("ok=%d bad=%d\n", ok, bad);
	freeaddrinfo(ai);
	return bad != 0 || ok == 0;
}
