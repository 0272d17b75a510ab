/* h2_carrier.h - One HTTP/2 connection that carries many streams */
#ifndef PROXY_TRANSPORT_H2_CARRIER_H
#define PROXY_TRANSPORT_H2_CARRIER_H

#include "gateway/core/transport.h"

/**
 * struct h2_conf - What a kind of level wants of its carriers
 * @authority:	Host of requests; NULL: serverName, else the address
 * @path:	Of a client's requests; @paths: what a server takes
 * @agent:	User-Agent
 * @keepalive_ms:	Ping after so much silence; 0 never
 * @answer_ms:	And the connection is dead so long afterwards
 * @ping_idle:	Also when no stream is open
 * @window:	Bytes of a stream the other side may send ahead
 */
struct h2_conf {
	const char *authority, *path, *paths[2], *agent;
	uint32_t keepalive_ms, answer_ms;
	bool ping_idle;
	uint32_t window;
};

/* A stream to @to through the worker's carrier, dialed when there is none */
int h2_open(const struct transport *t, const struct h2_conf *conf,
	    const struct dial *d, const struct addr *to, struct stream **out);
/* A client's connection: its streams go to @b. Owns @below on success */
int h2_serve(const struct h2_conf *conf, struct worker *w, struct stream *below,
	     const struct birth *b);

#endif
