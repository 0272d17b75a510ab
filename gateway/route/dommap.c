/*
 * dommap.c - Domain patterns -> ids: one lookup for any number of rules
 *
 *	name --> suffix hash   values of full: and domain:
 *	     --> automaton     values of keyword:, and which regexps to try
 *	     --> regexps without a literal, dotless:
 *
 * Patterns are read in dompattern.c.
 */
#include "gateway/route/dommap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX (SUFFIX_HITS_MAX + ADDR_NAME_MAX)

/**
 * struct sink - Where found ids go
 * @ids, @n, @max:	Ascending, each once; or
 * @bits, @nbits:	a bit for each id; neither: the first one is enough
 */
struct sink {
	const struct dommap *m;
	const char *name;
	size_t len;
	uint32_t *ids;
	size_t n, max;
	uint64_t *bits;
	size_t nbits;
};

struct dommap *dommap_new(void)
{
	struct dommap *m = calloc(1, sizeof(*m));

	if (m)
		suffix_init(&m->names);
	return m;
}

/* Room for one more element in an array that doubles at powers of two */
static void *grow(void *p, size_t count, size_t size)
{
	if (count & (count - 1))
		return p;
	return realloc(p, (count ? count * 2 : 1) * size);
}

static int add_regexp(struct dommap *m, const char *text, size_t len,
		      uint32_t id, char err[128])
{
	struct dom_regexp *list =
		grow(m->regexps, m->regexp_count, sizeof(*list));
	uint32_t *plain;
	char literal[64];
	size_t n = regexp_literal(text, len, literal, sizeof(literal));
	int rc;

	if (!list)
		return -ENOMEM;
	m->regexps = list;
	if (!n) {
		plain = grow(m->plain, m->plain_count, sizeof(*plain));
		if (!plain)
			return -ENOMEM;
		m->plain = plain;
	}
	rc = regexp_new(text, len, &list[m->regexp_count].re, err);
	if (rc < 0)
		return rc;
	list[m->regexp_count].id = id;
	if (!n)
		m->plain[m->plain_count++] = m->regexp_count;
	m->regexp_count++;
	return n ? keyword_add(&m->words, literal, n,
			       DOM_IDS + m->regexp_count - 1) :
		   0;
}

static int add_dotless(struct dommap *m, const char *text, uint32_t id)
{
	struct dom_dotless *list =
		grow(m->dotless, m->dotless_count, sizeof(*list));
	char *copy;

	if (!list)
		return -ENOMEM;
	m->dotless = list;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	list[m->dotless_count].text = copy;
	list[m->dotless_count++].id = id;
	return 0;
}

/* Lower case without a trailing dot. Returns the length, -EINVAL */
static int clean(const char *text, size_t len, char out[ADDR_NAME_MAX + 1],
		 char err[128])
{
	size_t i;

	if (len && text[len - 1] == '.')
		len--;
	if (!len || len > ADDR_NAME_MAX) {
		snprintf(err, 128, "a domain has 1 to %d bytes", ADDR_NAME_MAX);
		return -EINVAL;
	}
	for (i = 0; i < len; i++)
		out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ?
					text[i] | 0x20 :
					text[i]);
	out[len] = '\0';
	return (int)len;
}

int dommap_add_type(struct dommap *m, enum geo_type type, const char *text,
		    size_t len, uint32_t id, char err[128])
{
	char name[ADDR_NAME_MAX + 1];
	int n, rc;

	if (m->sealed || id >= DOM_IDS)
		return -EINVAL;
	if (type == GEO_REGEX) {
		rc = add_regexp(m, text, len, id, err);
	} else {
		n = clean(text, len, name, err);
		if (n < 0)
			return n;
		if (type == GEO_SUBSTRING)
			rc = keyword_add(&m->words, name, (size_t)n, id);
		else
			rc = suffix_add(&m->names, name, (size_t)n,
					type == GEO_FULL, id);
	}
	if (!rc)
		m->count++;
	return rc;
}

int dommap_add_dotless(struct dommap *m, const char *text, size_t len,
		       uint32_t id, char err[128])
{
	char name[ADDR_NAME_MAX + 1] = "";
	int n = len ? clean(text, len, name, err) : 0;
	int rc;

	if (n < 0 || m->sealed || id >= DOM_IDS)
		return -EINVAL;
	rc = add_dotless(m, name, id);
	if (!rc)
		m->count++;
	return rc;
}

int dommap_seal(struct dommap *m)
{
	int rc = suffix_seal(&m->names, &m->lists);

	if (!rc)
		rc = keyword_seal(&m->words, &m->lists);
	idl_seal(&m->lists);
	m->sealed = true;
	return rc;
}

