/* rule_parse.c - Reading routing.rules */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/core/config.h"
#include "gateway/route/dommap.h"
#include "gateway/route/ipset.h"
#include "gateway/route/regexp.h"
#include "gateway/route/rule.h"
#include "gateway/route/sockdiag.h"

#define PORT_RANGES_MAX 256

/* One rule being read */
struct reader {
	struct router *r;
	struct config *cfg;
	struct diag *d;
	struct jobj o;
	struct rule *rule;
	uint32_t index;
	unsigned int errors; /* before this rule */
};

static void *take(struct reader *p, size_t count, size_t size)
{
	void *mem = arena_alloc(&p->cfg->arena, count * size);

	if (!mem)
		diag_error(p->d, p->o.node, NULL, "out of memory");
	return mem;
}

static const char *copy(struct reader *p, const char *text)
{
	const char *s = arena_strdup(&p->cfg->arena, text);

	if (!s)
		diag_error(p->d, p->o.node, NULL, "out of memory");
	return s;
}

/* Texts of a list; of Xray's conditions "" is none, and fits nothing */
static uint32_t count_list(struct reader *p, const char *key)
{
	struct jlist l;
	uint32_t n = 0;

	j_list(&p->o, key, &l);
	while (j_list_next(&p->o, &l))
		n += l.text[0] != '\0';
	return n;
}

/* There is something in that list, or something that is no list */
static bool has_some(struct reader *p, const char *key)
{
	const cJSON *node = j_get(&p->o, key);

	return node && !(cJSON_IsArray(node) && !node->child);
}

/*
 * A condition is there, though @count texts or ranges say what: "", [""]. It holds
 * for nobody then, as in Xray; one that was left out would hold for everybody
 */
static void read_cond(struct reader *p, const char *key, uint32_t cond,
		      uint32_t count)
{
	if (!count && !has_some(p, key))
		return;
	p->rule->has |= cond;
	if (!count && p->d->errors == p->errors)
		diag_warning(p->d, j_get(&p->o, key), NULL,
			     "is empty: this rule holds for nobody");
}

static void read_strings(struct reader *p, const char *key, uint32_t cond,
			 struct str_list *out)
{
	uint32_t n = count_list(p, key);
	struct jlist l;

	if (n && !(out->text = take(p, n, sizeof(*out->text))))
		return;
	j_list(&p->o, key, &l);
	while (out->count < n && j_list_next(&p->o, &l)) {
		if (!l.text[0])
			continue;
		out->text[out->count] = copy(p, l.text);
		if (!out->text[out->count])
			return;
		out->count++;
	}
	read_cond(p, key, cond, n);
}

static void read_ports(struct reader *p, const char *key, uint32_t cond,
		       struct port_list *out)
{
	struct port_range tmp[PORT_RANGES_MAX], *mem;
	unsigned int n = j_ports(&p->o, key, tmp, PORT_RANGES_MAX);

	read_cond(p, key, cond, n);
	if (!n || !(mem = take(p, n, sizeof(*mem))))
		return;
	memcpy(mem, tmp, n * sizeof(*mem));
	out->range = mem;
	out->count = n;
}

static struct ipset *read_ips(struct reader *p, const char *key, uint32_t cond)
{
	struct ipset *s = ipset_parse(&p->o, key);

	if (s)
		p->rule->has |= cond;
	return s;
}

static struct regexp *read_regexp(struct reader *p, const cJSON *node,
				  const char *text)
{
	struct regexp *re = NULL;
	char err[128] = "out of memory";

	if (regexp_new(text, strlen(text), &re, err) < 0)
		diag_error(p->d, node, NULL, "%s", err);
	return re;
}

