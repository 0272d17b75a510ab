/* test_observe.c - What a reload leaves of what probes know */
#include "tests/unit/cm.h"

#include "gateway/core/health.h"
#include "gateway/observe/observe.h"

static void the_next_generation_knows_what_this_one_did(void **state)
{
	struct health was[2] = { { .state = HEALTH_DEAD, .error = 111 },
				 { .state = HEALTH_ALIVE,
				   .delay_ms = 41,
				   .average_ms = 40,
				   .deviation_ms = 3,
				   .count = 5,
				   .fails = 1,
				   .rounds = 9,
				   .tried_s = 1700000001,
				   .seen_s = 1700000000 } };
	struct health is[3] = { { 0 }, { 0 }, { 0 } };
	struct observed a[] = { { .tag = "a", .health = &was[0] },
				{ .tag = "b", .health = &was[1] } };
	struct observed b[] = { { .tag = "b", .health = &is[0] },
				{ .tag = "new", .health = &is[1] },
				{ .tag = "a", .health = &is[2] } };
	struct observe old = { .v = a, .count = 2 };
	struct observe next = { .v = b, .count = 3 };

	(void)state;
	observe_inherit(&old, &next);
	assert_int_equal(is[0].state, HEALTH_ALIVE);
	assert_int_equal(is[0].delay_ms, 41);
	assert_int_equal(is[0].average_ms, 40);
	assert_int_equal(is[0].deviation_ms, 3);
	assert_int_equal(is[0].count, 5);
	assert_int_equal(is[0].fails, 1);
	assert_int_equal(is[0].rounds, 0); /* of its own probes */
	assert_int_equal(is[0].tried_s, 1700000001);
	assert_int_equal(is[0].seen_s, 1700000000);
	assert_int_equal(is[1].state, HEALTH_UNKNOWN);
	assert_int_equal(is[2].state, HEALTH_DEAD);
	assert_int_equal(is[2].error, 111);
	observe_inherit(NULL, &next);
	observe_inherit(&old, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_generation_knows_what_this_one_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
