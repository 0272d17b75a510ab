/* test_timer.c - The wheel against a plain list of due times */
#include "tests/unit/cm.h"

#include <stdlib.h>

#include "gateway/base/timer.h"

#define COUNT 500

struct clocked {
	struct timer t;
	struct wheel *w;
	struct clocked *victim; /* cancelled by our callback */
	uint32_t due, fired_at;
	uint32_t again_ms; /* set again by our callback; 0: not */
	unsigned int fired;
};

static void note(struct timer *t)
{
	struct clocked *c = container_of(t, struct clocked, t);

	assert_false(timer_armed(t));
	c->fired++;
	c->fired_at = c->w->now_ms;
	if (c->victim)
		timer_cancel(&c->victim->t);
	if (c->again_ms)
		timer_set(c->w, t, c->again_ms);
}

static void arm(struct wheel *w, struct clocked *c, uint32_t after)
{
	c->w = w;
	c->due = w->now_ms + after;
	timer_set(w, &c->t, after);
}

/* A small generator, so that a failure can be repeated */
static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x >> 8;
}

static uint32_t random_after(uint32_t *x)
{
	static const uint32_t span[] = { 1,        10,       64,
					 65,       4096,     100000,
					 1u << 18, 1u << 24, 1u << 26 };
	uint32_t s = span[next_random(x) % ARRAY_SIZE(span)];

	return 1 + (next_random(x) << 8 | (next_random(x) & 0xff)) % s;
}

/* Earliest due time of all that are armed; false: none */
static bool earliest(const struct clocked *v, const struct wheel *w,
		     uint32_t *ahead)
{
	bool any = false;

	for (int i = 0; i < COUNT; i++) {
		if (!timer_armed(&v[i].t))
			continue;
		if (!any || v[i].due - w->now_ms < *ahead)
			*ahead = v[i].due - w->now_ms;
		any = true;
	}
	return any;
}

/* Sleep exactly as long as wheel_next() says until all have fired */
static void run_all(uint32_t start, uint32_t seed)
{
	static struct clocked v[COUNT];
	struct wheel w;
	uint32_t x = seed, ahead = 0;
	unsigned int wakeups = 0;
	int ms;

	wheel_init(&w, start);
	assert_int_equal(wheel_next(&w, start), -1);
	for (int i = 0; i < COUNT; i++) {
		v[i] = (struct clocked){ 0 };
		timer_init(&v[i].t, note);
		arm(&w, &v[i], random_after(&x));
	}
	while (earliest(v, &w, &ahead)) {
		ms = wheel_next(&w, w.now_ms);
		assert_true(ms > 0);
		assert_true((uint32_t)ms <= ahead);
		wheel_run(&w, w.now_ms + (uint32_t)ms);
		wakeups++;
	}
	assert_int_equal(wheel_next(&w, w.now_ms), -1);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(v[i].fired, 1);
		assert_int_equal(v[i].fired_at, v[i].due);
	}
	/* at most three moves down for each, and the long ones again */
	assert_true(wakeups < COUNT * 10);
}

static void every_timer_fires_in_its_own_millisecond(void **state)
{
	(void)state;
	run_all(0, 1);
	run_all(12345678, 2);
}

static void nothing_changes_when_the_clock_wraps(void **state)
{
	(void)state;
	run_all(0u - 1, 3);
	run_all(0u - 64, 4);
	run_all(0u - 5000, 5);
	run_all(0u - (1u << 24), 6);
}

static void one_late_run_fires_all_that_was_due_in_order(void **state)
{
	struct clocked a = { 0 }, b = { 0 }, c = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 0u - 10);
	timer_init(&a.t, note);
	timer_init(&b.t, note);
	timer_init(&c.t, note);
	arm(&w, &a, 70000);
	arm(&w, &b, 5);
	arm(&w, &c, 70001);
	wheel_run(&w, 0u - 10 + 70000);
	assert_int_equal(a.fired_at, a.due);
	assert_int_equal(b.fired_at, b.due);
	assert_int_equal(c.fired, 0);
	wheel_run(&w, 0u - 10 + 69000); /* a clock that steps back */
	assert_int_equal(c.fired, 0);
	assert_int_equal(wheel_next(&w, w.now_ms), 1);
	assert_int_equal(wheel_next(&w, w.now_ms + 9), 0);
}

