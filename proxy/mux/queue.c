/*
 * queue.c - Bytes in order, in chunks that are freed as they are used up
 *
 *	head -> [ used | waits ] -> [ waits ] -> [ waits | free ] <- tail
 *
 * An empty queue holds nothing, so an idle stream costs no buffer.
 */
#include "proxy/mux/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t chunk_free(const struct queue_chunk *c)
{
	return c->cap - c->len;
}

static struct queue_chunk *chunk_new(size_t n)
{
	size_t cap = n < QUEUE_CHUNK_MIN ? QUEUE_CHUNK_MIN : n;
	struct queue_chunk *c;

	if (cap > QUEUE_CHUNK_MAX)
		cap = QUEUE_CHUNK_MAX;
	c = malloc(sizeof(*c) + cap);
	if (!c)
		return NULL;
	c->next = NULL;
	c->off = 0;
	c->len = 0;
	c->cap = (uint32_t)cap;
	return c;
}

int queue_reserve(struct queue *q, size_t n)
{
	struct queue_chunk **end = q->tail ? &q->tail : &q->head;
	size_t room = 0;

	for (; *end; end = &(*end)->next)
		room += chunk_free(*end);
	while (room < n) {
		struct queue_chunk *c = chunk_new(n - room);

		if (!c)
			return -ENOMEM;
		if (!q->head)
			q->head = q->tail = c;
		else
			*end = c;
		end = &c->next;
		room += c->cap;
	}
	return 0;
}

int queue_put(struct queue *q, const void *p, size_t n)
{
	const uint8_t *from = p;

	if (queue_reserve(q, n) < 0)
		return -ENOMEM;
	q->bytes += n;
	while (n > 0 && q->tail) {
		struct queue_chunk *c = q->tail;
		size_t k = chunk_free(c);

		if (k == 0) {
			q->tail = c->next;
			continue;
		}
		k = k < n ? k : n;
		memcpy(c->data + c->len, from, k);
		c->len += (uint32_t)k;
		from += k;
		n -= k;
	}
	return 0;
}

int queue_show(const struct queue *q, struct iovec *iov, int max)
{
	struct queue_chunk *c;
	int n = 0;

	for (c = q->head; c && n < max; c = c->next) {
		if (c->off == c->len)
			continue;
		iov[n].iov_base = c->data + c->off;
		iov[n].iov_len = c->len - c->off;
		n++;
	}
	return n;
}

void queue_drop(struct queue *q, size_t n)
{
	q->bytes -= n;
	if (q->bytes == 0) {
		queue_free(q);
		return;
	}
	while (n > 0) {
		struct queue_chunk *c = q->head;
		size_t k = c->len - c->off;

		if (n < k) {
			c->off += (uint32_t)n;
			return;
		}
		n -= k;
		/* never the tail: bytes are left behind it or in it */
		if (c == q->tail) {
			c->off = c->len;
			return;
		}
		q->head = c->next;
		free(c);
	}
}

size_t queue_read(struct queue *q, const struct iovec *iov, int cnt)
{
	size_t done = 0;

	for (int i = 0; i < cnt && q->bytes; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left && q->bytes) {
			struct iovec from = { NULL, 0 };
			size_t k;

			if (!queue_show(q, &from, 1))
				return done;
			k = from.iov_len < left ? from.iov_len : left;
			memcpy(to, from.iov_base, k);
			queue_drop(q, k);
			to += k;
			left -= k;
			done += k;
		}
	}
	return done;
}

void queue_free(struct queue *q)
{
	struct queue_chunk *c, *next;

	for (c = q->head; c; c = next) {
		next = c->next;
		free(c);
	}
	q->head = q->tail = NULL;
	q->bytes = 0;
}
