/*
 * ws_shake.c - The HTTP/1 heads a WebSocket begins with, both sides
 *
 * Source: RFC 6455, 4; xray.md section 2.12
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/worker.h"
#include "proxy/transport/ws_int.h"

#define ANSWER_MAX HTTP1_HEAD_MAX

static void opened(struct ws *w)
{
	w->state = WS_OPEN;
	timer_cancel(&w->timer);
	if (w->conf->heartbeat_ms)
		timer_set(&w->worker->wheel, &w->timer, w->conf->heartbeat_ms);
}

int ws_put_request(struct ws *w, const uint8_t *early, size_t n)
{
	uint8_t head[HTTP_CONF_HEAD_MAX + BASE64_LEN(EARLY_MAX)];
	char key[WS_KEY_TEXT], text[BASE64_LEN(EARLY_MAX) + 1];
	struct wr o = wr_init(head, sizeof(head));
	uint8_t nonce[16];

	rand_bytes(nonce, sizeof(nonce));
	base64_encode(nonce, sizeof(nonce), false, key, sizeof(key));
	if (ws_accept(key, w->accept) < 0)
		return ws_fail(w, -ENOMEM);
	http_conf_request(&w->conf->http, w->t, &w->to, &o);
	http_conf_text(&o, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			   "Sec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: ");
	http_conf_text(&o, key);
	if (n) {
		base64_encode(early, n, true, text, sizeof(text));
		http_conf_text(&o, "\r\nSec-WebSocket-Protocol: ");
		http_conf_text(&o, text);
	}
	http_conf_text(&o, "\r\n\r\n");
	if (!wr_ok(&o))
		return ws_fail(w, -ENOBUFS);
	return ws_keep(w, head, wr_len(&o));
}

/* The client's half: 0 accepted, -errno */
static int check_answer(struct ws *w, const struct http1_head *h)
{
	struct http1_text accept;

	if (h->status != 101) {
		log_info("s%x ws: server answers %u", w->id, h->status);
		return -EPROTO;
	}
	if (http1_has_token(h, "upgrade", "websocket") &&
	    http1_has_token(h, "connection", "upgrade") &&
	    http1_header(h, "sec-websocket-accept", &accept) &&
	    accept.n == strlen(w->accept) &&
	    !memcmp(accept.p, w->accept, accept.n))
		return 0;
	log_info("s%x ws: the answer does not fit the request", w->id);
	return -EPROTO;
}

static int refuse(struct ws *w, const char *status, const char *why)
{
	static const char form[] =
		"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	char text[160];
	int n = snprintf(text, sizeof(text), form, status);

	log_info("s%x ws: refused: %s", w->id, why);
	if (n > 0 && !ws_keep(w, text, (size_t)n) && !ws_flush(w))
		(void)w->s.below->ops->finish(w->s.below);
	return ws_fail(w, -EPROTO);
}

/* Early data of the request. 0 (NULL: a real sub-protocol), -ENOMEM */
static int take_early(const struct http1_text *text, struct buf **out)
{
	struct buf *b = buf_new(text->n);
	ssize_t n;

	if (!b)
		return -ENOMEM;
	n = base64_decode(text->p, text->n, b->data, b->cap);
	if (n <= 0) {
		buf_free(b);
		return 0;
	}
	b->len = (uint32_t)n;
	*out = b;
	return 0;
}

/* The server's half: 0 and the answer in @out, -errno */
static int check_request(struct ws *w, const struct http1_head *h,
			 struct buf **early)
{
	struct http1_text key, version, proto = { NULL, 0 };
	char text[64], accept[WS_ACCEPT_TEXT];
	uint8_t head[512 + BASE64_LEN(EARLY_MAX)];
	struct wr o = wr_init(head, sizeof(head));

	if (!http1_is(&h->method, "GET") || !http_conf_fits(&w->conf->http, h))
		return refuse(w, "404 Not Found", "not our path or host");
	if (!http1_has_token(h, "upgrade", "websocket") ||
	    !http1_has_token(h, "connection", "upgrade") ||
	    !http1_header(h, "sec-websocket-version", &version) ||
	    !http1_is(&version, "13") ||
	    !http1_header(h, "sec-websocket-key", &key) || key.n > 60)
		return refuse(w, "400 Bad Request", "no WebSocket request");
	snprintf(text, sizeof(text), "%.*s", (int)key.n, key.p);
	if (ws_accept(text, accept) < 0)
		return ws_fail(w, -ENOMEM);
	if (http1_header(h, "sec-websocket-protocol", &proto)) {
		if (proto.n > BASE64_LEN(EARLY_MAX))
			return refuse(w, "400 Bad Request", "much early data");
		if (take_early(&proto, early) < 0)
			return ws_fail(w, -ENOMEM);
	}
	http_conf_text(&o, "HTTP/1.1 101 Switching Protocols\r\n"
			   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			   "Sec-WebSocket-Accept: ");
	http_conf_text(&o, accept);
	if (proto.n) {
		http_conf_text(&o, "\r\nSec-WebSocket-Protocol: ");
		wr_bytes(&o, proto.p, proto.n);
	}
	http_conf_text(&o, "\r\n\r\n");
	return ws_keep(w, head, wr_len(&o));
}

/* A complete head of @n bytes is in @in. 0 open, -errno */
static int take_head(struct ws *w, const struct http1_head *h, size_t n)
{
	struct buf *early = NULL;
	int rc = w->server ? check_request(w, h, &early) : check_answer(w, h);

	if (rc < 0) {
		buf_free(early);
		return ws_fail(w, rc);
	}
	if (w->server)
		forwarded_session(w->s.job, h);
	buf_drop(w->in, n);
	if (!w->in->len) {
		buf_free(w->in);
		w->in = NULL;
	}
	if (early && w->in) {
		log_info("s%x ws: frames before our answer", w->id);
		buf_free(early);
		return ws_fail(w, -EPROTO);
	}
	w->early = early;
	if (early)
		w->in = early;
	opened(w);
	return 0;
}

/* Read until the other side's head is complete. 0, -EAGAIN, -errno */
int ws_read_head(struct ws *w)
{
	struct http1_head h;
	ssize_t used = 0, n;

	if (!w->in)
		w->in = buf_new(ANSWER_MAX);
	if (!w->in)
		return ws_fail(w, -ENOMEM);
	while (!used) {
		n = stream_read(w->s.below, buf_tail(w->in), buf_space(w->in));
		if (n == -EAGAIN)
			n = ws_nothing(w);
		if (n < 0)
			return ws_fail(w, (int)n);
		if (n == 0)
			return ws_fail(w, -ECONNRESET);
		w->in->len += (uint32_t)n;
		used = w->server ? http1_request_decode(buf_head(w->in),
							w->in->len, &h) :
				   http1_response_decode(buf_head(w->in),
							 w->in->len, &h);
		if (!used && !buf_space(w->in))
			used = -EPROTO;
	}
	if (used < 0) {
		log_info("s%x ws: no HTTP/1 head", w->id);
		return ws_fail(w, (int)used);
	}
	return take_head(w, &h, (size_t)used);
}
