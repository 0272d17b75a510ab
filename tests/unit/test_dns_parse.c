/* test_dns_parse.c - The dns object, server order, rules of the dns outbound */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/jget.h"
#include "gateway/core/config.h"
#include "gateway/dns/conf.h"
#include "gateway/dns/rules.h"
#include "proxy/wire/dns_msg.h"

static struct config cfg; /* its arena has what TLS levels keep */

static struct dns *parse(const char *text, unsigned int *errors,
			 unsigned int *warnings)
{
	struct jdoc *doc;
	struct dns *dns;
	struct diag d;

	diag_init(&d);
	doc = text ? jdoc_parse(&d, "t", text, strlen(text)) : NULL;
	dns = dns_parse(&d, doc ? doc->root : NULL, &cfg);
	if (errors)
		*errors = d.errors;
	else if (d.errors)
		diag_print(&d, stderr, false);
	if (warnings)
		*warnings = d.warnings;
	diag_free(&d);
	return dns;
}

static void nothing_means_localhost(void **state)
{
	struct dns *dns = parse(NULL, NULL, NULL);

	(void)state;
	assert_non_null(dns);
	assert_int_equal(dns->count, 1);
	assert_int_equal(dns->servers[0].kind, SERVER_SYSTEM);
	assert_int_equal(dns_wants_fake(dns), 0);
	assert_true(dns_own_tag(dns, dns_tag(dns)));
	assert_false(dns_own_tag(dns, "tun"));
	assert_false(dns_own_tag(dns, ""));
	dns_free(dns);
}

static void servers_have_many_forms(void **state)
{
	static const struct {
		const char *text;
		int kind;
		const char *name;
	} forms[] = {
		{ "\"8.8.8.8\"", SERVER_UDP, "UDP:8.8.8.8:53" },
		{ "\"2001:4860::8\"", SERVER_UDP, "UDP:[2001:4860::8]:53" },
		{ "\"dns.example\"", SERVER_UDP, "UDP:dns.example:53" },
		{ "\"tcp://1.1.1.1\"", SERVER_TCP, "TCP//1.1.1.1:53" },
		{ "\"tcp://1.1.1.1:5353\"", SERVER_TCP, "TCP//1.1.1.1:5353" },
		{ "\"tcp://[::1]:5353\"", SERVER_TCP, "TCP//[::1]:5353" },
		{ "\"TCP+local://[::1]\"", SERVER_TCP, "TCPL//[::1]:53" },
		{ "\"tls://9.9.9.9\"", SERVER_TLS, "DOT//9.9.9.9:853" },
		{ "\"tls+local://dns.example:8853\"", SERVER_TLS,
		  "DOTL//dns.example:8853" },
		{ "\"https://dns.example/q\"", SERVER_HTTPS,
		  "DOH//dns.example:443" },
		{ "\"HTTPS+local://[2620:fe::fe]:5053/q\"", SERVER_HTTPS,
		  "DOHL//[2620:fe::fe]:5053" },
		{ "\"h2c://127.0.0.1\"", SERVER_H2C, "DOH//127.0.0.1:80" },
		{ "\"h2c+local://127.0.0.1:81/\"", SERVER_H2C,
		  "DOHL//127.0.0.1:81" },
		{ "\"localhost\"", SERVER_SYSTEM, "localhost" },
		{ "\"fakedns\"", SERVER_FAKE, "FakeDNS" },
		{ "{\"address\":\"9.9.9.9\",\"port\":5300}", SERVER_UDP,
		  "UDP:9.9.9.9:5300" },
		{ "{\"address\":\"fakedns\",\"domains\":[\"domain:a\"]}",
		  SERVER_FAKE, "FakeDNS" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct dns *dns;

		snprintf(text, sizeof(text), "{\"servers\":[%s]}",
			 forms[i].text);
		dns = parse(text, NULL, NULL);
		if (!dns)
			fail_msg("%s is refused", text);
		assert_int_equal(dns->servers[0].kind, forms[i].kind);
		assert_string_equal(dns->servers[0].name, forms[i].name);
		assert_int_equal(dns->servers[0].timeout_ms, 4000);
		dns_free(dns);
	}
}

static void wrong_ones_are_refused(void **state)
{
	static const char *const bad[] = {
		"{\"servers\":[\"quic+local://1.1.1.1\"]}",
		"{\"servers\":[\"https:///dns-query\"]}",
		"{\"servers\":[\"https://1.1.1.1/a b\"]}",
		"{\"servers\":[\"https://1.1.1.1?x=1\"]}",
		"{\"servers\":[\"https://me@dns.example/\"]}",
		"{\"servers\":[\"tls://1.1.1.1/dns-query\"]}",
		"{\"servers\":[{\"address\":\"tls://1.1.1.1\","
		"\"tlsSettings\":{\"minVersion\":\"7\"}}]}",
		"{\"hosts\":{\"d.example\":\"#3\"},"
		"\"servers\":[\"https://d.example/q\"]}",
		"{\"servers\":[\"1.1.1.1:0\"]}",
		"{\"servers\":[\"tcp://\"]}",
		"{\"servers\":[\"tcp://[::1\"]}",
		"{\"servers\":[\"a b\"]}",
		"{\"servers\":[\"tcp+local://name.example\"]}",
		"{\"servers\":[{}]}",
		"{\"servers\":[7]}",
		"{\"servers\":[{\"address\":\"1.1.1.1\",\"expectedIPs\":[\"x\"]"
		"}]}",
		"{\"servers\":[{\"address\":\"1.1.1.1\",\"timeoutMs\":-1}]}",
		"{\"hosts\":{\"a\":7}}",
		"{\"hosts\":{\"a\":[]}}",
		"{\"hosts\":{\"a\":\"#16\"}}",
		"{\"hosts\":{\"a\":[\"1.1.1.1\",\"b.c\"]}}",
		"{\"hosts\":[]}",
		"{\"clientIp\":\"nonsense\"}",
		"{\"queryStrategy\":\"UseIPv5\"}",
	};
	unsigned int errors;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dns *dns = parse(bad[i], &errors, NULL);

		if (dns || !errors)
			fail_msg("%s is taken", bad[i]);
	}
}

