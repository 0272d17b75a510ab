/* xhttp.h - XHTTP: where a request stands in its session, what it is padded with,
 * what it carries in its head */
#ifndef PROXY_WIRE_XHTTP_H
#define PROXY_WIRE_XHTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/http1.h"

#define XHTTP_SESSION_MAX 128 /* bytes of a session's name */
#define XHTTP_PADDING     "x_padding"

#define XHTTP_CHUNKS_MAX 256 /* of data in one head */

enum xhttp_where {
	XHTTP_PATH,
	XHTTP_QUERY,
	XHTTP_HEADER,
	XHTTP_COOKIE,
	XHTTP_URL_IN_HEADER, /* padding: parameter of a URL that a header has */
	XHTTP_BODY, /* data */
	XHTTP_ANYWHERE, /* data: headers, cookies and body, what there is */
};

/**
 * struct xhttp_spot - Where in a request something is, and under which name
 * @key:	NULL of XHTTP_PATH. Of data: KEY-0, KEY-1 ...; cookies KEY_0 ...
 */
struct xhttp_spot {
	enum xhttp_where where;
	const char *key;
};

/**
 * struct xhttp_layout - How requests are laid out
 * @pad_header:	Of XHTTP_HEADER and XHTTP_URL_IN_HEADER
 * @chosen:	xPaddingObfsMode: padding is where @pad says, else in the Referer
 * @tokenish:	It is random letters, measured as HPACK would code them
 */
struct xhttp_layout {
	struct xhttp_spot session, seq, data, pad;
	const char *pad_header;
	bool chosen, tokenish;
};

/**
 * struct xhttp_place - What a request is of its session
 * @session:	n 0: none, one stream is all
 * @has_seq:	A piece of the upload, number @seq
 */
struct xhttp_place {
	struct http1_text session;
	bool has_seq;
	uint64_t seq;
};

/* Some layout names a cookie: browsers must be told */
bool xhttp_has_cookie(const struct xhttp_layout *l);
/*
 * Session and number of a request whose path begins with @base. 0; -ENOENT:
 * another path; -EPROTO: a name that is too long, a number that is none or has no
 * session
 */
int xhttp_place(const struct http1_head *h, const char *base,
		const struct xhttp_layout *l, struct xhttp_place *out);
/* Bytes of padding as @l measures them; 0 none */
size_t xhttp_padding(const struct http1_head *h, const struct xhttp_layout *l);
/*
 * What headers and cookies carry, as @l->data says, to @out. Bytes (0: nothing),
 * -EPROTO: no base64, more than XHTTP_CHUNKS_MAX; -ENOBUFS
 */
ssize_t xhttp_data(const struct http1_head *h, const struct xhttp_layout *l,
		   uint8_t *out, size_t room);
/* Cookie @key of any Cookie header, not empty. False: none */
bool xhttp_cookie(const struct http1_head *h, const char *key,
		  struct http1_text *value);
/* Bytes of @t in HPACK's Huffman code (letters and digits; others count more) */
size_t xhttp_huffman(struct http1_text t);
/* Random letters of about @n such bytes (@n or one more) to @out, at most @room.
 * Characters written */
size_t xhttp_tokenish(size_t n, char *out, size_t room);
/* A random UUID as text */
void xhttp_uuid(char out[37]);

#endif
