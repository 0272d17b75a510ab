/*
 * owners.c - Shards of open-addressed tables, each behind a mutex
 *
 *   tuple:  shard (4 bits) | slot | ... | replaced by the owner (8 bits)
 *   slot:   0 free, else the tuple with (worker + 1) in its low 8 bits
 *
 * Linear probing without tombstones: an end moves later ones up. The key of the
 * hash is secret, so nobody outside can choose tuples that collide; two flows
 * out of a million share their 56 bits once in 10^5 such millions.
 */
#include "netstack/owners.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum { SHARDS = 16, SLOTS_MIN = 64, OWNER_MASK = 0xff };

struct shard {
	pthread_mutex_t lock;
	uint64_t *slots; /* NULL: none yet */
	uint32_t mask, count;
};

struct owners {
	struct shard shards[SHARDS];
};

static struct shard *shard_of(struct owners *o, uint64_t tuple)
{
	return &o->shards[tuple >> 60];
}

static uint32_t home(const struct shard *s, uint64_t tuple)
{
	return (uint32_t)(tuple >> 8) & s->mask;
}

static bool same(uint64_t slot, uint64_t tuple)
{
	return ((slot ^ tuple) & ~(uint64_t)OWNER_MASK) == 0;
}

static unsigned int owner_in(uint64_t slot)
{
	return (unsigned int)(slot & OWNER_MASK) - 1;
}

/* Where @tuple is, or the free slot where its search ends */
static uint64_t *seek(const struct shard *s, uint64_t tuple)
{
	uint32_t i = home(s, tuple);

	while (s->slots[i] && !same(s->slots[i], tuple))
		i = (i + 1) & s->mask;
	return &s->slots[i];
}

static bool resize(struct shard *s, uint32_t size)
{
	struct shard fresh = { .mask = size - 1 };
	uint32_t i;

	fresh.slots = calloc(size, sizeof(*fresh.slots));
	if (!fresh.slots)
		return false;
	for (i = 0; s->slots && i <= s->mask; i++)
		if (s->slots[i])
			*seek(&fresh, s->slots[i]) = s->slots[i];
	free(s->slots);
	s->slots = fresh.slots;
	s->mask = fresh.mask;
	return true;
}

/* Room for one more: at most three quarters are used, one slot is always free */
static bool make_room(struct shard *s)
{
	if (!s->slots)
		return resize(s, SLOTS_MIN);
	if (s->count + 1 <= (s->mask + 1) / 4 * 3)
		return true;
	return resize(s, (s->mask + 1) * 2) || s->count < s->mask;
}

/* Slot @i has become free: those that were pushed past it move up */
static void close_gap(struct shard *s, uint32_t i)
{
	uint32_t k = i;

	for (;;) {
		uint32_t want;

		k = (k + 1) & s->mask;
		if (!s->slots[k])
			break;
		want = home(s, s->slots[k]);
		/* it may stay when its home lies behind the gap */
		if (((k - want) & s->mask) < ((k - i) & s->mask))
			continue;
		s->slots[i] = s->slots[k];
		i = k;
	}
	s->slots[i] = 0;
}

struct owners *owners_new(void)
{
	struct owners *o = calloc(1, sizeof(*o));

	for (int i = 0; o && i < SHARDS; i++)
		pthread_mutex_init(&o->shards[i].lock, NULL);
	return o;
}

void owners_free(struct owners *o)
{
	if (!o)
		return;
	for (int i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&o->shards[i].lock);
		free(o->shards[i].slots);
	}
	free(o);
}

unsigned int owners_claim(struct owners *o, uint64_t tuple, unsigned int worker)
{
	struct shard *s = shard_of(o, tuple);
	unsigned int owner = worker;
	uint64_t *slot;

	pthread_mutex_lock(&s->lock);
	slot = s->slots ? seek(s, tuple) : NULL;
	if (slot && *slot) {
		owner = owner_in(*slot);
	} else if (make_room(s)) {
		*seek(s, tuple) =
			(tuple & ~(uint64_t)OWNER_MASK) | (worker + 1);
		s->count++;
	}
	pthread_mutex_unlock(&s->lock);
	return owner;
}

int owners_find(struct owners *o, uint64_t tuple)
{
	struct shard *s = shard_of(o, tuple);
	int owner = -1;

	pthread_mutex_lock(&s->lock);
	if (s->slots) {
		uint64_t slot = *seek(s, tuple);

		if (slot)
			owner = (int)owner_in(slot);
	}
	pthread_mutex_unlock(&s->lock);
	return owner;
}

void owners_drop(struct owners *o, uint64_t tuple, unsigned int worker)
{
	struct shard *s = shard_of(o, tuple);
	uint64_t *slot;

	pthread_mutex_lock(&s->lock);
	slot = s->slots ? seek(s, tuple) : NULL;
	if (slot && *slot && owner_in(*slot) == worker) {
		close_gap(s, (uint32_t)(slot - s->slots));
		s->count--;
		/* a load is over; out of memory: it stays big */
		if (s->mask >= SLOTS_MIN && s->count < s->mask / 8)
			resize(s, (s->mask + 1) / 2);
	}
	pthread_mutex_unlock(&s->lock);
}

uint32_t owners_count(struct owners *o, size_t *bytes)
{
	uint32_t n = 0;

	*bytes = sizeof(*o);
	for (int i = 0; i < SHARDS; i++) {
		struct shard *s = &o->shards[i];

		pthread_mutex_lock(&s->lock);
		n += s->count;
		if (s->slots)
			*bytes += ((size_t)s->mask + 1) * sizeof(*s->slots);
		pthread_mutex_unlock(&s->lock);
	}
	return n;
}
