/*
 * reality_guest.h - A connection that a REALITY server has met: what its two files share
 *
 * reality_in.c has its birth, its relay and its end; reality_shake.c the handshake.
 */
#ifndef PROXY_TRANSPORT_REALITY_GUEST_H
#define PROXY_TRANSPORT_REALITY_GUEST_H

#include "gateway/base/buf.h"
#include "gateway/core/link.h"
#include "gateway/core/worker.h"
#include "proxy/transport/reality_in.h"

/** enum guest_state - See reality_in.c */
enum guest_state {
	GUEST_HELLO,
	GUEST_FLIGHT,
	GUEST_ANSWER,
	GUEST_FINISH,
	GUEST_WAIT,
	GUEST_RELAY,
	GUEST_OVER
};

/**
 * struct guest - One connection until it is handed on, or relayed
 * @node:	In the worker's room
 * @t, @top:	Our level, the uppermost
 * @birth:	Of what comes out of it; its cfg is a reference of ours
 * @client, @target:	Owned; NULL once handed on or closed
 * @from_client:	All bytes of the client until it is decided, @sent of them
 *		went to the target, @hello of them are the ClientHello
 * @from_target:	All bytes of the target's flight
 * @to_client:	Our flight
 * @seen:	Bytes of @from_client behind the hello that were used
 * @flight_left:	Bytes of the target's flight still to come
 * @unfit:	Why the client is shown the target once that flight is over; NULL
 * @mirrored:	The target is shown what the client says behind its hello
 * @claim:	What the client says it is; its key; @alpn: what it wants to speak
 * @session:	The id in its hello, which the target repeats
 * @wait_ms:	When it began to wait
 * @half:	Of a relay
 * @why:	How it ends: 0 in order, -errno
 */
struct guest {
	struct job job; /* must be first */
	struct timer timer;
	struct list node;
	const struct transport *t, *top;
	struct birth birth;
	struct stream *client, *target;
	struct buf *from_client, *from_target, *to_client;
	size_t sent, hello, seen, flight_left;
	const char *unfit;
	bool mirrored;
	struct reality_claim claim;
	uint8_t session[TLS13_SESSION_ID_BYTES];
	struct reality_keys keys;
	struct half half[2];
	enum guest_state state;
	enum reality_alpn alpn;
	uint32_t id, active_ms, wait_ms;
	int why;
};

/** struct reality_room - Of one worker: its guests, its questions */
struct reality_room {
	struct list guests;
	struct reality_probe *probes;
};

static inline const struct reality_in_conf *conf_of(const struct guest *g)
{
	return g->t->settings;
}

static inline void buf_end(struct buf **b)
{
	buf_free(*b);
	*b = NULL;
}

/* A line of the log: who it is, @what happens, @more of it */
void guest_say(const struct guest *g, const char *what, const char *more);
/* It ends so, behind this turn. -EAGAIN */
int guest_over(struct guest *g, int why);
/* The client is shown the target, from now on without us. 0 or -EAGAIN */
int guest_relay(struct guest *g, const char *why);
/* One step of the states before GUEST_RELAY. 0: another state; -EAGAIN */
int guest_shake(struct guest *g);

#endif
