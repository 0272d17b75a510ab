/* tube.h - Packets inside a stream */
#ifndef PROXY_LAYER_TUBE_H
#define PROXY_LAYER_TUBE_H

#include "gateway/base/buf.h"
#include "gateway/core/dgram.h"
#include "gateway/core/stream.h"
#include "proxy/wire/addr_wire.h"

#define TUBE_WAIT_BYTES (64u << 10) /* packets that wait for the stream */

/**
 * struct tube_ops - How packets lie in the stream
 * @encode:	Bytes written, -ENOBUFS, or -EINVAL: cannot be carried
 * @decode:	Bytes consumed with one packet, 0 more are needed, -EPROTO;
 *		out->peer of kind NONE: the tube's fixed peer
 * Both NULL: the stream is a chunk layer, and each chunk is a packet of at most
 * @max bytes
 */
struct tube_ops {
	ssize_t (*encode)(const struct wire_packet *pk, uint8_t *out,
			  size_t room);
	ssize_t (*decode)(const uint8_t *p, size_t n, struct wire_packet *out);
	size_t max;
};
extern const struct tube_ops tube_trojan, tube_vless, tube_vmess;

struct tube_wait;

/**
 * struct tube - One stream with packets in it
 * @s:		Owned
 * @peer:	Of all packets, when they carry no address
 * @rx, @tx:	Part of a packet received; rest of packets to be sent. NULL: none
 * @head, @tail, @wait_bytes:	Whole packets that wait, the oldest first
 * @lent:	Bytes shown by the last recv (chunks)
 * @tx_err:	-errno of sending, which recv tells when it has nothing more; 0
 */
struct tube {
	struct stream *s;
	const struct tube_ops *ops;
	struct worker *worker;
	struct addr peer;
	struct buf *rx, *tx;
	struct tube_wait *head, **tail;
	size_t wait_bytes, lent;
	int tx_err;
};

void tube_init(struct tube *t, const struct tube_ops *ops, struct worker *w,
	       struct stream *s);
/* >0 packets, 0 end of stream, -EAGAIN, -errno */
int tube_recv(struct tube *t, struct pkt *v, int max);
/* Takes all: what cannot go waits, or is dropped when too much waits */
void tube_send(struct tube *t, const struct pkt *v, int n);
/* Send what waits */
void tube_flush(struct tube *t);
void tube_want(struct tube *t, struct job *j);
void tube_close(struct tube *t, int why);

#endif
