/*
 * plan.h - Which routes and rules a configuration asks for, as a list
 *
 * Pure: nothing here talks to the kernel. The executor (host.c) adds what is
 * in the list and may do so again at any time; what is there stays.
 */
#ifndef NETSTACK_PLAN_H
#define NETSTACK_PLAN_H

#include <stdio.h>

#include "gateway/core/cidrs.h"
#include "gateway/core/tun_conf.h"
#include "netstack/nl.h"

struct host_conf;

#define PLAN_POOLS       16
#define PLAN_UIDS        4
#define PLAN_ADDRESSES   (TUN_GATEWAYS + 2)
#define PLAN_LAST_RESORT 32768 /* behind the system's own rules */

/**
 * struct intake - All that decides how traffic is caught
 * @tun, @ifindex:	The TUN that catches ("": none); 0: only to be printed
 * @tun_was:	The one before, while a reload goes from it to @tun; "": none
 * @proto:	What it catches: 0 all, or IPPROTO_UDP
 * @gateway:	Its addresses, at least one of each family
 * @pools:	FakeDNS
 * @uids:	Who answers port 53 on this host: may ask the real servers
 * @service_max:	Highest port that is not given to outgoing connections
 * @dns_local:	Queries to this host's own addresses go into the TUN (nftables)
 */
struct intake {
	const struct host_conf *host;
	char tun[IFNAMSIZ], tun_was[IFNAMSIZ];
	int ifindex;
	uint8_t proto;
	struct tun_prefix gateway[PLAN_ADDRESSES];
	unsigned int gateway_count;
	struct cidr pools[PLAN_POOLS];
	unsigned int pool_count;
	uint32_t uids[PLAN_UIDS];
	unsigned int uid_count;
	uint16_t service_max;
	bool dns_local;
};

/**
 * struct plan - Routes, then rules, in the order of adding
 * @rules, @routes:	Owned
 * @failed:	Out of memory while it was made
 */
struct plan {
	struct nlk_rule *rules;
	struct nlk_route *routes;
	unsigned int rule_count, route_count;
	bool failed;
};

/* autoSystemRoutingTable: on-link routes in the main table */
void plan_tun_routes(struct plan *p, const struct tun_conf *tc, int ifindex);
/* `culvert up`: own table and policy rules */
void plan_capture(struct plan *p, const struct intake *c);
/* ... of TProxy: what carries @mark is for this host. @lo: ifindex of lo */
void plan_tproxy(struct plan *p, const struct intake *c, uint32_t mark, int lo);
/* ... of redirect: main last, as nothing else is needed */
void plan_last_resort(struct plan *p);
/* Private and other special ranges, which are not caught */
void plan_private(struct cidrs *out);
/* Addresses that a family of @c lacks: own traffic needs one as its source */
void plan_addresses(struct intake *c, const struct tun_conf *tc);
/* The address beside @g in its prefix: DNS is sent there. ADDR_NONE: no room */
struct addr plan_beside(const struct tun_prefix *g);
bool plan_has_rule(const struct plan *p, const struct nlk_rule *r);
bool plan_has_route(const struct plan *p, const struct nlk_route *r);
void plan_free(struct plan *p);
/* As `ip` commands, each line after @prefix */
void plan_print(const struct plan *p, const char *tun, const char *prefix,
		FILE *out);

#endif
