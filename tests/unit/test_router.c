/*
 * test_router.c - Every kind of condition, their AND and OR, strategies with a
 * DNS that answers when the test says so, config errors
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/health.h"
#include "gateway/core/route.h"
#include "gateway/core/session.h"
#include "gateway/route/explain.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/router_bench.h"

/* --- conditions ---------------------------------------------------------- */

static void no_rules_give_the_first_outbound(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "{}");
	PASSED(&b, "a.com", 80);
	assert_int_equal(b.s.route_how, HOW_DEFAULT);
	assert_null(b.s.rule);
	router_free(b.r);
	b.r = router_parse(&b.d, NULL, &b.cfg);
	PASSED(&b, "1.2.3.4", 80);
	b.cfg.outbound_count = 0;
	assert_string_equal(pick(&b), "none");
	bench_close(&b);
}

static void domains_match_the_target_or_the_sniffed_name(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"domain\":[\"domain:a.com\",\"full:b.com\"],"
		       "\"ruleTag\":\"my rule\"");
	BLOCKED(&b, "www.a.com", 80);
	assert_string_equal(b.s.rule, "my rule");
	assert_int_equal(b.s.route_how, HOW_RULE);
	BLOCKED(&b, "b.com", 80);
	PASSED(&b, "x.b.com", 80);
	assert_null(b.s.rule);
	PASSED(&b, "1.2.3.4", 80);
	b.s.route_name = "x.a.com"; /* routeOnly: the target stays an address */
	BLOCKED(&b, "1.2.3.4", 80);
	bench_close(&b);
	bench_rule(&b, "\"domains\":\"domain:a.com,full:b.com\"");
	BLOCKED(&b, "b.com", 80);
	assert_string_equal(b.s.rule, "rules[0]");
	bench_close(&b);
}

static void addresses_match_the_target(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"ip\":[\"10.0.0.0/8\",\"2001:db8::/32\"]");
	BLOCKED(&b, "10.1.1.1", 80);
	BLOCKED(&b, "2001:db8::1", 80);
	PASSED(&b, "11.1.1.1", 80);
	PASSED(&b, "ten.com", 80); /* AsIs: names match no ip rule */
	assert_int_equal(dns.asked, 0);
	bench_close(&b);
	bench_rule(&b, "\"ip\":[\"!10.0.0.0/8\"]");
	PASSED(&b, "10.1.1.1", 80);
	BLOCKED(&b, "11.1.1.1", 80);
	PASSED(&b, "2001:db8::1", 80); /* "!" speaks of its own family only */
	PASSED(&b, "ten.com", 80);
	bench_close(&b);
}

static void ports_match_ranges(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"port\":\"53,1000-2000\"");
	BLOCKED(&b, "a.com", 53);
	BLOCKED(&b, "a.com", 1000);
	BLOCKED(&b, "a.com", 2000);
	PASSED(&b, "a.com", 2001);
	bench_close(&b);
	bench_rule(&b, "\"port\":443");
	BLOCKED(&b, "a.com", 443);
	PASSED(&b, "a.com", 444);
	bench_close(&b);
	bench_rule(&b, "\"sourcePort\":\"40000\"");
	BLOCKED(&b, "a.com", 1);
	b.s.source.port = 40001;
	PASSED(&b, "a.com", 1);
	bench_close(&b);
	bench_rule(&b, "\"localPort\":\"1080-1081\"");
	BLOCKED(&b, "a.com", 1);
	b.s.local.port = 1082;
	PASSED(&b, "a.com", 1);
	bench_close(&b);
}

static void networks_match(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"network\":\"udp\"");
	PASSED(&b, "a.com", 80);
	b.s.net = NET_UDP;
	BLOCKED(&b, "a.com", 80);
	bench_close(&b);
	bench_rule(&b, "\"network\":[\"tcp\",\"udp\"]");
	BLOCKED(&b, "a.com", 80);
	b.s.net = NET_UDP;
	BLOCKED(&b, "a.com", 80);
	bench_close(&b);
}

