/* rule.h - Compiled routing rules; private to this room */
#ifndef GATEWAY_ROUTE_RULE_H
#define GATEWAY_ROUTE_RULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/arena.h"
#include "gateway/base/jget.h"
#include "gateway/core/dns.h"
#include "gateway/core/match.h"

struct config;
struct outbound;
struct regexp;

#define ROUTE_RULES_MAX 4096

/* Conditions of a rule as bits; all of them must hold */
enum {
	COND_NETWORK = 1u << 0,
	COND_INBOUND = 1u << 1,
	COND_PORT = 1u << 2,
	COND_SOURCE_PORT = 1u << 3,
	COND_LOCAL_PORT = 1u << 4,
	COND_PROTOCOL = 1u << 5,
	COND_USER = 1u << 6,
	COND_SOURCE = 1u << 7,
	COND_LOCAL = 1u << 8,
	COND_ATTRS = 1u << 9,
	COND_DOMAIN = 1u << 10,
	COND_IP = 1u << 11,
	COND_PROCESS = 1u << 12,
	COND_VLESS_ROUTE = 1u << 13,
};

struct str_list {
	const char **text; /* in the config's arena */
	uint32_t count;
};

struct port_list {
	const struct port_range *range; /* in the config's arena */
	uint32_t count;
};

/* A text and the regexp it means, or NULL: the text itself */
struct text_match {
	const char *text;
	struct regexp *re; /* owned */
};

struct match_list {
	struct text_match *item; /* in the config's arena */
	uint32_t count;
};

/* STRATEGY_* of balancers that need no probes */
enum balance {
	BALANCE_RANDOM,
	BALANCE_ROUND_ROBIN,
	BALANCE_LEAST_PING,
	BALANCE_LEAST_LOAD,
};

#define BALANCE_MAX       256 /* outbounds of one that looks at probes */
#define BALANCE_BASELINES 16

/**
 * struct least_load - Settings of that strategy; zero: Xray's defaults
 * @expected:	How many share the load
 * @max_rtt_ms:	Slower ones are out; 0: none
 * @tolerance:	Part of probes that may fail, in percent; 0: all may
 * @baselines:	Limits for the deviation, ms
 */
struct least_load {
	uint32_t expected, max_rtt_ms, tolerance;
	uint32_t baselines[BALANCE_BASELINES];
	unsigned int baseline_count;
};

/**
 * struct balancer - A choice among outbounds
 * @outbounds:	Sorted by tag; borrowed from the config
 * @fallback:	When there are none; NULL: refuse
 * @weight:	Factors of their deviations: the roots of their costs. NULL: all 1
 * @next:	Round robin; shared by the workers
 * @pinned:	1 + index of the only one that is taken; 0: the strategy decides
 */
struct balancer {
	const char *tag;
	const struct outbound **outbounds;
	uint32_t count;
	enum balance strategy;
	const struct outbound *fallback;
	struct least_load load; /* BALANCE_LEAST_LOAD */
	double *weight;
	atomic_uint next, pinned;
};

/**
 * struct rule - One rule; its domains are in the router's index
 * @has:	COND_* bits
 * @nets:	NET_* bits
 * @users:	Names of users, or regexps
 * @programs:	"curl", "/usr/bin/curl", "/opt/x/" (below it), "self/"
 * @attrs:	Header names and what must be in their values
 * @outbound:	Where to; NULL: @balancer says; neither: what it takes is refused
 * @tag:	ruleTag, or "rules[N]"
 */
struct rule {
	uint32_t has;
	uint8_t nets;
	struct str_list inbounds, protocols, programs;
	struct port_list ports, source_ports, local_ports, vless_routes;
	struct match_list users, attrs;
	struct ipset *ip, *source, *local; /* owned */
	const struct outbound *outbound;
	struct balancer *balancer; /* the router's */
	const char *tag;
};

/* enum values of domainStrategy */
enum ip_strategy { IP_AS_IS, IP_IF_NON_MATCH, IP_ON_DEMAND };

/**
 * struct router - All rules, immutable but for the balancers' counters
 * @domains:	Patterns of all rules; the id is the rule's index
 * @families:	DNS_V4 | DNS_V6 that some ip condition looks at
 * @cfg:	Owner of the outbounds
 */
struct router {
	struct rule *rules;
	uint32_t rule_count;
	struct balancer *balancers;
	uint32_t balancer_count;
	struct dommap *domains;
	enum ip_strategy strategy;
	unsigned int families;
	bool wants_attrs;
	const struct config *cfg;
};

/**
 * struct route_view - What the rules see of a session
 * @net:	NET_TCP or NET_UDP
 * @name:	Name of the target, or NULL; @name_len bytes
 * @ips, @ip_count:	Addresses of the target
 * @on_demand:	@ips are to be resolved before an ip condition is looked at
 * @protocol:	"tls" ...; "" when unknown
 * @http_head:	NUL terminated request head, or NULL
 * @program:	Path of the program it comes from, or NULL; @own: culvert
 * @find_program:	It is to be looked for before such a condition is looked at
 */
struct route_view {
	uint8_t net;
	uint16_t port, vless_route;
	const char *name;
	size_t name_len;
	struct addr ips[DNS_MAX_IPS];
	unsigned int ip_count;
	bool on_demand, find_program, own;
	const struct addr *source, *local;
	const char *inbound_tag, *user, *protocol, *http_head, *program;
};

/*
 * First rule that matches. 0 with *@out, -ENOENT, -EAGAIN: resolve first,
 * -EINPROGRESS: look for its program first
 */
int rules_match(const struct router *r, const struct route_view *v,
		const struct rule **out);
/* Header @key (":method" and ":path" too) of @head has a value matching @re */
bool http_attr_matches(const char *head, const char *key,
		       const struct regexp *re);

/* Read rules[] and balancers[]; complaints go to @d */
void rules_parse(struct router *r, struct diag *d, const cJSON *array,
		 struct config *cfg);
void rule_free(struct rule *rule);
void balancers_parse(struct router *r, struct diag *d, const cJSON *array,
		     struct config *cfg);
const struct outbound *balancer_pick(struct balancer *b);

/* pin.c: what somebody has pinned before, for a new generation's balancer */
void pin_again(struct balancer *b);
/* least.c: strategies that look at probes. "settings" of leastLoad; @b has its
 * outbounds */
void least_parse(struct balancer *b, struct jobj *strategy, struct arena *a);
/* cost.c: @array is costs[] of these settings; @b has its outbounds */
void costs_parse(struct balancer *b, struct diag *d, const cJSON *array,
		 struct arena *a);
/*
 * Those of @b that may be picked, to @out (BALANCE_MAX), best first; any of them.
 * How many
 */
uint32_t least_select(const struct balancer *b, const struct outbound **out);
const struct outbound *outbound_by_tag(const struct config *cfg,
				       const char *tag);
/* "help: outbounds are: a, b, c" for the complaint added last */
void help_outbounds(struct diag *d, const struct config *cfg);

#endif
