/*
 * h1.c - What both ends of HTTP/1 share: heads and bodies over a connection
 *
 *   in    head | body by length, in chunks, or until the end | next head
 *   out   one write is one chunk
 *
 * Source: RFC 9112, 6 and 7
 */
#include "proxy/transport/h1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/room.h"

#define READ_BYTES  65536u
#define CHUNK_BYTES 65536u /* payload of one of ours */
#define CHUNK_HEAD  16u

static void room_free(void *room)
{
	struct h1_room *r = room;
	struct list *p, *n;

	list_for_each_safe (p, n, &r->idle)
		h1_idle_free(p);
	list_for_each_safe (p, n, &r->serving)
		h1_conn_free(p);
	free(r);
}

struct h1_room *h1_room(struct worker *w)
{
	struct h1_room *r = w->rooms[ROOM_H1];

	if (r)
		return r;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	list_init(&r->idle);
	list_init(&r->serving);
	r->idle_count = 0;
	w->rooms[ROOM_H1] = r;
	w->room_free[ROOM_H1] = room_free;
	return r;
}

/* --- receiving --- */

static void in_drop(struct h1 *h)
{
	if (h->in && !h->in->len) { /* waiting costs no buffer */
		buf_free(h->in);
		h->in = NULL;
	}
}

/* Space behind what is in @in. 0 or -errno */
static int in_room(struct h1 *h, size_t most)
{
	struct buf *b = h->in;

	if (b && buf_space(b))
		return 0;
	if (b && b->len >= most)
		return -EPROTO;
	b = buf_new(most);
	if (!b)
		return -ENOMEM;
	if (h->in)
		buf_put(b, buf_head(h->in), h->in->len);
	buf_free(h->in);
	h->in = b;
	return 0;
}

ssize_t h1_fill(struct h1 *h, size_t most)
{
	ssize_t n;
	int rc;

	if (h->below_eof)
		return 0;
	stream_shed(&h->s.below);
	rc = in_room(h, most);
	if (rc < 0)
		return rc;
	n = stream_read(h->s.below, buf_tail(h->in), buf_space(h->in));
	if (n > 0)
		h->in->len += (uint32_t)n;
	h->below_eof |= n == 0;
	in_drop(h);
	return n == -EAGAIN && h->tx_err ? h->tx_err : n;
}

int h1_sort(struct h1 *h)
{
	size_t n = h->in ? h->in->len - h->ready : 0, used;
	uint8_t *p;
	ssize_t got;

	h->eof |= !h->in_end && h->body.state == BODY_DONE;
	if (!n || h->eof)
		return 0;
	if (h->in_end) {
		h->ready = h->in->len;
		return 0;
	}
	p = buf_head(h->in) + h->ready;
	got = http_body_data(&h->body, p, n, &used);
	if (got < 0)
		return h->err = (int)got;
	memmove(p + got, p + used, n - used);
	h->in->len -= (uint32_t)(used - (size_t)got);
	h->ready += (size_t)got;
	h->eof = h->body.state == BODY_DONE;
	in_drop(h);
	return 0;
}

/* The connection ended. 0 in order, -errno */
static ssize_t ended(struct h1 *h)
{
	if (!h->in_end || h->tx_err) /* it did not end, it broke */
		return h->err = h->tx_err ? h->tx_err : -ECONNRESET;
	h->eof = true;
	return 0;
}

/* Whatever comes is another request's, or of no matter any more */
static bool is_over(const struct h1 *h)
{
	return h->eof && (h->keep || (h->server && h->fin_sent));
}

/* Nothing more is to come: did it break? 0 or -errno */
static int probe(struct h1 *h)
{
	uint8_t byte;
	ssize_t n;

	if (is_over(h))
		return 0;
	stream_shed(&h->s.below);
	n = stream_read(h->s.below, &byte, 1);
	if (n >= 0 && (n > 0 || h->server))
		n = n ? -EPROTO : -ECONNRESET;
	if (n < 0 && n != -EAGAIN)
		h->err = (int)n;
	return h->err;
}

ssize_t h1_lend(struct h1 *h, struct iovec *iov, int *cnt)
{
	while (!h->in || !h->ready) {
		ssize_t n;

		if (h->eof)
			return probe(h);
		if (h->err)
			return h->err;
		n = h1_fill(h, READ_BYTES);
		if (n == 0)
			return ended(h);
		if (n == -EAGAIN)
			return n;
		if (n < 0)
			return h->err = (int)n;
		if (h1_sort(h) < 0)
			return h->err;
	}
	iov->iov_base = buf_head(h->in);
	iov->iov_len = h->ready;
	*cnt = 1;
	return (ssize_t)h->ready;
}

void h1_took(struct h1 *h, size_t n)
{
	buf_drop(h->in, n);
	h->ready -= n;
	in_drop(h);
}

