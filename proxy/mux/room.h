/* room.h - Mux of one worker: connections, and UDP sessions by global id */
#ifndef PROXY_MUX_ROOM_H
#define PROXY_MUX_ROOM_H

#include "gateway/base/htab.h"
#include "gateway/base/list.h"
#include "gateway/core/worker.h"

/**
 * struct mux_room - worker->rooms[ROOM_MUX], made when first used
 * @pools:	struct mux_pool of carriers
 * @portals:	struct server: connections of clients who take our sessions
 * @bridges:	struct bridge
 * @dead:	Carriers to be freed at the end of the tick
 * @mine:	Our UDP sessions by global id
 * @theirs:	Those of clients
 */
struct mux_room {
	struct worker *worker;
	struct flusher flusher;
	struct list pools, portals, bridges, dead;
	struct htab mine, theirs;
};

/* NULL: out of memory */
struct mux_room *mux_room(struct worker *w);
/* carrier.c: free the dead ones */
void carriers_reap(struct mux_room *r);
/* carrier.c: end all of them, free the pools */
void carriers_stop(struct mux_room *r);

#endif
