/*
 * idlist.h - Sets of ids, each stored once
 *
 * A matcher keeps one 32-bit value a pattern: the id itself, or (top bit set)
 * the place of a list of ids. 100,000 patterns of one rule need no list.
 */
#ifndef GATEWAY_ROUTE_IDLIST_H
#define GATEWAY_ROUTE_IDLIST_H

#include <stddef.h>
#include <stdint.h>

#define ID_LIST (1u << 31) /* the value is a place in @pool */
#define ID_NONE UINT32_MAX /* no value */

/**
 * struct idlists - The lists of one matcher
 * @pool:	Lists: count, then ids in ascending order
 * @table:	Places of lists by hash, for finding equal ones; while building
 */
struct idlists {
	uint32_t *pool, *table;
	uint32_t used, cap;
	uint32_t table_cap, table_used;
};

/* The value of @n ascending ids, each once. 0 with *@val, -ENOMEM */
int idl_intern(struct idlists *l, const uint32_t *ids, size_t n, uint32_t *val);
/* The value of all ids of @a and @b; either may be ID_NONE */
int idl_union(struct idlists *l, uint32_t a, uint32_t b, uint32_t *val);
/* No idl_intern() after it: the hash is given back */
void idl_seal(struct idlists *l);
void idl_free(struct idlists *l);

/* Ids behind @val; *@val itself may be the list, so it must live */
static inline size_t idl_get(const struct idlists *l, const uint32_t *val,
			     const uint32_t **ids)
{
	if (*val == ID_NONE)
		return 0;
	if (!(*val & ID_LIST)) {
		*ids = val;
		return 1;
	}
	*ids = l->pool + (*val & ~ID_LIST) + 1;
	return l->pool[*val & ~ID_LIST];
}

#endif
