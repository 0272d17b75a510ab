/*
 * http_get.h - The answer to a GET, as it comes: head, redirect, body
 *
 * Source: RFC 9110, 15.4 (redirects), 8.8.3 (ETag); RFC 9112
 */
#ifndef PROXY_WIRE_HTTP_GET_H
#define PROXY_WIRE_HTTP_GET_H

#include "proxy/wire/http1_body.h"
#include "proxy/wire/https_url.h"

#define HTTP_GET_ETAG_MAX    256
#define HTTP_GET_REQUEST_MAX (HTTPS_PATH_MAX + 1024)

/**
 * struct http_get - An answer under way
 * @max, @size:	Bytes of a body that are allowed, that came
 * @status:	0: the head is not there yet
 * @done:	Nothing more is wanted: a body is read with status 200 only
 * @head:	Until it is whole
 * @location:	Of a redirect; @etag: with its quotes. "": none
 */
struct http_get {
	struct http1_body body;
	uint64_t max, size;
	uint16_t status;
	bool done;
	char location[HTTPS_PATH_MAX], etag[HTTP_GET_ETAG_MAX];
	struct http1_gather head;
};

/* The request; @etag: what is there already, "" nothing. Bytes, or -ENOBUFS */
int http_get_request(const struct https_url *u, const char *etag, char *out,
		     size_t room);
void http_get_begin(struct http_get *g, uint64_t max);
/**
 * http_get_take() - Read what came
 * @out, @room, @got:	Where the body's bytes go, and how many went there
 *
 * Return: bytes used (fewer than @n: @out is full, or @g->done), -EPROTO, -EMSGSIZE:
 * the body is, or says that it will be, longer than @max
 */
ssize_t http_get_take(struct http_get *g, const uint8_t *p, size_t n,
		      uint8_t *out, size_t room, size_t *got);
/* The connection ended. 0: all is there; -ECONNRESET: it is cut short */
int http_get_end(struct http_get *g);
static inline bool http_get_redirects(const struct http_get *g)
{
	return g->done && g->location[0];
}

#endif
