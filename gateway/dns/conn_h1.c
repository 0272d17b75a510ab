/*
 * conn_h1.c - DNS over HTTPS by HTTP/1.1: one query at a time (RFC 8484)
 *
 *	request -> head [-> head of 1xx ...] -> body -> the next request
 *
 * A connection whose answer was not 200, or that says "close", is not used again;
 * nor one whose query nobody waits for any more: its answer would come first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/dns/conn_int.h"
#include "proxy/wire/http1_body.h"

#define REQUEST_MAX 1600 /* head of a request: path and authority and 300 */

/**
 * struct h1 - The answer under way
 * @head:	Until it is complete
 * @body:	Valid while @msg, which has @len bytes of it
 * @keep:	The connection may be used again afterwards
 */
struct h1 {
	struct http1_body body;
	uint8_t *msg;
	size_t len;
	uint32_t age_s;
	bool keep;
	struct http1_gather head;
};

static int h1_begin(struct conn *c)
{
	c->state = calloc(1, sizeof(struct h1));
	return c->state ? 0 : -ENOMEM;
}

static unsigned int h1_places(struct conn *c)
{
	return c->count == 0;
}

static int h1_send(struct conn *c, struct conn_ask *a)
{
	char head[REQUEST_MAX];
	int n = snprintf(head, sizeof(head),
			 "POST %s HTTP/1.1\r\nHost: %s\r\n"
			 "Accept: " DOH_TYPE "\r\nContent-Type: " DOH_TYPE
			 "\r\nContent-Length: %zu\r\n\r\n",
			 c->server->path, c->server->authority, a->len);
	int rc;

	if (n < 0 || (size_t)n >= sizeof(head))
		return -EINVAL;
	rc = conn_put(c, head, (size_t)n);
	return rc < 0 ? rc : conn_put(c, a->query, a->len);
}

static void answer_drop(struct h1 *h)
{
	free(h->msg);
	h->msg = NULL;
	h->len = 0;
	h->head.len = 0;
}

/* The query under way ends with @rc */
static void answer_over(struct conn *c, int rc)
{
	struct h1 *h = c->state;
	uint8_t *msg = h->msg;
	size_t n = h->len;

	h->msg = NULL;
	answer_drop(h);
	c->leaving |= rc < 0 || !h->keep;
	if (!list_empty(&c->asks))
		conn_answer(c, list_first(&c->asks, struct conn_ask, node), rc,
			    msg, n, h->age_s);
	free(msg);
}

/* A response's head. 0, or -errno: the query fails with it */
static int head_read(struct conn *c, const struct http1_head *head)
{
	struct h1 *h = c->state;
	struct http1_text value;

	if (head->status != 200 ||
	    !http1_header(head, "content-type", &value) ||
	    !http1_is_type(&value, DOH_TYPE)) {
		conn_log_http(c, head->status);
		return -EPROTO;
	}
	if (http1_body_begin(head, &h->body) < 0)
		return -EPROTO;
	h->keep = head->minor && !http1_has_token(head, "connection", "close");
	h->age_s = http1_header(head, "age", &value) ? http1_number(&value) : 0;
	h->msg = malloc(CONN_MSG_MAX);
	return h->msg ? 0 : -ENOMEM;
}

/* Bytes of a head. How many were used; -errno */
static ssize_t take_head(struct conn *c, const uint8_t *p, size_t n)
{
	struct h1 *h = c->state;
	struct http1_head head;
	bool whole;
	ssize_t used = http1_gather(&h->head, p, n, &head, &whole);
	int rc;

	if (used < 0 || !whole || head.status < 200)
		return used;
	rc = head_read(c, &head);
	return rc < 0 ? rc : used;
}

/* Bytes of a body. How many were used; -errno */
static ssize_t take_body(struct h1 *h, const uint8_t *p, size_t n)
{
	size_t got;
	ssize_t used = http1_body_read(&h->body, p, n, h->msg + h->len,
				       CONN_MSG_MAX - h->len, &got);

	if (used < 0)
		return used;
	h->len += got;
	return (size_t)used < n && !h->body.done ? -EMSGSIZE : used;
}

static int h1_take(struct conn *c, const uint8_t *p, size_t n)
{
	struct h1 *h = c->state;
	ssize_t used;

	while (n || (h->msg && h->body.done)) {
		if (h->msg && h->body.done) {
			answer_over(c, 0);
			continue;
		}
		if (list_empty(&c->asks))
			return c->leaving ? 0 : -EPROTO;
		used = h->msg ? take_body(h, p, n) : take_head(c, p, n);
		if (used < 0) {
			answer_over(c, (int)used);
			return 0;
		}
		p += used;
		n -= (size_t)used;
	}
	return 0;
}

/* Such a body ends with the connection */
static void h1_end(struct conn *c)
{
	struct h1 *h = c->state;

	if (h->msg && h->body.framing == HTTP1_TO_END)
		answer_over(c, 0);
}

static void h1_cancel(struct conn *c, struct conn_ask *a)
{
	(void)a;
	c->leaving = true;
	if (!c->err)
		c->err = -ECANCELED;
}

static void h1_drop(struct conn *c)
{
	answer_drop(c->state);
	free(c->state);
	c->state = NULL;
}

const struct conn_kind conn_h1 = {
	.name = "HTTP/1.1",
	.begin = h1_begin,
	.places = h1_places,
	.send = h1_send,
	.take = h1_take,
	.end = h1_end,
	.cancel = h1_cancel,
	.drop = h1_drop,
};
