/* test_plan.c - Routes and rules from a configuration, and our table as text */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/rtnetlink.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "netstack/intake.h"
#include "netstack/nft.h"
#include "netstack/plan.h"

static struct host_conf conf(void)
{
	return (struct host_conf){
		.mark = 0x20000000,
		.mark_mask = 0x20000000,
		.table = 7663,
		.rule_pref = 7600,
		.hijack_dns = true,
	};
}

static struct intake intake(const struct host_conf *h)
{
	struct tun_conf tc = { .gateway_count = 0 };
	struct intake in = {
		.host = h, .tun = "culvert0", .ifindex = 7, .service_max = 32767
	};

	plan_addresses(&in, &tc);
	return in;
}

/* The plan of @in as `ip` commands; the caller frees */
static char *text_of(const struct intake *in)
{
	struct plan p = { .failed = false };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	plan_capture(&p, in);
	assert_false(p.failed);
	plan_print(&p, in->tun, "", f);
	fclose(f);
	plan_free(&p);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" in:\n%s", part, text);
}

static void rules_of_both_families(void **state)
{
	struct host_conf h = conf();
	struct intake in = intake(&h);
	char *t = text_of(&in);

	(void)state;
	assert_has(t, "ip route add 0.0.0.0/0 dev culvert0 table 7663");
	assert_has(t, "ip -6 route add ::/0 dev culvert0 table 7663");
	assert_has(
		t,
		"ip rule add pref 7600 fwmark 0x20000000/0x20000000 goto 7690");
	assert_has(t, "ip -6 rule add pref 7600 fwmark");
	assert_has(t, "ip rule add pref 7601 iif culvert0 goto 7690");
	assert_has(t, "ip rule add pref 7620 ipproto tcp dport 53 lookup 7663");
	assert_has(t,
		   "ip -6 rule add pref 7620 ipproto udp dport 53 lookup 7663");
	assert_has(t, "ip rule add pref 7630 to 192.168.0.0/16 goto 7690");
	assert_has(t, "ip -6 rule add pref 7630 to fe80::/10 goto 7690");
	assert_has(t, "pref 7640 lookup main suppress_prefixlength 6");
	assert_has(t,
		   "ip rule add pref 7650 from 0.0.0.0/32 iif lo lookup 7663");
	assert_has(t, "ip rule add pref 7660 lookup 7663 protocol 199");
	assert_has(t, "ip rule add pref 7690 nop protocol 199");
	assert_lacks(t, "unreachable");
	free(t);
}

static void what_catches_comes_last_and_its_end_first(void **state)
{
	struct host_conf h = conf();
	struct intake in = intake(&h);
	struct plan p = { .failed = false };
	int end = -1, mark = -1, rest = -1;

	(void)state;
	plan_capture(&p, &in);
	for (int i = 0; i < (int)p.rule_count; i++) {
		if (p.rules[i].kind != ADDR_V4)
			continue;
		if (p.rules[i].pref == 7690)
			end = i;
		if (p.rules[i].pref == 7600)
			mark = i;
		if (p.rules[i].pref == 7660)
			rest = i;
		if (p.rules[i].action == NLK_GOTO)
			assert_true(p.rules[i].pref < p.rules[i].target);
		/* a rule that catches, before the marked ones are let go */
		if (p.rules[i].action == NLK_LOOKUP &&
		    p.rules[i].target == 7663)
			assert_true(mark >= 0);
	}
	assert_true(end >= 0 && end < mark && mark < rest);
	plan_free(&p);
}

static void fakedns_pools_come_before_private_ranges(void **state)
{
	struct host_conf h = conf();
	struct intake in = intake(&h);
	char *t;

	(void)state;
	cidr_parse(&in.pools[0], "198.18.0.0/15");
	cidr_parse(&in.pools[1], "fc00::/18");
	in.pool_count = 2;
	t = text_of(&in);
	assert_has(t, "ip rule add pref 7610 to 198.18.0.0/15 lookup 7663");
	assert_has(t, "ip -6 rule add pref 7610 to fc00::/18 lookup 7663");
	assert_has(t, "ip rule add pref 7610 to 172.30.255.0/30 lookup 7663");
	assert_has(t, "ip -6 rule add pref 7610 to fd6c:7663::/126 lookup");
	free(t);
}

