/* test_url_path.c - Paths and queries of requests */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "proxy/wire/url_path.h"

static int path(const char *text, struct url_path *p)
{
	return url_path_decode(text, strlen(text), p);
}

static void segments_are_decoded(void **state)
{
	struct url_path p;

	(void)state;
	assert_int_equal(path("/proxies/way%20a%2Fb/delay?timeout=5", &p), 0);
	assert_int_equal(p.count, 3);
	assert_string_equal(p.seg[0], "proxies");
	assert_string_equal(p.seg[1], "way a/b");
	assert_string_equal(p.seg[2], "delay");
	assert_int_equal(p.query_len, 9);
	assert_memory_equal(p.query, "timeout=5", 9);
}

static void empty_segments_do_not_count(void **state)
{
	struct url_path p;

	(void)state;
	assert_int_equal(path("/", &p), 0);
	assert_int_equal(p.count, 0);
	assert_int_equal(p.query_len, 0);
	assert_int_equal(path("//ui///", &p), 0);
	assert_int_equal(p.count, 1);
	assert_string_equal(p.seg[0], "ui");
}

static void what_is_no_path_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "*", "http://a/", "/%", "/%4", "/%zz", "/a%00b",
	};
	struct url_path p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(path(bad[i], &p), -EINVAL);
	assert_int_equal(url_path_decode("/a\0b", 4, &p), -EINVAL);
}

static void too_much_is_refused(void **state)
{
	char text[2 * URL_PATH_MAX];
	struct url_path p;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	assert_int_equal(url_path_decode(text, sizeof(text), &p), -ENOBUFS);
	assert_int_equal(url_path_decode(text, URL_PATH_MAX, &p), 0);
	assert_int_equal(strlen(p.seg[0]), URL_PATH_MAX - 1);
	assert_int_equal(url_path_decode(text, URL_PATH_MAX + 1, &p), -ENOBUFS);
	for (size_t i = 0; i < 2 * (URL_SEGS_MAX + 1); i += 2)
		text[i] = '/';
	assert_int_equal(url_path_decode(text, 2 * URL_SEGS_MAX, &p), 0);
	assert_int_equal(p.count, URL_SEGS_MAX);
	assert_int_equal(url_path_decode(text, 2 * URL_SEGS_MAX + 2, &p),
			 -ENOBUFS);
}

static void values_are_found_by_their_whole_name(void **state)
{
	static const char q[] = "xtoken=0&token=a+b%26c&token=2&empty=&last";
	char out[16];

	(void)state;
	assert_int_equal(url_query_get(q, strlen(q), "token", out, 16), 5);
	assert_string_equal(out, "a b&c");
	assert_int_equal(url_query_get(q, strlen(q), "empty", out, 16), 0);
	assert_string_equal(out, "");
	assert_int_equal(url_query_get(q, strlen(q), "last", out, 16), -ENOENT);
	assert_int_equal(url_query_get(q, strlen(q), "oken", out, 16), -ENOENT);
	assert_int_equal(url_query_get("", 0, "a", out, 16), -ENOENT);
	assert_int_equal(url_query_get("a=%4", 4, "a", out, 16), -EINVAL);
	assert_int_equal(url_query_get("a=1234", 6, "a", out, 4), -ENOBUFS);
	assert_int_equal(url_query_get("a=123", 5, "a", out, 4), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_decoded),
		cmocka_unit_test(empty_segments_do_not_count),
		cmocka_unit_test(what_is_no_path_is_refused),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(values_are_found_by_their_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
