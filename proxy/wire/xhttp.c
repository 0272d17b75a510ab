/*
 * xhttp.c - XHTTP: where a request stands in its session, what it is padded with,
 * what it carries in its head
 *
 *	POST base			one stream is all
 *	GET  base SESSION		the way down
 *	POST base SESSION		the way up, as one body
 *	POST base SESSION/SEQ		a piece of it, from 0
 *	Referer: URL?x_padding=XXX	or in the request's own query
 *
 * SESSION and SEQ may also be a parameter of the query, a header or a cookie, the
 * padding any of these, a piece's data headers or cookies: base64 in chunks, KEY-0,
 * KEY-1 ... or KEY_0, KEY_1 ..., in any order.
 *
 * Source: Xray-core transport/internet/splithttp (facts); RFC 7541, appendix B (code
 * lengths); RFC 6265, 4.2; docs/wire/xhttp.md
 */
#include "proxy/wire/xhttp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/rand.h"

/* Decimal, all of @t. 0 or -EPROTO */
static int read_seq(struct http1_text t, uint64_t *out)
{
	uint64_t v = 0;

	if (!t.n)
		return -EPROTO;
	for (size_t i = 0; i < t.n; i++) {
		unsigned int digit = (unsigned char)t.p[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return -EPROTO;
		v = v * 10 + digit;
	}
	*out = v;
	return 0;
}

/* --- queries and cookies --- */

/* Parameter @key of the query of @url. False: none */
static bool query_get(struct http1_text url, const char *key,
		      struct http1_text *value)
{
	const char *end = memchr(url.p, '#', url.n), *p;
	size_t k = strlen(key);

	if (!end)
		end = url.p + url.n;
	p = memchr(url.p, '?', (size_t)(end - url.p));
	while (p) {
		const char *amp;

		p++;
		amp = memchr(p, '&', (size_t)(end - p));
		if ((size_t)(end - p) > k && p[k] == '=' &&
		    !memcmp(p, key, k)) {
			value->p = p + k + 1;
			value->n = (size_t)((amp ? amp : end) - value->p);
			return true;
		}
		p = amp;
	}
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The @n bytes at @p without what is around them */
static struct http1_text bare(const char *p, size_t n)
{
	for (; n && is_blank(*p); n--)
		p++;
	while (n && is_blank(p[n - 1]))
		n--;
	return (struct http1_text){ p, n };
}

/* The next cookie of a Cookie header's value, which is shortened. False: none */
static bool cookie_next(struct http1_text *line, struct http1_text *name,
			struct http1_text *value)
{
	while (line->n) {
		const char *semi, *eq, *p = line->p;
		size_t n;

		semi = memchr(p, ';', line->n);
		n = semi ? (size_t)(semi - p) : line->n;
		line->p += semi ? n + 1 : n;
		line->n -= semi ? n + 1 : n;
		eq = memchr(p, '=', n);
		if (!eq)
			continue;
		*name = bare(p, (size_t)(eq - p));
		*value = bare(eq + 1, n - (size_t)(eq + 1 - p));
		if (value->n > 1 && *value->p == '"' &&
		    value->p[value->n - 1] == '"')
			*value = (struct http1_text){ value->p + 1,
						      value->n - 2 };
		return true;
	}
	return false;
}

static bool text_is(const struct http1_text *t, const char *text)
{
	return t->n == strlen(text) && !memcmp(t->p, text, t->n);
}

bool xhttp_cookie(const struct http1_head *h, const char *key,
		  struct http1_text *value)
{
	struct http1_text header, line, name;
	size_t at = 0;

	while (http1_header_next(h, &at, &header, &line)) {
		if (!http1_is(&header, "cookie"))
			continue;
		while (cookie_next(&line, &name, value))
			if (text_is(&name, key) && value->n)
				return true;
	}
	return false;
}

/* What is at @s; not of the path. n 0: nothing */
static struct http1_text spot_get(const struct http1_head *h,
				  const struct xhttp_spot *s)
{
	struct http1_text v = { 0 };
	bool there = false;

	if (s->where == XHTTP_QUERY)
		there = query_get(h->target, s->key, &v);
	else if (s->where == XHTTP_HEADER)
		there = http1_header(h, s->key, &v);
	else if (s->where == XHTTP_COOKIE)
		there = xhttp_cookie(h, s->key, &v);
	return there ? v : (struct http1_text){ 0 };
}

bool xhttp_has_cookie(const struct xhttp_layout *l)
{
	return l->session.where == XHTTP_COOKIE ||
	       l->seq.where == XHTTP_COOKIE || l->data.where == XHTTP_COOKIE ||
	       l->pad.where == XHTTP_COOKIE;
}

/* --- session and number --- */

/* Up to the next '/' of *@rest, which begins behind it afterwards */
static struct http1_text segment(struct http1_text *rest)
{
	struct http1_text t = *rest;
	const char *slash = memchr(t.p, '/', t.n);

	if (slash)
		t.n = (size_t)(slash - t.p);
	rest->p += slash ? t.n + 1 : t.n;
	rest->n -= slash ? t.n + 1 : t.n;
	return t;
}

int xhttp_place(const struct http1_head *h, const char *base,
		const struct xhttp_layout *l, struct xhttp_place *out)
{
	const struct http1_text *t = &h->target;
	const char *query = memchr(t->p, '?', t->n);
	size_t n = query ? (size_t)(query - t->p) : t->n;
	size_t skip = strlen(base);
	struct http1_text rest, seq;

	*out = (struct xhttp_place){ 0 };
	if (n < skip || memcmp(t->p, base, skip) != 0)
		return -ENOENT;
	rest = (struct http1_text){ t->p + skip, n - skip };
	out->session = l->session.where == XHTTP_PATH ?
			       segment(&rest) :
			       spot_get(h, &l->session);
	seq = l->seq.where == XHTTP_PATH ? rest : spot_get(h, &l->seq);
	if (l->session.where == XHTTP_PATH && !out->session.n && n > skip)
		return -EPROTO;
	if (out->session.n > XHTTP_SESSION_MAX)
		return -EPROTO;
	if (!seq.n)
		return 0;
	out->has_seq = true;
	return out->session.n ? read_seq(seq, &out->seq) : -EPROTO;
}

/* --- padding --- */

/* By xPaddingObfsMode: a cookie, else the header, else the own query */
static struct http1_text chosen_padding(const struct http1_head *h,
					const struct xhttp_layout *l)
{
	struct http1_text v = { 0 }, none = { 0 };

	if (xhttp_cookie(h, l->pad.key, &v))
		return v;
	if (http1_header(h, l->pad_header, &v) && v.n) {
		if (l->pad.where == XHTTP_HEADER)
			return v;
		return query_get(v, l->pad.key, &v) ? v : none;
	}
	return query_get(h->target, l->pad.key, &v) ? v : none;
}

size_t xhttp_padding(const struct http1_head *h, const struct xhttp_layout *l)
{
	struct http1_text v = { 0 }, url;

	if (l->chosen) {
		v = chosen_padding(h, l);
		return l->tokenish ? xhttp_huffman(v) : v.n;
	}
	if (!http1_header(h, "referer", &url) || !url.n)
		url = h->target;
	return query_get(url, XHTTP_PADDING, &v) ? v.n : 0;
}

static unsigned int huffman_bits(char c)
{
	if (strchr("012aceiost", c))
		return 5;
	if (strchr("3456789Abdfghlmnpru", c))
		return 6;
	if (c == 'X' || c == 'Z')
		return 8;
	return (c >= 'B' && c <= 'Z') || (c >= 'a' && c <= 'z') ? 7 : 30;
}

size_t xhttp_huffman(struct http1_text t)
{
	size_t bits = 0;

	for (size_t i = 0; i < t.n; i++)
		bits += t.p[i] ? huffman_bits(t.p[i]) : 30;
	return (bits + 7) / 8;
}

size_t xhttp_tokenish(size_t n, char *out, size_t room)
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz";
	size_t bits = 0, at = 0;

	while (at < room && bits + 7 < 8 * n) {
		out[at] = letters[rand_below(sizeof(letters) - 1)];
		bits += huffman_bits(out[at++]);
	}
	return at;
}

/* --- data --- */

/**
 * struct chunks - Pieces of base64 in a head, by number
 */
struct chunks {
	struct http1_text at[XHTTP_CHUNKS_MAX];
};

/*
 * @name is KEY, @sep, a number: note it, the first one counts. Cookies of another
 * case are other ones. 0 or -EPROTO
 */
static int chunk_note(struct chunks *c, struct http1_text name,
		      const struct http1_text *value, const char *key, char sep)
{
	size_t k = strlen(key), i = 0;

	if (name.n <= k + 1 || name.p[k] != sep ||
	    !http1_is(&(struct http1_text){ name.p, k }, key) ||
	    (sep == '_' && memcmp(name.p, key, k) != 0))
		return 0;
	name.p += k + 1;
	name.n -= k + 1;
	for (size_t j = 0; j < name.n; j++) {
		if (name.p[j] < '0' || name.p[j] > '9' || (j && !i))
			return 0;
		i = 10 * i + (size_t)(name.p[j] - '0');
		if (i >= XHTTP_CHUNKS_MAX)
			return -EPROTO;
	}
	if (!c->at[i].n)
		c->at[i] = *value;
	return 0;
}

/* Of headers, or of cookies */
static int chunks_find(struct chunks *c, const struct http1_head *h,
		       const char *key, bool cookies)
{
	struct http1_text name, value, line;
	size_t at = 0;
	int rc = 0;

	while (!rc && http1_header_next(h, &at, &name, &line)) {
		if (!cookies)
			rc = chunk_note(c, name, &line, key, '-');
		else if (http1_is(&name, "cookie"))
			while (!rc && cookie_next(&line, &name, &value))
				rc = chunk_note(c, name, &value, key, '_');
	}
	return rc;
}

/* The chunks from 0 to the first that is missing, decoded. Bytes or -errno */
static ssize_t chunks_decode(const struct chunks *c, uint8_t *out, size_t room)
{
	char text[HTTP1_HEAD_MAX];
	size_t n = 0;
	ssize_t got;

	for (size_t i = 0; i < XHTTP_CHUNKS_MAX && c->at[i].n; i++) {
		if (c->at[i].n > sizeof(text) - n)
			return -EPROTO;
		memcpy(text + n, c->at[i].p, c->at[i].n);
		n += c->at[i].n;
	}
	if (!n)
		return 0;
	got = base64_decode(text, n, out, room);
	return got == -EINVAL ? -EPROTO : got;
}

static ssize_t data_of(const struct http1_head *h, const char *key,
		       bool cookies, uint8_t *out, size_t room)
{
	struct chunks c = { 0 };
	int rc = chunks_find(&c, h, key, cookies);

	return rc ? rc : chunks_decode(&c, out, room);
}

ssize_t xhttp_data(const struct http1_head *h, const struct xhttp_layout *l,
		   uint8_t *out, size_t room)
{
	enum xhttp_where where = l->data.where;
	bool any = where == XHTTP_ANYWHERE;
	ssize_t n = 0, more = 0;

	if (any || where == XHTTP_HEADER)
		n = data_of(h, l->data.key, false, out, room);
	if (n < 0)
		return n;
	if (any || where == XHTTP_COOKIE)
		more = data_of(h, l->data.key, true, out + n, room - (size_t)n);
	return more < 0 ? more : n + more;
}

void xhttp_uuid(char out[37])
{
	uint8_t b[16];

	rand_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0, at = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		snprintf(out + at, 3, "%02x", b[i]);
		at += 2;
	}
}
