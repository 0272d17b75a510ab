/*
 * chain.c - A stream through another outbound: dialerProxy, proxySettings
 *
 * A name is looked up first when sockopt's or freedom's domainStrategy says so
 * (Xray-core, transport/internet/dialer.go): then the other outbound gets an
 * address. So too when the first outbound's own rules are about addresses: they
 * are asked before the other one is. Until there is an answer, nothing is below.
 *
 * The other outbound sees an inner session: a copy of the one served, whose
 * target is the server. Outbounds look at a session, they never change it, and
 * may do so until close; so the copy lives in this layer, which stays. It
 * passes everything through, splice included.
 */
#include "proxy/transport/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/session.h"
#include "gateway/core/sockopt.h"

/**
 * struct chain - A layer that owns what the stream below looks at
 * @inner:	Never on a worker's list, never run; its job hands readiness on
 * @from:	Whose dialer it is; @reach: what its rules are asked
 * @dns:	The server's name, while @asking; @round: of its strategy
 * @err:	-errno once nothing will come
 */
struct chain {
	struct stream s;
	struct session inner;
	const struct outbound *from;
	struct session *ses; /* is told of a block; NULL: nobody's */
	struct reach reach;
	struct dns_req dns;
	enum domain_strategy strategy;
	uint8_t round;
	bool asking;
	int err;
};

static struct chain *chain_of(struct stream *s)
{
	return container_of(s, struct chain, s);
}

/* Something marked the inner job (a dns question below): the owner's is meant */
static void inner_run(struct job *j)
{
	struct session *inner = container_of(j, struct session, job);
	struct chain *c = container_of(inner, struct chain, inner);

	job_ready(c->s.job);
}

/* The rules of the first outbound, for an address or a name */
static bool chain_may_reach(struct chain *c, const struct addr *to)
{
	return ses_may_reach(c->ses, c->from, &c->reach, to);
}

/* Open the other outbound. 0 or -errno */
static int chain_open(struct chain *c)
{
	const struct outbound *via = c->inner.outbound;
	int rc;

	if (!chain_may_reach(c, &c->inner.target))
		return -EFORBIDDEN;
	rc = outbound_open(via, &c->inner, &c->s.below);
	if (!rc)
		stream_set_job(&c->s, c->s.job);
	return rc;
}

/* Ask for the families of this round and the next, until one has an answer */
static int chain_ask(struct chain *c)
{
	unsigned int families = ds_families(c->strategy, c->round);

	return dns_ask(c->inner.job.worker, c->inner.cfg, &c->dns,
		       &c->inner.job, c->inner.target.name, families, 0);
}

/* The answer is there, or there is none. 0 or -errno */
static int chain_answered(struct chain *c)
{
	int rc = c->dns.rc;

	while (rc < 0 && rc != -EAGAIN && !c->round &&
	       ds_families(c->strategy, 1)) {
		c->round = 1;
		rc = chain_ask(c);
	}
	if (rc == -EAGAIN)
		return rc;
	c->asking = false;
	dns_cancel(&c->dns);
	if (!rc)
		c->inner.target =
			dns_ip_addr(&c->dns.ips[0], c->inner.target.port);
	else if (c->strategy >= DS_FORCE_IP ||
		 !chain_may_reach(c, &c->inner.target))
		return rc;
	c->inner.orig = c->inner.target;
	return chain_open(c);
}

/* 0: something is below. -EAGAIN, -errno */
static int chain_ready(struct chain *c)
{
	if (c->asking && !c->err)
		c->err = chain_answered(c);
	if (c->err != -EAGAIN)
		return c->err;
	c->err = 0;
	return -EAGAIN;
}

static ssize_t chain_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = chain_ready(chain_of(s));

	if (rc)
		return rc;
	stream_shed(&s->below);
	return s->below->ops->readv(s->below, iov, cnt);
}

static ssize_t chain_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = chain_ready(chain_of(s));

	if (rc)
		return rc;
	stream_shed(&s->below);
	return s->below->ops->writev(s->below, iov, cnt);
}

static void chain_want(struct stream *s, unsigned int events)
{
	/* the answer of a question marks the job by itself */
	if (s->below)
		s->below->ops->want(s->below, events);
}

static bool chain_up(const struct stream *s)
{
	return s->below && s->below->ops->up(s->below);
}

static int chain_finish(struct stream *s)
{
	int rc = chain_ready(chain_of(s));

	return rc ? rc : s->below->ops->finish(s->below);
}

static void chain_close(struct stream *s, int why)
{
	struct chain *c = chain_of(s);

	if (c->asking)
		dns_cancel(&c->dns);
	stream_close(&c->s.below, why);
	job_forget(&c->inner.job);
	free(c);
}

static struct watch *chain_watch(struct stream *s, unsigned int dir)
{
	struct stream *b = s->below;

	return b && b->ops->watch ? b->ops->watch(b, dir) : NULL;
}

static const struct stream_ops chain_ops = {
	.name = "chain",
	.readv = chain_readv,
	.writev = chain_writev,
	.want = chain_want,
	.up = chain_up,
	.finish = chain_finish,
	.close = chain_close,
	.watch = chain_watch,
};

/* A copy of the session served (or of nothing), with the server as target */
static void inner_init(struct session *in, const struct dial *d,
		       const struct addr *to)
{
	if (d->s) {
		*in = *d->s;
		in->in = in->out = NULL;
		memset(in->half, 0, sizeof(in->half));
		in->domain = in->http_head = NULL;
		in->again = NULL;
		in->dns = NULL;
		in->greet_state = NULL;
		in->map = NULL;
		in->flow = NULL;
		in->reverse = false; /* that is for the server alone */
	}
	in->job = (struct job){ .run = inner_run, .worker = d->worker };
	in->net = NET_TCP;
	in->cfg = d->cfg;
	in->outbound = d->ob->dialer;
	in->orig = in->target = *to;
	in->route_name = NULL;
}

int chain_dial(const struct dial *d, const struct addr *to,
	       enum domain_strategy strategy, struct stream **out)
{
	struct chain *c;
	int rc;

	if (!d->ob->dialer->ops->open)
		return -EPROTONOSUPPORT;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->s = (struct stream){ .ops = &chain_ops, .job = d->job };
	c->from = d->ob;
	c->ses = d->s;
	c->reach = (struct reach){ .net = NET_TCP,
				   .stranger = d->stranger,
				   .id = d->s ? d->s->id : 0 };
	if (strategy == DS_AS_IS && to->kind == ADDR_NAME &&
	    !chain_may_reach(c, to))
		strategy = DS_FORCE_IP;
	c->strategy = strategy;
	inner_init(&c->inner, d, to);
	if (strategy == DS_AS_IS || to->kind != ADDR_NAME) {
		rc = chain_open(c);
	} else {
		c->asking = true;
		(void)chain_ask(c);
		rc = chain_ready(c);
	}
	if (rc < 0 && rc != -EAGAIN) {
		chain_close(&c->s, rc);
		return rc;
	}
	*out = &c->s;
	return 0;
}
