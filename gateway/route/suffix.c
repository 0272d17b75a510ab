/*
 * suffix.c - "full:" and "domain:" patterns: an exact hash of name suffixes
 *
 * No name is stored. A name is read once from its end; behind each label the
 * hash of the suffix so far is known:
 *
 *	www.example.com ->  com | example.com | www.example.com | full
 *
 * The hash is a polynomial over the prime 2^61 - 1 at a random point, so two
 * different names of up to 255 bytes collide with probability below 2^-54,
 * whoever chose them: with 100,000 patterns one wrong answer in 2^35 lookups
 * is an upper bound for a hostile chooser who sees nothing of the table.
 *
 * A label goes in as pieces of up to 7 bytes from its end; a piece is
 *
 *	bit 59: last of its label | bits 56-58: bytes | bits 0-55: the bytes
 *
 * The table has 1.5 slots a pattern, is sorted by hash and probed linearly:
 * an absent suffix is known at the first slot with a larger hash.
 */
#include "gateway/route/suffix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/rand.h"

#define PIECE 7
#define FULL  (1ull << 63)

void suffix_init(struct suffixes *t)
{
	*t = (struct suffixes){ 0 };
	rand_bytes(&t->key, sizeof(t->key));
	rand_bytes(&t->seed, sizeof(t->seed));
	t->key = t->key % (P61 - 1) + 1;
	t->seed %= P61;
}

static uint64_t put_piece(const struct suffixes *t, uint64_t h, uint64_t piece)
{
	h = mul_p61(h, t->key) + piece;
	return h >= P61 ? h - P61 : h;
}

/* The @len (0 to 7) bytes before @end as a number; @start: first byte of all */
static uint64_t last_bytes(const char *start, const char *end, size_t len)
{
	uint8_t few[8] = { 0 };
	uint64_t v;

	if (end - start >= 8) {
		v = get_be64(end - 8);
	} else {
		memcpy(few + 8 - len, end - len, len);
		v = get_be64(few);
	}
	return v & ((1ull << 8 * len) - 1);
}

/**
 * put_label() - Take in one label, read from its end
 * @name:	Start of the whole name; bytes from there on may be read
 * @label:	Start of the label
 * @n:		Its bytes
 *
 * Return: the hash of the suffix that begins with this label
 */
static uint64_t put_label(const struct suffixes *t, uint64_t h,
			  const char *name, const char *label, size_t n)
{
	uint64_t piece;
	size_t len;

	do {
		len = n < PIECE ? n : PIECE;
		piece = last_bytes(name, label + n, len);
		n -= len;
		piece |= (n ? 0 : 1ull << 59) | (uint64_t)len << 56;
		h = put_piece(t, h, piece);
	} while (n);
	return h;
}

/* Hashes of all suffixes of @name, then that of the whole name as "full" */
static size_t hash_suffixes(const struct suffixes *t, const char *name,
			    size_t len, uint64_t out[SUFFIX_HITS_MAX])
{
	size_t n = 0, end = len, start;
	uint64_t h = t->seed;
	const char *dot;

	for (;;) {
		dot = memrchr(name, '.', end);
		start = dot ? (size_t)(dot - name) + 1 : 0;
		h = put_label(t, h, name, name + start, end - start);
		if (!dot || n == SUFFIX_HITS_MAX - 2)
			break;
		out[n++] = hash_mix(h);
		end = start - 1;
	}
	out[n++] = hash_mix(h);
	out[n++] = hash_mix(h | FULL);
	return n;
}

int suffix_add(struct suffixes *t, const char *name, size_t len, bool full,
	       uint32_t id)
{
	uint64_t hashes[SUFFIX_HITS_MAX];
	struct suffix_pat *p = t->pats;
	size_t cap = t->pat_cap, n;

	if (t->pat_count == cap) {
		cap += cap / 2 + 64;
		p = realloc(p, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		t->pats = p;
		t->pat_cap = cap;
	}
	n = hash_suffixes(t, name, len, hashes);
	p[t->pat_count++] =
		(struct suffix_pat){ hashes[n - (full ? 1 : 2)], id };
	return 0;
}

static int pat_order(const void *a, const void *b)
{
	const struct suffix_pat *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Drop equal patterns of a sorted list. Returns how many are left */
static size_t drop_twins(struct suffix_pat *p, size_t n)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (!k || pat_order(&p[k - 1], &p[i]))
			p[k++] = p[i];
	return k;
}

static uint32_t home_slot(const struct suffixes *t, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * t->range >> 32);
}

