/*
 * http_req.c - Requests to an HTTP proxy: target, account, what is sent on
 *
 *	CONNECT host:port HTTP/1.1		a tunnel
 *	GET http://host[:port]/path HTTP/1.1	GET /path, Host: host[:port]
 *	GET /path HTTP/1.1			(transparent) Host says where
 *
 * Framing that can be read in two ways is refused, so that no second request
 * hides in a body: both lengths, two different ones, another coding than
 * chunked, bare line feeds between chunks.
 *
 * Source: RFC 9112, 3.2, 6, 7.1, 9; RFC 9110, 7.6.1 (hop by hop), 11.7
 */
#include "proxy/wire/http_req.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/crypto.h"
#include "gateway/base/wr.h"

#define LENGTH_MAX (1ull << 62)
#define EXTRA_MAX  16384
#define AUTH_MAX   512

static bool starts(const struct http1_text *t, const char *text)
{
	return t->n >= strlen(text) && !strncasecmp(t->p, text, strlen(text));
}

static struct http1_text tail(const struct http1_text *t, size_t n)
{
	return (struct http1_text){ t->p + n, t->n - n };
}

/* "http://user@host:port/path" into authority and path. Default port or -1 */
static int split_url(const struct http1_text *url, struct http_req *r)
{
	int port = starts(url, "http://")  ? 80 :
		   starts(url, "https://") ? 443 :
					     -1;
	struct http1_text rest;
	const char *at;
	size_t n = 0;

	if (port < 0)
		return -1;
	rest = tail(url, port == 80 ? 7 : 8);
	while (n < rest.n && !strchr("/?#", rest.p[n]))
		n++;
	r->authority = (struct http1_text){ rest.p, n };
	r->path = tail(&rest, n);
	at = n ? memrchr(rest.p, '@', n) : NULL;
	if (at)
		r->authority = tail(&r->authority, (size_t)(at + 1 - rest.p));
	return port;
}

static int read_target(const struct http1_head *h, struct http_req *r)
{
	int port = 80;

	r->connect = http1_is(&h->method, "CONNECT");
	r->origin = !r->connect && h->target.p[0] == '/';
	if (r->connect) {
		r->authority = h->target;
		port = 443;
	} else if (r->origin) {
		if (!http1_header(h, "Host", &r->authority))
			return -EPROTO;
		r->path = h->target;
	} else {
		port = split_url(&h->target, r);
	}
	if (port < 0 || !r->authority.n)
		return -EPROTO;
	return http1_authority(&r->authority, (uint16_t)port, &r->to, r->name);
}

static int read_number(const struct http1_text *t, uint64_t *out)
{
	uint64_t v = 0;

	if (!t->n || t->n > 19)
		return -EPROTO;
	for (size_t i = 0; i < t->n; i++) {
		if (t->p[i] < '0' || t->p[i] > '9')
			return -EPROTO;
		v = v * 10 + (uint64_t)(t->p[i] - '0');
	}
	if (v > LENGTH_MAX)
		return -EPROTO;
	*out = v;
	return 0;
}

int http_req_framing(const struct http1_head *h, struct http_req *r)
{
	struct http1_text name, value;
	bool has_length = false;
	uint64_t n = 0;
	size_t at = 0;

	while (http1_header_next(h, &at, &name, &value)) {
		if (http1_is(&name, "Content-Length")) {
			if (read_number(&value, &n) ||
			    (has_length && n != r->length))
				return -EPROTO;
			has_length = true;
			r->length = n;
		} else if (http1_is(&name, "Transfer-Encoding")) {
			if (r->chunked || !http1_is(&value, "chunked"))
				return -EPROTO;
			r->chunked = true;
		}
	}
	return r->chunked && (has_length || !h->minor) ? -EPROTO : 0;
}

static bool says(const struct http1_head *h, const char *word)
{
	return http1_has_token(h, "Connection", word) ||
	       http1_has_token(h, "Proxy-Connection", word);
}

int http_req_read(const struct http1_head *h, struct http_req *out)
{
	int err;

	memset(out, 0, sizeof(*out));
	err = read_target(h, out);
	if (!err && !out->connect)
		err = http_req_framing(h, out);
	if (err)
		return err;
	out->keep = h->minor ? !says(h, "close") : says(h, "keep-alive");
	return 0;
}

int http_req_account(const struct http1_head *h, char user[256], char pass[256])
{
	struct http1_text v;
	uint8_t plain[AUTH_MAX + 1];
	const uint8_t *colon;
	ssize_t n;
	int err = -EPROTO;

	if (!http1_header(h, "Proxy-Authorization", &v) ||
	    !starts(&v, "Basic "))
		return -ENOENT;
	v = tail(&v, 6);
	while (v.n && *v.p == ' ')
		v = tail(&v, 1);
	n = base64_decode(v.p, v.n, plain, AUTH_MAX);
	colon = n > 0 ? memchr(plain, ':', (size_t)n) : NULL;
	if (colon && !memchr(plain, 0, (size_t)n) && colon - plain < 256 &&
	    plain + n - colon - 1 < 256) {
		plain[n] = '\0';
		memcpy(user, plain, (size_t)(colon - plain));
		user[colon - plain] = '\0';
		memcpy(pass, colon + 1, (size_t)(plain + n - colon));
		err = 0;
	}
	wipe(plain, sizeof(plain));
	return err;
}

static void put(struct wr *w, const char *text)
{
	wr_bytes(w, text, strlen(text));
}

static void put_text(struct wr *w, const struct http1_text *t)
{
	wr_bytes(w, t->p, t->n);
}

