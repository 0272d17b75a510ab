/* test_ipset.c - Address sets: prefixes, negation, lists, edges */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/core/dns.h"
#include "gateway/core/match.h"
#include "gateway/route/ipset.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/dat.h"

static struct ipset *set_of(const char *const *items)
{
	struct ipset *s = ipset_new();
	char err[128];

	for (; *items; items++)
		if (ipset_add(s, *items, err) < 0)
			fail_msg("%s: %s", *items, err);
	assert_int_equal(ipset_seal(s), 0);
	return s;
}

#define SET(...) set_of((const char *const[]){ __VA_ARGS__, NULL })

static bool has(const struct ipset *s, const char *ip)
{
	struct addr a = { 0 };

	assert_int_equal(addr_parse_ip(&a, ip), 0);
	return ipset_has(s, &a);
}

static void prefixes_have_exact_edges(void **state)
{
	struct ipset *s =
		SET("10.1.2.0/23", "192.0.2.7", "2001:db8::/33", "fd00::1");

	(void)state;
	assert_false(has(s, "10.1.1.255"));
	assert_true(has(s, "10.1.2.0"));
	assert_true(has(s, "10.1.3.255"));
	assert_false(has(s, "10.1.4.0"));
	assert_true(has(s, "192.0.2.7"));
	assert_false(has(s, "192.0.2.6"));
	assert_true(has(s, "2001:db8:7fff:ffff::ffff"));
	assert_false(has(s, "2001:db8:8000::"));
	assert_true(has(s, "fd00::1"));
	assert_false(has(s, "fd00::"));
	assert_false(has(s, "::"));
	assert_int_equal(ipset_families(s), DNS_V4 | DNS_V6);
	ipset_free(s);
}

