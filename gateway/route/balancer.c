/* balancer.c - Choices among outbounds; least.c has those by probes */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/route/rule.h"

const struct outbound *outbound_by_tag(const struct config *cfg,
				       const char *tag)
{
	unsigned int i;

	for (i = 0; i < cfg->outbound_count; i++)
		if (cfg->outbounds[i]->tag &&
		    !strcmp(cfg->outbounds[i]->tag, tag))
			return cfg->outbounds[i];
	return NULL;
}

void help_outbounds(struct diag *d, const struct config *cfg)
{
	char text[400] = "";
	const char *tag;
	size_t n = 0;
	unsigned int i;
	int got;

	for (i = 0; i < cfg->outbound_count && n < sizeof(text) - 8; i++) {
		tag = cfg->outbounds[i]->tag;
		if (!tag || !tag[0])
			continue;
		got = snprintf(text + n, sizeof(text) - n, "%s%s",
			       n ? ", " : "", tag);
		n += got > 0 ? (size_t)got : 0;
	}
	diag_help(d, "tags of outbounds are: %s", n ? text : "(none)");
}

static int tag_order(const void *a, const void *b)
{
	const struct outbound *const *x = a, *const *y = b;

	return strcmp((*x)->tag, (*y)->tag);
}

/* Does the tag of @ob begin with one of the selectors? */
static bool selected(const struct outbound *ob, struct jobj *o)
{
	bool yes = false;
	struct jlist l;

	j_list(o, "selector", &l);
	while (j_list_next(o, &l))
		yes |= ob->tag && ob->tag[0] &&
		       !strncmp(ob->tag, l.text, strlen(l.text));
	return yes;
}

static void take_outbounds(struct balancer *b, struct jobj *o,
			   struct config *cfg)
{
	unsigned int i;

	b->outbounds =
		arena_alloc(&cfg->arena, (cfg->outbound_count + 1) *
						 sizeof(struct outbound *));
	for (i = 0; b->outbounds && i < cfg->outbound_count; i++)
		if (selected(cfg->outbounds[i], o))
			b->outbounds[b->count++] = cfg->outbounds[i];
	if (b->outbounds && b->count)
		qsort(b->outbounds, b->count, sizeof(struct outbound *),
		      tag_order);
}

static void read_strategy(struct balancer *b, struct diag *d, struct jobj *o,
			  struct arena *a)
{
	const cJSON *node = j_get(o, "strategy");
	const char *type;
	struct jobj s;

	if (!j_open(&s, d, node))
		return;
	type = j_str(&s, "type", "");
	if (!strcasecmp(type, "roundRobin"))
		b->strategy = BALANCE_ROUND_ROBIN;
	else if (!strcasecmp(type, "leastPing"))
		b->strategy = BALANCE_LEAST_PING;
	else if (!strcasecmp(type, "leastLoad"))
		b->strategy = BALANCE_LEAST_LOAD;
	else if (*type && strcasecmp(type, "random") != 0)
		diag_error(d, node, "type",
			   "must be random, roundRobin, leastPing or "
			   "leastLoad, got \"%s\"",
			   type);
	if (b->strategy == BALANCE_LEAST_LOAD)
		least_parse(b, &s, a);
	else
		j_ignore(&s, "settings", NULL);
	j_close(&s);
}

static void read_fallback(struct balancer *b, struct diag *d, struct jobj *o,
			  const struct config *cfg)
{
	const char *tag = j_str(o, "fallbackTag", NULL);

	if (!tag || !tag[0])
		return;
	b->fallback = outbound_by_tag(cfg, tag);
	if (!b->fallback) {
		diag_error(d, o->node, "fallbackTag",
			   "no outbound has the tag \"%s\"", tag);
		help_outbounds(d, cfg);
	}
}

static bool looks_at_probes(const struct balancer *b)
{
	return b->strategy == BALANCE_LEAST_PING ||
	       b->strategy == BALANCE_LEAST_LOAD;
}

/* Some of them must be probed where the choice depends on it */
static void check_probes(const struct balancer *b, struct diag *d,
			 struct jobj *o)
{
	unsigned int probed = 0;

	for (uint32_t i = 0; i < b->count; i++)
		probed += b->outbounds[i]->health != NULL;
	if (looks_at_probes(b) && b->count && !probed)
		diag_error(d, o->node, "strategy",
			   "needs observatory or burstObservatory with these "
			   "outbounds in its subjectSelector");
	else if (!looks_at_probes(b) && !probed && *j_str(o, "fallbackTag", ""))
		diag_warning(d, o->node, "fallbackTag",
			     "outbounds are not probed: used only when the "
			     "selector finds none");
	if (b->count > BALANCE_MAX)
		diag_error(d, o->node, "selector", "more than %d outbounds",
			   BALANCE_MAX);
}

static void balancer_parse(struct balancer *b, struct diag *d,
			   const cJSON *node, struct config *cfg)
{
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	b->tag = arena_strdup(&cfg->arena, j_need_str(&o, "tag"));
	if (!b->tag)
		diag_error(d, node, "tag", "out of memory");
	take_outbounds(b, &o, cfg);
	read_strategy(b, d, &o, &cfg->arena);
	check_probes(b, d, &o);
	read_fallback(b, d, &o, cfg);
	if (!b->count && !b->fallback) {
		diag_error(d, node, "selector",
			   "no outbound has a tag with one of these prefixes");
		help_outbounds(d, cfg);
	}
	j_close(&o);
	if (b->tag)
		pin_again(b);
}

void balancers_parse(struct router *r, struct diag *d, const cJSON *array,
		     struct config *cfg)
{
	int count = array ? cJSON_GetArraySize(array) : 0;
	const cJSON *node;

	if (count <= 0)
		return;
	r->balancers = calloc((size_t)count, sizeof(*r->balancers));
	if (!r->balancers) {
		diag_error(d, array, NULL, "out of memory");
		return;
	}
	cJSON_ArrayForEach(node, array)
	{
		balancer_parse(&r->balancers[r->balancer_count++], d, node,
			       cfg);
	}
}

const struct outbound *balancer_pick(struct balancer *b)
{
	const struct outbound *out[BALANCE_MAX];
	unsigned int pin = atomic_load(&b->pinned);
	uint32_t n = pin ? 0 : least_select(b, out), i;

	if (pin)
		return b->outbounds[pin - 1];
	if (!n)
		return b->fallback;
	if (b->strategy == BALANCE_ROUND_ROBIN)
		i = atomic_fetch_add_explicit(&b->next, 1,
					      memory_order_relaxed) %
		    n;
	else
		i = rand_below(n);
	return out[i];
}
