/* forwarded.h - Where a client is, as an HTTP proxy before us says */
#ifndef PROXY_WIRE_FORWARDED_H
#define PROXY_WIRE_FORWARDED_H

#include "proxy/wire/http1.h"

/*
 * The first address of X-Forwarded-For, if the head has one of the headers
 * @trusted (ends with NULL; NULL: nobody is trusted). Only the address in @out is
 * changed, not its port. False: nothing is
 */
bool forwarded_source(const struct http1_head *h, const char *const *trusted,
		      struct addr *out);

#endif
