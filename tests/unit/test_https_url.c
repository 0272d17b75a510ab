/* test_https_url.c - URLs of https, and where redirects lead */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "proxy/wire/https_url.h"

static int parse(struct https_url *u, const char *text)
{
	return https_url_parse(u, text, strlen(text));
}

static void a_url_has_host_port_and_path(void **state)
{
	static const struct {
		const char *text, *host, *path, *authority;
		uint16_t port;
	} good[] = {
		{ "https://a.test", "a.test", "/", "a.test", 443 },
		{ "HTTPS://A.Test./x?y=1#z", "a.test", "/x?y=1", "a.test",
		  443 },
		{ "https://a.test?y", "a.test", "/?y", "a.test", 443 },
		{ "https://a.test:8443/", "a.test", "/", "a.test:8443", 8443 },
		{ "https://1.2.3.4:443/x", "1.2.3.4", "/x", "1.2.3.4", 443 },
		{ "https://[2001:db8::1]:8/x", "2001:db8::1", "/x",
		  "[2001:db8::1]:8", 8 },
	};
	struct https_url u;
	char text[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse(&u, good[i].text), 0);
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.path, good[i].path);
		assert_int_equal(u.port, good[i].port);
		assert_true(https_url_authority(&u, text, sizeof(text)) > 0);
		assert_string_equal(text, good[i].authority);
	}
	assert_int_equal(https_url_authority(&u, text, 4), -ENOBUFS);
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"https:/a.test/",
		"http://a.test/",
		"https://",
		"https:///x",
		"https://u@a.test/",
		"https://u:p@a.test/",
		"https://a.test:0/",
		"https://a.test:/",
		"https://a.test:65536/",
		"https://a.test:x/",
		"https://[::1/",
		"https://[::1]x/",
		"https://[1.2.3.4]/",
		"https://[a.test]/",
		"https://::1/",
		"https://a.test/a b",
		"https://a.test/a\r\nX: y",
		"https://a.test/\xc3\xa4",
		"https://a_\x7f/",
	};
	static char lengthy[HTTPS_PATH_MAX + 32];
	struct https_url u = { .port = 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(&u, bad[i]), -EINVAL);
	memset(lengthy, 'a', sizeof(lengthy) - 1);
	memcpy(lengthy, "https://a.test/", 15);
	assert_int_equal(parse(&u, lengthy), -ENOBUFS);
	assert_int_equal(u.port, 7); /* nothing was written */
}

static void a_redirect_leads_on(void **state)
{
	static const struct {
		const char *to, *host, *path;
		uint16_t port;
		int rc;
	} hops[] = {
		{ "https://b.test/y", "b.test", "/y", 443, 0 },
		{ "//b.test:9/y", "b.test", "/y", 9, 0 },
		{ "/y?z", "a.test", "/y?z", 8443, 0 },
		{ "y", "a.test", "/dir/y", 8443, 0 },
		{ "?z=/1", "a.test", "/dir/x?z=/1", 8443, 0 },
		{ "#f", "a.test", "/dir/x?q=/2", 8443, 0 },
		{ "y:8", "a.test", "/dir/x?q=/2", 8443, -EPROTONOSUPPORT },
		{ "http://b.test/y", "a.test", "/dir/x?q=/2", 8443,
		  -EPROTONOSUPPORT },
		{ "https://", "a.test", "/dir/x?q=/2", 8443, -EINVAL },
		{ "/a b", "a.test", "/dir/x?q=/2", 8443, -EINVAL },
		{ "", "a.test", "/dir/x?q=/2", 8443, -EINVAL },
	};
	struct https_url u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hops); i++) {
		const char *to = hops[i].to;

		assert_int_equal(parse(&u, "https://a.test:8443/dir/x?q=/2"),
				 0);
		assert_int_equal(https_url_follow(&u, to, strlen(to)),
				 hops[i].rc);
		assert_string_equal(u.host, hops[i].host);
		assert_string_equal(u.path, hops[i].path);
		assert_int_equal(u.port, hops[i].port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_has_host_port_and_path),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(a_redirect_leads_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
