/* conn_h2.c - DNS over HTTPS by HTTP/2: a stream each query (RFC 8484) */
#include <errno.h>

#include "gateway/base/log.h"
#include "gateway/dns/conn_int.h"
#include "proxy/wire/h2_ask.h"

#define GIVE_MAX 16384u /* frames made before they are written */

static void on_answer(void *arg, void *user, const struct h2_ask_answer *r)
{
	struct conn *c = arg;

	if (r->rc == -EPROTO)
		conn_log_http(c, r->status);
	conn_answer(c, user, r->rc, r->body, r->len, r->age_s);
}

static int h2_begin(struct conn *c)
{
	c->state = h2_ask_new(on_answer, c);
	return c->state ? 0 : -ENOMEM;
}

static unsigned int h2_places(struct conn *c)
{
	return h2_ask_places(c->state);
}

static int h2_send(struct conn *c, struct conn_ask *a)
{
	const struct dns_server *s = c->server;
	struct h2_ask_request r = {
		.scheme = s->kind == SERVER_H2C ? "http" : "https",
		.authority = s->authority,
		.path = s->path,
		.type = DOH_TYPE,
		.body = a->query,
		.len = a->len,
	};

	a->stream = h2_ask_put(c->state, &r, a);
	return a->stream < 0 ? a->stream : 0;
}

static int h2_take(struct conn *c, const uint8_t *p, size_t n)
{
	const char *why = NULL;
	int rc = h2_ask_take(c->state, p, n, &why);

	if (rc < 0)
		log_info("dns: %s: %s", c->server->name, why);
	c->leaving |= h2_ask_leaving(c->state);
	return rc;
}

static int h2_give(struct conn *c)
{
	const uint8_t *p;
	ssize_t n = 0;
	int rc = 0;

	while (rc == 0 && (!c->out || c->out->len < GIVE_MAX)) {
		n = h2_ask_give(c->state, &p);
		if (n < 0)
			return (int)n;
		if (n == 0) /* over: what is under way will never come */
			return !c->out && c->count && h2_ask_over(c->state) ?
				       -EPROTO :
				       0;
		rc = conn_put(c, p, (size_t)n);
	}
	return rc;
}

static void h2_cancel(struct conn *c, struct conn_ask *a)
{
	h2_ask_cancel(c->state, a->stream);
}

static void h2_drop(struct conn *c)
{
	h2_ask_free(c->state);
	c->state = NULL;
}

const struct conn_kind conn_h2 = {
	.name = "HTTP/2",
	.begin = h2_begin,
	.places = h2_places,
	.send = h2_send,
	.take = h2_take,
	.give = h2_give,
	.cancel = h2_cancel,
	.drop = h2_drop,
};
