/* http_get.c - The answer to a GET, as it comes (contract: http_get.h) */
#include "proxy/wire/http_get.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OK 200

int http_get_request(const struct https_url *u, const char *etag, char *out,
		     size_t room)
{
	char host[300];
	int n = https_url_authority(u, host, sizeof(host));

	if (n < 0)
		return n;
	n = snprintf(
		out, room,
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0\r\n"
		"Accept: */*\r\nAccept-Encoding: identity\r\n%s%s%s"
		"Connection: close\r\n\r\n",
		u->path, host, etag[0] ? "If-None-Match: " : "", etag,
		etag[0] ? "\r\n" : "");
	return n < 0 || (size_t)n >= room ? -ENOBUFS : n;
}

void http_get_begin(struct http_get *g, uint64_t max)
{
	*g = (struct http_get){ .max = max };
}

/* The header @name, if it fits; else "" */
static void keep_header(const struct http1_head *h, const char *name, char *out,
			size_t room)
{
	struct http1_text v;

	out[0] = '\0';
	if (!http1_header(h, name, &v) || v.n >= room || memchr(v.p, '\0', v.n))
		return;
	memcpy(out, v.p, v.n);
	out[v.n] = '\0';
}

static bool is_redirect(uint16_t status)
{
	return status == 301 || status == 302 || status == 303 ||
	       status == 307 || status == 308;
}

/* 0, -EPROTO, -EMSGSIZE */
static int read_head(struct http_get *g, const struct http1_head *h)
{
	if (h->status < 200)
		return 0;
	g->status = h->status;
	keep_header(h, "etag", g->etag, sizeof(g->etag));
	if (is_redirect(h->status)) {
		keep_header(h, "location", g->location, sizeof(g->location));
		if (!g->location[0])
			return -EPROTO;
	}
	g->done = h->status != OK;
	if (g->done)
		return 0;
	if (http1_body_begin(h, &g->body) < 0)
		return -EPROTO;
	g->done = g->body.done;
	return g->body.framing == HTTP1_LENGTH && g->body.left > g->max ?
		       -EMSGSIZE :
		       0;
}

/* Bytes of a head. How many were used; -errno */
static ssize_t take_head(struct http_get *g, const uint8_t *p, size_t n)
{
	struct http1_head head;
	bool whole;
	ssize_t used = http1_gather(&g->head, p, n, &head, &whole);
	int rc;

	if (used < 0 || !whole)
		return used;
	rc = read_head(g, &head);
	return rc < 0 ? rc : used;
}

/* NOLINTNEXTLINE(readability-function-size): from where, to where, how much */
ssize_t http_get_take(struct http_get *g, const uint8_t *p, size_t n,
		      uint8_t *out, size_t room, size_t *got)
{
	size_t at = 0;
	ssize_t used;

	*got = 0;
	while (at < n && !g->status) {
		used = take_head(g, p + at, n - at);
		if (used < 0)
			return used;
		at += (size_t)used;
	}
	if (g->done || at == n)
		return (ssize_t)at;
	used = http1_body_read(&g->body, p + at, n - at, out, room, got);
	if (used < 0)
		return used;
	g->size += *got;
	g->done = g->body.done;
	return g->size > g->max ? -EMSGSIZE : (ssize_t)at + used;
}

int http_get_end(struct http_get *g)
{
	if (g->status && g->body.framing == HTTP1_TO_END)
		g->done = true;
	return g->done ? 0 : -ECONNRESET;
}
