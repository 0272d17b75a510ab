/* test_wire_socks5.c - SOCKS5 messages: layouts, every cut, garbage */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/socks5.h"

static const uint8_t ip4[4] = { 192, 0, 2, 7 };

/* A heap copy of exactly @n bytes, so that ASan sees a read behind it */
static uint8_t *copy(const void *p, size_t n)
{
	uint8_t *q = malloc(n ? n : 1);

	assert_non_null(q);
	if (n)
		memcpy(q, p, n);
	return q;
}

static void client_messages_have_their_layout(void **state)
{
	static const uint8_t want[] = {
		5, 1, 2, /* greeting */
		1, 2, 'm', 'e', 3,   'p', 'w', 'd', /* password */
		5, 1, 0,   1,   192, 0,   2,   7,   0x1f, 0x90, /* connect v4 */
		5, 1, 0,   3,   3,   'a', '.', 'b', 0,    80, /* connect name */
		5, 3, 0,   1,   0,   0,   0,   0,   0,    0, /* associate */
	};
	struct addr a = addr_v4(ip4, 8080), n = addr_name("a.b", 3, 80);
	struct buf *b = buf_new(256);

	(void)state;
	assert_int_equal(socks5_put_greeting(b, SOCKS5_PASSWORD), 0);
	assert_int_equal(socks5_put_auth(b, "me", "pwd"), 0);
	assert_int_equal(socks5_put_request(b, SOCKS5_CONNECT, &a), 0);
	assert_int_equal(socks5_put_request(b, SOCKS5_CONNECT, &n), 0);
	assert_int_equal(socks5_put_request(b, SOCKS5_UDP, NULL), 0);
	assert_int_equal(b->len, sizeof(want));
	assert_memory_equal(buf_head(b), want, sizeof(want));
	buf_free(b);
}

static void what_does_not_fit_is_refused_whole(void **state)
{
	char longest[257];
	struct addr none = { .kind = ADDR_NONE };
	struct buf *b = buf_new(520);

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[256] = '\0';
	assert_int_equal(socks5_put_auth(b, longest, "p"), -EINVAL);
	assert_int_equal(socks5_put_auth(b, "u", longest), -EINVAL);
	assert_int_equal(socks5_put_request(b, SOCKS5_CONNECT, &none), -EINVAL);
	assert_int_equal(b->len, 0);
	longest[255] = '\0';
	assert_int_equal(socks5_put_auth(b, longest, longest), 0);
	assert_int_equal(b->len, 513);
	assert_int_equal(socks5_put_auth(b, "user", "pass"), -ENOBUFS);
	assert_int_equal(b->len, 513);
	buf_free(b);
}

static void method_and_auth_replies(void **state)
{
	static const uint8_t ok[] = { 5, 2 }, bad[] = { 4, 0 };
	static const uint8_t yes[] = { 1, 0 }, no[] = { 1, 9 };
	static const uint8_t five[] = { 5, 0 }, junk[] = { 'H', 'T' };
	uint8_t m = 77;
	bool good = false;

	(void)state;
	assert_int_equal(socks5_get_method(ok, 0, &m), 0);
	assert_int_equal(socks5_get_method(ok, 1, &m), 0);
	assert_int_equal(m, 77);
	assert_int_equal(socks5_get_method(ok, 2, &m), 2);
	assert_int_equal(m, 2);
	assert_int_equal(socks5_get_method(bad, 1, &m), -EPROTO);
	assert_int_equal(socks5_get_auth_reply(yes, 1, &good), 0);
	assert_int_equal(socks5_get_auth_reply(yes, 2, &good), 2);
	assert_true(good);
	assert_int_equal(socks5_get_auth_reply(no, 2, &good), 2);
	assert_false(good);
	assert_int_equal(socks5_get_auth_reply(five, 2, &good), 2);
	assert_true(good);
	assert_int_equal(socks5_get_auth_reply(junk, 1, &good), -EPROTO);
}

