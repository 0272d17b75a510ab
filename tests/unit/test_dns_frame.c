/* test_dns_frame.c - Messages with a length, at every cut */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/dns/frame.h"
#include "tests/unit/alloc_fail.h"

/**
 * struct seen - What came
 * @text:	Messages, each with a dot behind; @stop_at: how many until an end
 */
struct seen {
	char text[32];
	unsigned int count, stop_at;
	size_t last;
};

static int on_message(void *arg, uint8_t *msg, size_t n)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	snprintf(s->text + at, sizeof(s->text) - at, "%.*s.",
		 n < 8 ? (int)n : 0, n ? (char *)msg : "");
	s->last = n;
	return ++s->count == s->stop_at ? 7 : 0;
}

static void messages_are_the_same_at_every_cut(void **state)
{
	static const uint8_t bytes[] = { 0, 3, 'a', 'b', 'c', 0,   0,
					 0, 1, 'd', 0,   2,   'e', 'f' };

	(void)state;
	for (size_t step = 1; step <= sizeof(bytes); step++) {
		struct frame f = { .got = 0 };
		struct seen s = { .count = 0 };

		for (size_t at = 0; at < sizeof(bytes); at += step) {
			size_t n = sizeof(bytes) - at < step ?
					   sizeof(bytes) - at :
					   step;

			assert_int_equal(
				frame_each(&f, bytes + at, n, on_message, &s),
				0);
		}
		assert_string_equal(s.text, "abc..d.ef.");
		assert_null(f.msg);
	}
}

static void an_end_is_told_and_nothing_behind_it(void **state)
{
	static const uint8_t bytes[] = { 0, 1, 'a', 0, 1, 'b', 0, 1, 'c' };
	struct seen s = { .stop_at = 2 };
	struct frame f = { .got = 0 };

	(void)state;
	assert_int_equal(frame_each(&f, bytes, sizeof(bytes), on_message, &s),
			 7);
	assert_string_equal(s.text, "a.b.");
	assert_null(f.msg);
	assert_int_equal(f.got, 0);
}

static void the_longest_fits_and_a_part_is_no_message(void **state)
{
	static uint8_t bytes[2 + 65535] = { 255, 255 };
	struct frame f = { .got = 0 };
	struct seen s = { .count = 0 };

	(void)state;
	assert_int_equal(
		frame_each(&f, bytes, sizeof(bytes) - 1, on_message, &s), 0);
	assert_int_equal(s.count, 0);
	assert_int_equal(frame_each(&f, bytes, 2, on_message, &s), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.last, 65535);
	assert_int_equal(f.got, 1); /* the second byte is of the next one */
	alloc_fail_at(1);
	assert_int_equal(frame_each(&f, bytes, 2, on_message, &s), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_int_equal(s.count, 1);
	frame_next(&f);
	assert_int_equal(f.got, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_the_same_at_every_cut),
		cmocka_unit_test(an_end_is_told_and_nothing_behind_it),
		cmocka_unit_test(the_longest_fits_and_a_part_is_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
