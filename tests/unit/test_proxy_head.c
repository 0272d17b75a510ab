/* test_proxy_head.c - PROXY headers: layouts, every cut, wrong bytes, limits */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/proxy_head.h"

#define SIGN "\r\n\r\n\0\r\nQUIT\n"

/* A version 2 header of @len bytes behind @rest's four */
#define V2(cmd, family, len) SIGN cmd family len

struct good {
	const char *head;
	size_t n;
	const char *from, *to; /* "": not told */
};

#define GOOD(head, from, to) \
	{ \
		head, sizeof(head) - 1, from, to \
	}

static const struct good goods[] = {
	GOOD("PROXY TCP4 192.0.2.1 192.0.2.9 51000 443\r\n", "192.0.2.1:51000",
	     "192.0.2.9:443"),
	GOOD("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
	     "255.255.255.255:65535", "255.255.255.255:65535"),
	GOOD("PROXY TCP6 2001:db8::1 ::1 1 0\r\n", "[2001:db8::1]:1",
	     "[::1]:0"),
	GOOD("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
	     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
	GOOD("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::9 5 6\r\n", "192.0.2.1:5",
	     "[2001:db8::9]:6"),
	GOOD("PROXY UNKNOWN\r\n", "", ""),
	GOOD("PROXY UNKNOWN ffff::1 whatever, 1\r\n", "", ""),
	GOOD(V2("\x21", "\x11",
		"\0\x0c") "\xc0\0\2\1\xc0\0\2\x09\xc7\x38\1\xbb",
	     "192.0.2.1:51000", "192.0.2.9:443"),
	GOOD(V2("\x21", "\x11",
		"\0\x10") "\xc0\0\2\1\xc0\0\2\x09\xc7\x38\1\xbb\4\0\1\0",
	     "192.0.2.1:51000", "192.0.2.9:443"),
	GOOD(V2("\x21", "\x21",
		"\0\x24") "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
			  "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\0\5\0\6",
	     "[2001:db8::1]:5", "[2001:db8::9]:6"),
	GOOD(V2("\x20", "\0", "\0\0"), "", ""),
	GOOD(V2("\x20", "\x11", "\0\x0c") "\1\2\3\4\1\2\3\4\1\2\1\2", "", ""),
	GOOD(V2("\x21", "\0", "\0\3") "abc", "", ""),
};

static void same(const struct addr *a, const char *want)
{
	char text[ADDR_TEXT_MAX];

	if (!*want)
		assert_int_equal(a->kind, ADDR_NONE);
	else
		assert_string_equal(addr_format(a, text, sizeof(text)), want);
}

static void headers_are_read_and_every_cut_needs_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		const uint8_t *p = (const uint8_t *)goods[i].head;
		struct addr ends[2] = { { .kind = 77 } };
		uint8_t more[512];

		for (size_t n = 0; n < goods[i].n; n++)
			assert_int_equal(proxy_head_decode(p, n, ends), 0);
		assert_int_equal(ends[0].kind, 77);
		memcpy(more, p, goods[i].n);
		memcpy(more + goods[i].n, "PROXY\r\n", 7);
		assert_int_equal(proxy_head_decode(more, goods[i].n + 7, ends),
				 goods[i].n);
		same(&ends[0], goods[i].from);
		same(&ends[1], goods[i].to);
	}
}

#define BAD(head) \
	{ \
		head, sizeof(head) - 1, "", "" \
	}

static const struct good bads[] = {
	BAD("G"),
	BAD("PROXZ"),
	BAD("\r\n\r\n\r"),
	BAD("PROXY \r\n"),
	BAD("PROXY TCP4\r\n"),
	BAD("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"),
	BAD("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
	BAD("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 ::1 ::2 1 2\r\n"),
	BAD("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"),
	BAD(SIGN "\x11"),
	BAD(SIGN "\x22"),
	BAD(SIGN "\x21\x41"),
	BAD(SIGN "\x21\x13"),
	BAD(V2("\x21", "\x11", "\0\x0b") "\1\2\3\4\1\2\3\4\1\2\1"),
	BAD(V2("\x21", "\x21", "\0\x0c") "\1\2\3\4\1\2\3\4\1\2\1\2"),
	BAD(V2("\x21", "\x31", "\0\1") "a"),
	BAD(V2("\x21", "\x11", "\x0f\xf1")),
	BAD(V2("\x20", "\0", "\xff\xff")),
};

static void what_is_no_header_is_refused(void **state)
{
	uint8_t line[200];
	struct addr ends[2] = { { .kind = 77 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++)
		if (proxy_head_decode((const uint8_t *)bads[i].head, bads[i].n,
				      ends) != -EPROTO)
			fail_msg("row %zu: %s", i, bads[i].head);
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(proxy_head_decode(line, 107, ends), 107);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(proxy_head_decode(line, 106, ends), 0);
	assert_int_equal(proxy_head_decode(line, 108, ends), -EPROTO);
}

static struct addr ip(const char *text, uint16_t port)
{
	struct addr a = { .port = port };

	assert_int_equal(addr_parse_ip(&a, text), 0);
	return a;
}

static void headers_are_written(void **state)
{
	struct addr a = ip("192.0.2.1", 51000), b = ip("192.0.2.9", 443);
	struct addr c = ip("2001:db8::9", 6), name = { .kind = ADDR_NONE };
	uint8_t out[PROXY_HEAD_OUT_MAX];

	(void)state;
	assert_int_equal(proxy_head_encode(1, &a, &b, out), goods[0].n);
	assert_memory_equal(out, goods[0].head, goods[0].n);
	assert_int_equal(proxy_head_encode(2, &a, &b, out), goods[7].n);
	assert_memory_equal(out, goods[7].head, goods[7].n);
	a.port = 5;
	assert_int_equal(proxy_head_encode(1, &a, &c, out), goods[4].n);
	assert_memory_equal(out, goods[4].head, goods[4].n);
	assert_int_equal(proxy_head_encode(2, &a, &c, out), 52);
	assert_memory_equal(out + 16, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1",
			    16);
	assert_int_equal(proxy_head_encode(1, &a, &name, out), goods[5].n);
	assert_memory_equal(out, goods[5].head, goods[5].n);
	assert_int_equal(proxy_head_encode(2, &name, &a, out), goods[10].n);
	assert_memory_equal(out, goods[10].head, goods[10].n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_read_and_every_cut_needs_more),
		cmocka_unit_test(what_is_no_header_is_refused),
		cmocka_unit_test(headers_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
