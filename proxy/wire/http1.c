/*
 * http1.c - HTTP/1 heads: find the end, read a status or request, headers
 *
 *	response  HTTP/1.x SP status [SP reason] CR LF { name ":" value CR LF } CR LF
 *	request   method SP target SP HTTP/1.x CR LF { ... } CR LF
 *
 * A bare LF ends a line too. What could be read in two ways is refused:
 * folded lines, spaces before the colon, control bytes.
 *
 * Source: RFC 9112, 2 to 5; RFC 9110, 9.3.6 (CONNECT); RFC 7617 (Basic)
 */
#include "proxy/wire/http1.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/crypto.h"
#include "gateway/base/wr.h"

#define AUTH_MAX 512 /* user:pass */

/* A line without its end, from *@at; false: not complete */
static bool next_line(struct http1_text t, size_t *at, struct http1_text *line)
{
	const char *p = t.p + *at;
	const char *lf = memchr(p, '\n', t.n - *at);

	if (!lf)
		return false;
	line->p = p;
	line->n = (size_t)(lf - p);
	*at += line->n + 1;
	if (line->n && p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static bool has_control(struct http1_text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (((unsigned char)t.p[i] < 0x20 && t.p[i] != '\t') ||
		    t.p[i] == 0x7f)
			return true;
	return false;
}

static bool is_token(struct http1_text t)
{
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.p[i] <= ' ' ||
		    strchr("(),/:;<=>?@[\\]{}\"", t.p[i]))
			return false;
	return t.n > 0;
}

static struct http1_text trim(struct http1_text t)
{
	while (t.n && (*t.p == ' ' || *t.p == '\t')) {
		t.p++;
		t.n--;
	}
	while (t.n && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	return t;
}

/* Cut @line at its first @c into a word and, in @line, what follows */
static struct http1_text cut(struct http1_text *line, char c)
{
	const char *at = memchr(line->p, c, line->n);
	struct http1_text word = *line;

	if (!at) {
		line->p += line->n;
		line->n = 0;
		return word;
	}
	word.n = (size_t)(at - line->p);
	line->p = at + 1;
	line->n -= word.n + 1;
	return word;
}

static bool version_read(struct http1_text t, uint8_t *minor)
{
	if (t.n != 8 || memcmp(t.p, "HTTP/1.", 7) || t.p[7] < '0' ||
	    t.p[7] > '9')
		return false;
	*minor = (uint8_t)(t.p[7] - '0');
	return true;
}

static int status_line(struct http1_text line, struct http1_head *h)
{
	struct http1_text version = cut(&line, ' '), code = cut(&line, ' ');

	if (!version_read(version, &h->minor) || code.n != 3)
		return -EPROTO;
	for (size_t i = 0; i < 3; i++) {
		if (code.p[i] < '0' || code.p[i] > '9')
			return -EPROTO;
		h->status = (uint16_t)(h->status * 10 + (code.p[i] - '0'));
	}
	h->reason = line;
	return h->status >= 100 ? 0 : -EPROTO;
}

static int request_line(struct http1_text line, struct http1_head *h)
{
	h->method = cut(&line, ' ');
	h->target = cut(&line, ' ');
	if (!is_token(h->method) || !h->target.n ||
	    !version_read(line, &h->minor))
		return -EPROTO;
	return 0;
}

static int header_line(struct http1_text line)
{
	struct http1_text name;

	if (!memchr(line.p, ':', line.n))
		return -EPROTO;
	name = cut(&line, ':');
	return is_token(name) ? 0 : -EPROTO;
}

/* Is a head that is not complete yet still possible? */
static bool may_become(struct http1_text t, bool response)
{
	static const char start[] = "HTTP/1.";
	size_t n = t.n < strlen(start) ? t.n : strlen(start);

	if (t.n >= HTTP1_HEAD_MAX)
		return false;
	if (response)
		return !memcmp(t.p, start, n);
	for (size_t i = 0; i < t.n && t.p[i] != ' '; i++)
		if (!is_token((struct http1_text){ t.p + i, 1 }) || i >= 32)
			return false;
	return true;
}

static ssize_t head_decode(const uint8_t *p, size_t n, bool response,
			   struct http1_head *out)
{
	struct http1_text t = { (const char *)p,
				n < HTTP1_HEAD_MAX ? n : HTTP1_HEAD_MAX };
	struct http1_text line = { 0 };
	struct http1_head h = { 0 };
	size_t at = 0, start;
	int lines = 0, err;

	if (!n)
		return 0;
	if (!may_become(t, response) && n < HTTP1_HEAD_MAX)
		return -EPROTO;
	if (!next_line(t, &at, &line))
		return n < HTTP1_HEAD_MAX ? 0 : -EPROTO;
	err = has_control(line) ? -EPROTO :
	      response          ? status_line(line, &h) :
				  request_line(line, &h);
	if (err)
		return err;
	h.headers.p = t.p + at;
	for (start = at; next_line(t, &at, &line); start = at) {
		if (!line.n) {
			h.headers.n = start - (size_t)(h.headers.p - t.p);
			*out = h;
			return (ssize_t)at;
		}
		if (++lines > HTTP1_HEADERS_MAX || has_control(line) ||
		    header_line(line))
			return -EPROTO;
	}
	return n < HTTP1_HEAD_MAX ? 0 : -EPROTO;
}

ssize_t http1_response_decode(const uint8_t *p, size_t n,
			      struct http1_head *out)
{
	return head_decode(p, n, true, out);
}

ssize_t http1_request_decode(const uint8_t *p, size_t n, struct http1_head *out)
{
	return head_decode(p, n, false, out);
}

ssize_t http1_gather(struct http1_gather *g, const uint8_t *p, size_t n,
		     struct http1_head *out, bool *whole)
{
	size_t had = g->len;
	ssize_t len;

	if (n > sizeof(g->bytes) - had)
		n = sizeof(g->bytes) - had;
	memcpy(g->bytes + had, p, n);
	g->len += n;
	len = http1_response_decode(g->bytes, g->len, out);
	if (len < 0)
		return len;
	*whole = len > 0;
	if (!*whole)
		return (ssize_t)n;
	g->len = 0;
	return len - (ssize_t)had;
}

bool http1_is(const struct http1_text *t, const char *text)
{
	return t->n == strlen(text) && !strncasecmp(t->p, text, t->n);
}

bool http1_header_next(const struct http1_head *h, size_t *at,
		       struct http1_text *name, struct http1_text *value)
{
	struct http1_text line;

	if (*at >= h->headers.n || !next_line(h->headers, at, &line))
		return false;
	*name = cut(&line, ':');
	*value = trim(line);
	return true;
}

bool http1_header(const struct http1_head *h, const char *name,
		  struct http1_text *value)
{
	struct http1_text key;
	size_t at = 0;

	while (http1_header_next(h, &at, &key, value))
		if (http1_is(&key, name))
			return true;
	return false;
}

bool http1_has_token(const struct http1_head *h, const char *name,
		     const char *token)
{
	struct http1_text key, value;
	size_t at = 0;

	while (http1_header_next(h, &at, &key, &value)) {
		if (!http1_is(&key, name))
			continue;
		while (value.n) {
			struct http1_text word = trim(cut(&value, ','));

			if (http1_is(&word, token))
				return true;
		}
	}
	return false;
}

/* Decimal in @t; -1 when it is none or above 65535 */
static int port_read(struct http1_text t)
{
	int v = 0;

	if (!t.n || t.n > 5)
		return -1;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return -1;
		v = v * 10 + (t.p[i] - '0');
	}
	return v <= UINT16_MAX ? v : -1;
}

/* Split off ":port", and the brackets of an IPv6 literal */
static int host_split(struct http1_text t, struct http1_text *host, int *port)
{
	const char *colon = memchr(t.p, ':', t.n), *end;

	*host = t;
	if (t.n && *t.p == '[') {
		end = memchr(t.p, ']', t.n);
		if (!end)
			return -EPROTO;
		host->p = t.p + 1;
		host->n = (size_t)(end - host->p);
		colon = end + 1 < t.p + t.n ? end + 1 : NULL;
		if (colon && *colon != ':')
			return -EPROTO;
	} else if (colon) {
		host->n = (size_t)(colon - t.p);
	}
	if (colon) {
		struct http1_text digits = { colon + 1,
					     (size_t)(t.p + t.n - colon - 1) };

		*port = port_read(digits);
	}
	return *port < 0 ? -EPROTO : 0;
}

int http1_authority(const struct http1_text *t, uint16_t port, struct addr *out,
		    char name[256])
{
	struct addr a = { 0 };
	struct http1_text host;
	char text[256];
	int p = port, len;

	if (host_split(*t, &host, &p) || !host.n || host.n > ADDR_NAME_MAX)
		return -EPROTO;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (addr_parse_ip(&a, text)) {
		len = addr_clean_name(text, host.n, name);
		if (len <= 0)
			return -EPROTO;
		a = addr_name(name, (size_t)len, 0);
	}
	a.port = (uint16_t)p;
	*out = a;
	return 0;
}

/* "Basic " and base64(user:pass), terminated */
static int basic_text(const char *user, const char *pass, char *out,
		      size_t room)
{
	char plain[AUTH_MAX];
	int n = snprintf(plain, sizeof(plain), "%s:%s", user, pass);
	ssize_t len;

	if (n < 0 || (size_t)n >= sizeof(plain) || room < 7)
		return -EINVAL;
	snprintf(out, room, "Basic ");
	len = base64_encode(plain, (size_t)n, false, out + 6, room - 6);
	wipe(plain, sizeof(plain));
	return len < 0 ? (int)len : 0;
}

ssize_t http1_connect_encode(const struct http1_connect *c, uint8_t *out,
			     size_t room)
{
	char to[ADDR_TEXT_MAX], auth[BASE64_LEN(AUTH_MAX) + 8] = "";
	struct wr w = wr_init(out, room);
	const char *parts[] = { "CONNECT ",
				to,
				" HTTP/1.1\r\nHost: ",
				to,
				c->user ? "\r\nProxy-Authorization: " : "",
				auth,
				"\r\nProxy-Connection: Keep-Alive\r\n",
				c->extra ? c->extra : "",
				"\r\n" };
	int err = 0;

	addr_format(c->to, to, sizeof(to));
	if (c->user)
		err = basic_text(c->user, c->pass, auth, sizeof(auth));
	for (size_t i = 0; !err && i < ARRAY_SIZE(parts); i++)
		wr_bytes(&w, parts[i], strlen(parts[i]));
	wipe(auth, sizeof(auth));
	if (err)
		return err;
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}

bool http1_basic_auth(const struct http1_text *value, const char *user,
		      const char *pass)
{
	char want[BASE64_LEN(AUTH_MAX) + 8];
	bool equal;

	if (basic_text(user, pass, want, sizeof(want)) || value->n < 6 ||
	    strncasecmp(value->p, want, 6))
		return false;
	equal = value->n == strlen(want) &&
		ct_equal(value->p + 6, want + 6, value->n - 6);
	wipe(want, sizeof(want));
	return equal;
}
