/* test_fetch.c - Which words on the command line are a subscription's address */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/app/fetch.h"

static void an_address_has_a_path_and_no_user(void **state)
{
	(void)state;
	assert_true(fetch_is_url("https://sub.example.org/s/abc"));
	assert_true(fetch_is_url("HTTPS://sub.example.org:8443/s?token=a@b"));
	assert_true(fetch_is_url("http://192.0.2.1?token=1"));
	assert_true(fetch_is_url("https://[2001:db8::1]:8443/x"));
}

static void links_and_files_are_none(void **state)
{
	static const char *const none[] = {
		"",
		"-",
		"list.txt",
		"https:/x/y",
		"https://",
		"https:///path",
		"https://192.0.2.1:443",
		"https://192.0.2.1:443/",
		"https://192.0.2.1:443/#name",
		"https://192.0.2.1:443#name/x",
		"http://user:pass@192.0.2.1:80/x",
		"https://user@proxy.example.org:443?security=tls",
		"ftp://192.0.2.1/x",
		"vless://id@192.0.2.1:443?type=ws&path=/x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		if (fetch_is_url(none[i]))
			fail_msg("%s is no address", none[i]);
}

static void what_could_end_the_quotes_is_refused(void **state)
{
	char url[FETCH_URL_MAX + 16];
	size_t n = 1;

	(void)state;
	assert_null(fetch_url("https://h/\"\noutput = \"/tmp/x", 9, &n));
	assert_null(fetch_url("https://h/a b", 9, &n));
	assert_null(fetch_url("https://h/\\x", 9, &n));
	assert_null(fetch_url("https://h/\xc3\xa4", 9, &n));
	memset(url, 'a', sizeof(url));
	memcpy(url, "https://h/", 10);
	url[sizeof(url) - 1] = '\0';
	assert_null(fetch_url(url, 9, &n));
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_a_path_and_no_user),
		cmocka_unit_test(links_and_files_are_none),
		cmocka_unit_test(what_could_end_the_quotes_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
