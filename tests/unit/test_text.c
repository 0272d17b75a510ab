/* test_text.c - What may be printed, and how near two words are */
#include "tests/unit/cm.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "gateway/base/text.h"

static void only_printable_utf8_is_a_character(void **state)
{
	static const struct {
		const char *s;
		size_t len;
	} v[] = {
		{ "a", 1 },
		{ "\xc2\xa0", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\n", 0 },
		{ "\x7f", 0 },
		{ "\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xc2\x9f", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xe2\x82", 0 },
		{ "\xe2\x82"
		  "a",
		  0 },
		{ "\xff", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		assert_int_equal(text_char(v[i].s, strlen(v[i].s)), v[i].len);
	assert_int_equal(text_char("\0", 1), 0);
	assert_int_equal(text_char("\xe2\x82\xac", 2), 0);
}

static void distance_counts_edits_and_swaps_without_case(void **state)
{
	(void)state;
	assert_int_equal(text_distance("port", "PORT", 2), 0);
	assert_int_equal(text_distance("protocl", "protocol", 2), 1);
	assert_int_equal(text_distance("prot", "port", 2), 1);
	assert_int_equal(text_distance("settigns", "settings", 2), 1);
	assert_int_equal(text_distance("adress", "addres", 2), 2);
	assert_int_equal(text_distance("", "ab", 2), 2);
	assert_int_equal(text_distance("ab", "", 1), 2);
	assert_int_equal(text_distance("inbounds", "outbounds", 2), 3);
	assert_int_equal(text_distance("tag", "xyz", 2), 3);
}

static void the_nearest_word_is_found(void **state)
{
	unsigned int best = TEXT_FAR;

	(void)state;
	assert_false(text_nearer("prt", "tag", &best));
	assert_int_equal(best, TEXT_FAR);
	assert_true(text_nearer("prt", "parts", &best));
	assert_true(text_nearer("prt", "port", &best));
	assert_int_equal(best, 1);
	assert_false(text_nearer("prt", "part", &best)); /* the first stays */
	best = TEXT_FAR;
	assert_false(text_nearer("a", "b", &best)); /* nothing in common */
	assert_false(text_nearer("xy", "a", &best));
	assert_false(text_nearer("", "", &best));
}

static void words_longer_than_63_have_no_neighbours(void **state)
{
	char a[80];

	(void)state;
	memset(a, 'a', sizeof(a));
	a[63] = '\0';
	assert_int_equal(text_distance(a, a, 2), 0);
	a[63] = 'a';
	a[64] = '\0';
	assert_int_equal(text_distance(a, a, 2), 3);
}

static void hex_is_decoded_in_pairs(void **state)
{
	uint8_t out[4] = { 9, 9, 9, 9 };

	(void)state;
	assert_int_equal(hex_decode("00fFA5", 6, out, 3), 3);
	assert_memory_equal(out, "\x00\xff\xa5\x09", 4);
	assert_int_equal(hex_decode("", 0, out, 0), 0);
	assert_int_equal(hex_decode("abc", 3, out, 4), -EINVAL);
	assert_int_equal(hex_decode("0g", 2, out, 4), -EINVAL);
	assert_int_equal(hex_decode("0011223344", 10, out, 4), -ENOBUFS);
	for (int c = 0; c < 256; c++)
		assert_int_equal(hex_digit((char)c) >= 0,
				 c < 128 && isxdigit(c) != 0);
}

static void ports_are_digits_and_nothing_else(void **state)
{
	static const char *const bad[] = { "",   "65536", "99999", "000080",
					   "-1", "+80",   " 80",   "80 ",
					   "8x", "0x50" };
	uint16_t port = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_port(bad[i], strlen(bad[i]), &port),
				 -EINVAL);
	assert_int_equal(port, 7);
	assert_int_equal(text_port("65535x", 5, &port), 0);
	assert_int_equal(port, 65535);
	assert_int_equal(text_port("00443", 5, &port), 0);
	assert_int_equal(port, 443);
	assert_int_equal(text_port("0", 1, &port), 0);
	assert_int_equal(port, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_is_decoded_in_pairs),
		cmocka_unit_test(ports_are_digits_and_nothing_else),
		cmocka_unit_test(only_printable_utf8_is_a_character),
		cmocka_unit_test(distance_counts_edits_and_swaps_without_case),
		cmocka_unit_test(the_nearest_word_is_found),
		cmocka_unit_test(words_longer_than_63_have_no_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