static void options_are_inherited(void **state)
{
	struct dns *dns = parse(
		"{\"disableCache\":true,\"serveStale\":true,"
		"\"serveExpiredTTL\":9,\"clientIp\":\"192.0.2.77\","
		"\"tag\":\"d\",\"queryStrategy\":\"UseIPv4\",\"servers\":["
		"\"1.1.1.1\",{\"address\":\"fakedns\",\"disableCache\":false,"
		"\"queryStrategy\":\"UseIP\",\"timeoutMs\":7,\"tag\":\"own\","
		"\"serveStale\":false,\"expectIPs\":\"10.0.0.0/8,*\"}]}",
		NULL, NULL);

	(void)state;
	assert_non_null(dns);
	assert_string_equal(dns_tag(dns), "d");
	assert_true(dns_own_tag(dns, "own"));
	assert_true(dns->servers[0].cache_off);
	assert_true(dns->servers[0].serve_stale);
	assert_int_equal(dns->servers[0].stale_s, 9);
	assert_int_equal(dns->servers[0].families, DNS_V4);
	assert_int_equal(dns->servers[0].subnet.bits, 24);
	assert_int_equal(dns->servers[0].subnet.ip[3], 0);
	assert_false(dns->servers[1].cache_off);
	assert_false(dns->servers[1].serve_stale);
	assert_int_equal(dns->servers[1].families, DNS_V4);
	assert_int_equal(dns->servers[1].timeout_ms, 7);
	assert_true(dns->servers[1].prefer_expected);
	assert_non_null(dns->servers[1].expected);
	assert_int_equal(dns_wants_fake(dns), DNS_V4);
	dns_free(dns);
}

static void unknown_keys_are_warned_about(void **state)
{
	unsigned int errors, warnings;
	struct dns *dns = parse("{\"severs\":[]}", &errors, &warnings);

	(void)state;
	assert_non_null(dns);
	assert_int_equal(errors, 0);
	assert_int_equal(warnings, 1);
	dns_free(dns);
}

static void requests_have_a_path_and_an_authority(void **state)
{
	static const struct {
		const char *text, *path, *authority;
		bool straight;
	} forms[] = {
		{ "https://d.example/q?x=1{&dns}", "/q?x=1", "d.example",
		  false },
		{ "https://d.example{?dns}", "/dns-query", "d.example", false },
		{ "https+local://1.1.1.1", "/dns-query", "1.1.1.1", true },
		{ "https://[::1]:443/", "/", "[::1]", false },
		{ "https://[::1]:444/", "/", "[::1]:444", false },
		{ "h2c://d.example:443/a", "/a", "d.example:443", false },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct dns_server *s;
		struct dns *dns;

		snprintf(text, sizeof(text), "{\"servers\":[\"%s\"]}",
			 forms[i].text);
		dns = parse(text, NULL, NULL);
		assert_non_null(dns);
		s = &dns->servers[0];
		assert_string_equal(s->path, forms[i].path);
		assert_string_equal(s->authority, forms[i].authority);
		assert_int_equal(s->straight, forms[i].straight);
		assert_non_null(s->top);
		dns_free(dns);
	}
}

