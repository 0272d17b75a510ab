/*
 * sockopt.c - streamSettings.sockopt and the domain strategy words, from JSON
 *
 * Source: xray.md sections H and P
 */
#include "gateway/core/sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/core/dns.h"

#define TFO_ON     256
#define HAPPY_MOST 8 /* attempts at the same time; happy.c has as many places */

static const struct jword ds_words[] = {
	{ "AsIs", DS_AS_IS },
	{ "UseIP", DS_USE_IP },
	{ "UseIPv4", DS_USE_IPV4 },
	{ "UseIPv6", DS_USE_IPV6 },
	{ "UseIPv4v6", DS_USE_IPV4V6 },
	{ "UseIPv6v4", DS_USE_IPV6V4 },
	{ "ForceIP", DS_FORCE_IP },
	{ "ForceIPv4", DS_FORCE_IPV4 },
	{ "ForceIPv6", DS_FORCE_IPV6 },
	{ "ForceIPv4v6", DS_FORCE_IPV4V6 },
	{ "ForceIPv6v4", DS_FORCE_IPV6V4 },
	{ "", DS_AS_IS },
};

/* Families of the first and of the second round, by strategy */
static const uint8_t ds_rounds[][2] = {
	[DS_AS_IS] = { DNS_V4 | DNS_V6, 0 },
	[DS_USE_IP] = { DNS_V4 | DNS_V6, 0 },
	[DS_USE_IPV4] = { DNS_V4, 0 },
	[DS_USE_IPV6] = { DNS_V6, 0 },
	[DS_USE_IPV4V6] = { DNS_V4, DNS_V6 },
	[DS_USE_IPV6V4] = { DNS_V6, DNS_V4 },
	[DS_FORCE_IP] = { DNS_V4 | DNS_V6, 0 },
	[DS_FORCE_IPV4] = { DNS_V4, 0 },
	[DS_FORCE_IPV6] = { DNS_V6, 0 },
	[DS_FORCE_IPV4V6] = { DNS_V4, DNS_V6 },
	[DS_FORCE_IPV6V4] = { DNS_V6, DNS_V4 },
};
_Static_assert(ARRAY_SIZE(ds_rounds) == DS_FORCE_IPV6V4 + 1, "one a strategy");

enum domain_strategy ds_parse(struct jobj *o, const char *key)
{
	return (enum domain_strategy)j_word(o, key, ds_words,
					    ARRAY_SIZE(ds_words), DS_AS_IS);
}

const char *ds_name(enum domain_strategy ds)
{
	return ds_words[ds].word;
}

unsigned int ds_families(enum domain_strategy ds, unsigned int round)
{
	return round < 2 ? ds_rounds[ds][round] : 0;
}

/* unset, false, true or a number: xray.md, P */
static int32_t parse_tfo(struct jobj *o)
{
	const cJSON *n = j_get(o, "tcpFastOpen");
	int64_t v;

	if (!n)
		return -1;
	if (cJSON_IsBool(n))
		return cJSON_IsTrue(n) ? TFO_ON : 0;
	v = j_int(o, "tcpFastOpen", 0, INT32_MIN, INT32_MAX);
	if (!v)
		return -1;
	return v < 0 ? 0 : (int32_t)v;
}

static void parse_keepalive(struct jobj *o, struct sockopt *so)
{
	so->keep_idle_s =
		(int32_t)j_int(o, "tcpKeepAliveIdle", 0, INT32_MIN, 32767);
	so->keep_interval_s =
		(int32_t)j_int(o, "tcpKeepAliveInterval", 0, INT32_MIN, 32767);
	if ((so->keep_idle_s < 0 && so->keep_interval_s > 0) ||
	    (so->keep_idle_s > 0 && so->keep_interval_s < 0))
		diag_error(o->d, o->node, "tcpKeepAliveIdle",
			   "tcpKeepAliveIdle and tcpKeepAliveInterval have "
			   "opposite signs");
}

static void parse_tproxy(struct jobj *o, struct sockopt *so)
{
	static const struct jword words[] = {
		{ "off", 0 },
		{ "", 0 },
		{ "tproxy", 1 },
		{ "redirect", 2 },
	};

	so->tproxy = (uint8_t)j_word(o, "tproxy", words, ARRAY_SIZE(words), 0);
}

static void parse_happy(struct jobj *o, struct sockopt *so)
{
	struct jobj h;

	if (!j_open(&h, o->d, j_get(o, "happyEyeballs")))
		return;
	so->happy_v6_first = j_bool(&h, "prioritizeIPv6", false);
	so->happy_delay_ms = (uint32_t)j_int(&h, "tryDelayMs", 250, 0, 60000);
	so->happy_interleave = (uint8_t)j_int(&h, "interleave", 1, 0, 16);
	so->happy_max = (uint8_t)j_int(&h, "maxConcurrentTry", 4, 0, 255);
	/* 0 is Xray's "off", its default. Here names are always raced */
	if (!so->happy_delay_ms)
		so->happy_delay_ms = 250;
	if (!so->happy_interleave)
		so->happy_interleave = 1;
	if (!so->happy_max)
		so->happy_max = 4;
	if (so->happy_max > HAPPY_MOST)
		so->happy_max = HAPPY_MOST;
	j_close(&h);
}

