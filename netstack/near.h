/* near.h - Destinations that are not caught: private, bypassed, known networks */
#ifndef NETSTACK_NEAR_H
#define NETSTACK_NEAR_H

#include "gateway/core/cidrs.h"
#include "netstack/nl.h"

struct host_conf;

/*
 * Private ranges and "bypass"; with @nl also each network that the main table
 * knows by a route that is no default one. Sealed
 */
void near_find(struct nlk *nl, const struct host_conf *h, struct cidrs *out);

#endif
