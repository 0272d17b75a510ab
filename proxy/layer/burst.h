/*
 * burst.h - How large the next TLS record is
 *
 * The first 16 KiB of a burst go in records of one segment each, so that the other
 * side can use the first bytes at once; then 16 KiB each. A burst ends with a second
 * of silence.
 */
#ifndef PROXY_LAYER_BURST_H
#define PROXY_LAYER_BURST_H

#include <stdint.h>

#define BURST_FIRST  1360u /* fits one segment with all that is around it */
#define BURST_SMALL  16384u
#define BURST_FULL   16384u /* payload of a record, at most */
#define BURST_END_MS 1000u

/**
 * struct burst - What one side writes
 * @bytes:	Since the last pause, as long as that decides
 * @put_ms:	The last time
 */
struct burst {
	uint32_t bytes, put_ms;
};

static inline uint32_t burst_size(struct burst *b, uint32_t now_ms)
{
	if (now_ms - b->put_ms > BURST_END_MS)
		b->bytes = 0;
	b->put_ms = now_ms;
	return b->bytes < BURST_SMALL ? BURST_FIRST : BURST_FULL;
}

/* @n <= BURST_FULL bytes were put */
static inline void burst_add(struct burst *b, uint32_t n)
{
	if (b->bytes < BURST_SMALL)
		b->bytes += n;
}

#endif
