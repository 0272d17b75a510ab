/*
 * chain.c - A stream through another outbound: dialerProxy, proxySettings
 *
 * The other outbound sees an inner session: a copy of the one served, whose
 * target is the server. Outbounds look at a session, they never change it, and
 * may do so until close; so the copy lives in this layer, which stays. It
 * passes everything through, splice included.
 */
#include "proxy/transport/chain.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"

/**
 * struct chain - A layer that owns what the stream below looks at
 * @inner:	Never on a worker's list, never run; its job hands readiness on
 */
struct chain {
	struct stream s;
	struct session inner;
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

static ssize_t chain_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	stream_shed(&s->below);
	return s->below->ops->readv(s->below, iov, cnt);
}

static ssize_t chain_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	stream_shed(&s->below);
	return s->below->ops->writev(s->below, iov, cnt);
}

static void chain_want(struct stream *s, unsigned int events)
{
	s->below->ops->want(s->below, events);
}

static bool chain_up(const struct stream *s)
{
	return s->below->ops->up(s->below);
}

static int chain_finish(struct stream *s)
{
	return s->below->ops->finish(s->below);
}

static void chain_close(struct stream *s, int why)
{
	struct chain *c = chain_of(s);

	stream_close(&c->s.below, why);
	job_forget(&c->inner.job);
	free(c);
}

static struct watch *chain_watch(struct stream *s, unsigned int dir)
{
	struct stream *b = s->below;

	return b->ops->watch ? b->ops->watch(b, dir) : NULL;
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
		in->dns = NULL;
		in->greet_state = NULL;
		in->map = NULL;
		in->flow = NULL;
	}
	in->job = (struct job){ .run = inner_run, .worker = d->worker };
	in->net = NET_TCP;
	in->cfg = d->cfg;
	in->outbound = d->ob->dialer;
	in->orig = in->target = *to;
	in->route_name = NULL;
}

int chain_dial(const struct dial *d, const struct addr *to, struct stream **out)
{
	const struct outbound *via = d->ob->dialer;
	struct chain *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	if (!via->ops->open) {
		free(c);
		return -EPROTONOSUPPORT;
	}
	c->s = (struct stream){ .ops = &chain_ops, .job = d->job };
	inner_init(&c->inner, d, to);
	rc = outbound_open(via, &c->inner, &c->s.below);
	if (rc < 0) {
		job_forget(&c->inner.job);
		free(c);
		return rc;
	}
	stream_set_job(&c->s, d->job);
	*out = &c->s;
	return 0;
}
