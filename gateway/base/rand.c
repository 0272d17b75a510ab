/*
 * rand.c - Random bytes from getrandom(2), buffered a thread
 *
 * Bytes are wiped from the buffer when they are handed out. A child of fork()
 * would repeat its parent's buffer: culvert never forks after it has started
 * without exec.
 */
#include "gateway/base/rand.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RAND_BUF 2048 /* a call costs as much as several hundred bytes */

struct rand_buf {
	uint8_t data[RAND_BUF];
	size_t left; /* unused bytes, at the end of @data */
};

static _Thread_local struct rand_buf own;

/* There is no safe way to go on without random bytes: end the process */
static void fill(void *p, size_t n)
{
	uint8_t *b = p;
	ssize_t got;

	while (n) {
		got = getrandom(b, n, 0);
		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			b += got;
			n -= (size_t)got;
		}
	}
}

void rand_bytes(void *p, size_t n)
{
	uint8_t *from;

	if (n >= RAND_BUF) {
		fill(p, n);
		return;
	}
	if (own.left < n) {
		fill(own.data, sizeof(own.data));
		own.left = sizeof(own.data);
	}
	if (!n)
		return;
	from = own.data + sizeof(own.data) - own.left;
	memcpy(p, from, n);
	explicit_bzero(from, n);
	own.left -= n;
}

uint32_t rand_u32(void)
{
	uint32_t v;

	rand_bytes(&v, sizeof(v));
	return v;
}

/* Values below 2^32 mod n would make small results likelier: draw again */
uint32_t rand_below(uint32_t n)
{
	uint32_t floor = (0u - n) % n;
	uint32_t v;

	do
		v = rand_u32();
	while (v < floor);
	return v % n;
}

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static uint64_t key_value;

static void key_make(void)
{
	fill(&key_value, sizeof(key_value));
}

uint64_t rand_key(void)
{
	pthread_once(&key_once, key_make);
	return key_value;
}
