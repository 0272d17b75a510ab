/* test_dns_frame.c - Messages with a length, at every cut */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "gateway/dns/frame.h"
#include "tests/unit/alloc_fail.h"

static void messages_are_the_same_at_every_cut(void **state)
{
	static const uint8_t bytes[] = { 0, 3, 'a', 'b', 'c', 0,   0,
					 0, 1, 'd', 0,   2,   'e', 'f' };

	(void)state;
	for (size_t step = 1; step <= sizeof(bytes); step++) {
		struct frame f = { .got = 0 };
		char seen[32] = "";
		size_t at = 0, len;

		while (at < sizeof(bytes)) {
			size_t n = sizeof(bytes) - at < step ?
					   sizeof(bytes) - at :
					   step;
			ssize_t k = frame_take(&f, bytes + at, n);

			assert_in_range(k, 1, n);
			at += (size_t)k;
			if (!frame_whole(&f, &len))
				continue;
			if (len)
				strncat(seen, (char *)f.msg, len);
			strcat(seen, ".");
			frame_next(&f);
		}
		assert_string_equal(seen, "abc..d.ef.");
		assert_null(f.msg);
	}
}

static void the_longest_fits_and_a_part_is_no_message(void **state)
{
	static uint8_t bytes[2 + 65535] = { 255, 255 };
	struct frame f = { .got = 0 };
	size_t len;

	(void)state;
	assert_int_equal(frame_take(&f, bytes, sizeof(bytes) - 1),
			 sizeof(bytes) - 1);
	assert_false(frame_whole(&f, &len));
	assert_int_equal(frame_take(&f, bytes, 2), 1);
	assert_true(frame_whole(&f, &len));
	assert_int_equal(len, 65535);
	frame_next(&f);
	assert_false(frame_whole(&f, &len));
	alloc_fail_at(1);
	assert_int_equal(frame_take(&f, bytes, 3), -ENOMEM);
	assert_true(alloc_fail_hit());
	frame_next(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_the_same_at_every_cut),
		cmocka_unit_test(the_longest_fits_and_a_part_is_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
