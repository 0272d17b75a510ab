/* test_replay.c - Seen or not: every length, two generations, several threads */
#include "tests/unit/cm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "proxy/in/replay.h"
#include "tests/unit/alloc_fail.h"

#define THREADS 4
#define EACH    2000

static bool fresh_u64(uint64_t v)
{
	uint8_t p[16] = { 0 };

	put_be64(p, v);
	return replay_fresh(p, sizeof(p));
}

/* Must be first: the tables are not there yet */
static void without_memory_all_is_refused(void **state)
{
	(void)state;
	alloc_fail_at(1);
	assert_false(fresh_u64(1));
	assert_true(alloc_fail_hit());
	assert_true(fresh_u64(1));
}

static void a_second_time_is_seen(void **state)
{
	(void)state;
	assert_true(fresh_u64(100));
	assert_false(fresh_u64(100));
	assert_true(fresh_u64(101));
	assert_false(fresh_u64(100));
}

/* One byte more, or another last byte, is something else */
static void each_length_and_each_byte_counts(void **state)
{
	uint8_t p[40];

	(void)state;
	memset(p, 0x5a, sizeof(p));
	for (size_t n = 1; n <= 32; n++) {
		assert_true(replay_fresh(p, n));
		assert_false(replay_fresh(p, n));
		for (size_t i = 0; i < n; i++) {
			p[i] ^= 1;
			assert_true(replay_fresh(p, n));
			p[i] ^= 1;
		}
	}
}

static void the_last_32768_are_remembered(void **state)
{
	const uint64_t base = 1u << 20;

	(void)state;
	for (uint64_t i = 0; i < 3 * REPLAY_CAP; i++)
		assert_true(fresh_u64(base + i));
	for (uint64_t i = 2 * REPLAY_CAP; i < 3 * REPLAY_CAP; i++)
		assert_false(fresh_u64(base + i));
}

/* The bound: what was seen two generations ago takes no memory */
static void the_oldest_are_forgotten(void **state)
{
	const uint64_t base = 1u << 24;
	unsigned int forgotten = 0;

	(void)state;
	for (uint64_t i = 0; i < 4 * REPLAY_CAP; i++)
		assert_true(fresh_u64(base + i));
	for (uint64_t i = 0; i < 100; i++)
		forgotten += fresh_u64(base + i);
	assert_int_equal(forgotten, 100);
}

static atomic_uint firsts;

static void *say_all(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < EACH; i++)
		if (fresh_u64((1u << 28) + i))
			atomic_fetch_add(&firsts, 1);
	return NULL;
}

static void of_several_workers_one_is_the_first(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, say_all, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&firsts), EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_all_is_refused),
		cmocka_unit_test(a_second_time_is_seen),
		cmocka_unit_test(each_length_and_each_byte_counts),
		cmocka_unit_test(the_last_32768_are_remembered),
		cmocka_unit_test(the_oldest_are_forgotten),
		cmocka_unit_test(of_several_workers_one_is_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
