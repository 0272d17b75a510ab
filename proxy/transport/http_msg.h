/*
 * http_msg.h - A request and its answer as one stream, by either version of HTTP
 *
 * What is written is the body of the own message, what is read that of the other
 * side's; finish ends the own one. A client's stream is up when the answer is 200;
 * another answer is its -EPROTO. h1_client.c, h1_server.c, h2_carrier.c.
 */
#ifndef PROXY_TRANSPORT_HTTP_MSG_H
#define PROXY_TRANSPORT_HTTP_MSG_H

#include "gateway/core/transport.h"
#include "proxy/wire/http1.h"

#define HTTP_LINES_MAX 12288 /* header lines of one message of ours */
#define HTTP_PATH_MAX  8192 /* and its path with the query */

struct h2_flow;

enum http_body_kind { HTTP_NO_BODY, HTTP_LENGTH, HTTP_OPEN_END };

/**
 * struct http_ask - A client's request
 * @lines:	Headers, each with its CR LF, but Host and those of framing
 * @body:	What follows; @length bytes of HTTP_LENGTH
 * @flow:	HTTP/2: h2_carrier.h
 * @keep:	HTTP/1: the connection is used again, and may have been before
 */
struct http_ask {
	const char *method, *path, *authority, *lines;
	enum http_body_kind body;
	uint64_t length;
	struct h2_flow *flow;
	bool keep;
};

/**
 * struct http_rq - A request that came to a server, for one call of its handler
 * @s:		The handler's from now on; nothing was answered yet
 * @head:	Borrowed for the call; Host is among its headers
 * @no_body:	Nothing can be read
 * @length:	Bytes of the body; UINT64_MAX: not known
 * @answer:	With @lines, and a body or none. 0 or -errno. HTTP/1: 101 with a body
 *		that is whatever was agreed upon, and ends with the connection
 * @refuse:	NULL, but when no session is born of it any more: the answer is that,
 *		and @s is closed. What belongs to one that there is goes on
 * @b:		Where sessions go
 */
struct http_rq {
	struct stream *s;
	const struct http1_head *head;
	bool no_body;
	uint64_t length;
	int (*answer)(struct stream *s, unsigned int status, const char *lines,
		      bool body);
	void (*refuse)(struct stream *s);
	struct worker *worker;
	const struct birth *b;
	const struct transport *t;
};

/* Takes a request; never fails: what is wrong is answered */
typedef void (*http_handler)(const struct http_rq *rq);

/* h1_client.c: a stream to @to with this request */
int h1_ask(const struct transport *t, const struct dial *d,
	   const struct addr *to, const struct http_ask *ask,
	   struct stream **out);
/* It failed because a connection used before was closed meanwhile: ask again */
bool h1_is_stale(const struct stream *s);
/* A client begins with HTTP/2: @early came already. As serve */
typedef int (*http_switch)(const struct transport *t, struct worker *w,
			   struct stream *below, const struct birth *b,
			   const struct iovec *early);
/*
 * h1_server.c: one more connection of @t may come to @w: where there are @most, the
 * oldest that waits for a request ends
 */
void h1_make_room(struct worker *w, const struct transport *t,
		  unsigned int most);
/* h1_server.c: @w has another configuration, as h2_reloaded() */
void h1_reloaded(struct worker *w);
/* A client's connection. Owns @below on success */
int h1_serve(const struct transport *t, struct worker *w, struct stream *below,
	     const struct birth *b, http_handler handler, http_switch to_h2);

#endif
