/* test_jget.c - Typed getters: values, defaults, complaints, suggestions */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/jget.h"
#include "tests/unit/diag_text.h"

static struct diag d;
static struct jobj o;

static int begin(void **state)
{
	(void)state;
	diag_init(&d);
	return 0;
}

static int end(void **state)
{
	(void)state;
	diag_free(&d);
	return 0;
}

/* Open @text as an object in @o, with no complaints so far */
static void open_text(const char *text)
{
	struct jdoc *doc;

	diag_free(&d);
	doc = jdoc_parse(&d, "c", text, strlen(text));
	assert_non_null(doc);
	assert_true(j_open(&o, &d, doc->root));
}

static void assert_says(const char *part)
{
	const char *s = diag_text(&d, false);

	if (!strstr(s, part))
		fail_msg("\"%s\" is not in:\n%s", part, s);
}

static void assert_quiet(void)
{
	assert_string_equal(diag_text(&d, false), "");
}

static void an_absent_object_gives_defaults_and_no_complaint(void **state)
{
	struct port_range r;
	struct jlist l;
	struct addr a;
	int32_t lo, hi;

	(void)state;
	assert_false(j_open(&o, &d, NULL));
	assert_null(j_get(&o, "k"));
	assert_true(j_bool(&o, "k", true));
	assert_int_equal(j_int(&o, "k", 7, 0, 9), 7);
	assert_true(j_num(&o, "k", 0.5, 0, 1) > 0.4);
	assert_string_equal(j_str(&o, "k", "def"), "def");
	assert_null(j_str(&o, "k", NULL));
	assert_null(j_array(&o, "k"));
	assert_int_equal(j_word(&o, "k", NULL, 0, 3), 3);
	j_list(&o, "k", &l);
	assert_false(j_list_next(&o, &l));
	assert_int_equal(j_ports(&o, "k", &r, 1), 0);
	assert_false(j_addr(&o, "k", &a));
	assert_false(j_range(&o, "k", &lo, &hi));
	j_not_yet(&o, "k", "x");
	j_ignore(&o, "k", "x");
	j_close(&o);
	assert_quiet();
	assert_string_equal(j_need_str(&o, "k"), "");
	assert_says("error: k: is missing");
}

static void null_is_absent_and_other_types_are_no_object(void **state)
{
	struct jdoc *doc = jdoc_parse(&d, "c", "[null, 1]", 9);

	(void)state;
	assert_false(j_open(&o, &d, doc->root->child));
	assert_quiet();
	assert_false(j_open(&o, &d, doc->root->child->next));
	assert_says("c:1:8: error: [1]: must be an object, got a number");
	assert_null(j_get(&o, "k"));
}

static void keys_have_no_case_and_the_last_counts(void **state)
{
	(void)state;
	open_text("{\"MTU\": 1, \"mtu\": 2, \"nul\": null}");
	assert_int_equal(j_int(&o, "Mtu", 0, 0, 9), 2);
	assert_null(j_get(&o, "nul"));
	j_close(&o);
	assert_int_equal(d.errors, 0);
	assert_int_equal(d.warnings, 1); /* the pair, nothing unknown */
}

static void values_of_the_right_type_are_given(void **state)
{
	(void)state;
	open_text("{\"t\": true, \"f\": false, \"i\": -5, \"big\": "
		  "9007199254740992, \"n\": 2.5, \"s\": \"x\", \"a\": [1]}");
	assert_true(j_bool(&o, "t", false));
	assert_false(j_bool(&o, "f", true));
	assert_int_equal(j_int(&o, "i", 0, -5, 5), -5);
	assert_true(j_int(&o, "big", 0, 0, INT64_MAX) == 9007199254740992);
	assert_true(j_num(&o, "n", 0, 0, 3) > 2.4);
	assert_string_equal(j_str(&o, "s", ""), "x");
	assert_string_equal(j_need_str(&o, "s"), "x");
	assert_int_equal(cJSON_GetArraySize(j_array(&o, "a")), 1);
	j_close(&o);
	assert_quiet();
}