/* Keep @id at its place in the ascending list; the largest falls off the end */
static void sink_insert(struct sink *s, uint32_t id)
{
	size_t i = s->n;

	while (i && s->ids[i - 1] > id)
		i--;
	if (i && s->ids[i - 1] == id)
		return;
	if (i == s->max)
		return;
	if (s->n < s->max)
		s->n++;
	memmove(s->ids + i + 1, s->ids + i, (s->n - i - 1) * sizeof(*s->ids));
	s->ids[i] = id;
}

/* One id that matches. Returns true when nothing more is needed */
static bool sink_put(struct sink *s, uint32_t id)
{
	if (s->bits) {
		if (id < s->nbits)
			s->bits[id / 64] |= 1ull << (id % 64);
		return false;
	}
	if (!s->ids)
		return true;
	sink_insert(s, id);
	return false;
}

static bool sink_has(const struct sink *s, uint32_t id)
{
	size_t i;

	if (s->bits)
		return id < s->nbits && s->bits[id / 64] >> (id % 64) & 1;
	for (i = 0; i < s->n; i++)
		if (s->ids[i] == id)
			return true;
	return false;
}

static bool sink_regexp(struct sink *s, uint32_t index)
{
	const struct dom_regexp *r = &s->m->regexps[index];

	/* lists name most hosts twice; a search costs as much as a lookup */
	if (sink_has(s, r->id))
		return false;
	return regexp_has(r->re, s->name, s->len) && sink_put(s, r->id);
}

/* All ids of the values found in a table */
static bool sink_values(struct sink *s, const uint32_t *vals, size_t n)
{
	const uint32_t *ids = NULL;
	size_t i, k, count;

	for (i = 0; i < n; i++) {
		count = idl_get(&s->m->lists, &vals[i], &ids);
		for (k = 0; k < count; k++)
			if (ids[k] < DOM_IDS ? sink_put(s, ids[k]) :
					       sink_regexp(s, ids[k] - DOM_IDS))
				return true;
	}
	return false;
}

static bool sink_dotless(struct sink *s)
{
	const struct dommap *m = s->m;
	uint32_t i;

	if (!m->dotless_count || memchr(s->name, '.', s->len))
		return false;
	for (i = 0; i < m->dotless_count; i++)
		if (memmem(s->name, s->len, m->dotless[i].text,
			   strlen(m->dotless[i].text)) &&
		    sink_put(s, m->dotless[i].id))
			return true;
	return false;
}

/* The lookup itself; true: ended early with a match */
static bool look(struct sink *s)
{
	const struct dommap *m = s->m;
	uint32_t vals[VALUES_MAX], i;
	size_t n;

	if (!s->len || s->len > ADDR_NAME_MAX || !m->sealed)
		return false;
	n = suffix_find(&m->names, s->name, s->len, vals);
	if (sink_values(s, vals, n))
		return true;
	n = keyword_find(&m->words, s->name, s->len, vals);
	if (sink_values(s, vals, n))
		return true;
	for (i = 0; i < m->plain_count; i++)
		if (sink_regexp(s, m->plain[i]))
			return true;
	return sink_dotless(s);
}

size_t dommap_find(const struct dommap *m, const char *name, size_t len,
		   uint32_t *ids, size_t max)
{
	struct sink s = { .m = m, .name = name, .len = len, .max = max };

	if (!max)
		return 0;
	s.ids = ids;
	look(&s);
	return s.n;
}

bool dommap_has(const struct dommap *m, const char *name, size_t len)
{
	struct sink s = { .m = m, .name = name, .len = len };

	return look(&s);
}

void dommap_mark(const struct dommap *m, const char *name, size_t len,
		 uint64_t *bits, size_t nbits)
{
	struct sink s = { .m = m, .name = name, .len = len };

	s.bits = bits;
	s.nbits = nbits;
	look(&s);
}

size_t dommap_count(const struct dommap *m)
{
	return m->count;
}

size_t dommap_bytes(const struct dommap *m)
{
	size_t n = sizeof(*m) + suffix_bytes(&m->names) +
		   keyword_bytes(&m->words) +
		   m->lists.cap * sizeof(*m->lists.pool);
	uint32_t i;

	for (i = 0; i < m->regexp_count; i++)
		n += sizeof(*m->regexps) + regexp_bytes(m->regexps[i].re);
	for (i = 0; i < m->dotless_count; i++)
		n += sizeof(*m->dotless) + strlen(m->dotless[i].text) + 1;
	return n + m->plain_count * sizeof(*m->plain);
}

void dommap_free(struct dommap *m)
{
	uint32_t i;

	if (!m)
		return;
	for (i = 0; i < m->regexp_count; i++)
		regexp_free(m->regexps[i].re);
	for (i = 0; i < m->dotless_count; i++)
		free(m->dotless[i].text);
	free(m->regexps);
	free(m->plain);
	free(m->dotless);
	suffix_free(&m->names);
	keyword_free(&m->words);
	idl_free(&m->lists);
	free(m);
}
