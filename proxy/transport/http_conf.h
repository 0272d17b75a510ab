/* http_conf.h - Path, host and headers of the levels that begin with HTTP */
#ifndef PROXY_TRANSPORT_HTTP_CONF_H
#define PROXY_TRANSPORT_HTTP_CONF_H

#include "gateway/base/wr.h"
#include "gateway/core/transport.h"
#include "proxy/wire/http1.h"

#define HTTP_CONF_HEAD_MAX 8192 /* of a request that we make */

/**
 * struct http_conf - What wsSettings and httpupgradeSettings have in common
 * @path:	Begins with '/', without the ed parameter
 * @host:	NULL: serverName of TLS below, else the address
 * @extra:	Further header lines, each with its CR LF; "" none
 * @ed:		Bytes of early data at most; 0: none
 * @agent:	@extra has a User-Agent
 * @framed:	Headers about the connection and the body are the level's own
 */
struct http_conf {
	const char *path, *host, *extra;
	uint32_t ed;
	bool agent, framed;
};

int http_conf_parse(struct http_conf *h, struct jobj *o, struct config *cfg);
/* Header lines of object @node as text with CR LF; "" after a complaint */
const char *http_conf_headers(struct diag *d, const cJSON *node,
			      struct http_conf *h, struct config *cfg);
/* "GET path HTTP/1.1", Host, User-Agent and @extra; the caller adds its own */
void http_conf_request(const struct http_conf *h, const struct transport *t,
		       const struct addr *to, struct wr *w);
void http_conf_text(struct wr *w, const char *text);
/* forwarded_ses.c: the session of @j, a request's, is where X-Forwarded-For says */
void forwarded_session(struct job *j, const struct http1_head *h);
/* b->born for such a one */
int forwarded_born(const struct birth *b, struct worker *w, struct stream *s,
		   const struct http1_head *h);
/* The listener of @b is gone, or another one since the last reload: its clients shall leave */
bool birth_is_over(const struct birth *b, const struct worker *w);
/*
 * What sessions of @b are born of: the same in the configuration in force, else one of
 * that name and kind at the same place. NULL: there is none, and nothing is born any more
 */
const struct inbound *birth_inbound(const struct birth *b,
				    const struct worker *w);
/* Does a client's request mean us? Path and host as configured */
bool http_conf_fits(const struct http_conf *h, const struct http1_head *rq);
/* The host alone */
bool http_conf_host_fits(const struct http_conf *h,
			 const struct http1_head *rq);

#endif
