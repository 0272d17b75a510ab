/* test_forwarded.c - Whom an HTTP head says that it is forwarded for */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/wire/forwarded.h"

/* What @headers make of 192.0.2.1:7, as text */
static const char *source(const char *headers, const char *const *trusted)
{
	static const uint8_t ip[4] = { 192, 0, 2, 1 };
	static char text[ADDR_TEXT_MAX];
	struct http1_head h = { .headers = { headers, strlen(headers) } };
	struct addr a = addr_v4(ip, 7), before = a;
	bool is = forwarded_source(&h, trusted, &a);

	assert_int_equal(is, !addr_eq(&a, &before));
	return addr_format(&a, text, sizeof(text));
}

static void the_first_address_counts(void **state)
{
	static const char *const self[] = { "X-Forwarded-For", NULL };

	(void)state;
	assert_string_equal(source("X-Forwarded-For: 203.0.113.7\r\n", self),
			    "203.0.113.7:7");
	assert_string_equal(source("x-forwarded-for:  203.0.113.7 , 10.0.0.1"
				   "\r\n",
				   self),
			    "203.0.113.7:7");
	assert_string_equal(source("X-Forwarded-For: 2001:db8::7\r\n", self),
			    "[2001:db8::7]:7");
	assert_string_equal(
		source("X-Forwarded-For: [2001:db8::7],a\r\n", self),
		"[2001:db8::7]:7");
}

static void others_change_nothing(void **state)
{
	static const char *const self[] = { "X-Forwarded-For", NULL };
	static const char *const bad[] = {
		"",
		"X-Forwarded-For:\r\n",
		"X-Forwarded-For: ,203.0.113.7\r\n",
		"X-Forwarded-For: a.test\r\n",
		"X-Forwarded-For: 203.0.113.7:80\r\n",
		"X-Forwarded-For: 203.0.113\r\n",
		"X-Forwarded-For: []\r\n",
		"X-Forwarded-For: [\r\n",
		"Forwarded: for=203.0.113.7\r\n",
	};
	char longest[400] = "X-Forwarded-For: ";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(source(bad[i], self), "192.0.2.1:7");
	memset(longest + strlen(longest), '1', 300);
	assert_string_equal(source(longest, self), "192.0.2.1:7");
}

static void another_header_is_the_proof(void **state)
{
	static const char *const cdn[] = { "X-Secret", "CF-Ray", NULL };
	static const char *const none[] = { NULL };
	static const char head[] = "X-Forwarded-For: 203.0.113.7\r\n";
	static const char proven[] =
		"X-Forwarded-For: 203.0.113.7\r\ncf-ray:\r\n";

	(void)state;
	assert_string_equal(source(head, cdn), "192.0.2.1:7");
	assert_string_equal(source(proven, cdn), "203.0.113.7:7");
	assert_string_equal(source(proven, none), "192.0.2.1:7");
	assert_string_equal(source(proven, NULL), "192.0.2.1:7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_address_counts),
		cmocka_unit_test(others_change_nothing),
		cmocka_unit_test(another_header_is_the_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
