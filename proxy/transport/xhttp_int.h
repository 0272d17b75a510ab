/* xhttp_int.h - What the files of XHTTP share */
#ifndef PROXY_TRANSPORT_XHTTP_INT_H
#define PROXY_TRANSPORT_XHTTP_INT_H

#include "gateway/base/rand.h"
#include "proxy/transport/h2_carrier.h"
#include "proxy/transport/http_conf.h"
#include "proxy/wire/xhttp.h"

#define XHTTP_PADDING_MAX 4000 /* bytes */
#define XHTTP_KEY_MAX \
	64 /* bytes of a header's, a cookie's, a parameter's name */
#define XHTTP_HEAD_DATA_MAX 4500 /* bytes of one piece that goes into a head */

enum xhttp_mode {
	XHTTP_AUTO,
	XHTTP_PACKET_UP,
	XHTTP_STREAM_UP,
	XHTTP_STREAM_ONE,
};

/**
 * struct xhttp_range - Drawn anew each time, both included
 */
struct xhttp_range {
	int32_t lo, hi;
};

/**
 * struct xhttp_conf - xhttpSettings
 * @http:	Host, and headers with what a browser would add
 * @layout:	Where requests have session, number, padding and data
 * @chunk:	Characters of one header or cookie with data
 * @base:	The path; '/' at its end if something follows it. @query: with its '?';
 *		"" none
 * @mode:	Of a client never auto; @auto_mode: it is what auto means there
 * @h1:		A client speaks HTTP/1.1, else HTTP/2
 * @table:	Letters of session names, @name_len of them; NULL: a UUID
 * @method:	Of requests of the way up
 * @post_bytes, @post_gap_ms:	Of a piece of the upload
 * @buffered:	Pieces that may wait for an earlier one
 * @padding_secs:	Of the answer to an upload in one body; hi < 1: none
 */
struct xhttp_conf {
	struct http_conf http;
	struct h2_conf h2;
	struct h2_reuse reuse;
	struct xhttp_layout layout;
	const char *base, *query, *table, *method;
	enum xhttp_mode mode;
	bool auto_mode, h1, no_grpc, no_sse;
	struct xhttp_range padding, post_bytes, post_gap_ms, padding_secs,
		name_len, chunk;
	uint32_t buffered;
};

static inline uint32_t xhttp_draw(struct xhttp_range r)
{
	return rand_between((uint32_t)r.lo, (uint32_t)r.hi);
}

/* xhttp_conf.c: settings to @t->settings. 0 or -errno after diag */
int xhttp_parse(struct transport *t, struct jobj *o, struct config *cfg);

/* The data of a piece is in its head */
static inline bool xhttp_data_in_head(const struct xhttp_conf *c)
{
	return c->layout.data.where == XHTTP_HEADER ||
	       c->layout.data.where == XHTTP_COOKIE;
}

/* xhttp_ask.c */
/**
 * struct xhttp_ask - One request of a client
 * @session:	NULL: one stream is all; @has_seq: a piece of the upload, @seq
 * @up:		Of the way up
 * @data:	For the head, borrowed; n 0: nothing
 * @keep, @flow:	struct http_ask's
 */
struct xhttp_ask {
	const char *session;
	bool has_seq, keep, up;
	struct http1_text data;
	uint64_t seq, length;
	enum http_body_kind body;
	struct h2_flow *flow;
};
int xhttp_send(const struct transport *t, const struct dial *d,
	       const struct addr *to, const struct xhttp_ask *a,
	       struct stream **out);
/* A padding's @n bytes as @c wants them made */
void xhttp_put_padding(struct wr *w, const struct xhttp_conf *c);

/* xhttp_up.c: a client's stream of several requests */
int xhttp_split(const struct transport *t, const struct dial *d,
		const struct addr *to, struct stream **out);

/* xhttp_flow.c: a server's flows of several requests */
/* xhttp.c: header lines of every answer */
void xhttp_answer_lines(const struct http_rq *rq, const struct xhttp_conf *c,
			bool stream, struct wr *w);
/* 200 with a body that goes on; @sse: it says that it is a stream. 0 or -errno */
int xhttp_answer_stream(const struct http_rq *rq, const struct xhttp_conf *c,
			bool sse);
/* A request with a session's name. Takes it, or refuses it */
void xhttp_flow_request(const struct http_rq *rq,
			const struct xhttp_place *place, bool marked);
void xhttp_refuse(const struct http_rq *rq, unsigned int status,
		  const char *why);

#endif
