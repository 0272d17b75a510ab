/*
 * lw_peer.h - A TCP client made of raw packets, on a stack without a TUN
 *
 * Packets are built, checked by packet_parse() and given to the stack's input;
 * what the stack sends is captured. Time is the worker's clock, moved by hand.
 */
#ifndef TESTS_UNIT_LW_PEER_H
#define TESTS_UNIT_LW_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/stream.h"
#include "gateway/core/worker.h"
#include "netstack/lw.h"

enum { F_FIN = 1, F_SYN = 2, F_RST = 4, F_PSH = 8, F_ACK = 16 };

/* A captured segment */
struct seg {
	struct addr src, dst;
	uint8_t flags;
	uint32_t seq, ack, wnd, len;
	uint16_t ip_id; /* of IPv4 */
	bool ip_df;
	struct vnet vnet;
	uint8_t options[40];
	uint8_t option_len;
	uint8_t *data; /* owned by the peer */
};

/* A stream the stack gave to accept() */
struct accepted {
	struct stream *stream;
	struct addr client, dest;
	struct job job; /* wakes only */
	unsigned int wakes;
};

#define PEER_SEGS     16384
#define PEER_ACCEPTED 4096

struct peer {
	struct worker w;
	const struct lw_ops *ops;
	struct lw *lw;
	struct lw_conf conf;
	unsigned int seg_count, seg_read, acc_count;
	bool refuse; /* accept() sheds */
	/* other workers: they have the flow of the packet; took it; claims */
	bool theirs, raced;
	unsigned int taken, claims, ends;
	uint64_t tuple; /* of the last of these calls */
	unsigned int bufs_out; /* handed over and not given back */
	bool v6;
	struct seg segs[PEER_SEGS];
	struct accepted acc[PEER_ACCEPTED];
};

/* One client flow */
struct client {
	struct peer *p;
	struct addr src, dst;
	uint32_t seq, ack;
	uint16_t wnd;
};

void peer_up(struct peer *p, const struct lw_ops *ops, bool super, bool v6);
void peer_down(struct peer *p);
/* Move the clock in steps of 10 ms; timers and flush run */
void peer_wait(struct peer *p, uint32_t ms);
/* Next captured segment, NULL when there is none */
struct seg *peer_next(struct peer *p);
void peer_forget(struct peer *p);

struct client client_make(struct peer *p, uint16_t port);
/* Options are padded by the caller */
void client_send_opt(struct client *c, uint8_t flags, const void *options,
		     size_t option_len, const void *data, size_t len);
/* seq moves on by what was sent */
void client_send(struct client *c, uint8_t flags, const void *data, size_t len);
/* Three-way handshake; the accepted stream, or NULL */
struct accepted *client_open(struct client *c);
/* Take every data segment for this client, acknowledge; bytes received */
size_t client_collect(struct client *c, uint8_t *out, size_t max, bool *fin);

#endif
