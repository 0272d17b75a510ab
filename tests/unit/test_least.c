/* test_least.c - Which outbounds may be picked, by what probes know */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/core/config.h"
#include "gateway/core/health.h"
#include "gateway/route/rule.h"

#define MANY 5

/* Outbounds "a" to "e", the last one never probed */
struct rig {
	struct outbound ob[MANY];
	struct health h[MANY];
	char tag[MANY][2];
	const struct outbound *list[MANY];
	struct balancer b;
};

static void rig_init(struct rig *r, enum balance how)
{
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < MANY; i++) {
		r->tag[i][0] = (char)('a' + i);
		r->ob[i].tag = r->tag[i];
		r->ob[i].health = i < MANY - 1 ? &r->h[i] : NULL;
		r->list[i] = &r->ob[i];
	}
	r->b.outbounds = r->list;
	r->b.count = MANY;
	r->b.strategy = how;
}

static void set(struct rig *r, int i, enum health_state state, unsigned int ms,
		unsigned int deviation)
{
	atomic_store(&r->h[i].state, state);
	atomic_store(&r->h[i].delay_ms, ms);
	atomic_store(&r->h[i].average_ms, ms);
	atomic_store(&r->h[i].deviation_ms, deviation);
	atomic_store(&r->h[i].count, 10);
}

static void selects(const struct rig *r, const char *want)
{
	const struct outbound *out[BALANCE_MAX];
	uint32_t n = least_select(&r->b, out);
	char got[MANY + 1] = "";

	assert_in_range(n, 0, MANY);
	for (uint32_t i = 0; i < n; i++)
		got[i] = out[i]->tag[0];
	assert_string_equal(got, want);
}

static void turns_leave_out_the_dead_only_with_a_fallback(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, BALANCE_ROUND_ROBIN);
	set(&r, 0, HEALTH_DEAD, 1, 1);
	set(&r, 1, HEALTH_ALIVE, 1, 1);
	selects(&r, "abcde");
	r.b.fallback = &r.ob[0];
	selects(&r, "bcde");
}

static void the_least_ping_is_of_one_alive(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, BALANCE_LEAST_PING);
	selects(&r, "abcde"); /* nothing is known yet */
	set(&r, 0, HEALTH_DEAD, 1, 0);
	selects(&r, "");
	set(&r, 1, HEALTH_ALIVE, 90, 0);
	set(&r, 2, HEALTH_ALIVE, 80, 0);
	selects(&r, "c");
}

static void the_load_is_shared_by_the_steadiest(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, BALANCE_LEAST_LOAD);
	set(&r, 0, HEALTH_ALIVE, 100, 30);
	set(&r, 1, HEALTH_ALIVE, 300, 10);
	set(&r, 2, HEALTH_ALIVE, 50, 20);
	set(&r, 3, HEALTH_DEAD, 1, 1);
	selects(&r, "b");
	r.b.load.expected = 2;
	selects(&r, "bc");
	r.b.load.expected = 9;
	selects(&r, "bca");
	r.b.load.max_rtt_ms = 300; /* b is as slow */
	selects(&r, "ca");
	r.b.load.tolerance = 20;
	atomic_store(&r.h[2].fails, 3);
	selects(&r, "a");
	atomic_store(&r.h[2].fails, 2);
	selects(&r, "ca");
}

static void baselines_widen_until_there_are_enough(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, BALANCE_LEAST_LOAD);
	set(&r, 0, HEALTH_ALIVE, 100, 10);
	set(&r, 1, HEALTH_ALIVE, 100, 20);
	set(&r, 2, HEALTH_ALIVE, 100, 30);
	set(&r, 3, HEALTH_ALIVE, 100, 90);
	r.b.load.baselines[0] = 25;
	r.b.load.baselines[1] = 50;
	r.b.load.baseline_count = 2;
	selects(&r, "ab"); /* within the first */
	r.b.load.expected = 3;
	selects(&r, "abc");
	r.b.load.expected = 4; /* none is wide enough: so many anyhow */
	selects(&r, "abcd");
	r.b.load.expected = 0;
	r.b.load.baselines[0] = 5;
	r.b.load.baselines[1] = 6;
	selects(&r, ""); /* speed first: nobody is good enough */
}

/* Factors of the deviation: their square root. By tag, part of it or regexp */
static void what_costs_more_is_taken_later(void **state)
{
	/* The tag of the first, when it is not "a" */
	static const struct {
		const char *costs, *want, *tag;
	} cases[] = {
		{ "[]", "abcd", NULL },
		{ "[{\"match\":\"a\",\"value\":5}]", "bacd", NULL },
		{ "[{\"match\":\"a\",\"value\":3.9}]", "abcd", NULL },
		/* the first that fits */
		{ "[{\"match\":\"a\",\"value\":101},{\"match\":\"a\",\"value\":"
		  "1}]",
		  "bcda", NULL },
		{ "[{\"match\":\"a\"},{\"match\":\"a\",\"value\":9}]", "abcd",
		  NULL },
		{ "[{\"match\":\"[ab]\",\"regexp\":true,\"value\":100}]",
		  "cdab", NULL },
		{ "[{\"match\":\"d\",\"value\":0.01}]", "dabc", NULL },
		{ "[{\"match\":\"e\"},{\"match\":\"x\",\"value\":9}]", "abcd",
		  NULL },
		/* a number in the text */
		{ "[{\"match\":\"x[0-9.]+\",\"regexp\":true}]", "bacd",
		  "a2 x6.5" },
		{ "[{\"match\":\"x[0-9.]+\",\"regexp\":true}]", "abcd",
		  "a5 x3.9" },
		{ "[{\"match\":\"x6\"}]", "bacd", "a2 x6.5" },
		{ "[{\"match\":\"x5\"}]", "abcd", "a2 x6.5" },
		{ "[{\"match\":\".*\",\"regexp\":true}]", "bcda",
		  "a 99999999999999999999999999999999999999999" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cJSON *costs = cJSON_Parse(cases[i].costs);
		struct diag d;
		struct arena a = { 0 };
		struct rig r;

		assert_non_null(costs);
		rig_init(&r, BALANCE_LEAST_LOAD);
		r.b.load.expected = 4;
		if (cases[i].tag)
			r.ob[0].tag = cases[i].tag;
		set(&r, 0, HEALTH_ALIVE, 100, 10);
		set(&r, 1, HEALTH_ALIVE, 100, 20);
		set(&r, 2, HEALTH_ALIVE, 100, 30);
		set(&r, 3, HEALTH_ALIVE, 100, 90);
		diag_init(&d);
		costs_parse(&r.b, &d, costs, &a);
		assert_int_equal(d.errors, 0);
		selects(&r, cases[i].want);
		arena_free(&a);
		diag_free(&d);
		cJSON_Delete(costs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_leave_out_the_dead_only_with_a_fallback),
		cmocka_unit_test(the_least_ping_is_of_one_alive),
		cmocka_unit_test(the_load_is_shared_by_the_steadiest),
		cmocka_unit_test(baselines_widen_until_there_are_enough),
		cmocka_unit_test(what_costs_more_is_taken_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