static void wrong_types_are_told_and_give_the_default(void **state)
{
	(void)state;
	open_text("{\"x\": {}, \"s\": \"\"}");
	assert_true(j_bool(&o, "x", true));
	assert_says("x: must be true or false, got an object");
	assert_int_equal(j_int(&o, "x", 4, 1, 9), 4);
	assert_says("x: must be a number from 1 to 9, got an object");
	assert_true(j_num(&o, "x", 0.5, 0, 1) > 0.4);
	assert_says("x: must be a number from 0 to 1, got an object");
	assert_null(j_str(&o, "x", NULL));
	assert_says("x: must be a string, got an object");
	assert_string_equal(j_need_str(&o, "x"), "");
	assert_string_equal(j_need_str(&o, "s"), "");
	assert_says("s: must not be empty");
	assert_null(j_array(&o, "x"));
	assert_says("x: must be an array, got an object");
	assert_int_equal(d.errors, 7);
}

static void numbers_have_limits_and_are_whole(void **state)
{
	static const struct {
		const char *v, *says;
	} bad[] = {
		{ "0", "must be 1 to 65535, got 0" },
		{ "65536", "must be 1 to 65535, got 65536" },
		{ "-1", "got -1" },
		{ "1.5", "must be a whole number from 1 to 65535, got 1.5" },
		{ "1e300", "got 1e+300" },
		{ "-1e300", "got -1e+300" },
		{ "1e999", "got inf" },
		{ "\"80\"", "must be a number from 1 to 65535, got a string" },
		{ "true", "got true" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "{\"p\": %s}", bad[i].v);
		open_text(text);
		assert_int_equal(j_int(&o, "p", 1080, 1, 65535), 1080);
		assert_says(bad[i].says);
	}
	open_text("{\"p\": 9223372036854775808, \"q\": -9223372036854775808}");
	assert_int_equal(j_int(&o, "p", 1, INT64_MIN, INT64_MAX), 1);
	assert_true(j_int(&o, "q", 1, INT64_MIN, INT64_MAX) == INT64_MIN);
	assert_true(j_num(&o, "p", 0.5, 0, 1) < 0.6);
	assert_says("must be 0 to 1, got 9.22337203685478e+18");
}

static void words_are_found_without_case_or_suggested(void **state)
{
	static const struct jword words[] = { { "tcp", 1 },
					      { "raw", 1 },
					      { "grpc", 2 } };

	(void)state;
	open_text("{\"a\": \"GRPC\", \"b\": \"grcp\", \"c\": 1, \"d\": \"\"}");
	assert_int_equal(j_word(&o, "a", words, 3, 9), 2);
	assert_int_equal(j_word(&o, "d", words, 3, 9), 9);
	assert_quiet();
	assert_int_equal(j_word(&o, "b", words, 3, 9), 9);
	assert_says("b: must be one of tcp, raw, grpc; got \"grcp\"");
	assert_says("help: did you mean \"grpc\"?");
	assert_int_equal(j_word(&o, "c", words, 3, 9), 9);
	assert_says("c: must be a string, got a number");
}

static void unknown_keys_are_warned_about_with_the_nearest(void **state)
{
	(void)state;
	open_text(
		"{\"protocl\": 1,\n\"zzz\": 1,\n\"_comment\": 1,\n\"//\": 1,\n"
		"\"$schema\": 1,\n\"ok\": 1,\n\"Settigns\": 2, \"tg\": 1}");
	j_get(&o, "protocol");
	j_get(&o, "settings");
	j_get(&o, "tag");
	j_get(&o, "ok");
	j_close(&o);
	assert_int_equal(d.errors, 0);
	assert_int_equal(d.warnings, 4);
	assert_says("c:1:2: warning: protocl: unknown key, ignored");
	assert_says("help: did you mean \"protocol\"?");
	assert_says("c:2:1: warning: zzz: unknown key, ignored\n"
		    "    \"zzz\": 1,\n    ^\nc:7:1");
	assert_says("help: did you mean \"settings\"?");
	assert_says("help: did you mean \"tag\"?");
}

