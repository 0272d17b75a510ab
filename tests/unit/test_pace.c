/* test_pace.c - How much one read of a relay takes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/core/pace.h"
#include "gateway/core/worker.h"

#define RUN 8 /* large moves that earn larger ones */

static struct pace fast(void)
{
	struct pace p = { 0 };

	for (int i = 0; i < RUN; i++)
		pace_moved(&p, PACE_LEAST, true);
	return p;
}

static void large_reads_are_earned(void **state)
{
	const struct worker w = { .pace_most = PACE_MOST, .crowd = 1 };
	struct pace p = { 0 };

	(void)state;
	for (int i = 0; i < RUN; i++) {
		assert_int_equal(pace_bytes(&w, &p), PACE_LEAST);
		pace_moved(&p, PACE_LEAST, true);
	}
	assert_int_equal(pace_bytes(&w, &p), PACE_MOST);
	for (int i = 0; i < 1000; i++)
		pace_moved(&p, PACE_MOST, true);
	pace_moved(&p, PACE_MOST, false);
	assert_int_equal(pace_bytes(&w, &p), PACE_LEAST);
}

/* A trickle shows nothing of what the other side can take */
static void small_moves_do_not_count(void **state)
{
	const struct worker w = { .pace_most = PACE_MOST };
	struct pace p = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		pace_moved(&p, 1000, true);
	assert_int_equal(pace_bytes(&w, &p), PACE_LEAST);
	p = fast();
	pace_moved(&p, 1, true);
	assert_int_equal(pace_bytes(&w, &p), PACE_MOST);
	pace_moved(&p, 1, false);
	assert_int_equal(pace_bytes(&w, &p), PACE_LEAST);
}

/* Others wait for their turn */
static void a_crowd_shares(void **state)
{
	struct worker w = { .pace_most = PACE_MOST };
	const struct pace p = fast();
	size_t last = PACE_MOST;

	(void)state;
	for (w.crowd = 0; w.crowd < 100; w.crowd++) {
		size_t n = pace_bytes(&w, &p);

		assert_in_range(n, PACE_LEAST, last);
		last = n;
	}
	assert_int_equal(last, PACE_LEAST);
}

static void no_read_is_larger_than_its_memory(void **state)
{
	const struct pace p = fast();
	struct worker w = { .pace_most = 200000 };

	(void)state;
	assert_int_equal(pace_bytes(&w, &p), 200000);
	w.pace_most = 0; /* not set: the least */
	assert_int_equal(pace_bytes(&w, &p), PACE_LEAST);
	assert_int_equal(pace_most(&w), PACE_LEAST);
	assert_in_range(pace_machine(), PACE_LEAST, PACE_MOST);
	if (sizeof(void *) < 8)
		assert_int_equal(pace_machine(), PACE_LEAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_reads_are_earned),
		cmocka_unit_test(small_moves_do_not_count),
		cmocka_unit_test(a_crowd_shares),
		cmocka_unit_test(no_read_is_larger_than_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
