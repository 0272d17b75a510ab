/* fake_pool.h - One FakeDNS pool: names and slots, least recently used first */
#ifndef GATEWAY_DNS_FAKE_POOL_H
#define GATEWAY_DNS_FAKE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define FAKE_POOL_MAX (1u << 24) /* biggest poolSize */
#define FAKE_NONE     UINT32_MAX

/**
 * struct fake_slot - One mapping; its index gives the address
 * @chain:	Next slot of the same bucket, or FAKE_NONE
 * @newer, @older:	Use order; FAKE_NONE at the ends
 * @used_ms:	The pool's @now_ms of the last use
 * @name:	Owned; NULL: the slot is free (only after a replay)
 */
struct fake_slot {
	uint32_t chain, newer, older, hash, used_ms;
	char *name;
};

/**
 * struct fake_pool - A subnet and who has which address of it; not locked
 * @start, @span:	Slot i has host part 1 + (start + i) % span
 * @used:		Slots handed out so far; [0, used) exist
 * @now_ms:		The time of the caller, may wrap
 * @fresh_ms:		A mapping used so recently does not give way: a client
 *			may be about to use the address. 0: each may
 * @slots, @buckets:	NULL until the first name; grown by doubling
 */
struct fake_pool {
	struct cidr net;
	uint32_t size, used, cap;
	uint32_t newest, oldest;
	uint32_t bucket_mask;
	uint32_t now_ms, fresh_ms;
	uint64_t start, span, key;
	struct fake_slot *slots;
	uint32_t *buckets;
	size_t name_bytes;
};

/*
 * @size must be below the number of addresses of @net; @start is any random
 * number, so that a restart does not hand out the same addresses to others.
 * 0, -ERANGE
 */
int fake_pool_init(struct fake_pool *p, const struct cidr *net, uint32_t size,
		   uint64_t start, uint64_t key);
void fake_pool_fini(struct fake_pool *p);
/*
 * Slot of @name (lower case), made when new (*@made); the oldest mapping gives
 * way in a full pool. FAKE_NONE: out of memory (*@made is false), or the pool is
 * full of fresh mappings (*@made is true)
 */
uint32_t fake_pool_get(struct fake_pool *p, const char *name, size_t len,
		       bool *made);
/* Slot behind an address and mark it used, or FAKE_NONE */
uint32_t fake_pool_find(struct fake_pool *p, const struct addr *a);
struct addr fake_pool_addr(const struct fake_pool *p, uint32_t slot);
/* Replay: @slot belongs to @name now. 0, -EINVAL, -ENOMEM */
int fake_pool_set(struct fake_pool *p, uint32_t slot, const char *name,
		  size_t len);
/* Bytes of memory behind the pool, malloc's own not counted */
size_t fake_pool_bytes(const struct fake_pool *p);

#endif
