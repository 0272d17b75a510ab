/* fuzz_dns_frame.c - A stream of messages with lengths, whole and byte by byte */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/dns/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* A sum of all messages and their lengths */
static uint64_t walk(const uint8_t *p, size_t n, size_t step)
{
	struct frame f = { .got = 0 };
	uint64_t sum = 0;
	size_t len;

	while (n) {
		size_t k = n < step ? n : step;
		ssize_t used = frame_take(&f, p, k);

		if (used < 1 || (size_t)used > k)
			abort();
		p += used;
		n -= (size_t)used;
		if (!frame_whole(&f, &len))
			continue;
		sum = sum * 31 + len;
		for (size_t i = 0; i < len; i++)
			sum = sum * 31 + f.msg[i];
		frame_next(&f);
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
