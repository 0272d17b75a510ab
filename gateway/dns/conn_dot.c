/*
 * conn_dot.c - DNS over TLS: messages with a length, pipelined, in any order
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
#include "gateway/dns/frame.h"
#include "proxy/wire/dns_msg.h"

#define UNDER_WAY_MAX 256

static int dot_begin(struct conn *c)
{
	c->state = calloc(1, sizeof(struct frame));
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

static int message(void *arg, uint8_t *msg, size_t n)
{
	struct conn *c = arg;
	struct conn_ask *a;

	if (n < DNS_HEAD_BYTES) /* @msg may be NULL */
		return -EPROTO;
	a = by_id(c, get_be16(msg));
	if (a)
		conn_answer(c, a, 0, msg, n, 0);
	else if (++c->strays > CONN_STRAY_MAX)
		return -EPROTO;
	return 0;
}

static int dot_take(struct conn *c, const uint8_t *p, size_t n)
{
	return frame_each(c->state, p, n, message, c);
}

static void dot_drop(struct conn *c)
{
	frame_next(c->state);
	free(c->state);
	c->state = NULL;
}

const struct conn_kind conn_dot = {
	.name = "DNS over TLS",
	.begin = dot_begin,
	.places = dot_places,
	.send = dot_send,
	.take = dot_take,
	.drop = dot_drop,
};
