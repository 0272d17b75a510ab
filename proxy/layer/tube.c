/*
 * tube.c - Packets inside a stream: trojan, vless, vmess
 *
 *   send: encoded side by side in the worker's memory, one write below
 *   recv: one read below, decoded where they lie; the part of a packet that is
 *	   left waits in a buffer of its size
 *
 * A datagram end may lose packets, never delay the others for ever: what the
 * stream does not take waits, bounded, and the oldest are dropped.
 */
#include "proxy/layer/tube.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/room.h"
#include "proxy/wire/trojan.h"
#include "proxy/wire/vless.h"
#include "proxy/wire/vmess_body.h"

struct tube_wait {
	struct tube_wait *next;
	struct addr peer;
	size_t len;
	char name[256];
	uint8_t data[];
};

/* --- how they lie -------------------------------------------------------------- */

static ssize_t vless_put(const struct wire_packet *pk, uint8_t *out,
			 size_t room)
{
	return vless_packet_encode(pk->data, pk->len, out, room);
}

static ssize_t vless_get(const uint8_t *p, size_t n, struct wire_packet *out)
{
	out->peer.kind = ADDR_NONE;
	return vless_packet_decode(p, n, &out->data, &out->len);
}

const struct tube_ops tube_trojan = { trojan_packet_encode,
				      trojan_packet_decode, TROJAN_PACKET_MAX };
const struct tube_ops tube_vless = { vless_put, vless_get, DGRAM_MAX };
const struct tube_ops tube_vmess = { NULL, NULL, VMESS_PACKET_MAX };

/* --- what waits ---------------------------------------------------------------- */

static void wait_pop(struct tube *t)
{
	struct tube_wait *x = t->head;

	t->head = x->next;
	if (!t->head)
		t->tail = &t->head;
	t->wait_bytes -= x->len;
	free(x);
}

static void wait_push(struct tube *t, const struct pkt *p)
{
	struct tube_wait *x;

	while (t->head && t->wait_bytes + p->len > TUBE_WAIT_BYTES) {
		worker_drop(t->worker, DROP_UDP_QUEUE);
		wait_pop(t);
	}
	x = malloc(sizeof(*x) + p->len);
	if (!x) {
		worker_drop(t->worker, DROP_NO_MEMORY);
		return;
	}
	x->next = NULL;
	x->peer = p->peer;
	if (p->peer.kind == ADDR_NAME) {
		memcpy(x->name, p->peer.name, p->peer.len);
		x->name[p->peer.len] = '\0';
		x->peer.name = x->name;
	}
	x->len = p->len;
	if (p->len)
		memcpy(x->data, p->data, p->len);
	*t->tail = x;
	t->tail = &x->next;
	t->wait_bytes += p->len;
}

/* --- sending ------------------------------------------------------------------- */

/* @n bytes of whole packets. 0 all taken, -EAGAIN none, -errno */
static int put_bytes(struct tube *t, const uint8_t *p, size_t n)
{
	ssize_t put = stream_write(t->s, p, n);

	if (put < 0)
		return (int)put;
	if ((size_t)put == n)
		return 0;
	t->tx = buf_new(n - (size_t)put);
	return t->tx ? buf_put(t->tx, p + put, n - (size_t)put) : -ENOMEM;
}

/* Bytes at @out; 0: this one cannot be carried, and is lost */
static size_t encode(struct tube *t, const struct pkt *p, uint8_t *out,
		     size_t room)
{
	struct wire_packet pk = { .peer = p->peer,
				  .data = p->data,
				  .len = p->len };
	ssize_t n =
		p->len > t->ops->max ? -EINVAL : t->ops->encode(&pk, out, room);

	if (n == -EINVAL)
		worker_drop(t->worker, DROP_UDP_SEND);
	return n > 0 ? (size_t)n : 0;
}

/* As many of @v as fit one call. How many are done with, -EAGAIN, -errno */
static int send_bytes(struct tube *t, const struct pkt *v, int n)
{
	struct layer_room *r = layer_room(t->worker);
	size_t used = 0, longest = ADDR_WIRE_MAX + 4;
	int i = 0, rc;

	if (!r)
		return -ENOMEM;
	for (; i < n && used + longest + v[i].len <= sizeof(r->tx); i++)
		used += encode(t, &v[i], r->tx + used, sizeof(r->tx) - used);
	rc = used ? put_bytes(t, r->tx, used) : 0;
	return rc < 0 ? rc : i;
}

/* One packet, one chunk. 1, -EAGAIN, -errno */
static int send_chunk(struct tube *t, const struct pkt *p)
{
	ssize_t n;

	if (!p->len || p->len > t->ops->max) {
		worker_drop(t->worker, DROP_UDP_SEND);
		return 1;
	}
	n = stream_write(t->s, p->data, p->len);
	return n < 0 ? (int)n : 1;
}

static int send_some(struct tube *t, const struct pkt *v, int n)
{
	return t->ops->encode ? send_bytes(t, v, n) : send_chunk(t, v);
}

/* The stream takes no more: packets are lost, and recv tells when it has no more */
static void send_failed(struct tube *t, int err)
{
	t->tx_err = err;
	buf_free(t->tx);
	t->tx = NULL;
	while (t->head) {
		worker_drop(t->worker, DROP_UDP_SEND);
		wait_pop(t);
	}
	job_ready(t->s->job);
}

