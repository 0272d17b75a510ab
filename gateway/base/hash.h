/* hash.h - Keyed mixing for tables that see hostile keys */
#ifndef GATEWAY_BASE_HASH_H
#define GATEWAY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	return x;
}

/* Hash of @n bytes at @p under @key (rand_key() at start) */
uint64_t hash_bytes(uint64_t key, const void *p, size_t n);

#endif
