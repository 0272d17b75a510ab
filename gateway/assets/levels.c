/* levels.c - What the connections of assets are made of (contract: assets.h) */
#include <errno.h>

#include "gateway/assets/assets.h"
#include "gateway/assets/get.h"
#include "gateway/core/config.h"

#define TAG "culvert.geodata"

static const struct policy own_policy = { .handshake_ms = 10000,
					  .idle_ms = 60000,
					  .uplink_only_ms = 1000,
					  .downlink_only_ms = 1000 };

static const struct inbound_ops own_ops = { .name = "geodata" };

int assets_levels(struct assets *a, struct diag *d, struct config *cfg)
{
	struct jobj none;

	a->inbound = (struct inbound){ .ops = &own_ops,
				       .tag = TAG,
				       .policy = &own_policy,
				       .sockopt = SOCKOPT_DEFAULT };
	a->bottom =
		(struct transport){ .ops = &assets_bottom_ops, .settings = a };
	a->tls = (struct transport){ .ops = &transport_tls_ops,
				     .below = &a->bottom,
				     .alpn = "http/1.1" };
	j_open(&none, d, NULL);
	if (a->tls.ops->parse(&a->tls, &none, cfg) == 0)
		return 0;
	diag_error(d, NULL, NULL, "out of memory");
	return -ENOMEM;
}

void assets_drop(struct assets *a)
{
	if (a->tls.settings)
		a->tls.ops->drop(&a->tls);
	a->tls.settings = NULL;
}
