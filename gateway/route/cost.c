/*
 * cost.c - What outbounds cost, for leastLoad: a factor of their deviation
 *
 * The first entry of costs[] that fits a tag says it: by "value", else by the first
 * number in what fitted ("x2.5"); 1 without an entry. Deviations are compared after
 * they were multiplied by its square root.
 * Source: Xray app/router/weight.go, strategy_leastload.go (facts)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/config.h"
#include "gateway/route/regexp.h"
#include "gateway/route/rule.h"

#define COST_MAX 1e6

/* The first number in @n bytes at @text; 1: none */
static double first_number(const char *text, size_t n)
{
	static const char digits[] = "0123456789";
	char b[32];
	size_t at = 0, k;

	while (at < n && !strchr(digits, text[at]))
		at++;
	k = n - at < sizeof(b) ? n - at : sizeof(b) - 1;
	memcpy(b, text + at, k);
	b[k] = '\0';
	k = strspn(b, digits);
	if (b[k] == '.')
		k += 1 + strspn(b + k + 1, digits);
	b[k] = '\0';
	return k ? strtod(b, NULL) : 1;
}

/**
 * struct cost - An entry of costs[]
 * @re:		NULL: @match is a part of the tag
 * @value:	0: a number in what fits
 */
struct cost {
	const char *match;
	struct regexp *re;
	double value;
};

static bool read_cost(struct cost *c, struct diag *d, const cJSON *node)
{
	struct jobj o;
	char err[128];

	*c = (struct cost){ .match = "" };
	if (!j_open(&o, d, node))
		return false;
	c->match = j_need_str(&o, "match");
	c->value = j_num(&o, "value", 0, 0, COST_MAX);
	if (j_bool(&o, "regexp", false) &&
	    regexp_new(c->match, strlen(c->match), &c->re, err) < 0)
		diag_error(d, j_get(&o, "match"), NULL, "%s", err);
	j_close(&o);
	return true;
}

/* Of @tag by @c; below 0: it does not fit */
static double cost_of(const struct cost *c, const char *tag)
{
	size_t at = 0, n = strlen(c->match);
	const char *fits = c->match;

	if (c->re) {
		n = regexp_find(c->re, tag, strlen(tag), &at);
		fits = tag + at;
	} else if (!strstr(tag, c->match)) {
		n = 0;
	}
	if (!n)
		return -1;
	return c->value > 0 ? c->value : first_number(fits, n);
}

static void apply(struct balancer *b, const struct cost *c)
{
	for (uint32_t i = 0; i < b->count; i++) {
		double v = -1;

		if (b->weight[i] < 0 && b->outbounds[i]->tag)
			v = cost_of(c, b->outbounds[i]->tag);
		if (v >= 0)
			b->weight[i] = sqrt(v);
	}
}

void costs_parse(struct balancer *b, struct diag *d, const cJSON *array,
		 struct arena *a)
{
	const cJSON *node;
	struct cost c;

	if (cJSON_GetArraySize(array) <= 0)
		return;
	b->weight = arena_alloc(a, (b->count + 1) * sizeof(*b->weight));
	if (!b->weight) {
		diag_error(d, array, NULL, "out of memory");
		return;
	}
	for (uint32_t i = 0; i < b->count; i++)
		b->weight[i] = -1; /* no entry fitted yet */
	cJSON_ArrayForEach(node, array)
	{
		if (read_cost(&c, d, node))
			apply(b, &c);
		regexp_free(c.re);
	}
	for (uint32_t i = 0; i < b->count; i++)
		if (b->weight[i] < 0)
			b->weight[i] = 1;
}
