/* chain.h - A stream through another outbound: dialerProxy, proxySettings */
#ifndef PROXY_TRANSPORT_CHAIN_H
#define PROXY_TRANSPORT_CHAIN_H

#include "gateway/core/transport.h"

/*
 * Open a stream to @to through d->ob->dialer. A name is looked up by @strategy,
 * which may take a while. 0 with *@out, or -errno
 */
int chain_dial(const struct dial *d, const struct addr *to,
	       enum domain_strategy strategy, struct stream **out);

#endif