static void sources_match(void **state)
{
	static const char *const keys[] = { "source", "sourceIP" };
	struct bench b;
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "\"%s\":[\"192.168.1.0/29\"]",
			 keys[i]);
		bench_rule(&b, text);
		BLOCKED(&b, "a.com", 80);
		addr_parse_ip(&b.s.source, "192.168.1.8");
		PASSED(&b, "a.com", 80);
		bench_close(&b);
	}
	bench_rule(&b, "\"localIP\":[\"192.168.1.1\"]");
	BLOCKED(&b, "a.com", 80);
	addr_parse_ip(&b.s.local, "192.168.2.1");
	PASSED(&b, "a.com", 80);
	bench_close(&b);
}

static void inbound_tags_match_exactly(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"inboundTag\":[\"x\",\"in\"]");
	BLOCKED(&b, "a.com", 80);
	b.s.inbound_tag = "inn";
	PASSED(&b, "a.com", 80);
	b.s.inbound_tag = NULL;
	PASSED(&b, "a.com", 80);
	bench_close(&b);
}

static void users_match_text_or_regexp(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"user\":[\"Ann\",\"regexp:^b.*@x$\"]");
	PASSED(&b, "a.com", 80);
	b.s.user = "Ann";
	BLOCKED(&b, "a.com", 80);
	b.s.user = "ann";
	PASSED(&b, "a.com", 80);
	b.s.user = "bob@x";
	BLOCKED(&b, "a.com", 80);
	b.s.user = "abob@x";
	PASSED(&b, "a.com", 80);
	bench_close(&b);
}

static void protocols_match_by_prefix(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"protocol\":[\"http\",\"bittorrent\"]");
	PASSED(&b, "a.com", 80);
	b.s.proto = SNIFF_HTTP1;
	BLOCKED(&b, "a.com", 80);
	b.s.proto = SNIFF_TLS;
	PASSED(&b, "a.com", 80);
	b.s.proto = SNIFF_BITTORRENT;
	BLOCKED(&b, "a.com", 80);
	bench_close(&b);
}

static void attributes_must_all_match(void **state)
{
	static char head[] = "GET http://a.com/test/1?x HTTP/1.1\r\n"
			     "Host: a.com\r\nuser-agent:  Mozilla/5\r\n\r\n"
			     "Fake: body\r\n";
	struct bench b;

	(void)state;
	bench_rule(&b, "\"attrs\":{\":method\":\"^GET$\",\":path\":\"^/test\","
		       "\"User-Agent\":\"^Mozilla\"}");
	assert_true(router_wants_attrs(b.r));
	PASSED(&b, "a.com", 80);
	b.s.http_head = head;
	BLOCKED(&b, "a.com", 80);
	bench_close(&b);
	bench_rule(&b, "\"attrs\":{\"Host\":\"a.com\",\"accept\":\"html\"}");
	b.s.http_head = head;
	PASSED(&b, "a.com", 80);
	bench_close(&b);
	bench_rule(&b, "\"attrs\":{\"Fake\":\".\"}");
	b.s.http_head = head;
	PASSED(&b, "a.com", 80); /* behind the empty line */
	bench_close(&b);
	bench_rule(&b, "\"port\":1");
	assert_false(router_wants_attrs(b.r));
	bench_close(&b);
}

/* As in Xray; without the condition the rule would take everybody */
static void empty_conditions_hold_for_nobody(void **state)
{
	static const char *const keys[] = { "inboundTag", "user",
					    "protocol",   "network",
					    "port",       "sourcePort",
					    "localPort",  "vlessRoute" };
	static const char *const none[] = { "\"\"", "[\"\"]", "\" , \"" };
	char text[128];
	struct bench b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(none); k++) {
			if (i >= 4 && k == 1)
				continue; /* no list */
			snprintf(text, sizeof(text),
				 "{\"rules\":[{\"domain\":[\"full:a.com\"],"
				 "\"%s\":%s,\"outboundTag\":\"block\"}]}",
				 keys[i], none[k]);
			bench_open(&b, text);
			assert_int_equal(b.d.errors, 0);
			assert_int_equal(b.d.warnings, 1);
			b.s.user = "";
			b.s.inbound_tag = "";
			b.s.proto = SNIFF_TLS;
			PASSED(&b, "a.com", 80);
			bench_close(&b);
		}
	}
	bench_rule(&b, "\"inboundTag\":[\"\",\"tun-in\"],\"user\":[]");
	b.s.inbound_tag = "tun-in";
	BLOCKED(&b, "a.com", 80);
	b.s.inbound_tag = "";
	PASSED(&b, "a.com", 80);
	bench_close(&b);
	bench_rule(&b, "\"user\":[\"regexp:.*\"]");
	b.s.user = "";
	PASSED(&b, "a.com", 80);
	bench_close(&b);
}

