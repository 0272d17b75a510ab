/* rules.c - Rules of a dns outbound, and what older configurations say instead */
#include "gateway/dns/rules.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/match.h"
#include "proxy/wire/dns_msg.h"

#define RULES_MAX  128
#define RANGES_MAX 16

/**
 * struct dns_rule - One rule
 * @types:	Question types; none: all
 * @domains:	NULL: all
 */
struct dns_rule {
	uint8_t action, rcode;
	unsigned int range_count;
	struct port_range types[RANGES_MAX];
	struct dommap *domains;
};

struct dns_rules {
	unsigned int count;
	struct dns_rule rule[];
};

static const struct jword actions[] = {
	{ "direct", DNS_DIRECT }, { "drop", DNS_DROP },
	{ "return", DNS_RETURN }, { "reject", DNS_RETURN },
	{ "hijack", DNS_HIJACK },
};

enum { NON_IP_REJECT, NON_IP_DROP, NON_IP_SKIP };
static const struct jword non_ip[] = {
	{ "reject", NON_IP_REJECT },
	{ "drop", NON_IP_DROP },
	{ "skip", NON_IP_SKIP },
};

void dns_rules_free(struct dns_rules *r)
{
	unsigned int i;

	if (!r)
		return;
	for (i = 0; i < r->count; i++)
		dommap_free(r->rule[i].domains);
	free(r);
}

static struct dns_rules *rules_new(unsigned int max)
{
	return calloc(1,
		      sizeof(struct dns_rules) + max * sizeof(struct dns_rule));
}

static bool type_matches(const struct dns_rule *r, uint16_t type)
{
	unsigned int i;

	for (i = 0; i < r->range_count; i++)
		if (type >= r->types[i].lo && type <= r->types[i].hi)
			return true;
	return !r->range_count;
}

enum dns_action rules_find(const struct dns_rules *rules, const char *name,
			   uint16_t type, uint8_t *rcode)
{
	unsigned int i;

	for (i = 0; rules && i < rules->count; i++) {
		const struct dns_rule *r = &rules->rule[i];

		if (!type_matches(r, type) ||
		    (r->domains && !dommap_has(r->domains, name, strlen(name))))
			continue;
		*rcode = r->rcode;
		return (enum dns_action)r->action;
	}
	*rcode = DNS_NOERROR;
	return type == DNS_T_A || type == DNS_T_AAAA ? DNS_HIJACK : DNS_RETURN;
}

/* "domain": [] is no condition */
static bool is_empty_list(const cJSON *node)
{
	return cJSON_IsArray(node) && !node->child;
}

static void rule_parse(struct dns_rule *r, struct diag *d, const cJSON *node)
{
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	if (!j_get(&o, "action"))
		diag_error(d, node, "action",
			   "must be direct, drop, return or hijack");
	r->action = (uint8_t)j_word(&o, "action", actions, ARRAY_SIZE(actions),
				    DNS_HIJACK);
	r->rcode = (uint8_t)j_int(&o, "rCode", 0, 0, 15);
	r->range_count = j_ports(&o, "qType", r->types, RANGES_MAX);
	if (j_get(&o, "domain") && !is_empty_list(j_get(&o, "domain"))) {
		r->domains = dommap_new();
		if (!r->domains)
			diag_error(d, node, NULL, "out of memory");
		else
			dommap_parse(r->domains, &o, "domain",
				     DOM_PLAIN_SUBSTRING, 0);
		if (r->domains && dommap_seal(r->domains) < 0)
			diag_error(d, node, NULL, "out of memory");
	}
	j_close_strict(&o);
}

static struct dns_rules *list_parse(struct jobj *o, const cJSON *list)
{
	int n = cJSON_GetArraySize(list);
	struct dns_rules *r;
	const cJSON *item;

	if (n > RULES_MAX) {
		diag_error(o->d, list, NULL, "at most %d rules", RULES_MAX);
		return NULL;
	}
	r = rules_new((unsigned int)n);
	if (!r) {
		diag_error(o->d, list, NULL, "out of memory");
		return NULL;
	}
	cJSON_ArrayForEach(item, list)
		rule_parse(&r->rule[r->count++], o->d, item);
	return r;
}

/* "blockTypes": numbers. Into the types of @r */
static void block_types(struct jobj *o, const cJSON *list, struct dns_rule *r)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		if (!cJSON_IsNumber(item) || item->valuedouble < 0 ||
		    item->valuedouble > 65535 || r->range_count == RANGES_MAX) {
			diag_error(o->d, item, NULL,
				   "must be a type, 0 to 65535; at most %d",
				   RANGES_MAX);
			return;
		}
		r->types[r->range_count++] = (struct port_range){
			(uint16_t)item->valueint,
			(uint16_t)item->valueint,
		};
	}
}

/* The rules behind "nonIPQuery" and "blockTypes" */
static struct dns_rules *legacy_parse(struct jobj *o, const cJSON *blocked)
{
	int what = j_word(o, "nonIPQuery", non_ip, ARRAY_SIZE(non_ip),
			  NON_IP_REJECT);
	struct dns_rules *r = rules_new(3);
	struct dns_rule *p;

	if (!r) {
		diag_error(o->d, o->node, NULL, "out of memory");
		return NULL;
	}
	p = r->rule;
	if (cJSON_GetArraySize(blocked) > 0) {
		p->action = what == NON_IP_REJECT ? DNS_RETURN : DNS_DROP;
		p->rcode = DNS_REFUSED;
		block_types(o, blocked, p++);
	}
	p->action = DNS_HIJACK;
	p->types[0] = (struct port_range){ DNS_T_A, DNS_T_A };
	p->types[1] = (struct port_range){ DNS_T_AAAA, DNS_T_AAAA };
	p++->range_count = 2;
	p->action = what == NON_IP_REJECT ? DNS_RETURN :
		    what == NON_IP_DROP   ? DNS_DROP :
					    DNS_DIRECT;
	p++->rcode = DNS_REFUSED;
	r->count = (unsigned int)(p - r->rule);
	return r;
}

struct dns_rules *dns_rules_parse(struct jobj *settings)
{
	const cJSON *list = j_array(settings, "rules");
	const cJSON *blocked = j_array(settings, "blockTypes");
	bool legacy = blocked || j_get(settings, "nonIPQuery");

	if (list && legacy) {
		diag_error(settings->d, settings->node, "rules",
			   "cannot be mixed with nonIPQuery or blockTypes");
		return NULL;
	}
	if (legacy)
		return legacy_parse(settings, blocked);
	return list ? list_parse(settings, list) : NULL;
}
