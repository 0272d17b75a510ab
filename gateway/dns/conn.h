/*
 * conn.h - Connections that many queries share: DNS over TLS and over HTTPS
 *
 *   ask -> a connection with a place?       -> sent on it
 *       -> one that is being dialed?        -> waits for it
 *       -> else dials one
 *
 * A worker's connections to one server are a pool. One is enough, unless the
 * server takes one question at a time (HTTP/1.1) or has a limit; never more than
 * CONN_MAX. A connection that ends while questions are under way sends each of
 * them on a new one, once; what cannot be dialed fails all that wait for it. A
 * question that times out while nobody got an answer since it was sent takes its
 * connection out of use: behind it may be nothing any more. A part of its time-out
 * earlier it goes alone, to a new one.
 */
#ifndef GATEWAY_DNS_CONN_H
#define GATEWAY_DNS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/core/transport.h"

struct conn;
struct conn_pool;
struct dns_server;

#define CONN_MAX     4 /* to one server, of one worker */
#define CONN_IDLE_MS 30000u

/**
 * struct conn_ask - One query on a shared connection; embedded; zero is not asked
 * @pool:	NULL: not under way
 * @conn:	NULL: waits for one
 * @query, @len:	The message, its id 0; must live until @done or the end
 * @wire_id, @stream:	How the connection knows it
 * @mark:	Answers the connection had given when this was sent
 * @again:	It was sent twice already
 * @done:	Called once, in the connection's turn: 0 with @msg, which may be
 *		changed and is valid during the call, or -errno
 */
struct conn_ask {
	struct list node;
	struct conn_pool *pool;
	struct conn *conn;
	const uint8_t *query;
	size_t len;
	int32_t stream;
	uint16_t wire_id;
	bool again;
	uint32_t mark;
	void (*done)(struct conn_ask *a, int rc, uint8_t *msg, size_t n,
		     uint32_t age_s);
};

/**
 * struct conns - All of a worker; part of the module's room
 * @dying, @dead:	Ended ones: freed when a whole turn has passed, for their
 *			session points into their config
 */
struct conns {
	struct list pools, dying, dead;
};

void conns_init(struct conns *c);
/* A turn is over */
void conns_turn(struct conns *c);
/* All end now. The sessions must be reaped before conns_free() */
void conns_stop(struct conns *c);
void conns_free(struct conns *c);

/**
 * conn_ask() - Send a query to @s
 * @a:		query, len and done are set
 * @cfg:	Owns @s
 *
 * Return: 0, @a->done will be called; or -errno, it will not
 */
int conn_ask(struct conns *all, struct worker *w, struct config *cfg,
	     const struct dns_server *s, struct conn_ask *a);
/* @a is over. @timed_out: because nothing came. Harmless when it is not under way */
void conn_ask_end(struct conn_ask *a, bool timed_out);

/*
 * Nothing came for a while: when the connection gave answers, but none since @a was
 * sent, send @a on another one, once
 */
void conn_ask_again(struct conn_ask *a);

/* The bottom of a server's levels: through routing, or straight */
extern const struct transport_ops conn_bottom_ops;

#endif
