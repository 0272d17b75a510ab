/* test_owners.c - Whose flow a tuple is, against a plain table */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/hash.h"
#include "netstack/owners.h"
#include "tests/unit/alloc_fail.h"

static void tuple_has_one_owner_until_it_ends(void **state)
{
	struct owners *o = owners_new();
	uint64_t t = 0x123456789abcdef0u;
	size_t bytes;

	(void)state;
	assert_int_equal(owners_find(o, t), -1);
	owners_drop(o, t, 0); /* before the first one */
	assert_int_equal(owners_claim(o, t, 3), 3);
	assert_int_equal(owners_claim(o, t, 1), 3);
	assert_int_equal(owners_find(o, t), 3);
	owners_drop(o, t, 1); /* not its own */
	assert_int_equal(owners_find(o, t), 3);
	owners_drop(o, t, 3);
	assert_int_equal(owners_find(o, t), -1);
	assert_int_equal(owners_claim(o, t, 0), 0);
	assert_int_equal(owners_count(o, &bytes), 1);
	owners_free(o);
}

enum { TUPLES = 20000, ROUNDS = 200000 };

/* Few distinct homes, so that runs are long and every gap is closed */
static uint64_t tuple(uint32_t i)
{
	return (hash_mix(i + 1) & ~0xffff00ull) | (uint64_t)(i % 7) << 8;
}

static void claims_and_ends_in_any_order(void **state)
{
	static int8_t model[512];
	struct owners *o = owners_new();
	uint32_t live = 0;
	uint64_t dice = 5;
	size_t bytes;

	(void)state;
	for (uint32_t i = 0; i < 512; i++)
		model[i] = -1;
	for (uint32_t r = 0; r < ROUNDS; r++) {
		uint32_t i = (uint32_t)((dice = hash_mix(dice)) % 512);
		unsigned int w = (unsigned int)(dice >> 32) % 16;

		assert_int_equal(owners_find(o, tuple(i)), model[i]);
		if (dice >> 63) {
			if (model[i] < 0) {
				model[i] = (int8_t)w;
				live++;
			}
			assert_int_equal(owners_claim(o, tuple(i), w),
					 model[i]);
		} else if (model[i] >= 0) {
			owners_drop(o, tuple(i), (unsigned int)model[i]);
			model[i] = -1;
			live--;
		}
	}
	assert_int_equal(owners_count(o, &bytes), live);
	for (uint32_t i = 0; i < 512; i++)
		assert_int_equal(owners_find(o, tuple(i)), model[i]);
	owners_free(o);
}

static void table_grows_and_shrinks_with_the_flows(void **state)
{
	struct owners *o = owners_new();
	size_t bytes;

	(void)state;
	for (uint32_t i = 0; i < TUPLES; i++)
		assert_int_equal(owners_claim(o, hash_mix(i + 1), i % 4),
				 i % 4);
	assert_int_equal(owners_count(o, &bytes), TUPLES);
	assert_true(bytes <= TUPLES * 32u);
	for (uint32_t i = 0; i < TUPLES; i++)
		assert_int_equal(owners_find(o, hash_mix(i + 1)), i % 4);
	for (uint32_t i = 0; i < TUPLES; i++)
		owners_drop(o, hash_mix(i + 1), i % 4);
	assert_int_equal(owners_count(o, &bytes), 0);
	assert_true(bytes <= 64u << 10);
	owners_free(o);
}

static void out_of_memory_leaves_a_flow_unknown(void **state)
{
	struct owners *o = owners_new();
	size_t bytes;

	(void)state;
	alloc_fail_at(1);
	assert_int_equal(owners_claim(o, 77, 2), 2);
	alloc_fail_at(0);
	assert_int_equal(owners_find(o, 77), -1);
	assert_int_equal(owners_count(o, &bytes), 0);
	owners_drop(o, 77, 2);
	assert_int_equal(owners_claim(o, 77, 2), 2);
	assert_int_equal(owners_find(o, 77), 2);
	owners_free(o);
}

static struct owners *shared;

static void *thread(void *arg)
{
	unsigned int w = *(const unsigned int *)arg;

	for (uint32_t i = 0; i < TUPLES; i++) {
		/* half of them both want */
		uint64_t t = hash_mix(i & 1 ? i : i * 4 + w);

		if (owners_claim(shared, t, w) == w && i & 2)
			owners_drop(shared, t, w);
	}
	return NULL;
}

static void two_workers_at_once(void **state)
{
	static unsigned int w[2] = { 0, 1 };
	pthread_t id[2];
	size_t bytes;

	(void)state;
	shared = owners_new();
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&id[i], NULL, thread, &w[i]),
				 0);
	for (int i = 0; i < 2; i++)
		pthread_join(id[i], NULL);
	for (uint32_t i = 1; i < TUPLES; i += 4)
		assert_in_range(owners_find(shared, hash_mix(i)), 0, 1);
	assert_true(owners_count(shared, &bytes) >= TUPLES / 4);
	owners_free(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tuple_has_one_owner_until_it_ends),
		cmocka_unit_test(claims_and_ends_in_any_order),
		cmocka_unit_test(table_grows_and_shrinks_with_the_flows),
		cmocka_unit_test(out_of_memory_leaves_a_flow_unknown),
		cmocka_unit_test(two_workers_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