static void timers_of_weeks_are_kept(void **state)
{
	static const uint32_t far[] = { (1u << 24) - 1,     1u << 24,
					(1u << 24) + 1,     5 * 3600 * 1000,
					20u * 86400 * 1000, 0x7fffffff };
	struct clocked c = { 0 };
	struct wheel w;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		wheel_init(&w, 777 + (uint32_t)i * 0x33333333u);
		c = (struct clocked){ 0 };
		timer_init(&c.t, note);
		arm(&w, &c, far[i]);
		wheel_run(&w, c.due - 1);
		assert_int_equal(c.fired, 0);
		wheel_run(&w, c.due);
		assert_int_equal(c.fired, 1);
	}
	/* beyond 2^31 ms the clock could not tell: as far as it can */
	timer_set(&w, &c.t, 0xffffffff);
	assert_int_equal(c.t.due_ms - w.now_ms, 0x7fffffff);
	timer_cancel(&c.t);
}

static void a_callback_cancels_one_of_the_same_slot(void **state)
{
	struct clocked a = { 0 }, b = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 100);
	timer_init(&a.t, note);
	timer_init(&b.t, note);
	a.victim = &b;
	arm(&w, &a, 7);
	arm(&w, &b, 7);
	wheel_run(&w, 200);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 0);
	assert_false(timer_armed(&b.t));
	assert_int_equal(wheel_next(&w, 200), -1);
}

static void a_callback_cancels_itself_and_sets_itself(void **state)
{
	struct clocked a = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	timer_init(&a.t, note);
	a.victim = &a;
	a.again_ms = 64;
	arm(&w, &a, 64);
	wheel_run(&w, 64 * 10);
	assert_int_equal(a.fired, 10);
	assert_true(timer_armed(&a.t));
	timer_cancel(&a.t);
	timer_cancel(&a.t);
	wheel_run(&w, 64 * 20);
	assert_int_equal(a.fired, 10);
}

static void zero_ms_is_the_next_millisecond(void **state)
{
	struct clocked a = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 50);
	timer_init(&a.t, note);
	arm(&w, &a, 0);
	wheel_run(&w, 50);
	assert_int_equal(a.fired, 0);
	wheel_run(&w, 51);
	assert_int_equal(a.fired, 1);
}

static void set_again_moves_a_timer(void **state)
{
	struct clocked a = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	timer_init(&a.t, note);
	arm(&w, &a, 10);
	arm(&w, &a, 5000);
	wheel_run(&w, 4999);
	assert_int_equal(a.fired, 0);
	wheel_run(&w, 5000);
	assert_int_equal(a.fired, 1);
}

static void free_own(struct timer *t)
{
	struct clocked *c = container_of(t, struct clocked, t);

	free(c);
}

static void a_callback_may_free_its_timer(void **state)
{
	struct clocked *a, b = { 0 };
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	timer_init(&b.t, note);
	for (int i = 0; i < 10; i++) {
		a = calloc(1, sizeof(*a));
		assert_non_null(a);
		timer_init(&a->t, free_own);
		arm(&w, a, 9);
	}
	arm(&w, &b, 9);
	wheel_run(&w, 9);
	assert_int_equal(b.fired, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_timer_fires_in_its_own_millisecond),
		cmocka_unit_test(nothing_changes_when_the_clock_wraps),
		cmocka_unit_test(one_late_run_fires_all_that_was_due_in_order),
		cmocka_unit_test(timers_of_weeks_are_kept),
		cmocka_unit_test(a_callback_cancels_one_of_the_same_slot),
		cmocka_unit_test(a_callback_cancels_itself_and_sets_itself),
		cmocka_unit_test(zero_ms_is_the_next_millisecond),
		cmocka_unit_test(set_again_moves_a_timer),
		cmocka_unit_test(a_callback_may_free_its_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