static void conditions_are_and_items_are_or(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"domain\":[\"domain:a.com\",\"domain:b.com\"],"
		       "\"port\":\"80,443\",\"network\":\"tcp\","
		       "\"source\":[\"192.168.1.5\"]");
	BLOCKED(&b, "a.com", 443);
	BLOCKED(&b, "b.com", 80);
	PASSED(&b, "a.com", 81);
	PASSED(&b, "c.com", 80);
	b.s.net = NET_UDP;
	PASSED(&b, "a.com", 443);
	b.s.net = NET_TCP;
	addr_parse_ip(&b.s.source, "192.168.1.6");
	PASSED(&b, "a.com", 443);
	bench_close(&b);
}

static void domain_and_ip_in_one_rule_must_both_match(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"domain\":[\"a.com\"],\"ip\":[\"10.0.0.0/8\"]");
	PASSED(&b, "a.com", 80);
	PASSED(&b, "10.0.0.1", 80);
	b.s.route_name = "a.com";
	BLOCKED(&b, "10.0.0.1", 80);
	bench_close(&b);
}

static void the_first_matching_rule_wins(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b,
		   "{\"rules\":["
		   "{\"domain\":[\"x\"],\"port\":1,\"outboundTag\":\"block\"},"
		   "{\"domain\":[\"x\"],\"outboundTag\":\"proxy-a\"},"
		   "{\"domain\":[\"x.com\"],\"outboundTag\":\"proxy-b\"}]}");
	assert_int_equal(b.d.errors, 0);
	assert_string_equal(pick_to(&b, "x.com", 1), "block");
	assert_string_equal(pick_to(&b, "x.com", 2), "proxy-a");
	assert_string_equal(b.s.rule, "rules[1]");
	bench_close(&b);
}

static void a_forced_tag_goes_before_rules(void **state)
{
	struct bench b;

	(void)state;
	bench_rule(&b, "\"network\":\"tcp,udp\"");
	b.s.forced_tag = "proxy-a";
	assert_string_equal(pick_to(&b, "a.com", 1), "proxy-a");
	assert_int_equal(b.s.route_how, HOW_FORCED);
	b.s.forced_tag = "nothing";
	assert_string_equal(pick_to(&b, "a.com", 1), "none");
	bench_close(&b);
}

static void a_thousand_rules_cost_one_lookup_each(void **state)
{
	char *json = malloc(200000), *p = json, name[32];
	struct bench b;
	int i;

	(void)state;
	p += sprintf(p, "{\"rules\":[");
	for (i = 0; i < 1000; i++)
		p += sprintf(p,
			     "%s{\"domain\":[\"full:h%d.net\"],"
			     "\"outboundTag\":\"block\"}",
			     i ? "," : "", i);
	sprintf(p, "]}");
	bench_open(&b, json);
	free(json);
	assert_int_equal(b.d.errors, 0);
	for (i = 0; i < 1000; i += 37) {
		snprintf(name, sizeof(name), "h%d.net", i);
		BLOCKED(&b, name, 80);
		snprintf(name, sizeof(name), "rules[%d]", i);
		assert_string_equal(b.s.rule, name);
	}
	PASSED(&b, "h1000.net", 80);
	bench_close(&b);
}

/* --- domain strategies ----------------------------------------------------- */

#define IP_RULES(strategy) \
	"{\"domainStrategy\":\"" strategy "\",\"rules\":[" \
	"{\"domain\":[\"full:known.com\"],\"outboundTag\":\"proxy-a\"}," \
	"{\"ip\":[\"10.0.0.0/8\"],\"outboundTag\":\"block\"}," \
	"{\"domain\":[\"domain:com\"],\"outboundTag\":\"proxy-b\"}]}"

