/*
 * host.c - The host around us: devices up, routes, rules (gateway/core/host.h)
 *
 *   start   devices: addresses, MTU, up -> plan -> execute -> interface
 *   event   something changed: 100 ms of quiet, then execute again
 *   stop    what the plan made is taken back
 */
#include "gateway/core/host.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/sock.h"
#include "gateway/core/tun_conf.h"
#include "netstack/nl.h"
#include "netstack/plan.h"
#include "netstack/tun.h"
#include "netstack/uplink.h"

#define HOST_DEVICES 16

/**
 * struct host_device - A TUN of ours
 * @conf:	Borrowed from the configuration
 */
struct host_device {
	const struct tun_conf *conf;
	char name[IFNAMSIZ];
	int ifindex;
};

/**
 * struct host - Everything we set up
 * @cfg:	Borrowed until host_reload() or host_stop()
 * @plan:	What the kernel should have
 * @interface:	Last given to sock_set_interface(); "" none
 */
struct host {
	const struct config *cfg;
	bool full;
	struct nlk nl;
	struct host_device devices[HOST_DEVICES];
	unsigned int device_count;
	struct plan plan;
	char interface[IFNAMSIZ];
};

static void find_devices(struct host *h)
{
	for (unsigned int i = 0; i < h->cfg->inbound_count; i++) {
		const struct inbound *ib = h->cfg->inbounds[i];
		struct host_device d = { .ifindex = 0 };

		if (strcmp(ib->ops->name, "tun") || !tun_name(ib, d.name) ||
		    h->device_count == HOST_DEVICES)
			continue;
		d.conf = ib->settings;
		d.ifindex = (int)if_nametoindex(d.name);
		if (d.ifindex)
			h->devices[h->device_count++] = d;
	}
}

/* A host without IPv6 must still get its IPv4 */
static int device_addr(struct host *h, const struct host_device *d,
		       const struct tun_prefix *g)
{
	char text[ADDR_TEXT_MAX];
	int err = nlk_addr_add(&h->nl, d->ifindex, &g->addr, g->bits);

	if (err == 0)
		return 0;
	addr_format_host(&g->addr, text, sizeof(text));
	if (g->addr.kind == ADDR_V6) {
		log_warning("host: %s: no address %s/%u: %s; IPv6 is left out",
			    d->name, text, g->bits, strerror(-err));
		return 0;
	}
	log_error("host: %s: address %s/%u: %s", d->name, text, g->bits,
		  strerror(-err));
	return err;
}

static int device_up(struct host *h, const struct host_device *d)
{
	int err = nlk_link_up(&h->nl, d->ifindex, d->conf->mtu);

	if (err < 0)
		log_error("host: %s cannot be brought up: %s", d->name,
			  strerror(-err));
	for (unsigned int i = 0; err == 0 && i < d->conf->gateway_count; i++)
		err = device_addr(h, d, &d->conf->gateway[i]);
	return err;
}

static const char *route_text(const struct nlk_route *r, char *buf, size_t n)
{
	return cidr_format(&r->dst, buf, n);
}

/* IPv6 may be switched off: only IPv4 must work */
static int execute_routes(struct host *h)
{
	char text[ADDR_TEXT_MAX];

	for (unsigned int i = 0; i < h->plan.route_count; i++) {
		const struct nlk_route *r = &h->plan.routes[i];
		int err = nlk_route(&h->nl, NLK_ADD, r);

		if (err == 0)
			continue;
		log_warning("host: route %s in table %u: %s",
			    route_text(r, text, sizeof(text)), r->table,
			    strerror(-err));
		if (r->dst.kind == ADDR_V4)
			return err;
	}
	return 0;
}

static int make_plan(struct host *h)
{
	plan_free(&h->plan);
	for (unsigned int i = 0; i < h->device_count; i++)
		plan_tun_routes(&h->plan, h->devices[i].conf,
				h->devices[i].ifindex);
	return h->plan.failed ? -ENOMEM : 0;
}

/* autoOutboundsInterface: the first TUN that asks decides */
static const char *wanted_interface(const struct host *h)
{
	for (unsigned int i = 0; i < h->device_count; i++)
		if (h->devices[i].conf->outbounds_interface)
			return h->devices[i].conf->outbounds_interface;
	return NULL;
}

static void follow_interface(struct host *h)
{
	const char *want = wanted_interface(h);
	int skip[HOST_DEVICES];
	char name[IFNAMSIZ] = "";

	if (!want)
		return;
	for (unsigned int i = 0; i < h->device_count; i++)
		skip[i] = h->devices[i].ifindex;
	if (strcmp(want, "auto") != 0)
		memcpy(name, want, strnlen(want, sizeof(name) - 1));
	else
		uplink_find(&h->nl, skip, h->device_count, name);
	if (!name[0])
		log_warning("host: no default route: own sockets stay with %s",
			    h->interface[0] ? h->interface : "no interface");
	if (!name[0] || !strcmp(name, h->interface))
		return;
	log_info("host: own sockets use %s", name);
	memcpy(h->interface, name, sizeof(name));
	sock_set_interface(name);
}

static int bring_up(struct host *h)
{
	int err = 0;

	find_devices(h);
	for (unsigned int i = 0; err == 0 && i < h->device_count; i++)
		err = device_up(h, &h->devices[i]);
	if (err == 0)
		err = make_plan(h);
	if (err == 0)
		err = execute_routes(h);
	follow_interface(h);
	return err;
}

int host_start(const struct config *cfg, bool full, struct host **out)
{
	struct host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->cfg = cfg;
	h->full = full;
	err = nlk_open(&h->nl);
	if (err == 0)
		err = bring_up(h);
	if (err < 0) {
		host_stop(h);
		return err;
	}
	*out = h;
	return 0;
}

int host_reload(struct host *h, const struct config *cfg)
{
	if (!h)
		return 0;
	h->cfg = cfg;
	h->device_count = 0;
	return bring_up(h);
}

int host_fd(const struct host *h)
{
	(void)h;
	return -1;
}

void host_event(struct host *h)
{
	follow_interface(h);
}

void host_stop(struct host *h)
{
	if (!h)
		return;
	if (h->interface[0])
		sock_set_interface("");
	for (unsigned int i = 0; i < h->plan.route_count; i++)
		nlk_route(&h->nl, NLK_DEL, &h->plan.routes[i]);
	plan_free(&h->plan);
	nlk_close(&h->nl);
	free(h);
}
