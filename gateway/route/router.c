/*
 * router.c - Picking an outbound for a session
 *
 *	forced tag -> that outbound, or refused
 *	first rule that matches -> its outbound or balancer
 *	no rule, IPIfNonMatch and a name -> resolve, all rules again
 *	else the first outbound
 *
 * IPOnDemand resolves when the first ip condition is reached; the program is looked
 * for when the first process condition is. Nothing is kept between calls but s->dns
 * and s->whose: as long as they are there, that was asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/core/config.h"
#include "gateway/core/route.h"
#include "gateway/core/session.h"
#include "gateway/core/whose.h"
#include "gateway/route/dommap.h"
#include "gateway/route/explain.h"
#include "gateway/route/rule.h"

static enum ip_strategy read_strategy(struct diag *d, struct jobj *o)
{
	const char *word = j_str(o, "domainStrategy", "AsIs");

	if (!strcasecmp(word, "IPIfNonMatch"))
		return IP_IF_NON_MATCH;
	if (!strcasecmp(word, "IPOnDemand"))
		return IP_ON_DEMAND;
	if (word[0] && strcasecmp(word, "AsIs"))
		diag_warning(d, o->node, "domainStrategy",
			     "\"%s\" means AsIs; known are AsIs, IPIfNonMatch "
			     "and IPOnDemand",
			     word);
	return IP_AS_IS;
}

static void read_routing(struct router *r, struct diag *d, const cJSON *node,
			 struct config *cfg)
{
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	r->strategy = read_strategy(d, &o);
	j_ignore(&o, "domainMatcher", NULL);
	balancers_parse(r, d, j_array(&o, "balancers"), cfg);
	rules_parse(r, d, j_array(&o, "rules"), cfg);
	j_close(&o);
}

struct router *router_parse(struct diag *d, const cJSON *node,
			    struct config *cfg)
{
	struct router *r = calloc(1, sizeof(*r));

	if (r)
		r->domains = dommap_new();
	if (!r || !r->domains) {
		diag_error(d, node, NULL, "out of memory");
		free(r);
		return NULL;
	}
	r->cfg = cfg;
	read_routing(r, d, node, cfg);
	if (dommap_seal(r->domains) < 0)
		diag_error(d, node, NULL, "out of memory");
	return r;
}

void router_free(struct router *r)
{
	uint32_t i;

	if (!r)
		return;
	for (i = 0; i < r->rule_count; i++)
		rule_free(&r->rules[i]);
	free(r->rules);
	free(r->balancers);
	dommap_free(r->domains);
	free(r);
}

bool router_wants_attrs(const struct router *r)
{
	return r && r->wants_attrs;
}

/* What is known by now of the program it comes from */
static void view_program(const struct session *s, struct route_view *v)
{
	const struct whose *q = s->whose;

	v->find_program = !q || q->rc == -EAGAIN;
	v->program = q && !q->rc ? q->path : NULL;
	v->own = q && !q->rc && q->pid == getpid();
}

static void view_session(const struct session *s, struct route_view *v)
{
	v->net = s->net;
	v->port = s->target.port;
	v->vless_route = s->vless_route;
	v->name = ses_route_name(s);
	v->name_len = v->name ? strlen(v->name) : 0;
	v->ip_count = 0;
	if (addr_is_ip(&s->target))
		v->ips[v->ip_count++] = s->target;
	v->on_demand = false;
	v->source = &s->source;
	v->local = &s->local;
	v->inbound_tag = s->inbound_tag ? s->inbound_tag : "";
	v->user = s->user;
	v->protocol = sniff_name((enum sniff_proto)s->proto);
	v->http_head = s->http_head;
	view_program(s, v);
}

/* Ask for the addresses of the name. 0 when there is an answer, -EAGAIN */
static int ask_dns(const struct router *r, struct session *s,
		   const struct route_view *v)
{
	s->dns = calloc(1, sizeof(*s->dns));
	if (!s->dns)
		return 0; /* route by what is known */
	if (!r->families) /* no ip condition could be met */
		return 0;
	dns_ask(s->job.worker, s->cfg, s->dns, &s->job, v->name, r->families,
		0);
	return s->dns->rc == -EAGAIN || s->dns->pending ? -EAGAIN : 0;
}

/* Put the answer into @v; without one the target's own address stays there */
static void take_answer(const struct session *s, struct route_view *v)
{
	const struct dns_req *q = s->dns;
	unsigned int i;

	if (!q || q->rc < 0 || !q->count)
		return;
	for (i = 0; i < q->count && i < DNS_MAX_IPS; i++)
		v->ips[i] = q->ips[i].kind == ADDR_V4 ?
				    addr_v4(q->ips[i].ip, 0) :
				    addr_v6(q->ips[i].ip, 0);
	v->ip_count = i;
}

static void forget_dns(struct session *s)
{
	if (!s->dns)
		return;
	dns_cancel(s->dns);
	free(s->dns);
	s->dns = NULL;
}

/*
 * rules_match(), and the search for the program when a rule asks for it. As
 * rules_match(); -EINPROGRESS: it is under way
 */