static void if_non_match_resolves_after_all_rules(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, IP_RULES("IPIfNonMatch"));
	dns.ip = "10.1.1.1";
	assert_string_equal(pick_to(&b, "x.com", 80), "proxy-b");
	assert_string_equal(pick_to(&b, "known.com", 80), "proxy-a");
	assert_int_equal(dns.asked, 0);
	assert_string_equal(pick_to(&b, "x.net", 80), "block");
	assert_int_equal(dns.asked, 1);
	assert_int_equal(dns.families, DNS_V4); /* no rule looks at IPv6 */
	assert_string_equal(dns.name, "x.net");
	assert_null(b.s.dns);
	assert_int_equal(b.s.target.kind, ADDR_NAME); /* stays a name */
	dns.ip = "11.1.1.1";
	PASSED(&b, "x.net", 80);
	dns.rc = -ENOENT;
	PASSED(&b, "x.net", 80);
	bench_close(&b);
}

static void on_demand_resolves_at_the_first_ip_rule(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, IP_RULES("IPOnDemand"));
	dns.ip = "10.1.1.1";
	assert_string_equal(pick_to(&b, "known.com", 80), "proxy-a");
	assert_int_equal(dns.asked, 0);
	assert_string_equal(pick_to(&b, "x.com", 80), "block");
	assert_int_equal(dns.asked, 1);
	dns.ip = "11.1.1.1";
	assert_string_equal(pick_to(&b, "x.com", 80), "proxy-b");
	PASSED(&b, "x.net", 80);
	bench_close(&b);
}

static void routing_waits_for_both_families(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b,
		   "{\"domainStrategy\":\"IPOnDemand\",\"rules\":["
		   "{\"ip\":[\"fd00::/8\"],\"outboundTag\":\"block\"},"
		   "{\"ip\":[\"10.0.0.0/8\"],\"outboundTag\":\"proxy-a\"}]}");
	dns.rc = -EAGAIN;
	assert_string_equal(pick_to(&b, "x.com", 80), "again");
	assert_int_equal(dns.families, DNS_V4 | DNS_V6);
	assert_string_equal(pick(&b), "again");
	assert_int_equal(dns.asked, 1);
	dns_answer(b.s.dns, "10.0.0.1");
	b.s.dns->pending = DNS_V6;
	assert_string_equal(pick(&b), "again");
	dns_answer(b.s.dns, "fd00::1");
	b.s.dns->pending = 0;
	assert_string_equal(pick(&b), "block");
	assert_null(b.s.dns);
	assert_int_equal(dns.asked, 1);
	bench_close(&b);
}

static void own_queries_are_never_resolved(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, IP_RULES("IPOnDemand"));
	b.s.skip_dns = true;
	dns.ip = "10.1.1.1";
	assert_string_equal(pick_to(&b, "x.com", 80), "proxy-b");
	PASSED(&b, "x.net", 80);
	assert_int_equal(dns.asked, 0);
	bench_close(&b);
}

static void a_failed_answer_leaves_the_address_of_the_target(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, IP_RULES("IPOnDemand"));
	b.s.route_name = "x.net";
	dns.rc = -ETIMEDOUT;
	BLOCKED(&b, "10.0.0.1", 80);
	assert_int_equal(dns.asked, 1);
	bench_close(&b);
}

/* --- balancers --------------------------------------------------------------- */

static void round_robin_goes_around_sorted_tags(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b,
		   "{\"balancers\":[{\"tag\":\"b\",\"selector\":[\"proxy\"],"
		   "\"strategy\":{\"type\":\"roundRobin\"}}],\"rules\":["
		   "{\"port\":80,\"balancerTag\":\"b\"}]}");
	assert_int_equal(b.d.errors, 0);
	assert_string_equal(pick_to(&b, "x.com", 80), "proxy-a");
	assert_string_equal(pick(&b), "proxy-b");
	assert_string_equal(pick(&b), "proxy-a");
	bench_close(&b);
}

static void random_takes_all_and_only_the_selected(void **state)
{
	unsigned int seen[2] = { 0 }, i;
	struct bench b;
	const char *tag;

	(void)state;
	bench_open(&b,
		   "{\"balancers\":[{\"tag\":\"b\",\"selector\":[\"proxy\"]}],"
		   "\"rules\":[{\"port\":80,\"balancerTag\":\"b\"}]}");
	assert_int_equal(b.d.errors, 0);
	for (i = 0; i < 200; i++) {
		tag = pick_to(&b, "x.com", 80);
		assert_memory_equal(tag, "proxy-", 6);
		seen[tag[6] - 'a']++;
	}
	assert_true(seen[0] > 20 && seen[1] > 20);
	bench_close(&b);
}

