/*
 * fragment_conf.c - Settings of fragment.c
 *
 *	freedom "fragment"	packets, length, interval, maxSplit
 *	finalmask "fragment"	packets, length or lengths, delay or delays, maxSplit
 *
 * Source: Xray infra/conf/freedom.go, transport_finalmask.go (facts)
 */
#include <errno.h>
#include <strings.h>

#include "proxy/layer/fragment.h"

#define SPAN_MAX  65535 /* bytes, ms and counts */
#define STEPS_MAX 64

/* False after a complaint */
static bool fits(struct jobj *o, const cJSON *at, const int32_t v[2],
		 int32_t min, struct span *out)
{
	if (v[0] < min || v[1] > SPAN_MAX) {
		diag_error(o->d, at, NULL, "must be %d to %d", min, SPAN_MAX);
		return false;
	}
	*out = (struct span){ (uint32_t)v[0], (uint32_t)v[1] };
	return true;
}

/* A range of @min or more. False: absent or reported */
static bool parse_span(struct jobj *o, const char *key, int32_t min,
		       struct span *out)
{
	int32_t v[2];

	return j_range(o, key, &v[0], &v[1]) &&
	       fits(o, j_get(o, key), v, min, out);
}

/* "tlshello", "1-3", "2", or "": every write */
static void parse_packets(struct jobj *o, struct fragment_conf *f)
{
	const char *text = j_str(o, "packets", "");
	struct span which = { 1, 0 };

	f->hello = !strcasecmp(text, "tlshello");
	if (*text && !f->hello)
		(void)parse_span(o, "packets", 1, &which);
	f->first = which.lo;
	f->last = which.hi;
}

/* A list of ranges: all but the last into @s, that into @rest. 0 or -ENOMEM */
static int parse_steps(struct jobj *o, const cJSON *list, int32_t min,
		       struct steps *s, struct span *rest, struct arena *a)
{
	int n = cJSON_GetArraySize(list);
	struct span *all;
	const cJSON *one;
	int32_t v[2];

	if (n > STEPS_MAX) {
		diag_error(o->d, list, NULL, "at most %d", STEPS_MAX);
		return 0;
	}
	all = arena_alloc(a, (size_t)n * sizeof(*all));
	if (!all)
		return -ENOMEM;
	cJSON_ArrayForEach(one, list) if (!j_range_item(o, one, &v[0], &v[1]) ||
					  !fits(o, one, v, min,
						&all[s->count++])) return 0;
	s->v = all;
	*rest = all[--s->count];
	return 0;
}

/* A range, or what the mask has beside it as a list; of freedom: NULL */
struct either {
	const char *key, *list;
	int32_t min;
};

static int parse_either(struct jobj *o, struct either k, struct steps *s,
			struct span *rest, struct arena *a)
{
	const cJSON *all = k.list ? j_array(o, k.list) : NULL;

	if (cJSON_GetArraySize(all) > 0) {
		j_ignore(o, k.key, NULL);
		return parse_steps(o, all, k.min, s, rest, a);
	}
	if (!parse_span(o, k.key, k.min, rest) && !j_get(o, k.key) &&
	    (k.min || !k.list))
		diag_error(o->d, o->node, k.key, "is missing");
	return 0;
}

int fragment_parse(struct jobj *o, bool mask, struct fragment_conf *f,
		   struct arena *a)
{
	struct either length = { "length", mask ? "lengths" : NULL, 1 };
	struct either gap = { mask ? "delay" : "interval",
			      mask ? "delays" : NULL, 0 };
	int rc;

	*f = (struct fragment_conf){ .length = { 1, 1 } };
	parse_packets(o, f);
	rc = parse_either(o, length, &f->lengths, &f->length, a);
	if (!rc)
		rc = parse_either(o, gap, &f->gaps, &f->gap_ms, a);
	(void)parse_span(o, "maxSplit", 0, &f->pieces);
	return rc;
}