static void unknown_conditions_are_refused(void **state)
{
	(void)state;
	open_text("{\"_a\": 1, \"//\": 1, \"Remark\": 1, \"remarks\": 1,\n"
		  "\"comment\": 1, \"domian\": 1, \"domain\": 1,\n"
		  "\"enabled\": false}");
	j_get(&o, "domain");
	j_close(&o);
	assert_int_equal(d.errors, 0);
	assert_int_equal(d.warnings, 2);
	j_close_strict(&o);
	assert_int_equal(d.errors, 2);
	assert_says("c:2:15: error: domian: unknown key, which cannot");
	assert_says("help: did you mean \"domain\"?");
	assert_says("c:3:1: error: enabled: unknown key");
	assert_says("help: a comment's key begins with _ or //");
}

static void objects_of_many_members_and_getters_stay_in_bounds(void **state)
{
	static char text[16000], keys[100][16];
	size_t n = 1;

	(void)state;
	text[0] = '{';
	for (int i = 0; i < 300; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"m%d\":1",
				      i ? "," : "", i);
	text[n++] = '}';
	text[n] = '\0';
	open_text(text);
	for (int i = 0; i < 100; i++) {
		snprintf(keys[i], sizeof(keys[i]), "m%d", i + 200);
		assert_int_equal(j_int(&o, keys[i], 0, 0, 1), 1);
	}
	assert_int_equal(o.asked_count, JOBJ_KEYS);
	j_close(&o);
	assert_int_equal(d.warnings, 200);
	j_close_strict(&o); /* and one for those it cannot look at */
	assert_int_equal(d.errors, 201);
}

static void keys_of_xray_that_do_nothing_here_are_told(void **state)
{
	(void)state;
	open_text("{\"kcp\": {}, \"old\": 1, \"quiet\": 1}");
	j_not_yet(&o, "kcp", "culvert has no mKCP");
	j_ignore(&o, "old", "Xray removed it");
	j_ignore(&o, "quiet", NULL);
	j_close(&o);
	assert_says("error: kcp: not supported: culvert has no mKCP");
	assert_says("warning: old: has no effect: Xray removed it");
	assert_int_equal(d.errors, 1);
	assert_int_equal(d.warnings, 1);
}

static void assert_list(const char *text, const char *want)
{
	char got[256] = "";
	struct jlist l;
	size_t n = 0;

	open_text(text);
	j_list(&o, "l", &l);
	while (j_list_next(&o, &l)) {
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s|", l.text);
		assert_non_null(l.node);
	}
	assert_false(j_list_next(&o, &l));
	assert_string_equal(got, want);
}

static void lists_are_arrays_or_strings_with_commas(void **state)
{
	(void)state;
	assert_list("{\"l\": [\"a\", \"b,c\", \"\"]}", "a|b,c||");
	assert_list("{\"l\": \"a, b ,,c,\"}", "a|b|c|");
	assert_list("{\"l\": \"one\"}", "one|");
	assert_list("{\"l\": \"\"}", "");
	assert_list("{\"l\": []}", "");
	assert_list("{\"l\": null}", "");
	assert_quiet();
	assert_list("{\"l\": [1, \"a\", {}, \"b\"]}", "a|b|");
	assert_says("l[0]: must be a string, got a number");
	assert_says("l[2]: must be a string, got an object");
	assert_list("{\"l\": 5}", "");
	assert_says("l: must be an array of strings, or \"a,b\", got a number");
}

static void a_list_element_too_long_is_told(void **state)
{
	char text[700];
	struct jlist l;

	(void)state;
	snprintf(text, sizeof(text), "{\"l\":\"%0600d,b\"}", 0);
	open_text(text);
	j_list(&o, "l", &l);
	assert_true(j_list_next(&o, &l));
	assert_string_equal(l.text, "b");
	assert_says("l: an element longer than 511 bytes");
}

