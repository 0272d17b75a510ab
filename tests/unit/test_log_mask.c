/* test_log_mask.c - Addresses of a log line, masked as Xray masks them */
#include "gateway/base/log_mask.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void is(const char *how, const char *in, const char *want)
{
	struct log_mask m;
	char out[256];
	size_t n;

	assert_int_equal(log_mask_parse(&m, how), 0);
	n = log_mask_copy(&m, out, sizeof(out) - 1, in, strlen(in));
	out[n] = '\0';
	assert_string_equal(out, want);
}

static void words_and_numbers_are_read(void **state)
{
	static const struct {
		const char *text;
		uint8_t v4, v6;
	} good[] = {
		{ "half", 16, 32 },    { "quarter", 8, 16 }, { "full", 0, 0 },
		{ "/16+/64", 16, 64 }, { "24+48", 24, 48 },  { "/32", 32, 0 },
		{ "+/128", 0, 128 },   { "/8+", 8, 0 },
	};
	static const char *const bad[] = { "third",  "/12",   "/40+/64",
					   "-8",     "/16+x", "16+129",
					   "16+4+4", "/",     "16x" };
	struct log_mask m = { 1, 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(log_mask_parse(&m, bad[i]), -EINVAL);
	assert_int_equal(m.v4, 1);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(log_mask_parse(&m, good[i].text), 0);
		assert_int_equal(m.v4, good[i].v4);
		assert_int_equal(m.v6, good[i].v6);
	}
}

static void addresses_are_masked_wherever_they_stand(void **state)
{
	(void)state;
	is("half", "from 192.168.1.2:5000 accepted tcp:a.test:443",
	   "from 192.168.*.*:5000 accepted tcp:a.test:443");
	is("quarter", "10.1.2.3", "10.*.*.*");
	is("24", "10.1.2.3.", "10.1.2.*.");
	is("full", "from 10.1.2.3:1 to [fd00::1]:2",
	   "from [Masked IPv4]:1 to [Masked IPv6]:2");
	is("half", "[fd00:1:2:3::4]:53 and fe80::1: no",
	   "[fd00:1::/32]:53 and fe80::/32: no");
	is("16+44", "2001:db8:fff:f::1.", "2001:db8:ff0::/44.");
	is("16+128", "fd00::1 10.1.2.3", "fd00::1 10.1.*.*");
	is("32+16", "fd00::1 10.1.2.3", "fd00::/16 10.1.2.3");
	is("half", "name-10.1.2.3.example", "name-10.1.*.*.example");
	is("half", "::ffff:10.1.2.3", "::/32");
	is("/8+/120", "::ffff:192.0.2.1", "::ffff:192.*.*.*/120");
}

static void what_is_no_address_stays(void **state)
{
	static const char *const texts[] = {
		"",          "1.2.3",       "1..2.3.4", "12:30:59",
		"s1f: xa::", "std::vector", "a:b",      "10.1.2.",
		"...",       "fd00::1::2",  "x::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		is("half", texts[i], texts[i]);
}

static void the_end_of_the_room_is_kept(void **state)
{
	static const char in[] = "from 1.2.3.4 to fd00:1:2::1 and 1.2.3.4";
	struct log_mask m = { 0, 32 };
	char out[64];

	(void)state;
	for (size_t size = 0; size < sizeof(out); size++) {
		memset(out, 'Z', sizeof(out));
		assert_in_range(
			log_mask_copy(&m, out, size, in, sizeof(in) - 1), 0,
			size);
		for (size_t i = size; i < sizeof(out); i++)
			assert_int_equal(out[i], 'Z');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_numbers_are_read),
		cmocka_unit_test(addresses_are_masked_wherever_they_stand),
		cmocka_unit_test(what_is_no_address_stays),
		cmocka_unit_test(the_end_of_the_room_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
