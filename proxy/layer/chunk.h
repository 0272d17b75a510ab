/*
 * chunk.h - A layer that carries a stream as sealed chunks
 *
 * The protocol embeds struct chunk as its first member, and gives a codec.
 */
#ifndef PROXY_LAYER_CHUNK_H
#define PROXY_LAYER_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/core/pace.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"

struct chunk;
struct chunk_in;

/**
 * struct chunk_ops - A codec with its state behind struct chunk
 * @start:	What goes first, with @n <= c->first bytes of payload
 * @size:	Payload of the next chunk, at most c->max; NULL: c->max
 * @seal:	One chunk of @n bytes at @p: @out + c->lead, or elsewhere
 * @open:	As ss_open(); also takes the other side's head. -EPIPE: the end
 * @within:	A chunk has begun and is not whole; of no use in a security level
 * @end:	What marks the end, 0 bytes or NULL: the end of the connection does
 * @fault:	What tells the other side that it went wrong, 0 bytes or NULL: nothing
 * @hello:	As the stream's op; NULL: what lies below knows
 * @missing:	Bytes until the chunk at @p is whole, at least 1; needed by who sets
 *		c->edge
 * @shed:	As the stream's op, asked while the layer works and nothing of ours
 *		waits in it; NULL: never
 * @bare:	As the stream's op, of one direction in which nothing of ours waits, but
 *		for c->part, raw; NULL: only a security level can be ended
 * @drop:	Wipe keys; the memory is freed afterwards
 *
 * start, seal, end and fault return bytes written or -errno (which is final).
 */
struct chunk_ops {
	const char *name;
	ssize_t (*start)(struct chunk *c, const uint8_t *p, size_t n,
			 uint8_t *out, size_t room);
	uint32_t (*size)(struct chunk *c);
	ssize_t (*seal)(struct chunk *c, const uint8_t *p, size_t n,
			uint8_t *out, size_t room);
	ssize_t (*open)(struct chunk *c, uint8_t *p, size_t n, uint8_t **data,
			size_t *len);
	bool (*within)(const struct chunk *c);
	ssize_t (*end)(struct chunk *c, uint8_t *out, size_t room);
	ssize_t (*fault)(struct chunk *c, uint8_t *out, size_t room);
	void (*hello)(struct chunk *c, struct stream_hello *out);
	size_t (*missing)(const uint8_t *p, size_t n);
	struct stream *(*shed)(struct chunk *c);
	int (*bare)(struct chunk *c, unsigned int dir);
	void (*drop)(struct chunk *c);
};

/**
 * struct chunk - The layer
 * @id:		Session, for messages
 * @max:	Payload bytes of one chunk; @lead: where they lie in it
 * @extra:	What a chunk is longer than its payload, at most
 * @first:	Payload bytes @start takes
 * @lazy:	A server: the head goes with the first bytes, never by itself
 * @security:	A security level: a layer on top may end it (op bare); it ends in
 *		order by its own word only
 * @asked:	A layer on top may end this one, so it is not exchanged for another
 * @single:	One chunk is opened at a time: what follows may be no chunk
 * @edge:	Nothing is read behind the chunk that has begun; when it was taken the
 *		owner is called again before the next one, and can shed
 * @bare_in, @bare_out:	Such a direction passes through
 * @started:	The head was made; @head_out: and is down. It is up from then on,
 *		whatever waits
 * @ended:	finish was asked for: no payload any more
 * @end_told:	By the body; the connection is not half-closed then
 * @more:	Whole chunks may wait behind those that were opened
 * @opened:	Something of the other side was understood
 * @eof, @below_eof:	The other side ended the body; the connection
 * @end_read:	Its end was read
 * @err:	Final -errno; 0 while it goes on. @tx_err: of writing, which reading
 *		tells when nothing more can be opened
 * @most:	Payload of one read below, by who asked; by @pace if it lies here then
 * @in:		Of the pool, while bytes move; @part: less than a chunk waits
 * @out:	Sealed, not written yet; NULL none
 *
 * An idle flow has neither.
 */
struct chunk {
	struct stream s; /* must be first */
	const struct chunk_ops *ops;
	struct worker *worker;
	uint32_t id;
	uint32_t max, lead, extra, first;
	bool lazy, started, head_out, ended, end_sealed, end_told, finished;
	bool security, asked, single, edge, bare_in, bare_out;
	bool more, opened, eof, below_eof, end_read;
	int err, tx_err;
	size_t most;
	struct pace pace;
	struct chunk_in *in;
	struct buf *part, *out;
};

/* @c is zeroed by its maker, the codec's numbers set. Owns @below from now on */
void chunk_init(struct chunk *c, const struct chunk_ops *ops, struct worker *w,
		struct stream *below, uint32_t id);
/* Bytes that were read from below already come first. 0 or -ENOMEM */
int chunk_unread(struct chunk *c, const uint8_t *p, size_t n);
/* Nothing of the other side waits here, not even a part of a chunk */
bool chunk_rests(struct chunk *c);

#endif
