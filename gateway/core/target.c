/*
 * target.c - A session's target becomes an address before its outbound sees it; so
 * do names of servers
 *
 * Both families are asked for at once; that of the strategy's first round is waited
 * for. Outbounds that dial targets themselves (freedom) race addresses instead.
 *
 * Source: Xray-core app/proxyman/outbound/handler.go (facts)
 */
#include "gateway/core/target.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/core/dns.h"
#include "gateway/core/outbound.h"
#include "gateway/core/session.h"
#include "gateway/core/sockopt.h"

static bool is_family(const struct dns_ip *ip, unsigned int families)
{
	return families & (ip->kind == ADDR_V6 ? DNS_V6 : DNS_V4);
}

/* The best answer so far; NULL: wait for a better one */
static const struct dns_ip *pick(const struct dns_req *r, unsigned int first)
{
	for (unsigned int i = 0; i < r->count; i++)
		if (is_family(&r->ips[i], first))
			return &r->ips[i];
	return r->pending & first ? NULL : &r->ips[0];
}

static int ask(struct session *s, enum domain_strategy ds)
{
	s->dns = calloc(1, sizeof(*s->dns));
	if (!s->dns)
		return -ENOMEM;
	return dns_ask(s->job.worker, s->cfg, s->dns, &s->job, s->target.name,
		       ds_families(ds, 0) | ds_families(ds, 1), 0);
}

static void answered(struct session *s, const struct dns_ip *ip)
{
	char text[ADDR_TEXT_MAX], name[ADDR_TEXT_MAX];

	addr_format(&s->target, name, sizeof(name));
	s->target = dns_ip_addr(ip, s->target.port);
	log_debug("s%x target: %s is %s", s->id, name,
		  addr_format(&s->target, text, sizeof(text)));
}

int target_resolve(struct session *s)
{
	enum domain_strategy ds =
		(enum domain_strategy)s->outbound->target_strategy;
	const struct dns_ip *ip;
	int rc;

	if (ds == DS_AS_IS || s->outbound->ops->local || s->skip_dns ||
	    s->target.kind != ADDR_NAME)
		return 0;
	rc = s->dns ? s->dns->rc : ask(s, ds);
	ip = rc ? NULL : pick(s->dns, ds_families(ds, 0));
	if (rc == -EAGAIN || (!rc && !ip))
		return -EAGAIN;
	if (ip)
		answered(s, ip);
	if (s->dns)
		dns_cancel(s->dns);
	free(s->dns);
	s->dns = NULL;
	return rc && ds_forced(ds) ? rc : 0;
}

int server_ask(struct server_turn *t, struct dns_req *r, struct worker *w,
	       struct config *cfg, struct job *job, const char *name)
{
	enum domain_strategy ds = (enum domain_strategy)t->strategy;

	r->job = job;
	while (r->rc < 0 && r->rc != -EAGAIN) {
		unsigned int families = ds_families(ds, t->round), flags = 0;

		if (ds == DS_AS_IS || !families) {
			if (t->system || ds_forced(ds))
				return r->rc;
			t->system = true;
			families = DNS_V4 | DNS_V6;
			flags = DNS_SYSTEM;
		}
		t->round++;
		(void)dns_ask(w, cfg, r, job, name, families, flags);
	}
	return r->rc;
}