/* Every cut asks for more, and the size foretold never asks for too much */
static void check_reply(const uint8_t *p, size_t n, const char *host,
			uint16_t port)
{
	struct socks5_reply r;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		uint8_t *q = copy(p, i);

		assert_in_range(socks5_reply_size(q, i), i + 1, n);
		assert_int_equal(socks5_get_reply(q, i, &r), 0);
		free(q);
	}
	assert_int_equal(socks5_reply_size(p, n), n);
	assert_int_equal(socks5_get_reply(p, n, &r), n);
	assert_string_equal(addr_format_host(&r.bound, text, sizeof(text)),
			    host);
	assert_int_equal(r.bound.port, port);
}

static void replies_of_every_kind(void **state)
{
	static const uint8_t v4[] = { 5, 0, 0, 1, 192, 0, 2, 7, 1, 2 };
	static const uint8_t v6[] = { 5, 0, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0,
				      0, 0, 0, 0, 0,    0, 0,   0,    1, 1, 2 };
	static const uint8_t name[] = { 5, 0, 0, 3, 3, 'a', '.', 'b', 1, 2 };
	static const uint8_t empty[] = { 5, 1, 0, 3, 0, 1, 2 };

	(void)state;
	check_reply(v4, sizeof(v4), "192.0.2.7", 258);
	check_reply(v6, sizeof(v6), "2001:db8::1", 258);
	check_reply(name, sizeof(name), "a.b", 258);
	check_reply(empty, sizeof(empty), "0.0.0.0", 258);
}

static void replies_that_are_none(void **state)
{
	static const uint8_t bad[][10] = {
		{ 4, 0, 0, 1 },
		{ 0 },
		{ 5, 0, 0, 2 },
		{ 5, 0, 0, 0 },
		{ 5, 0, 0, 3, 2, ' ', '/' },
		{ 5, 0, 0, 3, 2, 'a', 0 },
	};
	struct socks5_reply r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(socks5_get_reply(bad[i], sizeof(bad[i]), &r),
				 -EPROTO);
}

static void codes_become_errors(void **state)
{
	(void)state;
	assert_int_equal(socks5_rep_errno(SOCKS5_OK), 0);
	assert_int_equal(socks5_rep_errno(SOCKS5_REFUSED), -ECONNREFUSED);
	assert_int_equal(socks5_rep_errno(SOCKS5_NET_UNREACH), -ENETUNREACH);
	assert_int_equal(socks5_rep_errno(SOCKS5_HOST_UNREACH), -EHOSTUNREACH);
	assert_int_equal(socks5_rep_errno(9), -EPROTO);
	assert_int_equal(socks5_rep_errno(255), -EPROTO);
}

static void datagram_heads_there_and_back(void **state)
{
	struct addr v4 = addr_v4(ip4, 53), got;
	struct addr name = addr_name("dns.test", 8, 53);
	uint8_t p[SOCKS5_UDP_HEAD_MAX + 4];
	char host[256];
	ssize_t n = socks5_set_udp(p, &v4);

	(void)state;
	assert_int_equal(n, 10);
	assert_memory_equal(p, "\0\0\0\1\xc0\0\2\7\0\x35", 10);
	assert_int_equal(socks5_get_udp(p, 10, &got, host), 10);
	assert_true(addr_eq(&got, &v4));
	n = socks5_set_udp(p, &name);
	assert_int_equal(n, 3 + 1 + 1 + 8 + 2);
	assert_int_equal(socks5_get_udp(p, (size_t)n + 4, &got, host), n);
	assert_true(addr_eq(&got, &name));
	for (ssize_t i = 0; i < n; i++) {
		uint8_t *q = copy(p, (size_t)i);

		assert_int_equal(socks5_get_udp(q, (size_t)i, &got, host),
				 -EPROTO);
		free(q);
	}
	p[2] = 1; /* a fragment */
	assert_int_equal(socks5_get_udp(p, (size_t)n, &got, host), -EPROTO);
	p[2] = 0;
	p[0] = 1; /* reserved */
	assert_int_equal(socks5_get_udp(p, (size_t)n, &got, host), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_messages_have_their_layout),
		cmocka_unit_test(what_does_not_fit_is_refused_whole),
		cmocka_unit_test(method_and_auth_replies),
		cmocka_unit_test(replies_of_every_kind),
		cmocka_unit_test(replies_that_are_none),
		cmocka_unit_test(codes_become_errors),
		cmocka_unit_test(datagram_heads_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
