/*
 * conn_dot.c - DNS over TLS: messages with a length, pipelined, in any order
 *
 *	length (2)  message (length)
 *
 * Each query gets an id that no other one under way has. Source: RFC 7858, 3.3 and
 * 3.4; RFC 7766, 6.2.1
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/dns/conn_int.h"
#include "proxy/wire/dns_msg.h"

#define UNDER_WAY_MAX 256

/**
 * struct dot - What came of the next message
 * @head:	Its length, @got bytes of head and message are there
 */
struct dot {
	uint8_t head[2];
	size_t got;
	uint8_t *msg;
};

static int dot_begin(struct conn *c)
{
	c->state = calloc(1, sizeof(struct dot));
	return c->state ? 0 : -ENOMEM;
}

static unsigned int dot_places(struct conn *c)
{
	return c->count < UNDER_WAY_MAX ? UNDER_WAY_MAX - c->count : 0;
}

static struct conn_ask *by_id(struct conn *c, uint16_t id)
{
	struct list *p;

	list_for_each (p, &c->asks) {
		struct conn_ask *a = container_of(p, struct conn_ask, node);

		if (a->wire_id == id)
			return a;
	}
	return NULL;
}

static int dot_send(struct conn *c, struct conn_ask *a)
{
	uint8_t bytes[2 + DNS_PADDED_MAX];
	uint16_t id;

	if (a->len < DNS_HEAD_BYTES || a->len > DNS_PADDED_MAX)
		return -EINVAL;
	do {
		rand_bytes(&id, sizeof(id));
	} while (by_id(c, id)); /* @a's own, of another connection, too */
	a->wire_id = id;
	put_be16(bytes, (uint16_t)a->len);
	memcpy(bytes + 2, a->query, a->len);
	put_be16(bytes + 2, a->wire_id);
	return conn_put(c, bytes, a->len + 2);
}

static int message(struct conn *c, uint8_t *msg, size_t n)
{
	struct conn_ask *a;

	if (n < DNS_HEAD_BYTES)
		return -EPROTO;
	a = by_id(c, get_be16(msg));
	if (a)
		conn_answer(c, a, 0, msg, n, 0);
	else if (++c->strays > CONN_STRAY_MAX)
		return -EPROTO;
	return 0;
}

/* Some of a message's bytes. How many; -ENOMEM */
static ssize_t take_some(struct dot *d, const uint8_t *p, size_t n)
{
	size_t want;

	if (d->got < 2) {
		d->head[d->got++] = *p;
		return 1;
	}
	want = get_be16(d->head) - (d->got - 2);
	if (!d->msg && !(d->msg = malloc(want)))
		return -ENOMEM;
	if (n > want)
		n = want;
	memcpy(d->msg + d->got - 2, p, n);
	d->got += n;
	return (ssize_t)n;
}

static int dot_take(struct conn *c, const uint8_t *p, size_t n)
{
	struct dot *d = c->state;
	ssize_t k;
	int rc;

	while (n) {
		k = take_some(d, p, n);
		if (k < 0)
			return (int)k;
		p += k;
		n -= (size_t)k;
		if (d->got == 2 && get_be16(d->head) < DNS_HEAD_BYTES)
			return -EPROTO;
		if (d->got < 2 || d->got - 2 < get_be16(d->head))
			continue;
		rc = message(c, d->msg, d->got - 2);
		free(d->msg);
		d->msg = NULL;
		d->got = 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* An answer that comes all the same is to nobody */
static void dot_cancel(struct conn *c, struct conn_ask *a)
{
	(void)c;
	(void)a;
}

static void dot_drop(struct conn *c)
{
	struct dot *d = c->state;

	free(d->msg);
	free(d);
	c->state = NULL;
}

const struct conn_kind conn_dot = {
	.name = "DNS over TLS",
	.begin = dot_begin,
	.places = dot_places,
	.send = dot_send,
	.take = dot_take,
	.cancel = dot_cancel,
	.drop = dot_drop,
};