static void a_list_of_100000_takes_no_time(void **state)
{
	size_t cap = 4u << 20, n;
	char *text = malloc(cap);
	uint32_t start = clock_ms();
	struct jlist l;
	int got = 0;

	(void)state;
	assert_non_null(text);
	n = (size_t)snprintf(text, cap, "{\"l\":[");
	for (int i = 0; i < 100000; i++)
		n += (size_t)snprintf(text + n, cap - n, "%s\"host%d.com\"",
				      i ? "," : "", i);
	snprintf(text + n, cap - n, "]}");
	open_text(text);
	j_list(&o, "l", &l);
	while (j_list_next(&o, &l))
		got++;
	assert_int_equal(got, 100000);
	assert_true(clock_ms() - start < 5000);
	free(text);
}

static unsigned int ports(const char *value, struct port_range *r)
{
	char text[200];

	snprintf(text, sizeof(text), "{\"p\": %s}", value);
	open_text(text);
	return j_ports(&o, "p", r, 3);
}

static void port_sets_are_numbers_lists_and_ranges(void **state)
{
	struct port_range r[3];

	(void)state;
	assert_int_equal(ports("80", r), 1);
	assert_true(r[0].lo == 80 && r[0].hi == 80);
	assert_int_equal(ports("\"0-65535\"", r), 1);
	assert_true(r[0].lo == 0 && r[0].hi == 65535);
	assert_int_equal(ports("\"80, 443 ,1000-2000\"", r), 3);
	assert_true(r[1].lo == 443 && r[2].lo == 1000 && r[2].hi == 2000);
	assert_int_equal(ports("\"\"", r), 0);
	assert_int_equal(ports("null", r), 0);
	setenv("CULVERT_TEST_PORTS", "53,853", 1);
	assert_int_equal(ports("\"env:CULVERT_TEST_PORTS\"", r), 2);
	assert_true(r[1].hi == 853);
	setenv("CULVERT_TEST_PORTS", "5300-5310", 1);
	assert_int_equal(ports("\"80, env:CULVERT_TEST_PORTS ,90\"", r), 3);
	assert_true(r[1].lo == 5300 && r[1].hi == 5310 && r[2].lo == 90);
	assert_quiet();
}

static void wrong_port_sets_are_told(void **state)
{
	static const struct {
		const char *v, *says;
	} bad[] = {
		{ "65536", "must be 0 to 65535, got 65536" },
		{ "\"65536\"", "up to 65535; \"65536\" is none" },
		{ "\"80,x\"", "\"x\" is none" },
		{ "\"2000-1000\"", "\"2000-1000\" is none" },
		{ "\"-5\"", "\"-5\" is none" },
		{ "\"5-\"", "\"5-\" is none" },
		{ "\"99999999999\"", "\"99999999999\" is none" },
		{ "\"1-2-3\"", "\"1-2-3\" is none" },
		{ "\"1,2,3,4\"", "more than 3 port ranges" },
		{ "[80]", "must be a port, or \"80,443,1000-2000\", got an" },
		{ "\"env:CULVERT_TEST_NONE\"",
		  "the environment variable CULVERT_TEST_NONE is not set" },
	};
	struct port_range r[3];

	(void)state;
	unsetenv("CULVERT_TEST_NONE");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ports(bad[i].v, r), 0);
		assert_says(bad[i].says);
		assert_int_equal(d.errors, 1);
	}
}

static bool address(const char *value, struct addr *a)
{
	char text[400];

	snprintf(text, sizeof(text), "{\"a\": %s}", value);
	open_text(text);
	return j_addr(&o, "a", a);
}