static void hosts_say_where_a_server_is(void **state)
{
	struct dns *dns = parse(
		"{\"hosts\":{\"d.example\":[\"::7\",\"192.0.2.7\"],"
		"\"e.example\":\"d.example\",\"f.example\":\"g.example\"},"
		"\"servers\":[\"https://d.example/\",\"tls://e.example\","
		"\"tcp+local://e.example\",\"h2c://f.example\"]}",
		NULL, NULL);
	char text[ADDR_TEXT_MAX];

	(void)state;
	assert_non_null(dns);
	assert_string_equal(
		addr_format(&dns->servers[0].at, text, sizeof(text)),
		"192.0.2.7:443");
	assert_string_equal(dns->servers[0].addr.name, "d.example");
	assert_string_equal(
		addr_format(&dns->servers[1].at, text, sizeof(text)),
		"192.0.2.7:853");
	assert_string_equal(
		addr_format(&dns->servers[2].at, text, sizeof(text)),
		"192.0.2.7:53");
	assert_string_equal(
		addr_format(&dns->servers[3].at, text, sizeof(text)),
		"g.example:80");
	dns_free(dns);
}

/* The order as digits, e.g. "20" */
static const char *order(const struct dns *dns, const char *name, bool fake)
{
	static char text[DNS_SERVERS_MAX + 1];
	uint8_t o[DNS_SERVERS_MAX];
	unsigned int n = servers_order(dns, name, fake, o), i;

	for (i = 0; i < n; i++)
		text[i] = (char)('0' + o[i]);
	text[n] = '\0';
	return text;
}

static void a_servers_name_goes_to_those_that_need_none(void **state)
{
	struct dns *dns = parse(
		"{\"servers\":[\"https://d.example/\",\"tls://e.example\","
		"\"https+local://f.example/\",\"9.9.9.9\"]}",
		NULL, NULL);
	const char system[] = { '0' + DNS_SERVERS_MAX, '\0' };

	(void)state;
	assert_string_equal(order(dns, "other.example", false), "0123");
	assert_string_equal(order(dns, "d.example", false), "23");
	assert_string_equal(order(dns, "e.example", false), "23");
	assert_string_equal(order(dns, "f.example", false), "0123");
	dns_free(dns);
	dns = parse("{\"servers\":[\"https://d.example/\"]}", NULL, NULL);
	assert_string_equal(order(dns, "d.example", false), system);
	dns_free(dns);
}

static void the_order_is_matching_then_fallback(void **state)
{
	static const char servers[] =
		"\"servers\":[\"1.1.1.1\",\"fakedns\","
		"{\"address\":\"2.2.2.2\",\"domains\":[\"domain:b.x\"],"
		"\"skipFallback\":true},"
		"{\"address\":\"3.3.3.3\",\"domains\":[\"domain:x\"]},"
		"{\"address\":\"4.4.4.4\",\"domains\":[\"full:f.x\"],"
		"\"finalQuery\":true,\"skipFallback\":true}]";
	char text[600];
	struct dns *dns;

	(void)state;
	snprintf(text, sizeof(text), "{%s}", servers);
	dns = parse(text, NULL, NULL);
	assert_string_equal(order(dns, "a.y", false), "03");
	assert_string_equal(order(dns, "a.y", true), "013");
	assert_string_equal(order(dns, "a.b.x", false), "230");
	assert_string_equal(order(dns, "f.x", true), "34");
	dns_free(dns);
	snprintf(text, sizeof(text), "{\"disableFallback\":true,%s}", servers);
	dns = parse(text, NULL, NULL);
	assert_string_equal(order(dns, "a.b.x", true), "23");
	assert_string_equal(order(dns, "a.y", true), "0");
	dns_free(dns);
	snprintf(text, sizeof(text), "{\"disableFallbackIfMatch\":true,%s}",
		 servers);
	dns = parse(text, NULL, NULL);
	assert_string_equal(order(dns, "a.b.x", true), "23");
	assert_string_equal(order(dns, "a.y", true), "013");
	dns_free(dns);
}

static void localhost_owns_local_names(void **state)
{
	struct dns *dns =
		parse("{\"servers\":[\"1.1.1.1\",\"localhost\"]}", NULL, NULL);

	(void)state;
	assert_string_equal(order(dns, "printer", false), "10");
	assert_string_equal(order(dns, "nas.lan", false), "10");
	assert_string_equal(order(dns, "a.example.com", false), "01");
	dns_free(dns);
}

