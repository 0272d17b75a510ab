/* rand.h - Random bytes from the kernel, buffered a thread; never predictable */
#ifndef GATEWAY_BASE_RAND_H
#define GATEWAY_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *p, size_t n);
uint32_t rand_u32(void);
/* 0 to @n - 1, without bias; @n > 0 */
uint32_t rand_below(uint32_t n);
/* @lo to @hi, both included; @lo <= @hi */
static inline uint32_t rand_between(uint32_t lo, uint32_t hi)
{
	return hi - lo == UINT32_MAX ? rand_u32() :
				       lo + rand_below(hi - lo + 1);
}
/* One key for the tables of this process, the same in every thread */
uint64_t rand_key(void);

#endif
