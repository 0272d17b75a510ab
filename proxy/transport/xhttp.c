/*
 * xhttp.c - XHTTP: a stream as one HTTP request and its answer, or as several
 *
 *   stream-one   POST base, body up, answer down: the stream itself
 *   stream-up    GET base SESSION down, POST base SESSION up	(xhttp_up.c,
 *   packet-up    GET base SESSION down, POST base SESSION/SEQ	xhttp_flow.c)
 *
 * By HTTP/1.1 (h1_client.c, h1_server.c) or HTTP/2 (h2_request.c); a server
 * tells them apart by the first bytes.
 *
 * Source: docs/wire/xhttp.md; xray.md sections L and 2.15
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/transport/tls.h"
#include "proxy/transport/transports.h"
#include "proxy/transport/xhttp_int.h"

#define TARGET_MAX 1024 /* path, session, number and query */

/* --- a client's requests --- */

/* Host: the configured one, else serverName, else the address */
static const char *host_of(const struct transport *t, const struct addr *to,
			   char buf[ADDR_TEXT_MAX])
{
	const struct xhttp_conf *c = t->settings;
	const char *host = c->http.host;
	char text[ADDR_TEXT_MAX - 2];

	if (!host)
		host = tls_server_name(t->below);
	if (!host)
		host = reality_server_name(t->below);
	if (host)
		return host;
	snprintf(buf, ADDR_TEXT_MAX, to->kind == ADDR_V6 ? "[%s]" : "%s",
		 addr_format_host(to, text, sizeof(text)));
	return buf;
}

static void put_padding(struct wr *w, const struct xhttp_conf *c)
{
	size_t n = xhttp_draw(c->padding);
	uint8_t *p = wr_room(w, n);

	if (p)
		memset(p, 'X', n);
}

static void put_lines(struct wr *w, const struct xhttp_conf *c,
		      const char *host, bool stream)
{
	http_conf_text(w, c->http.extra);
	http_conf_text(w, "Referer: ");
	http_conf_text(w, c->h2.scheme);
	http_conf_text(w, "://");
	http_conf_text(w, host);
	http_conf_text(w, c->base);
	http_conf_text(w, "?" XHTTP_PADDING "=");
	put_padding(w, c);
	http_conf_text(w, "\r\n");
	if (stream && !c->no_grpc)
		http_conf_text(w, "Content-Type: application/grpc\r\n");
	wr_u8(w, 0);
}

int xhttp_send(const struct transport *t, const struct dial *d,
	       const struct addr *to, const struct xhttp_ask *a,
	       struct stream **out)
{
	const struct xhttp_conf *c = t->settings;
	char target[TARGET_MAX], seq[24] = "", buf[ADDR_TEXT_MAX];
	const char *host = host_of(t, to, buf);
	union {
		uint8_t u[HTTP_LINES_MAX];
		char c[HTTP_LINES_MAX];
	} lines;
	struct wr w = wr_init(lines.u, sizeof(lines.u));
	struct http_ask ask = { .path = target,
				.authority = host,
				.lines = lines.c,
				.body = a->body,
				.length = a->length,
				.flow = a->flow,
				.keep = a->keep };
	int n;

	ask.method = a->body == HTTP_NO_BODY ? "GET" : c->method;
	if (a->has_seq)
		snprintf(seq, sizeof(seq), "/%llu", (unsigned long long)a->seq);
	n = snprintf(target, sizeof(target), "%s%s%s%s", c->base,
		     a->session ? a->session : "", seq, c->query);
	put_lines(&w, c, host, a->body == HTTP_OPEN_END);
	if (n < 0 || (size_t)n >= sizeof(target) || !wr_ok(&w))
		return -ENOBUFS;
	return c->h1 ? h1_ask(t, d, to, &ask, out) :
		       h2_ask(t, &c->h2, d, to, &ask, out);
}

static int xhttp_dial(const struct transport *t, const struct dial *d,
		      const struct addr *to, struct stream **out)
{
	return xhttp_split(t, d, to, out);
}

/* --- a server --- */

void xhttp_answer_lines(const struct http_rq *rq, const struct xhttp_conf *c,
			bool stream, struct wr *w)
{
	struct http1_text origin;

	http_conf_text(w, "Access-Control-Allow-Origin: ");
	if (http1_header(rq->head, "origin", &origin) && origin.n &&
	    origin.n < 256)
		wr_bytes(w, origin.p, origin.n);
	else
		http_conf_text(w, "*");
	http_conf_text(w, "\r\nX-Padding: ");
	put_padding(w, c);
	http_conf_text(w, "\r\n");
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
	http_conf_text(&w, "Access-Control-Allow-Methods: *\r\n"
			   "Access-Control-Allow-Headers: *\r\n");
	wr_u8(&w, 0);
	end_request(rq, 200, wr_ok(&w) ? lines.c : "");
}

/* One stream is all: it is a session */
static void take_stream(const struct http_rq *rq, const struct xhttp_conf *c)
{
	union {
		uint8_t u[HTTP_LINES_MAX];
		char c[HTTP_LINES_MAX];
	} lines;
	struct wr w = wr_init(lines.u, sizeof(lines.u));
	struct stream *s = rq->s;
	int rc;

	if (rq->no_body || c->mode == XHTTP_PACKET_UP) {
		xhttp_refuse(rq, 400, "stream-one is not this inbound's mode");
		return;
	}
	xhttp_answer_lines(rq, c, true, &w);
	if (!c->no_sse)
		http_conf_text(&w, "Content-Type: text/event-stream\r\n");
	wr_u8(&w, 0);
	rc = wr_ok(&w) ? rq->answer(s, 200, lines.c, true) : -ENOBUFS;
	if (rc == 0)
		rc = rq->b->born(rq->b, rq->worker, s);
	if (rc < 0)
		s->ops->close(s, rc);
}

static void handle(const struct http_rq *rq)
{
	const struct xhttp_conf *c = rq->t->settings;
	struct xhttp_place place;
	size_t padding;
	bool referer;
	int rc;

	if (!http_conf_host_fits(&c->http, rq->head)) {
		xhttp_refuse(rq, 404, "another host");
		return;
	}
	rc = xhttp_place(&rq->head->target, c->base, &place);
	if (rc == -ENOENT) {
		xhttp_refuse(rq, 404, "another path");
		return;
	}
	if (http1_is(&rq->head->method, "OPTIONS")) {
		answer_options(rq, c);
		return;
	}
	padding = xhttp_padding(rq->head, &referer);
	if (padding < (size_t)c->padding.lo || padding > (size_t)c->padding.hi)
		xhttp_refuse(rq, 400, "its padding does not fit xPaddingBytes");
	else if (rc < 0)
		xhttp_refuse(rq, 400, "no session, or no number");
	else if (place.session.n)
		xhttp_flow_request(rq, &place, referer);
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
