/* test_http1_body.c - Bodies of responses: framing, every cut, what lies */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/wire/http1_body.h"

/* Framing of a response with these header lines; -EPROTO: refused */
static int framing(const char *first, const char *lines, struct http1_body *b)
{
	char text[512];
	struct http1_head h;

	snprintf(text, sizeof(text), "%s\r\n%s\r\n", first, lines);
	assert_true(http1_response_decode((const uint8_t *)text, strlen(text),
					  &h) > 0);
	return http1_body_begin(&h, b) ? -EPROTO : b->framing;
}

static void the_head_tells_the_framing(void **state)
{
	static const char ok[] = "HTTP/1.1 200 OK";
	static const struct {
		const char *first, *lines;
		int framing;
	} heads[] = {
		{ ok, "Content-Length: 5\r\n", HTTP1_LENGTH },
		{ ok, "Content-Length: 5\r\nContent-Length: 5\r\n",
		  HTTP1_LENGTH },
		{ ok, "Content-Length: 5\r\nContent-Length: 6\r\n", -EPROTO },
		{ ok, "Content-Length: 5, 5\r\n", -EPROTO },
		{ ok, "Content-Length: -5\r\n", -EPROTO },
		{ ok, "Content-Length: +5\r\n", -EPROTO },
		{ ok, "Content-Length: 9999999999999999999\r\n", -EPROTO },
		{ ok, "Transfer-Encoding: chunked\r\n", HTTP1_CHUNKED },
		{ ok, "Transfer-Encoding: gzip, chunked\r\n", -EPROTO },
		{ ok, "Transfer-Encoding: gzip\r\n", -EPROTO },
		{ ok, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		  -EPROTO },
		{ "HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n",
		  -EPROTO },
		{ ok, "", HTTP1_TO_END },
		{ "HTTP/1.1 204 No", "Content-Length: 5\r\n", HTTP1_NONE },
		{ "HTTP/1.1 103 Early", "", HTTP1_NONE },
	};
	struct http1_body b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		if (framing(heads[i].first, heads[i].lines, &b) !=
		    heads[i].framing)
			fail_msg("%s %s", heads[i].first, heads[i].lines);
	assert_int_equal(framing(ok, "Content-Length: 0\r\n", &b),
			 HTTP1_LENGTH);
	assert_true(b.done);
}

/*
 * Read @text cut into pieces of @step bytes. Bytes used in all, with the payload
 * in @out (64 bytes); -EPROTO
 */
static ssize_t read_all(const char *lines, const char *text, size_t step,
			char out[65], bool *done)
{
	struct http1_body b;
	size_t n = strlen(text), at = 0, len = 0, got;

	assert_true(framing("HTTP/1.1 200 OK", lines, &b) >= 0);
	while (at < n && !b.done) {
		size_t k = n - at < step ? n - at : step;
		ssize_t used =
			http1_body_read(&b, (const uint8_t *)text + at, k,
					(uint8_t *)out + len, 64 - len, &got);

		if (used < 0)
			return used;
		len += got;
		at += (size_t)used;
		if ((size_t)used < k)
			break;
	}
	out[len] = '\0';
	*done = b.done;
	return (ssize_t)at;
}

static void chunks_are_put_together_at_every_cut(void **state)
{
	static const char chunked[] = "Transfer-Encoding: chunked\r\n";
	static const char text[] = "3\r\nabc\r\n0A; x=\"y\"\r\n0123456789\r\n"
				   "1 \nz\n0\r\nT: v\r\n\r\nnext";
	char out[65];
	bool done;

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		assert_int_equal(read_all(chunked, text, step, out, &done),
				 sizeof(text) - 5);
		assert_true(done);
		assert_string_equal(out, "abc0123456789z");
	}
	assert_int_equal(read_all(chunked, "3\r\nab", 9, out, &done), 5);
	assert_false(done);
}

static void chunks_that_lie_are_refused(void **state)
{
	static const char chunked[] = "Transfer-Encoding: chunked\r\n";
	static const char *const bad[] = {
		"\r\n",      "x\r\n",         "-1\r\n",   "123456789\r\n",
		"3\r\nabcd", "3\r\nabc\r\rx", ";\r\nabc", "0x3\r\nabc",
	};
	char out[65], longer[HTTP1_TRAILER_MAX + 64];
	bool done;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (size_t step = 1; step < 12; step++)
			if (read_all(chunked, bad[i], step, out, &done) !=
			    -EPROTO)
				fail_msg("%s", bad[i]);
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "1;", 2);
	longer[HTTP1_LINE_MAX + 8] = '\0';
	assert_int_equal(read_all(chunked, longer, 4096, out, &done), -EPROTO);
	longer[HTTP1_LINE_MAX + 8] = 'a';
	memcpy(longer, "0\r\n", 3);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(read_all(chunked, longer, 100000, out, &done),
			 -EPROTO);
}

static void a_length_ends_the_body(void **state)
{
	char out[65], longer[128];
	bool done;

	(void)state;
	for (size_t step = 1; step < 9; step++) {
		assert_int_equal(read_all("Content-Length: 5\r\n", "12345678",
					  step, out, &done),
				 5);
		assert_true(done);
		assert_string_equal(out, "12345");
	}
	assert_int_equal(read_all("", "12345678", 3, out, &done), 8);
	assert_false(done);
	/* no room: it stops there */
	memset(longer, 'a', sizeof(longer));
	longer[127] = '\0';
	assert_int_equal(read_all("", longer, 127, out, &done), 64);
	assert_false(done);
}

static void media_types_are_compared(void **state)
{
	static const struct {
		const char *value;
		bool is;
	} types[] = {
		{ "application/dns-message", true },
		{ "Application/DNS-Message", true },
		{ "application/dns-message; charset=x", true },
		{ "application/dns-message ;x", true },
		{ "application/dns-message2", false },
		{ "application/dns-messag", false },
		{ "text/html", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct http1_text t = { types[i].value,
					strlen(types[i].value) };

		if (http1_is_type(&t, "application/dns-message") != types[i].is)
			fail_msg("%s", types[i].value);
	}
}

static void numbers_are_digits_and_stop_at_the_most(void **state)
{
	static const struct {
		const char *value;
		uint32_t want;
	} v[] = {
		{ "0", 0 },
		{ "300", 300 },
		{ "4294967295", UINT32_MAX },
		{ "4294967296", UINT32_MAX },
		{ "99999999999999999999999999", UINT32_MAX },
		{ "", 0 },
		{ "12x", 0 },
		{ "-1", 0 },
		{ "1.5", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct http1_text t = { v[i].value, strlen(v[i].value) };

		assert_int_equal(http1_number(&t), v[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_tells_the_framing),
		cmocka_unit_test(chunks_are_put_together_at_every_cut),
		cmocka_unit_test(chunks_that_lie_are_refused),
		cmocka_unit_test(a_length_ends_the_body),
		cmocka_unit_test(media_types_are_compared),
		cmocka_unit_test(numbers_are_digits_and_stop_at_the_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
