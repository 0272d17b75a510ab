/*
 * http1_body.h - The body behind an HTTP/1 response's head, as it comes
 *
 * Source: RFC 9112, 6 and 7; RFC 9110, 8.3.1 (media types)
 */
#ifndef PROXY_WIRE_HTTP1_BODY_H
#define PROXY_WIRE_HTTP1_BODY_H

#include "proxy/wire/http1.h"

#define HTTP1_LINE_MAX    1024 /* of a chunk's size, with its extensions */
#define HTTP1_TRAILER_MAX 8192 /* all lines behind the last chunk */

enum http1_framing {
	HTTP1_NONE, /* no body */
	HTTP1_LENGTH,
	HTTP1_CHUNKED,
	HTTP1_TO_END, /* of the connection */
};

/**
 * struct http1_body - Where in a body the reading is; zero is not valid
 * @framing:	enum http1_framing
 * @state:	Of chunks
 * @left:	Bytes of the body, or of the chunk, still to come
 * @line:	Bytes of the line looked at
 * @done:	All of it was read
 */
struct http1_body {
	uint8_t framing, state;
	uint64_t left;
	uint32_t line;
	bool digits, done;
};

/*
 * How the body of response @h, to a POST, is framed. 0, or -EPROTO: in two ways, or
 * in none that is known
 */
int http1_body_begin(const struct http1_head *h, struct http1_body *b);

/**
 * http1_body_read() - Take what came
 * @out, @room:	Where payload goes
 * @got:	Bytes put there
 *
 * Return: bytes of @p used (less than @n when @b->done, or @out is full), -EPROTO
 */
ssize_t http1_body_read(struct http1_body *b, const uint8_t *p, size_t n,
			uint8_t *out, size_t room, size_t *got);
/* A number of digits only; another text: 0; what does not fit: UINT32_MAX */
uint32_t http1_number(const struct http1_text *value);
/* Is @value the media type @type, with whatever parameters? Any case */
bool http1_is_type(const struct http1_text *value, const char *type);

#endif
