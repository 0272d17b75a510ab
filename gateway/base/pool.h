/*
 * pool.h - Free list of equal objects, for one thread
 *
 * Objects come from malloc, so sanitizers see each of them; up to @keep freed
 * ones are kept for the next pool_get(). Not zeroed.
 */
#ifndef GATEWAY_BASE_POOL_H
#define GATEWAY_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
	size_t size; /* bytes of one object, at least sizeof(void *) */
	uint32_t keep; /* how many freed ones are kept */
	uint32_t free_count, live_count;
	void *free; /* singly linked through the first word */
};

void pool_init(struct pool *p, size_t size, uint32_t keep);
void *pool_get(struct pool *p); /* NULL: out of memory */
void pool_put(struct pool *p, void *obj); /* NULL is allowed */
/* Give kept objects back to malloc; live ones stay valid */
void pool_trim(struct pool *p);

#endif
