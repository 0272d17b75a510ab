/*
 * h2_request.c - Requests that are no gRPC: heads as text on both ways
 *
 * A server's handler sees the same head that HTTP/1 has: the lines of a request
 * are collected as text, with @method and @path for the pseudo headers (no name
 * on the wire can contain an @), and Host for :authority.
 *
 * Source: RFC 9113, 8; nghttp2's API reference
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "proxy/transport/h2_int.h"
#include "proxy/wire/http_req.h"

#define TEXT_FIRST 1024u
#define NV_MAX     160

/* --- a server --- */

static int text_put(struct h2_sub *u, const void *p, size_t n)
{
	struct buf *b = u->text;

	if (b && buf_space(b) >= n)
		return buf_put(b, p, n);
	if (n > HTTP1_HEAD_MAX || (b && b->len + n > HTTP1_HEAD_MAX))
		return -ENOBUFS;
	b = buf_new(2 * (n + (b ? b->len : TEXT_FIRST)));
	if (!b)
		return -ENOMEM;
	if (u->text)
		buf_put(b, buf_head(u->text), u->text->len);
	buf_free(u->text);
	u->text = b;
	return buf_put(b, p, n);
}

int h2_text_add(struct h2_sub *u, const uint8_t *name, size_t name_len,
		const uint8_t *value, size_t value_len)
{
	int rc = 0;

	if (name_len == 10 && !memcmp(name, ":authority", 10)) {
		rc = text_put(u, "host", 4);
	} else if (name_len && name[0] == ':') {
		rc = text_put(u, "@", 1);
		if (!rc)
			rc = text_put(u, name + 1, name_len - 1);
	} else {
		rc = text_put(u, name, name_len);
	}
	if (!rc)
		rc = text_put(u, ": ", 2);
	if (!rc)
		rc = text_put(u, value, value_len);
	return rc ? rc : text_put(u, "\r\n", 2);
}

/* Header lines as name and value, in @text, which is changed. How many */
static size_t nv_lines(char *text, nghttp2_nv *nv, size_t max)
{
	size_t n = 0;
	char *next;

	for (char *p = text; *p && n < max; p = next) {
		char *end = strstr(p, "\r\n"), *colon = strchr(p, ':');

		if (!end || !colon || colon > end)
			break;
		next = end + 2;
		for (char *c = p; c < colon; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
		nv[n].name = (uint8_t *)p;
		nv[n].namelen = (size_t)(colon - p);
		colon += colon[1] == ' ' ? 2 : 1;
		nv[n].value = (uint8_t *)colon;
		nv[n].valuelen = (size_t)(end - colon);
		nv[n++].flags = NGHTTP2_NV_FLAG_NONE;
	}
	return n;
}

static nghttp2_nv pair(char *name, char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name),
			     strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static int sub_answer(struct stream *s, unsigned int status, const char *lines,
		      bool body)
{
	struct h2_sub *u = container_of(s, struct h2_sub, s);
	char text[HTTP_LINES_MAX], name[] = ":status", code[16];
	nghttp2_nv nv[NV_MAX];
	size_t n;

	if (u->err || !u->h)
		return u->err ? u->err : -ECONNRESET;
	if (strlen(lines) >= sizeof(text))
		return -ENOBUFS;
	snprintf(text, sizeof(text), "%s", lines);
	snprintf(code, sizeof(code), "%u", status);
	nv[0] = pair(name, code);
	n = 1 + nv_lines(text, nv + 1, NV_MAX - 1);
	if (!body)
		u->fin = u->fin_sent = true;
	if (nghttp2_submit_response(u->h->ng, u->id, nv, n,
				    body ? &h2_sub_source : NULL))
		return u->err = -ENOMEM;
	h2_flush_soon(u->h);
	return 0;
}

static void sub_refuse(struct stream *s)
{
	struct h2_sub *u = container_of(s, struct h2_sub, s);

	if (u->h)
		h2_over_refuse(u->h, u->id);
	u->fin_sent = u->eof = true; /* the one reset is all */
	s->ops->close(s, 0);
}

void h2_request(struct h2 *h, struct h2_sub *u)
{
	struct buf *text = u->text;
	struct http1_head head = { .minor = 1 };
	struct http_req framing = { 0 };
	struct http1_text length;
	struct http_rq rq = { .s = &u->s,
			      .head = &head,
			      .no_body = u->eof,
			      .length = UINT64_MAX,
			      .answer = sub_answer,
			      .refuse = h2_over_refuses(h) ? sub_refuse : NULL,
			      .worker = h->job.worker,
			      .b = &h->birth,
			      .t = h->t };

	u->text = NULL;
	if (text) {
		head.headers.p = (const char *)buf_head(text);
		head.headers.n = text->len;
	}
	if (http1_header(&head, "content-length", &length) &&
	    http_req_framing(&head, &framing) == 0)
		rq.length = framing.length;
	if (http1_header(&head, "@method", &head.method) &&
	    http1_header(&head, "@path", &head.target) && head.target.n) {
		h->conf->handler(&rq);
	} else {
		(void)sub_answer(&u->s, 400, "", false);
		u->s.ops->close(&u->s, 0);
	}
	buf_free(text);
}

/* --- a client --- */

int h2_submit(struct h2 *h, struct h2_sub *u, const struct http_ask *ask)
{
	char text[HTTP_LINES_MAX], length[24], method[16], path[HTTP_PATH_MAX],
		authority[300], scheme[8];
	char names[][16] = { ":method", ":scheme", ":path", ":authority",
			     "content-length" };
	bool body = ask->body == HTTP_OPEN_END || ask->length;
	nghttp2_nv nv[NV_MAX];
	size_t n = 0;

	if (strlen(ask->lines) >= sizeof(text) ||
	    strlen(ask->path) >= sizeof(path) ||
	    strlen(ask->authority) >= sizeof(authority))
		return -ENOMEM;
	snprintf(text, sizeof(text), "%s", ask->lines);
	snprintf(path, sizeof(path), "%s", ask->path);
	snprintf(authority, sizeof(authority), "%s", ask->authority);
	snprintf(method, sizeof(method), "%s", ask->method);
	snprintf(scheme, sizeof(scheme), "%s", h->conf->scheme);
	nv[n++] = pair(names[0], method);
	nv[n++] = pair(names[1], scheme);
	nv[n++] = pair(names[2], path);
	nv[n++] = pair(names[3], authority);
	if (ask->body == HTTP_LENGTH) {
		snprintf(length, sizeof(length), "%llu",
			 (unsigned long long)ask->length);
		nv[n++] = pair(names[4], length);
	}
	n += nv_lines(text, nv + n, NV_MAX - n);
	u->fin = u->fin_sent = !body;
	if (body && ask->body == HTTP_LENGTH)
		u->left = ask->length;
	u->id = nghttp2_submit_request(h->ng, NULL, nv, n,
				       body ? &h2_sub_source : NULL, u);
	return u->id < 0 ? -ENOMEM : 0;
}
