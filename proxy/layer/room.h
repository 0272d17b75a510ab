/* room.h - What all layers of one worker share: memory for one call each */
#ifndef PROXY_LAYER_ROOM_H
#define PROXY_LAYER_ROOM_H

#include <stdint.h>

#include "gateway/base/pool.h"
#include "gateway/core/dgram.h"
#include "gateway/core/pace.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"

#define LAYER_CALL_BYTES (70u << 10) /* a 64 KiB chunk or packet, its head */
#define LAYER_IN_MORE    (8u << 10) /* read with PACE_LEAST or more: heads, tags */
#define LAYER_SEGS       STREAM_IOV

/**
 * struct chunk_in - Received bytes of one flow; in the pool when it has none
 * @seg:	Opened payloads, in order; [seg_at, seg_count)
 * @off, @len:	Bytes not opened yet
 */
struct chunk_in {
	uint32_t off, len;
	uint32_t seg_at, seg_count;
	struct {
		uint32_t off, len;
	} seg[LAYER_SEGS];
	uint8_t data[]; /* of w->pace_most + LAYER_IN_MORE */
};

/**
 * struct layer_room - One worker's; ROOM_LAYER
 * @in:		struct chunk_in
 * @out:	What a layer seals or frames, @out_bytes each, lent for one call.
 *		Layers lie on each other: each has its own
 * @out_bytes:	For all that one copy reads, LAYER_CALL_BYTES at least
 * @plain:	First payload of a chunk layer
 * @rx, @tx:	Packets of a tube
 * @names:	Of the packets in @rx
 */
struct layer_room {
	struct pool in, out;
	size_t out_bytes;
	uint8_t plain[16u << 10];
	uint8_t rx[LAYER_CALL_BYTES];
	uint8_t tx[LAYER_CALL_BYTES];
	char names[DGRAM_BATCH][256];
};

/* NULL: out of memory */
struct layer_room *layer_room(struct worker *w);

#endif
