/*
 * hash.c - Keyed hash of bytes for tables that see hostile keys
 *
 * Eight bytes a step through hash_mix(), which is a bijection of 64 bits: two
 * inputs collide only by chance as long as the key is unknown. Not a MAC.
 */
#include "gateway/base/hash.h"

#include <string.h>

uint64_t hash_bytes(uint64_t key, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = key ^ hash_mix(n), w;

	for (; n >= sizeof(w); n -= sizeof(w), b += sizeof(w)) {
		memcpy(&w, b, sizeof(w));
		h = hash_mix(h ^ w);
	}
	w = 0;
	if (n)
		memcpy(&w, b, n);
	return hash_mix(h ^ w);
}
