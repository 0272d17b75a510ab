/* h2_carrier.h - One HTTP/2 connection that carries many streams */
#ifndef PROXY_TRANSPORT_H2_CARRIER_H
#define PROXY_TRANSPORT_H2_CARRIER_H

#include "gateway/base/list.h"
#include "gateway/core/transport.h"
#include "proxy/transport/http_msg.h"

/**
 * struct h2_reuse - How many connections, and when one gets no new streams
 * @most:	Connections before one carries a second flow; 0: no matter
 * @flows:	On one at the same time; 0: any number
 * @flow_uses, @requests, @secs:	Drawn for each connection from lo to hi; 0: no
 *		limit
 */
struct h2_reuse {
	uint32_t most, flows;
	struct {
		uint32_t lo, hi;
	} flow_uses, requests, secs;
};

/**
 * struct h2_conf - What a kind of level wants of its carriers
 * @name:	In messages
 * @scheme:	Of requests
 * @handler:	A server's; then, and for h2_ask(), bodies are bytes and no gRPC
 *		messages
 * @grpc_status:	A handler's answers end with grpc-status: 0
 * @reuse:	NULL: all streams in one connection
 * @authority:	Host of requests; NULL: serverName, else the address
 * @path:	Of a client's requests; @paths: what a server takes
 * @agent:	User-Agent
 * @keepalive_ms:	Ping after so much silence; 0 never
 * @answer_ms:	And the connection is dead so long afterwards
 * @ping_idle:	Also when no stream is open
 * @window:	Bytes of a stream the other side may send ahead
 */
struct h2_conf {
	const char *name, *scheme;
	http_handler handler;
	bool grpc_status;
	const struct h2_reuse *reuse;
	const char *authority, *path, *paths[2], *agent;
	uint32_t keepalive_ms, answer_ms;
	bool ping_idle;
	uint32_t window;
};

/* A stream to @to through the worker's carrier, dialed when there is none */
int h2_open(const struct transport *t, const struct h2_conf *conf,
	    const struct dial *d, const struct addr *to, struct stream **out);
/**
 * struct h2_flow - What a flow of several requests holds on to
 * @carrier:	Borrowed; NULL: none yet, or it is gone. h2_flow_leave() it
 */
struct h2_flow {
	struct list node;
	struct h2 *carrier;
};

/*
 * The same for any request; bodies are bytes. @ask->flow: zero at the first one of
 * a flow; the next ones go by the same connection while it takes them
 */
int h2_ask(const struct transport *t, const struct h2_conf *conf,
	   const struct dial *d, const struct addr *to,
	   const struct http_ask *ask, struct stream **out);
void h2_flow_leave(struct h2_flow *f);
/*
 * One more connection of @t, a server's, may come to @w: where there are @most, the
 * oldest without a stream ends. False: there is none
 */
bool h2_make_room(struct worker *w, const struct transport *t,
		  unsigned int most);
/* @w has another configuration: who came by a listener that is gone hears of it */
void h2_reloaded(struct worker *w);
/*
 * A client's connection: its streams go to @b, or to the handler. @early: what
 * was read of it already, or NULL. Owns @below on success
 */
int h2_serve(const struct transport *t, const struct h2_conf *conf,
	     struct worker *w, struct stream *below, const struct birth *b,
	     const struct iovec *early);

#endif
