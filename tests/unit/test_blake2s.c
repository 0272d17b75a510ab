/* test_blake2s.c - Vectors of another implementation, RFC 7693's own, and cuts */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/blake2s.h"
#include "tests/unit/vec.h"

static uint8_t input[400];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)i;
}

static void vectors_of_all_lengths(void **state)
{
	uint8_t out[BLAKE2S_BYTES];
	int count = 0, macs = 0;
	struct vec v;

	(void)state;
	fill();
	for (vec_open(&v, "blake2s.txt"); vec_next(&v); count++) {
		struct iovec in = { input, strtoul(v.field[0], NULL, 10) };

		blake2s_vec(input, strtoul(v.field[1], NULL, 10), &in, 1, out,
			    strtoul(v.field[2], NULL, 10));
		assert_hex(out, v.field[3]);
		if (v.field[4][0] == '-')
			continue;
		blake2s_hmac(input, &in, 1, out);
		assert_hex(out, v.field[4]);
		macs++;
	}
	assert_int_equal(count, 192);
	assert_int_equal(macs, 16);
}

static void the_example_of_the_rfc(void **state)
{
	uint8_t out[BLAKE2S_BYTES];
	uint8_t abc[] = { 'a', 'b', 'c' };
	struct iovec in = { abc, 3 };

	(void)state;
	blake2s_vec(NULL, 0, &in, 1, out, sizeof(out));
	assert_hex(out, "508c5e8c327c14e2e1a72ba34eeb452f"
			"37458b209ed63a294d999b4c86675982");
}

static void pieces_make_no_difference(void **state)
{
	uint8_t whole[BLAKE2S_BYTES], parts[BLAKE2S_BYTES];
	struct iovec one = { input, 200 };

	(void)state;
	fill();
	blake2s_vec(input, 16, &one, 1, whole, sizeof(whole));
	for (size_t cut = 0; cut <= 200; cut++) {
		struct iovec two[2] = { { input, cut },
					{ input + cut, 200 - cut } };

		blake2s_vec(input, 16, two, 2, parts, sizeof(parts));
		assert_memory_equal(whole, parts, sizeof(whole));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_all_lengths),
		cmocka_unit_test(the_example_of_the_rfc),
		cmocka_unit_test(pieces_make_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