static void read_users(struct reader *p)
{
	struct match_list *m = &p->rule->users;
	uint32_t n = count_list(p, "user");
	struct text_match *u;
	struct jlist l;

	if (n && !(m->item = take(p, n, sizeof(*m->item))))
		return;
	j_list(&p->o, "user", &l);
	while (m->count < n && j_list_next(&p->o, &l)) {
		if (!l.text[0])
			continue;
		u = &m->item[m->count++];
		u->text = copy(p, l.text);
		if (!strncmp(l.text, "regexp:", 7))
			u->re = read_regexp(p, l.node, l.text + 7);
		if (!u->text)
			m->count--;
	}
	read_cond(p, "user", COND_USER, n);
}

static void read_attrs(struct reader *p)
{
	const cJSON *node = j_get(&p->o, "attrs"), *a;
	struct match_list *m = &p->rule->attrs;
	struct text_match *t;

	if (!node)
		return;
	if (!cJSON_IsObject(node)) {
		diag_error(p->d, node, NULL,
			   "expected an object: header name and regexp");
		return;
	}
	m->item =
		take(p, (size_t)cJSON_GetArraySize(node) + 1, sizeof(*m->item));
	cJSON_ArrayForEach(a, node)
	{
		if (!m->item || !cJSON_IsString(a)) {
			diag_error(p->d, a, NULL, "expected a regexp");
			continue;
		}
		t = &m->item[m->count];
		t->text = copy(p, a->string);
		t->re = read_regexp(p, a, a->valuestring);
		m->count += t->text && t->re;
	}
	if (m->count)
		p->rule->has |= COND_ATTRS;
	p->r->wants_attrs |= m->count != 0;
}

static void read_network(struct reader *p)
{
	struct jlist l;

	read_cond(p, "network", COND_NETWORK, count_list(p, "network"));
	j_list(&p->o, "network", &l);
	while (j_list_next(&p->o, &l)) {
		if (!strcasecmp(l.text, "tcp"))
			p->rule->nets |= NET_TCP;
		else if (!strcasecmp(l.text, "udp"))
			p->rule->nets |= NET_UDP;
		else if (l.text[0] && strcasecmp(l.text, "unix"))
			diag_error(p->d, l.node, NULL,
				   "expected tcp or udp, got \"%s\"", l.text);
	}
}

/* "domains" goes before "domain", as in Xray */
static void read_domains(struct reader *p)
{
	const char *key = has_some(p, "domains") ? "domains" : "domain";

	if (dommap_parse(p->r->domains, &p->o, key, DOM_PLAIN_SUBSTRING,
			 p->index))
		p->rule->has |= COND_DOMAIN;
	if (!strcmp(key, "domains"))
		j_ignore(&p->o, "domain", "domains is used");
}

/* Keys of Xray that have no effect here, or none yet */
static void read_others(struct reader *p)
{
	j_ignore(&p->o, "type", NULL);
	j_ignore(&p->o, "domainMatcher", NULL);
	j_ignore(&p->o, "webhook", "no webhooks are called");
}

/*
 * Names of programs. A kernel that cannot tell is an error: the rule would never
 * match, and what it should have blocked would go
 */
static void read_programs(struct reader *p)
{
	struct str_list *l = &p->rule->programs;
	char self[PATH_MAX];
	ssize_t n;
	size_t len;
	uint32_t i;

	read_strings(p, "process", COND_PROCESS, l);
	if (l->count && !sockdiag_works())
		diag_error(p->d, j_get(&p->o, "process"), NULL,
			   "this kernel cannot say whose a socket is: "
			   "tcp_diag and udp_diag are missing (OpenWrt: "
			   "kmod-inet-diag)");
	for (i = 0; i < l->count; i++) {
		len = strlen(l->text[i]);
		if (!strcmp(l->text[i], "xray/") &&
		    (n = readlink("/proc/self/exe", self, sizeof(self) - 1)) >
			    0) {
			self[n] = '\0';
			l->text[i] = copy(p, self);
		} else if (!strchr(l->text[i], '/') && len > 4 &&
			   !strcmp(l->text[i] + len - 4, ".exe")) {
			l->text[i] = arena_strndup(&p->cfg->arena, l->text[i],
						   len - 4);
		}
		if (!l->text[i])
			l->text[i] = "";
	}
}

