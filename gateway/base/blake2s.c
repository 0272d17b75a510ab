/*
 * blake2s.c - BLAKE2s, keyed and not
 *
 * State: eight words of chain, a counter of bytes, one block that waits until it
 * is known whether it is the last.
 * Source: RFC 7693, 3 (algorithm), appendix E (vectors)
 */
#include "gateway/base/blake2s.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"

enum { BLOCK = 64, ROUNDS = 10 };

/**
 * struct blake2s_key - A hash under way; with a key it is one
 * @bytes:	Compressed so far, with the block at work
 * @used:	Bytes in @block
 */
struct blake2s_key {
	uint32_t h[8];
	uint64_t bytes;
	size_t used;
	uint8_t block[BLOCK];
};

static const uint32_t iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint8_t sigma[ROUNDS][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static uint32_t ror(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void mix(uint32_t *v, const uint8_t at[4], uint32_t x, uint32_t y)
{
	uint32_t *a = v + at[0], *b = v + at[1], *c = v + at[2], *d = v + at[3];

	*a += *b + x;
	*d = ror(*d ^ *a, 16);
	*c += *d;
	*b = ror(*b ^ *c, 12);
	*a += *b + y;
	*d = ror(*d ^ *a, 8);
	*c += *d;
	*b = ror(*b ^ *c, 7);
}

static void compress(struct blake2s_key *s, bool last)
{
	static const uint8_t at[8][4] = {
		{ 0, 4, 8, 12 },  { 1, 5, 9, 13 },  { 2, 6, 10, 14 },
		{ 3, 7, 11, 15 }, { 0, 5, 10, 15 }, { 1, 6, 11, 12 },
		{ 2, 7, 8, 13 },  { 3, 4, 9, 14 },
	};
	uint32_t v[16], m[16];
	int r, i;

	for (i = 0; i < 16; i++)
		m[i] = get_le32(s->block + i * 4);
	memcpy(v, s->h, sizeof(s->h));
	memcpy(v + 8, iv, sizeof(iv));
	v[12] ^= (uint32_t)s->bytes;
	v[13] ^= (uint32_t)(s->bytes >> 32);
	if (last)
		v[14] = ~v[14];
	for (r = 0; r < ROUNDS; r++)
		for (i = 0; i < 8; i++)
			mix(v, at[i], m[sigma[r][i * 2]],
			    m[sigma[r][i * 2 + 1]]);
	for (i = 0; i < 8; i++)
		s->h[i] ^= v[i] ^ v[i + 8];
	wipe(v, sizeof(v));
	wipe(m, sizeof(m));
}

static void add(struct blake2s_key *s, const uint8_t *p, size_t n)
{
	while (n) {
		size_t take = BLOCK - s->used;

		if (!take) {
			s->bytes += BLOCK;
			compress(s, false);
			s->used = 0;
			continue;
		}
		take = take < n ? take : n;
		memcpy(s->block + s->used, p, take);
		s->used += take;
		p += take;
		n -= take;
	}
}

static void finish(struct blake2s_key *s, uint8_t *out, size_t out_len)
{
	memset(s->block + s->used, 0, BLOCK - s->used);
	s->bytes += s->used;
	compress(s, true);
	for (size_t i = 0; i < out_len; i++)
		out[i] = (uint8_t)(s->h[i / 4] >> (i % 4 * 8));
	wipe(s, sizeof(*s));
}

void blake2s_vec(const void *key, size_t key_len, const struct iovec *v,
		 int cnt, uint8_t *out, size_t out_len)
{
	struct blake2s_key s = { .used = 0 };

	assert(key_len <= BLAKE2S_BYTES && out_len && out_len <= BLAKE2S_BYTES);
	memcpy(s.h, iv, sizeof(iv));
	s.h[0] ^= 0x01010000 | (uint32_t)key_len << 8 | (uint32_t)out_len;
	if (key_len) {
		memcpy(s.block, key, key_len);
		s.used = BLOCK;
	}
	for (int i = 0; i < cnt; i++)
		add(&s, v[i].iov_base, v[i].iov_len);
	finish(&s, out, out_len);
}

static void hmac_pad(const uint8_t *key, uint8_t with, uint8_t pad[BLOCK])
{
	memset(pad, with, BLOCK);
	for (int i = 0; i < BLAKE2S_BYTES; i++)
		pad[i] ^= key[i];
}

void blake2s_hmac(const uint8_t key[BLAKE2S_BYTES], const struct iovec *v,
		  int cnt, uint8_t out[BLAKE2S_BYTES])
{
	uint8_t pad[BLOCK], inner[BLAKE2S_BYTES];
	struct blake2s_key s = { .used = 0 };
	struct iovec outer[2] = { { pad, BLOCK }, { inner, sizeof(inner) } };

	memcpy(s.h, iv, sizeof(iv));
	s.h[0] ^= 0x01010000 | BLAKE2S_BYTES;
	hmac_pad(key, 0x36, pad);
	add(&s, pad, BLOCK);
	for (int i = 0; i < cnt; i++)
		add(&s, v[i].iov_base, v[i].iov_len);
	finish(&s, inner, sizeof(inner));
	hmac_pad(key, 0x5c, pad);
	blake2s_vec(NULL, 0, outer, 2, out, BLAKE2S_BYTES);
	wipe(pad, sizeof(pad));
	wipe(inner, sizeof(inner));
}
