/*
 * xhttp_ask.c - One request of an XHTTP client: its path, headers and cookies
 *
 *	METHOD base[SESSION[/SEQ]][?query[&SESSION][&SEQ][&PADDING]]
 *	headers of a browser or the user's, padding, session, number, data
 *
 * Source: docs/wire/xhttp.md
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "proxy/transport/tls.h"
#include "proxy/transport/transports.h"
#include "proxy/transport/xhttp_int.h"

/**
 * struct making - A request being written
 * @target, @lines:	Its target, and header lines
 * @cookies:	Of one Cookie header, without its name
 */
struct making {
	const struct xhttp_conf *c;
	struct wr target, lines, cookies;
	bool has_query;
};

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

void xhttp_put_padding(struct wr *w, const struct xhttp_conf *c)
{
	size_t n = xhttp_draw(c->padding);
	char text[2 * XHTTP_PADDING_MAX];

	if (c->layout.tokenish)
		n = xhttp_tokenish(n, text, sizeof(text));
	else
		memset(text, 'X', n);
	wr_bytes(w, text, n);
}

/* --- spots --- */

/* A parameter of the query: its name and '='; what follows is the value */
static void query_begin(struct making *m, const char *key)
{
	http_conf_text(&m->target, m->has_query ? "&" : "?");
	m->has_query = true;
	http_conf_text(&m->target, key);
	http_conf_text(&m->target, "=");
}

static void cookie_begin(struct making *m, const char *key)
{
	if (wr_len(&m->cookies))
		http_conf_text(&m->cookies, "; ");
	http_conf_text(&m->cookies, key);
	http_conf_text(&m->cookies, "=");
}

static void header_begin(struct making *m, const char *key)
{
	http_conf_text(&m->lines, key);
	http_conf_text(&m->lines, ": ");
}

static void put_header(struct making *m, const char *key, const char *value)
{
	header_begin(m, key);
	http_conf_text(&m->lines, value);
	http_conf_text(&m->lines, "\r\n");
}

/* @value at @s, unless that is the path */
static void put_spot(struct making *m, const struct xhttp_spot *s,
		     const char *value)
{
	if (s->where == XHTTP_QUERY) {
		query_begin(m, s->key);
		http_conf_text(&m->target, value);
	} else if (s->where == XHTTP_HEADER) {
		put_header(m, s->key, value);
	} else if (s->where == XHTTP_COOKIE) {
		cookie_begin(m, s->key);
		http_conf_text(&m->cookies, value);
	}
}

static void put_place(struct making *m, const struct xhttp_ask *a)
{
	const struct xhttp_layout *l = &m->c->layout;
	bool both = a->session && l->session.where == XHTTP_PATH;
	char seq[24];

	http_conf_text(&m->target, m->c->base);
	if (both)
		http_conf_text(&m->target, a->session);
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)a->seq);
	if (a->has_seq && l->seq.where == XHTTP_PATH) {
		http_conf_text(&m->target, both ? "/" : "");
		http_conf_text(&m->target, seq);
	}
	http_conf_text(&m->target, m->c->query);
	m->has_query = m->c->query[0];
	if (a->session)
		put_spot(m, &l->session, a->session);
	if (a->has_seq)
		put_spot(m, &l->seq, seq);
}

static void put_padding(struct making *m, const char *host)
{
	const struct xhttp_layout *l = &m->c->layout;
	struct wr *w = &m->lines;

	if (l->pad.where == XHTTP_QUERY) {
		query_begin(m, l->pad.key);
		w = &m->target;
	} else if (l->pad.where == XHTTP_COOKIE) {
		cookie_begin(m, l->pad.key);
		w = &m->cookies;
	} else {
		header_begin(m, l->pad_header);
	}
	if (l->pad.where == XHTTP_URL_IN_HEADER) {
		http_conf_text(w, m->c->h2.scheme);
		http_conf_text(w, "://");
		http_conf_text(w, host);
		http_conf_text(w, m->c->base);
		http_conf_text(w, "?");
		http_conf_text(w, l->pad.key);
		http_conf_text(w, "=");
	}
	xhttp_put_padding(w, m->c);
	if (w == &m->lines)
		http_conf_text(w, "\r\n");
}

/* --- data --- */

/* One chunk of base64, number @i */
static void put_chunk(struct making *m, unsigned int i, const char *p, size_t n)
{
	const struct xhttp_spot *s = &m->c->layout.data;
	bool cookie = s->where == XHTTP_COOKIE;
	char key[XHTTP_KEY_MAX + 16];

	snprintf(key, sizeof(key), "%s%c%u", s->key, cookie ? '_' : '-', i);
	if (cookie) {
		cookie_begin(m, key);
		wr_bytes(&m->cookies, p, n);
		return;
	}
	header_begin(m, key);
	wr_bytes(&m->lines, p, n);
	http_conf_text(&m->lines, "\r\n");
}

static int put_data(struct making *m, const struct http1_text *data)
{
	char text[BASE64_LEN(XHTTP_HEAD_DATA_MAX) + 1];
	ssize_t n = base64_encode(data->p, data->n, true, text, sizeof(text));
	size_t at = 0, k;

	if (n < 0)
		return (int)n;
	for (unsigned int i = 0; at < (size_t)n; i++) {
		k = xhttp_draw(m->c->chunk);
		if (k > (size_t)n - at)
			k = (size_t)n - at;
		put_chunk(m, i, text + at, k);
		at += k;
	}
	return 0;
}

/* --- the whole --- */

static int make(struct making *m, const struct xhttp_ask *a, const char *host,
		char cookies[HTTP_LINES_MAX])
{
	int rc;

	http_conf_text(&m->lines, m->c->http.extra);
	put_place(m, a);
	put_padding(m, host);
	rc = a->data.n ? put_data(m, &a->data) : 0;
	if (a->body == HTTP_OPEN_END && !m->c->no_grpc)
		put_header(m, "Content-Type", "application/grpc");
	wr_u8(&m->cookies, 0);
	if (wr_ok(&m->cookies) && cookies[0])
		put_header(m, "Cookie", cookies);
	wr_u8(&m->target, 0);
	wr_u8(&m->lines, 0);
	if (rc == 0 &&
	    !(wr_ok(&m->target) && wr_ok(&m->lines) && wr_ok(&m->cookies)))
		rc = -ENOBUFS;
	return rc;
}

int xhttp_send(const struct transport *t, const struct dial *d,
	       const struct addr *to, const struct xhttp_ask *a,
	       struct stream **out)
{
	union {
		uint8_t u[HTTP_LINES_MAX];
		char c[HTTP_LINES_MAX];
	} lines, cookies;
	union {
		uint8_t u[HTTP_PATH_MAX];
		char c[HTTP_PATH_MAX];
	} target;
	struct making m = {
		.c = t->settings,
		.target = wr_init(target.u, sizeof(target.u)),
		.lines = wr_init(lines.u, sizeof(lines.u)),
		.cookies = wr_init(cookies.u, sizeof(cookies.u)),
	};
	char buf[ADDR_TEXT_MAX];
	const char *host = host_of(t, to, buf);
	struct http_ask ask = { .method = a->up ? m.c->method : "GET",
				.path = target.c,
				.authority = host,
				.lines = lines.c,
				.body = a->body,
				.length = a->length,
				.flow = a->flow,
				.keep = a->keep };
	int rc = make(&m, a, host, cookies.c);

	if (rc < 0)
		return rc;
	return m.c->h1 ? h1_ask(t, d, to, &ask, out) :
			 h2_ask(t, &m.c->h2, d, to, &ask, out);
}
