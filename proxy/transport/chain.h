/* chain.h - A stream through another outbound: dialerProxy, proxySettings */
#ifndef PROXY_TRANSPORT_CHAIN_H
#define PROXY_TRANSPORT_CHAIN_H

#include "gateway/core/transport.h"

/* Open a stream to @to through d->ob->dialer. 0 with *@out, or -errno */
int chain_dial(const struct dial *d, const struct addr *to,
	       struct stream **out);

#endif