/* A string member into a fixed array; too long is an error */
static void parse_name16(struct jobj *o, const char *key, char out[16])
{
	const char *s = j_str(o, key, "");

	if (strlen(s) > 15)
		diag_error(o->d, o->node, key, "at most 15 characters, got %zu",
			   strlen(s));
	else
		memcpy(out, s, strlen(s) + 1);
}

/* NULL: none, or no memory, which the arena remembers */
static const char *const *parse_trusted(struct jobj *o, struct arena *a)
{
	const cJSON *list = j_array(o, "trustedXForwardedFor"), *one;
	size_t n = (size_t)cJSON_GetArraySize(list);
	const char **names;

	if (!n)
		return NULL;
	names = arena_alloc(a, (n + 1) * sizeof(*names));
	n = 0;
	cJSON_ArrayForEach(one, list)
	{
		const char *name = cJSON_GetStringValue(one);
		struct addr ip;

		if (name && addr_parse_ip(&ip, name) == 0)
			diag_warning(
				o->d, one, NULL,
				"is the name of a header here, as in Xray: "
				"addresses are not compared");
		if (!name || !name[0])
			diag_error(o->d, one, NULL,
				   "must be the name of an HTTP header");
		else if (names && (names[n] = arena_strdup(a, name)))
			n++;
	}
	return names;
}

/* A number, mostly written as a text. @def when absent */
static int custom_number(struct jobj *o, const char *key, int def)
{
	int32_t lo = def, hi = def;

	if (j_range(o, key, &lo, &hi) && lo != hi)
		diag_error(o->d, j_get(o, key), NULL, "must be one number");
	return lo;
}

/* One of "customSockopt". False: of another system, or wrong */
static bool parse_one_custom(struct jobj *o, struct sock_custom *c,
			     struct arena *a)
{
	static const struct jword types[] = { { "int", 0 }, { "str", 1 } };
	const char *system = j_str(o, "system", "");
	const char *net = j_str(o, "network", "");
	const char *value;
	bool text;

	if (!j_get(o, "type"))
		diag_error(o->d, o->node, "type", "must be int or str");
	text = j_word(o, "type", types, ARRAY_SIZE(types), 0);
	if (!j_get(o, "opt"))
		diag_error(o->d, o->node, "opt", "is missing");
	*c = (struct sock_custom){
		.net = arena_strdup(a, net),
		.level = custom_number(o, "level", IPPROTO_TCP),
		.opt = custom_number(o, "opt", 0),
	};
	if (text) {
		value = j_str(o, "value", "");
		c->text = arena_strdup(a, value);
	} else {
		c->value = custom_number(o, "value", 0);
	}
	return c->net && (!text || c->text) &&
	       (!*system || !strcmp(system, "linux"));
}

static void parse_custom(struct jobj *o, struct sockopt *so, struct arena *a)
{
	const cJSON *list = j_array(o, "customSockopt"), *one;
	size_t n = (size_t)cJSON_GetArraySize(list);
	struct sock_custom *all;
	struct jobj c;

	if (!n)
		return;
	all = arena_alloc(a, n * sizeof(*all));
	if (!all)
		return;
	cJSON_ArrayForEach(one, list)
	{
		if (!j_open(&c, o->d, one))
			continue;
		so->custom_count +=
			parse_one_custom(&c, &all[so->custom_count], a);
		j_close(&c);
	}
	so->custom = all;
}

/* Keys that Xray has and this version does not act on */
static void parse_rest(struct jobj *o, struct sockopt *so, struct arena *a)
{
	static const struct jword none[] = { { "none", 0 }, { "", 0 } };
	const char *strategy = j_str(o, "addressPortStrategy", "none");

	if (strategy && *strategy && strcasecmp(strategy, "none") != 0)
		j_not_yet(o, "addressPortStrategy",
			  "server addresses from SRV or TXT records");
	else
		(void)j_word(o, "addressPortStrategy", none, ARRAY_SIZE(none),
			     0);
	so->accept_proxy_protocol = j_bool(o, "acceptProxyProtocol", false);
	parse_custom(o, so, a);
	so->penetrate = j_bool(o, "penetrate", false);
	so->trusted = parse_trusted(o, a);
}

int sockopt_parse(struct jobj *o, struct sockopt *so, struct arena *a)
{
	const char *tag;

	*so = SOCKOPT_DEFAULT;
	if (!o->node)
		return 0;
	so->mark = (uint32_t)j_int(o, "mark", 0, INT32_MIN, UINT32_MAX);
	parse_name16(o, "interface", so->interface);
	parse_name16(o, "tcpCongestion", so->congestion);
	parse_tproxy(o, so);
	so->tfo = parse_tfo(o);
	so->domain_strategy = (uint8_t)ds_parse(o, "domainStrategy");
	parse_keepalive(o, so);
	so->user_timeout_ms =
		(uint32_t)j_int(o, "tcpUserTimeout", 0, 0, INT32_MAX);
	so->window_clamp =
		(uint32_t)j_int(o, "tcpWindowClamp", 0, 0, INT32_MAX);
	so->max_seg = (uint32_t)j_int(o, "tcpMaxSeg", 0, 0, 65535);
	so->mptcp = j_bool(o, "tcpMptcp", false);
	so->v6only = j_bool(o, "v6only", false);
	parse_happy(o, so);
	parse_rest(o, so, a);
	tag = j_str(o, "dialerProxy", NULL);
	if (tag && *tag) {
		so->dialer_proxy = arena_strdup(a, tag);
		if (!so->dialer_proxy)
			return -ENOMEM;
	}
	return 0;
}
