/* room.c - Memory that the layers of one worker share */
#include "proxy/layer/room.h"

#include <stdlib.h>

#define IN_KEEP  4 /* buffers kept for the next flow */
#define OUT_KEEP 4

static void room_free(void *room)
{
	struct layer_room *r = room;

	pool_trim(&r->in);
	pool_trim(&r->out);
	free(r);
}

struct layer_room *layer_room(struct worker *w)
{
	struct layer_room *r = w->rooms[ROOM_LAYER];

	if (r)
		return r;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	pool_init(&r->in, sizeof(struct chunk_in), IN_KEEP);
	pool_init(&r->out, LAYER_CALL_BYTES, OUT_KEEP);
	w->rooms[ROOM_LAYER] = r;
	w->room_free[ROOM_LAYER] = room_free;
	return r;
}
