/*
 * shake.h - SHAKE128 read in small pieces, which OpenSSL 3.0 cannot do; SHA-3
 * and SHAKE at once
 */
#ifndef GATEWAY_BASE_SHAKE_H
#define GATEWAY_BASE_SHAKE_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct shake128 - An endless stream of bytes that follows from a seed
 * @lanes:	Keccak's state
 * @pos:	Bytes of the current block already given out, 0 to 168
 */
struct shake128 {
	uint64_t lanes[25];
	uint32_t pos;
};

/* @n at most 167 bytes: one block, all that our protocols need */
void shake128_init(struct shake128 *s, const void *seed, size_t n);
void shake128_read(struct shake128 *s, void *out, size_t n);

enum { SHAKE256_RATE = 136, SHA3_256_RATE = 136, SHA3_512_RATE = 72 };
enum { SHAKE_SUFFIX = 0x1f, SHA3_SUFFIX = 0x06 };
/* Any member of the family (FIPS 202, 6): @rate bytes a block. @len: any */
void keccak_hash(size_t rate, uint8_t suffix, const void *p, size_t n,
		 uint8_t *out, size_t len);

#endif
