/*
 * xhttp.c - XHTTP: a stream as one HTTP request and its answer, or as several
 *
 *   stream-one   POST base, body up, answer down: the stream itself
 *   stream-up    GET base SESSION down, POST base SESSION up	(xhttp_up.c,
 *   packet-up    GET base SESSION down, POST base SESSION/SEQ	xhttp_flow.c)
 *
 * Session and number may be elsewhere in a request: xhttp_ask.c says it, xhttp_place()
 * and its like read it.
 *
 * By HTTP/1.1 (h1_client.c, h1_server.c) or HTTP/2 (h2_request.c); a server
 * tells them apart by the first bytes.
 *
 * Source: docs/wire/xhttp.md; xray.md sections L and 2.15
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/transport/transports.h"
#include "proxy/transport/xhttp_int.h"

#define TOKENISH_SLACK 2 /* as Xray; our own is at most one more */

static int xhttp_dial(const struct transport *t, const struct dial *d,
		      const struct addr *to, struct stream **out)
{
	return xhttp_split(t, d, to, out);
}

/* --- a server --- */

static void put_padding_line(struct wr *w, const struct xhttp_conf *c)
{
	const struct xhttp_layout *l = &c->layout;
	enum xhttp_where where = l->chosen ? l->pad.where : XHTTP_HEADER;

	if (where == XHTTP_QUERY)
		return; /* an answer has none */
	if (where == XHTTP_COOKIE)
		http_conf_text(w, "Set-Cookie: ");
	else
		http_conf_text(w, l->chosen ? l->pad_header : "X-Padding");
	if (where == XHTTP_HEADER)
		http_conf_text(w, ": ");
	if (where == XHTTP_URL_IN_HEADER)
		http_conf_text(w, ": ?");
	if (where != XHTTP_HEADER) {
		http_conf_text(w, l->pad.key);
		http_conf_text(w, "=");
	}
	xhttp_put_padding(w, c);
	http_conf_text(w, where == XHTTP_COOKIE ? "; Path=/\r\n" : "\r\n");
}

/* Line @name with what the request says in @from, if that is short, else with @def */
static void put_echo(struct wr *w, const char *name, const struct http_rq *rq,
		     const char *from, const char *def)
{
	struct http1_text t;

	http_conf_text(w, name);
	if (http1_header(rq->head, from, &t) && t.n && t.n < 256)
		wr_bytes(w, t.p, t.n);
	else
		http_conf_text(w, def);
	http_conf_text(w, "\r\n");
}

void xhttp_answer_lines(const struct http_rq *rq, const struct xhttp_conf *c,
			bool stream, struct wr *w)
{
	put_echo(w, "Access-Control-Allow-Origin: ", rq, "origin", "*");
	if (xhttp_has_cookie(&c->layout))
		http_conf_text(w, "Access-Control-Allow-Credentials: true\r\n");
	put_padding_line(w, c);
	if (stream)
		http_conf_text(w, "X-Accel-Buffering: no\r\n"
				  "Cache-Control: no-store\r\n");
}

static void end_request(const struct http_rq *rq, unsigned int status,
			const char *lines)
{
	int rc = rq->answer(rq->s, status, lines, false);

	if (rc == 0 && rq->s->ops->finish(rq->s) < 0)
		(void)rq->s->ops->writev(rq->s, NULL, 0); /* what it takes */
	rq->s->ops->close(rq->s, rc);
}

void xhttp_refuse(const struct http_rq *rq, unsigned int status,
		  const char *why)
{
	log_info("xhttp: refused with %u: %s", status, why);
	end_request(rq, status, "");
}

/* What a browser asks before its first request */
static void answer_options(const struct http_rq *rq, const struct xhttp_conf *c)
{
	union {
		uint8_t u[HTTP_LINES_MAX];
		char c[HTTP_LINES_MAX];
	} lines;
	struct wr w = wr_init(lines.u, sizeof(lines.u));

	xhttp_answer_lines(rq, c, false, &w);
	put_echo(&w, "Access-Control-Allow-Methods: ", rq,
		 "access-control-request-method", "*");
	put_echo(&w, "Access-Control-Allow-Headers: ", rq,
		 "access-control-request-headers", "*");
	wr_u8(&w, 0);
	end_request(rq, 200, wr_ok(&w) ? lines.c : "");
}

