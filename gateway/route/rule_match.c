/* rule_match.c - Does a rule match? Cheap conditions first, addresses last */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/route/dommap.h"
#include "gateway/route/regexp.h"
#include "gateway/route/rule.h"

enum hit { HIT_NO, HIT_YES, HIT_ASK, HIT_PROGRAM };

/* Rules whose domains match, found out once and only when a rule asks */
struct domain_hits {
	uint64_t bits[ROUTE_RULES_MAX / 64];
	bool known;
};

static bool in_list(const struct str_list *l, const char *text)
{
	uint32_t i;

	for (i = 0; i < l->count; i++)
		if (!strcmp(l->text[i], text))
			return true;
	return false;
}

static bool has_prefix_of(const struct str_list *l, const char *text)
{
	uint32_t i;

	for (i = 0; text[0] && i < l->count; i++)
		if (!strncmp(l->text[i], text, strlen(l->text[i])))
			return true;
	return false;
}

static bool in_ports(const struct port_list *l, uint16_t port)
{
	return ports_have(l->range, l->count, port);
}

static bool is_user(const struct match_list *l, const char *user)
{
	uint32_t i;

	for (i = 0; user && *user && i < l->count; i++)
		if (l->item[i].re ?
			    regexp_has(l->item[i].re, user, strlen(user)) :
			    !strcmp(l->item[i].text, user))
			return true;
	return false;
}

/* Path and query of a request target in origin or absolute form */
static const char *target_path(const char *p, const char *end)
{
	const char *s = memmem(p, (size_t)(end - p), "://", 3);

	if (*p == '/' || !s)
		return p;
	for (s += 3; s < end && *s != '/';)
		s++;
	return s;
}

/* The :method or :path of a request line */
static bool request_line_matches(const char *line, const char *end,
				 const char *key, const struct regexp *re)
{
	const char *sp = memchr(line, ' ', (size_t)(end - line)), *stop;

	if (!sp)
		return false;
	if (!strcasecmp(key, ":method"))
		return regexp_has(re, line, (size_t)(sp - line));
	stop = memchr(sp + 1, ' ', (size_t)(end - sp - 1));
	stop = stop ? stop : end;
	sp = target_path(sp + 1, stop);
	return regexp_has(re, sp, (size_t)(stop - sp));
}

bool http_attr_matches(const char *head, const char *key,
		       const struct regexp *re)
{
	size_t key_len = strlen(key);
	const char *end, *next;

	for (; *head; head = *next ? next + 1 : next) {
		next = strchrnul(head, '\n');
		end = next > head && next[-1] == '\r' ? next - 1 : next;
		if (end == head) /* the body begins */
			return false;
		if (key[0] == ':')
			return request_line_matches(head, end, key, re);
		if ((size_t)(end - head) <= key_len || head[key_len] != ':' ||
		    strncasecmp(head, key, key_len))
			continue;
		for (head += key_len + 1; head < end && *head == ' ';)
			head++;
		if (regexp_has(re, head, (size_t)(end - head)))
			return true;
	}
	return false;
}

static bool all_attrs(const struct match_list *l, const char *head)
{
	uint32_t i;

	for (i = 0; head && i < l->count; i++)
		if (!http_attr_matches(head, l->item[i].text, l->item[i].re))
			return false;
	return head != NULL;
}

/* Conditions that look at small fields of the session */
static bool small_match(const struct rule *r, const struct route_view *v)
{
	if (r->has & COND_NETWORK && !(r->nets & v->net))
		return false;
	if (r->has & COND_PORT && !in_ports(&r->ports, v->port))
		return false;
	if (r->has & COND_INBOUND && !in_list(&r->inbounds, v->inbound_tag))
		return false;
	if (r->has & COND_SOURCE_PORT &&
	    !in_ports(&r->source_ports, v->source->port))
		return false;
	if (r->has & COND_LOCAL_PORT &&
	    !in_ports(&r->local_ports, v->local->port))
		return false;
	if (r->has & COND_VLESS_ROUTE &&
	    !in_ports(&r->vless_routes, v->vless_route))
		return false;
	if (r->has & COND_PROTOCOL &&
	    !has_prefix_of(&r->protocols, v->protocol))
		return false;
	return !(r->has & COND_USER) || is_user(&r->users, v->user);
}

/* Conditions that search */
static bool large_match(const struct rule *r, const struct route_view *v)
{
	if (r->has & COND_SOURCE && !ipset_has(r->source, v->source))
		return false;
	if (r->has & COND_LOCAL && !ipset_has(r->local, v->local))
		return false;
	return !(r->has & COND_ATTRS) || all_attrs(&r->attrs, v->http_head);
}

static bool domain_match(const struct router *r, uint32_t index,
			 const struct route_view *v, struct domain_hits *d)
{
	if (!v->name)
		return false;
	if (!d->known) {
		memset(d->bits, 0, (r->rule_count + 63) / 64 * 8);
		dommap_mark(r->domains, v->name, v->name_len, d->bits,
			    r->rule_count);
		d->known = true;
	}
	return d->bits[index / 64] >> (index % 64) & 1;
}

static enum hit ip_match(const struct rule *r, const struct route_view *v)
{
	unsigned int i;

	if (v->on_demand)
		return HIT_ASK;
	for (i = 0; i < v->ip_count; i++)
		if (ipset_has(r->ip, &v->ips[i]))
			return HIT_YES;
	return HIT_NO;
}

/* Is it the program @want speaks of? By path, folder or name, as Xray has it */
static bool names_program(const char *want, const struct route_view *v)
{
	const char *slash = strrchr(want, '/');

	if (!strcmp(want, "self/"))
		return v->own;
	if (slash && !slash[1])
		return !strncmp(v->program, want, strlen(want));
	if (slash)
		return !strcmp(v->program, want);
	slash = strrchr(v->program, '/');
	return !strcmp(slash ? slash + 1 : v->program, want);
}

static bool is_program(const struct str_list *l, const struct route_view *v)
{
	uint32_t i;

	for (i = 0; v->program && i < l->count; i++)
		if (names_program(l->text[i], v))
			return true;
	return false;
}

/* The dearest of all: nothing else may be left to say no */
static enum hit program_match(const struct rule *r, const struct route_view *v)
{
	if (!(r->has & COND_PROCESS))
		return HIT_YES;
	if (v->find_program)
		return HIT_PROGRAM;
	return is_program(&r->programs, v) ? HIT_YES : HIT_NO;
}

static enum hit rule_match(const struct router *r, uint32_t index,
			   const struct route_view *v, struct domain_hits *d)
{
	const struct rule *rule = &r->rules[index];
	enum hit ip = HIT_YES;

	if (!small_match(rule, v) || !large_match(rule, v))
		return HIT_NO;
	if (rule->has & COND_DOMAIN && !domain_match(r, index, v, d))
		return HIT_NO;
	if (rule->has & COND_IP)
		ip = ip_match(rule, v);
	return ip == HIT_YES ? program_match(rule, v) : ip;
}

int rules_match(const struct router *r, const struct route_view *v,
		const struct rule **out)
{
	struct domain_hits d;
	uint32_t i;
	enum hit hit;

	d.known = false;
	for (i = 0; i < r->rule_count; i++) {
		hit = rule_match(r, i, v, &d);
		if (hit == HIT_ASK)
			return -EAGAIN;
		if (hit == HIT_PROGRAM)
			return -EINPROGRESS;
		if (hit == HIT_YES) {
			*out = &r->rules[i];
			return 0;
		}
	}
	return -ENOENT;
}
