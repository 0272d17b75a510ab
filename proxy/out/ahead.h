/* ahead.h - Connections to a server that are made before they are needed */
#ifndef PROXY_OUT_AHEAD_H
#define PROXY_OUT_AHEAD_H

#include "gateway/core/transport.h"

#define AHEAD_MAX 64 /* of one outbound and worker */

/*
 * As transport_dial() by d->ob's transport, but what was made ahead is taken first;
 * and then up to @count are made for those who come later. @to lives as long as d->cfg
 */
int ahead_dial(const struct dial *d, const struct addr *to, unsigned int count,
	       struct stream **out);

#endif
