/* test_http_get.c - Answers to a GET: every cut, too long, cut short, redirects */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/wire/http_get.h"

static struct http_get get;

/*
 * @text in pieces of @step, the body into @out (of 64 bytes, by @room each time). 0 the
 * end is there, 1 more is wanted, -errno
 */
static int feed(const char *text, size_t step, size_t room, char *out)
{
	size_t n = strlen(text), at = 0, len = 0, got;
	ssize_t used;

	while (at < n && !get.done) {
		size_t k = n - at < step ? n - at : step;
		size_t most = 63 - len < room ? 63 - len : room;

		used = http_get_take(&get, (const uint8_t *)text + at, k,
				     (uint8_t *)out + len, most, &got);
		if (used < 0)
			return (int)used;
		assert_true((size_t)used <= k && got <= most);
		assert_true(used || got || get.done);
		at += (size_t)used;
		len += got;
	}
	out[len] = '\0';
	return get.done ? 0 : 1;
}

static int all(const char *text, uint64_t max, char *out)
{
	http_get_begin(&get, max);
	return feed(text, strlen(text), 64, out);
}

static void the_request_asks_for_one_file(void **state)
{
	struct https_url u = { .host = "::1", .port = 444, .path = "/x?y" };
	char text[512];
	int n;

	(void)state;
	n = http_get_request(&u, "", text, sizeof(text));
	assert_int_equal(n, strlen(text));
	assert_memory_equal(text, "GET /x?y HTTP/1.1\r\nHost: [::1]:444\r\n",
			    36);
	assert_null(strstr(text, "If-None-Match"));
	assert_string_equal(text + n - 4, "\r\n\r\n");
	n = http_get_request(&u, "W/\"a\"", text, sizeof(text));
	assert_non_null(strstr(text, "\r\nIf-None-Match: W/\"a\"\r\n"));
	assert_int_equal(http_get_request(&u, "", text, (size_t)n / 2),
			 -ENOBUFS);
}

static void bodies_come_whole_in_any_pieces(void **state)
{
	static const char *const texts[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nETag: \"e\"\r\n\r\n"
		"hello world",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
		"Transfer-Encoding: chunked\r\neTag:  \"e\" \r\n\r\n"
		"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n",
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t step = 1; step < 120; step++) {
			http_get_begin(&get, 11);
			assert_int_equal(
				feed(texts[i], step, 1 + step % 5, out), 0);
			assert_string_equal(out, "hello world");
			assert_int_equal(get.status, 200);
			assert_int_equal(get.size, 11);
			assert_string_equal(get.etag, "\"e\"");
			assert_int_equal(http_get_end(&get), 0);
		}
	}
}

static void what_ends_early_is_cut_short(void **state)
{
	static const char text[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n0\r\n\r\n";
	char part[sizeof(text)], out[64];

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		memcpy(part, text, n);
		part[n] = '\0';
		assert_int_equal(all(part, 100, out), 1);
		assert_int_equal(http_get_end(&get), -ECONNRESET);
	}
	assert_int_equal(
		all("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345678", 100,
		    out),
		1);
	assert_int_equal(http_get_end(&get), -ECONNRESET);
}

static void without_a_length_the_end_is_the_end(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(all("HTTP/1.0 200 OK\r\n\r\nabc", 3, out), 1);
	assert_string_equal(out, "abc");
	assert_int_equal(http_get_end(&get), 0);
	assert_true(get.done);
}

static void more_than_allowed_is_refused(void **state)
{
	char out[64];

	(void)state;
	/* at once, when the head says so */
	assert_int_equal(
		all("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", 3, out),
		-EMSGSIZE);
	assert_int_equal(all("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
			     "\r\n2\r\nab\r\n2\r\ncd\r\n",
			     3, out),
			 -EMSGSIZE);
	assert_int_equal(all("HTTP/1.1 200 OK\r\n\r\nabcd", 3, out), -EMSGSIZE);
}

static void other_answers_end_with_their_head(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(all("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n"
			     "\r\nnot there",
			     100, out),
			 0);
	assert_int_equal(get.status, 404);
	assert_string_equal(out, "");
	assert_false(http_get_redirects(&get));
	assert_int_equal(all("HTTP/1.1 304 Not Modified\r\n\r\n", 100, out), 0);
	assert_int_equal(get.status, 304);
	assert_int_equal(
		all("HTTP/1.1 302 Found\r\nLocation: /y\r\n\r\n", 100, out), 0);
	assert_true(http_get_redirects(&get));
	assert_string_equal(get.location, "/y");
	assert_int_equal(all("HTTP/1.1 302 Found\r\n\r\n", 100, out), -EPROTO);
}

static void no_http_is_refused(void **state)
{
	static char lengthy[HTTP1_HEAD_MAX + 8];
	char out[64];

	(void)state;
	assert_int_equal(all("SSH-2.0-x\r\n", 100, out), -EPROTO);
	assert_int_equal(all("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
			     "Content-Length: 2\r\n\r\n",
			     100, out),
			 -EPROTO);
	assert_int_equal(all("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
			     "\r\nx\r\n",
			     100, out),
			 -EPROTO);
	memset(lengthy, 'a', sizeof(lengthy) - 1);
	memcpy(lengthy, "HTTP/1.1 200 OK\r\nA: ", 20);
	assert_int_equal(all(lengthy, 100, out), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_asks_for_one_file),
		cmocka_unit_test(bodies_come_whole_in_any_pieces),
		cmocka_unit_test(what_ends_early_is_cut_short),
		cmocka_unit_test(without_a_length_the_end_is_the_end),
		cmocka_unit_test(more_than_allowed_is_refused),
		cmocka_unit_test(other_answers_end_with_their_head),
		cmocka_unit_test(no_http_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
