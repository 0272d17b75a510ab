/* test_ech.c - Xray's echServerKeys: pairs, every cut, empty parts */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/ech.h"

static void two_pairs_come_one_after_the_other(void **state)
{
	static const uint8_t in[] = { 0,   2, 'k', 'l', 0, 3, 'a', 'b',
				      'c', 0, 1,   'm', 0, 1, 'd' };
	struct ech_pair p;

	(void)state;
	assert_int_equal(ech_pair_decode(in, sizeof(in), &p), 9);
	assert_int_equal(p.key_len, 2);
	assert_memory_equal(p.key, "kl", 2);
	assert_int_equal(p.config_len, 3);
	assert_memory_equal(p.config, "abc", 3);
	assert_int_equal(ech_pair_decode(in + 9, sizeof(in) - 9, &p), 6);
	assert_memory_equal(p.key, "m", 1);
	assert_memory_equal(p.config, "d", 1);
}

static void a_cut_or_an_empty_part_is_refused(void **state)
{
	static const uint8_t in[] = { 0, 2, 'k', 'l', 0, 3, 'a', 'b', 'c' };
	static const uint8_t no_key[] = { 0, 0, 0, 1, 'a' };
	static const uint8_t no_config[] = { 0, 1, 'k', 0, 0 };
	struct ech_pair p = { .key_len = 77 };

	(void)state;
	for (size_t n = 0; n < sizeof(in); n++)
		assert_int_equal(ech_pair_decode(in, n, &p), -EPROTO);
	assert_int_equal(ech_pair_decode(no_key, 5, &p), -EPROTO);
	assert_int_equal(ech_pair_decode(no_config, 5, &p), -EPROTO);
	assert_int_equal(p.key_len, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_pairs_come_one_after_the_other),
		cmocka_unit_test(a_cut_or_an_empty_part_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
