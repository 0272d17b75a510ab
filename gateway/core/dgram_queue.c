/* dgram_queue.c - A bounded queue of payloads, single datagrams or segments */
#include "gateway/core/dgram_queue.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/core/worker.h"

#define QUEUE_FRAMES 1024 /* waiting at one end */
#define QUEUE_BYTES  (1u << 20)
#define ALL_BYTES    (8u << 20) /* at all ends of a listener */

/* @off: bytes taken so far */
struct dgram_frame {
	struct dgram_frame *next;
	struct addr dst;
	size_t len, segment, off;
	uint8_t data[];
};

/* NOLINTNEXTLINE(readability-non-const-parameter): kept, and written through */
void dgram_queue_init(struct dgram_queue *q, struct worker *w, size_t *all)
{
	*q = (struct dgram_queue){ .worker = w, .all = all };
	q->tail = &q->head;
}

static void frames_free(struct dgram_frame *f)
{
	struct dgram_frame *next;

	for (; f; f = next) {
		next = f->next;
		free(f);
	}
}

/* Take the first frame out; it is the caller's */
static struct dgram_frame *queue_pop(struct dgram_queue *q)
{
	struct dgram_frame *f = q->head;

	q->head = f->next;
	if (!q->head)
		q->tail = &q->head;
	q->count--;
	q->bytes -= f->len;
	*q->all -= f->len;
	return f;
}

static void queue_lend(struct dgram_queue *q, struct dgram_frame *f)
{
	f->next = q->lent;
	q->lent = f;
}

static void queue_drop_oldest(struct dgram_queue *q)
{
	struct dgram_frame *f = queue_pop(q);

	worker_drop(q->worker, DROP_UDP_QUEUE);
	if (f->off)
		queue_lend(q, f); /* a part of it was shown */
	else
		free(f);
}

void dgram_queue_put(struct dgram_queue *q, const struct addr *dst,
		     const void *data, size_t len, size_t segment)
{
	struct dgram_frame *f;

	while (q->head &&
	       (q->count >= QUEUE_FRAMES || q->bytes + len > QUEUE_BYTES ||
		*q->all + len > ALL_BYTES))
		queue_drop_oldest(q);
	if (*q->all + len > ALL_BYTES) {
		worker_drop(q->worker, DROP_UDP_QUEUE);
		return;
	}
	f = malloc(sizeof(*f) + len);
	if (!f) {
		worker_drop(q->worker, DROP_NO_MEMORY);
		return;
	}
	*f = (struct dgram_frame){ .dst = *dst,
				   .len = len,
				   .segment = segment };
	if (len)
		memcpy(f->data, data, len);
	*q->tail = f;
	q->tail = &f->next;
	q->count++;
	q->bytes += len;
	*q->all += len;
}

int dgram_queue_recv(struct dgram_queue *q, struct pkt *v, int max)
{
	struct dgram_frame *f;
	int n = 0;

	frames_free(q->lent);
	q->lent = NULL;
	while (n < max && (f = q->head)) {
		size_t take = f->len - f->off;

		if (f->segment && take > f->segment)
			take = f->segment;
		v[n].peer = f->dst;
		v[n].data = f->data + f->off;
		v[n++].len = take;
		f->off += take;
		if (f->off == f->len)
			queue_lend(q, queue_pop(q));
	}
	return n;
}

void dgram_queue_clear(struct dgram_queue *q)
{
	while (q->head)
		free(queue_pop(q));
}

void dgram_queue_free(struct dgram_queue *q)
{
	dgram_queue_clear(q);
	frames_free(q->lent);
	q->lent = NULL;
}
