/* happy.h - One kernel TCP connection to a name or address, raced (RFC 8305) */
#ifndef PROXY_TRANSPORT_HAPPY_H
#define PROXY_TRANSPORT_HAPPY_H

#include "gateway/core/transport.h"

/*
 * Start dialing. 0 with *@out: a stream usable from birth that sheds to the bare
 * socket once connected; or -errno. @so lives as long as the config
 */
int happy_dial(const struct dial *d, const struct addr *to,
	       const struct sockopt *so, enum domain_strategy strategy,
	       struct stream **out);

#endif