/* All ids of the patterns with the hash of p[0], as one value */
static int group_value(struct idlists *ids, const struct suffix_pat *p,
		       size_t n, uint32_t *val)
{
	uint32_t *list;
	size_t i;
	int rc;

	if (n == 1) {
		*val = p[0].id;
		return 0;
	}
	list = malloc(n * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		list[i] = p[i].id;
	rc = idl_intern(ids, list, n, val);
	free(list);
	return rc;
}

/*
 * Put the sorted patterns where they belong; with @slots NULL only count how
 * many slots that takes, in @end.
 */
static int place_all(struct suffixes *t, struct idlists *ids, size_t *end)
{
	const struct suffix_pat *p = t->pats;
	size_t i, k, at = 0, home;
	uint32_t val;

	for (i = 0; i < t->pat_count; i = k) {
		for (k = i + 1; k < t->pat_count && p[k].hash == p[i].hash;)
			k++;
		home = home_slot(t, p[i].hash);
		if (at < home)
			at = home;
		if (t->slots) {
			if (group_value(ids, p + i, k - i, &val) < 0)
				return -ENOMEM;
			t->slots[at] = (struct suffix_slot){
				(uint32_t)(p[i].hash >> 32),
				(uint32_t)p[i].hash, val
			};
		}
		at++;
	}
	*end = at;
	return 0;
}

int suffix_seal(struct suffixes *t, struct idlists *ids)
{
	size_t end = 0;

	if (!t->pat_count)
		return 0;
	qsort(t->pats, t->pat_count, sizeof(*t->pats), pat_order);
	t->pat_count = drop_twins(t->pats, t->pat_count);
	if (t->pat_count >= 1u << 30)
		return -ENOMEM;
	t->range = (uint32_t)(t->pat_count + t->pat_count / 2 + 1);
	place_all(t, ids, &end);
	/* one empty slot behind the last stops every probe */
	t->slot_count = (end > t->range ? end : t->range) + 1;
	t->slots = malloc(t->slot_count * sizeof(*t->slots));
	if (!t->slots)
		return -ENOMEM;
	memset(t->slots, 0xff, t->slot_count * sizeof(*t->slots));
	if (place_all(t, ids, &end) < 0)
		return -ENOMEM;
	free(t->pats);
	t->pats = NULL;
	t->pat_cap = 0;
	return 0;
}

static uint32_t probe(const struct suffixes *t, uint64_t hash)
{
	const struct suffix_slot *s = t->slots + home_slot(t, hash);
	uint64_t have;

	for (; s->val != ID_NONE; s++) {
		have = (uint64_t)s->hi << 32 | s->lo;
		if (have >= hash)
			return have == hash ? s->val : ID_NONE;
	}
	return ID_NONE;
}

size_t suffix_find(const struct suffixes *t, const char *name, size_t len,
		   uint32_t vals[SUFFIX_HITS_MAX])
{
	uint64_t hashes[SUFFIX_HITS_MAX];
	size_t n, i, hits = 0;
	uint32_t v;

	if (!t->slots)
		return 0;
	n = hash_suffixes(t, name, len, hashes);
	for (i = 0; i < n; i++)
		__builtin_prefetch(t->slots + home_slot(t, hashes[i]));
	for (i = 0; i < n; i++) {
		v = probe(t, hashes[i]);
		if (v != ID_NONE)
			vals[hits++] = v;
	}
	return hits;
}

size_t suffix_bytes(const struct suffixes *t)
{
	return t->slot_count * sizeof(*t->slots) +
	       t->pat_cap * sizeof(*t->pats);
}

void suffix_free(struct suffixes *t)
{
	free(t->pats);
	free(t->slots);
	*t = (struct suffixes){ 0 };
}
