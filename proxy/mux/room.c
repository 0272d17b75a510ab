/* room.c - Mux of one worker: made when first used, freed with the worker */
#include "proxy/mux/room.h"

#include <stdlib.h>

#include "gateway/base/compat.h"

static void room_flush(struct flusher *f)
{
	carriers_reap(container_of(f, struct mux_room, flusher));
}

static void room_free(void *room)
{
	struct mux_room *r = room;

	carriers_stop(r);
	list_del(&r->flusher.node);
	htab_free(&r->mine);
	htab_free(&r->theirs);
	free(r);
}

struct mux_room *mux_room(struct worker *w)
{
	struct mux_room *r = w->rooms[ROOM_MUX];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	if (htab_init(&r->mine, 16) < 0 || htab_init(&r->theirs, 16) < 0) {
		htab_free(&r->mine);
		free(r);
		return NULL;
	}
	r->worker = w;
	list_init(&r->pools);
	list_init(&r->portals);
	list_init(&r->bridges);
	list_init(&r->dead);
	r->flusher.flush = room_flush;
	list_add_tail(&w->flushers, &r->flusher.node);
	w->rooms[ROOM_MUX] = r;
	w->room_free[ROOM_MUX] = room_free;
	return r;
}
