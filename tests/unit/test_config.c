/* test_config.c - Whole configurations: what is taken, what is refused and how */
#include "tests/unit/cm.h"

#include <stdlib.h>

#include "gateway/core/dns.h"
#include "gateway/core/match.h"
#include "gateway/observe/observe.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/conf_text.h"

#define OUT  "\"outbounds\":[{\"protocol\":\"freedom\",\"tag\":\"d\"}]"
#define FREE "{\"protocol\":\"freedom\""

/* What one text is refused with: part of the message */
struct refusal {
	const char *text, *says;
};

static void refuse_each(const struct refusal *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config *cfg;
		struct diag d;

		diag_init(&d);
		cfg = conf_text(&d, v[i].text, NULL);
		if (cfg || !strstr(diag_text(&d, false), v[i].says))
			fail_msg("%s\nwant: %s\ngot: %s", v[i].text, v[i].says,
				 diag_text(&d, false));
		diag_free(&d);
	}
}

/* Taken, with a warning that says so ("" none at all) */
static void take_each(const struct refusal *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config *cfg;
		struct diag d;

		diag_init(&d);
		cfg = conf_text(&d, v[i].text, NULL);
		if (!cfg || !strstr(diag_text(&d, false), v[i].says) ||
		    (!v[i].says[0] && d.warnings))
			fail_msg("%s\nwant: %s\ngot: %s", v[i].text, v[i].says,
				 diag_text(&d, false));
		config_unref(cfg);
		diag_free(&d);
	}
}

#define REFUSE(v) refuse_each(v, ARRAY_SIZE(v))
#define TAKE(v)   take_each(v, ARRAY_SIZE(v))

static void a_protocol_that_is_near_is_named(void **state)
{
	static const struct refusal v[] = {
		{ "{\"outbounds\":[{\"protocol\":\"vmes\"}]}",
		  "help: did you mean \"vmess\"?" },
		{ "{\"inbounds\":[{\"protocol\":\"sock\",\"port\":1}]," OUT "}",
		  "help: did you mean \"socks\"?" },
	};

	(void)state;
	REFUSE(v);
}

static void log_errors_say_what_is_allowed(void **state)
{
	static const struct refusal v[] = {
		{ "{\"log\":{\"loglevel\":3}," OUT "}", "log.loglevel" },
		{ "{\"log\":{\"access\":true}," OUT "}", "log.access" },
		{ "{\"log\":{\"dnsLog\":\"yes\"}," OUT "}", "log.dnsLog" },
		{ "{\"log\":[]," OUT "}", "log" },
	};

	(void)state;
	REFUSE(v);
}

static void another_loglevel_is_warning(void **state)
{
	struct config *cfg;
	struct diag d;

	(void)state;
	diag_init(&d);
	cfg = conf_text(&d, "{\"log\":{\"loglevel\":\"warn\"}," OUT "}", NULL);
	assert_non_null(cfg);
	assert_int_equal(cfg->log.level, LOG_WARNING);
	assert_int_equal(d.warnings, 1);
	assert_non_null(strstr(diag_text(&d, false), "\"warn\" means warning"));
	config_unref(cfg);
	diag_free(&d);
}

static void policy_errors_say_what_is_allowed(void **state)
{
	static const struct refusal v[] = {
		{ "{\"policy\":{\"levels\":{\"a\":{}}}," OUT "}",
		  "a level is a number" },
		{ "{\"policy\":{\"levels\":{\"\":{}}}," OUT "}",
		  "a level is a number" },
		{ "{\"policy\":{\"levels\":{\"-1\":{}}}," OUT "}",
		  "a level is a number" },
		{ "{\"policy\":{\"levels\":{\" 1\":{}}}," OUT "}",
		  "a level is a number" },
		{ "{\"policy\":{\"levels\":{\"99999999999\":{}}}," OUT "}",
		  "a level is a number" },
		{ "{\"policy\":{\"levels\":[{}]}," OUT "}", "policy.levels" },
		{ "{\"policy\":{\"levels\":7}," OUT "}", "policy.levels" },
		{ "{\"policy\":{\"levels\":{\"0\":[]}}," OUT "}",
		  "policy.levels" },
		{ "{\"policy\":{\"levels\":{\"0\":{\"handshake\":-1}}}," OUT
		  "}",
		  "handshake" },
		{ "{\"policy\":{\"levels\":{\"0\":{\"connIdle\":1.5}}}," OUT
		  "}",
		  "connIdle" },
		{ "{\"policy\":{\"levels\":{\"0\":{\"uplinkOnly\":\"1\"}}}," OUT
		  "}",
		  "uplinkOnly" },
		{ "{\"policy\":{\"levels\":{\"0\":{\"downlinkOnly\":86401}}}"
		  "," OUT "}",
		  "86400" },
		{ "{\"policy\":{\"system\":{\"statsInboundUplink\":1}}," OUT
		  "}",
		  "statsInboundUplink" },
	};

	(void)state;
	REFUSE(v);
}

