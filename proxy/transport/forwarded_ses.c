/*
 * forwarded_ses.c - A session whose source an HTTP proxy before us tells
 *
 * WebSocket and HTTPUpgrade are layers of a session that is there already; gRPC and
 * XHTTP give birth to one.
 */
#include "gateway/core/config.h"
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

/*
 * A connection may live for days, and it is its sessions that say who they are: whom a
 * reload took away has no new ones by it. When the listener is gone, too, those of
 * before go on
 */
static void take_in_force(struct birth *b, const struct worker *w)
{
	const struct inbound *ib;

	if (!b->ib || b->cfg == w->cfg)
		return;
	ib = config_same_inbound(w->cfg, b->ib);
	if (!ib)
		return;
	b->ib = ib;
	b->cfg = w->cfg;
}

int forwarded_born(const struct birth *b, struct worker *w, struct stream *s,
		   const struct http1_head *h)
{
	struct birth own = *b;

	take_in_force(&own, w);
	if (own.ib)
		(void)forwarded_source(h, own.ib->sockopt.trusted, &own.source);
	return own.born(&own, w, s);
}
