/*
 * kcp.c - mKCP: a stream over UDP, the bottom of a stack instead of TCP
 *
 * Source: docs/wire/kcp.md
 */
#include "proxy/transport/kcp_int.h"
#include "proxy/transport/transports.h"

/* The listener made the stream; there is nothing to shake */
static int accept_stream(const struct transport *t, struct worker *w,
			 struct stream *below, struct stream **out)
{
	(void)t;
	(void)w;
	*out = below;
	return 0;
}

const struct transport_ops transport_kcp_ops = {
	.name = "kcp",
	.alias = "mkcp",
	.key = "kcpSettings",
	.parse = kcp_parse,
	.masks = kcp_parse_masks,
	.dial = kcp_dial,
	.accept = accept_stream,
	.listen = kcp_listen,
	.unlisten = kcp_unlisten,
	.same = kcp_same,
	.secret = kcp_secret,
	.drop = kcp_drop,
};