static void fail_closed_leaves_no_way_but_answers(void **state)
{
	struct host_conf h = conf();
	struct intake in = intake(&h);
	char *t;

	(void)state;
	h.fail_closed = true;
	in.uids[0] = 53;
	in.uid_count = 1;
	t = text_of(&in);
	assert_has(
		t,
		"route add unreachable 0.0.0.0/0 table 7663 metric 4294967294");
	assert_has(t, "-6 route add unreachable ::/0 table 7663");
	assert_has(t, "pref 7652 iif lo ipproto tcp sport 1-32767 goto 7690");
	assert_has(t, "pref 7652 from ::/1 iif lo ipproto udp sport 1-32767");
	assert_lacks(t, "pref 7652 iif lo goto");
	/* nor when the table is flushed */
	assert_has(t, "rule add pref 7661 unreachable protocol 199\n");
	assert_has(t, "-6 rule add pref 7661 unreachable protocol 199\n");
	assert_has(t, "pref 7651 from 0.0.0.0/32 iif lo unreachable");
	assert_has(t, "pref 7621 ipproto udp dport 53 unreachable");
	assert_lacks(t, "uidrange"); /* would leak questions */
	free(t);
}

static void options_change_their_rules_only(void **state)
{
	struct host_conf h = conf();
	struct intake in = intake(&h);
	struct cidr extra;
	char *t;

	(void)state;
	in.uids[0] = 101;
	in.uid_count = 1;
	cidr_parse(&extra, "203.0.113.0/24");
	h.bypass = &extra;
	h.bypass_count = 1;
	t = text_of(&in);
	assert_has(t,
		   "pref 7602 uidrange 101-101 ipproto udp dport 53 goto 7690");
	assert_has(t, "ip rule add pref 7630 to 203.0.113.0/24 goto 7690");
	assert_lacks(t, "-6 rule add pref 7630 to 203");
	free(t);
	h.hijack_dns = false;
	t = text_of(&in);
	assert_lacks(t, "dport 53");
	free(t);
}