static void a_fallback_is_used_when_none_is_selected(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "{\"balancers\":[{\"tag\":\"b\",\"selector\":[\"zzz\"],"
		       "\"fallbackTag\":\"block\"}],"
		       "\"rules\":[{\"port\":80,\"balancerTag\":\"b\"}]}");
	assert_int_equal(b.d.errors, 0);
	BLOCKED(&b, "x.com", 80);
	bench_close(&b);
}

/* --- complaints ---------------------------------------------------------------- */

static char *complaints(struct bench *b)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	diag_print(&b->d, f, false);
	fclose(f);
	return text;
}

static void assert_complaint(const char *json, unsigned int errors,
			     const char *want)
{
	struct bench b;
	char *text;

	bench_open(&b, json);
	text = complaints(&b);
	if (b.d.errors != errors || !strstr(text, want))
		fail_msg("%s\nwanted %u errors and \"%s\", got\n%s", json,
			 errors, want, text);
	free(text);
	bench_close(&b);
}

static void wrong_rules_are_named(void **state)
{
	(void)state;
	assert_complaint("{\"rules\":[{\"ip\":\"\",\"port\":1,"
			 "\"outboundTag\":\"block\"}]}",
			 1, "must not be empty");
	assert_complaint("{\"rules\":[{\"domain\":\" \",\"port\":1,"
			 "\"outboundTag\":\"block\"}]}",
			 1, "must not be empty");
	assert_complaint("{\"rules\":[{\"port\":1,\"outboundTag\":\"prxy\"}]}",
			 1, "no outbound has the tag \"prxy\"");
	assert_complaint("{\"rules\":[{\"port\":1,\"outboundTag\":\"prxy\"}]}",
			 1, "first, proxy-b, proxy-a, block");
	assert_complaint("{\"rules\":[{\"outboundTag\":\"block\"}]}", 1,
			 "no condition");
	assert_complaint("{\"rules\":[{\"port\":1}]}", 1, "balancerTag");
	assert_complaint("{\"rules\":[{\"port\":1,\"balancerTag\":\"b\"}]}", 1,
			 "no balancer has the tag \"b\"");
	assert_complaint("{\"rules\":[{\"process\":[7],\"port\":1,"
			 "\"outboundTag\":\"block\"}]}",
			 1, "process");
	assert_complaint("{\"rules\":[{\"ip\":[\"1.2.3\"],"
			 "\"outboundTag\":\"block\"}]}",
			 1, "1.2.3");
	assert_complaint("{\"rules\":[{\"domain\":[\"regexp:(\"],"
			 "\"outboundTag\":\"block\"}]}",
			 1, "bad regexp");
	assert_complaint("{\"rules\":[{\"network\":\"icmp\","
			 "\"outboundTag\":\"block\"}]}",
			 1, "icmp");
	assert_complaint("{\"rules\":[7]}", 1, "rules[0]");
	assert_complaint("{\"balancers\":[{\"tag\":\"b\",\"selector\":"
			 "[\"zzz\"]}]}",
			 1, "prefixes");
	assert_complaint("{\"balancers\":[{\"tag\":\"b\",\"selector\":"
			 "[\"proxy\"],\"strategy\":{\"type\":\"leastPing\"}}]}",
			 1, "needs observatory or burstObservatory");
}

#define COSTS(selector, costs) \
	"{\"balancers\":[{\"tag\":\"b\",\"selector\":[\"" selector "\"]," \
	"\"fallbackTag\":\"first\",\"strategy\":{\"type\":\"leastLoad\"," \
	"\"settings\":{\"costs\":[" costs "]}}}]," \
	"\"rules\":[{\"port\":80,\"balancerTag\":\"b\"}]}"

/* Both are probed; "proxy-b" is steadier than "proxy-a" */
static struct health probed[] = {
	{ .state = HEALTH_ALIVE, .deviation_ms = 10, .count = 10 },
	{ .state = HEALTH_ALIVE, .deviation_ms = 90, .count = 10 },
};

