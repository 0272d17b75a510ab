/*
 * host.c - The host around us: devices up, routes, rules (gateway/core/host.h)
 *
 *   start   devices: addresses, MTU, up -> plan -> nftables, routes, rules ->
 *           what a former life left and the plan lacks is removed
 *   event   something changed: a moment of quiet, then execute again; what is
 *           there stays, what somebody flushed comes back
 *   reload  a new plan is executed, then what only the old one had is removed
 *   stop    routes first, so that every rule falls through; rules; nftables
 */
#include "gateway/core/host.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/sock.h"
#include "gateway/core/tun_conf.h"
#include "netstack/forget.h"
#include "netstack/instance.h"
#include "netstack/intake.h"
#include "netstack/near.h"
#include "netstack/nft.h"
#include "netstack/nft_judge.h"
#include "netstack/plan.h"
#include "netstack/sweep.h"
#include "netstack/tun.h"
#include "netstack/uplink.h"
#include "netstack/watch.h"

enum {
	HOST_DEVICES = 16,
	DOWN_STEP_MS = 50,
	DOWN_WAIT_MS = 10000,
	KILL_WAIT_MS = 2000
};

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
 * @full:	`culvert up`; @capture: and traffic is caught, @tun: by the first
 *		device
 * @instance:	Nobody else sets up this namespace while it is open; -1
 * @plan:	What the kernel should have
 * @begun:	host_start() was called: before, what is there is a former life's
 * @kept:	Bit in the conntrack mark of what was caught; 0: nothing was
 * @told_addr6, @told_route6:	This host wants no IPv6, and that was logged
 * @interface:	Last given to sock_set_interface(); "" none
 */
struct host {
	const struct config *cfg;
	bool full, capture, tun, begun;
	bool told_addr6, told_route6;
	uint32_t kept;
	int instance;
	struct nlk nl;
	struct watch_host watch;
	struct host_device devices[HOST_DEVICES];
	unsigned int device_count;
	struct intake intake;
	struct plan plan;
	struct nft nft;
	char interface[IFNAMSIZ];
};

/* --- devices ------------------------------------------------------------------- */

static void find_devices(struct host *h)
{
	h->device_count = 0;
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

bool host_device_lost(const struct inbound *ib)
{
	return !strcmp(ib->ops->name, "tun") && tun_lost(ib);
}

/* Our caller opens them again; until then there is nothing to be set up */
static bool devices_lost(const struct host *h)
{
	for (unsigned int i = 0; i < h->cfg->inbound_count; i++)
		if (host_device_lost(h->cfg->inbounds[i]))
			return true;
	return false;
}

/* A host without IPv6 must still get its IPv4 */
static int device_addr(struct host *h, const struct host_device *d,
		       const struct tun_prefix *g)
{
	char text[ADDR_TEXT_MAX];
	int err = nlk_addr_add(&h->nl, d->ifindex, &g->addr, g->bits);

	if (g->addr.kind == ADDR_V6 && (err == 0 || h->told_addr6)) {
		h->told_addr6 = err < 0;
		return 0;
	}
	if (err == 0)
		return 0;
	addr_format_host(&g->addr, text, sizeof(text));
	if (g->addr.kind == ADDR_V6) {
		h->told_addr6 = true;
		log_warning("host: %s: no address %s/%u: %s; own IPv6 is not "
			    "caught",
			    d->name, text, g->bits, strerror(-err));
		return 0;
	}
	log_error("host: %s: address %s/%u: %s", d->name, text, g->bits,
		  strerror(-err));
	return err;
}

/* The capturing device has an address of each family, others what they ask for */
static int device_addresses(struct host *h, const struct host_device *d)
{
	bool catches = h->tun && d == &h->devices[0];
	const struct tun_prefix *g =
		catches ? h->intake.gateway : d->conf->gateway;
	unsigned int n =
		catches ? h->intake.gateway_count : d->conf->gateway_count;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < n; i++)
		err = device_addr(h, d, &g[i]);
	return err;
}

static int devices_up(struct host *h)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < h->device_count; i++) {
		const struct host_device *d = &h->devices[i];

		err = nlk_link_up(&h->nl, d->ifindex, d->conf->mtu);
		if (err < 0)
			log_error("host: %s cannot be brought up: %s", d->name,
				  strerror(-err));
		else
			err = device_addresses(h, d);
	}
	return err;
}

/* --- routes and rules ------------------------------------------------------------ */

/*
 * IPv6 may be switched off: only IPv4 must work. Sets *@added6 of a new one of it. What
 * the plan @before had not goes in place of what our table has: another device's, say
 */
