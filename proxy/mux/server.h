/*
 * server.h - A session that carries others, as the stream of its outbound side
 *
 * server.c takes apart what clients of Mux.cool send; portal.c puts sessions into a
 * connection that a client made for them; bridge.c is that client, who takes them
 * apart again.
 */
#ifndef PROXY_MUX_SERVER_H
#define PROXY_MUX_SERVER_H

#include "gateway/core/session.h"
#include "proxy/mux/sub.h"

/**
 * struct server - The stream of a carrier session
 * @ses:	The carrier session, which owns this
 * @want:	What its relay waits for
 * @marked:	The client has been told how we take End frames
 * @ended:	The client has ended the carrier, or it shall
 * @removed:	Its user was not known any more when he last wanted a session
 *
 * @heard_ms:	When the other side was heard last
 *
 * Of connections that carry sessions to the client:
 * @node:	In the portal's or the bridge's list
 * @drain:	It gets no new sessions when there is another one
 * @control:	Bridge: what tells it; @control_at: bytes of a message so far;
 *		@control_state: they may still be "draining"
 * @beat:	Portal: when it is looked at, and told that it lives every few @looks;
 *		bridge: when it has been silent for too long; server: when a removed
 *		user's must have ended
 * @total:	Portal: sessions so far
 * @bridge:	Whose connection it is; NULL: another thing's. @told: its server has said
 *		something, so it was let in
 */
struct server {
	struct stream s;
	struct trunk trunk;
	uint32_t heard_ms;
	struct session *ses;
	uint8_t want;
	bool marked, ended, removed, drain;
	struct list node;
	struct sub control;
	uint8_t control_at;
	bool control_state, told;
	struct bridge *bridge;
	struct timer beat;
	unsigned int total, looks;
};

#define SERVER_SILENT_MS 35000u /* three beats of a portal, and a half */

/* NULL: out of memory */
struct server *server_new(struct session *s, const struct trunk_ops *ops);
/*
 * How long the other side may still be silent, of @limit ms; 0: that was too long. While
 * it cannot be heard, because a session does not read, it is not silent
 */
uint32_t server_patience(struct server *v, uint32_t limit);

#endif