int xhttp_answer_stream(const struct http_rq *rq, const struct xhttp_conf *c,
			bool sse)
{
	union {
		uint8_t u[HTTP_LINES_MAX];
		char c[HTTP_LINES_MAX];
	} lines;
	struct wr w = wr_init(lines.u, sizeof(lines.u));

	xhttp_answer_lines(rq, c, true, &w);
	if (sse)
		http_conf_text(&w, "Content-Type: text/event-stream\r\n");
	wr_u8(&w, 0);
	return wr_ok(&w) ? rq->answer(rq->s, 200, lines.c, true) : -ENOBUFS;
}

/* One stream is all: it is a session */
static void take_stream(const struct http_rq *rq, const struct xhttp_conf *c)
{
	struct stream *s = rq->s;
	int rc;

	if (rq->no_body || c->mode == XHTTP_PACKET_UP) {
		xhttp_refuse(rq, 400, "stream-one is not this inbound's mode");
		return;
	}
	if (rq->refuse) {
		rq->refuse(s);
		return;
	}
	rc = xhttp_answer_stream(rq, c, !c->no_sse);
	if (rc == 0)
		rc = forwarded_born(rq->b, rq->worker, s, rq->head);
	if (rc < 0)
		s->ops->close(s, rc);
}

/* An upload's answer is padded for those who padded themselves, where it is seen */
static bool is_marked(const struct http_rq *rq, const struct xhttp_conf *c)
{
	struct http1_text referer;

	return c->layout.chosen ||
	       (http1_header(rq->head, "referer", &referer) && referer.n);
}

static bool padding_fits(const struct http_rq *rq, const struct xhttp_conf *c)
{
	size_t n = xhttp_padding(rq->head, &c->layout);
	size_t more = c->layout.tokenish ? TOKENISH_SLACK : 0;

	return n && n + more >= (size_t)c->padding.lo &&
	       n <= (size_t)c->padding.hi + more;
}

/*
 * OPTIONS is a way up, too, for a client whose uplinkHTTPMethod it is. What browsers
 * ask says which method they mean, and has no padding
 */
static bool is_preflight(const struct http_rq *rq, const struct xhttp_conf *c)
{
	struct http1_text method;

	return http1_is(&rq->head->method, "OPTIONS") &&
	       (http1_header(rq->head, "access-control-request-method",
			     &method) ||
		!padding_fits(rq, c));
}

static void handle(const struct http_rq *rq)
{
	const struct xhttp_conf *c = rq->t->settings;
	struct xhttp_place place;
	int rc;

	if (!http_conf_host_fits(&c->http, rq->head)) {
		xhttp_refuse(rq, 404, "another host");
		return;
	}
	rc = xhttp_place(rq->head, c->base, &c->layout, &place);
	if (rc == -ENOENT) {
		xhttp_refuse(rq, 404, "another path");
		return;
	}
	if (is_preflight(rq, c))
		answer_options(rq, c);
	else if (!padding_fits(rq, c))
		xhttp_refuse(rq, 400, "its padding does not fit xPaddingBytes");
	else if (rc < 0)
		xhttp_refuse(rq, 400, "no session, or no number");
	else if (place.session.n)
		xhttp_flow_request(rq, &place, is_marked(rq, c));
	else
		take_stream(rq, c);
}

static int serve_h2(const struct transport *t, struct worker *w,
		    struct stream *below, const struct birth *b,
		    const struct iovec *early)
{
	const struct xhttp_conf *c = t->settings;

	return h2_serve(t, &c->h2, w, below, b, early);
}

static int xhttp_serve(const struct transport *t, struct worker *w,
		       struct stream *below, const struct birth *b)
{
	return h1_serve(t, w, below, b, handle, serve_h2);
}

static int parse(struct transport *t, struct jobj *o, struct config *cfg)
{
	int rc = xhttp_parse(t, o, cfg);
	struct xhttp_conf *c = t->settings;

	if (rc == 0 && t->server)
		c->h2.handler = handle;
	return rc;
}

const struct transport_ops transport_xhttp_ops = {
	.name = "xhttp",
	.alias = "splithttp",
	.key = "xhttpSettings",
	.key_alias = "splithttpSettings",
	.parse = parse,
	.dial = xhttp_dial,
	.serve = xhttp_serve,
};