static void the_address_beside(void **state)
{
	static const struct {
		const char *addr, *beside;
		uint8_t bits;
	} v[] = {
		{ "172.30.255.1", "172.30.255.2", 30 },
		{ "172.30.255.2", "172.30.255.1", 30 },
		{ "10.0.0.254", "10.0.0.1", 24 },
		{ "10.0.0.255", "10.0.0.1", 16 },
		{ "fd00::1", "fd00::2", 126 },
		{ "fd00::2", "fd00::1", 126 },
		{ "10.0.0.1", NULL, 32 },
		{ "10.0.0.1", NULL, 31 },
		{ "fd00::1", NULL, 128 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct tun_prefix g = { .bits = v[i].bits };
		char text[ADDR_TEXT_MAX];
		struct addr a;

		assert_int_equal(addr_parse_ip(&g.addr, v[i].addr), 0);
		a = plan_beside(&g);
		if (!v[i].beside) {
			assert_int_equal(a.kind, ADDR_NONE);
			continue;
		}
		assert_string_equal(addr_format_host(&a, text, sizeof(text)),
				    v[i].beside);
	}
}

static void a_missing_family_gets_an_address(void **state)
{
	struct tun_conf tc = { .gateway_count = 1 };
	struct intake in = { .tun = "t" };

	(void)state;
	tc.gateway[0].bits = 24;
	addr_parse_ip(&tc.gateway[0].addr, "10.99.0.1");
	plan_addresses(&in, &tc);
	assert_int_equal(in.gateway_count, 2);
	assert_int_equal(in.gateway[0].addr.kind, ADDR_V4);
	assert_int_equal(in.gateway[0].bits, 24);
	assert_int_equal(in.gateway[1].addr.kind, ADDR_V6);
}

static void routes_of_the_tun_in_main(void **state)
{
	struct plan p = { .failed = false };
	struct cidr routes[2];
	struct tun_conf tc = { .routes = routes, .route_count = 2 };

	(void)state;
	cidr_parse(&routes[0], "198.18.0.0/15");
	cidr_parse(&routes[1], "2001:db8::/32");
	plan_tun_routes(&p, &tc, 9);
	assert_int_equal(p.route_count, 2);
	assert_int_equal(p.routes[1].table, RT_TABLE_MAIN);
	assert_int_equal(p.routes[1].ifindex, 9);
	assert_true(plan_has_route(&p, &p.routes[1]));
	p.routes[0].metric = 5;
	assert_false(
		plan_has_route(&p, &(struct nlk_route){ .dst = routes[0],
							.type = RTN_UNICAST,
							.table = RT_TABLE_MAIN,
							.metric = 1,
							.ifindex = 9 }));
	plan_free(&p);
}

static char *table_of(const struct intake *in, bool owner)
{
	struct nft n = { .uplinks = { "eth0", "bad\"; x" }, .uplink_count = 2 };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	nft_print(&n, in, owner, f);
	fclose(f);
	return text;
}

static void the_table_as_text(void **state)
{
	struct host_conf h = conf();
	struct intake in = intake(&h);
	char *t = table_of(&in, true);

	(void)state;
	assert_has(t, "table inet culvert {\n\tflags owner\n");
	assert_has(t, "elements = { \"eth0\" }\n");
	assert_has(t, "ct mark & 0x20000000 == 0x20000000 meta mark set "
		      "meta mark & 0xdfffffff | 0x20000000\n");
	assert_has(t, "ct mark & 0x10000000 == 0x10000000 drop\n");
	assert_lacks(t, "dnat");
	/* tests/net/cap_outside_dns.sh: only of uplinks, and not back by them */
	assert_has(t, "\t\tiifname != @uplinks return\n");
	assert_has(t, "meta mark set meta mark & 0xdfffffff | 0x20000000\n"
		      "\t\tfib daddr . mark . iif oif missing return\n"
		      "\t\tmeta mark set meta mark & 0xdfffffff\n");
	free(t);
	in.dns_local = true;
	in.uids[0] = 101;
	in.uid_count = 1;
	t = table_of(&in, false);
	assert_lacks(t, "flags owner");
	assert_has(t, "th dport 53 dnat ip to 172.30.255.2\n");
	assert_has(t, "th dport 53 dnat ip6 to fd6c:7663::2\n");
	assert_has(t, "ip saddr 127.0.0.0/8 snat ip to 172.30.255.1\n");
	assert_has(t, "meta skuid 101 return\n");
	free(t);
	h.mark = h.mark_mask = 1; /* no bit below */
	t = table_of(&in, false);
	assert_lacks(t, "ct mark & 0x0");
	assert_has(t, "oifname \"culvert0\" meta mark & 0x1 == 0x1 drop\n");
	free(t);
}

static void names_that_nft_could_misread(void **state)
{
	(void)state;
	assert_true(nft_name_ok("culvert0"));
	assert_true(nft_name_ok("eth0.12"));
	assert_true(nft_name_ok("br-lan@x_+"));
	assert_false(nft_name_ok(""));
	assert_false(nft_name_ok("a\""));
	assert_false(nft_name_ok("a;b"));
	assert_false(nft_name_ok("a b"));
	assert_false(nft_name_ok("a\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_of_both_families),
		cmocka_unit_test(what_catches_comes_last_and_its_end_first),
		cmocka_unit_test(fakedns_pools_come_before_private_ranges),
		cmocka_unit_test(fail_closed_leaves_no_way_but_answers),
		cmocka_unit_test(options_change_their_rules_only),
		cmocka_unit_test(the_address_beside),
		cmocka_unit_test(a_missing_family_gets_an_address),
		cmocka_unit_test(routes_of_the_tun_in_main),
		cmocka_unit_test(the_table_as_text),
		cmocka_unit_test(names_that_nft_could_misread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
