/* test_dommap.c - Domain patterns: each kind, many at once, hostile ones */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/core/match.h"
#include "gateway/route/dommap.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/dat.h"

static void add(struct dommap *m, const char *pattern, uint32_t id)
{
	char err[128];

	if (dommap_add(m, pattern, DOM_PLAIN_SUBSTRING, id, err) < 0)
		fail_msg("%s: %s", pattern, err);
}

static size_t find(const struct dommap *m, const char *name, uint32_t ids[8])
{
	return dommap_find(m, name, strlen(name), ids, 8);
}

static void assert_ids(const struct dommap *m, const char *name, size_t n,
		       const uint32_t *want)
{
	uint32_t ids[8];

	assert_int_equal(find(m, name, ids), n);
	assert_memory_equal(ids, want, n * sizeof(*want));
	assert_int_equal(dommap_has(m, name, strlen(name)), n != 0);
}

#define IS(m, name, ...) \
	assert_ids(m, name, \
		   sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), \
		   (uint32_t[]){ __VA_ARGS__ })
#define NONE(m, name) assert_ids(m, name, 0, (uint32_t[]){ 0 })

static void each_kind_matches_what_it_says(void **state)
{
	struct dommap *m = dommap_new();

	(void)state;
	add(m, "domain:example.com", 1);
	add(m, "full:www.example.org", 2);
	add(m, "keyword:track", 3);
	add(m, "ads", 4);
	add(m, "regexp:^v[0-9]+\\.cdn\\.", 5);
	add(m, "dotless:", 6);
	add(m, "dotless:nas", 7);
	assert_int_equal(dommap_count(m), 7);
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "example.com", 1);
	IS(m, "a.b.example.com", 1);
	NONE(m, "badexample.com");
	NONE(m, "example.com.cn");
	IS(m, "www.example.org", 2);
	NONE(m, "a.www.example.org");
	NONE(m, "example.org");
	IS(m, "x.tracker.net", 3);
	IS(m, "myads.net", 4);
	IS(m, "ads.tracker.example.com", 1, 3, 4);
	IS(m, "v12.cdn.net", 5);
	NONE(m, "av12.cdn.net");
	IS(m, "router", 6);
	IS(m, "mynas1", 6, 7);
	NONE(m, "nas.lan");
	NONE(m, "");
	dommap_free(m);
}

static void plain_means_what_the_caller_says(void **state)
{
	struct dommap *m = dommap_new();
	char err[128];

	(void)state;
	assert_int_equal(dommap_add(m, "a.b", DOM_PLAIN_FULL, 1, err), 0);
	assert_int_equal(dommap_add(m, "c.d", DOM_PLAIN_SUBSTRING, 2, err), 0);
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "a.b", 1);
	NONE(m, "x.a.b");
	IS(m, "xc.dx", 2);
	dommap_free(m);
}

static void patterns_are_read_without_case_and_final_dot(void **state)
{
	struct dommap *m = dommap_new();

	(void)state;
	add(m, "domain:Example.COM.", 1);
	add(m, "KeyWord", 2);
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "www.example.com", 1);
	IS(m, "xkeywordx", 2);
	dommap_free(m);
}

static void one_name_gives_all_ids_ascending_once(void **state)
{
	struct dommap *m = dommap_new();
	uint32_t ids[3];

	(void)state;
	add(m, "domain:a.com", 9);
	add(m, "domain:a.com", 9);
	add(m, "domain:a.com", 2);
	add(m, "full:a.com", 5);
	add(m, "domain:com", 7);
	add(m, "keyword:a.c", 2);
	add(m, "regexp:^a", 11);
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "a.com", 2, 5, 7, 9, 11);
	/* too little room: the smallest ones */
	assert_int_equal(dommap_find(m, "a.com", 5, ids, 3), 3);
	assert_int_equal(ids[0], 2);
	assert_int_equal(ids[1], 5);
	assert_int_equal(ids[2], 7);
	assert_int_equal(dommap_find(m, "a.com", 5, ids, 0), 0);
	dommap_free(m);
}

