/* suffix.h - "full:" and "domain:" patterns: an exact hash of name suffixes */
#ifndef GATEWAY_ROUTE_SUFFIX_H
#define GATEWAY_ROUTE_SUFFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/route/idlist.h"

#define SUFFIX_HITS_MAX 130 /* suffixes of a name of 255 bytes, and itself */

/* A pattern before the table is made */
struct suffix_pat {
	uint64_t hash;
	uint32_t id;
};

/* 12 bytes a slot; @val ID_NONE: empty */
struct suffix_slot {
	uint32_t hi, lo, val;
};

/**
 * struct suffixes - The patterns of one matcher
 * @key, @seed:	Secret of this table: nobody can make names that collide
 * @pats:	Patterns; given back by suffix_seal()
 * @slots:	The table, ascending by hash
 * @range:	Home slots; @slots has some more, so that nothing wraps
 */
struct suffixes {
	uint64_t key, seed;
	struct suffix_pat *pats;
	size_t pat_count, pat_cap;
	struct suffix_slot *slots;
	uint32_t range;
	size_t slot_count;
};

void suffix_init(struct suffixes *t);
/* @name: lower case; @full: only the name itself. 0, -ENOMEM */
int suffix_add(struct suffixes *t, const char *name, size_t len, bool full,
	       uint32_t id);
int suffix_seal(struct suffixes *t, struct idlists *ids);
/* Values of all suffixes of @name that are in the table. Returns how many */
size_t suffix_find(const struct suffixes *t, const char *name, size_t len,
		   uint32_t vals[SUFFIX_HITS_MAX]);
size_t suffix_bytes(const struct suffixes *t);
void suffix_free(struct suffixes *t);

#endif
