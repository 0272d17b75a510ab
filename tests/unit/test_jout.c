/* test_jout.c - Text in answers: quotes, controls, what is no UTF-8 */
#include "tests/unit/cm.h"

#include <stdlib.h>

#include "gateway/api/jout.h"
#include "gateway/base/compat.h"

static void texts_are_valid_whatever_is_in_them(void **state)
{
	static const struct {
		const char *text, *want;
	} v[] = {
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "\"\\\"", "\"\\\"\\\\\\\"\"" },
		{ "a\nb", "\"a\\nb\"" },
		{ "\x01\x1f\x7f", "\"???\"" },
		{ "caf\xc3\xa9", "\"caf\xc3\xa9\"" },
		{ "caf\xe9", "\"caf?\"" },
		{ "\xc3", "\"?\"" },
		{ "\xed\xa0\x80x", "\"???x\"" },
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct pb_out o = { .most = 64 };

		jo_text(&o, v[i].text);
		pb_raw(&o, "", 1);
		assert_string_equal((const char *)o.p, v[i].want);
		pb_free(&o);
	}
}

static void members_have_a_comma_but_the_first(void **state)
{
	struct pb_out o = { .most = 64 };

	(void)state;
	jo(&o, "{");
	jo_pair(&o, "a", "1");
	jo_pair(&o, "b", "\xff");
	jo(&o, "}");
	pb_raw(&o, "", 1);
	assert_string_equal((const char *)o.p, "{\"a\":\"1\",\"b\":\"?\"}");
	pb_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_valid_whatever_is_in_them),
		cmocka_unit_test(members_have_a_comma_but_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
