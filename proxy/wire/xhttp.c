/*
 * xhttp.c - XHTTP: where a request stands in its session, and what it is padded with
 *
 *	POST base			one stream is all
 *	GET  base SESSION		the way down
 *	POST base SESSION		the way up, as one body
 *	POST base SESSION/SEQ		a piece of it, from 0
 *	Referer: URL?x_padding=XXX	or in the request's own query
 *
 * Source: Xray-core transport/internet/splithttp (facts); docs/wire/xhttp.md
 */
#include "proxy/wire/xhttp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

int xhttp_place(const struct http1_text *target, const char *base,
		struct xhttp_place *out)
{
	const char *query = memchr(target->p, '?', target->n), *slash;
	size_t n = query ? (size_t)(query - target->p) : target->n;
	size_t skip = strlen(base);
	struct http1_text rest, seq = { 0 };

	*out = (struct xhttp_place){ 0 };
	if (n < skip || memcmp(target->p, base, skip) != 0)
		return -ENOENT;
	rest = (struct http1_text){ target->p + skip, n - skip };
	slash = memchr(rest.p, '/', rest.n);
	if (slash) {
		seq.p = slash + 1;
		seq.n = (size_t)(rest.p + rest.n - seq.p);
		rest.n = (size_t)(slash - rest.p);
	}
	if (rest.n > XHTTP_SESSION_MAX || (slash && !rest.n))
		return -EPROTO;
	out->session = rest;
	if (!seq.n)
		return 0;
	out->has_seq = true;
	return read_seq(seq, &out->seq);
}

/* Bytes of the parameter's value in the query of @url; 0: none */
static size_t padding_of(struct http1_text url)
{
	static const char key[] = XHTTP_PADDING "=";
	const size_t k = sizeof(key) - 1;
	const char *end = memchr(url.p, '#', url.n), *p;

	if (!end)
		end = url.p + url.n;
	p = memchr(url.p, '?', (size_t)(end - url.p));
	while (p) {
		const char *amp;

		p++;
		amp = memchr(p, '&', (size_t)(end - p));
		if ((size_t)(end - p) > k && !memcmp(p, key, k))
			return (size_t)((amp ? amp : end) - p) - k;
		p = amp;
	}
	return 0;
}

size_t xhttp_padding(const struct http1_head *h, bool *referer)
{
	struct http1_text url;

	*referer = http1_header(h, "referer", &url) && url.n;
	return padding_of(*referer ? url : h->target);
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
