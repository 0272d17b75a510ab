/* uplink.h - The interfaces that lead out: who has a default route */
#ifndef NETSTACK_UPLINK_H
#define NETSTACK_UPLINK_H

#include "netstack/nl.h"

/*
 * Names of the interfaces of the main table's default routes, best first (v4
 * by metric, then v6; parts of one are the last), none twice, none of @skip (@n
 * interface indexes).
 * Returns how many, at most @max
 */
unsigned int uplink_find(struct nlk *nl, const int *skip, unsigned int n,
			 char (*out)[IFNAMSIZ], unsigned int max);

#endif
