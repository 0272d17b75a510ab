/* test_jscan.c - Comments, grammar, and the place of each complaint */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/jscan.h"
#include "tests/unit/alloc_fail.h"

static void comments_become_spaces_of_the_same_length(void **state)
{
	static const struct {
		const char *in, *out;
	} v[] = {
		{ "1 // x\n2", "1     \n2" },
		{ "1 # x\n2", "1    \n2" },
		{ "1 /* a\n b */ 2", "1     \n      2" },
		{ "/**/1", "    1" },
		{ "/***/1", "     1" },
		{ "/*/ */1", "      1" },
		{ "\"// # /* */\" // \"", "\"// # /* */\"     " },
		{ "\"a\\\"//b\"//c", "\"a\\\"//b\"   " },
		{ "\"open // x\n// y", "\"open // x\n    " },
		{ "\"a\\\\\"//b", "\"a\\\\\"   " },
		{ "1 / 2", "1 / 2" },
		{ "// it's \"", "         " },
		{ "/", "/" },
		{ "", "" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		size_t n = strlen(v[i].in);

		memcpy(buf, v[i].in, n + 1);
		assert_int_equal(jscan_strip(buf, n), n);
		assert_string_equal(buf, v[i].out);
	}
}

static void a_comment_without_end_is_told(void **state)
{
	static const char *const v[] = { "1 /*", "1 /* x", "1 /*\n*", "1 /*/" };
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		snprintf(buf, sizeof(buf), "%s", v[i]);
		assert_int_equal(jscan_strip(buf, strlen(v[i])), 2);
	}
}

static int scan(struct jscan *sc, const char *s)
{
	size_t n = strlen(s);
	char *copy = malloc(n + 1); /* so that ASan sees the end */
	int err;

	assert_non_null(copy);
	memcpy(copy, s, n);
	copy = realloc(copy, n ? n : 1);
	assert_non_null(copy);
	err = jscan_run(sc, copy, n, 8);
	sc->s = NULL;
	free(copy);
	return err;
}

static void good_texts_end_behind_their_first_value(void **state)
{
	static const struct {
		const char *s;
		size_t end;
		uint32_t values;
	} v[] = {
		{ "{}", 2, 1 },
		{ "[]", 2, 1 },
		{ " [ ] x", 4, 1 },
		{ "{\"a\":1,\"b\":[true,false,null]}", 29, 6 },
		{ "[1,-1,0,0.5,1e9,1E+9,-1.25e-3]", 30, 8 },
		{ "\"\\u00e9\\ud83d\\ude00\\n\\\\\\/\\\"\"", 28, 1 },
		{ "[[[[[[[[]]]]]]]]", 16, 8 },
		{ "null}", 4, 1 },
		{ "12 ", 2, 1 },
		{ "\"\xc3\xa4\xff\"", 5, 1 },
	};
	struct jscan sc;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		if (scan(&sc, v[i].s))
			fail_msg("%s: %s", v[i].s, sc.err);
		assert_int_equal(sc.pos, v[i].end);
		assert_int_equal(sc.count, v[i].values);
		free(sc.marks);
	}
}

