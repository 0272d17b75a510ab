/* fragment.h - The first writes of a stream in pieces, with pauses between them */
#ifndef PROXY_LAYER_FRAGMENT_H
#define PROXY_LAYER_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/stream.h"

struct worker;

/* Both included; 0 and 0: none */
struct span {
	uint32_t lo, hi;
};

/**
 * struct fragment_conf - How
 * @hello:	The first TLS record is cut into several records; else the
 *		writes number @first to @last (from 1; @last 0: all) into segments
 * @length:	Bytes of a piece, 1 at least
 * @gap_ms:	Pause behind a piece
 * @pieces:	At most; 0: any number
 */
struct fragment_conf {
	bool hello;
	uint32_t first, last;
	struct span length, gap_ms, pieces;
};

/* Owns @below on success; @c lives as long. NULL: out of memory */
struct stream *fragment_new(const struct fragment_conf *c, struct stream *below,
			    struct worker *w);

#endif