static void labels_of_every_length_are_told_apart(void **state)
{
	static const char *const names[] = {
		"a",
		"b",
		"aa",
		"a.a",
		"aaa",
		"a.aa",
		"aa.a",
		"aaaaaaa",
		"aaaaaaaa",
		"a.aaaaaaa",
		"aaaaaaa.a",
		"aaaaaaaaa",
		"aaaaaaaaaaaaaa",
		"aaaaaaa.aaaaaaa",
		"aaaaaaaaaaaaaaa",
		"a.aaaaaaaaaaaaaa",
		"aaaaaaaaaaaaaa.a",
		"abcdefgh",
		"bcdefgh",
		"a.bcdefgh",
		"..",
		".",
		"a..a",
		"\x80.\xff",
	};
	struct dommap *m = dommap_new();
	char text[64];
	uint32_t ids[8], i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "full:%s%s", names[i],
			 names[i][strlen(names[i]) - 1] == '.' ? "." : "");
		add(m, text, i);
	}
	assert_int_equal(dommap_seal(m), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(find(m, names[i], ids), 1);
		assert_int_equal(ids[0], i);
	}
	dommap_free(m);
}

static void a_hundred_thousand_rules_are_all_found(void **state)
{
	struct dommap *m = dommap_new();
	char text[64];
	uint32_t ids[8];
	int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		snprintf(text, sizeof(text), "domain:h%d.s%d.net", i, i % 97);
		add(m, text, (uint32_t)i % 1000);
	}
	assert_int_equal(dommap_seal(m), 0);
	assert_true(dommap_bytes(m) < 10u << 20);
	for (i = 0; i < 100000; i++) {
		snprintf(text, sizeof(text), "www.h%d.s%d.net", i, i % 97);
		assert_int_equal(find(m, text, ids), 1);
		assert_int_equal(ids[0], i % 1000);
		snprintf(text, sizeof(text), "h%d.s%d.net", i, i % 97 + 1);
		assert_int_equal(find(m, text, ids), 0);
	}
	dommap_free(m);
}

/* The automaton against strstr, in its small and its large form */
static void keywords_agree_with_strstr(unsigned int count, unsigned int len)
{
	struct dommap *m = dommap_new();
	char(*words)[16] = calloc(count, sizeof(*words));
	char name[40], *p;
	unsigned int i, k, round;
	uint32_t ids[64];
	size_t n, want;

	assert_non_null(words);
	srand(7);
	for (i = 0; i < count; i++) {
		for (k = 0; k < 1 + i % len; k++)
			words[i][k] = (char)('a' + rand() % 4);
		add(m, words[i], i % 64);
	}
	assert_int_equal(dommap_seal(m), 0);
	for (round = 0; round < 200; round++) {
		uint64_t seen = 0;

		for (p = name; p < name + 20; p++)
			*p = (char)('a' + rand() % 5);
		*p = '\0';
		for (i = 0; i < count; i++)
			if (strstr(name, words[i]))
				seen |= 1ull << (i % 64);
		want = (size_t)__builtin_popcountll(seen);
		n = dommap_find(m, name, 20, ids, 64);
		assert_int_equal(n, want);
		for (i = 0; i < n; i++)
			assert_true(seen >> ids[i] & 1);
	}
	free(words);
	dommap_free(m);
}

static void few_keywords_agree_with_strstr(void **state)
{
	(void)state;
	keywords_agree_with_strstr(40, 6);
}

static void many_keywords_agree_with_strstr(void **state)
{
	(void)state;
	keywords_agree_with_strstr(9000, 14);
}

