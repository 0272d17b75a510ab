/* http1.h - HTTP/1 heads: find the end, read a status or request, headers */
#ifndef PROXY_WIRE_HTTP1_H
#define PROXY_WIRE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/addr.h"

#define HTTP1_HEAD_MAX    16384 /* a longer head is refused */
#define HTTP1_HEADERS_MAX 256

/**
 * struct http1_text - Some bytes of a head, borrowed, not terminated
 */
struct http1_text {
	const char *p;
	size_t n;
};

/**
 * struct http1_head - A complete head
 * @status:	Of a response; 0 in a request
 * @minor:	The x of HTTP/1.x
 * @method, @target:	Of a request
 * @reason:	Of a response
 * @headers:	All header lines as received, for http1_header()
 */
struct http1_head {
	uint16_t status;
	uint8_t minor;
	struct http1_text method, target, reason, headers;
};

/*
 * Bytes consumed with the blank line, 0 more are needed, -EPROTO (not HTTP/1,
 * a control byte, a head above HTTP1_HEAD_MAX, more than HTTP1_HEADERS_MAX
 * lines, folded lines, a name with a space)
 */
ssize_t http1_response_decode(const uint8_t *p, size_t n,
			      struct http1_head *out);
ssize_t http1_request_decode(const uint8_t *p, size_t n,
			     struct http1_head *out);

/**
 * struct http1_gather - A response's head that comes in pieces; zero: none yet
 * @len:	Bytes there are of it
 */
struct http1_gather {
	size_t len;
	uint8_t bytes[HTTP1_HEAD_MAX];
};

/**
 * http1_gather() - Take the next piece of a head, and read it once it is whole
 * @p, @n:	The piece; what is behind the head is not taken
 * @out:	Filled when @whole; points into @g, until the next piece
 *
 * Return: bytes taken, -EPROTO
 */
ssize_t http1_gather(struct http1_gather *g, const uint8_t *p, size_t n,
		     struct http1_head *out, bool *whole);

/* First header @name (any case); the value is trimmed. False: none */
bool http1_header(const struct http1_head *h, const char *name,
		  struct http1_text *value);
/* Next header line from *@at (start with 0). False at the end */
bool http1_header_next(const struct http1_head *h, size_t *at,
		       struct http1_text *name, struct http1_text *value);
/* Is @token one of the comma-separated words of header @name? Any case */
bool http1_has_token(const struct http1_head *h, const char *name,
		     const char *token);
bool http1_is(const struct http1_text *t, const char *text); /* any case */
/*
 * "host:port", "[v6]:port" or "host" (then @port). 0, or -EPROTO. @name keeps
 * a host name
 */
int http1_authority(const struct http1_text *t, uint16_t port, struct addr *out,
		    char name[256]);

/**
 * struct http1_connect - A CONNECT request to a proxy
 * @user, @pass:	NULL: no Proxy-Authorization
 * @extra:		More header lines, each with its CR LF; "" none
 */
struct http1_connect {
	const struct addr *to;
	const char *user, *pass, *extra;
};
ssize_t http1_connect_encode(const struct http1_connect *c, uint8_t *out,
			     size_t room);
/* "Basic ..." equal to user:pass, in constant time */
bool http1_basic_auth(const struct http1_text *value, const char *user,
		      const char *pass);

#endif
