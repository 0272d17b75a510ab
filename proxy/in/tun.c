/*
 * tun.c - The "tun" inbound: what the configuration says about it
 *
 * The work is done in netstack/, reached through netstack_ops: rooms do not
 * include each other. Keys are Xray's (infra/conf/tun.go), "echo" and "fd".
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/config.h"
#include "gateway/core/inbound.h"
#include "gateway/core/netstack_ops.h"
#include "gateway/core/tun_conf.h"
#include "proxy/in/in.h"

enum { FD_MAX = 1 << 20, MTU_DEFAULT = 1500, MTU_MIN = 576, MTU_MIN_V6 = 1280 };

/* "10.0.0.1/24", or a bare address of full length */
static bool parse_prefix(struct tun_prefix *out, const char *text)
{
	char host[64];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits, max;
	char *end;

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	*out = (struct tun_prefix){ 0 };
	if (addr_parse_ip(&out->addr, host))
		return false;
	max = addr_ip_len(&out->addr) * 8;
	bits = slash ? strtoul(slash + 1, &end, 10) : max;
	if (slash && (!slash[1] || *end || slash[1] < '0' || slash[1] > '9'))
		return false;
	out->bits = (uint8_t)bits;
	return bits <= max;
}

static int parse_gateway(struct jobj *o, struct tun_conf *tc)
{
	struct jlist l;

	j_list(o, "gateway", &l);
	while (j_list_next(o, &l)) {
		if (tc->gateway_count == TUN_GATEWAYS) {
			diag_error(o->d, l.node, NULL, "at most %d prefixes",
				   TUN_GATEWAYS);
			return -EINVAL;
		}
		if (!parse_prefix(&tc->gateway[tc->gateway_count], l.text)) {
			diag_error(o->d, l.node, NULL,
				   "must be an address with a prefix length, "
				   "got \"%s\"",
				   l.text);
			return -EINVAL;
		}
		tc->gateway_count++;
	}
	return 0;
}

static int parse_routes(struct jobj *o, struct tun_conf *tc, struct arena *a)
{
	struct jlist l;

	tc->routes = arena_alloc(a, TUN_ROUTES * sizeof(*tc->routes));
	if (!tc->routes)
		return -ENOMEM;
	j_list(o, "autoSystemRoutingTable", &l);
	while (j_list_next(o, &l)) {
		if (tc->route_count == TUN_ROUTES) {
			diag_error(o->d, l.node, NULL, "at most %d routes",
				   TUN_ROUTES);
			return -EINVAL;
		}
		if (cidr_parse(&tc->routes[tc->route_count], l.text)) {
			diag_error(o->d, l.node, NULL,
				   "must be a prefix, got \"%s\"", l.text);
			return -EINVAL;
		}
		tc->route_count++;
	}
	return 0;
}

static int parse_name(struct jobj *o, const char *key, struct arena *a,
		      const char **out)
{
	const char *name = j_str(o, key, NULL);

	if (!name || !*name)
		return 0;
	if (strlen(name) >= IFNAMSIZ || strchr(name, '/') ||
	    strchr(name, ' ')) {
		diag_error(o->d, o->node, key,
			   "must be an interface name of at most %d bytes",
			   IFNAMSIZ - 1);
		return -EINVAL;
	}
	*out = arena_strdup(a, name);
	return *out ? 0 : -ENOMEM;
}

static int tun_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	static const struct jword echo[] = { { "local", 1 }, { "drop", 0 } };
	struct tun_conf *tc = arena_alloc(&cfg->arena, sizeof(*tc));
	int err;

	if (!tc)
		return -ENOMEM;
	tc->mtu = (uint16_t)j_int(o, "mtu", MTU_DEFAULT, 0, UINT16_MAX);
	if (!tc->mtu)
		tc->mtu = MTU_DEFAULT;
	if (tc->mtu < MTU_MIN) {
		diag_error(o->d, o->node, "mtu", "must be at least %d",
			   MTU_MIN);
		return -EINVAL;
	}
	if (tc->mtu < MTU_MIN_V6)
		diag_warning(o->d, o->node, "mtu", "below %d: no IPv6",
			     MTU_MIN_V6);
	j_ignore(o, "desc", NULL);
	j_ignore(o, "dns", NULL);
	/* read by the app into ib->level when the root has it too */
	ib->level = (uint32_t)j_int(o, "userLevel", ib->level, 0, UINT32_MAX);
	tc->fd = (int)j_int(o, "fd", -1, -1, FD_MAX);
	tc->echo_local = j_word(o, "echo", echo, ARRAY_SIZE(echo), 1);
	err = parse_name(o, "name", &cfg->arena, &tc->name);
	if (!err)
		err = parse_name(o, "autoOutboundsInterface", &cfg->arena,
				 &tc->outbounds_interface);
	if (!err)
		err = parse_gateway(o, tc);
	if (!err)
		err = parse_routes(o, tc, &cfg->arena);
	if (err)
		return err;
	if (tc->route_count && !tc->outbounds_interface)
		tc->outbounds_interface = "auto";
	ib->settings = tc;
	return 0;
}

static int tun_start(const struct inbound *ib, struct worker *w,
		     struct listener **out)
{
	return netstack_ops.start(ib, w, out);
}

static void tun_stop(struct listener *l)
{
	netstack_ops.stop(l);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Addresses and routes are host_reload()'s: a change does not touch the device */
static bool tun_same(const struct inbound *a, const struct inbound *b)
{
	const struct tun_conf *x = a->settings, *y = b->settings;

	return same_text(x->name, y->name) && x->mtu == y->mtu &&
	       x->echo_local == y->echo_local && x->fd == y->fd &&
	       (x->name || same_text(a->tag, b->tag));
}

const struct inbound_ops in_tun = {
	.name = "tun",
	.parse = tun_parse,
	.start = tun_start,
	.stop = tun_stop,
	.same = tun_same,
};
