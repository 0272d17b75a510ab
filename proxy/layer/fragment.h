/* fragment.h - The first writes of a stream in pieces, with pauses between them */
#ifndef PROXY_LAYER_FRAGMENT_H
#define PROXY_LAYER_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/jget.h"
#include "gateway/core/stream.h"

struct worker;

/* Both included; 0 and 0: none */
struct span {
	uint32_t lo, hi;
};

/* @v of the first pieces, one each; the conf's own span counts behind them */
struct steps {
	const struct span *v;
	uint32_t count;
};

/**
 * struct fragment_conf - How
 * @hello:	The first TLS record is cut into several records; else the
 *		writes number @first to @last (from 1; @last 0: all) into segments
 * @length:	Bytes of a piece, 1 at least
 * @gap_ms:	Pause behind a piece
 * @lengths, @gaps:	The same, of the first pieces
 * @pieces:	At most; 0: any number
 */
struct fragment_conf {
	bool hello;
	uint32_t first, last;
	struct span length, gap_ms, pieces;
	struct steps lengths, gaps;
};

/*
 * What @o says: freedom's "fragment", or (@mask) that of finalmask, with other words
 * and lists. 0 (complaints are the diag's) or -ENOMEM
 */
int fragment_parse(struct jobj *o, bool mask, struct fragment_conf *f,
		   struct arena *a);

/* Owns @below on success; @c lives as long. NULL: out of memory */
struct stream *fragment_new(const struct fragment_conf *c, struct stream *below,
			    struct worker *w);

#endif
