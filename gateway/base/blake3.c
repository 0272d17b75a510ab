/*
 * blake3.c - BLAKE3, portable
 *
 * The input is cut into chunks of 1024 bytes, each hashed as a chain of
 * 64-byte blocks; chunk values are joined pairwise as a binary tree, left
 * subtrees full. A stack holds the values of finished subtrees: after chunk
 * number c, as many joins are due as c has trailing zero bits.
 *
 * Source: the BLAKE3 paper (O'Connor, Aumasson, Neves, Wilcox-O'Hearn), 2
 */
#include "gateway/base/blake3.h"

#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"

#define BLOCK_BYTES 64
#define CHUNK_BYTES 1024
#define DEPTH_MAX   54 /* joins of 2^64 bytes */

enum {
	CHUNK_START = 1 << 0,
	CHUNK_END = 1 << 1,
	PARENT = 1 << 2,
	ROOT = 1 << 3,
	KEYED_HASH = 1 << 4,
	DERIVE_CONTEXT = 1 << 5,
	DERIVE_MATERIAL = 1 << 6,
};

static const uint32_t iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
};

static const uint8_t permutation[16] = { 2, 6,  3,  10, 7, 0,  4,  13,
					 1, 11, 12, 5,  9, 14, 15, 8 };

/**
 * struct node - One compression that has not been made yet
 * @value:	Chaining value that goes in
 * @block:	Message words
 * @counter:	Chunk number, or output block number at the root
 * @len:	Bytes of the block in use
 * @flags:	As above
 */
struct node {
	uint32_t value[8], block[16];
	uint64_t counter;
	uint32_t len, flags;
};

