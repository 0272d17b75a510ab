/* sub.h - One session of a Mux.cool connection: as a stream, or as a dgram */
#ifndef PROXY_MUX_SUB_H
#define PROXY_MUX_SUB_H

#include <stdatomic.h>

#include "gateway/base/htab.h"
#include "gateway/base/timer.h"
#include "gateway/core/dgram.h"
#include "gateway/core/stream.h"
#include "proxy/mux/queue.h"
#include "proxy/mux/trunk.h"

#define SUB_RX_MAX   (256u << 10) /* then the whole connection waits */
#define SUB_RX_LOW   (128u << 10)
#define SUB_QUIET_MS 500u /* see sub.c: a half close that may cut */
#define SUB_PKTS     64 /* datagrams that wait; then the oldest goes */
#define SUB_PKT_MAX  (256u << 10) /* bytes of them */

/**
 * struct sub_ops - What a kind of sub does
 * @begin:	A frame with data for it starts. False: its data is not wanted
 * @take:	Data of the frame. How many bytes it has room for
 * @wake:	Readiness (ST_READ, ST_WRITE) has come
 */
struct sub_ops {
	bool (*begin)(struct sub *s, const struct mux_frame *f);
	size_t (*take)(struct sub *s, const uint8_t *p, size_t n);
	void (*wake)(struct sub *s, unsigned int events);
};

/**
 * struct sub - What streams and dgrams have in common
 * @trunk:	NULL: the connection has gone, or the session is over
 * @opened:	New was sent (client) or received (server)
 * @end_sent:	No more data from here
 * @peer_end:	No more data from there
 * @reset:	It ended by an End frame with the error bit
 * @eof_told:	The end was read
 * @server:	Born of a New frame
 * @from, @at:	Sender: both ends, for the New frame; kind NONE: not told
 * @err:	Final -errno, after what was received; 0
 */
struct sub {
	const struct sub_ops *ops;
	struct trunk *trunk;
	struct list in_bucket, in_waiting;
	uint16_t id;
	uint8_t want;
	bool opened, end_sent, peer_end, reset, eof_told, server;
	struct addr from, at;
	int err;
};

/* trunk.c: the peer's End, the connection's end */
void sub_peer_end(struct sub *s, bool error);
void sub_lost(struct sub *s, int err);
/* Readiness @events, if wanted */
void sub_wake(struct sub *s, unsigned int events);
/* May it queue data now? Else it is on the list of those who wait */
bool sub_may_send(struct sub *s);
/* Tell the peer that it is over, and leave the connection */
void sub_leave(struct sub *s, bool error);

/**
 * struct sub_stream - A TCP session
 * @s:		What its owner sees
 * @rx:		Received, not yet read
 * @target:	Client: for the New frame; the name is the session's
 * @timer:	A half close waits for the download to be quiet
 * @rx_ms:	When the last bytes came
 */
struct sub_stream {
	struct stream s;
	struct sub sub;
	struct queue rx;
	struct addr target;
	struct timer timer;
	uint32_t rx_ms;
};

/* On @t with @id. @target: client's side; NULL: it was born of a New frame */
struct sub_stream *sub_stream_new(struct trunk *t, uint16_t id,
				  const struct addr *target);

#define SUB_HOLD_MS 60000u /* an XUDP session without a connection */

/* A datagram that waits; its payload follows, then its peer's name */
struct sub_pkt {
	struct sub_pkt *next;
	struct addr peer;
	uint16_t len, got;
	uint8_t data[];
};

/**
 * struct sub_dgram - A UDP session
 * @d:		What its owner sees: a leg, or the inbound end of a map
 * @rx, @rx_tail, @rx_count, @rx_bytes:	Received, whole
 * @part:	Being received; NULL none
 * @given:	Handed out by the last recv
 * @target:	Of the New frame, with its own copy of the name in @name
 * @global:	XUDP's id; all zero: none
 * @node:	In the table of global ids
 * @held:	It outlives its connection for SUB_HOLD_MS (server, XUDP); then
 *		@hold is due, whose function is the owner's
 * @plain:	Client: set when the server turns out to know no XUDP; NULL
 * @mixed:	Packets went to more than one destination
 * @gone:	Hook of the owner, called by close; NULL none
 */
struct sub_dgram {
	struct dgram d;
	struct sub sub;
	struct worker *worker;
	struct sub_pkt *rx, **rx_tail, *part, *given;
	unsigned int rx_count;
	size_t rx_bytes;
	struct addr target;
	char *name;
	uint8_t global[8];
	struct hnode node;
	struct timer hold;
	bool held, mixed;
	atomic_bool *plain;
	void (*gone)(struct sub_dgram *d);
	void *owner;
};

/* As sub_stream_new(); @target may be NULL on the client's side: first packet's */
struct sub_dgram *sub_dgram_new(struct trunk *t, uint16_t id,
				const struct addr *target, bool server);
/* One that is held goes on on another connection */
void sub_dgram_move(struct sub_dgram *d, struct trunk *t, uint16_t id);

#endif
