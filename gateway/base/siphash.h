/* siphash.h - A keyed hash whose output tells nothing of the key */
#ifndef GATEWAY_BASE_SIPHASH_H
#define GATEWAY_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/**
 * siphash() - SipHash-2-4 of @n bytes at @p, 64 bits of output
 *
 * For values that strangers see (hash.h is for tables only).
 * Source: Aumasson, Bernstein: SipHash: a fast short-input PRF (2012)
 */
uint64_t siphash(const uint64_t key[2], const void *p, size_t n);

#endif
