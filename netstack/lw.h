/*
 * lw.h - The TCP half of a netstack, as the rest of the room sees it
 *
 * Behind it (netstack/lw/) are our glue and lwIP. lwIP has global state, so the
 * whole object is copied once a worker, with names of its own; the rest sees
 * its struct lw_ops. One copy serves all stacks of its worker, and no other
 * thread: each call first loads what is global of its stack.
 */
#ifndef NETSTACK_LW_H
#define NETSTACK_LW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "netstack/packet.h"

struct lw;
struct stream;
struct worker;

#define LW_TICK_MS 50 /* lwIP's slow timer; see netstack/lw/lwipopts.h */

/**
 * struct lw_buf - A receive buffer that can be handed over without a copy
 * @head:	lwIP's, while it holds the buffer
 * @data:	The packet starts here
 */
struct lw_buf {
	_Alignas(16) uint8_t head[64];
	uint8_t data[];
};

/**
 * struct lw_conf - What a stack needs from its surroundings
 * @super:	The device segments and sums for us: send super-segments
 * @send:	As tun_send(). The header of @iov has complete sums if @vnet does
 *		not say csum_partial
 * @accept:	A handshake is complete. 0: the stream is taken; -errno: reset.
 *		NULL: nobody is let in, the stack only connects
 * @buf_free:	A handed over buffer comes back
 * @wake:	next_timer() has something to say where it was silent before
 * @elsewhere:	Another worker has the flow of this packet, which is unknown
 *		here: true when it was taken. NULL with the next two: one queue
 * @claim:	A flow is born: false if another worker has it meanwhile
 * @ended:	It is gone. @tuple: hash of its addresses and ports
 * @flow_max:	Flows of any state
 * @half_open_max:	Of these, handshakes; @half_open_source_max: of one source.
 *		More are answered without keeping them (SYN cookies)
 * @secret:	Of our sequence numbers; the same in every worker
 */
struct lw_conf {
	struct worker *worker;
	uint16_t mtu;
	bool super;
	int (*send)(void *arg, const struct vnet *vnet, const struct iovec *iov,
		    int cnt);
	int (*accept)(void *arg, struct stream *s, const struct addr *client,
		      const struct addr *dest);
	void (*buf_free)(void *arg, struct lw_buf *b);
	void (*wake)(void *arg);
	bool (*elsewhere)(void *arg, uint64_t tuple, const struct packet *p);
	bool (*claim)(void *arg, uint64_t tuple);
	void (*ended)(void *arg, uint64_t tuple);
	void *arg; /* of these calls */
	uint32_t flow_max, half_open_max, half_open_source_max;
	uint64_t secret[2];
};

struct lw_stats {
	uint32_t flows, half_open, buckets, hot_buckets;
	uint64_t accepted, recoveries, hole_resends, asserts;
};

/**
 * struct lw_ops - All that a copy shows
 * @new:	NULL: out of memory
 * @free:	Resets every flow; streams still held answer -ENETDOWN
 * @connect:	A flow of our own, from @from (address and port) to @to. 0 with
 *		*@out; -EADDRINUSE: another port, please; -errno. The stream is usable
 *		from birth, as all are
 * @input:	A checked TCP packet. @buf: the buffer it lies in; true: kept,
 *		the caller needs another one
 * @flush:	Once a tick: send what was written, and due acknowledgements
 * @tick:	When next_timer() has said 0
 * @next_timer:	ms until tick() has something to do; -1: nothing is waiting
 */
struct lw_ops {
	struct lw *(*new)(const struct lw_conf *conf);
	void (*free)(struct lw *lw);
	int (*connect)(struct lw *lw, const struct addr *from,
		       const struct addr *to, struct stream **out);
	bool (*input)(struct lw *lw, const struct packet *p,
		      struct lw_buf *buf);
	void (*flush)(struct lw *lw);
	void (*tick)(struct lw *lw);
	int (*next_timer)(const struct lw *lw);
	void (*stats)(const struct lw *lw, struct lw_stats *out);
};

extern const struct lw_ops lw_ops; /* inside the copied object only */
/* build/lw_table.c: the copies; that of worker i is lw_table[i] */
extern const struct lw_ops *const lw_table[];
extern const unsigned lw_table_len;

#endif
