/*
 * plan.h - Which routes and rules a configuration asks for, as a list
 *
 * Pure: nothing here talks to the kernel. The executor (host.c) adds what is
 * in the list and may do so again at any time; what is there stays.
 */
#ifndef NETSTACK_PLAN_H
#define NETSTACK_PLAN_H

#include "netstack/nl.h"

struct config;
struct tun_conf;

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
void plan_free(struct plan *p);

#endif