static int execute_routes(struct host *h, const struct plan *before,
			  bool *added6)
{
	char text[ADDR_TEXT_MAX];

	for (unsigned int i = 0; i < h->plan.route_count; i++) {
		const struct nlk_route *r = &h->plan.routes[i];
		bool v6 = r->dst.kind == ADDR_V6;
		bool put = r->table == h->cfg->host.table &&
			   !plan_has_route(before, r);
		int err = nlk_route(&h->nl, put ? NLK_PUT : NLK_ADD, r);

		*added6 |= err > 0 && v6;
		if (err >= 0 || (v6 && h->told_route6))
			continue;
		h->told_route6 |= v6;
		log_warning("host: route %s in table %u: %s",
			    cidr_format(&r->dst, text, sizeof(text)), r->table,
			    strerror(-err));
		if (!v6)
			return err;
	}
	return 0;
}

static int execute_rules(struct host *h, bool *added6)
{
	for (unsigned int i = 0; i < h->plan.rule_count; i++) {
		const struct nlk_rule *r = &h->plan.rules[i];
		int err = nlk_rule(&h->nl, NLK_ADD, r);

		*added6 |= err > 0 && r->kind == ADDR_V6;
		if (err >= 0 || (err == -EAFNOSUPPORT && r->kind == ADDR_V6))
			continue;
		log_error("host: policy rule %u: %s", r->pref, strerror(-err));
		return err;
	}
	return 0;
}

/*
 * A socket that sent over IPv6 while our routes were missing keeps the way it found
 * until that way changes: new rules, and routes in other tables, mean nothing to
 * it. All it sends would be lost, for ever if it only receives and acknowledges. A
 * route that comes and goes makes all who use a default route look again.
 * Source: Linux net/ipv6/ip6_fib.c, fib6_update_sernum_upto_root()
 */
static void renew_ways6(struct host *h)
{
	struct nlk_route r = {
		.dst = { .kind = ADDR_V6, .bits = 128 },
		.type = RTN_UNICAST,
		.table = RT_TABLE_MAIN,
		.metric = PLAN_LAST_RESORT,
		.ifindex = h->intake.ifindex,
	};

	for (unsigned int i = 0; h->tun && i < h->intake.gateway_count; i++) {
		struct addr a = plan_beside(&h->intake.gateway[i]);

		if (a.kind != ADDR_V6)
			continue;
		memcpy(r.dst.ip, a.ip, sizeof(r.dst.ip));
		nlk_route(&h->nl, NLK_ADD, &r);
		nlk_route(&h->nl, NLK_DEL, &r);
		return;
	}
}

/* What each way needs besides nftables */
static void plan_ways(struct plan *p, const struct intake *in)
{
	const struct capture_conf *how = &in->host->how;

	if (in->tun[0])
		plan_capture(p, in);
	else
		plan_last_resort(p);
	if (how->tcp == BY_TPROXY || how->udp == BY_TPROXY)
		plan_tproxy(p, in, nft_kept_bit(in), (int)if_nametoindex("lo"));
}

static int make_plan(struct host *h, struct plan *p)
{
	*p = (struct plan){ .failed = false };
	for (unsigned int i = 0; i < h->device_count; i++)
		plan_tun_routes(p, h->devices[i].conf, h->devices[i].ifindex);
	if (h->capture)
		plan_ways(p, &h->intake);
	if (!p->failed)
		return 0;
	plan_free(p);
	return -ENOMEM;
}

/* Remove what @old had and the plan has not: routes first */
static void remove_old(struct host *h, const struct plan *old)
{
	for (unsigned int i = 0; i < old->route_count; i++)
		if (!plan_has_route(&h->plan, &old->routes[i]))
			nlk_route(&h->nl, NLK_DEL, &old->routes[i]);
	for (unsigned int i = old->rule_count; i-- > 0;)
		if (!plan_has_rule(&h->plan, &old->rules[i]))
			nlk_rule(&h->nl, NLK_DEL, &old->rules[i]);
}

/* --- the way out ------------------------------------------------------------------- */

/* autoOutboundsInterface: the first TUN that asks decides */
static const char *wanted_interface(const struct host *h)
{
	for (unsigned int i = 0; i < h->device_count; i++)
		if (h->devices[i].conf->outbounds_interface)
			return h->devices[i].conf->outbounds_interface;
	return NULL;
}

