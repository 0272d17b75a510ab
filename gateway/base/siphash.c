/* siphash.c - SipHash-2-4; see siphash.h */
#include "gateway/base/siphash.h"

#include <string.h>

#include "gateway/base/compat.h"

struct state {
	uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void rounds(struct state *s, int n)
{
	while (n--) {
		s->a += s->b;
		s->c += s->d;
		s->b = rotate(s->b, 13) ^ s->a;
		s->d = rotate(s->d, 16) ^ s->c;
		s->a = rotate(s->a, 32) + s->d;
		s->c += s->b;
		s->d = rotate(s->d, 21) ^ s->a;
		s->b = rotate(s->b, 17) ^ s->c;
		s->c = rotate(s->c, 32);
	}
}

static void word(struct state *s, uint64_t m)
{
	s->d ^= m;
	rounds(s, 2);
	s->a ^= m;
}

uint64_t siphash(const uint64_t key[2], const void *p, size_t n)
{
	const uint8_t *b = p;
	uint8_t last[8] = { 0 };
	/* "somepseudorandomlygeneratedbytes" */
	struct state s = { key[0] ^ 0x736f6d6570736575u,
			   key[1] ^ 0x646f72616e646f6du,
			   key[0] ^ 0x6c7967656e657261u,
			   key[1] ^ 0x7465646279746573u };
	size_t left;

	for (left = n; left >= 8; left -= 8, b += 8)
		word(&s, get_le64(b));
	if (left)
		memcpy(last, b, left);
	last[7] = (uint8_t)n;
	word(&s, get_le64(last));
	s.c ^= 0xff;
	rounds(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}
