/*
 * arena.c - Memory that dies together
 *
 * Blocks of 4 KiB, doubling up to 64 KiB. What does not fit into a quarter of
 * a block gets one of its own, behind the head, whose rest stays in use.
 */
#include "gateway/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN (4u << 10)
#define BLOCK_MAX (64u << 10)
#define ALIGN     _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t cap, used; /* bytes of @data */
	_Alignas(max_align_t) uint8_t data[];
};

static struct arena_block *block_new(size_t cap)
{
	struct arena_block *b = calloc(1, sizeof(*b) + cap);

	if (b)
		b->cap = cap;
	return b;
}

static void *block_take(struct arena_block *b, size_t n)
{
	void *p = b->data + b->used;

	b->used += n;
	return p;
}

/* A block of its own for @n bytes, not at the head */
static struct arena_block *add_large(struct arena *a, size_t n)
{
	struct arena_block *b = block_new(n);

	if (!b)
		return NULL;
	if (a->head) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		a->head = b;
	}
	return b;
}

static struct arena_block *add_head(struct arena *a)
{
	size_t cap = a->head ? a->head->cap * 2 : BLOCK_MIN;
	struct arena_block *b;

	if (cap < BLOCK_MIN)
		cap = BLOCK_MIN;
	if (cap > BLOCK_MAX)
		cap = BLOCK_MAX;
	b = block_new(cap);
	if (!b)
		return NULL;
	b->next = a->head;
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;

	if (n > SIZE_MAX / 2) {
		a->failed = true;
		return NULL;
	}
	n = n ? (n + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
	if (!b || b->cap - b->used < n)
		b = n > BLOCK_MIN / 4 ? add_large(a, n) : add_head(a);
	if (!b) {
		a->failed = true;
		return NULL;
	}
	a->used_bytes += n;
	return block_take(b, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? arena_alloc(a, n + 1) : NULL;

	if (p && n)
		memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

void arena_free(struct arena *a)
{
	struct arena_block *b, *next;

	for (b = a->head; b; b = next) {
		next = b->next;
		explicit_bzero(b->data, b->used);
		free(b);
	}
	*a = (struct arena){ 0 };
}