static void follow_interface(struct host *h, const char *best)
{
	const char *want = wanted_interface(h);

	if (!want)
		return;
	if (!strcmp(want, "auto"))
		want = best;
	if (!want[0])
		log_warning("host: no default route: own sockets stay with %s",
			    h->interface[0] ? h->interface : "no interface");
	if (!want[0] || !strcmp(want, h->interface))
		return;
	log_info("host: own sockets use %s", want);
	snprintf(h->interface, sizeof(h->interface), "%s", want);
	sock_set_interface(want);
}

static void follow_uplinks(struct host *h)
{
	char ups[NFT_UPLINKS][IFNAMSIZ];
	int skip[HOST_DEVICES];
	unsigned int n;

	for (unsigned int i = 0; i < h->device_count; i++)
		skip[i] = h->devices[i].ifindex;
	n = uplink_find(&h->nl, skip, h->device_count, ups, NFT_UPLINKS);
	follow_interface(h, n ? ups[0] : "");
	if (h->capture &&
	    nft_set_uplinks(&h->nft, (const char(*)[IFNAMSIZ])ups, n) < 0)
		watch_again(&h->watch);
}

/* --- life --------------------------------------------------------------------------- */

static int find_capture(struct host *h)
{
	const struct capture_conf *how = &h->cfg->host.how;
	const struct host_device *d = &h->devices[0];

	h->kept = 0;
	h->capture = h->full && h->cfg->host.capture != CAPTURE_NONE;
	h->tun = h->capture && (how->tcp == BY_TUN || how->udp == BY_TUN);
	if (!h->capture)
		return 0;
	if (!h->tun) {
		intake_fill(&h->intake, h->cfg, NULL, "", 0, false);
		h->kept = nft_kept_bit(&h->intake);
		return 0;
	}
	if (!h->device_count) {
		log_error(
			"host: there is no tun inbound to catch traffic with "
			"(\"culvert\": {\"capture\": \"none\"} catches none)");
		return -ENODEV;
	}
	intake_fill(&h->intake, h->cfg, d->conf, d->name, d->ifindex, false);
	h->kept = nft_kept_bit(&h->intake);
	if (h->intake.dns_local)
		nlk_link_localnet(&h->nl, d->ifindex);
	return 0;
}

/* What is near, as sets of the table */
static void follow_near(struct host *h)
{
	struct cidrs near;

	h->watch.all_routes = h->capture && nft_uses_near(&h->intake);
	if (!h->watch.all_routes)
		return;
	near_find(&h->nl, &h->cfg->host, &near);
	if (nft_set_near(&h->nft, &near) < 0)
		watch_again(&h->watch);
}

/* Only the TUN catches without nftables */
static int load_table(struct host *h)
{
	int err;

	follow_near(h);
	err = nft_load(&h->nft, &h->intake);
	if (err == 0 || h->intake.tun[0])
		return 0;
	log_error("host: this capture needs nftables; scripts/culvert-iptables "
		  "does without it");
	return err;
}

/* The pipe to a table's child breaks when it ends */
static void watch_nft(struct host *h)
{
	if (h->nft.own.in >= 0)
		watch_also(&h->watch, h->nft.own.in);
	if (h->nft.kept)
		watch_also(&h->watch, h->nft.spare.in);
}

/*
 * From one TUN to another: the table first. It knows the connections of its device by a
 * mark; the old one, which nobody reads any more, swallows what comes until its route
 * goes, while what the new one had answered before its table would be let go by
 */
static void change_tun(struct host *h, const char *was)
{
	if (!was[0] || !h->intake.tun[0] || !strcmp(was, h->intake.tun) ||
	    !nft_name_ok(was))
		return;
	memcpy(h->intake.tun_was, was, sizeof(h->intake.tun_was));
	nft_replace(&h->nft, &h->intake);
	h->intake.tun_was[0] = '\0';
}

/*
 * Bring the kernel to where the configuration wants it, from wherever it is; @old has
 * what was wanted before, to be removed, or is empty
 */
static int apply(struct host *h, struct plan *old)
{
	char was[sizeof(h->intake.tun)];
	struct plan next;
	bool added6 = false;
	int err;

	memcpy(was, h->intake.tun, sizeof(was));
	h->told_addr6 = h->told_route6 = false;
	find_devices(h);
	err = find_capture(h);
	if (err == 0)
		err = devices_up(h);
	if (err == 0)
		err = make_plan(h, &next);
	*old = (struct plan){ .failed = false };
	if (err < 0)
		return err;
	*old = h->plan;
	h->plan = next;
	if (h->capture && h->nft.kind == NFT_NONE) {
		err = load_table(h);
		watch_nft(h);
	}
	follow_uplinks(h);
	if (err == 0)
		change_tun(h, was);
	if (err == 0)
		err = execute_routes(h, old, &added6);
	if (err == 0)
		err = execute_rules(h, &added6);
	return err;
}

