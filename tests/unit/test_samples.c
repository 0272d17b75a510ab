/* test_samples.c - Results of probes: average, deviation, failures, age */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/core/health.h"
#include "gateway/observe/samples.h"

static void check(const struct samples *s, uint32_t now, uint32_t age,
		  const unsigned int want[4])
{
	struct health h = { 0 };

	samples_tell(s, now, age, &h);
	assert_int_equal(atomic_load(&h.average_ms), want[0]);
	assert_int_equal(atomic_load(&h.deviation_ms), want[1]);
	assert_int_equal(atomic_load(&h.count), want[2]);
	assert_int_equal(atomic_load(&h.fails), want[3]);
}

static void one_answer_deviates_by_its_half(void **state)
{
	struct samples s = { .max = 3 };

	(void)state;
	check(&s, 0, 0, (const unsigned int[]){ 0, 0, 0, 0 });
	samples_put(&s, SAMPLE_FAIL, 1);
	check(&s, 1, 0, (const unsigned int[]){ 0, 0, 1, 1 });
	samples_put(&s, 100, 2);
	check(&s, 2, 0, (const unsigned int[]){ 100, 50, 2, 1 });
}

static void the_last_ones_count(void **state)
{
	struct samples s = { .max = 4 };
	struct health h = { 0 };

	(void)state;
	samples_put(&s, 9999, 0);
	samples_put(&s, 20, 1);
	samples_put(&s, 40, 2);
	samples_put(&s, 40, 3);
	samples_put(&s, 60, 4);
	/* 20 40 40 60: mean 40, variance 200 */
	check(&s, 4, 0, (const unsigned int[]){ 40, 14, 4, 0 });
	samples_tell(&s, 4, 0, &h);
	assert_int_equal(atomic_load(&h.min_ms), 20);
	assert_int_equal(atomic_load(&h.max_ms), 60);
}

static void in_a_burst_one_may_fail(void **state)
{
	struct samples s = { .max = 2 }, one = { .max = 1 };

	(void)state;
	samples_put(&s, SAMPLE_FAIL, 0);
	assert_int_equal(samples_state(&s, true, HEALTH_UNKNOWN), HEALTH_DEAD);
	assert_int_equal(samples_state(&s, true, HEALTH_ALIVE), HEALTH_ALIVE);
	samples_put(&s, 20, 1);
	assert_int_equal(samples_state(&s, true, HEALTH_DEAD), HEALTH_ALIVE);
	samples_put(&s, SAMPLE_FAIL, 2);
	assert_int_equal(samples_state(&s, false, HEALTH_ALIVE), HEALTH_DEAD);
	assert_int_equal(samples_state(&s, true, HEALTH_ALIVE), HEALTH_ALIVE);
	samples_put(&s, SAMPLE_FAIL, 3);
	assert_int_equal(samples_state(&s, true, HEALTH_ALIVE), HEALTH_DEAD);
	assert_int_equal(samples_state(&s, true, HEALTH_DEAD), HEALTH_DEAD);
	samples_put(&one, SAMPLE_FAIL, 0);
	assert_int_equal(samples_state(&one, true, HEALTH_ALIVE), HEALTH_DEAD);
}

static void old_ones_do_not(void **state)
{
	struct samples s = { .max = 8 };
	uint32_t now = UINT32_MAX - 10; /* the clock wraps */

	(void)state;
	samples_put(&s, SAMPLE_FAIL, now - 100);
	samples_put(&s, 500, now - 51);
	samples_put(&s, 30, now - 50);
	samples_put(&s, 50, now + 20);
	check(&s, now + 20, 70, (const unsigned int[]){ 40, 10, 2, 0 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_answer_deviates_by_its_half),
		cmocka_unit_test(the_last_ones_count),
		cmocka_unit_test(in_a_burst_one_may_fail),
		cmocka_unit_test(old_ones_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