/* --- rules of the outbound ------------------------------------------------------ */

static struct dns_rules *rules(const char *text, unsigned int *errors)
{
	struct dns_rules *r;
	struct jdoc *doc;
	struct jobj o;
	struct diag d;

	diag_init(&d);
	doc = jdoc_parse(&d, "t", text, strlen(text));
	assert_non_null(doc);
	j_open(&o, &d, doc->root);
	r = dns_rules_parse(&o);
	j_close(&o);
	*errors = d.errors;
	diag_free(&d);
	return r;
}

static void rules_decide_by_type_and_name(void **state)
{
	unsigned int errors;
	uint8_t rcode;
	struct dns_rules *r =
		rules("{\"rules\":[{\"action\":\"drop\",\"qType\":\"1,28\","
		      "\"domain\":[\"domain:ads.x\"]},"
		      "{\"action\":\"return\",\"qType\":65,\"rCode\":3},"
		      "{\"action\":\"direct\",\"qType\":\"15-16\"}]}",
		      &errors);

	(void)state;
	assert_int_equal(errors, 0);
	assert_int_equal(rules_find(r, "a.ads.x", 1, &rcode), DNS_DROP);
	assert_int_equal(rules_find(r, "a.x", 1, &rcode), DNS_HIJACK);
	assert_int_equal(rules_find(r, "a.x", 28, &rcode), DNS_HIJACK);
	assert_int_equal(rules_find(r, "a.x", 65, &rcode), DNS_RETURN);
	assert_int_equal(rcode, 3);
	assert_int_equal(rules_find(r, "a.x", 16, &rcode), DNS_DIRECT);
	assert_int_equal(rules_find(r, "a.x", 12, &rcode), DNS_RETURN);
	assert_int_equal(rcode, 0);
	dns_rules_free(r);
	r = rules("{\"rules\":[{\"action\":\"drop\",\"domain\":[]}]}", &errors);
	assert_int_equal(rules_find(r, "a.x", 1, &rcode), DNS_DROP);
	dns_rules_free(r);
	assert_int_equal(rules_find(NULL, "a.x", 65, &rcode), DNS_RETURN);
	assert_int_equal(rules_find(NULL, "a.x", 1, &rcode), DNS_HIJACK);
}

static void older_settings_become_rules(void **state)
{
	unsigned int errors;
	uint8_t rcode;
	struct dns_rules *r = rules("{\"nonIPQuery\":\"skip\","
				    "\"blockTypes\":[65,28]}",
				    &errors);

	(void)state;
	assert_int_equal(errors, 0);
	assert_int_equal(rules_find(r, "a.x", 65, &rcode), DNS_DROP);
	assert_int_equal(rules_find(r, "a.x", 28, &rcode), DNS_DROP);
	assert_int_equal(rules_find(r, "a.x", 1, &rcode), DNS_HIJACK);
	assert_int_equal(rules_find(r, "a.x", 16, &rcode), DNS_DIRECT);
	dns_rules_free(r);
	r = rules("{\"nonIPQuery\":\"reject\"}", &errors);
	assert_int_equal(rules_find(r, "a.x", 16, &rcode), DNS_RETURN);
	assert_int_equal(rcode, 5);
	dns_rules_free(r);
	r = rules("{\"nonIPQuery\":\"drop\"}", &errors);
	assert_int_equal(rules_find(r, "a.x", 16, &rcode), DNS_DROP);
	dns_rules_free(r);
	assert_null(rules("{\"nonIPQuery\":\"drop\",\"rules\":[]}", &errors));
	assert_true(errors > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_means_localhost),
		cmocka_unit_test(servers_have_many_forms),
		cmocka_unit_test(wrong_ones_are_refused),
		cmocka_unit_test(options_are_inherited),
		cmocka_unit_test(requests_have_a_path_and_an_authority),
		cmocka_unit_test(hosts_say_where_a_server_is),
		cmocka_unit_test(a_servers_name_goes_to_those_that_need_none),
		cmocka_unit_test(unknown_keys_are_warned_about),
		cmocka_unit_test(the_order_is_matching_then_fallback),
		cmocka_unit_test(localhost_owns_local_names),
		cmocka_unit_test(rules_decide_by_type_and_name),
		cmocka_unit_test(older_settings_become_rules),
	};

	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&cfg.arena);
	return rc;
}
