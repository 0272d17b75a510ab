/*
 * fake_pool.c - One FakeDNS pool
 *
 *   name --hash--> bucket -> slot -> chain ...      slot i <--> address
 *                            slot: newer/older ring of use
 *
 * Everything is an index into one array that doubles: 32 bytes a slot, 4 to 8
 * a bucket, and the name.
 */
#include "gateway/dns/fake_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/hash.h"

#define FIRST_SLOTS   64
#define HOST_BITS_MAX 62 /* of a v6 subnet only the low bits are used */

static unsigned int host_bits(const struct cidr *net)
{
	unsigned int bits = (net->kind == ADDR_V4 ? 32u : 128u) - net->bits;

	return bits > HOST_BITS_MAX ? HOST_BITS_MAX : bits;
}

int fake_pool_init(struct fake_pool *p, const struct cidr *net, uint32_t size,
		   uint64_t start, uint64_t key)
{
	uint64_t all = (uint64_t)1 << host_bits(net);

	if (!size || size > FAKE_POOL_MAX || size >= all)
		return -ERANGE;
	memset(p, 0, sizeof(*p));
	p->net = *net;
	p->size = size;
	/* neither the network address nor, when there is room, the last one */
	p->span = size <= all - 2 ? all - 2 : all - 1;
	p->start = start % p->span;
	p->key = key;
	p->newest = FAKE_NONE;
	p->oldest = FAKE_NONE;
	return 0;
}

void fake_pool_fini(struct fake_pool *p)
{
	uint32_t i;

	for (i = 0; i < p->used; i++)
		free(p->slots[i].name);
	free(p->slots);
	free(p->buckets);
	p->slots = NULL;
	p->buckets = NULL;
	p->used = 0;
}

size_t fake_pool_bytes(const struct fake_pool *p)
{
	return p->cap * sizeof(*p->slots) +
	       (p->buckets ? (p->bucket_mask + 1) * sizeof(*p->buckets) : 0) +
	       p->name_bytes;
}

static uint32_t name_hash(const struct fake_pool *p, const char *name,
			  size_t len)
{
	return (uint32_t)hash_bytes(p->key, name, len);
}

static char *name_copy(const char *name, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy) {
		memcpy(copy, name, len);
		copy[len] = '\0';
	}
	return copy;
}

static uint32_t *bucket_of(const struct fake_pool *p, uint32_t hash)
{
	return &p->buckets[hash & p->bucket_mask];
}

static void chain_add(struct fake_pool *p, uint32_t i)
{
	uint32_t *b = bucket_of(p, p->slots[i].hash);

	p->slots[i].chain = *b;
	*b = i;
}

static void chain_del(struct fake_pool *p, uint32_t i)
{
	uint32_t *at = bucket_of(p, p->slots[i].hash);

	while (*at != i)
		at = &p->slots[*at].chain;
	*at = p->slots[i].chain;
}

static uint32_t chain_find(const struct fake_pool *p, uint32_t hash,
			   const char *name, size_t len)
{
	uint32_t i;

	if (!p->buckets)
		return FAKE_NONE;
	for (i = *bucket_of(p, hash); i != FAKE_NONE; i = p->slots[i].chain)
		if (p->slots[i].hash == hash &&
		    !strncmp(p->slots[i].name, name, len) &&
		    !p->slots[i].name[len])
			return i;
	return FAKE_NONE;
}