static void wrong_patterns_are_explained(void **state)
{
	static const char *const bad[] = {
		"",         "keyword:",  "domain:",     "full:.",
		"regexp:",  "regexp:a(", "geosite:",    "ext:",
		"ext:file", "ext::code", "magic:a.com", "regexp:\\C",
	};
	struct dommap *m = dommap_new();
	char err[128], text[300];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err[0] = '\0';
		assert_int_equal(
			dommap_add(m, bad[i], DOM_PLAIN_SUBSTRING, 1, err),
			-EINVAL);
		assert_true(strlen(err) > 5);
	}
	memset(text, 'a', sizeof(text) - 1);
	text[299] = '\0';
	assert_int_equal(dommap_add(m, text, DOM_PLAIN_FULL, 1, err), -EINVAL);
	assert_int_equal(dommap_count(m), 0);
	add(m, "regexp:^ok$", 2); /* the failures before it left nothing */
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "ok", 2);
	NONE(m, "a.com");
	assert_int_equal(dommap_add(m, "a", DOM_PLAIN_FULL, 1, err), -EINVAL);
	dommap_free(m);
}

static void a_regexp_cannot_hang(void **state)
{
	struct dommap *m = dommap_new();
	struct timespec a, b;
	char name[201];
	long ms;

	(void)state;
	add(m, "regexp:^(a+)+$", 1);
	add(m, "regexp:(a*)*(a*)*b", 2);
	assert_int_equal(dommap_seal(m), 0);
	memset(name, 'a', 199);
	name[199] = '!';
	name[200] = '\0';
	clock_gettime(CLOCK_MONOTONIC, &a);
	NONE(m, name);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	assert_true(ms < 500);
	dommap_free(m);
}

static void regexps_see_only_the_end_as_end(void **state)
{
	struct dommap *m = dommap_new();

	(void)state;
	add(m, "regexp:com$", 1);
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "a.com", 1);
	NONE(m, "a.com\n");
	dommap_free(m);
}

static void assert_literal(const char *re, const char *want)
{
	char out[64];
	size_t n = regexp_literal(re, strlen(re), out, sizeof(out));

	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, n);
}

static void literals_of_regexps_are_certain(void **state)
{
	(void)state;
	assert_literal("^ads[0-9]*\\.example\\.com$", ".example.com");
	assert_literal("google", "google");
	assert_literal("colou?r", "colo");
	assert_literal("abc+def", "abc");
	assert_literal("abcd*", "abc");
	assert_literal("a{2}bcd", "bcd");
	assert_literal("(abc|def)ghi", "ghi");
	assert_literal("(?:x)?long", "long");
	assert_literal("[]abc]xyz", "xyz");
	assert_literal("[[:alpha:]]xyz", "xyz");
	assert_literal("[^]abc]xyz", "xyz");
	assert_literal("(a\\)b[)]c)xyz", "xyz");
	assert_literal("abc|def", "");
	assert_literal("(?i)abc", "");
	assert_literal("\\x41bcd", "");
	assert_literal("\\Qa.b\\Edef", "");
	assert_literal("(abc)", "");
	assert_literal("(abc", "");
	assert_literal("ab", "");
	assert_literal("abc{", "");
	assert_literal("abc\\", "");
}

static void regexps_with_literals_match_as_without(void **state)
{
	struct dommap *m = dommap_new();

	(void)state;
	add(m, "regexp:^(.+\\.)?goo+gle\\.[a-z]+$", 1);
	add(m, "regexp:(^|\\.)x(y|z)\\.net$", 2);
	add(m, "keyword:gle", 3);
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "www.gooogle.de", 1, 3);
	IS(m, "google.com", 1, 3);
	IS(m, "gogle.com", 3);
	IS(m, "a.xy.net", 2);
	NONE(m, "a.xw.net");
	dommap_free(m);
}

