/*
 * trunk.h - The frames of one Mux.cool connection, either side; no I/O
 *
 * The owner puts received bytes in with trunk_feed() and takes bytes to send
 * out of @tx. Sub-streams (sub.h) hang on it by their id.
 */
#ifndef PROXY_MUX_TRUNK_H
#define PROXY_MUX_TRUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/list.h"
#include "proxy/mux/queue.h"
#include "proxy/wire/mux.h"

struct sub;
struct trunk;
struct worker;

#define TRUNK_BUCKETS   32
#define TRUNK_HEAD      (2 + MUX_META_MAX + 2)
#define TRUNK_TX_HIGH   (64u << 10) /* subs must wait */
#define TRUNK_TX_LOW    (16u << 10) /* subs may go on */
#define TRUNK_TX_HARD   (128u << 10) /* answers fill it: reading stops */
#define TRUNK_HALF_MARK 0x6863 /* see trunk.c */

/**
 * struct trunk_ops - What the owner does for its trunk
 * @kick:	@tx has bytes, or a stalled input may go on: run soon
 * @birth:	A New frame came: attach a sub and return it; NULL: it was
 *		refused (an End has been sent) and its data is thrown away. The
 *		op is NULL on the client's side, where New is thrown away
 * @left:	A sub has gone
 */
struct trunk_ops {
	void (*kick)(struct trunk *t);
	struct sub *(*birth)(struct trunk *t, const struct mux_frame *f);
	void (*left)(struct trunk *t);
};

/**
 * struct trunk - State of both directions
 * @bucket:	Subs by id
 * @waiting:	Subs that could not write, first come first served
 * @live:	Subs attached
 * @tx:		Frames to be sent
 * @head, @head_len:	A frame head that has not come whole
 * @left:	Bytes of data still to come of the frame
 * @cur:	Whose they are; NULL: nobody's
 * @rx_stall:	@cur cannot take more; @tx_stall: too much to send already
 * @up:		The connection stands
 * @half:	For the peer an End frame ends one direction
 * @answers:	It has said so again: it does every few seconds
 * @ends:	New frames tell both ends of a session (to a client)
 * @err:	It failed; no call but trunk_kill() does anything
 */
struct trunk {
	const struct trunk_ops *ops;
	struct worker *worker;
	struct list bucket[TRUNK_BUCKETS];
	struct list waiting;
	unsigned int live;
	struct queue tx;
	uint8_t head[TRUNK_HEAD];
	uint16_t head_len, left;
	struct sub *cur;
	bool rx_stall, tx_stall, up, half, answers, ends;
	int err;
};

void trunk_init(struct trunk *t, const struct trunk_ops *ops, struct worker *w);
/*
 * Received bytes. How many were consumed (fewer: stalled, kick() will say when
 * to go on), or -errno: the connection is spoilt
 */
ssize_t trunk_feed(struct trunk *t, const uint8_t *p, size_t n);
static inline bool trunk_stalled(const struct trunk *t)
{
	return t->rx_stall || t->tx_stall;
}
/* The first @n bytes of @tx have left: those who wait may go on */
void trunk_sent(struct trunk *t, size_t n);
/* Queue a frame with @n bytes of data gathered from @iov at *@at. 0, -ENOMEM */
int trunk_put(struct trunk *t, struct mux_frame *f, const struct iovec *iov,
	      int cnt, size_t n);
/* Queue an End. Failure kills nobody: the peer times out */
void trunk_put_end(struct trunk *t, uint16_t id, bool error);
void trunk_put_half_mark(struct trunk *t);
/* The connection stands: tell the subs, once */
void trunk_up(struct trunk *t);
/* All subs end with @err (what they have received can still be read) */
void trunk_kill(struct trunk *t, int err);

struct sub *trunk_find(struct trunk *t, uint16_t id);
void trunk_attach(struct trunk *t, struct sub *s, uint16_t id);
void trunk_detach(struct sub *s);
/* The present sub can take bytes again */
void trunk_resume(struct trunk *t, const struct sub *s);

#endif
