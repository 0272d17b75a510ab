/* test_addr_wire.c - Both address forms: layouts, every cut, hostile names */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/addr_wire.h"

static void both_forms_have_their_layout(void **state)
{
	static const uint8_t ip[4] = { 1, 2, 3, 4 };
	static const uint8_t socks[] = { 1, 1, 2, 3, 4, 0x01, 0xbb };
	static const uint8_t port[] = { 0x01, 0xbb, 1, 1, 2, 3, 4 };
	static const uint8_t name[] = { 3, 3, 'a', '.', 'b', 0, 80 };
	static const uint8_t vname[] = { 0, 80, 2, 3, 'a', '.', 'b' };
	struct addr a = addr_v4(ip, 443), n = addr_name("a.b", 3, 80);
	uint8_t buf[ADDR_WIRE_MAX];

	(void)state;
	assert_int_equal(addr_wire_encode(ADDR_SOCKS, &a, buf, 7), 7);
	assert_memory_equal(buf, socks, 7);
	assert_int_equal(addr_wire_encode(ADDR_PORT, &a, buf, 7), 7);
	assert_memory_equal(buf, port, 7);
	assert_int_equal(addr_wire_encode(ADDR_SS, &n, buf, 7), 7);
	assert_memory_equal(buf, name, 7);
	assert_int_equal(addr_wire_encode(ADDR_PORT, &n, buf, 7), 7);
	assert_memory_equal(buf, vname, 7);
	assert_int_equal(addr_wire_encode(ADDR_PORT, &n, buf, 6), -ENOBUFS);
	a.kind = ADDR_NONE;
	assert_int_equal(addr_wire_encode(ADDR_PORT, &a, buf, 9), -EINVAL);
}

static void check_round_trip(enum addr_style style, const struct addr *a)
{
	uint8_t buf[ADDR_WIRE_MAX + 1];
	ssize_t n = addr_wire_encode(style, a, buf, ADDR_WIRE_MAX);
	struct addr b = { .kind = 77 };
	char name[256];

	assert_int_equal(n, addr_wire_len(a));
	for (ssize_t cut = 0; cut < n; cut++) {
		assert_int_equal(
			addr_wire_decode(style, buf, (size_t)cut, &b, name), 0);
		assert_int_equal(b.kind, 77);
	}
	assert_int_equal(addr_wire_decode(style, buf, sizeof(buf), &b, name),
			 n);
	assert_true(addr_eq(a, &b));
}

static void every_kind_survives_and_every_cut_asks_for_more(void **state)
{
	char text[256];
	uint8_t ip[16] = { 0x20, 1 };
	struct addr v[4] = { addr_v4(ip, 65535), addr_v6(ip, 1),
			     addr_name("example.org", 11, 443) };

	(void)state;
	memset(text, 'a', 255);
	for (int i = 50; i < 255; i += 51)
		text[i] = '.';
	text[254] = 'z';
	text[255] = 0;
	v[3] = addr_name(text, 255, 7);
	for (int s = ADDR_SOCKS; s <= ADDR_PORT; s++)
		for (size_t i = 0; i < ARRAY_SIZE(v); i++)
			check_round_trip((enum addr_style)s, &v[i]);
}

static void flags_in_the_type_are_ignored_for_shadowsocks_only(void **state)
{
	static const uint8_t in[] = { 0x11, 1, 2, 3, 4, 0, 80 };
	struct addr a;
	char name[256];

	(void)state;
	assert_int_equal(addr_wire_decode(ADDR_SS, in, 7, &a, name), 7);
	assert_int_equal(a.kind, ADDR_V4);
	assert_int_equal(addr_wire_decode(ADDR_SOCKS, in, 7, &a, name),
			 -EPROTO);
}

static void a_literal_written_as_a_name_is_an_ip(void **state)
{
	static const char *const text[] = { "9.8.7.6", "9.8.7.6.", "::1",
					    "[::1]" };
	static const uint8_t kind[] = { ADDR_V4, ADDR_V4, ADDR_V6, ADDR_V6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(text); i++) {
		uint8_t in[32] = { 0, 53, 2, (uint8_t)strlen(text[i]) };
		struct addr a;
		char name[256];

		memcpy(in + 4, text[i], strlen(text[i]));
		assert_true(addr_wire_decode(ADDR_PORT, in, sizeof(in), &a,
					     name) > 0);
		assert_int_equal(a.kind, kind[i]);
		assert_int_equal(a.port, 53);
	}
}

static void names_that_are_none_and_unknown_types_are_refused(void **state)
{
	static const uint8_t bad[][8] = {
		{ 3, 0, 'a', 'a', 0, 1 },   { 3, 2, 'a', ' ', 0, 1 },
		{ 3, 2, 'a', 0, 0, 1 },     { 3, 2, '/', 'a', 0, 1 },
		{ 3, 2, 0xc3, 0xa4, 0, 1 }, { 2, 2, 'a', 'a', 0, 1 },
		{ 0, 2, 'a', 'a', 0, 1 },   { 0xff, 2, 'a', 'a', 0, 1 },
	};
	struct addr a;
	char name[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			addr_wire_decode(ADDR_SOCKS, bad[i], 6, &a, name),
			-EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_have_their_layout),
		cmocka_unit_test(
			every_kind_survives_and_every_cut_asks_for_more),
		cmocka_unit_test(
			flags_in_the_type_are_ignored_for_shadowsocks_only),
		cmocka_unit_test(a_literal_written_as_a_name_is_an_ip),
		cmocka_unit_test(
			names_that_are_none_and_unknown_types_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
