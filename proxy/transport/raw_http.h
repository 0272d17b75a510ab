/* raw_http.h - HTTP heads before the first bytes each way (header.type http) */
#ifndef PROXY_TRANSPORT_RAW_HTTP_H
#define PROXY_TRANSPORT_RAW_HTTP_H

#include "gateway/core/transport.h"

struct raw_http;

/* The header object. NULL: out of memory, or after a complaint */
struct raw_http *raw_http_parse(struct jobj *header, struct config *cfg);
/* Put the layer on *@s. 0, or -ENOMEM and *@s is as it was */
int raw_http_wrap(const struct raw_http *r, bool server, uint32_t id,
		  struct stream **s);

#endif
