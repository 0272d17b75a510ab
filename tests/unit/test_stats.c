/* test_stats.c - Named counters and the names of drop reasons */
#include "tests/unit/cm.h"

#include <string.h>

#include "gateway/core/stats.h"
#include "tests/unit/alloc_fail.h"

static void count_named(const struct counter *s, void *arg)
{
	if (!strncmp(s->name, "t>>>", 4))
		++*(int *)arg;
}

static void a_name_is_one_counter(void **state)
{
	struct counter *a = stat_get("t>>>a"), *b = stat_get("t>>>b");
	int n = 0;

	(void)state;
	assert_non_null(a);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(stat_get("t>>>a"), a);
	stat_each(count_named, &n);
	assert_int_equal(n, 2);
}

static void workers_are_summed(void **state)
{
	struct counter *a = stat_get("t>>>sum");

	(void)state;
	for (unsigned int i = 0; i < WORKERS_MAX; i++)
		stat_add(a, i, 1ull << 40);
	assert_true(stat_sum(a) == WORKERS_MAX * (1ull << 40));
	stat_add(NULL, 0, 5); /* not counted */
}

static void no_memory_no_counter(void **state)
{
	(void)state;
	alloc_fail_at(1);
	assert_null(stat_get("t>>>never"));
	assert_true(alloc_fail_hit());
	assert_non_null(stat_get("t>>>never"));
}

static void each_reason_has_its_own_name(void **state)
{
	(void)state;
	for (int i = 0; i < DROP_COUNT; i++) {
		assert_true(strlen(drop_name((enum drop)i)) > 3);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(drop_name((enum drop)i),
						drop_name((enum drop)k));
	}
	assert_string_equal(drop_name(DROP_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_one_counter),
		cmocka_unit_test(workers_are_summed),
		cmocka_unit_test(no_memory_no_counter),
		cmocka_unit_test(each_reason_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
