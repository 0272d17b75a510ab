/*
 * least.c - Choices among outbounds by what probes know of them
 *
 *	random, roundRobin	with a fallback: without the dead ones
 *	leastPing		the alive one with the least delay
 *	leastLoad		the alive ones by deviation, average, failures; of
 *				these the first few (expected, baselines)
 *
 * What is not probed counts as alive for the first two; for the others it counts
 * only while nothing is known of anybody (the first seconds).
 * Source: Xray app/router/strategy_leastping.go, strategy_leastload.go,
 * balancing.go (facts)
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/health.h"
#include "gateway/route/rule.h"

static enum health_state state_of(const struct outbound *ob)
{
	return ob->health ? (enum health_state)atomic_load(&ob->health->state) :
			    HEALTH_UNKNOWN;
}

static uint32_t all_of(const struct balancer *b, bool dead_too,
		       const struct outbound **out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->count && n < BALANCE_MAX; i++)
		if (dead_too || state_of(b->outbounds[i]) != HEALTH_DEAD)
			out[n++] = b->outbounds[i];
	return n;
}

/**
 * struct node - An outbound with what is compared; read once
 * @deviation:	In ms, times its weight
 */
struct node {
	const struct outbound *ob;
	double deviation;
	uint32_t delay, average, fails, count;
};

static int by_load(const void *x, const void *y)
{
	const struct node *a = x, *b = y;

	if (a->deviation < b->deviation || a->deviation > b->deviation)
		return a->deviation < b->deviation ? -1 : 1;
	if (a->average != b->average)
		return a->average < b->average ? -1 : 1;
	if (a->fails != b->fails)
		return a->fails < b->fails ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->ob->tag, b->ob->tag);
}

static int by_delay(const void *x, const void *y)
{
	const struct node *a = x, *b = y;

	if (a->delay != b->delay)
		return a->delay < b->delay ? -1 : 1;
	return strcmp(a->ob->tag, b->ob->tag);
}

static double weighed(const struct balancer *b, uint32_t i)
{
	uint32_t ms = atomic_load(&b->outbounds[i]->health->deviation_ms);

	return ms * (b->weight ? b->weight[i] : 1);
}

static uint32_t alive(const struct balancer *b, struct node *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->count && n < BALANCE_MAX; i++) {
		const struct outbound *ob = b->outbounds[i];

		if (state_of(ob) == HEALTH_ALIVE)
			out[n++] = (struct node){
				.ob = ob,
				.delay = atomic_load(&ob->health->delay_ms),
				.deviation = weighed(b, i),
				.average = atomic_load(&ob->health->average_ms),
				.fails = atomic_load(&ob->health->fails),
				.count = atomic_load(&ob->health->count),
			};
	}
	return n;
}

static bool bears(const struct least_load *l, const struct node *x)
{
	if (l->max_rtt_ms && x->delay >= l->max_rtt_ms)
		return false;
	return !l->tolerance || x->fails * 100 <= l->tolerance * x->count;
}

/* How many of the @n sorted ones share the load */
static uint32_t shares(const struct least_load *l, const struct node *v,
		       uint32_t n)
{
	uint32_t expected = l->expected ? l->expected : 1, count = 0;

	if (l->expected > n)
		return n;
	if (!l->baseline_count)
		return expected < n ? expected : n;
	for (unsigned int i = 0; i < l->baseline_count && count < expected; i++)
		while (count < n && v[count].deviation < l->baselines[i])
			count++;
	return l->expected && count < expected ? expected : count;
}

static uint32_t least_load(const struct balancer *b, struct node *v, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		if (bears(&b->load, &v[i]))
			v[kept++] = v[i];
	qsort(v, kept, sizeof(*v), by_load);
	return kept ? shares(&b->load, v, kept) : 0;
}

static bool all_unknown(const struct balancer *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (state_of(b->outbounds[i]) != HEALTH_UNKNOWN)
			return false;
	return true;
}

uint32_t least_select(const struct balancer *b, const struct outbound **out)
{
	struct node v[BALANCE_MAX];
	uint32_t n;

	if (b->strategy == BALANCE_RANDOM || b->strategy == BALANCE_ROUND_ROBIN)
		return all_of(b, !b->fallback, out);
	if (all_unknown(b))
		return all_of(b, true, out);
	n = alive(b, v);
	if (b->strategy == BALANCE_LEAST_PING) {
		qsort(v, n, sizeof(*v), by_delay);
		n = n ? 1 : 0;
	} else {
		n = least_load(b, v, n);
	}
	for (uint32_t i = 0; i < n; i++)
		out[i] = v[i].ob;
	return n;
}

static uint32_t duration(struct jobj *o, const cJSON *at, const char *text)
{
	int64_t ms = *text ? j_duration_ms(text) : 0;

	if (ms < 0)
		diag_error(o->d, at, NULL, "must be a duration as \"500ms\"");
	return ms < 0 ? 0 : (uint32_t)ms;
}

void least_parse(struct balancer *b, struct jobj *strategy, struct arena *a)
{
	struct least_load *l = &b->load;
	struct jobj o;
	struct jlist list;
	double part;
	int64_t few;

	if (!j_open(&o, strategy->d, j_get(strategy, "settings")))
		return;
	few = j_int(&o, "expected", 0, INT32_MIN, BALANCE_MAX);
	l->expected = few > 0 ? (uint32_t)few : 0;
	l->max_rtt_ms =
		duration(&o, j_get(&o, "maxRTT"), j_str(&o, "maxRTT", ""));
	part = j_num(&o, "tolerance", 0, -1e6, 1e6);
	l->tolerance = (uint32_t)((part < 0 ? 0 :
				   part > 1 ? 1 :
					      part) *
					  100 +
				  0.5);
	j_list(&o, "baselines", &list);
	while (j_list_next(&o, &list))
		if (l->baseline_count < BALANCE_BASELINES)
			l->baselines[l->baseline_count++] =
				duration(&o, list.node, list.text);
	costs_parse(b, o.d, j_array(&o, "costs"), a);
	j_close(&o);
}
