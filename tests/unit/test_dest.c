/* test_dest.c - Places past routing, as the configuration writes them */
#include "tests/unit/cm.h"

#include <errno.h>

#include "gateway/core/dest.h"

static int parse(const char *json, struct dest *out, struct arena *a)
{
	cJSON *node = cJSON_Parse(json);
	int rc;

	assert_non_null(node);
	rc = dest_parse(node, out, a);
	cJSON_Delete(node);
	return rc;
}

static void ports_hosts_and_sockets_are_places(void **state)
{
	static const struct {
		const char *json, *want;
	} v[] = {
		{ "80", "127.0.0.1:80" },
		{ "\"65535\"", "127.0.0.1:65535" },
		{ "\"localhost:80\"", "127.0.0.1:80" },
		{ "\"192.0.2.1:80\"", "192.0.2.1:80" },
		{ "\"[2001:db8::1]:443\"", "[2001:db8::1]:443" },
		{ "\"WWW.Example:443\"", "www.example:443" },
	};
	char text[ADDR_TEXT_MAX];
	struct arena a = { 0 };
	struct dest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		assert_int_equal(parse(v[i].json, &d, &a), 0);
		assert_null(d.unix_path);
		assert_string_equal(addr_format(&d.to, text, sizeof(text)),
				    v[i].want);
	}
	assert_int_equal(parse("\"/run/web.sock\"", &d, &a), 0);
	assert_string_equal(d.unix_path, "/run/web.sock");
	assert_int_equal(parse("\"@web\"", &d, &a), 0);
	assert_string_equal(d.unix_path, "@web");
	arena_free(&a);
}

static void anything_else_is_none(void **state)
{
	static const char *const v[] = {
		"0",           "-1",           "65536",      "true",
		"[]",          "\"\"",         "\"0\"",      "\"80x\"",
		"\"65616\"",   "\":80\"",      "\"a.test\"", "\"a.test:\"",
		"\"a..b:80\"", "\"a.test:0\"", "\"a b:80\"", "\"a.test:8x\"",
	};
	struct arena a = { 0 };
	struct dest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		if (parse(v[i], &d, &a) != -EINVAL)
			fail_msg("taken: %s", v[i]);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_hosts_and_sockets_are_places),
		cmocka_unit_test(anything_else_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
