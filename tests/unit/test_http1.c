/* test_http1.c - HTTP/1 heads: every cut, limits, authorities, CONNECT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/http1.h"

static ssize_t response(const char *text, struct http1_head *h)
{
	return http1_response_decode((const uint8_t *)text, strlen(text), h);
}

static ssize_t request(const char *text, struct http1_head *h)
{
	return http1_request_decode((const uint8_t *)text, strlen(text), h);
}

static void a_response_is_read_with_its_headers(void **state)
{
	static const char text[] =
		"HTTP/1.1 101 Switching Protocols\r\n"
		"Upgrade: websocket\r\nConnection: keep-alive ,  UPGRADE\r\n"
		"Empty:\r\nX: a:b\r\n\r\nrest";
	struct http1_text v;
	struct http1_head h;

	(void)state;
	for (size_t cut = 0; cut < sizeof(text) - 5; cut++)
		assert_int_equal(
			http1_response_decode((const uint8_t *)text, cut, &h),
			0);
	assert_int_equal(response(text, &h), sizeof(text) - 5);
	assert_int_equal(h.status, 101);
	assert_int_equal(h.minor, 1);
	assert_true(http1_is(&h.reason, "Switching Protocols"));
	assert_true(http1_header(&h, "UPGRADE", &v));
	assert_true(http1_is(&v, "websocket"));
	assert_true(http1_header(&h, "empty", &v));
	assert_int_equal(v.n, 0);
	assert_true(http1_header(&h, "x", &v));
	assert_true(http1_is(&v, "a:b"));
	assert_false(http1_header(&h, "rest", &v));
	assert_true(http1_has_token(&h, "connection", "upgrade"));
	assert_true(http1_has_token(&h, "connection", "keep-alive"));
	assert_false(http1_has_token(&h, "connection", "close"));
	assert_int_equal(response("HTTP/1.0 200\n\n", &h), 14);
	assert_int_equal(h.reason.n, 0);
}

static void a_head_is_gathered_from_pieces(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
	static struct http1_gather g;
	const size_t head = sizeof(text) - 5;
	struct http1_text v;
	struct http1_head h;
	bool whole;

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		size_t at = 0;

		for (whole = false; !whole;) {
			size_t left = sizeof(text) - 1 - at;
			ssize_t n = http1_gather(&g, (const uint8_t *)text + at,
						 left < step ? left : step, &h,
						 &whole);

			assert_true(n > 0);
			at += (size_t)n;
		}
		assert_int_equal(at, head); /* nothing of the body */
		assert_int_equal(g.len, 0); /* the next one may begin */
		assert_true(http1_header(&h, "a", &v) && http1_is(&v, "b"));
	}
}

static void a_head_that_does_not_end_is_not_gathered(void **state)
{
	static struct http1_gather g;
	struct http1_head h;
	uint8_t piece[1000];
	bool whole = false;
	ssize_t n = 1;
	size_t sum;

	(void)state;
	memset(piece, 'a', sizeof(piece));
	memcpy(piece, "HTTP/1.1 200 ", 13);
	for (sum = 0; n > 0 && !whole; sum += sizeof(piece)) {
		n = http1_gather(&g, piece, sizeof(piece), &h, &whole);
		memset(piece, 'a', 13);
	}
	assert_int_equal(n, -EPROTO);
	assert_false(whole);
	assert_in_range(sum, HTTP1_HEAD_MAX, HTTP1_HEAD_MAX + sizeof(piece));
}

static void a_request_is_read(void **state)
{
	static const char text[] =
		"CONNECT a.b:443 HTTP/1.1\r\nHost: a.b\r\n\r\n";
	struct http1_head h;

	(void)state;
	for (size_t cut = 0; cut < sizeof(text) - 1; cut++)
		assert_int_equal(
			http1_request_decode((const uint8_t *)text, cut, &h),
			0);
	assert_int_equal(request(text, &h), sizeof(text) - 1);
	assert_int_equal(h.status, 0);
	assert_true(http1_is(&h.method, "CONNECT"));
	assert_true(http1_is(&h.target, "a.b:443"));
}

static void what_is_not_http_or_ambiguous_is_refused(void **state)
{
	static const char *const bad_response[] = {
		"SSH-2.0-x",
		"HTTP/2 200\r\n",
		"HTTP/1.1 20 OK\r\n",
		"HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 0x0 OK\r\n",
		"HTTP/1.1 099 OK\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n",
		"HTTP/1.1 200 OK\r\nA : b\r\n",
		"HTTP/1.1 200 OK\r\n: b\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded: c\r\n",
		"HTTP/1.1 200 OK\r\nA: b\x01\r\n",
	};
	static const char *const bad_request[] = {
		"\x16\x03\x01",
		"\x05\x01",
		"GET /\r\n",
		"GET  / HTTP/1.1\r\n",
		"GET / HTTP/1.1 \r\n",
		"GET / HTTP/2.0\r\n",
		"G@T / HTTP/1.1",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLM",
	};
	struct http1_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_response); i++)
		if (response(bad_response[i], &h) != -EPROTO)
			fail_msg("%s", bad_response[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad_request); i++)
		if (request(bad_request[i], &h) != -EPROTO)
			fail_msg("%s", bad_request[i]);
}

