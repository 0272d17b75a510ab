/* http_req.h - Requests to an HTTP proxy: target, account, what is sent on */
#ifndef PROXY_WIRE_HTTP_REQ_H
#define PROXY_WIRE_HTTP_REQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/http1.h"

#define HTTP_REQ_OUT_MAX (HTTP1_HEAD_MAX + 512) /* a rewritten head */

/**
 * struct http_req - What a proxy wants to know of a request head
 * @connect:	CONNECT: a tunnel
 * @origin:	The target is a path ("/x"), as to a web server, not to a proxy
 * @keep:	The client wants to go on with this connection
 * @chunked, @length:	How the body is framed; 0 and false: none
 * @authority:	Host and port as written; for the Host header
 * @path:	What is sent on as the target
 * @to:		A name is kept in @name: a copy of the struct needs it set again
 */
struct http_req {
	bool connect, origin, keep, chunked;
	uint64_t length;
	struct http1_text authority, path;
	struct addr to;
	char name[256];
};

/*
 * Understand a decoded head. 0, or -EPROTO: no target, two framings, a scheme
 * that is neither http nor https
 */
int http_req_read(const struct http1_head *h, struct http_req *out);
/*
 * Name and password of "Proxy-Authorization: Basic". 0, -ENOENT (none, or
 * another scheme), -EPROTO
 */
int http_req_account(const struct http1_head *h, char user[256],
		     char pass[256]);
/* How a decoded head says that its body is framed. 0, or -EPROTO: two ways */
int http_req_framing(const struct http1_head *h, struct http_req *r);
/*
 * The head for the server: path instead of URL, Host from the URL, without
 * what concerns this connection only. Bytes, or -ENOBUFS (HTTP_REQ_OUT_MAX
 * is enough for any head)
 */
ssize_t http_req_rewrite(const struct http1_head *h, const struct http_req *r,
			 uint8_t *out, size_t room);

enum http_body_state {
	BODY_LENGTH, /* @left bytes follow */
	BODY_SIZE, /* in a chunk's size */
	BODY_EXT, /* behind it, up to CR */
	BODY_SIZE_LF,
	BODY_DATA, /* @left bytes of a chunk follow */
	BODY_DATA_CR,
	BODY_DATA_LF,
	BODY_LINE, /* at the start of a trailer line */
	BODY_TRAILER, /* in it */
	BODY_TRAILER_LF,
	BODY_END_LF,
	BODY_DONE,
};

/**
 * struct http_body - Where the body ends; nothing is decoded
 * @left:	Bytes, or a chunk's size so far
 * @extra:	Bytes of this chunk's extension, or of trailers, seen; bounded
 */
struct http_body {
	enum http_body_state state;
	bool digits;
	uint64_t left;
	uint32_t extra;
};

void http_body_init(struct http_body *b, const struct http_req *r);
/* How many of @n bytes belong to the body, or -EPROTO. Then look at @state */
ssize_t http_body_take(struct http_body *b, const uint8_t *p, size_t n);
/*
 * Of @n bytes, *@used belong to the body; the data in them is moved together at
 * @p. Bytes of it, or -EPROTO
 */
ssize_t http_body_data(struct http_body *b, uint8_t *p, size_t n, size_t *used);

#endif
