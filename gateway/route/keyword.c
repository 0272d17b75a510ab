/*
 * keyword.c - "keyword:" patterns: all of them in one pass over the name
 *
 * Aho and Corasick, "Efficient string matching", CACM 18 (1975). The trie is
 * numbered breadth first from the sorted keywords, so that the children of a
 * state are neighbours and need one number a state. A state's keywords are the
 * range [lo, hi) of the sorted list; these ranges live while building only.
 */
#include "gateway/route/keyword.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct range {
	uint32_t lo, hi;
};

int keyword_add(struct keywords *k, const char *text, size_t len, uint32_t id)
{
	struct keyword_pat *p = k->pats;
	size_t cap = k->pat_cap, tcap = k->text_cap;
	char *t = k->text;

	if (k->pat_count == cap) {
		cap += cap / 2 + 16;
		p = realloc(p, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		k->pats = p;
		k->pat_cap = cap;
	}
	if (k->text_len + len > tcap) {
		tcap += tcap / 2 + len + 256;
		t = tcap < UINT32_MAX / 2 ? realloc(t, tcap) : NULL;
		if (!t)
			return -ENOMEM;
		k->text = t;
		k->text_cap = tcap;
	}
	memcpy(t + k->text_len, text, len);
	p[k->pat_count++] = (struct keyword_pat){ (uint32_t)k->text_len,
						  (uint32_t)len, id };
	k->text_len += len;
	return 0;
}

static int pat_order(const void *a, const void *b, void *text)
{
	const struct keyword_pat *x = a, *y = b;
	const char *t = text;
	size_t n = x->len < y->len ? x->len : y->len;
	int c = memcmp(t + x->off, t + y->off, n);

	if (c)
		return c;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static uint32_t child(const struct keywords *k, uint32_t s, uint8_t c)
{
	uint32_t at = k->first[s], n = k->first[s + 1] - at;
	const uint8_t *hit;

	if (!s)
		return k->root[c];
	if (!n)
		return 0;
	if (k->label[at] == c)
		return at;
	hit = memchr(k->label + at, c, n);
	return hit ? (uint32_t)(hit - k->label) : 0;
}

/* The state after reading @c in @s */
static uint32_t step(const struct keywords *k, uint32_t s, uint8_t c)
{
	uint32_t t;

	while (!(t = child(k, s, c)) && s)
		s = k->fail[s];
	return t;
}

/* Ids of the keywords of @r that end at depth @depth: the first ones */
static int own_value(const struct keywords *k, struct idlists *ids,
		     struct range r, uint32_t depth, uint32_t *val)
{
	uint32_t one, i;

	*val = ID_NONE;
	for (i = r.lo; i < r.hi && k->pats[i].len == depth; i++) {
		one = k->pats[i].id;
		if (idl_union(ids, *val, one, val) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Make the child of @s over the keywords @r, which share byte @depth */
static int add_child(struct keywords *k, struct idlists *ids, uint32_t s,
		     struct range r, uint32_t depth)
{
	uint8_t c = (uint8_t)k->text[k->pats[r.lo].off + depth];
	uint32_t n = k->states++, own;

	k->label[n] = c;
	k->fail[n] = s ? step(k, k->fail[s], c) : 0;
	if (own_value(k, ids, r, depth + 1, &own) < 0)
		return -ENOMEM;
	if (idl_union(ids, own, k->out[k->fail[n]], &k->out[n]) < 0)
		return -ENOMEM;
	if (!s)
		k->root[c] = n;
	return 0;
}

/* Children of @s, whose keywords are ranges[s] and whose depth is @depth */
static int expand(struct keywords *k, struct idlists *ids, uint32_t s,
		  struct range *ranges, uint32_t depth)
{
	uint32_t i = ranges[s].lo, e;
	uint8_t c;

	k->first[s] = k->states;
	while (i < ranges[s].hi && k->pats[i].len == depth)
		i++;
	for (; i < ranges[s].hi; i = e) {
		c = (uint8_t)k->text[k->pats[i].off + depth];
		for (e = i + 1; e < ranges[s].hi; e++)
			if ((uint8_t)k->text[k->pats[e].off + depth] != c)
				break;
		ranges[k->states] = (struct range){ i, e };
		if (add_child(k, ids, s, ranges[k->states], depth) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int build(struct keywords *k, struct idlists *ids, struct range *ranges)
{
	uint32_t s, depth = 0, level_end = 1;

	ranges[0] = (struct range){ 0, (uint32_t)k->pat_count };
	k->out[0] = ID_NONE;
	k->states = 1;
	for (s = 0; s < k->states; s++) {
		if (s == level_end) {
			depth++;
			level_end = k->states;
		}
		if (expand(k, ids, s, ranges, depth) < 0)
			return -ENOMEM;
	}
	k->first[s] = k->states;
	return 0;
}

/* Give back what prefixes in common have saved */
static void shrink(struct keywords *k)
{
	void *p;

	if ((p = realloc(k->first, (k->states + 1) * sizeof(*k->first))))
		k->first = p;
	if ((p = realloc(k->fail, k->states * sizeof(*k->fail))))
		k->fail = p;
	if ((p = realloc(k->out, k->states * sizeof(*k->out))))
		k->out = p;
	if ((p = realloc(k->label, k->states)))
		k->label = p;
}

/* Give each byte that is on an edge a column of its own */
static void number_classes(struct keywords *k)
{
	uint32_t s;

	k->classes = 1;
	for (s = 1; s < k->states; s++)
		if (!k->class[k->label[s]] && k->classes < 256)
			k->class[k->label[s]] = (uint8_t)k->classes++;
}

static void fill_row(struct keywords *k, uint32_t s)
{
	uint32_t *row = k->steps + (size_t)s * k->classes, t, to;

	/* fail[s] < s, so its row is there */
	if (s)
		memcpy(row, k->steps + (size_t)k->fail[s] * k->classes,
		       k->classes * sizeof(*row));
	for (t = k->first[s]; t < k->first[s + 1]; t++) {
		to = t * k->classes;
		if (k->out[t] != ID_NONE)
			to |= KEYWORD_OUT;
		row[k->class[k->label[t]]] = to;
	}
}

/* A small automaton becomes a table. Not having the memory does no harm */
static void make_steps(struct keywords *k)
{
	uint32_t s;

	number_classes(k);
	if ((uint64_t)k->states * k->classes > KEYWORD_STEPS_MAX)
		return;
	k->steps = calloc((size_t)k->states * k->classes, sizeof(*k->steps));
	if (!k->steps)
		return;
	for (s = 0; s < k->states; s++)
		fill_row(k, s);
	free(k->first);
	free(k->fail);
	free(k->label);
	k->first = k->fail = NULL;
	k->label = NULL;
}

static void drop_pats(struct keywords *k)
{
	free(k->text);
	free(k->pats);
	k->text = NULL;
	k->pats = NULL;
	k->text_len = k->text_cap = k->pat_cap = 0;
}

int keyword_seal(struct keywords *k, struct idlists *ids)
{
	size_t max = k->text_len + 2;
	struct range *ranges;
	int rc = -ENOMEM;

	if (!k->pat_count)
		return 0;
	qsort_r(k->pats, k->pat_count, sizeof(*k->pats), pat_order, k->text);
	ranges = malloc(max * sizeof(*ranges));
	k->first = calloc(max, sizeof(*k->first));
	k->fail = calloc(max, sizeof(*k->fail));
	k->out = malloc(max * sizeof(*k->out));
	k->label = malloc(max);
	if (ranges && k->first && k->fail && k->out && k->label)
		rc = build(k, ids, ranges);
	free(ranges);
	if (rc < 0)
		return rc;
	shrink(k);
	make_steps(k);
	drop_pats(k);
	return 0;
}

static size_t find_by_table(const struct keywords *k, const char *name,
			    size_t len, uint32_t *vals)
{
	uint32_t s = 0;
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		s = k->steps[s + k->class[(uint8_t)name[i]]];
		if (s & KEYWORD_OUT) {
			s &= ~KEYWORD_OUT;
			vals[n++] = k->out[s / k->classes];
		}
	}
	return n;
}

size_t keyword_find(const struct keywords *k, const char *name, size_t len,
		    uint32_t *vals)
{
	uint32_t s = 0;
	size_t i, n = 0;

	if (k->steps)
		return find_by_table(k, name, len, vals);
	if (!k->first)
		return 0;
	for (i = 0; i < len; i++) {
		s = step(k, s, (uint8_t)name[i]);
		if (k->out[s] != ID_NONE)
			vals[n++] = k->out[s];
	}
	return n;
}

size_t keyword_bytes(const struct keywords *k)
{
	size_t n = k->text_cap + k->pat_cap * sizeof(*k->pats);

	if (k->steps)
		return n +
		       (size_t)k->states * (k->classes * sizeof(*k->steps) + 4);
	return n + (size_t)k->states * 13;
}

void keyword_free(struct keywords *k)
{
	drop_pats(k);
	free(k->first);
	free(k->fail);
	free(k->out);
	free(k->label);
	free(k->steps);
	*k = (struct keywords){ 0 };
}
