/* http_fwd.h - Plain requests of an HTTP proxy's client, as a layer */
#ifndef PROXY_IN_HTTP_FWD_H
#define PROXY_IN_HTTP_FWD_H

#include "gateway/core/session.h"
#include "proxy/in/greet.h"

/*
 * Put the layer on s->in. @p, @n: what was read of the client so far, from the
 * first request's head on, which @req has understood. 0 or -errno (unchanged)
 */
int http_fwd_push(struct session *s, const uint8_t *p, size_t n,
		  const struct addr *to);

#endif
