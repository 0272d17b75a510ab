/* test_tmpl.c - Header texts with a flow's addresses in them */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/tmpl.h"

static ssize_t fill(const char *text, char *out, size_t room)
{
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	struct addr source = addr_v6(v6, 5000);
	struct addr target = addr_name("a.test", 6, 443);

	return tmpl_fill(text, &source, &target, out, room);
}

static void templates_are_filled(void **state)
{
	static const char *const t[][2] = {
		{ "", "" },
		{ "X: y\r\n", "X: y\r\n" },
		{ "{{.Source}}", "tcp:[2001:db8::1]:5000" },
		{ "a {{ .Target }} b", "a tcp:a.test:443 b" },
		{ "{{.Source.NetAddr}}|{{.Target.NetAddr}}",
		  "[2001:db8::1]:5000|a.test:443" },
		{ "{{.Source.Address}} {{.Source.Port}}",
		  "[2001:db8::1] 5000" },
		{ "{{.Target.Address}}{{.Target.Port}}{{.Target.Network}}",
		  "a.test443TCP" },
		{ "} {.Source} }}", "} {.Source} }}" },
	};
	char out[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_true(tmpl_known(t[i][0]));
		assert_int_equal(fill(t[i][0], out, sizeof(out)),
				 strlen(t[i][1]));
		assert_string_equal(out, t[i][1]);
	}
}

static void unknown_ones_are_told(void **state)
{
	static const char *const bad[] = {
		"{{",           "{{}}",
		"{{.Source",    "{{.source}}",
		"{{.Source }",  "{{.SourceX}}",
		"{{.Source.}}", "{{len .Source}}",
		"{{.Gateway}}", "{{.Source}}{{",
	};
	char out[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(tmpl_known(bad[i]));
		assert_int_equal(fill(bad[i], out, sizeof(out)), -EINVAL);
	}
}

static void room_is_kept(void **state)
{
	char out[32];

	(void)state;
	for (size_t room = 0; room <= 23; room++)
		assert_int_equal(fill("{{.Source}}", out, room),
				 room < 23 ? -ENOBUFS : 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_are_filled),
		cmocka_unit_test(unknown_ones_are_told),
		cmocka_unit_test(room_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