static int take_instance(struct host *h)
{
	pid_t holder;

	h->instance = instance_take();
	if (h->instance >= 0)
		return watch_also(&h->watch, h->instance);
	holder = instance_holder();
	if (h->instance == -EADDRINUSE && !holder && instance_unseen()) {
		h->instance = -1;
		log_error("host: culvert is up already, in a container; "
			  "`culvert down` there ends it");
		return -EBUSY;
	}
	if (h->instance != -EADDRINUSE || !holder) {
		log_warning(
			"host: cannot tell whether another culvert runs: %s",
			strerror(-h->instance));
		h->instance = -1;
		return 0;
	}
	h->instance = -1;
	log_error(
		"host: culvert is up already (pid %d); `culvert down` ends it",
		(int)holder);
	return -EBUSY;
}

int host_claim(bool full, struct host **out)
{
	struct host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->full = full;
	h->instance = -1;
	nft_init(&h->nft);
	h->watch = (struct watch_host){
		.epoll = -1, .timer = -1, .route = -1, .nft = -1
	};
	err = nlk_open(&h->nl, NETLINK_ROUTE);
	if (err == 0)
		err = watch_open(&h->watch);
	if (err == 0 && full)
		err = take_instance(h);
	if (err < 0) {
		if (err != -EBUSY) /* that was said */
			log_error("host: set-up failed: %s", strerror(-err));
		host_free(h);
		return err;
	}
	*out = h;
	return 0;
}

int host_start(struct host *h, const struct config *cfg)
{
	struct plan none;
	int err;

	h->cfg = cfg;
	h->begun = true;
	err = apply(h, &none); /* the first one has none before it */
	if (err < 0) {
		log_error("host: set-up failed: %s", strerror(-err));
		return err;
	}
	if (h->full && sweep(&h->nl, &h->plan, NULL))
		log_warning("host: rules and routes of a former life removed");
	forget_marked(h->kept, NULL);
	return 0;
}

/*
 * What was caught and goes by from now on is translated as such things are here. Not
 * when one of our answers comes first: the flow is then that way round
 */
static void forget_bypassed(struct host *h, uint32_t kept)
{
	struct cidrs near;

	if (!kept || !h->capture) {
		forget_marked(kept, NULL);
		return;
	}
	near_find(&h->nl, &h->cfg->host, &near);
	forget_marked(kept, &near);
	cidrs_free(&near);
	forget_marked(kept, &h->cfg->host.how.direct);
}

void host_keep_devices(const struct config *cfg)
{
	tun_hold(cfg);
}

/* What catches now is there before what caught until now goes: nothing passes by */
int host_reload(struct host *h, const struct config *cfg)
{
	uint32_t kept = h->kept;
	struct plan old;
	int err;

	h->cfg = cfg;
	err = apply(h, &old);
	if (err < 0)
		log_error("host: the new configuration is not set up: %s",
			  strerror(-err));
	else if (h->capture)
		nft_replace(&h->nft, &h->intake);
	else
		nft_unload(&h->nft);
	if (err == 0)
		remove_old(h, &old);
	plan_free(&old);
	tun_release();
	if (err == 0)
		watch_nft(h);
	if (err == 0 && h->full)
		sweep(&h->nl, &h->plan, NULL); /* of one that failed half-way */
	if (h->nft.missing)
		watch_again(&h->watch);
	if (err == 0)
		forget_bypassed(h, kept);
	return err;
}

int host_fd(const struct host *h)
{
	return h ? h->watch.epoll : -1;
}

void host_event(struct host *h)
{
	bool added6 = false;

	if (h->instance >= 0)
		instance_answer(h->instance);
	if (h->capture && nft_lost(&h->nft)) {
		nft_watch(&h->nft, &h->intake);
		watch_nft(h);
		if (h->nft.missing)
			watch_again(&h->watch);
	}
	if (!watch_read(&h->watch) || devices_lost(h))
		return;
	if (h->capture && nft_watch(&h->nft, &h->intake))
		watch_nft(h);
	if (h->nft.missing)
		watch_again(&h->watch);
	for (unsigned int i = 0; i < h->device_count; i++)
		device_addresses(h, &h->devices[i]);
	execute_routes(h, &h->plan, &added6);
	execute_rules(h, &added6);
	if (added6)
		renew_ways6(h);
	follow_near(h);
	follow_uplinks(h);
}

