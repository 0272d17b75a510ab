/* queue.h - Bytes in order, in chunks that are freed as they are used up */
#ifndef PROXY_MUX_QUEUE_H
#define PROXY_MUX_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define QUEUE_CHUNK_MIN 2048u
#define QUEUE_CHUNK_MAX 16384u

/**
 * struct queue_chunk - Bytes [off, len) wait, [len, cap) are free
 */
struct queue_chunk {
	struct queue_chunk *next;
	uint32_t off, len, cap;
	uint8_t data[];
};

/**
 * struct queue - Zero is an empty queue, which holds no memory
 * @tail:	The chunk being filled; empty reserved ones may follow it
 */
struct queue {
	struct queue_chunk *head, *tail;
	size_t bytes;
};

/* So that the next @n bytes put cannot fail. 0 or -ENOMEM */
int queue_reserve(struct queue *q, size_t n);
/* All of it or nothing. 0 or -ENOMEM */
int queue_put(struct queue *q, const void *p, size_t n);
/* Show the bytes in place. How many places were used, at most @max */
int queue_show(const struct queue *q, struct iovec *iov, int max);
/* Forget the first @n bytes (not more than there are) */
void queue_drop(struct queue *q, size_t n);
/* Copy out and forget at most what @iov holds. Bytes */
size_t queue_read(struct queue *q, const struct iovec *iov, int cnt);
void queue_free(struct queue *q);

#endif