/* Is this header about the client's connection only? */
static bool hop_by_hop(const struct http1_head *h,
		       const struct http1_text *name)
{
	static const char *const own[] = {
		"Connection",
		"Proxy-Connection",
		"Keep-Alive",
		"Proxy-Authorization",
		"Proxy-Authenticate",
		"TE",
		"Upgrade",
		"Host",
		"Close", /* our own "Connection: close" would name it */
	};
	char word[64];

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (http1_is(name, own[i]))
			return true;
	/* Framing cannot be named away */
	if (name->n >= sizeof(word) || http1_is(name, "Content-Length") ||
	    http1_is(name, "Transfer-Encoding"))
		return false;
	memcpy(word, name->p, name->n);
	word[name->n] = '\0';
	return says(h, word);
}

static void put_line(struct wr *w, const struct http1_head *h,
		     const struct http_req *r)
{
	const char version[] = { (char)('0' + h->minor), '\r', '\n', '\0' };

	put_text(w, &h->method);
	put(w, " ");
	if (!r->path.n && http1_is(&h->method, "OPTIONS"))
		put(w, "*");
	else if (!r->path.n || r->path.p[0] != '/')
		put(w, "/");
	put_text(w, &r->path);
	put(w, " HTTP/1.");
	put(w, version);
}

ssize_t http_req_rewrite(const struct http1_head *h, const struct http_req *r,
			 uint8_t *out, size_t room)
{
	struct wr w = wr_init(out, room);
	struct http1_text name, value;
	size_t at = 0;

	put_line(&w, h, r);
	put(&w, "Host: ");
	put_text(&w, &r->authority);
	put(&w, "\r\n");
	while (http1_header_next(h, &at, &name, &value)) {
		if (hop_by_hop(h, &name))
			continue;
		put_text(&w, &name);
		put(&w, ": ");
		put_text(&w, &value);
		put(&w, "\r\n");
	}
	put(&w, r->keep ? "Connection: keep-alive\r\n\r\n" :
			  "Connection: close\r\n\r\n");
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}

/* --- the body's end --- */

void http_body_init(struct http_body *b, const struct http_req *r)
{
	*b = (struct http_body){ .state = BODY_DONE, .left = r->length };
	if (r->chunked)
		b->state = BODY_SIZE;
	else if (r->length)
		b->state = BODY_LENGTH;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static int size_byte(struct http_body *b, uint8_t c)
{
	int v = hex(c);

	if (v >= 0) {
		if (b->left >= LENGTH_MAX >> 4)
			return -EPROTO;
		b->left = b->left << 4 | (uint64_t)v;
		b->digits = true;
		return 0;
	}
	if (!b->digits)
		return -EPROTO;
	if (c == '\r')
		b->state = BODY_SIZE_LF;
	else if (c == ';' || c == ' ' || c == '\t')
		b->state = BODY_EXT;
	else
		return -EPROTO;
	return 0;
}

/* @c must be @want; then @next */
static int expect(struct http_body *b, uint8_t c, uint8_t want,
		  enum http_body_state next)
{
	b->state = next;
	return c == want ? 0 : -EPROTO;
}

/* In text up to a CR; a bare LF could be read as its end by others */
static int text_byte(struct http_body *b, uint8_t c, enum http_body_state next)
{
	if (c == '\r')
		b->state = next;
	return c == '\n' || ++b->extra > EXTRA_MAX ? -EPROTO : 0;
}

static int body_byte(struct http_body *b, uint8_t c)
{
	int err = 0;

	switch (b->state) {
	case BODY_SIZE:
		return size_byte(b, c);
	case BODY_EXT:
		return text_byte(b, c, BODY_SIZE_LF);
	case BODY_SIZE_LF:
		b->extra = 0; /* of this chunk: a body may have any number */
		return expect(b, c, '\n', b->left ? BODY_DATA : BODY_LINE);
	case BODY_DATA_CR:
		return expect(b, c, '\r', BODY_DATA_LF);
	case BODY_DATA_LF:
		b->digits = false;
		return expect(b, c, '\n', BODY_SIZE);
	case BODY_LINE:
		if (c == '\r')
			b->state = BODY_END_LF;
		else
			b->state = BODY_TRAILER;
		return c == '\n' ? -EPROTO : 0;
	case BODY_TRAILER:
		return text_byte(b, c, BODY_TRAILER_LF);
	case BODY_TRAILER_LF:
		return expect(b, c, '\n', BODY_LINE);
	case BODY_END_LF:
		return expect(b, c, '\n', BODY_DONE);
	case BODY_LENGTH:
	case BODY_DATA:
	case BODY_DONE:
		break;
	}
	return err;
}

ssize_t http_body_take(struct http_body *b, const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at < n && b->state != BODY_DONE) {
		if (b->state == BODY_LENGTH || b->state == BODY_DATA) {
			size_t k = n - at < b->left ? n - at : (size_t)b->left;

			at += k;
			b->left -= k;
			if (!b->left)
				b->state = b->state == BODY_DATA ?
						   BODY_DATA_CR :
						   BODY_DONE;
		} else if (body_byte(b, p[at++]) < 0) {
			return -EPROTO;
		}
	}
	return (ssize_t)at;
}

ssize_t http_body_data(struct http_body *b, uint8_t *p, size_t n, size_t *used)
{
	size_t at = 0, got = 0;

	while (at < n && b->state != BODY_DONE) {
		bool data = b->state == BODY_LENGTH || b->state == BODY_DATA;
		size_t k = 1;

		if (data) {
			k = n - at < b->left ? n - at : (size_t)b->left;
			memmove(p + got, p + at, k);
			got += k;
		}
		if (http_body_take(b, p + at, k) < 0)
			return -EPROTO;
		at += k;
	}
	*used = at;
	return (ssize_t)got;
}