static void heads_without_end_are_refused_at_the_limits(void **state)
{
	static char big[HTTP1_HEAD_MAX + 10];
	struct http1_head h;
	size_t n;

	(void)state;
	n = (size_t)sprintf(big, "HTTP/1.1 200 OK\r\nA: ");
	memset(big + n, 'a', sizeof(big) - n);
	assert_int_equal(
		http1_response_decode((uint8_t *)big, HTTP1_HEAD_MAX - 1, &h),
		0);
	assert_int_equal(
		http1_response_decode((uint8_t *)big, HTTP1_HEAD_MAX, &h),
		-EPROTO);
	n = 17;
	for (int i = 0; i <= HTTP1_HEADERS_MAX; i++)
		n += (size_t)sprintf(big + n, "A: b\r\n");
	assert_int_equal(http1_response_decode((uint8_t *)big, n, &h), -EPROTO);
	assert_int_equal(http1_response_decode((uint8_t *)big, n - 6, &h), 0);
	/* a body behind a complete head may be of any size */
	memset(big, 'a', sizeof(big));
	memcpy(big, "HTTP/1.1 200 OK\r\n\r\n", 19);
	assert_int_equal(http1_response_decode((uint8_t *)big, sizeof(big), &h),
			 19);
}

static void authorities_are_read(void **state)
{
	static const struct {
		const char *text, *want;
	} v[] = {
		{ "a.b", "a.b:80" },
		{ "A.b:443", "a.b:443" },
		{ "1.2.3.4:1", "1.2.3.4:1" },
		{ "[::1]", "[::1]:80" },
		{ "[::1]:65535", "[::1]:65535" },
		{ "", NULL },
		{ ":80", NULL },
		{ "a.b:", NULL },
		{ "a.b:x", NULL },
		{ "a.b:65536", NULL },
		{ "a.b:000080", NULL },
		{ "[::1", NULL },
		{ "[::1]x", NULL },
		{ "a b", NULL },
		{ "::1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct http1_text t = { v[i].text, strlen(v[i].text) };
		char name[256], text[ADDR_TEXT_MAX];
		struct addr a;
		int err = http1_authority(&t, 80, &a, name);

		if (err != (v[i].want ? 0 : -EPROTO))
			fail_msg("%s: %d", v[i].text, err);
		if (v[i].want)
			assert_string_equal(addr_format(&a, text, sizeof(text)),
					    v[i].want);
	}
}

static void connect_requests_have_their_layout(void **state)
{
	static const char want[] =
		"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"
		"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
		"Proxy-Connection: Keep-Alive\r\nX: y\r\n\r\n";
	struct addr to = addr_v6("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 443);
	struct http1_connect c = { &to, "Aladdin", "open sesame", "X: y\r\n" };
	struct http1_text auth;
	struct http1_head h;
	uint8_t out[512];
	size_t n = sizeof(want) - 1;

	(void)state;
	assert_int_equal(http1_connect_encode(&c, out, n), n);
	assert_memory_equal(out, want, n);
	assert_int_equal(http1_connect_encode(&c, out, n - 1), -ENOBUFS);
	assert_int_equal(http1_request_decode(out, n, &h), n);
	assert_true(http1_header(&h, "proxy-authorization", &auth));
	assert_true(http1_basic_auth(&auth, "Aladdin", "open sesame"));
	assert_false(http1_basic_auth(&auth, "Aladdin", "open sesamE"));
	assert_false(http1_basic_auth(&auth, "Aladdin", ""));
	c.user = NULL;
	c.extra = NULL;
	assert_int_equal(http1_connect_encode(&c, out, sizeof(out)),
			 strlen("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443"
				"\r\nProxy-Connection: Keep-Alive\r\n\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_response_is_read_with_its_headers),
		cmocka_unit_test(a_head_is_gathered_from_pieces),
		cmocka_unit_test(a_head_that_does_not_end_is_not_gathered),
		cmocka_unit_test(a_request_is_read),
		cmocka_unit_test(what_is_not_http_or_ambiguous_is_refused),
		cmocka_unit_test(heads_without_end_are_refused_at_the_limits),
		cmocka_unit_test(authorities_are_read),
		cmocka_unit_test(connect_requests_have_their_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
