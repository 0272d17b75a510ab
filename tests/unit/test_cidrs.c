/* test_cidrs.c - Prefixes to sorted, disjoint ranges */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/core/cidrs.h"
#include "tests/unit/alloc_fail.h"

static long take(struct cidrs *s, const char *text, size_t *line, bool last)
{
	*line = 1;
	return cidrs_add_text(s, text, strlen(text), line, last);
}

static void ranges_are_sorted_and_joined(void **state)
{
	struct cidrs s = { .v4 = NULL };
	size_t line;

	(void)state;
	assert_true(take(&s,
			 "10.1.0.0/16\n10.0.0.0/8 # wide\n\n# none\n"
			 "1.0.1.0/24\r\n1.0.0.0/24\n255.255.255.255\n"
			 "  2001:db8::/32\n2001:db9::/32\n::/128\nffff::/16",
			 &line, true) > 0);
	cidrs_seal(&s);
	assert_int_equal(s.count4, 3);
	assert_int_equal(s.v4[0].lo, 0x01000000);
	assert_int_equal(s.v4[0].hi, 0x010001ff);
	assert_int_equal(s.v4[1].lo, 0x0a000000);
	assert_int_equal(s.v4[1].hi, 0x0affffff);
	assert_int_equal(s.v4[2].hi, 0xffffffff);
	assert_int_equal(s.count6, 3);
	assert_int_equal(s.v6[1].lo[3], 0xb8);
	assert_int_equal(s.v6[1].hi[3], 0xb9);
	assert_int_equal(s.v6[2].hi[15], 0xff);
	cidrs_free(&s);
}

static void everything_is_one_range(void **state)
{
	struct cidrs s = { .v4 = NULL };
	size_t line;

	(void)state;
	take(&s, "0.0.0.0/0\n1.2.3.4\n255.255.255.255\n::/0\nffff::1\n", &line,
	     true);
	cidrs_seal(&s);
	assert_int_equal(s.count4, 1);
	assert_int_equal(s.v4[0].lo, 0);
	assert_int_equal(s.v4[0].hi, UINT32_MAX);
	assert_int_equal(s.count6, 1);
	cidrs_free(&s);
}

static void an_address_is_in_a_range_or_not(void **state)
{
	static const struct {
		const char *text;
		bool in;
	} v[] = {
		{ "10.0.0.0", true },       { "10.255.255.255", true },
		{ "9.255.255.255", false }, { "11.0.0.0", false },
		{ "192.0.2.1", true },      { "192.0.2.2", false },
		{ "2001:db8::", true },     { "2001:db8:ffff::ffff", true },
		{ "2001:db9::", false },    { "::1", false },
	};
	struct cidrs s = { .v4 = NULL };
	struct addr a;
	size_t line;

	(void)state;
	take(&s, "192.0.2.1\n10.0.0.0/8\n2001:db8::/32\n", &line, true);
	cidrs_seal(&s);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_int_equal(addr_parse_ip(&a, v[i].text), 0);
		assert_int_equal(cidrs_have(&s, &a), v[i].in);
	}
	cidrs_free(&s);
	assert_false(cidrs_have(&s, &a));
}

static void a_bad_line_is_named(void **state)
{
	static const char *const bad[] = { "x", "1.2.3", "1.2.3.4/33", "::/129",
					   "1.1.1.1 2.2.2.2" };
	struct cidrs s = { .v4 = NULL };
	char text[600];
	size_t line;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "1.1.1.1\n\n%s\n2.2.2.2\n",
			 bad[i]);
		assert_int_equal(take(&s, text, &line, true), -EINVAL);
		assert_int_equal(line, 3);
	}
	memset(text, '1', sizeof(text) - 1); /* longer than any prefix */
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(take(&s, text, &line, true), -EINVAL);
	line = 1;
	assert_int_equal(cidrs_add_text(&s, "1.1.1.1\0\n", 9, &line, true),
			 -EINVAL);
	cidrs_free(&s);
}

static void half_a_line_waits_for_the_rest(void **state)
{
	struct cidrs s = { .v4 = NULL };
	size_t line;

	(void)state;
	assert_int_equal(take(&s, "1.1.1.1\n2.2", &line, false), 8);
	assert_int_equal(s.count4, 1);
	assert_int_equal(take(&s, "2.2", &line, false), 0);
	assert_int_equal(take(&s, "2.2", &line, true), -EINVAL);
	cidrs_free(&s);
}

static void a_file_of_100000_prefixes(void **state)
{
	char path[] = "/tmp/culvert-cidrs-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	struct cidrs s = { .v4 = NULL };
	size_t line;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++)
		fprintf(f, "%u.%u.%u.0/25\n", 1 + i / 65536, i / 256 % 256,
			i % 256);
	fclose(f);
	assert_int_equal(cidrs_add_file(&s, path, &line), 0);
	cidrs_seal(&s);
	assert_int_equal(s.count4, 100000);
	assert_int_equal(s.v4[99999].hi - s.v4[99999].lo, 127);
	f = fopen(path, "a");
	fputs("nonsense\n", f);
	fclose(f);
	assert_int_equal(cidrs_add_file(&s, path, &line), -EINVAL);
	assert_int_equal(line, 100001);
	remove(path);
	assert_int_equal(cidrs_add_file(&s, path, &line), -ENOENT);
	assert_int_equal(line, 0);
	cidrs_free(&s);
}

static void no_memory_is_said(void **state)
{
	struct cidrs s = { .v4 = NULL };
	size_t line;

	(void)state;
	alloc_fail_at(1);
	assert_int_equal(take(&s, "1.1.1.1", &line, true), -ENOMEM);
	alloc_fail_at(1);
	assert_int_equal(take(&s, "::1", &line, true), -ENOMEM);
	alloc_fail_at(0);
	assert_int_equal(s.count4 + s.count6, 0);
	cidrs_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_sorted_and_joined),
		cmocka_unit_test(everything_is_one_range),
		cmocka_unit_test(an_address_is_in_a_range_or_not),
		cmocka_unit_test(a_bad_line_is_named),
		cmocka_unit_test(half_a_line_waits_for_the_rest),
		cmocka_unit_test(a_file_of_100000_prefixes),
		cmocka_unit_test(no_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