static void whole_families_and_ends_work(void **state)
{
	struct ipset *a = SET("0.0.0.0/0"), *b = SET("::/0");
	struct ipset *c = SET("255.255.255.255", "255.255.255.254",
			      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");

	(void)state;
	assert_true(has(a, "0.0.0.0"));
	assert_true(has(a, "255.255.255.255"));
	assert_false(has(a, "::1"));
	assert_true(has(b, "::"));
	assert_true(has(b, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	assert_false(has(b, "1.2.3.4"));
	assert_true(has(c, "255.255.255.254"));
	assert_true(has(c, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	assert_false(has(c, "255.255.255.253"));
	ipset_free(a);
	ipset_free(b);
	ipset_free(c);
}

static void overlapping_prefixes_become_one(void **state)
{
	struct ipset *s = SET("10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8",
			      "9.255.255.255", "fc00::/7", "fd00::/8");
	struct ipset *empty = ipset_new();

	(void)state;
	assert_true(has(s, "9.255.255.255"));
	assert_true(has(s, "10.200.0.1"));
	assert_true(has(s, "11.255.255.255"));
	assert_false(has(s, "12.0.0.0"));
	assert_true(has(s, "fdff::1"));
	/* one range of each family: 8 and 32 bytes */
	assert_int_equal(ipset_bytes(s) - ipset_bytes(empty), 40);
	ipset_free(s);
	ipset_free(empty);
}

static void negated_items_are_one_union_then_negated(void **state)
{
	struct ipset *s = SET("!10.0.0.0/8", "!172.16.0.0/12");

	(void)state;
	assert_false(has(s, "10.1.1.1"));
	assert_false(has(s, "172.16.0.1"));
	assert_true(has(s, "8.8.8.8"));
	assert_true(has(s, "0.0.0.0"));
	assert_true(has(s, "255.255.255.255"));
	ipset_free(s);
	s = SET("!10.0.0.0/8", "10.5.0.0/16");
	assert_true(has(s, "10.5.0.1"));
	assert_false(has(s, "10.6.0.1"));
	ipset_free(s);
	s = SET("!!10.0.0.0/8");
	assert_true(has(s, "10.5.0.1"));
	assert_false(has(s, "8.8.8.8"));
	ipset_free(s);
	s = SET("!0.0.0.0/0", "!::/0");
	assert_true(ipset_empty(s));
	ipset_free(s);
	s = SET("!255.0.0.0/8", "!ff00::/8");
	assert_true(has(s, "254.255.255.255"));
	assert_false(has(s, "255.255.255.255"));
	assert_true(has(s, "feff::1"));
	assert_false(has(s, "ff02::1"));
	ipset_free(s);
}

static void a_negation_says_nothing_of_the_other_family(void **state)
{
	struct ipset *s = SET("!10.0.0.0/8");

	(void)state;
	assert_true(has(s, "8.8.8.8"));
	assert_false(has(s, "2001::1"));
	assert_int_equal(ipset_families(s), DNS_V4);
	ipset_free(s);
	s = SET("!fd00::/8");
	assert_true(has(s, "2001::1"));
	assert_false(has(s, "8.8.8.8"));
	ipset_free(s);
	s = SET("!10.0.0.0/8", "!fd00::/8");
	assert_true(has(s, "2001::1"));
	assert_true(has(s, "8.8.8.8"));
	assert_false(has(s, "fd00::1"));
	ipset_free(s);
	s = SET("!0.0.0.0/0", "fd00::/8");
	assert_false(has(s, "8.8.8.8"));
	assert_true(has(s, "fd00::1"));
	assert_false(has(s, "2001::1"));
	ipset_free(s);
}

static void mapped_prefixes_mean_ipv4(void **state)
{
	struct ipset *s = SET("::ffff:10.0.0.0/104");

	(void)state;
	assert_true(has(s, "10.9.9.9"));
	assert_true(has(s, "::ffff:10.9.9.9"));
	assert_false(has(s, "11.0.0.1"));
	ipset_free(s);
}

struct walk {
	char text[512];
	int stop_at, n;
};

static int note(void *arg, const struct addr *lo, const struct addr *hi)
{
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
	struct walk *w = arg;
	size_t len = strlen(w->text);

	if (++w->n == w->stop_at)
		return -ECANCELED;
	snprintf(w->text + len, sizeof(w->text) - len, "%s-%s ",
		 addr_format_host(lo, a, sizeof(a)),
		 addr_format_host(hi, b, sizeof(b)));
	return 0;
}

static void ranges_are_told_in_order(void **state)
{
	struct ipset *s = SET("10.1.2.0/24", "10.1.3.0/24", "1.1.1.1",
			      "2001:db8::/32", "::/0", "255.255.255.255");
	struct walk w = { .n = 0 };

	(void)state;
	assert_int_equal(ipset_each(s, note, &w), 0);
	assert_string_equal(w.text,
			    "1.1.1.1-1.1.1.1 10.1.2.0-10.1.3.255 "
			    "255.255.255.255-255.255.255.255 "
			    "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ");
	w = (struct walk){ .stop_at = 2 };
	assert_int_equal(ipset_each(s, note, &w), -ECANCELED);
	assert_string_equal(w.text, "1.1.1.1-1.1.1.1 ");
	ipset_free(s);
}

static void names_are_in_no_set(void **state)
{
	struct ipset *s = SET("0.0.0.0/0", "::/0");
	struct addr n = addr_name("a.b", 3, 80), none = { 0 };

	(void)state;
	assert_false(ipset_has(s, &n));
	assert_false(ipset_has(s, &none));
	ipset_free(s);
}

static void wrong_items_are_explained(void **state)
{
	static const char *const bad[] = {
		"",           "!",        "10.0.0.0/33",
		"1.2.3",      "a.com",    "::/129",
		"geoip:",     "ext:",     "ext:geoip.dat",
		"1.2.3.4/-1", "geoip:xx",
	};
	struct ipset *s = ipset_new();
	char err[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err[0] = '\0';
		assert_int_equal(ipset_add(s, bad[i], err), -EINVAL);
		assert_true(strlen(err) > 5);
	}
	assert_int_equal(ipset_seal(s), 0);
	assert_true(ipset_empty(s));
	ipset_free(s);
}

static void private_works_without_a_file(void **state)
{
	static const char *const names[] = { NULL };
	struct ipset *s, *n;
	char dir[64];

	(void)state;
	dat_dir(dir);
	s = SET("geoip:private");
	n = SET("!geoip:private");
	assert_true(has(s, "192.168.1.1"));
	assert_true(has(s, "127.0.0.1"));
	assert_true(has(s, "fe80::1"));
	assert_true(has(s, "::1"));
	assert_false(has(s, "8.8.8.8"));
	assert_false(has(s, "2606:4700::1111"));
	assert_false(has(n, "192.168.1.1"));
	assert_true(has(n, "8.8.8.8"));
	assert_true(has(n, "2606:4700::1111"));
	ipset_free(s);
	ipset_free(n);
	dat_remove(dir, names);
}

static void make_geoip(const char *dir)
{
	struct dat file = { .n = 0 }, e = { .n = 0 };

	dat_text(&e, 1, "CN");
	dat_cidr(&e, "1.0.1.0/24");
	dat_cidr(&e, "2400:3200::/32");
	dat_entry(&file, &e);
	dat_text(&e, 1, "US");
	dat_cidr(&e, "8.0.0.0/8");
	dat_entry(&file, &e);
	dat_text(&e, 1, "NOTUS");
	dat_cidr(&e, "8.0.0.0/8");
	dat_num(&e, 3, 1);
	dat_entry(&file, &e);
	dat_save(&file, dir, "geoip.dat");
}

static void geoip_lists_negate_in_both_places(void **state)
{
	static const char *const names[] = { "geoip.dat", NULL };
	struct ipset *s;
	char dir[64], err[128];

	(void)state;
	dat_dir(dir);
	make_geoip(dir);
	s = SET("geoip:cn");
	assert_true(has(s, "1.0.1.9"));
	assert_true(has(s, "2400:3200::1"));
	assert_false(has(s, "8.8.8.8"));
	ipset_free(s);
	s = SET("geoip:!cn", "!geoip:us");
	assert_false(has(s, "1.0.1.9"));
	assert_false(has(s, "8.8.8.8"));
	assert_true(has(s, "9.9.9.9"));
	ipset_free(s);
	s = SET("!geoip:!cn", "ext:geoip.dat:us");
	assert_true(has(s, "1.0.1.9"));
	assert_true(has(s, "8.8.8.8"));
	assert_false(has(s, "9.9.9.9"));
	ipset_free(s);
	s = SET("geoip:notus"); /* reverse_match in the file */
	assert_false(has(s, "8.8.8.8"));
	assert_true(has(s, "9.9.9.9"));
	ipset_free(s);
	s = ipset_new();
	assert_int_equal(ipset_add(s, "geoip:chn", err), -EINVAL);
	assert_non_null(strstr(err, "closest: cn"));
	ipset_free(s);
	dat_remove(dir, names);
}

static bool build_mixed(void)
{
	static const char *const items[] = {
		"10.0.0.0/8", "!11.0.0.0/8",   "fd00::/8",
		"!fe80::/10", "geoip:private", "!geoip:private",
	};
	struct ipset *s = ipset_new();
	char err[128];
	size_t i;
	bool ok = s != NULL;

	for (i = 0; ok && i < sizeof(items) / sizeof(*items); i++)
		ok = !ipset_add(s, items[i], err);
	ok = ok && !ipset_seal(s);
	if (ok)
		assert_true(has(s, "11.0.0.1"));
	ipset_free(s);
	return ok;
}

static void no_memory_is_told_and_leaks_nothing(void **state)
{
	unsigned int n, failed = 0;
	bool ok;

	(void)state;
	setenv("XRAY_LOCATION_ASSET", "/nonexistent", 1);
	for (n = 1; n < 10000; n++) {
		alloc_fail_at(n);
		ok = build_mixed();
		if (!alloc_fail_hit())
			break;
		failed += !ok;
	}
	assert_true(ok);
	assert_true(failed > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_have_exact_edges),
		cmocka_unit_test(whole_families_and_ends_work),
		cmocka_unit_test(overlapping_prefixes_become_one),
		cmocka_unit_test(negated_items_are_one_union_then_negated),
		cmocka_unit_test(a_negation_says_nothing_of_the_other_family),
		cmocka_unit_test(mapped_prefixes_mean_ipv4),
		cmocka_unit_test(ranges_are_told_in_order),
		cmocka_unit_test(names_are_in_no_set),
		cmocka_unit_test(wrong_items_are_explained),
		cmocka_unit_test(private_works_without_a_file),
		cmocka_unit_test(geoip_lists_negate_in_both_places),
		cmocka_unit_test(no_memory_is_told_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
