/* xhttp.h - XHTTP: where a request stands in its session, and what it is padded with */
#ifndef PROXY_WIRE_XHTTP_H
#define PROXY_WIRE_XHTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/wire/http1.h"

#define XHTTP_SESSION_MAX 128 /* bytes of a session's name */
#define XHTTP_PADDING     "x_padding"

/**
 * struct xhttp_place - What the path says
 * @session:	n 0: none, one stream is all
 * @has_seq:	A piece of the upload, number @seq
 */
struct xhttp_place {
	struct http1_text session;
	bool has_seq;
	uint64_t seq;
};

/*
 * The target of a request ("/path/SESSION/SEQ?query") below @base, which begins
 * and ends with '/'. 0; -ENOENT: another path; -EPROTO: a name that is too long,
 * a number that is none, something behind it
 */
int xhttp_place(const struct http1_text *target, const char *base,
		struct xhttp_place *out);
/*
 * Bytes of padding: of the Referer's query, else of the request's own; 0 none.
 * *@referer: there is one
 */
size_t xhttp_padding(const struct http1_head *h, bool *referer);
/* A random UUID as text */
void xhttp_uuid(char out[37]);

#endif
