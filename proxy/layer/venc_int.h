/* venc_int.h - The layer's state, shared by its handshake and its records */
#ifndef PROXY_LAYER_VENC_INT_H
#define PROXY_LAYER_VENC_INT_H

#include "gateway/base/timer.h"
#include "proxy/layer/chunk.h"
#include "proxy/layer/venc.h"

/**
 * enum venc_step - What is awaited from the other side
 *
 * VENC_DIAL	nothing: the hello has not been made
 * VENC_FRONT	a client's relays and length; @need bytes, as in all that follow
 * VENC_TICKET	a client's ticket
 * VENC_ASK	a client's keys
 * VENC_PADLEN	the length of a client's padding
 * VENC_PADDING	that padding
 * VENC_ANSWER	a server's keys, its ticket and the length of its padding
 * VENC_MUTE	a client without the keys: all is swallowed
 * VENC_DONE	nothing: chunks
 */
enum venc_step {
	VENC_DIAL,
	VENC_FRONT,
	VENC_TICKET,
	VENC_ASK,
	VENC_PADLEN,
	VENC_PADDING,
	VENC_ANSWER,
	VENC_MUTE,
	VENC_DONE,
};

/**
 * struct venc - The layer
 * @chunk_ops:	The stream's, once the handshake is over
 * @conf, @known:	Borrowed; @known NULL: a server, or a client without tickets
 * @k:		Until its secrets are in @tx and @rx; owned
 * @ticket:	A client's that goes with @resume
 * @resume:	0-RTT; @answered: then the other side's first record opened
 * @in:		What was read of @need bytes; NULL none
 * @skip:	A client: bytes of the server's padding, sealed
 * @say:	What is to be said; NULL nothing. @plan, @at: in which pieces
 * @first:	A server's @first_len bytes before its first record
 * @heads:	VENC_RANDOM, of which a direction is bare: what is below then; its own
 */
struct venc {
	struct chunk c; /* must be first */
	const struct stream_ops *chunk_ops;
	const struct venc_conf_key *conf;
	struct venc_known_key *known;
	struct venc_shake_key *k;
	struct venc_ticket_key ticket;
	struct venc_dir_key tx, rx;
	enum venc_step step;
	bool resume, answered;
	struct buf *in, *say;
	size_t need;
	uint32_t skip;
	struct venc_plan plan;
	unsigned int at;
	struct timer gap;
	uint8_t first[VENC_RANDOM_BYTES];
	uint8_t first_len;
	struct stream *heads;
};

static inline struct venc *venc_of(struct chunk *c)
{
	return container_of(c, struct venc, c);
}

/* What the handshake's secrets become; they are wiped */
void venc_take_keys(struct venc *v);
void venc_keys_drop(struct venc *v);
/* Until the handshake is over */
extern const struct stream_ops venc_shake_ops;

#endif
