/* test_dns_cache.c - The cache of answers */
#include "tests/unit/cm.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/dns/conf.h"
#include "tests/unit/alloc_fail.h"

static struct dns_outcome answer(uint8_t last, uint32_t ttl)
{
	struct dns_outcome o = { .count = 1, .ttl = ttl };

	o.ips[0].kind = ADDR_V4;
	o.ips[0].ip[3] = last;
	return o;
}

static void answers_live_for_their_ttl(void **state)
{
	struct dns_key k = { 0, DNS_V4, "a.x" };
	struct dns_outcome o = answer(7, 60), got;
	struct dns_cache c;

	(void)state;
	dns_cache_init(&c, 10);
	assert_int_equal(dns_cache_get(&c, &k, 0, false, 0, &got), CACHE_MISS);
	dns_cache_put(&c, &k, 100, &o);
	assert_int_equal(dns_cache_get(&c, &k, 110, false, 0, &got), CACHE_HIT);
	assert_int_equal(got.ttl, 50);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.ips[0].ip[3], 7);
	assert_int_equal(dns_cache_get(&c, &k, 160, false, 0, &got),
			 CACHE_MISS);
	assert_int_equal(c.count, 0);
	dns_cache_fini(&c);
}

static void keys_are_server_name_and_family(void **state)
{
	struct dns_key k = { 0, DNS_V4, "a.x" };
	struct dns_outcome o = answer(7, 60), got;
	struct dns_cache c;

	(void)state;
	dns_cache_init(&c, 10);
	dns_cache_put(&c, &k, 0, &o);
	k.server = 1;
	assert_int_equal(dns_cache_get(&c, &k, 1, false, 0, &got), CACHE_MISS);
	k.server = 0;
	k.family = DNS_V6;
	assert_int_equal(dns_cache_get(&c, &k, 1, false, 0, &got), CACHE_MISS);
	k.family = DNS_V4;
	k.name = "a.xx";
	assert_int_equal(dns_cache_get(&c, &k, 1, false, 0, &got), CACHE_MISS);
	dns_cache_fini(&c);
}

static void stale_answers_are_given_when_wanted(void **state)
{
	struct dns_key k = { 0, DNS_V4, "a.x" };
	struct dns_outcome o = answer(7, 60), got;
	struct dns_cache c;

	(void)state;
	dns_cache_init(&c, 10);
	dns_cache_put(&c, &k, 0, &o);
	assert_int_equal(dns_cache_get(&c, &k, 100, true, 0, &got),
			 CACHE_STALE);
	assert_int_equal(got.ttl, 1);
	assert_int_equal(dns_cache_get(&c, &k, 100, true, 41, &got),
			 CACHE_STALE);
	assert_int_equal(dns_cache_get(&c, &k, 100, true, 40, &got),
			 CACHE_MISS);
	dns_cache_fini(&c);
}

static void failures_are_kept_for_seconds_only(void **state)
{
	struct dns_key k = { 0, DNS_V4, "a.x" };
	struct dns_outcome servfail = { .rcode = 2, .ttl = 9999 };
	struct dns_outcome nx = { .rcode = 3, .ttl = 1u << 30 };
	struct dns_outcome none = { .rc = -5 }, got;
	struct dns_cache c;

	(void)state;
	dns_cache_init(&c, 10);
	dns_cache_put(&c, &k, 0, &servfail);
	assert_int_equal(dns_cache_get(&c, &k, 1, true, 0, &got), CACHE_HIT);
	assert_int_equal(got.rcode, 2);
	assert_int_equal(dns_cache_get(&c, &k, 10, true, 0, &got), CACHE_MISS);
	dns_cache_put(&c, &k, 0, &nx);
	assert_int_equal(
		dns_cache_get(&c, &k, DNS_CACHE_NEG_MAX - 1, false, 0, &got),
		CACHE_HIT);
	assert_int_equal(
		dns_cache_get(&c, &k, DNS_CACHE_NEG_MAX, false, 0, &got),
		CACHE_MISS);
	dns_cache_put(&c, &k, 0, &none);
	assert_int_equal(c.count, 0);
	dns_cache_fini(&c);
}

static void the_cache_is_bounded(void **state)
{
	struct dns_outcome o = answer(7, 60), got;
	struct dns_cache c;
	char name[32];

	(void)state;
	dns_cache_init(&c, 100);
	for (int i = 0; i < 1000; i++) {
		struct dns_key k = { 0, DNS_V4, name },
			       first = { 0, DNS_V4, "n0" };

		snprintf(name, sizeof(name), "n%d", i);
		dns_cache_put(&c, &k, 0, &o);
		assert_int_equal(dns_cache_get(&c, &first, 1, false, 0, &got),
				 CACHE_HIT); /* in use: stays */
	}
	assert_int_equal(c.count, 100);
	dns_cache_flush(&c);
	assert_int_equal(c.count, 0);
	dns_cache_fini(&c);
}

static void no_memory_means_no_entry(void **state)
{
	struct dns_key k = { 0, DNS_V4, "a.x" };
	struct dns_outcome o = answer(7, 60), got;
	unsigned int n;

	(void)state;
	for (n = 1;; n++) {
		struct dns_cache c;
		bool hit;

		dns_cache_init(&c, 10);
		alloc_fail_at(n);
		dns_cache_put(&c, &k, 0, &o);
		hit = alloc_fail_hit();
		assert_int_equal(dns_cache_get(&c, &k, 1, false, 0, &got),
				 hit ? CACHE_MISS : CACHE_HIT);
		dns_cache_fini(&c);
		if (!hit)
			break;
	}
	assert_int_equal(n, 3);
}

