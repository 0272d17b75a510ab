/* uplink.h - The interface that leads out: who has the best default route */
#ifndef NETSTACK_UPLINK_H
#define NETSTACK_UPLINK_H

#include "netstack/nl.h"

/*
 * Name of the interface of the main table's best default route (v4, else v6),
 * that is none of @skip (@n interface indexes); "" when there is none
 */
void uplink_find(struct nlk *nl, const int *skip, unsigned int n,
		 char out[IFNAMSIZ]);

#endif
