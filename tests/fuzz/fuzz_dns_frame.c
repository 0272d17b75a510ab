/* fuzz_dns_frame.c - A stream of messages with lengths, whole and byte by byte */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/dns/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int on_message(void *arg, uint8_t *msg, size_t n)
{
	uint64_t *sum = arg;

	*sum = *sum * 31 + n;
	for (size_t i = 0; i < n; i++)
		*sum = *sum * 31 + msg[i];
	return 0;
}

/* A sum of all messages and their lengths */
static uint64_t walk(const uint8_t *p, size_t n, size_t step)
{
	struct frame f = { .got = 0 };
	uint64_t sum = 0;

	for (size_t k; n; p += k, n -= k) {
		k = n < step ? n : step;
		if (frame_each(&f, p, k, on_message, &sum))
			abort();
		if (f.got && f.got >= 2 + (size_t)(f.head[0] << 8 | f.head[1]))
			abort(); /* a whole one was kept */
	}
	frame_next(&f);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (walk(p, n, n) != walk(p, n, 1))
		abort();
	return 0;
}
