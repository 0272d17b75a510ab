/*
 * netstack.h - One worker's netstack: a TUN queue, TCP on lwIP, own UDP/ICMP
 *
 * netstack.c reads bursts, parses, and hands to tcp (lw/, one private lwIP copy
 * a worker), udp_end.c, icmp.c, frag.c; all write through tun_send().
 */
#ifndef NETSTACK_NETSTACK_H
#define NETSTACK_NETSTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/core/inbound.h"
#include "gateway/core/ipstack.h"
#include "gateway/core/worker.h"
#include "netstack/packet.h"

struct frag_table;
struct lw;
struct lw_buf;
struct lw_ops;
struct tun_device;
struct udp_table;

/**
 * struct netstack - All of one worker's netstack; embeds the listener
 * @next:	Of the same worker, on another device
 * @fd:		Own duplicate of this worker's queue; -1: the worker has none
 * @sink:	Where packets go instead: @device is NULL (ipstack.c). @user: whose
 *		sessions of a client's address are; NULL: nobody's
 * @timer:	lwIP's next timer; not armed while no flow needs one
 * @buf:	Where the next packet is read to
 * @spare:	Receive buffers kept; @bufs: all in existence; @bufs_max: above
 *		that packets are copied instead of handed over
 * @mtu:	Of the TUN
 * @vnet_hdr:	Frames carry a virtio-net header
 * @tso, @uso:	What the device takes
 * @local_echo:	Answer ICMP echo for any address (else drop)
 * @lw_ops, @lw:	The private lwIP copy
 */
struct netstack {
	struct listener listener; /* must be first */
	struct netstack *next;
	struct worker *worker;
	int fd;
	int (*sink)(void *arg, const struct iovec *iov, int cnt);
	struct ipstack_user (*user)(void *arg, const struct addr *client);
	void *sink_arg; /* of both */
	struct watch watch;
	struct job job; /* reads a burst */
	struct flusher flusher;
	struct timer timer;
	struct tun_device *device;
	struct lw_buf *buf, *spare;
	uint32_t spare_count, bufs, bufs_max;
	uint16_t mtu;
	bool vnet_hdr, tso, uso, local_echo;
	const struct lw_ops *lw_ops;
	struct lw *lw;
	struct udp_table *udp;
	struct frag_table *frag;
	uint32_t icmp_tokens, icmp_ms; /* rate limit of ICMP errors */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/*
 * Write one frame. @vnet is used only when ns->vnet_hdr; without it the caller must
 * have put complete checksums and no super-segments. 0, or -errno (counted as
 * DROP_TUN_WRITE; treat as loss).
 */
int tun_send(struct netstack *ns, const struct vnet *vnet,
	     const struct iovec *iov, int cnt);

/*
 * Without a queue: lwIP, UDP and fragments for worker, mtu, sink and listener.ib
 * (NULL: nobody is let in), and their end. 0 or -ENOMEM
 */
int netstack_stack_start(struct netstack *ns);
void netstack_stack_stop(struct netstack *ns);
/* A whole, checked packet that stays the caller's */
void netstack_input(struct netstack *ns, struct packet *p);

/*
 * tcp_steer.c: a TCP packet whose flow another worker has. True: taken (or counted
 * as lost). @tuple: lwIP's hash of it, the same in every worker
 */
bool tcp_steer(struct netstack *ns, uint64_t tuple, const struct packet *p);
/* A flow of @ns is born: false if another worker has it; it has ended */
bool tcp_steer_claim(struct netstack *ns, uint64_t tuple);
void tcp_steer_ended(struct netstack *ns, uint64_t tuple);
/* @ns may be found by other workers from now on; no more */
void tcp_steer_add(struct netstack *ns);
void tcp_steer_del(struct netstack *ns);

/* udp_end.c: UDP before lwIP */
struct udp_table *udp_table_new(struct netstack *ns);
void udp_table_free(struct udp_table *t);
void udp_input(struct netstack *ns, struct packet *p);

/* icmp.c: echo, and errors built by us (rate limited) */
void icmp_input(struct netstack *ns, struct packet *p);
/* Port unreachable towards @client about a datagram it sent to @dst */
void icmp_unreachable(struct netstack *ns, const struct addr *client,
		      const struct addr *dst);

/*
 * frag.c: reassembly. Takes a fragment (copied); when it completes a datagram:
 * true with *@whole, parsed and checked (memory valid until the next call)
 */
struct frag_table *frag_table_new(struct worker *w);
void frag_table_free(struct frag_table *t);
bool frag_input(struct frag_table *t, const struct packet *p,
		struct packet *whole);

#endif
