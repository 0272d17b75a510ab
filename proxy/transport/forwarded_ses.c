/*
 * forwarded_ses.c - A session whose source an HTTP proxy before us tells
 *
 * WebSocket and HTTPUpgrade are layers of a session that is there already; gRPC and
 * XHTTP give birth to one, of the inbound that is in force then.
 */
#include <errno.h>
#include <string.h>

#include "gateway/core/config.h"
#include "gateway/core/listen.h"
#include "gateway/core/session.h"
#include "gateway/core/worker.h"
#include "proxy/transport/http_conf.h"
#include "proxy/wire/forwarded.h"

void forwarded_session(struct job *j, const struct http1_head *h)
{
	struct session *s = ses_of(j);

	if (s && s->inbound)
		(void)forwarded_source(h, s->inbound->sockopt.trusted,
				       &s->source);
}

/* One of the same name and kind where @old listened */
static const struct inbound *follower(const struct config *cfg,
				      const struct inbound *old)
{
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];

		if (ib->ops == old->ops && !strcmp(ib->tag, old->tag) &&
		    listen_same_place(ib, old))
			return ib;
	}
	return NULL;
}

/* Of a listener, which has a kind, and of another configuration than the one in force */
static bool is_of_before(const struct birth *b, const struct worker *w)
{
	return b->ib && b->ib->ops && b->cfg != w->cfg;
}

bool birth_is_over(const struct birth *b, const struct worker *w)
{
	return is_of_before(b, w) && !config_same_inbound(w->cfg, b->ib);
}

const struct inbound *birth_inbound(const struct birth *b,
				    const struct worker *w)
{
	const struct inbound *ib;

	if (!is_of_before(b, w))
		return b->ib;
	ib = config_same_inbound(w->cfg, b->ib);
	return ib ? ib : follower(w->cfg, b->ib);
}

int forwarded_born(const struct birth *b, struct worker *w, struct stream *s,
		   const struct http1_head *h)
{
	struct birth own = *b;

	/*
	 * A connection may live for days, and it is its sessions that say who they
	 * are: whom a reload took away has no new ones by it
	 */
	own.ib = birth_inbound(b, w);
	if (!own.ib && b->ib)
		return -ECONNREFUSED;
	if (own.ib != b->ib)
		own.cfg = w->cfg;
	if (own.ib)
		(void)forwarded_source(h, own.ib->sockopt.trusted, &own.source);
	return own.born(&own, w, s);
}
