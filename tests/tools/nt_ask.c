/* SPDX-License-Identifier: MIT */
/* nt_ask.c - ask: the first address that a name server gives; to start dig costs ten times it */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tests/tools/nt.h"

enum {
	ANSWER_MAX = 65535,
	HEAD = 12,
	ID = 0x6e74,
	TIMEOUT_MS = 1000,
	TRIES = 2
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The question, 2 bytes of length before it; its length with them */
static size_t question(uint8_t *q, const char *name, unsigned type)
{
	uint8_t *p = q + 2 + HEAD;

	memset(q, 0, 2 + HEAD);
	q[2] = ID >> 8;
	q[3] = ID & 255;
	q[4] = 1; /* recursion desired */
	q[7] = 1;
	while (*name) {
		size_t n = strcspn(name, ".");

		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		name += n + (name[n] == '.');
	}
	memcpy(p, (uint8_t[]){ 0, 0, (uint8_t)type, 0, 1 }, 5);
	p += 5;
	q[1] = (uint8_t)(p - q - 2);
	return (size_t)(p - q);
}

/* Behind the name at @p; NULL: there is no end of it */
static const uint8_t *skip(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p && *p < 0xc0)
		p += *p + 1;
	p += p < end && *p ? 2 : 1;
	return p <= end ? p : NULL;
}

/* Prints the first address of @type; false: this is no answer to us */
static bool answer(const uint8_t *a, size_t n, unsigned type)
{
	const uint8_t *p = a + HEAD, *end = a + n;
	char text[INET6_ADDRSTRLEN];
	unsigned left;

	if (n < HEAD || get16(a) != ID || !(a[2] & 0x80) || get16(a + 4) != 1)
		return false;
	p = skip(p, end);
	if (!p || end - p < 4 || get16(p) != type)
		return false;
	p += 4;
	for (left = get16(a + 6); left > 0; left--) {
		unsigned got, len;

		p = skip(p, end);
		if (!p || end - p < 10 || end - p - 10 < (long)get16(p + 8))
			return false;
		got = get16(p);
		len = get16(p + 8);
		p += 10;
		if (got == type && len == (type == 1 ? 4 : 16)) {
			puts(inet_ntop(type == 1 ? AF_INET : AF_INET6, p, text,
				       sizeof(text)));
			return true;
		}
		p += len;
	}
	return true;
}

/* Reads an answer in time; its length, or 0. @skip_n: bytes of length before it */
static size_t hear(int fd, uint8_t *buf, size_t skip_n)
{
	struct pollfd pf = { fd, POLLIN, 0 };
	size_t got = 0;

	while (poll(&pf, 1, TIMEOUT_MS) == 1) {
		ssize_t k = recv(fd, buf + got, ANSWER_MAX - got, 0);

		if (k <= 0)
			return 0;
		got += (size_t)k;
		if (!skip_n || (got >= 2 && got >= get16(buf) + skip_n))
			return got - skip_n;
	}
	return 0;
}

/* nt ask ADDR NAME -m A|AAAA [-c]: prints nothing without an answer */
int cmd_ask(void)
{
	static uint8_t buf[ANSWER_MAX];
	unsigned type = !strcmp(o.text, "A") ? 1 : 28;
	size_t tcp = o.connected ? 2 : 0, n, q = 0;
	struct addrinfo *ai = resolve(
		o.addr, "53", tcp ? SOCK_STREAM : SOCK_DGRAM, AI_NUMERICHOST);
	uint8_t out[2 + HEAD + 300];
	struct timeval limit = { 1, 0 };

	if (strlen(o.port) > 250)
		return 2;
	q = question(out, o.port, type);
	for (int i = 0; i < TRIES; i++) {
		int fd = client_socket(ai);

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (!connect(fd, ai->ai_addr, ai->ai_addrlen) &&
		    send(fd, out + 2 - tcp, q - 2 + tcp, MSG_NOSIGNAL) > 0) {
			n = hear(fd, buf, tcp);
			if (n && answer(buf + tcp, n, type)) {
				close(fd);
				freeaddrinfo(ai);
				return 0;
			}
		}
		close(fd);
	}
	freeaddrinfo(ai);
	return 1;
}