static void costs_make_the_load_go_elsewhere(void **state)
{
	struct bench b;

	(void)state;
	outbounds[1].health = &probed[0];
	outbounds[2].health = &probed[1];
	bench_open(&b, COSTS("proxy", ""));
	assert_int_equal(b.d.errors, 0);
	assert_string_equal(pick_to(&b, "x.com", 80), "proxy-b");
	bench_close(&b);
	bench_open(&b, COSTS("proxy", "{\"match\":\"-b$\",\"regexp\":true,"
				      "\"value\":100}"));
	assert_int_equal(b.d.errors, 0);
	assert_string_equal(pick_to(&b, "x.com", 80), "proxy-a");
	bench_close(&b);
	outbounds[1].health = outbounds[2].health = NULL;
}

static void wrong_costs_are_named(void **state)
{
	(void)state;
	outbounds[1].health = outbounds[2].health = &probed[0];
	assert_complaint(COSTS("proxy", "{\"value\":2}"), 1, "match");
	assert_complaint(COSTS("proxy", "{\"match\":\"a\",\"value\":-1}"), 1,
			 "must be 0 to 1e+06, got -1");
	assert_complaint(COSTS("proxy", "{\"match\":\"a\",\"value\":\"2\"}"), 1,
			 "must be a number");
	assert_complaint(COSTS("proxy", "{\"match\":\"(\",\"regexp\":true}"), 1,
			 "bad regexp");
	assert_complaint(COSTS("proxy", "7"), 1, "costs[0]");
	/* also where nobody is selected */
	assert_complaint(COSTS("zzz", "{\"match\":\"(\",\"regexp\":true}"), 1,
			 "bad regexp");
	outbounds[1].health = outbounds[2].health = NULL;
}

static void doubtful_rules_give_warnings(void **state)
{
	(void)state;
	assert_complaint("{\"rules\":["
			 "{\"network\":\"tcp,udp\",\"outboundTag\":\"block\"},"
			 "{\"port\":1,\"outboundTag\":\"block\"},"
			 "{\"port\":2,\"outboundTag\":\"block\"}]}",
			 0,
			 "never reached, nor the 1 rules behind it: "
			 "rules[0] takes everything");
	assert_complaint("{\"rules\":["
			 "{\"port\":\"0-65535\",\"outboundTag\":\"block\"},"
			 "{\"port\":1,\"outboundTag\":\"block\"}]}",
			 0, "never reached");
	assert_complaint("{\"rules\":[{\"port\":1,\"localOS\":[\"windows\"],"
			 "\"outboundTag\":\"block\"}]}",
			 0, "not for Linux");
	assert_complaint("{\"domainStrategy\":\"Sometimes\"}", 0, "means AsIs");
	assert_complaint("{\"rules\":[{\"port\":1,\"webhook\":{\"url\":\"x\"},"
			 "\"outboundTag\":\"block\"}]}",
			 0, "webhook");
}

static void rules_of_other_systems_never_match(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "{\"rules\":["
		       "{\"domain\":[\"x\"],\"localOS\":[\"windows\"],"
		       "\"outboundTag\":\"block\"},"
		       "{\"domain\":[\"x\"],\"localOS\":[\"linux\"],"
		       "\"outboundTag\":\"proxy-a\"}]}");
	assert_int_equal(b.d.errors, 0);
	assert_string_equal(pick_to(&b, "x.com", 80), "proxy-a");
	bench_close(&b);
}

static void explain_tells_rule_and_need_of_dns(void **state)
{
	struct route_query q = { .net = NET_TCP };
	struct route_answer a;
	struct addr ip = { 0 };
	struct bench b;

	(void)state;
	bench_open(&b, IP_RULES("IPIfNonMatch"));
	q.target = addr_name("x.net", 5, 80);
	route_explain(b.r, &q, &a);
	assert_string_equal(a.outbound->tag, "first");
	assert_null(a.rule);
	assert_true(a.needs_dns);
	addr_parse_ip(&ip, "10.0.0.1");
	q.ips = &ip;
	q.ip_count = 1;
	route_explain(b.r, &q, &a);
	assert_string_equal(a.outbound->tag, "block");
	assert_string_equal(a.rule, "rules[1]");
	assert_false(a.needs_dns);
	q.name = "known.com";
	route_explain(b.r, &q, &a);
	assert_string_equal(a.outbound->tag, "proxy-a");
	assert_int_equal(dns.asked, 0);
	bench_close(&b);
}

