/* room.c - Memory that the layers of one worker share */
#include "proxy/layer/room.h"

#include <stdlib.h>

#define IN_KEEP  2 /* buffers kept for the next flow */
#define OUT_KEEP 2
#define OUT_MORE (6u << 10) /* heads, and with the 64th part what chunks add */

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
	size_t most = pace_most(w);

	if (r)
		return r;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	r->out_bytes = most + (most >> 6) + OUT_MORE;
	pool_init(&r->in, sizeof(struct chunk_in) + most + LAYER_IN_MORE,
		  IN_KEEP);
	pool_init(&r->out, r->out_bytes, OUT_KEEP);
	w->rooms[ROOM_LAYER] = r;
	w->room_free[ROOM_LAYER] = room_free;
	return r;
}
