/*
 * replay.c - Two generations of what was seen
 *
 * A generation is a set of 64-bit keyed hashes, at most half full. When the
 * younger one has REPLAY_CAP of them the older one is forgotten. It is shared
 * by all workers, listeners and configurations, so that neither another worker
 * nor a reload lets a replay through: one of the locked tables.
 *
 * 2022 and VMess requests are refused by their time after 30 and 120 seconds;
 * for Shadowsocks AEAD the capacity is the limit.
 */
#include "proxy/in/replay.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/rand.h"

#define SLOTS (2u * REPLAY_CAP)

/**
 * struct replay - The table; @lock guards all
 * @set:	[young] takes new ones; NULL until the first. 0 is a free slot
 */
static struct {
	pthread_mutex_t lock;
	uint64_t *set[2];
	unsigned int young, count;
} replay = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t digest(const uint8_t *p, size_t n)
{
	uint64_t h = rand_key() ^ n, word;

	for (; n; p += 8, n -= n < 8 ? n : 8) {
		word = 0;
		memcpy(&word, p, n < 8 ? n : 8);
		h = hash_mix(h ^ word);
		if (n < 8)
			break;
	}
	return h ? h : 1;
}

/* The slot of @h, or the free one where it belongs */
static uint64_t *slot(uint64_t *set, uint64_t h)
{
	size_t i = (size_t)(h % SLOTS);

	while (set[i] && set[i] != h)
		i = (i + 1) % SLOTS;
	return &set[i];
}

static bool fresh(uint64_t h)
{
	uint64_t *young, *old;

	if (replay.count >= REPLAY_CAP) {
		replay.young = !replay.young;
		replay.count = 0;
		if (replay.set[replay.young])
			memset(replay.set[replay.young], 0,
			       SLOTS * sizeof(uint64_t));
	}
	if (!replay.set[replay.young])
		replay.set[replay.young] = calloc(SLOTS, sizeof(uint64_t));
	young = replay.set[replay.young];
	old = replay.set[!replay.young];
	if (!young)
		return false; /* not known: refused */
	if (*slot(young, h) == h || (old && *slot(old, h) == h))
		return false;
	*slot(young, h) = h;
	replay.count++;
	return true;
}

bool replay_fresh(const uint8_t *p, size_t n)
{
	uint64_t h = digest(p, n);
	bool is_fresh;

	pthread_mutex_lock(&replay.lock);
	is_fresh = fresh(h);
	pthread_mutex_unlock(&replay.lock);
	return is_fresh;
}