void host_stop(struct host *h)
{
	struct plan old;

	if (!h)
		return;
	old = h->plan;
	h->plan = (struct plan){ .failed = false };
	if (h->nl.sk)
		remove_old(h, &old);
	plan_free(&old);
	/* a reload that failed half-way left what the plan does not know */
	if (h->instance >= 0 && h->begun)
		sweep(&h->nl, NULL, NULL);
	nft_unload(&h->nft);
	if (h->interface[0])
		sock_set_interface("");
}

void host_free(struct host *h)
{
	if (!h)
		return;
	if (h->nl.sk && h->begun)
		forget_marked(h->kept, NULL);
	watch_close(&h->watch);
	if (h->instance >= 0)
		close(h->instance);
	nlk_close(&h->nl);
	free(h);
}

pid_t host_holder(void)
{
	return instance_holder();
}

/* --- culvert down ----------------------------------------------------------------------- */

/* @pid has let go of this namespace by then */
static bool await_end(pid_t pid, int limit_ms)
{
	for (int ms = 0; ms < limit_ms; ms += DOWN_STEP_MS) {
		if (instance_holder() != pid)
			return true;
		usleep(DOWN_STEP_MS * 1000);
	}
	return false;
}

/*
 * End a culvert that set this namespace up. One that hangs is killed: what it set
 * up is removed by its caller. 0 or -errno
 */
static int end_running(FILE *out)
{
	pid_t pid = instance_holder();

	if (!pid && instance_unseen()) {
		fprintf(out, "culvert runs in a container: end it there\n");
		return -EBUSY;
	}
	if (!pid)
		return 0;
	fprintf(out, "culvert runs (pid %d): asked to end\n", (int)pid);
	if (kill(pid, SIGTERM) < 0)
		return errno == ESRCH ? 0 : -errno;
	if (await_end(pid, DOWN_WAIT_MS))
		return 0;
	fprintf(out, "it does not end within %d s: killed\n",
		DOWN_WAIT_MS / 1000);
	if (kill(pid, SIGKILL) < 0 && errno != ESRCH)
		return -errno;
	return await_end(pid, KILL_WAIT_MS) ? 0 : -ETIMEDOUT;
}

/* Which bit a dead one used tell its rules: those of our own mark, or TProxy's */
static void find_kept(struct nlmsghdr *m, void *arg)
{
	struct nlk_rule r;
	uint32_t *kept = arg;

	if (!nlk_rule_read(m, &r) || !r.mask)
		return;
	*kept = r.action == NLK_LOOKUP ? r.mask : (r.mask & (0u - r.mask)) >> 1;
}

int host_cleanup(FILE *out)
{
	uint32_t kept = 0;
	struct nlk nl;
	unsigned int n;
	int err = end_running(out);

	if (err < 0)
		return err;
	err = nlk_open(&nl, NETLINK_ROUTE);
	if (err < 0)
		return err;
	nlk_dump(&nl, RTM_GETRULE, AF_INET, find_kept, &kept);
	n = sweep(&nl, NULL, out);
	nlk_close(&nl);
	n += nft_guards_end(0, out);
	if (nft_table_flags() >= 0 || nft_direct_there()) {
		err = nft_table_delete();
		fprintf(out, "%s: table inet " NFT_TABLE "\n",
			err < 0 ? strerror(-err) : "removed");
		n++;
	}
	forget_marked(kept, NULL);
	if (!n)
		fprintf(out, "nothing of culvert's is left\n");
	return err;
}

int host_rules_text(const struct config *cfg, FILE *out)
{
	const struct capture_conf *how = &cfg->host.how;
	const struct tun_conf *tc = NULL;
	struct plan p = { .failed = false };
	struct nft table = { .kind = NFT_NONE };
	struct intake in;

	if (how->tcp == BY_TUN || how->udp == BY_TUN)
		tc = intake_first_tun(cfg);
	if (cfg->host.capture == CAPTURE_NONE ||
	    (cfg->host.capture == CAPTURE_TUN && !tc))
		return -ENOENT;
	intake_fill(&in, cfg, tc, tc && tc->name ? tc->name : "culvert0", 0,
		    true);
	plan_ways(&p, &in);
	plan_print(&p, in.tun, "# ", out);
	plan_free(&p);
	near_find(NULL, &cfg->host, &table.near);
	nft_print(&table, &in, !cfg->host.fail_closed, out);
	nft_print_direct_all(&in, out);
	cidrs_free(&table.near);
	return 0;
}
