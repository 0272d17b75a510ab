/* dgram.h - One end of a datagram exchange: socket, netstack mapping, or a layer */
#ifndef GATEWAY_CORE_DGRAM_H
#define GATEWAY_CORE_DGRAM_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/core/job.h"

#define DGRAM_MAX   65507 /* payload bytes of the biggest datagram */
#define DGRAM_BATCH 64 /* packets a call: what one UDP_GRO message can hold */
#define DGRAM_TRIES 4 /* batches of which a layer keeps nothing, a call */

/**
 * struct pkt - One datagram
 * @peer:	recv: from whom (on an inbound end: to where the client sent it);
 *		send: to whom (on an inbound end: the source the client shall see)
 * @data:	Payload, may be NULL when @len is 0
 * @len:	Payload bytes, 0 to DGRAM_MAX; an empty datagram is a datagram
 *
 * After recv the memory is valid (and may be written to) until the next recv on
 * any dgram of the worker: kernel sockets share one set of buffers.
 */
struct pkt {
	struct addr peer;
	uint8_t *data;
	size_t len;
};

struct dgram;

/**
 * struct dgram_ops - What any datagram end can do; no call blocks
 * @recv:	Fills up to @max packets. >0 how many, -EAGAIN, -errno final
 * @send:	>0 how many were taken; the rest may be dropped by the caller.
 *		-EAGAIN: not connected yet or full; -errno final
 * @want:	As of a stream
 * @close:	Release; the caller forgets the pointer
 * @reject:	Inbound ends: tell the client that @peer takes no datagrams (ICMP
 *		port unreachable). NULL: cannot
 */
struct dgram_ops {
	const char *name;
	int (*recv)(struct dgram *d, struct pkt *v, int max);
	int (*send)(struct dgram *d, const struct pkt *v, int n);
	void (*want)(struct dgram *d, unsigned int events);
	void (*close)(struct dgram *d);
	void (*reject)(struct dgram *d, const struct addr *peer);
};

struct dgram {
	const struct dgram_ops *ops;
	struct dgram *below;
	struct job *job;
};

/**
 * dgram_pass() - The end of a layer's send: its packets go to the level below
 * @out, @count:	What became of the first @used of the caller's
 * @at:		Of which of them out[i] is made; those between are lost
 *
 * Return: how many of the caller's are done with (a full socket took some: the
 * others are sent later), or -errno
 */
static inline int dgram_pass(struct dgram *below, const struct pkt *out,
			     int count, const int *at, int used)
{
	int rc = count ? below->ops->send(below, out, count) : 0;

	return rc < 0 ? rc : rc && rc < count ? at[rc] : used;
}

/* @j is marked ready from now on (from the next want), by all layers */
static inline void dgram_set_job(struct dgram *d, struct job *j)
{
	for (; d; d = d->below)
		d->job = j;
}

#endif