static void resolv_conf_is_read(void **state)
{
	char text[] = "# c\nnameserver 192.0.2.1\nsearch x\n"
		      "  nameserver\t2001:db8::1 ; y\nnameserver bad\n"
		      "nameserver fe80::1%eth-none\nnameserver 9.9.9.9";
	struct addr a[SYSCONF_SERVERS];
	char out[64];

	(void)state;
	assert_int_equal(sysconf_parse_resolv(text, a), 3);
	assert_string_equal(addr_format(&a[0], out, sizeof(out)),
			    "192.0.2.1:53");
	assert_string_equal(addr_format(&a[1], out, sizeof(out)),
			    "[2001:db8::1]:53");
	assert_int_equal(a[2].scope, 0); /* there is no eth-none */
}

static void link_local_nameservers_have_their_interface(void **state)
{
	char text[] = "nameserver fe80::1%lo\nnameserver fe80::2%5\n"
		      "nameserver fe80::3\n";
	struct addr a[SYSCONF_SERVERS];
	struct sockaddr_storage ss;
	struct sockaddr_in6 in6;

	(void)state;
	assert_int_equal(sysconf_parse_resolv(text, a), 3);
	assert_int_equal(a[0].scope, if_nametoindex("lo"));
	assert_int_equal(a[0].port, 53);
	assert_int_equal(a[1].scope, 5);
	assert_int_equal(a[2].scope, 0);
	addr_to_sockaddr(&a[1], AF_INET6, &ss);
	memcpy(&in6, &ss, sizeof(in6));
	assert_int_equal(in6.sin6_scope_id, 5);
}

static void system_files_are_read_again_when_they_change(void **state)
{
	char resolv[] = "/tmp/culvert-resolv-XXXXXX";
	char hosts[] = "/tmp/culvert-hosts-XXXXXX";
	FILE *f = fdopen(mkstemp(resolv), "w");
	FILE *g = fdopen(mkstemp(hosts), "w");
	struct addr a[SYSCONF_SERVERS];
	struct sysconf s;

	(void)state;
	fprintf(g, "127.0.0.1 localhost\n10.0.0.1 Box.lan box # x\n"
		   "10.0.0.2 box\n::1 localhost\nbad line\n");
	fclose(g);
	sysconf_init(&s, resolv, "/nonexistent", hosts);
	assert_int_equal(sysconf_servers(&s, 5000, a), 1);
	assert_int_equal(a[0].ip[0], 127);
	assert_int_equal(sysconf_hosts(&s, 5000, "box", ADDR_V4, a, 3), 2);
	assert_int_equal(sysconf_hosts(&s, 5000, "box.lan", ADDR_V4, a, 3), 1);
	assert_int_equal(a[0].ip[3], 1);
	assert_int_equal(sysconf_hosts(&s, 5000, "box", ADDR_V6, a, 3), 0);
	assert_true(sysconf_hosts(&s, 5000, "bo", ADDR_V4, a, 3) < 0);
	assert_int_equal(sysconf_hosts(&s, 5000, "localhost", ADDR_V6, a, 3),
			 1);
	fprintf(f, "nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
	fclose(f);
	assert_int_equal(sysconf_servers(&s, 5500, a), 1); /* once a second */
	assert_int_equal(sysconf_servers(&s, 6100, a), 2);
	remove(resolv);
	remove(hosts);
	assert_int_equal(sysconf_servers(&s, 9000, a), 1);
	sysconf_fini(&s);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void behind_a_stub_its_servers_are_asked(void **state)
{
	char resolv[] = "/tmp/culvert-resolv-XXXXXX";
	char up[] = "/tmp/culvert-upstream-XXXXXX";
	struct addr a[SYSCONF_SERVERS];
	struct sysconf s;

	(void)state;
	close(mkstemp(resolv));
	close(mkstemp(up));
	write_file(resolv, "nameserver 127.0.0.53\n");
	sysconf_init(&s, resolv, up, "/nonexistent");
	assert_int_equal(sysconf_servers(&s, 1000, a), 1); /* none known */
	assert_int_equal(a[0].ip[3], 53);
	write_file(up, "nameserver 192.0.2.1\nnameserver 192.0.2.9\n");
	assert_int_equal(sysconf_servers(&s, 3000, a), 2);
	assert_int_equal(a[1].ip[3], 9);
	write_file(resolv, "nameserver 192.0.2.7\n"); /* no stub any more */
	assert_int_equal(sysconf_servers(&s, 5000, a), 1);
	assert_int_equal(a[0].ip[3], 7);
	remove(resolv);
	remove(up);
	sysconf_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_a_stub_its_servers_are_asked),
		cmocka_unit_test(answers_live_for_their_ttl),
		cmocka_unit_test(keys_are_server_name_and_family),
		cmocka_unit_test(stale_answers_are_given_when_wanted),
		cmocka_unit_test(failures_are_kept_for_seconds_only),
		cmocka_unit_test(the_cache_is_bounded),
		cmocka_unit_test(no_memory_means_no_entry),
		cmocka_unit_test(resolv_conf_is_read),
		cmocka_unit_test(link_local_nameservers_have_their_interface),
		cmocka_unit_test(system_files_are_read_again_when_they_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