/* Room for slots [0, want). 0 or -ENOMEM with everything as before */
static int slots_grow(struct fake_pool *p, uint32_t want)
{
	uint32_t cap = p->cap ? p->cap : FIRST_SLOTS, i;
	struct fake_slot *slots;
	uint32_t *buckets, count = FIRST_SLOTS;

	if (want <= p->cap)
		return 0;
	while (cap < want)
		cap *= 2;
	if (cap > p->size)
		cap = p->size;
	while (count < cap)
		count *= 2;
	buckets = malloc(count * sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	slots = realloc(p->slots, cap * sizeof(*slots));
	if (!slots) {
		free(buckets);
		return -ENOMEM;
	}
	memset(buckets, 0xff, count * sizeof(*buckets)); /* FAKE_NONE */
	free(p->buckets);
	p->slots = slots;
	p->cap = cap;
	p->buckets = buckets;
	p->bucket_mask = count - 1;
	for (i = 0; i < p->used; i++)
		if (slots[i].name)
			chain_add(p, i);
	return 0;
}

static void use_del(struct fake_pool *p, uint32_t i)
{
	struct fake_slot *s = &p->slots[i];

	*(s->newer == FAKE_NONE ? &p->newest : &p->slots[s->newer].older) =
		s->older;
	*(s->older == FAKE_NONE ? &p->oldest : &p->slots[s->older].newer) =
		s->newer;
}

static void use_add_newest(struct fake_pool *p, uint32_t i)
{
	struct fake_slot *s = &p->slots[i];

	s->newer = FAKE_NONE;
	s->older = p->newest;
	*(p->newest == FAKE_NONE ? &p->oldest : &p->slots[p->newest].newer) = i;
	p->newest = i;
}

static void use_add_oldest(struct fake_pool *p, uint32_t i)
{
	struct fake_slot *s = &p->slots[i];

	s->older = FAKE_NONE;
	s->newer = p->oldest;
	*(p->oldest == FAKE_NONE ? &p->newest : &p->slots[p->oldest].older) = i;
	p->oldest = i;
}

static void touch(struct fake_pool *p, uint32_t i)
{
	p->slots[i].used_ms = p->now_ms;
	if (p->newest == i)
		return;
	use_del(p, i);
	use_add_newest(p, i);
}

/* Take the name from slot @i; the slot stays where it is in the use order */
static void slot_clear(struct fake_pool *p, uint32_t i)
{
	if (!p->slots[i].name)
		return;
	chain_del(p, i);
	p->name_bytes -= strlen(p->slots[i].name) + 1;
	free(p->slots[i].name);
	p->slots[i].name = NULL;
}

/* The slot for a new name, or FAKE_NONE: none may be taken now */
static uint32_t slot_take(struct fake_pool *p)
{
	uint32_t i = p->oldest;

	if (p->used < p->size) {
		i = p->used++;
		p->slots[i].name = NULL;
		use_add_newest(p, i);
		return i;
	}
	if (p->slots[i].name && p->now_ms - p->slots[i].used_ms < p->fresh_ms)
		return FAKE_NONE;
	return i;
}

static void slot_name(struct fake_pool *p, uint32_t i, char *copy, size_t len,
		      uint32_t hash)
{
	slot_clear(p, i);
	p->slots[i].name = copy;
	p->slots[i].hash = hash;
	p->name_bytes += len + 1;
	chain_add(p, i);
	touch(p, i);
}

uint32_t fake_pool_get(struct fake_pool *p, const char *name, size_t len,
		       bool *made)
{
	uint32_t hash = name_hash(p, name, len);
	uint32_t i = chain_find(p, hash, name, len);
	char *copy;

	*made = false;
	if (i != FAKE_NONE) {
		touch(p, i);
		return i;
	}
	copy = name_copy(name, len);
	if (!copy || (p->used < p->size && slots_grow(p, p->used + 1) < 0)) {
		free(copy);
		return FAKE_NONE;
	}
	*made = true;
	i = slot_take(p);
	if (i == FAKE_NONE)
		free(copy);
	else
		slot_name(p, i, copy, len, hash);
	return i;
}

struct addr fake_pool_addr(const struct fake_pool *p, uint32_t slot)
{
	uint64_t off = 1 + (p->start + slot) % p->span;
	uint8_t ip[16];

	memcpy(ip, p->net.ip, sizeof(ip));
	if (p->net.kind == ADDR_V4) {
		put_be32(ip, get_be32(ip) | (uint32_t)off);
		return addr_v4(ip, 0);
	}
	put_be64(ip + 8, get_be64(ip + 8) | off);
	return addr_v6(ip, 0);
}

uint32_t fake_pool_find(struct fake_pool *p, const struct addr *a)
{
	uint64_t off, mask = ((uint64_t)1 << host_bits(&p->net)) - 1;
	struct addr back;
	uint32_t slot;

	if (!cidr_has(&p->net, a))
		return FAKE_NONE;
	off = (a->kind == ADDR_V4 ? get_be32(a->ip) : get_be64(a->ip + 8)) &
	      mask;
	if (!off || off > p->span)
		return FAKE_NONE;
	off = (off - 1 + p->span - p->start) % p->span;
	if (off >= p->used || !p->slots[off].name)
		return FAKE_NONE;
	slot = (uint32_t)off;
	back = fake_pool_addr(p, slot); /* v6: bits above the used ones */
	if (!addr_eq_host(&back, a))
		return FAKE_NONE;
	touch(p, slot);
	return slot;
}

int fake_pool_set(struct fake_pool *p, uint32_t slot, const char *name,
		  size_t len)
{
	uint32_t hash = name_hash(p, name, len), other;
	char *copy;

	if (slot >= p->size)
		return -EINVAL;
	copy = name_copy(name, len);
	if (!copy)
		return -ENOMEM;
	if (slots_grow(p, slot + 1) < 0) {
		free(copy);
		return -ENOMEM;
	}
	for (; p->used <= slot; p->used++) {
		p->slots[p->used].name = NULL;
		use_add_oldest(p, p->used);
	}
	other = chain_find(p, hash, name, len);
	if (other != FAKE_NONE)
		slot_clear(p, other);
	slot_name(p, slot, copy, len, hash);
	p->slots[slot].used_ms = p->now_ms - p->fresh_ms;
	return 0;
}
