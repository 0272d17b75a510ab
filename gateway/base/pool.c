/* pool.c - Free list of equal objects; the link is the first word of a free one */
#include "gateway/base/pool.h"

#include <assert.h>
#include <stdlib.h>

void pool_init(struct pool *p, size_t size, uint32_t keep)
{
	*p = (struct pool){ .size = size, .keep = keep };
	if (p->size < sizeof(void *))
		p->size = sizeof(void *);
}

static void *pop(struct pool *p)
{
	void **obj = p->free;

	p->free = *obj;
	p->free_count--;
	return obj;
}

void *pool_get(struct pool *p)
{
	void *obj = p->free ? pop(p) : malloc(p->size);

	if (obj)
		p->live_count++;
	return obj;
}

void pool_put(struct pool *p, void *obj)
{
	void **link = obj;

	if (!obj)
		return;
	assert(p->live_count);
	p->live_count--;
	if (p->free_count >= p->keep) {
		free(obj);
		return;
	}
	*link = p->free;
	p->free = obj;
	p->free_count++;
}

void pool_trim(struct pool *p)
{
	while (p->free)
		free(pop(p));
}