static int match(const struct router *r, struct session *s,
		 struct route_view *v, const struct rule **rule)
{
	int rc = rules_match(r, v, rule);

	if (rc != -EINPROGRESS)
		return rc;
	if (!s->whose)
		whose_ask(s);
	if (s->whose && s->whose->rc == -EAGAIN)
		return rc;
	view_program(s, v);
	v->find_program = false; /* no memory: by what is known */
	return rules_match(r, v, rule);
}

/* The rule for @s by the strategy. 0, -ENOENT, -EAGAIN */
static int find_rule(const struct router *r, struct session *s,
		     const struct rule **rule)
{
	struct route_view v;
	bool may_ask;
	int rc;

	view_session(s, &v);
	may_ask = r->strategy != IP_AS_IS && v.name && !s->skip_dns;
	if (!s->dns) {
		v.on_demand = may_ask && r->strategy == IP_ON_DEMAND;
		rc = match(r, s, &v, rule);
		if (rc == -EINPROGRESS)
			return -EAGAIN;
		if (!may_ask ||
		    !(rc == -EAGAIN ||
		      (rc == -ENOENT && r->strategy == IP_IF_NON_MATCH)))
			return rc;
		if (ask_dns(r, s, &v) == -EAGAIN)
			return -EAGAIN;
	} else if (s->dns->rc == -EAGAIN || s->dns->pending) {
		return -EAGAIN;
	}
	v.on_demand = false;
	take_answer(s, &v);
	rc = match(r, s, &v, rule);
	return rc == -EINPROGRESS ? -EAGAIN : rc;
}

static int pick_forced(const struct router *r, struct session *s,
		       const struct outbound **ob)
{
	const struct outbound *to = outbound_by_tag(r->cfg, s->forced_tag);

	if (!to)
		return -ENOENT;
	s->rule = NULL;
	s->route_how = HOW_FORCED;
	*ob = to;
	return 0;
}

static int pick_by_rule(const struct rule *rule, struct session *s,
			const struct outbound **ob)
{
	const struct outbound *to = rule->outbound;

	if (!to && rule->balancer)
		to = balancer_pick(rule->balancer);
	s->rule = rule->tag;
	s->route_how = HOW_RULE;
	if (!to)
		return -ENOENT;
	*ob = to;
	return 0;
}

int route_pick(const struct router *r, struct session *s,
	       const struct outbound **ob)
{
	const struct rule *rule = NULL;
	int rc;

	if (s->forced_tag)
		return pick_forced(r, s, ob);
	rc = find_rule(r, s, &rule);
	if (rc == -EAGAIN)
		return rc;
	forget_dns(s);
	if (!rc)
		return pick_by_rule(rule, s, ob);
	if (!r->cfg->outbound_count)
		return -ENOENT;
	s->rule = NULL;
	s->route_how = HOW_DEFAULT;
	*ob = r->cfg->outbounds[0];
	return 0;
}

void route_explain(const struct router *r, const struct route_query *q,
		   struct route_answer *out)
{
	struct route_view v = { .net = q->net,
				.port = q->target.port,
				.source = &q->source,
				.local = &q->local };
	const struct rule *rule = NULL;
	unsigned int i;

	v.name = q->name                     ? q->name :
		 q->target.kind == ADDR_NAME ? q->target.name :
					       NULL;
	v.name_len = v.name ? strlen(v.name) : 0;
	for (i = 0; i < q->ip_count && i < DNS_MAX_IPS; i++)
		v.ips[v.ip_count++] = q->ips[i];
	if (!v.ip_count && addr_is_ip(&q->target))
		v.ips[v.ip_count++] = q->target;
	v.inbound_tag = q->inbound_tag ? q->inbound_tag : "";
	v.user = q->user;
	v.protocol = q->protocol ? q->protocol : "";
	v.http_head = q->http_head;
	v.program = q->program;
	*out = (struct route_answer){ 0 };
	v.on_demand = v.name && !q->ip_count && r->strategy == IP_ON_DEMAND;
	out->needs_dns = rules_match(r, &v, &rule) == -EAGAIN;
	v.on_demand = false;
	if (out->needs_dns)
		rules_match(r, &v, &rule);
	else if (!rule && v.name && !q->ip_count)
		out->needs_dns = r->strategy == IP_IF_NON_MATCH;
	if (rule) {
		out->rule = rule->tag;
		out->outbound = rule->outbound;
		out->balancer = rule->balancer ? rule->balancer->tag : NULL;
	} else if (r->cfg->outbound_count) {
		out->outbound = r->cfg->outbounds[0];
	}
}

void route_each(const struct router *r,
		void (*fn)(void *arg, const char *outbound, const char *tag),
		void *arg)
{
	for (uint32_t i = 0; i < r->rule_count; i++) {
		const struct rule *rule = &r->rules[i];

		fn(arg, rule->outbound ? rule->outbound->tag : "", rule->tag);
	}
}

const char *route_balancer(const struct router *r, uint32_t i)
{
	const struct balancer *b =
		i < r->rule_count ? r->rules[i].balancer : NULL;

	return b ? b->tag : NULL;
}
