/*
 * fragmented.c - finalmask.tcp "fragment": a level right above the socket
 *
 * What a client writes first, mostly the hello of the TLS level above, goes in
 * pieces (proxy/layer/fragment.c). Of outbounds only.
 */
#include <errno.h>

#include "gateway/core/config.h"
#include "proxy/layer/fragment.h"
#include "proxy/transport/transports.h"

static int fragmented_parse(struct transport *t, struct jobj *settings,
			    struct config *cfg)
{
	struct fragment_conf *f = arena_alloc(&cfg->arena, sizeof(*f));

	t->settings = f;
	return f ? fragment_parse(settings, true, f, &cfg->arena) : -ENOMEM;
}

static int fragmented_dial(const struct transport *t, const struct dial *d,
			   const struct addr *to, struct stream **out)
{
	struct stream *below = NULL;
	int rc = transport_dial(t->below, d, to, &below);

	if (rc < 0)
		return rc;
	*out = fragment_new(t->settings, below, d->worker);
	if (*out)
		return 0;
	stream_close(&below, -ENOMEM);
	return -ENOMEM;
}

const struct transport_ops transport_fragment_ops = {
	.name = "fragment",
	.key = "settings", /* of its entry in finalmask.tcp */
	.parse = fragmented_parse,
	.dial = fragmented_dial,
};