static void addresses_are_literals_or_clean_names(void **state)
{
	static const struct {
		const char *v, *want;
	} good[] = {
		{ "\"1.2.3.4\"", "1.2.3.4" },
		{ "\"::1\"", "::1" },
		{ "\"[2001:db8::1]\"", "2001:db8::1" },
		{ "\"WWW.Example.com.\"", "www.example.com" },
		{ "\"env:CULVERT_TEST_ADDR\"",
		  "a-name-that-is-longer-than-the-text-in-the-file.example" },
	};
	char buf[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	setenv("CULVERT_TEST_ADDR",
	       "A-name-that-is-longer-than-the-text-in-the-file.EXAMPLE", 1);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(address(good[i].v, &a));
		assert_string_equal(addr_format_host(&a, buf, sizeof(buf)),
				    good[i].want);
		if (a.kind == ADDR_NAME)
			assert_int_equal(a.name[a.len], 0);
		assert_quiet();
	}
	assert_false(address("\"\"", &a));
	assert_false(address("null", &a));
	assert_quiet();
}

static void wrong_addresses_are_told(void **state)
{
	struct addr a = { .kind = 77 };

	(void)state;
	assert_false(address("\"a b\"", &a));
	assert_says("a: must be an IP address or a host name, got \"a b\"");
	assert_false(address("\"[1.2.3.4]\"", &a));
	assert_false(address("\"\xc3\xa4.com\"", &a));
	assert_says("help: write an international name in its ASCII form");
	assert_false(address("80", &a));
	assert_says("must be an IP address or a host name, got a number");
	assert_int_equal(a.kind, 77);
}

static void ranges_are_numbers_or_pairs_in_either_order(void **state)
{
	static const struct {
		const char *v;
		int32_t lo, hi;
	} good[] = {
		{ "5", 5, 5 },
		{ "-7", -7, -7 },
		{ "\"5\"", 5, 5 },
		{ "\"5-10\"", 5, 10 },
		{ "\"10-5\"", 5, 10 },
		{ "\"-5--10\"", -10, -5 },
		{ "\"-5-5\"", -5, 5 },
		{ "\"\"", 0, 0 },
		{ "\"-2147483648-2147483647\"", INT32_MIN, INT32_MAX },
	};
	static const char *const bad[] = {
		"\"x\"",     "\"5-\"",         "\"5-x\"", "\"5 \"", "\"--5\"",
		"\"1-2-3\"", "\"2147483648\"", "1.5",     "[]",     "2147483648"
	};
	int32_t lo = 1, hi = 2;
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "{\"r\": %s}", good[i].v);
		open_text(text);
		assert_true(j_range(&o, "r", &lo, &hi));
		assert_int_equal(lo, good[i].lo);
		assert_int_equal(hi, good[i].hi);
		assert_quiet();
	}
	lo = hi = 77;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "{\"r\": %s}", bad[i]);
		open_text(text);
		assert_false(j_range(&o, "r", &lo, &hi));
		assert_int_equal(d.errors, 1);
		assert_int_equal(lo, 77);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_absent_object_gives_defaults_and_no_complaint),
		T(null_is_absent_and_other_types_are_no_object),
		T(keys_have_no_case_and_the_last_counts),
		T(values_of_the_right_type_are_given),
		T(wrong_types_are_told_and_give_the_default),
		T(numbers_have_limits_and_are_whole),
		T(words_are_found_without_case_or_suggested),
		T(unknown_keys_are_warned_about_with_the_nearest),
		T(unknown_conditions_are_refused),
		T(objects_of_many_members_and_getters_stay_in_bounds),
		T(keys_of_xray_that_do_nothing_here_are_told),
		T(lists_are_arrays_or_strings_with_commas),
		T(a_list_element_too_long_is_told),
		T(a_list_of_100000_takes_no_time),
		T(port_sets_are_numbers_lists_and_ranges),
		T(wrong_port_sets_are_told),
		T(addresses_are_literals_or_clean_names),
		T(wrong_addresses_are_told),
		T(ranges_are_numbers_or_pairs_in_either_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
