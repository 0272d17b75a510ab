/*
 * wireguard.c - WireGuard server: who has a key sends packets, and those are sessions
 *
 *   socket -> proxy/layer/wg: peers -> packets -> a stack that lets everybody in
 *          -> sessions with the original destination, as out of a TUN
 *
 * One worker, the first, has all of it: a peer's packets come from one address, and
 * its sessions are found by them. Others have a listener that does nothing.
 * Source: docs/wire/wireguard.md; Xray-core, proxy/wireguard/server.go
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/base/compat.h"
#include "gateway/core/config.h"
#include "gateway/core/inbound.h"
#include "gateway/core/listen.h"
#include "gateway/core/worker.h"
#include "proxy/in/in.h"
#include "proxy/layer/wg.h"

#define PORT_DEFAULT 51820

/**
 * struct wg_in - A listener
 * @wg:		NULL: another worker's
 */
struct wg_in {
	struct listener l; /* must be first */
	struct wg *wg;
};

static int wg_parse(struct inbound *ib, struct jobj *settings,
		    struct config *cfg)
{
	struct wg_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	rc = wg_conf_parse(settings, c, &cfg->arena, true);
	if (rc < 0)
		return rc;
	c->tag = ib->tag;
	c->sockopt = ib->sockopt;
	c->bind = ib->listen;
	if (ib->listen.kind == ADDR_NAME)
		diag_error(settings->d, ib->node, "listen",
			   "WireGuard listens on an IP address");
	if (ib->port_count != 1 || ib->ports[0].lo != ib->ports[0].hi)
		diag_error(settings->d, ib->node, "port",
			   "WireGuard listens on one port");
	c->bind.port = ib->port_count ? ib->ports[0].lo : PORT_DEFAULT;
	return 0;
}

static int wg_start(const struct inbound *ib, struct worker *w,
		    struct listener **out)
{
	struct wg_in *in = calloc(1, sizeof(*in));
	int rc = 0;

	if (!in)
		return -ENOMEM;
	in->l.ib = ib;
	if (w->index == 0)
		rc = wg_serve(ib->settings, &in->l.ib, w, &in->wg);
	if (rc < 0) {
		free(in);
		return rc;
	}
	*out = &in->l;
	return 0;
}

static void wg_stop(struct listener *l)
{
	struct wg_in *in = container_of(l, struct wg_in, l);

	if (in->wg)
		wg_serve_end(in->wg);
	free(in);
}

static bool wg_same(const struct inbound *a, const struct inbound *b)
{
	return wg_conf_same(a->settings, b->settings);
}

static void wg_drop(struct inbound *ib)
{
	struct wg_conf *c = ib->settings;

	if (c)
		wg_conf_wipe(c);
}

const struct inbound_ops in_wireguard = {
	.name = "wireguard",
	.serves = REACH_STRANGER,
	.parse = wg_parse,
	.start = wg_start,
	.stop = wg_stop,
	.same = wg_same,
	.drop = wg_drop,
};
