/*
 * shake.c - SHAKE128 read in small pieces; SHA-3 and SHAKE at once
 *
 * VMess draws two bytes at a time from one stream for the life of a
 * connection. OpenSSL before 3.3 gives all output in one call only.
 *
 * Source: FIPS 202, 3 and 6.2
 */
#include "gateway/base/shake.h"

#include <assert.h>
#include <string.h>

#define RATE_BYTES 168

static const uint64_t round_constants[24] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a,
	0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
	0x8000000080008081, 0x8000000000008009, 0x000000000000008a,
	0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
	0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
	0x000000000000800a, 0x800000008000000a, 0x8000000080008081,
	0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* rho's shifts and pi's path, in the order pi visits the lanes */
static const uint8_t shift[24] = { 1,  3,  6,  10, 15, 21, 28, 36,
				   45, 55, 2,  14, 27, 41, 56, 8,
				   25, 43, 62, 18, 39, 61, 20, 44 };
static const uint8_t path[24] = {
	10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
	15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1
};

static uint64_t rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static void theta(uint64_t *a)
{
	uint64_t c[5];

	for (int x = 0; x < 5; x++)
		c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
	for (int x = 0; x < 5; x++) {
		uint64_t d = c[(x + 4) % 5] ^ rotl(c[(x + 1) % 5], 1);

		for (int y = 0; y < 25; y += 5)
			a[x + y] ^= d;
	}
}

static void rho_pi(uint64_t *a)
{
	uint64_t t = a[1];

	for (int i = 0; i < 24; i++) {
		uint64_t next = a[path[i]];

		a[path[i]] = rotl(t, shift[i]);
		t = next;
	}
}

static void chi(uint64_t *a)
{
	for (int y = 0; y < 25; y += 5) {
		uint64_t row[5];

		memcpy(row, a + y, sizeof(row));
		for (int x = 0; x < 5; x++)
			a[x + y] ^= ~row[(x + 1) % 5] & row[(x + 2) % 5];
	}
}

static void permute(uint64_t *a)
{
	for (int round = 0; round < 24; round++) {
		theta(a);
		rho_pi(a);
		chi(a);
		a[0] ^= round_constants[round];
	}
}

static void lane_xor(uint64_t *lanes, size_t i, uint8_t byte)
{
	lanes[i / 8] ^= (uint64_t)byte << 8 * (i % 8);
}

static uint8_t lane_byte(const uint64_t *lanes, size_t i)
{
	return (uint8_t)(lanes[i / 8] >> 8 * (i % 8));
}

void shake128_init(struct shake128 *s, const void *seed, size_t n)
{
	const uint8_t *p = seed;

	assert(n < RATE_BYTES);
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < n; i++)
		lane_xor(s->lanes, i, p[i]);
	lane_xor(s->lanes, n, 0x1f);
	lane_xor(s->lanes, RATE_BYTES - 1, 0x80);
	permute(s->lanes);
}

void shake128_read(struct shake128 *s, void *out, size_t n)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		if (s->pos == RATE_BYTES) {
			permute(s->lanes);
			s->pos = 0;
		}
		p[i] = lane_byte(s->lanes, s->pos);
		s->pos++;
	}
}

void keccak_hash(size_t rate, uint8_t suffix, const void *p, size_t n,
		 uint8_t *out, size_t len)
{
	uint64_t lanes[25] = { 0 };
	const uint8_t *b = p;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		lane_xor(lanes, at, b[i]);
		if (++at == rate) {
			permute(lanes);
			at = 0;
		}
	}
	lane_xor(lanes, at, suffix);
	lane_xor(lanes, rate - 1, 0x80);
	for (size_t i = 0; i < len; i++) {
		if (i % rate == 0)
			permute(lanes);
		out[i] = lane_byte(lanes, i % rate);
	}
}