/* 86400000 ms times 100 are more than 32 bits hold */
static void samples_count_for_as_long_as_they_should(void **state)
{
	static const struct {
		const char *interval, *sampling;
		uint32_t age_ms;
	} v[] = { { "10s", "50", 1000000 },
		  { "24h", "50", INT32_MAX },
		  /* of clients: the default, which is 10 */
		  { "10s", "0", 200000 },
		  { "10s", "-1", 200000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		char text[512];
		struct config *cfg;
		struct diag d;

		diag_init(&d);
		snprintf(text, sizeof(text),
			 "{\"burstObservatory\":{\"subjectSelector\":[\"d\"],"
			 "\"pingConfig\":{\"destination\":\"http://a/\","
			 "\"interval\":\"%s\",\"sampling\":%s}}," OUT "}",
			 v[i].interval, v[i].sampling);
		cfg = conf_text(&d, text, NULL);
		assert_non_null(cfg);
		assert_int_equal(cfg->observe->age_ms, v[i].age_ms);
		config_unref(cfg);
		diag_free(&d);
	}
}

/* Longer, and nobody could show it */
static void a_secret_has_an_end(void **state)
{
	static const struct {
		int n;
		bool good;
	} secrets[] = { { 255, true }, { 256, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		char text[512];
		struct config *cfg;
		struct diag d;

		diag_init(&d);
		snprintf(text, sizeof(text),
			 "{\"culvert\":{\"clashApi\":{\"listen\":\"0.0.0.0:1\","
			 "\"secret\":\"%0*d\"}}," OUT "}",
			 secrets[i].n, 1);
		cfg = conf_text(&d, text, NULL);
		assert_int_equal(cfg != NULL, secrets[i].good);
		if (!cfg)
			assert_non_null(strstr(diag_text(&d, false),
					       "clashApi.secret: at most 255"));
		config_unref(cfg);
		diag_free(&d);
	}
}

#define REV(tags, more) \
	"{\"api\":{\"tag\":\"" tags "\"}," more \
	"\"outbounds\":[{\"protocol\":\"freedom\",\"tag\":\"d\"}," \
	"{\"protocol\":\"vless\",\"tag\":\"up\",\"settings\":{" \
	"\"address\":\"10.0.0.2\",\"port\":1,\"encryption\":\"none\"," \
	"\"id\":\"a\",\"reverse\":{\"tag\":\"r\"}}}],\"inbounds\":[" \
	"{\"protocol\":\"vless\",\"port\":1,\"settings\":{" \
	"\"decryption\":\"none\",\"clients\":[{\"id\":\"b\"," \
	"\"reverse\":{\"tag\":\"home\"}}]}}]}"

/* Bridges have the outbound's pointer: it would have no settings */
static void tags_of_api_and_metrics_are_theirs(void **state)
{
	static const struct refusal bad[] = {
		{ REV("home", ""), "a client's \"reverse\"" },
		{ REV("up", ""), "an outbound with \"reverse\"" },
		{ REV("x", "\"metrics\":{\"tag\":\"home\"},"),
		  "metrics.tag: \"home\" is the tag" },
		{ "{\"api\":{\"tag\":\"x\"},\"metrics\":{\"tag\":\"x\"}," OUT
		  "}",
		  "is the tag of \"api\"" },
	};
	static const struct refusal good[] = {
		{ REV("x", "\"metrics\":{\"tag\":\"y\"},"), "" },
		{ "{\"api\":{\"tag\":\"d\"}," OUT "}",
		  "api.tag: the outbound \"d\" is replaced" },
	};

	(void)state;
	REFUSE(bad);
	TAKE(good);
}

static void host_errors_say_what_is_allowed(void **state)
{
	static const struct refusal v[] = {
		{ "{\"culvert\":{\"workers\":17}," OUT "}", "16" },
		{ "{\"culvert\":{\"workers\":-1}," OUT "}", "workers" },
		{ "{\"culvert\":{\"mark\":4294967296}," OUT "}", "mark" },
		{ "{\"culvert\":{\"mark\":1,\"markMask\":2}," OUT "}",
		  "markMask" },
		{ "{\"culvert\":{\"mark\":0}," OUT "}", "markMask" },
		{ "{\"culvert\":{\"table\":0}," OUT "}", "table" },
		{ "{\"culvert\":{\"table\":254}," OUT "}", "253 to 255" },
		{ "{\"culvert\":{\"rulePriority\":40000}," OUT "}", "32675" },
		{ "{\"culvert\":{\"rulePriority\":32676}," OUT "}", "32675" },
		{ "{\"culvert\":{\"mark\":3,\"markMask\":1}," OUT "}",
		  "has a bit that markMask has not" },
		{ "{\"culvert\":{\"capture\":\"all\"}," OUT "}", "capture" },
		{ "{\"culvert\":{\"fail\":\"maybe\"}," OUT "}", "closed" },
		{ "{\"culvert\":{\"bypass\":[\"10.0.0.0/33\"]}," OUT "}",
		  "10.0.0.0/33" },
		{ "{\"culvert\":{\"bypass\":[1]}," OUT "}", "bypass" },
		{ "{\"culvert\":{\"maxSessions\":\"many\"}," OUT "}",
		  "maxSessions" },
	};

	(void)state;
	REFUSE(v);
}

static void inbound_errors_say_what_is_allowed(void **state)
{
#define IN(x) "{\"inbounds\":[" x "]," OUT "}"
	static const struct refusal v[] = {
		{ IN("7"), "inbounds[0]" },
		{ "{\"inbounds\":{}," OUT "}", "inbounds" },
		{ IN("{}"), "protocol" },
		{ IN("{\"protocol\":\"tunn\"}"), "there are: tun" },
		{ IN("{\"protocol\":\"hysteria\"}"), "not supported yet" },
		{ IN("{\"protocol\":\"tun\",\"listen\":\"nowhere else\"}"),
		  "listen" },
		{ IN("{\"protocol\":\"tun\",\"listen\":\"env:CULVERT_TEST_"
		     "NONE\"}"),
		  "CULVERT_TEST_NONE is not set" },
		{ IN("{\"protocol\":\"tun\",\"port\":\"70000\"}"), "port" },
		{ IN("{\"protocol\":\"tun\",\"tag\":\"a\"},"
		     "{\"protocol\":\"tun\",\"tag\":\"a\","
		     "\"settings\":{\"name\":\"t1\"}}"),
		  "tag of another inbound" },
		{ IN("{\"protocol\":\"tun\",\"sniffing\":{\"destOverride\":"
		     "[\"tls\",\"ftp\"]}}"),
		  "sniffing.destOverride[1]" },
		{ IN("{\"protocol\":\"tun\",\"sniffing\":{\"enabled\":1}}"),
		  "sniffing.enabled" },
		{ IN("{\"protocol\":\"tun\",\"sniffing\":{\"domainsExcluded\":"
		     "[\"regexp:(\"]}}"),
		  "domainsExcluded" },
		{ IN("{\"protocol\":\"tun\",\"sniffing\":{\"portsExcluded\":"
		     "\"22,70000\"}}"),
		  "portsExcluded" },
		{ IN("{\"protocol\":\"tun\",\"sniffing\":{\"portsExcluded\":"
		     "\"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,"
		     "22,23,24,25,26,27,28,29,30,31,32,33\"}}"),
		  "more than 32 port ranges" },
		{ IN("{\"protocol\":\"tun\",\"sniffing\":{\"ipsExcluded\":"
		     "[\"1.2.3.4/99\"]}}"),
		  "ipsExcluded" },
		{ IN("{\"protocol\":\"tun\",\"settings\":{\"userLevel\":-1}}"),
		  "userLevel" },
		{ IN("{\"protocol\":\"tun\",\"settings\":[]}"), "settings" },
	};
#undef IN

	(void)state;
	REFUSE(v);
}

static void outbound_errors_say_what_is_allowed(void **state)
{
#define O(x) "{\"outbounds\":[" x "]}"
	static const struct refusal v[] = {
		{ "{}", "at least one outbound" },
		{ O(""), "at least one outbound" },
		{ "{\"outbounds\":1}", "outbounds" },
		{ O("{}"), "protocol" },
		{ O("{\"protocol\":\"fredom\"}"), "there are: freedom" },
		{ O("{\"protocol\":\"hysteria\"}"), "not supported yet" },
		{ O("{\"protocol\":\"wireguard\"}"), "secretKey" },
		{ O(FREE ",\"tag\":\"a\"}," FREE ",\"tag\":\"a\"}"),
		  "tag of another outbound" },
		{ O(FREE ",\"tag\":7}"), "tag" },
		{ O(FREE ",\"sendThrough\":\"somewhere\"}"), "sendThrough" },
		{ O(FREE ",\"targetStrategy\":\"Always\"}"), "targetStrategy" },
		{ O(FREE ",\"settings\":{\"domainStrategy\":\"Use\"}}"),
		  "domainStrategy" },
		{ O(FREE ",\"settings\":{\"redirect\":\"a b\"}}"), "redirect" },
		{ O(FREE ",\"proxySettings\":{\"tag\":\"x\"}}"),
		  "no outbound" },
		{ O(FREE ",\"tag\":\"a\",\"streamSettings\":{\"sockopt\":"
			 "{\"dialerProxy\":\"b\"}}}," FREE
			 ",\"tag\":\"b\",\"streamSettings\":{\"sockopt\":"
			 "{\"dialerProxy\":\"a\"}}}"),
		  "leads back" },
		{ O(FREE
		    ",\"tag\":\"a\",\"streamSettings\":{\"network\":\"xhttp\","
		    "\"xhttpSettings\":{\"downloadSettings\":{"
		    "\"network\":\"xhttp\",\"address\":\"192.0.2.1\","
		    "\"port\":1,\"sockopt\":{\"dialerProxy\":\"b\"}}}}}," FREE
		    ",\"tag\":\"b\",\"streamSettings\":{\"sockopt\":"
		    "{\"dialerProxy\":\"a\"}}}"),
		  "leads back" },
		{ O("{\"protocol\":\"socks\"}"),
		  "c.json:1:15: error: outbounds[0].settings.address" },
		{ O("{\"protocol\":\"blackhole\",\"settings\":{\"response\":"
		    "{\"type\":\"rst\"}}}"),
		  "response.type" },
	};
#undef O

	(void)state;
	REFUSE(v);
}

static void stream_errors_say_what_is_allowed(void **state)
{
#define S(x) "{\"outbounds\":[" FREE ",\"streamSettings\":{" x "}}]}"
	static const struct refusal v[] = {
		{ S("\"network\":\"hysteria\""), "not supported yet" },
		{ S("\"rawSettings\":{\"header\":{\"type\":\"http\","
		    "\"request\":{"
		    "\"headers\":{\"A\\nB\":[\"x\"]}}}}"),
		  "request.headers" },
		{ S("\"rawSettings\":{\"header\":{\"type\":\"http\","
		    "\"request\":{"
		    "\"version\":\"1\\n1\"}}}"),
		  "request.version" },
		{ S("\"network\":\"carrier-pigeon\""), "must be one of" },
		{ S("\"security\":\"ssl3\""), "must be one of" },
		{ S("\"network\":1"), "network" },
		{ S("\"sockopt\":{\"mark\":\"x\"}"), "sockopt.mark" },
		{ S("\"sockopt\":{\"interface\":\"0123456789abcdef\"}"),
		  "at most 15" },
		{ S("\"sockopt\":{\"tproxy\":\"both\"}"), "tproxy" },
		{ S("\"sockopt\":{\"tcpFastOpen\":\"on\"}"), "tcpFastOpen" },
		{ S("\"sockopt\":{\"tcpKeepAliveIdle\":-1,"
		    "\"tcpKeepAliveInterval\":5}"),
		  "opposite signs" },
		{ S("\"sockopt\":{\"customSockopt\":[{\"type\":\"int\"}]}"),
		  "opt" },
		{ S("\"tcpSettings\":{\"header\":{\"type\":\"htp\"}}"),
		  "header.type" },
		{ S("\"finalmask\":{\"tcp\":[{\"type\":\"sudoku\"}]}"),
		  "finalmask.tcp[0].type" },
		{ S("\"finalmask\":{\"udp\":[{}]}"), "finalmask.udp" },
	};
#undef S

	(void)state;
	REFUSE(v);
}

static void keys_of_later_work_are_refused_by_name(void **state)
{
	static const struct refusal v[] = {
		{ "{\"api\":{}," OUT "}", "api" },
		{ "{\"metrics\":{}," OUT "}", "metrics" },
		{ "{\"observatory\":{\"probeURL\":\"ftp://a\"}," OUT "}",
		  "observatory.probeURL" },
		{ "{\"burstObservatory\":{}," OUT "}",
		  "burstObservatory.pingConfig" },
		{ "{\"observatory\":{\"probeInterval\":\"10\"}," OUT "}",
		  "observatory.probeInterval" },
		{ "{\"burstObservatory\":{}," OUT "}", "burstObservatory" },
		{ "{\"reverse\":{}," OUT "}", "removed from Xray" },
		{ "{\"transport\":{\"a\":1}," OUT "}", "streamSettings" },
		{ "{\"env\":{\"A\":1}," OUT "}", "env.A" },
		{ "{\"env\":[]," OUT "}", "env" },
		{ "{\"log\":{\"maskAddress\":\"third\"}," OUT "}",
		  "log.maskAddress" },
		{ "{\"outbounds\":[" FREE
		  ",\"settings\":{\"fragment\":{\"packets\":\"1-3\"}}}]}",
		  "fragment" },
	};

	(void)state;
	REFUSE(v);
}

/* Panels and old configurations are full of them */
static void what_xray_does_not_read_any_more_is_a_warning(void **state)
{
#define VMESS_IN(aid) \
	"{\"inbounds\":[{\"protocol\":\"vmess\",\"port\":1,\"settings\":{" \
	"\"clients\":[{\"id\":\"a\",\"alterId\":" aid "}]}}]," OUT "}"
#define VMESS_OUT(aid) \
	"{\"outbounds\":[{\"protocol\":\"vmess\",\"settings\":{\"vnext\":[{" \
	"\"address\":\"192.0.2.1\",\"port\":1,\"users\":[{\"id\":\"a\"," \
	"\"alterId\":" aid "}]}]}}]}"
	static const struct refusal v[] = {
		{ "{\"inbounds\":[{\"protocol\":\"tun\",\"allocate\":{"
		  "\"strategy\":\"always\",\"refresh\":5}}]," OUT "}",
		  "allocate: has no effect" },
		{ VMESS_IN("64"), "alterId: has no effect" },
		{ VMESS_OUT("64"), "alterId: has no effect" },
		{ "{\"transport\":{}," OUT "}", "" },
		{ VMESS_IN("0"), "" },
		{ VMESS_OUT("0"), "" },
	};
#undef VMESS_IN
#undef VMESS_OUT

	(void)state;
	TAKE(v);
}

/* Where a program writes all keys, and 0 or "" for what was not chosen */
static void what_is_out_of_range_is_the_nearest(void **state)
{
#define BALANCER(strategy) \
	"{\"routing\":{\"balancers\":[{\"tag\":\"b\",\"selector\":[\"d\"]," \
	"\"strategy\":{" strategy "}}]},\"observatory\":{" \
	"\"subjectSelector\":[\"d\"],\"probeURL\":\"http://a/\"}," OUT "}"
#define LEAST(settings) \
	BALANCER("\"type\":\"leastLoad\",\"settings\":{" settings "}")
	static const struct refusal v[] = {
		{ BALANCER("\"type\":\"\""), "" },
		{ LEAST("\"expected\":-1"), "" },
		{ LEAST("\"tolerance\":-0.5"), "" },
		{ LEAST("\"tolerance\":2,\"maxRTT\":\"\""), "" },
	};
	static const struct refusal bad[] = {
		{ BALANCER("\"type\":\"fastest\""), "leastPing" },
		{ LEAST("\"tolerance\":\"1\""), "must be a number" },
	};
#undef LEAST
#undef BALANCER

	(void)state;
	TAKE(v);
	REFUSE(bad);
}

static void unknown_keys_are_warnings_with_the_nearest(void **state)
{
	static const struct refusal v[] = {
		{ "{" OUT "}", "" },
		{ "{\"routting\":{}," OUT "}", "did you mean \"routing\"" },
		{ "{\"log\":{\"logLevell\":\"info\"}," OUT "}",
		  "did you mean \"loglevel\"" },
		{ "{\"inbounds\":[{\"protocol\":\"tun\",\"sniffing\":"
		  "{\"enable\":true}}]," OUT "}",
		  "did you mean \"enabled\"" },
		{ "{\"policy\":{\"levels\":{\"0\":{\"connIdel\":3}}}," OUT "}",
		  "did you mean \"connIdle\"" },
		{ "{\"outbounds\":[" FREE ",\"streamSettings\":{\"wsSettings\":"
		  "{}}}]}",
		  "not for this network" },
		{ "{\"OUTBOUNDS\":[{\"Protocol\":\"Freedom\"}]}", "" },
		{ "{\"_note\":1,\"//\":2," OUT "}", "" },
		{ "// a comment\n{ # two\n/* three */" OUT "}", "" },
	};

	(void)state;
	TAKE(v);
}

static void
unknown_keys_of_conditions_are_refused_with_the_nearest(void **state)
{
#define RULE(s) \
	"{\"routing\":{\"rules\":[{\"outboundTag\":\"d\"," s "}]}," OUT "}"
#define FINAL(s) \
	"{\"outbounds\":[{\"protocol\":\"freedom\",\"settings\":" \
	"{\"finalRules\":[{\"action\":\"allow\"," s "}]}}]}"
#define DNS(s) \
	"{\"outbounds\":[{\"protocol\":\"dns\",\"settings\":" \
	"{\"rules\":[{\"action\":\"direct\"," s "}]}}]}"
#define SERVER(s) \
	"{\"dns\":{\"servers\":[{\"address\":\"192.0.2.1\"," s "}]}," OUT "}"
#define FALLBACK(s) \
	"{\"inbounds\":[{\"protocol\":\"trojan\",\"port\":1,\"settings\":" \
	"{\"clients\":[{\"password\":\"a\"}],\"fallbacks\":[{" \
	"\"dest\":80," s "}]}}]," OUT "}"
	static const struct refusal bad[] = {
		{ RULE("\"port\":1,\"nets\":\"tcp\""), "rules[0].nets" },
		{ RULE("\"port\":1,\"domian\":[\"a\"]"),
		  "did you mean \"domain\"" },
		{ RULE("\"port\":1,\"enabled\":false"), "switched off" },
		{ "{\"culvert\":{\"fial\":\"closed\"}," OUT "}",
		  "did you mean \"fail\"" },
		{ FINAL("\"ips\":[\"10.0.0.1\"]"), "did you mean \"ip\"" },
		{ DNS("\"qTypes\":\"1\""), "did you mean \"qType\"" },
		{ SERVER("\"domian\":[\"a\"]"), "did you mean \"domains\"" },
		{ FALLBACK("\"paht\":\"/x\""), "did you mean \"path\"" },
	};
	static const struct refusal good[] = {
#define NOTES "\"_a\":1,\"//\":2,\"remark\":\"b\",\"Remarks\":3,\"comment\":4"
		{ RULE("\"port\":1," NOTES), "" },
		{ RULE("\"port\":1,\"id\":\"7\",\"enabled\":true"), "" },
		{ FINAL(NOTES), "" },
		{ DNS(NOTES), "" },
		{ SERVER(NOTES), "" },
		{ SERVER("\"tlsSettings\":{}"), "not asked through TLS" },
		{ FALLBACK(NOTES), "" },
	};

	(void)state;
	REFUSE(bad);
	TAKE(good);
}

static void all_errors_come_in_one_pass(void **state)
{
	char text[8192] = "{\"log\":{\"loglevel\":3},\"policy\":"
			  "{\"levels\":{\"a\":{}}},\"outbounds\":[";
	struct diag d;

	(void)state;
	for (int i = 0; i < 30; i++)
		strcat(text,
		       i ? ",{\"protocol\":\"no\"}" : "{\"protocol\":\"no\"}");
	strcat(text, "]}");
	diag_init(&d);
	assert_null(conf_text(&d, text, NULL));
	assert_int_equal(d.errors, 32);
	assert_non_null(strstr(diag_text(&d, false), "log.loglevel"));
	assert_non_null(strstr(diag_text(&d, false), "outbounds[0].protocol"));
	assert_non_null(strstr(diag_text(&d, false), "c.json:1:"));
	assert_non_null(strstr(diag_text(&d, true), "\"line\""));
	diag_free(&d);
}

static void values_arrive(void **state)
{
	static const char text[] =
		"{\"log\":{\"loglevel\":\"debug\",\"access\":\"/a\",\"error\":"
		"\"none\"},\"stats\":{},\"policy\":"
		"{\"levels\":{\"0\":{\"handshake\":3,\"connIdle\":4,"
		"\"uplinkOnly\":5,\"downlinkOnly\":6,\"bufferSize\":64},"
		"\"7\":{\"connIdle\":9,\"bufferSize\":0}},\"system\":{"
		"\"statsInboundUplink\":true,"
		"\"statsOutboundDownlink\":true}},\"culvert\":{\"workers\":3,"
		"\"mark\":256,\"table\":99,\"capture\":\"none\",\"fail\":"
		"\"closed\",\"bypass\":[\"1.2.3.0/24\"],\"maxSessions\":77},"
		"\"inbounds\":[{\"tag\":\"t\",\"protocol\":\"tun\","
		"\"settings\":"
		"{\"userLevel\":7},\"sniffing\":{\"enabled\":true,"
		"\"destOverride\":[\"http\",\"fakedns\"],\"metadataOnly\":true,"
		"\"domainsExcluded\":[\"full:a.b\"]}}]," OUT "}";
	const struct policy *p;
	struct config *cfg;
	struct diag d;

	(void)state;
	diag_init(&d);
	cfg = conf_text(&d, text, NULL);
	assert_string_equal(diag_text(&d, false), "");
	assert_non_null(cfg);
	diag_free(&d); /* nothing of the generation points there */
	assert_int_equal(cfg->log.level, LOG_DEBUG);
	assert_string_equal(cfg->log.access, "/a");
	p = config_policy(cfg, 0);
	assert_int_equal(p->handshake_ms, 3000);
	assert_int_equal(p->idle_ms, 4000);
	assert_int_equal(p->uplink_only_ms, 5000);
	assert_int_equal(p->downlink_only_ms, 6000);
	assert_int_equal(p->buffer_bytes, 65536);
	assert_int_equal(config_policy(cfg, 7)->idle_ms, 9000);
	assert_int_equal(config_policy(cfg, 7)->buffer_bytes, 4096);
	assert_int_equal(config_policy(cfg, 8)->buffer_bytes, 0);
	assert_int_equal(config_policy(cfg, 8)->idle_ms, 300000);
	assert_ptr_equal(cfg->inbounds[0]->policy, config_policy(cfg, 7));
	assert_int_equal(cfg->host.workers, 3);
	assert_int_equal(cfg->host.mark_mask, 256);
	assert_true(cfg->host.fail_closed);
	assert_int_equal(cfg->host.capture, CAPTURE_NONE);
	assert_int_equal(cfg->host.bypass_count, 1);
	assert_int_equal(cfg->host.max_sessions, 77);
	assert_int_equal(cfg->inbounds[0]->sniffing.override,
			 OVERRIDE_HTTP | OVERRIDE_FAKEDNS);
	assert_true(cfg->inbounds[0]->sniffing.metadata_only);
	assert_non_null(cfg->inbounds[0]->sniffing.excluded);
	assert_non_null(cfg->inbounds[0]->stat_up);
	assert_null(cfg->inbounds[0]->stat_down);
	assert_non_null(cfg->outbounds[0]->stat_down);
	assert_null(cfg->inbounds[0]->node);
	assert_int_equal(cfg->generation, 1);
	config_unref(cfg);
}

static void no_log_object_means_no_access_log(void **state)
{
	struct config *cfg;
	struct diag d;

	(void)state;
	diag_init(&d);
	cfg = conf_text(&d, "{" OUT "}", NULL);
	assert_non_null(cfg);
	assert_string_equal(cfg->log.access, "none");
	assert_int_equal(cfg->log.level, LOG_WARNING);
	config_unref(cfg);
	diag_free(&d);
}

static void the_built_in_configuration_is_sound(void **state)
{
	struct config *cfg, *next;
	struct diag d, e;
	char name[256];
	struct addr a;

	(void)state;
	diag_init(&d);
	cfg = conf_text(&d, builtin_config, NULL);
	assert_string_equal(diag_text(&d, false), "");
	assert_non_null(cfg);
	diag_init(&e);
	next = conf_text(&e, builtin_config, cfg);
	assert_non_null(next);
	assert_int_equal(next->generation, 2);
	assert_int_equal(fakedns_addr(cfg->fakedns, "a.test", ADDR_V4, &a), 0);
	assert_int_equal(fakedns_name(next->fakedns, &a, name), 6);
	config_unref(cfg);
	config_unref(next);
	diag_free(&d);
	diag_free(&e);
}

static const char torture[] =
	"{\"log\":{\"access\":\"/a\"},\"stats\":{},\"policy\":{\"system\":"
	"{\"statsOutboundUplink\":true}},\"dns\":{\"hosts\":{\"a\":\"1.2.3.4\"}"
	","
	"\"servers\":[\"fakedns\",\"1.1.1.1\"]},\"routing\":{\"rules\":["
	"{\"domain\":[\"full:a\",\"b\",\"regexp:^c\"],\"ip\":[\"10.0.0.0/8\"],"
	"\"outboundTag\":\"d\",\"ruleTag\":\"r\"}]},\"culvert\":{\"bypass\":"
	"[\"1.2.3.0/24\"]},\"inbounds\":[{\"tag\":\"t\",\"protocol\":\"tun\","
	"\"settings\":{\"name\":\"x0\",\"gateway\":[\"10.0.0.1/24\"]},"
	"\"sniffing\":{\"destOverride\":[\"tls\"],\"domainsExcluded\":"
	"[\"full:a.b\"],\"ipsExcluded\":[\"1.0.0.0/8\"]}}],\"outbounds\":["
	"{\"protocol\":\"freedom\",\"tag\":\"d\"},{\"protocol\":\"socks\","
	"\"tag\":\"s\",\"settings\":{\"servers\":[{\"address\":\"s.test\","
	"\"port\":1080,\"users\":[{\"user\":\"u\",\"pass\":\"p\"}]}]}},"
	"{\"protocol\":\"dns\",\"tag\":\"n\"}]}";

/* Tables that could not be shrunk or sped up are as good as others */
static void assert_nothing_is_lost(const struct config *cfg)
{
	const struct sniffing *sn = &cfg->inbounds[0]->sniffing;
	struct addr a = { 0 };

	assert_int_equal(cfg->inbound_count, 1);
	assert_int_equal(cfg->outbound_count, 3);
	assert_true(sn->excluded && dommap_has(sn->excluded, "a.b", 3));
	assert_int_equal(addr_parse_ip(&a, "1.2.3.4"), 0);
	assert_true(sn->ips_excluded && ipset_has(sn->ips_excluded, &a));
	assert_non_null(cfg->fakedns);
	assert_non_null(cfg->router);
}

/* Each allocation fails once: refused, not half done; nothing leaks (ASan) */
static void out_of_memory_is_an_error_everywhere(void **state)
{
	unsigned int n = 0;
	bool hit;

	(void)state;
	do {
		struct config *cfg;
		struct merged m;
		struct diag d;

		diag_init(&d);
		assert_non_null(
			jdoc_parse(&d, "c.json", torture, strlen(torture)));
		assert_int_equal(merge_docs(&d, d.docs, &m), 0);
		alloc_fail_at(++n);
		cfg = config_build(&d, &m, NULL, NULL);
		hit = alloc_fail_hit();
		if (hit && cfg) {
			assert_nothing_is_lost(cfg);
		}
		if (!hit)
			assert_non_null(cfg);
		config_unref(cfg);
		merge_free(&m);
		diag_free(&d);
	} while (hit);
	assert_true(n > 20);
}

/* Bytes that a configuration of @n outbounds keeps */
static size_t kept_by(unsigned int n)
{
	size_t room = 100 * (size_t)n + 100, at = 0, kept;
	char *text = malloc(room);
	struct config *cfg;
	struct diag d;

	assert_non_null(text);
	at += (size_t)snprintf(text, room, "{\"outbounds\":[" FREE "}");
	for (unsigned int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, room - at,
				       "," FREE ",\"tag\":\"t%u\"}", i);
	snprintf(text + at, room - at, "]}");
	diag_init(&d);
	cfg = conf_text(&d, text, NULL);
	assert_non_null(cfg);
	kept = cfg->arena.used_bytes;
	config_unref(cfg);
	diag_free(&d);
	free(text);
	return kept;
}

/* Not for each a table of all */
static void many_outbounds_cost_as_much_each(void **state)
{
	(void)state;
	assert_in_range(kept_by(2000), 0, 21 * kept_by(100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_protocol_that_is_near_is_named),
		cmocka_unit_test(log_errors_say_what_is_allowed),
		cmocka_unit_test(another_loglevel_is_warning),
		cmocka_unit_test(policy_errors_say_what_is_allowed),
		cmocka_unit_test(tags_of_api_and_metrics_are_theirs),
		cmocka_unit_test(samples_count_for_as_long_as_they_should),
		cmocka_unit_test(a_secret_has_an_end),
		cmocka_unit_test(host_errors_say_what_is_allowed),
		cmocka_unit_test(inbound_errors_say_what_is_allowed),
		cmocka_unit_test(outbound_errors_say_what_is_allowed),
		cmocka_unit_test(stream_errors_say_what_is_allowed),
		cmocka_unit_test(keys_of_later_work_are_refused_by_name),
		cmocka_unit_test(unknown_keys_are_warnings_with_the_nearest),
		cmocka_unit_test(what_xray_does_not_read_any_more_is_a_warning),
		cmocka_unit_test(what_is_out_of_range_is_the_nearest),
		cmocka_unit_test(
			unknown_keys_of_conditions_are_refused_with_the_nearest),
		cmocka_unit_test(all_errors_come_in_one_pass),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(no_log_object_means_no_access_log),
		cmocka_unit_test(the_built_in_configuration_is_sound),
		cmocka_unit_test(out_of_memory_is_an_error_everywhere),
		cmocka_unit_test(many_outbounds_cost_as_much_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
