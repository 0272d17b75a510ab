/* test_base64.c - RFC 4648 vectors, both alphabets, bad text */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"

/* RFC 4648, 10 */
static void base64_of_rfc_4648(void **state)
{
	static const char *const v[][3] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
		{ "\xfb\xff", "+/8=", "-_8" },
	};
	static const char *const bad[] = { "Z",
					   "Zg===",
					   "Zh==",
					   "Z g=",
					   "Zm9v\n",
					   "Zm9=v",
					   "Zm8A="
					   "A" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		for (int url = 0; url < 2; url++) {
			size_t n = strlen(v[i][0]);
			uint8_t back[16];
			char text[16];
			ssize_t len = base64_encode(v[i][0], n, url, text, 16);

			assert_string_equal(text, v[i][1 + url]);
			assert_int_equal(
				base64_decode(text, (size_t)len, back, n), n);
			assert_memory_equal(back, v[i][0], n);
			if (n)
				assert_int_equal(base64_decode(text,
							       (size_t)len,
							       back, n - 1),
						 -ENOBUFS);
		}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t back[16];

		assert_int_equal(
			base64_decode(bad[i], strlen(bad[i]), back, 16),
			-EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_of_rfc_4648),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
