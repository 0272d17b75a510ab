/* carrier.h - Client: connections to a Mux.cool server, shared by sessions */
#ifndef PROXY_MUX_CARRIER_H
#define PROXY_MUX_CARRIER_H

#include "gateway/core/session.h"
#include "proxy/mux/room.h"
#include "proxy/mux/trunk.h"

#define CARRIER_SESSIONS   128 /* over its life */
#define CARRIER_IDLE_MS    16000u /* to twice that, by chance */
#define CARRIER_BUDGET     WORKER_BUDGET_BYTES
#define CARRIER_READ_BYTES (32u << 10)

enum pool_kind { POOL_TCP, POOL_UDP, POOL_SOLO };

/**
 * struct mux_pool - Carriers of one outbound
 * @open:	Those that take sessions, the one that was busy last first
 * @full:	Those that do not now, or never again
 * @count:	Carriers, the dead ones too; the pool goes with the last
 */
struct mux_pool {
	struct list node;
	struct mux_room *room;
	const struct outbound *ob; /* its carriers keep its configuration */
	enum pool_kind kind;
	struct list open, full;
	unsigned int count;
};

/**
 * struct carrier - One connection
 * @inner:	What the outbound below sees: a session to v1.mux.cool. Its job
 *		is the carrier's
 * @node:	In the pool's lists, or room->dead
 * @conn:	Owned; NULL after its death
 * @rest, @rest_off:	Received while a sub could not take it; NULL
 * @total:	Sessions so far
 * @why:	Of its death
 */
struct carrier {
	struct trunk trunk;
	struct session inner;
	struct list node;
	struct mux_pool *pool;
	struct config *cfg; /* one reference */
	struct stream *conn;
	struct buf *rest;
	unsigned int total, concurrency;
	bool dead;
	int why;
	struct timer idle;
};

/*
 * One with a free place for @s, or a new one; *@id: the place. 0 or -errno
 */
int carrier_get(const struct outbound *ob, struct session *s,
		enum pool_kind kind, unsigned int concurrency,
		struct carrier **out, uint16_t *id);
/* The place was not used after all */
void carrier_unused(struct carrier *c);

#endif
