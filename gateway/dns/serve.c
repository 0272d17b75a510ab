/*
 * serve.c - dns_serve(): the answer to one client's message
 *
 *   not a query -> drop      broken -> FORMERR      PTR of a fake address -> name
 *   rule: drop, return, direct, or hijack:
 *     A, AAAA -> hosts, then servers in order, the fakedns ones included
 *     others  -> empty (HTTPS and SVCB records would show real addresses)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/dns/resolver.h"
#include "gateway/dns/rules.h"
#include "proxy/wire/dns_msg.h"

/**
 * struct serving - A question that waits for servers
 * @msg:	Head and question of the client's message, for the echo
 */
struct serving {
	struct waiter wait;
	struct dns_serve *s;
	struct config *cfg;
	struct dns_question q;
	uint8_t msg[DNS_HEAD_BYTES + 255 + 4];
};

static int answer_put(struct dns_serve *s, const struct dns_question *q,
		      const uint8_t *msg, const struct dns_reply *r)
{
	uint8_t out[DNS_REPLY_MAX];
	size_t limit = s->tcp ? sizeof(out) : q->udp_size;
	ssize_t n;

	if (!s->tcp && limit > DNS_UDP_EDNS)
		limit = DNS_UDP_EDNS;
	n = dns_reply_encode(q, msg, r, out, sizeof(out), limit);
	if (n < 0)
		return s->rc = -ENOENT;
	s->answer = malloc((size_t)n);
	if (!s->answer)
		return s->rc = -ENOENT;
	memcpy(s->answer, out, (size_t)n);
	s->answer_len = (size_t)n;
	return s->rc = 0;
}

static int answer_code(struct dns_serve *s, const struct dns_question *q,
		       const uint8_t *msg, uint8_t rcode)
{
	struct dns_reply r = { .rcode = rcode };

	return answer_put(s, q, msg, &r);
}

static int answer_fake(struct dns_serve *s, struct config *cfg,
		       const struct dns_question *q, const uint8_t *msg)
{
	uint8_t kind = q->type == DNS_T_A ? ADDR_V4 : ADDR_V6;
	struct addr a;
	struct dns_reply r = { .ttl = DNS_FAKE_TTL, .ips = &a };
	int err = fakedns_addr(cfg->fakedns, q->name, kind, &a);

	if (err == -ENOMEM || err == -ENOSPC) /* let it ask again */
		r.rcode = DNS_SERVFAIL;
	r.count = !err;
	return answer_put(s, q, msg, &r);
}

static int answer_outcome(struct dns_serve *s, struct config *cfg,
			  const struct dns_question *q, const uint8_t *msg,
			  const struct dns_outcome *o)
{
	struct addr ips[DNS_MAX_IPS];
	struct dns_reply r = {
		.rcode = o->rcode,
		.count = o->count,
		.ttl = o->ttl,
		.ips = ips,
	};
	uint8_t i;

	if (o->fake)
		return answer_fake(s, cfg, q, msg);
	if (o->rc)
		r.rcode = DNS_SERVFAIL;
	for (i = 0; i < o->count; i++)
		ips[i] = dns_ip_addr(&o->ips[i], 0);
	return answer_put(s, q, msg, &r);
}

static void serving_free(struct serving *v)
{
	v->s->state = NULL;
	config_unref(v->cfg);
	free(v);
}

static void serving_done(struct waiter *wt, const struct dns_outcome *o)
{
	struct serving *v = container_of(wt, struct serving, wait);
	struct dns_serve *s = v->s;

	answer_outcome(s, v->cfg, &v->q, v->msg, o);
	serving_free(v);
	job_ready(s->job);
}

static int serve_hijack(struct worker *w, struct config *cfg,
			struct dns_serve *s, const struct dns_question *q,
			const uint8_t *msg)
{
	struct serving *v;
	struct dns_outcome o;
	int rc;

	if (q->type != DNS_T_A && q->type != DNS_T_AAAA)
		return answer_code(s, q, msg, DNS_NOERROR);
	if (q->odd || !q->name_len || q->klass != DNS_CLASS_IN)
		return answer_code(s, q, msg, DNS_NXDOMAIN);
	v = calloc(1, sizeof(*v));
	if (!v)
		return answer_code(s, q, msg, DNS_SERVFAIL);
	v->wait.done = serving_done;
	v->wait.family = q->type == DNS_T_A ? DNS_V4 : DNS_V6;
	v->wait.flags = RESOLVE_FAKE;
	rc = resolve(w, cfg, q->name, &v->wait, &o);
	if (rc != -EAGAIN) {
		free(v);
		if (rc)
			o = (struct dns_outcome){ .rc = rc };
		return answer_outcome(s, cfg, q, msg, &o);
	}
	v->s = s;
	v->cfg = config_ref(cfg);
	v->q = *q;
	memcpy(v->msg, msg, q->end);
	s->state = v;
	return s->rc = -EAGAIN;
}

/* A question for the name of one of our fake addresses. false: it is not */
static bool serve_arpa(struct config *cfg, struct dns_serve *s,
		       const struct dns_question *q, const uint8_t *msg)
{
	struct dns_reply r = { .ttl = DNS_FAKE_TTL };
	char name[256];
	struct addr a;

	if (q->type != DNS_T_PTR || dns_arpa_addr(q->name, &a) < 0 ||
	    !fakedns_in_pool(cfg->fakedns, &a))
		return false;
	if (fakedns_name(cfg->fakedns, &a, name) < 0)
		r.rcode = DNS_NXDOMAIN;
	else
		r.ptr = name;
	answer_put(s, q, msg, &r);
	return true;
}

/* NOLINTNEXTLINE(readability-function-size): the contract's parameters */
int dns_serve(struct worker *w, struct config *cfg,
	      const struct dns_rules *rules, struct dns_serve *s,
	      struct job *job, const uint8_t *q, size_t n)
{
	struct dns_question ask;
	enum dns_action action;
	uint8_t rcode;
	int err;

	s->job = job;
	s->answer = NULL;
	s->answer_len = 0;
	s->state = NULL;
	err = dns_question_decode(q, n, &ask);
	if (err == -EBADMSG)
		return s->rc = -ENOENT;
	if (err)
		return answer_code(s, &ask, q,
				   err == -EOPNOTSUPP ? DNS_NOTIMP :
							DNS_FORMERR);
	if (serve_arpa(cfg, s, &ask, q))
		return s->rc;
	action = rules_find(rules, ask.name, ask.type, &rcode);
	log_debug("dns: %s type %u: action %d", ask.name, ask.type, action);
	switch (action) {
	case DNS_DROP:
		return s->rc = -ENOENT;
	case DNS_DIRECT:
		return s->rc = -ENOTSUP;
	case DNS_RETURN:
		return answer_code(s, &ask, q, rcode);
	case DNS_HIJACK:
	default:
		return serve_hijack(w, cfg, s, &ask, q);
	}
}

void dns_serve_cancel(struct dns_serve *s)
{
	struct serving *v = s->state;

	if (!v)
		return;
	waiter_cancel(&v->wait);
	serving_free(v);
	s->rc = -ECANCELED;
}
