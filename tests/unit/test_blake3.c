/* test_blake3.c - All published vectors, with extended output */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/blake3.h"
#include "tests/unit/vec.h"

#define OUT 131 /* bytes that each vector gives */

static const char key[] = "whats the Elvish word for friend";
static const char context[] = "BLAKE3 2019-12-27 16:29:52 test vectors context";
static uint8_t input[102400];

static void all_published_vectors(void **state)
{
	uint8_t out[OUT];
	struct vec v;
	int count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)(i % 251);
	for (vec_open(&v, "blake3.txt"); vec_next(&v); count++) {
		size_t n = strtoul(v.field[0], NULL, 10);

		assert_true(n <= sizeof(input));
		assert_int_equal(strlen(v.field[1]), 2 * OUT);
		blake3_hash(input, n, out, OUT);
		assert_hex(out, v.field[1]);
		blake3_keyed((const uint8_t *)key, input, n, out, OUT);
		assert_hex(out, v.field[2]);
		blake3_derive(context, input, n, out, OUT);
		assert_hex(out, v.field[3]);
	}
	assert_int_equal(count, 35);
}

static void a_short_output_is_the_start_of_a_long_one(void **state)
{
	uint8_t full[OUT], part[OUT];

	(void)state;
	blake3_hash("culvert", 7, full, OUT);
	for (size_t n = 0; n < OUT; n++) {
		memset(part, 0xa5, OUT);
		blake3_hash("culvert", 7, part, n);
		assert_memory_equal(part, full, n);
		assert_int_equal(part[n], 0xa5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_published_vectors),
		cmocka_unit_test(a_short_output_is_the_start_of_a_long_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
