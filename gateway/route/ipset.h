/* ipset.h - Address sets inside this room; see gateway/core/match.h */
#ifndef GATEWAY_ROUTE_IPSET_H
#define GATEWAY_ROUTE_IPSET_H

#include "gateway/core/match.h"

/* DNS_V4 | DNS_V6 as far as the set has ranges of that family */
unsigned int ipset_families(const struct ipset *s);
size_t ipset_bytes(const struct ipset *s);

#endif