ssize_t h1_readv(struct h1 *h, const struct iovec *iov, int cnt)
{
	struct iovec lent = { 0 };
	int one = 1;
	ssize_t n = h1_lend(h, &lent, &one);
	size_t did = 0;

	if (n <= 0)
		return n;
	for (int i = 0; i < cnt && did < lent.iov_len; i++) {
		size_t k = iov[i].iov_len;

		if (k > lent.iov_len - did)
			k = lent.iov_len - did;
		if (k)
			memcpy(iov[i].iov_base, (uint8_t *)lent.iov_base + did,
			       k);
		did += k;
	}
	if (did)
		h1_took(h, did);
	return (ssize_t)did;
}

/* --- sending --- */

/* Nothing can be written any more: what waits is lost. What was received is not */
static int write_fail(struct h1 *h, int err)
{
	h->tx_err = err;
	buf_free(h->out);
	h->out = NULL;
	return err;
}

int h1_say(struct h1 *h, const char *text, size_t n)
{
	size_t have = h->out ? h->out->len : 0;
	struct buf *b = buf_new(have + n);

	if (!b)
		return h->err = -ENOMEM;
	if (have)
		buf_put(b, buf_head(h->out), have);
	buf_put(b, text, n);
	buf_free(h->out);
	h->out = b;
	return 0;
}

int h1_flush(struct h1 *h)
{
	int rc;

	stream_shed(&h->s.below);
	rc = h->tx_err ? h->tx_err : keep_flush(&h->out, h->s.below);
	return rc < 0 && rc != -EAGAIN ? write_fail(h, rc) : rc;
}

/* As much of @iov as goes into one chunk, side by side at @p. Bytes */
static size_t gather(uint8_t *p, size_t most, const struct iovec *iov, int cnt)
{
	size_t n = 0;

	for (int i = 0; i < cnt && n < most; i++) {
		size_t k =
			iov[i].iov_len < most - n ? iov[i].iov_len : most - n;

		if (k)
			memcpy(p + n, iov[i].iov_base, k);
		n += k;
	}
	return n;
}

/* One chunk, or a piece of the body as it is. Bytes of payload, -errno */
static ssize_t put_some(struct h1 *h, uint8_t *b, const struct iovec *iov,
			int cnt)
{
	size_t most = CHUNK_BYTES, n, head = 0, tail = 0;
	static const uint8_t end[2] = { '\r', '\n' };
	char text[CHUNK_HEAD];
	int rc;

	if (h->how == H1_LENGTH && most > h->left)
		most = (size_t)h->left;
	n = gather(b + CHUNK_HEAD, most, iov, cnt);
	if (!n)
		return -EPIPE; /* more than was said */
	if (h->how == H1_CHUNKED) {
		head = (size_t)snprintf(text, sizeof(text), "%zx\r\n", n);
		memcpy(b + CHUNK_HEAD - head, text, head);
		memcpy(b + CHUNK_HEAD + n, end, sizeof(end));
		tail = sizeof(end);
	} else if (h->how == H1_LENGTH) {
		h->left -= n;
	}
	rc = keep_put(&h->out, h->s.below, b + CHUNK_HEAD - head,
		      head + n + tail);
	return rc < 0 ? rc : (ssize_t)n;
}

ssize_t h1_writev(struct h1 *h, const struct iovec *iov, int cnt)
{
	struct layer_room *r = layer_room(h->worker);
	size_t n = 0;
	uint8_t *b;
	ssize_t rc;

	if (h->err)
		return h->err;
	rc = h1_flush(h);
	if (rc < 0)
		return rc;
	for (int i = 0; i < cnt; i++)
		n += iov[i].iov_len;
	if (!n)
		return 0;
	if (h->fin || h->how == H1_NOTHING)
		return -EPIPE;
	b = r ? pool_get(&r->out) : NULL;
	if (!b)
		return write_fail(h, -ENOMEM);
	rc = put_some(h, b, iov, cnt);
	pool_put(&r->out, b);
	return rc < 0 ? write_fail(h, (int)rc) : rc;
}

int h1_finish(struct h1 *h)
{
	int rc = h1_write_err(h);

	if (h->fin_sent)
		return 0;
	if (!rc && !h->fin && h->how == H1_CHUNKED)
		rc = h1_say(h, "0\r\n\r\n", 5);
	if (!rc && h->how == H1_LENGTH && h->left)
		rc = write_fail(h, -EPIPE);
	if (rc < 0)
		return rc;
	h->fin = true;
	rc = h1_flush(h);
	if (!rc && h->how == H1_UNTIL_END)
		rc = h->s.below->ops->finish(h->s.below);
	h->fin_sent = !rc;
	return rc;
}

void h1_want(struct h1 *h, unsigned int events)
{
	if ((events & ST_READ && h->ready) ||
	    (events & ST_WRITE && !h->out && h->err) || (events && h->tx_err))
		job_ready(h->s.job);
	if (h->out)
		events |= ST_WRITE;
	if (is_over(h))
		events &= ~(unsigned int)ST_READ;
	h->s.below->ops->want(h->s.below, events);
}

/* --- life --- */

void h1_drop_buffers(struct h1 *h)
{
	buf_free(h->in);
	buf_free(h->out);
	h->in = h->out = NULL;
	h->ready = 0;
}
