/* test_stats.c - Named counters and the names of drop reasons */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "gateway/core/stats.h"
#include "tests/unit/alloc_fail.h"

static bool count_named(const char *name, uint64_t value, void *arg)
{
	(void)name;
	(void)value;
	++*(int *)arg;
	return true;
}

static void a_name_is_one_counter(void **state)
{
	struct counter *a = stat_get("t>>>a"), *b = stat_get("t>>>b");
	int n = 0;

	(void)state;
	assert_non_null(a);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(stat_get("t>>>a"), a);
	stat_each("t>>>", false, count_named, &n);
	assert_int_equal(n, 2);
}

static void workers_are_summed(void **state)
{
	struct counter *a = stat_get("t>>>sum");
	uint64_t v = 0;

	(void)state;
	for (unsigned int i = 0; i < WORKERS_MAX; i++)
		stat_add(a, i, 1ull << 40);
	assert_int_equal(stat_read("t>>>sum", false, &v), 0);
	assert_true(v == WORKERS_MAX * (1ull << 40));
	stat_add(NULL, 0, 5); /* not counted */
}

/* Cells are their workers' own: a reset only remembers */
static void a_reset_leaves_the_cells(void **state)
{
	struct counter *a = stat_get("t>>>reset");
	uint64_t v = 0;

	(void)state;
	stat_add(a, 1, 5);
	stat_add(a, 2, 2);
	assert_int_equal(stat_read("t>>>reset", true, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(stat_read("t>>>reset", false, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(a->cell[1], 5);
	stat_add(a, 1, 3);
	assert_int_equal(stat_read("t>>>reset", false, &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(stat_read("t>>>none", false, &v), -ENOENT);
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
		cmocka_unit_test(a_reset_leaves_the_cells),
		cmocka_unit_test(no_memory_no_counter),
		cmocka_unit_test(each_reason_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