/* 0, -EAGAIN, -errno */
static int flush(struct tube *t)
{
	int rc = keep_flush(&t->tx, t->s);

	while (!rc && t->head) {
		struct pkt p = { .peer = t->head->peer,
				 .data = t->head->data,
				 .len = t->head->len };

		rc = send_some(t, &p, 1);
		if (rc < 0)
			break;
		wait_pop(t);
		rc = keep_flush(&t->tx, t->s);
	}
	return rc;
}

void tube_flush(struct tube *t)
{
	int rc = t->tx_err ? 0 : flush(t);

	if (rc < 0 && rc != -EAGAIN)
		send_failed(t, rc);
}

void tube_send(struct tube *t, const struct pkt *v, int n)
{
	int rc = t->tx_err ? t->tx_err : flush(t), i = 0;

	while (!rc && i < n) {
		rc = send_some(t, v + i, n - i);
		if (rc > 0) {
			i += rc;
			rc = keep_flush(&t->tx, t->s);
		}
	}
	if (rc < 0 && rc != -EAGAIN) {
		worker_drops(t->worker, DROP_UDP_SEND, (uint64_t)(n - i));
		send_failed(t, rc);
		return;
	}
	for (; i < n; i++)
		wait_push(t, &v[i]);
}

/* --- receiving ------------------------------------------------------------------ */

static int recv_chunks(struct tube *t, struct pkt *v, int max)
{
	struct iovec iov[STREAM_IOV];
	int cnt = max < STREAM_IOV ? max : STREAM_IOV;
	ssize_t n;

	if (t->lent)
		t->s->ops->took(t->s, t->lent);
	t->lent = 0;
	n = t->s->ops->lend(t->s, iov, &cnt);
	if (n <= 0)
		return (int)n;
	t->lent = (size_t)n;
	for (int i = 0; i < cnt; i++) {
		v[i].peer = t->peer;
		v[i].data = iov[i].iov_base;
		v[i].len = iov[i].iov_len;
	}
	return cnt;
}

/* Packets that are whole in the @n bytes of @r->rx; *@used of them */
static int decode_some(struct tube *t, struct layer_room *r, size_t n,
		       struct pkt *v, int max, size_t *used)
{
	struct wire_packet pk;
	int count = 0;
	ssize_t k;

	while (count < max) {
		k = t->ops->decode(r->rx + *used, n - *used, &pk);
		if (k == 0)
			break;
		if (k < 0)
			return count ? count : (int)k;
		if (pk.peer.kind == ADDR_NONE)
			pk.peer = t->peer;
		else if (pk.peer.kind == ADDR_NAME)
			pk.peer.name = memcpy(r->names[count], pk.name, 256);
		v[count].peer = pk.peer;
		v[count].data = r->rx + (pk.data - r->rx);
		v[count++].len = pk.len;
		*used += (size_t)k;
	}
	return count;
}

/* What was left by the last call, into @r->rx */
static size_t load_rx(struct tube *t, struct layer_room *r)
{
	size_t n = t->rx ? t->rx->len : 0;

	if (n)
		memcpy(r->rx, buf_head(t->rx), n);
	buf_free(t->rx);
	t->rx = NULL;
	return n;
}

static int save_rx(struct tube *t, const uint8_t *p, size_t n)
{
	if (!n)
		return 0;
	t->rx = buf_new(n);
	return t->rx ? buf_put(t->rx, p, n) : -ENOMEM;
}

static int recv_bytes(struct tube *t, struct pkt *v, int max)
{
	struct layer_room *r = layer_room(t->worker);
	size_t n, used = 0;
	ssize_t got = 1;
	int count, rc;

	if (!r)
		return -ENOMEM;
	n = load_rx(t, r);
	if (max > DGRAM_BATCH)
		max = DGRAM_BATCH;
	for (;;) {
		count = decode_some(t, r, n, v, max, &used);
		if (count || got <= 0 || n == sizeof(r->rx))
			break;
		got = stream_read(t->s, r->rx + n, sizeof(r->rx) - n);
		if (got > 0)
			n += (size_t)got;
	}
	if (count < 0)
		return count;
	rc = save_rx(t, r->rx + used, n - used);
	if (rc < 0)
		return rc;
	return count ? count : got > 0 ? -EPROTO : (int)got;
}

int tube_recv(struct tube *t, struct pkt *v, int max)
{
	int n;

	stream_shed(&t->s);
	n = t->ops->decode ? recv_bytes(t, v, max) : recv_chunks(t, v, max);
	return n == -EAGAIN && t->tx_err ? t->tx_err : n;
}

/* --- life ----------------------------------------------------------------------- */

void tube_want(struct tube *t, struct job *j)
{
	stream_set_job(t->s, j);
	t->s->ops->want(t->s, ST_READ | (t->tx || t->head ? ST_WRITE : 0u));
}

void tube_init(struct tube *t, const struct tube_ops *ops, struct worker *w,
	       struct stream *s)
{
	*t = (struct tube){ .s = s, .ops = ops, .worker = w };
	t->tail = &t->head;
}

void tube_close(struct tube *t, int why)
{
	stream_close(&t->s, why);
	buf_free(t->rx);
	buf_free(t->tx);
	while (t->head)
		wait_pop(t);
}
