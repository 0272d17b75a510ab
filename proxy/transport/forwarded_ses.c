/*
 * forwarded_ses.c - A session whose source an HTTP proxy before us tells
 *
 * WebSocket and HTTPUpgrade are layers of a session that is there already; gRPC and
 * XHTTP give birth to one.
 */
#include "gateway/core/session.h"
#include "proxy/transport/http_conf.h"
#include "proxy/wire/forwarded.h"

void forwarded_session(struct job *j, const struct http1_head *h)
{
	struct session *s = ses_of(j);

	if (s && s->inbound)
		(void)forwarded_source(h, s->inbound->sockopt.trusted,
				       &s->source);
}

int forwarded_born(const struct birth *b, struct worker *w, struct stream *s,
		   const struct http1_head *h)
{
	struct birth own = *b;

	if (b->ib)
		(void)forwarded_source(h, b->ib->sockopt.trusted, &own.source);
	return own.born(&own, w, s);
}