static void bad_texts_are_told_where_and_what(void **state)
{
	static const struct {
		const char *s;
		size_t off;
		const char *err, *help;
	} v[] = {
		{ "", 0, "no JSON value", "" },
		{ "  \n", 3, "no JSON value", "" },
		{ "{\"a\":1,}", 6, "a comma after the last element, before '}'",
		  "remove" },
		{ "[1, ]", 2, "comma after the last element", "remove" },
		{ "[,1]", 1, "expected a value, got ','", "" },
		{ "{,}", 1, "expected a key in double quotes, got ','", "" },
		{ "{\"a\" 1}", 5, "expected ':' after the key, got '1'", "" },
		{ "{\"a\"", 1, "expected ':' after the key, got the end", "" },
		{ "{\"a\":", 5, "object that begins in line 1: '}' is missing",
		  "" },
		{ "\n{\"a\":\n[1\n", 9, "array that begins in line 3: ']'",
		  "" },
		{ "{", 1, "'}' is missing", "" },
		{ "{\"a\":1,", 7, "'}' is missing", "" },
		{ "{a:1}", 1, "expected a key in double quotes, got 'a'",
		  "double quotes" },
		{ "{'a':1}", 1, "double quotes", "double quotes" },
		{ "['a']", 1, "not single ones", "\"text\"" },
		{ "[1 2]", 2, "a comma is missing here: '2' follows", "" },
		{ "{\"a\":1\n\"b\":2}", 6, "a comma is missing", "" },
		{ "[1}", 2, "expected ',' or ']', got '}'", "" },
		{ "{\"a\":1]", 6, "expected ',' or '}', got ']'", "" },
		{ "[True]", 1, "got 'True'", "true in lower case" },
		{ "[NULL]", 1, "got 'NULL'", "null in lower case" },
		{ "[nul]", 1, "got 'nul'", "double quotes" },
		{ "[nullx]", 1, "got 'nullx'", "" },
		{ "[01]", 1, "not a number", "" },
		{ "[1.]", 1, "not a number", "" },
		{ "[.5]", 1, "expected a value, got '.'", "" },
		{ "[+1]", 1, "expected a value, got '+'", "" },
		{ "[-]", 1, "not a number", "" },
		{ "[1e]", 1, "not a number", "" },
		{ "[1.2.3.4]", 1, "not a number", "double quotes" },
		{ "[10m]", 1, "not a number", "double quotes" },
		{ "[0x10]", 1, "not a number", "" },
		{ "[\"abc\n\"]", 1, "no closing '\"'", "" },
		{ "[\"abc", 1, "no closing '\"'", "" },
		{ "[\"a\tb\"]", 3, "control character 0x09", "\\t" },
		{ "[\"C:\\Users\"]", 4, "a backslash", "\\\\" },
		{ "[\"\\u12g4\"]", 2, "four hex digits", "" },
		{ "[\"\\u12", 2, "four hex digits", "" },
		{ "[\"\\u0000\"]", 2, "\\u0000", "" },
		{ "[\"\\ud83d\"]", 2, "surrogate", "" },
		{ "[\"\\ud83d\\u0041\"]", 2, "surrogate", "" },
		{ "[\"\\ude00\"]", 2, "surrogate", "" },
		{ "[[[[[[[[[]]]]]]]]]", 8, "deeper than 8", "" },
		{ "[\x01]", 1, "byte 0x01", "" },
		{ "[1111111111111111111111111111111111111111111111111111111111"
		  "111]",
		  1, "more than 60 digits", "" },
	};
	struct jscan sc;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		assert_int_equal(scan(&sc, v[i].s), -EPROTO);
		if (sc.err_off != v[i].off || !strstr(sc.err, v[i].err) ||
		    !strstr(sc.help, v[i].help))
			fail_msg("%s: at %zu: %s (%s)", v[i].s, sc.err_off,
				 sc.err, sc.help);
		free(sc.marks);
	}
}

static void every_truncation_is_an_error(void **state)
{
	static const char text[] = "{\"k\\u00e9\":[1.5e3,{\"x\":null},\"s\"],"
				   "\"m\":{\"n\":[[],{},true]}}";
	char part[sizeof(text)];
	struct jscan sc;

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		memcpy(part, text, n);
		part[n] = '\0';
		assert_int_equal(scan(&sc, part), -EPROTO);
		assert_true(sc.err_off <= n);
		free(sc.marks);
	}
	assert_int_equal(scan(&sc, text), 0);
	free(sc.marks);
}

static void marks_know_place_key_parent_and_index(void **state)
{
	static const char text[] = "{ \"a\": [10, {\"b\":1}], \"c\" : 2 }";
	static const struct jmark want[] = {
		{ 0, JSCAN_NONE, JSCAN_NONE, 0, 2 },
		{ 7, 2, 0, 0, 2 },
		{ 8, JSCAN_NONE, 1, 0, 0 },
		{ 12, JSCAN_NONE, 1, 1, 1 },
		{ 17, 13, 3, 0, 0 },
		{ 28, 22, 0, 1, 0 },
	};
	struct jscan sc;

	(void)state;
	assert_int_equal(scan(&sc, text), 0);
	assert_int_equal(sc.count, ARRAY_SIZE(want));
	assert_memory_equal(sc.marks, want, sizeof(want));
	free(sc.marks);
}

static void too_many_values_are_refused(void **state)
{
	size_t n = JSCAN_MAX_VALUES;
	char *s = malloc(2 * n + 2);
	struct jscan sc;

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < n; i++)
		memcpy(s + 2 * i, i ? ",1" : "[1", 2);
	s[2 * n] = ']';
	assert_int_equal(jscan_run(&sc, s, 2 * n + 1, 8), -EPROTO);
	assert_non_null(strstr(sc.err, "more than 1048576 values"));
	free(sc.marks);
	free(s);
}

static void out_of_memory_is_enomem(void **state)
{
	struct jscan sc;

	(void)state;
	alloc_fail_at(1);
	assert_int_equal(jscan_run(&sc, "[1]", 3, 8), -ENOMEM);
	assert_true(alloc_fail_hit());
	free(sc.marks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comments_become_spaces_of_the_same_length),
		cmocka_unit_test(a_comment_without_end_is_told),
		cmocka_unit_test(good_texts_end_behind_their_first_value),
		cmocka_unit_test(bad_texts_are_told_where_and_what),
		cmocka_unit_test(every_truncation_is_an_error),
		cmocka_unit_test(marks_know_place_key_parent_and_index),
		cmocka_unit_test(too_many_values_are_refused),
		cmocka_unit_test(out_of_memory_is_enomem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