static void read_conditions(struct reader *p)
{
	struct rule *r = p->rule;

	read_network(p);
	read_strings(p, "inboundTag", COND_INBOUND, &r->inbounds);
	read_strings(p, "protocol", COND_PROTOCOL, &r->protocols);
	read_ports(p, "port", COND_PORT, &r->ports);
	read_ports(p, "sourcePort", COND_SOURCE_PORT, &r->source_ports);
	read_ports(p, "localPort", COND_LOCAL_PORT, &r->local_ports);
	read_ports(p, "vlessRoute", COND_VLESS_ROUTE, &r->vless_routes);
	read_users(p);
	read_programs(p);
	read_attrs(p);
	read_domains(p);
	r->ip = read_ips(p, "ip", COND_IP);
	r->local = read_ips(p, "localIP", COND_LOCAL);
	r->source = read_ips(p, "sourceIP", COND_SOURCE);
	if (r->source)
		j_ignore(&p->o, "source", "sourceIP is used");
	else
		r->source = read_ips(p, "source", COND_SOURCE);
	if (r->ip)
		p->r->families |= ipset_families(r->ip);
}

static struct balancer *find_balancer(const struct router *r, const char *tag)
{
	uint32_t i;

	for (i = 0; i < r->balancer_count; i++)
		if (r->balancers[i].tag && !strcmp(r->balancers[i].tag, tag))
			return &r->balancers[i];
	return NULL;
}

/*
 * Panels' rules for the section "api", which is not there: Xray starts, and closes
 * what such a rule takes
 */
static bool is_left_of_api(struct reader *p, const char *tag)
{
	if (strcmp(tag, "api") != 0 || outbound_by_tag(p->cfg, tag))
		return false;
	diag_warning(p->d, p->o.node, "outboundTag",
		     "there is no \"api\": what this rule takes is refused");
	return true;
}

/* outboundTag goes before balancerTag */
static void read_target(struct reader *p)
{
	const char *out = j_str(&p->o, "outboundTag", NULL);
	const char *bal = j_str(&p->o, "balancerTag", NULL);

	if (out && is_left_of_api(p, out)) {
		p->rule->outbound = NULL;
	} else if (out && out[0]) {
		p->rule->outbound = outbound_by_tag(p->cfg, out);
		if (!p->rule->outbound) {
			diag_error(p->d, p->o.node, "outboundTag",
				   "no outbound has the tag \"%s\"", out);
			help_outbounds(p->d, p->cfg);
		}
	} else if (bal && bal[0]) {
		p->rule->balancer = find_balancer(p->r, bal);
		if (!p->rule->balancer)
			diag_error(p->d, p->o.node, "balancerTag",
				   "no balancer has the tag \"%s\"", bal);
	} else {
		diag_error(p->d, p->o.node, "outboundTag",
			   "a rule needs outboundTag or balancerTag");
	}
}

static void read_tag(struct reader *p)
{
	const char *tag = j_str(&p->o, "ruleTag", NULL);
	char number[24];

	if (!tag || !tag[0]) {
		snprintf(number, sizeof(number), "rules[%u]", p->index);
		tag = number;
	}
	p->rule->tag = copy(p, tag);
}

/* localOS: the rule is for other systems only */
static bool other_os(struct reader *p)
{
	bool any = false, here = false;
	struct jlist l;

	j_list(&p->o, "localOS", &l);
	while (j_list_next(&p->o, &l)) {
		any = true;
		here |= !strcasecmp(l.text, "linux");
	}
	if (any && !here)
		diag_warning(p->d, p->o.node, "localOS",
			     "this rule is not for Linux: it is left out");
	return any && !here;
}

