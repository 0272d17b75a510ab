/* test_parse_in.c - What all inbounds have in common: where they listen */
#include "tests/unit/cm.h"

#include <stdlib.h>

#include "tests/unit/conf_text.h"

#define OUT "\"outbounds\":[{\"protocol\":\"freedom\"}]"

/* As all addresses of Xray: with brackets, or out of the environment */
static void where_to_listen_may_be_in_the_environment(void **state)
{
	static const struct {
		const char *text, *env, *want;
	} v[] = {
		{ "127.0.0.2", "", "127.0.0.2:0" },
		{ "[::1]", "", "[::1]:0" },
		{ "[::]", "", "[::]:0" },
		{ "env:CULVERT_TEST_LISTEN", "192.0.2.7", "192.0.2.7:0" },
		{ "env:CULVERT_TEST_LISTEN", "", "[::]:0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		char text[512], got[ADDR_TEXT_MAX];
		struct config *cfg;
		struct diag d;

		setenv("CULVERT_TEST_LISTEN", v[i].env, 1);
		diag_init(&d);
		snprintf(text, sizeof(text),
			 "{\"inbounds\":[{\"protocol\":\"socks\",\"port\":1,"
			 "\"listen\":\"%s\"}]," OUT "}",
			 v[i].text);
		cfg = conf_text(&d, text, NULL);
		assert_non_null(cfg);
		assert_string_equal(addr_format(&cfg->inbounds[0]->listen, got,
						sizeof(got)),
				    v[i].want);
		config_unref(cfg);
		diag_free(&d);
	}
	unsetenv("CULVERT_TEST_LISTEN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_to_listen_may_be_in_the_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
