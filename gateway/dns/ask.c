/*
 * ask.c - dns_ask(): addresses of a name for a session
 *
 * Both families are asked at once; the asker hears of the first that has an
 * address and, when it wants, of the second.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/dns/resolver.h"
#include "proxy/wire/dns_msg.h"

#define FAMILY_IPS (DNS_MAX_IPS / 2) /* when both are asked */

/**
 * struct dns_query - What a dns_req waits with
 * @none:	The best reason so far for having no address
 */
struct dns_query {
	struct dns_req *req;
	struct waiter wait[2];
	uint8_t limit;
	int none;
};

static int outcome_reason(const struct dns_outcome *o)
{
	if (o->rc)
		return o->rc;
	return o->rcode == DNS_NOERROR || o->rcode == DNS_NXDOMAIN ? -ENOENT :
								     -EIO;
}

/* One family is answered */
static void query_take(struct dns_query *q, uint8_t family,
		       const struct dns_outcome *o)
{
	struct dns_req *r = q->req;
	uint8_t i;

	r->pending &= (uint8_t)~family;
	for (i = 0; i < o->count && i < q->limit && r->count < DNS_MAX_IPS; i++)
		r->ips[r->count++] = o->ips[i];
	if (o->count && (r->rc || o->ttl < r->ttl))
		r->ttl = o->ttl;
	if (!o->count && q->none != -ENOENT)
		q->none = outcome_reason(o);
	if (r->count)
		r->rc = 0;
	else if (!r->pending)
		r->rc = q->none;
}

static void query_end(struct dns_query *q)
{
	q->req->query = NULL;
	free(q);
}

static void query_done(struct waiter *wt, const struct dns_outcome *o)
{
	struct dns_query *q =
		wt->family == DNS_V4 ?
			container_of(wt, struct dns_query, wait[0]) :
			container_of(wt, struct dns_query, wait[1]);
	struct dns_req *r = q->req;

	query_take(q, wt->family, o);
	if (r->rc != -EAGAIN)
		job_ready(r->job);
	if (!r->pending)
		query_end(q);
}

/* An address as name needs no server */
static bool literal_take(struct dns_req *r, const char *name,
			 unsigned int families)
{
	struct addr a = { 0 };

	if (addr_parse_ip(&a, name) < 0)
		return false;
	if (families & (a.kind == ADDR_V4 ? DNS_V4 : DNS_V6)) {
		r->ips[0].kind = a.kind;
		memcpy(r->ips[0].ip, a.ip, sizeof(a.ip));
		r->count = 1;
	}
	r->pending = 0;
	r->rc = r->count ? 0 : -ENOENT;
	return true;
}

/* NOLINTNEXTLINE(readability-function-size): seven facts, each the asker's */
int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags)
{
	static const uint8_t order[2] = { DNS_V4, DNS_V6 };
	struct dns_query *q;
	int i, rc;

	memset(r, 0, sizeof(*r));
	r->job = job;
	r->rc = -ENOENT;
	if (literal_take(r, name, families))
		return r->rc;
	if (!(flags & DNS_SYSTEM))
		families &= cfg->dns->families;
	if (!families)
		return r->rc;
	q = calloc(1, sizeof(*q));
	if (!q)
		return r->rc = -ENOMEM;
	q->req = r;
	q->limit = families == (DNS_V4 | DNS_V6) ? FAMILY_IPS : DNS_MAX_IPS;
	r->query = q;
	r->rc = -EAGAIN;
	r->pending = (uint8_t)families;
	for (i = 0; i < 2; i++) {
		struct dns_outcome o = { 0 };

		q->wait[i].done = query_done;
		q->wait[i].family = order[i];
		q->wait[i].flags = flags & DNS_SYSTEM ? RESOLVE_SYSTEM : 0;
		if (!(families & order[i]))
			continue;
		rc = resolve(w, cfg, name, &q->wait[i], &o);
		if (rc == -EAGAIN)
			continue;
		if (rc)
			o = (struct dns_outcome){ .rc = rc };
		query_take(q, order[i], &o);
	}
	if (!r->pending)
		query_end(q);
	return r->rc;
}

void dns_cancel(struct dns_req *r)
{
	struct dns_query *q = r->query;

	if (!q)
		return;
	waiter_cancel(&q->wait[0]);
	waiter_cancel(&q->wait[1]);
	query_end(q);
	r->pending = 0;
	if (r->rc == -EAGAIN)
		r->rc = -ECANCELED;
}
