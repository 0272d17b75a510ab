/* idlist.c - Sets of ids, each stored once; a pool and a hash of places */
#include "gateway/route/idlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"

static uint32_t list_hash(const uint32_t *ids, size_t n)
{
	uint64_t h = n;
	size_t i;

	for (i = 0; i < n; i++)
		h = hash_mix(h ^ ids[i]);
	return (uint32_t)h;
}

static int table_grow(struct idlists *l)
{
	uint32_t cap = l->table_cap ? l->table_cap * 2 : 64, i, at, place;
	uint32_t *t = malloc(cap * sizeof(*t));

	if (!t)
		return -ENOMEM;
	memset(t, 0xff, cap * sizeof(*t));
	for (i = 0; i < l->table_cap; i++) {
		place = l->table[i];
		if (place == ID_NONE)
			continue;
		at = list_hash(l->pool + place + 1, l->pool[place]) & (cap - 1);
		while (t[at] != ID_NONE)
			at = (at + 1) & (cap - 1);
		t[at] = place;
	}
	free(l->table);
	l->table = t;
	l->table_cap = cap;
	return 0;
}

static int pool_put_list(struct idlists *l, const uint32_t *ids, size_t n)
{
	uint32_t need = l->used + (uint32_t)n + 1;
	uint32_t cap = l->cap ? l->cap : 64;
	uint32_t *p;

	if (n > (1u << 24) || need >= ID_LIST / 2)
		return -ENOMEM;
	while (cap < need)
		cap *= 2;
	if (cap != l->cap) {
		p = realloc(l->pool, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		l->pool = p;
		l->cap = cap;
	}
	l->pool[l->used] = (uint32_t)n;
	memcpy(l->pool + l->used + 1, ids, n * sizeof(*ids));
	l->used = need;
	return 0;
}

int idl_intern(struct idlists *l, const uint32_t *ids, size_t n, uint32_t *val)
{
	uint32_t at, place;

	if (n < 2) {
		*val = n ? ids[0] : ID_NONE;
		return 0;
	}
	if (l->table_used * 2 >= l->table_cap && table_grow(l) < 0)
		return -ENOMEM;
	at = list_hash(ids, n) & (l->table_cap - 1);
	for (; l->table[at] != ID_NONE; at = (at + 1) & (l->table_cap - 1)) {
		place = l->table[at];
		if (l->pool[place] == n &&
		    !memcmp(l->pool + place + 1, ids, n * sizeof(*ids))) {
			*val = place | ID_LIST;
			return 0;
		}
	}
	place = l->used;
	if (pool_put_list(l, ids, n) < 0)
		return -ENOMEM;
	l->table[at] = place;
	l->table_used++;
	*val = place | ID_LIST;
	return 0;
}

/* Merge two ascending lists into @out. Returns how many */
static size_t merge(const uint32_t *a, size_t na, const uint32_t *b, size_t nb,
		    uint32_t *out)
{
	size_t i = 0, j = 0, n = 0;

	while (i < na || j < nb) {
		if (j == nb || (i < na && a[i] < b[j])) {
			out[n++] = a[i++];
		} else {
			if (i < na && a[i] == b[j])
				i++;
			out[n++] = b[j++];
		}
	}
	return n;
}

int idl_union(struct idlists *l, uint32_t a, uint32_t b, uint32_t *val)
{
	const uint32_t *pa = NULL, *pb = NULL;
	size_t na, nb;
	uint32_t *out;
	int rc;

	if (a == b || b == ID_NONE || a == ID_NONE) {
		*val = a == ID_NONE ? b : a;
		return 0;
	}
	na = idl_get(l, &a, &pa);
	nb = idl_get(l, &b, &pb);
	out = malloc((na + nb) * sizeof(*out));
	if (!out)
		return -ENOMEM;
	rc = idl_intern(l, out, merge(pa, na, pb, nb, out), val);
	free(out);
	return rc;
}

void idl_seal(struct idlists *l)
{
	free(l->table);
	l->table = NULL;
	l->table_cap = l->table_used = 0;
}

void idl_free(struct idlists *l)
{
	free(l->pool);
	free(l->table);
	*l = (struct idlists){ 0 };
}