/* Every kind of condition with the @n-th allocation failing; false: it was */
static bool parse_all(struct jdoc *doc, struct bench *b, unsigned int n)
{
	static char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	const struct outbound *ob;
	struct diag d;
	bool hit;

	diag_init(&d);
	alloc_fail_at(n);
	b->r = router_parse(&d, doc->root, &b->cfg);
	hit = alloc_fail_hit();
	/* told, or harmless: then the rules work */
	if (!d.errors) {
		assert_non_null(b->r);
		to(b, "a.com", 1);
		assert_int_equal(route_pick(b->r, &b->s, &ob), 0);
		assert_string_equal(ob->tag, "block");
		assert_string_equal(pick_to(b, "b.com", 1), "first");
		assert_string_equal(pick_to(b, "10.0.0.1", 1), "first");
		b->s.route_name = "b.com";
		b->s.user = "a";
		assert_string_equal(pick(b), "first");
		b->s.http_head = head;
		assert_memory_equal(pick(b), "proxy", 5);
		b->s.inbound_tag = "other";
		assert_string_equal(pick(b), "first");
		b->s.inbound_tag = "in";
		b->s.http_head = NULL;
		b->s.user = NULL;
		b->s.route_name = NULL;
	}
	router_free(b->r);
	b->r = NULL;
	arena_free(&b->cfg.arena);
	diag_free(&d);
	return !hit;
}

static void no_memory_is_survived(void **state)
{
	static const char json[] =
		"{\"balancers\":[{\"tag\":\"b\",\"selector\":[\"proxy\"]}],"
		"\"rules\":[{\"domain\":[\"b.com\",\"regexp:^x.*y$\"],"
		"\"ip\":[\"10.0.0.0/8\"],\"port\":\"1-9\",\"user\":"
		"[\"regexp:a\"],\"attrs\":{\"Host\":\"a\"},\"inboundTag\":"
		"[\"in\"],\"balancerTag\":\"b\"},{\"domain\":"
		"[\"domain:a.com\"],\"outboundTag\":\"block\"}]}";
	struct jdoc *doc;
	unsigned int n;
	struct bench b;

	(void)state;
	bench_open(&b, "{}");
	router_free(b.r);
	doc = jdoc_parse(&b.d, "test", json, sizeof(json) - 1);
	assert_non_null(doc);
	for (n = 1; n < 1000 && !parse_all(doc, &b, n); n++)
		;
	assert_in_range(n, 15, 999);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rules_give_the_first_outbound),
		cmocka_unit_test(domains_match_the_target_or_the_sniffed_name),
		cmocka_unit_test(addresses_match_the_target),
		cmocka_unit_test(ports_match_ranges),
		cmocka_unit_test(networks_match),
		cmocka_unit_test(sources_match),
		cmocka_unit_test(inbound_tags_match_exactly),
		cmocka_unit_test(users_match_text_or_regexp),
		cmocka_unit_test(protocols_match_by_prefix),
		cmocka_unit_test(attributes_must_all_match),
		cmocka_unit_test(empty_conditions_hold_for_nobody),
		cmocka_unit_test(conditions_are_and_items_are_or),
		cmocka_unit_test(domain_and_ip_in_one_rule_must_both_match),
		cmocka_unit_test(the_first_matching_rule_wins),
		cmocka_unit_test(a_forced_tag_goes_before_rules),
		cmocka_unit_test(a_thousand_rules_cost_one_lookup_each),
		cmocka_unit_test(if_non_match_resolves_after_all_rules),
		cmocka_unit_test(on_demand_resolves_at_the_first_ip_rule),
		cmocka_unit_test(routing_waits_for_both_families),
		cmocka_unit_test(own_queries_are_never_resolved),
		cmocka_unit_test(
			a_failed_answer_leaves_the_address_of_the_target),
		cmocka_unit_test(round_robin_goes_around_sorted_tags),
		cmocka_unit_test(random_takes_all_and_only_the_selected),
		cmocka_unit_test(a_fallback_is_used_when_none_is_selected),
		cmocka_unit_test(wrong_rules_are_named),
		cmocka_unit_test(costs_make_the_load_go_elsewhere),
		cmocka_unit_test(wrong_costs_are_named),
		cmocka_unit_test(doubtful_rules_give_warnings),
		cmocka_unit_test(rules_of_other_systems_never_match),
		cmocka_unit_test(explain_tells_rule_and_need_of_dns),
		cmocka_unit_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