static uint32_t rotr(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void mix(uint32_t *s, const int i[4], uint32_t x, uint32_t y)
{
	int a = i[0], b = i[1], c = i[2], d = i[3];

	s[a] += s[b] + x;
	s[d] = rotr(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotr(s[b] ^ s[c], 12);
	s[a] += s[b] + y;
	s[d] = rotr(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotr(s[b] ^ s[c], 7);
}

static void compress(const struct node *n, uint32_t s[16])
{
	static const int lanes[8][4] = {
		{ 0, 4, 8, 12 },  { 1, 5, 9, 13 },  { 2, 6, 10, 14 },
		{ 3, 7, 11, 15 }, { 0, 5, 10, 15 }, { 1, 6, 11, 12 },
		{ 2, 7, 8, 13 },  { 3, 4, 9, 14 },
	};
	uint32_t m[16], t[16];

	memcpy(m, n->block, sizeof(m));
	memcpy(s, n->value, sizeof(n->value));
	memcpy(s + 8, iv, 4 * sizeof(*iv));
	s[12] = (uint32_t)n->counter;
	s[13] = (uint32_t)(n->counter >> 32);
	s[14] = n->len;
	s[15] = n->flags;
	for (int round = 0; round < 7; round++) {
		for (int i = 0; i < 8; i++)
			mix(s, lanes[i], m[2 * i], m[2 * i + 1]);
		for (int i = 0; i < 16; i++)
			t[i] = m[permutation[i]];
		memcpy(m, t, sizeof(m));
	}
	for (int i = 0; i < 8; i++) {
		s[i] ^= s[i + 8];
		s[i + 8] ^= n->value[i];
	}
}

static void node_value(const struct node *n, uint32_t out[8])
{
	uint32_t s[16];

	compress(n, s);
	memcpy(out, s, 8 * sizeof(*s));
}

static void block_load(struct node *n, const uint8_t *p, size_t len)
{
	uint8_t b[BLOCK_BYTES] = { 0 };

	if (len)
		memcpy(b, p, len);
	for (int i = 0; i < 16; i++)
		n->block[i] = get_le32(b + 4 * i);
	n->len = (uint32_t)len;
}

/* All blocks of one chunk but the last, which stays in @n */
static void chunk_node(struct node *n, const uint32_t key[8], uint32_t flags,
		       uint64_t number, const uint8_t *p, size_t len)
{
	memcpy(n->value, key, sizeof(n->value));
	n->counter = number;
	n->flags = flags | CHUNK_START;
	for (; len > BLOCK_BYTES; p += BLOCK_BYTES, len -= BLOCK_BYTES) {
		block_load(n, p, BLOCK_BYTES);
		node_value(n, n->value);
		n->flags = flags;
	}
	block_load(n, p, len);
	n->flags |= CHUNK_END;
}

static void parent_node(struct node *n, const uint32_t key[8], uint32_t flags,
			const uint32_t left[8], const uint32_t right[8])
{
	memcpy(n->value, key, sizeof(n->value));
	memcpy(n->block, left, 8 * sizeof(*left));
	memcpy(n->block + 8, right, 8 * sizeof(*right));
	n->counter = 0;
	n->len = BLOCK_BYTES;
	n->flags = flags | PARENT;
}

static void root_output(struct node *n, uint8_t *out, size_t len)
{
	uint32_t s[16];

	n->flags |= ROOT;
	for (n->counter = 0; len; n->counter++) {
		size_t part = len < BLOCK_BYTES ? len : BLOCK_BYTES;

		compress(n, s);
		for (size_t i = 0; i < part; i++)
			out[i] = (uint8_t)(s[i / 4] >> 8 * (i % 4));
		out += part;
		len -= part;
	}
	wipe(s, sizeof(s));
}

/* The whole tree over @p; @key is the chaining value everything starts from */
static void tree_hash(const uint32_t key[8], uint32_t flags, const uint8_t *p,
		      size_t n, uint8_t *out, size_t len)
{
	uint32_t stack[DEPTH_MAX][8], value[8];
	uint64_t number = 0;
	int depth = 0;
	struct node node;

	for (; n > CHUNK_BYTES; p += CHUNK_BYTES, n -= CHUNK_BYTES) {
		chunk_node(&node, key, flags, number++, p, CHUNK_BYTES);
		node_value(&node, value);
		for (uint64_t c = number; depth && !(c & 1); c >>= 1) {
			parent_node(&node, key, flags, stack[--depth], value);
			node_value(&node, value);
		}
		memcpy(stack[depth++], value, sizeof(value));
	}
	chunk_node(&node, key, flags, number, p, n);
	while (depth) {
		node_value(&node, value);
		parent_node(&node, key, flags, stack[--depth], value);
	}
	root_output(&node, out, len);
	wipe(&node, sizeof(node));
}

static void key_load(uint32_t words[8], const uint8_t key[32])
{
	for (int i = 0; i < 8; i++)
		words[i] = get_le32(key + 4 * i);
}

void blake3_hash(const void *p, size_t n, uint8_t *out, size_t len)
{
	tree_hash(iv, 0, p, n, out, len);
}

void blake3_keyed(const uint8_t key[32], const void *p, size_t n, uint8_t *out,
		  size_t len)
{
	uint32_t words[8];

	key_load(words, key);
	tree_hash(words, KEYED_HASH, p, n, out, len);
	wipe(words, sizeof(words));
}

void blake3_derive_bytes(const struct iovec *context, const void *p, size_t n,
			 uint8_t *out, size_t len)
{
	uint8_t key[32];
	uint32_t words[8];

	tree_hash(iv, DERIVE_CONTEXT, context->iov_base, context->iov_len, key,
		  sizeof(key));
	key_load(words, key);
	tree_hash(words, DERIVE_MATERIAL, p, n, out, len);
	wipe(key, sizeof(key));
	wipe(words, sizeof(words));
}

void blake3_derive(const char *context, const void *p, size_t n, uint8_t *out,
		   size_t len)
{
	struct iovec v = { .iov_len = strlen(context) };

	memcpy(&v.iov_base, &context, sizeof(context)); /* it is only read */
	blake3_derive_bytes(&v, p, n, out, len);
}
