/*
 * dgram_queue.h - Datagrams a client sent, until the map's job takes them
 *
 * Every inbound UDP end has one: it holds what came in one turn of the worker.
 * It is bounded, and the oldest goes first; an empty one holds no memory.
 */
#ifndef GATEWAY_CORE_DGRAM_QUEUE_H
#define GATEWAY_CORE_DGRAM_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/core/dgram.h"

struct dgram_frame;
struct worker;

/**
 * struct dgram_queue - One end's waiting datagrams
 * @worker:	Counts what is dropped
 * @all:	Bytes in all queues of the same listener; outlives the queue's content
 * @lent:	Frames whose bytes the last recv showed
 */
struct dgram_queue {
	struct worker *worker;
	size_t *all;
	struct dgram_frame *head, **tail, *lent;
	uint32_t count;
	size_t bytes;
};

void dgram_queue_init(struct dgram_queue *q, struct worker *w, size_t *all);
/*
 * Copy a payload for @dst: one datagram, or several of @segment bytes (the last
 * may be shorter; 0: one). Drops the oldest, or the new one, when full.
 */
void dgram_queue_put(struct dgram_queue *q, const struct addr *dst,
		     const void *data, size_t len, size_t segment);
/* As dgram_ops.recv, but 0 when there is nothing */
int dgram_queue_recv(struct dgram_queue *q, struct pkt *v, int max);
/* Forget what waits; what was shown stays until the next recv or free */
void dgram_queue_clear(struct dgram_queue *q);
void dgram_queue_free(struct dgram_queue *q);

#endif
