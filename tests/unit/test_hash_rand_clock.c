/* test_hash_rand_clock.c - Hash of bytes, random bytes, the clocks */
#include "tests/unit/cm.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/rand.h"

static void each_bit_of_key_and_bytes_counts(void **state)
{
	uint8_t b[33] = { 1, 2, 3 };

	(void)state;
	for (size_t n = 0; n <= sizeof(b); n++) {
		uint64_t h = hash_bytes(7, b, n);

		assert_true(h == hash_bytes(7, b, n));
		assert_true(h != hash_bytes(8, b, n));
		for (size_t bit = 0; bit < n * 8; bit++) {
			b[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_true(h != hash_bytes(7, b, n));
			b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void both_multiplications_mod_p61_are_one(void **state)
{
	static const uint64_t edge[] = {
		0, 1, 2, P61 - 1, P61 - 2, P61 / 2, 1ull << 31, (1ull << 31) - 1
	};
	uint64_t a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(edge); i++)
		for (size_t k = 0; k < ARRAY_SIZE(edge); k++)
			assert_true(mul_p61(edge[i], edge[k]) ==
				    mul_p61_narrow(edge[i], edge[k]));
	assert_true(mul_p61(P61 - 1, P61 - 1) == 1);
	assert_true(mul_p61(1ull << 60, 4) == 2);
	for (int i = 0; i < 100000; i++) {
		rand_bytes(&a, sizeof(a));
		rand_bytes(&b, sizeof(b));
		a %= P61;
		b %= P61;
		assert_true(mul_p61(a, b) == mul_p61_narrow(a, b));
	}
}

static void zeros_of_each_length_differ(void **state)
{
	static const uint8_t zero[64];
	uint64_t seen[65];

	(void)state;
	for (size_t n = 0; n <= 64; n++) {
		seen[n] = hash_bytes(1, zero, n);
		for (size_t k = 0; k < n; k++)
			assert_true(seen[k] != seen[n]);
	}
}

/* 64 slots get their share of 6,400 keys that differ in one count only */
static void slots_fill_evenly(void **state)
{
	unsigned int slot[64] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 6400; i++)
		slot[hash_bytes(3, &i, sizeof(i)) % 64]++;
	for (int i = 0; i < 64; i++)
		assert_in_range(slot[i], 50, 160);
}

static void random_bytes_differ_and_fill_all(void **state)
{
	uint8_t a[1000] = { 0 }, b[1000] = { 0 };
	uint8_t ored[1000] = { 0 };

	(void)state;
	rand_bytes(a, sizeof(a));
	rand_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	for (int i = 0; i < 64; i++) { /* small pieces, from the buffer */
		for (size_t k = 0; k + 7 <= sizeof(a); k += 7)
			rand_bytes(a + k, 7);
		for (size_t k = 0; k < 994; k++)
			ored[k] |= a[k];
	}
	for (size_t k = 0; k < 994; k++)
		assert_int_equal(ored[k], 0xff);
	rand_bytes(a, 0);
}

static void below_is_below_and_reaches_all(void **state)
{
	unsigned int seen[6] = { 0 };

	(void)state;
	for (int i = 0; i < 6000; i++)
		seen[rand_below(6)]++;
	for (int i = 0; i < 6; i++)
		assert_in_range(seen[i], 800, 1200);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(rand_below(1), 0);
		assert_true(rand_below(0x80000001u) <= 0x80000000u);
		assert_in_range(rand_between(5, 7), 5, 7);
		assert_int_equal(rand_between(9, 9), 9);
		(void)rand_between(0, UINT32_MAX);
	}
}

static void *other_thread(void *arg)
{
	uint64_t *v = arg;

	v[0] = rand_key();
	rand_bytes(&v[1], sizeof(v[1]));
	return NULL;
}

static void threads_share_the_key_but_not_the_bytes(void **state)
{
	uint64_t v[2] = { 0 }, mine;
	pthread_t t;

	(void)state;
	rand_bytes(&mine, sizeof(mine));
	assert_int_equal(pthread_create(&t, NULL, other_thread, v), 0);
	pthread_join(t, NULL);
	assert_true(v[0] == rand_key());
	assert_true(v[1] != mine);
}

static void clocks_go_on_and_agree(void **state)
{
	uint32_t ms = clock_ms();
	uint64_t us = clock_us();

	(void)state;
	clock_sleep_ms(20);
	assert_true(clock_ms() - ms >= 19);
	assert_true(clock_us() - us >= 19000);
	assert_true((uint32_t)(clock_us() / 1000) - clock_ms() + 1000 < 2000);
	assert_in_range(clock_wall() - time(NULL) + 1, 0, 2);
}

static void before_holds_across_the_wrap(void **state)
{
	(void)state;
	assert_true(clock_before(1, 2));
	assert_false(clock_before(2, 2));
	assert_false(clock_before(3, 2));
	assert_true(clock_before(UINT32_MAX - 5, 5));
	assert_false(clock_before(5, UINT32_MAX - 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_of_key_and_bytes_counts),
		cmocka_unit_test(both_multiplications_mod_p61_are_one),
		cmocka_unit_test(zeros_of_each_length_differ),
		cmocka_unit_test(slots_fill_evenly),
		cmocka_unit_test(random_bytes_differ_and_fill_all),
		cmocka_unit_test(below_is_below_and_reaches_all),
		cmocka_unit_test(threads_share_the_key_but_not_the_bytes),
		cmocka_unit_test(clocks_go_on_and_agree),
		cmocka_unit_test(before_holds_across_the_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