/* The first rule that takes everything, when more of them follow */
static void warn_unreachable(struct diag *d, const cJSON *node,
			     const struct rule *all, unsigned int left)
{
	if (left == 1)
		diag_warning(d, node, NULL,
			     "never reached: %s takes "
			     "everything",
			     all->tag);
	else
		diag_warning(d, node, NULL,
			     "never reached, nor the %u rules "
			     "behind it: %s takes everything",
			     left - 1, all->tag);
}

static bool all_ports(const struct port_list *l)
{
	uint32_t i;

	for (i = 0; i < l->count; i++)
		if (l->range[i].lo <= 1 && l->range[i].hi == 65535)
			return true;
	return false;
}

static bool takes_everything(const struct rule *r)
{
	if (r->has & ~(COND_NETWORK | COND_PORT) || !r->has)
		return false;
	if (r->has & COND_NETWORK && r->nets != (NET_TCP | NET_UDP))
		return false;
	return !(r->has & COND_PORT) || all_ports(&r->ports);
}

/* What panels and clients write into rules for themselves; no conditions */
static void read_foreign(struct reader *p)
{
	j_ignore(&p->o, "id", NULL);
	j_ignore(&p->o, "tag", "a rule's name is ruleTag");
	if (!j_bool(&p->o, "enabled", true)) {
		diag_error(p->d, j_get(&p->o, "enabled"), NULL,
			   "a rule cannot be switched off");
		diag_help(p->d, "Xray knows no such key, and takes the rule: "
				"remove it");
	}
}

/* One rule; true: it was taken */
static bool rule_parse(struct reader *p, const cJSON *node)
{
	bool elsewhere;

	p->errors = p->d->errors;
	if (!j_open(&p->o, p->d, node)) {
		if (p->d->errors == p->errors)
			diag_error(p->d, node, NULL, "expected an object");
		return false;
	}
	read_tag(p);
	read_foreign(p);
	elsewhere = other_os(p);
	read_others(p);
	if (!elsewhere)
		read_conditions(p);
	read_target(p);
	if (!elsewhere)
		j_close_strict(&p->o);
	if (!elsewhere && !p->rule->has && p->d->errors == p->errors) {
		diag_error(p->d, node, NULL, "this rule has no condition");
		diag_help(p->d, "for everything, write \"network\": "
				"\"tcp,udp\"");
	}
	return !elsewhere;
}

void rules_parse(struct router *r, struct diag *d, const cJSON *array,
		 struct config *cfg)
{
	int count = array ? cJSON_GetArraySize(array) : 0;
	struct reader p = { .r = r, .cfg = cfg, .d = d };
	const struct rule *all = NULL;
	const cJSON *node;

	if (count <= 0)
		return;
	if (count > ROUTE_RULES_MAX) {
		diag_error(d, array, NULL, "at most %d rules", ROUTE_RULES_MAX);
		return;
	}
	r->rules = calloc((size_t)count, sizeof(*r->rules));
	if (!r->rules) {
		diag_error(d, array, NULL, "out of memory");
		return;
	}
	cJSON_ArrayForEach(node, array)
	{
		p.index = r->rule_count;
		p.rule = &r->rules[r->rule_count];
		if (all) {
			warn_unreachable(d, node, all, (unsigned int)count);
			all = NULL;
		}
		if (!rule_parse(&p, node)) {
			memset(p.rule, 0, sizeof(*p.rule));
		} else {
			r->rule_count++;
			if (takes_everything(p.rule) && node->next)
				all = p.rule;
		}
		count--;
	}
}

static void match_list_free(struct match_list *m)
{
	uint32_t i;

	for (i = 0; i < m->count; i++)
		regexp_free(m->item[i].re);
}

void rule_free(struct rule *rule)
{
	ipset_free(rule->ip);
	ipset_free(rule->source);
	ipset_free(rule->local);
	match_list_free(&rule->users);
	match_list_free(&rule->attrs);
}