static void make_geosite(const char *dir)
{
	struct dat file = { .n = 0 }, e = { .n = 0 };

	dat_text(&e, 1, "GOOGLE");
	dat_domain(&e, GEO_DOMAIN, "google.com", NULL);
	dat_domain(&e, GEO_FULL, "ads.google.net", "ads");
	dat_domain(&e, GEO_SUBSTRING, "gstatic", NULL);
	dat_domain(&e, GEO_REGEX, "^goo[0-9]+\\.gl$", "cn");
	dat_domain(&e, GEO_REGEX, "broken(", NULL);
	dat_entry(&file, &e);
	dat_text(&e, 1, "CN");
	dat_domain(&e, GEO_DOMAIN, "cn", NULL);
	dat_entry(&file, &e);
	dat_save(&file, dir, "geosite.dat");
	dat_save(&file, dir, "my.dat");
}

static void geosite_lists_come_from_the_file(void **state)
{
	static const char *const names[] = { "geosite.dat", "my.dat", NULL };
	struct dommap *m = dommap_new();
	char dir[64], err[128];

	(void)state;
	dat_dir(dir);
	make_geosite(dir);
	add(m, "geosite:google", 1);
	add(m, "geosite:Google@ads", 2);
	add(m, "ext:my.dat:google@CN", 3);
	add(m, "ext-domain:my.dat:cn", 4);
	assert_int_equal(dommap_add(m, "geosite:gogle", DOM_PLAIN_FULL, 1, err),
			 -EINVAL);
	assert_string_equal(err, "geosite.dat has no list gogle; closest: "
				 "google");
	assert_int_equal(dommap_add(m, "ext:no.dat:cn", DOM_PLAIN_FULL, 1, err),
			 -EINVAL);
	assert_non_null(strstr(err, "no.dat not found"));
	assert_int_equal(dommap_seal(m), 0);
	IS(m, "www.google.com", 1);
	IS(m, "ads.google.net", 1, 2);
	IS(m, "x.gstatic.org", 1);
	IS(m, "goo12.gl", 1, 3);
	IS(m, "a.cn", 4);
	dommap_free(m);
	dat_remove(dir, names);
}

/* Each kind, some of them often; false: out of memory somewhere */
static bool build_mixed(void)
{
	static const char *const patterns[] = {
		"domain:a.com",  "domain:a.com",  "full:b.com",
		"keyword:word",  "keyword:words", "regexp:^a.*z$",
		"regexp:longer", "dotless:x",
	};
	struct dommap *m = dommap_new();
	char err[128];
	unsigned int i;
	bool ok = m != NULL;

	for (i = 0; ok && i < 200; i++)
		ok = !dommap_add(m, patterns[i % ARRAY_SIZE(patterns)],
				 DOM_PLAIN_FULL, i % 50, err);
	ok = ok && !dommap_seal(m);
	if (ok)
		assert_true(dommap_has(m, "x.words.b.com", 13));
	dommap_free(m);
	return ok;
}

static void no_memory_is_told_and_leaks_nothing(void **state)
{
	unsigned int n, failed = 0;
	bool ok;

	(void)state;
	for (n = 1; n < 10000; n++) {
		alloc_fail_at(n);
		ok = build_mixed();
		if (!alloc_fail_hit())
			break;
		failed += !ok;
	}
	assert_true(ok);
	assert_true(failed > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_matches_what_it_says),
		cmocka_unit_test(plain_means_what_the_caller_says),
		cmocka_unit_test(patterns_are_read_without_case_and_final_dot),
		cmocka_unit_test(one_name_gives_all_ids_ascending_once),
		cmocka_unit_test(labels_of_every_length_are_told_apart),
		cmocka_unit_test(a_hundred_thousand_rules_are_all_found),
		cmocka_unit_test(few_keywords_agree_with_strstr),
		cmocka_unit_test(many_keywords_agree_with_strstr),
		cmocka_unit_test(wrong_patterns_are_explained),
		cmocka_unit_test(a_regexp_cannot_hang),
		cmocka_unit_test(regexps_see_only_the_end_as_end),
		cmocka_unit_test(literals_of_regexps_are_certain),
		cmocka_unit_test(regexps_with_literals_match_as_without),
		cmocka_unit_test(geosite_lists_come_from_the_file),
		cmocka_unit_test(no_memory_is_told_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
