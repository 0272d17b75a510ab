/*
 * http1_body.c - The body behind an HTTP/1 response's head (contract: http1_body.h)
 *
 *	chunked   SIZE -> [EXT ->] DATA -> CRLF -> SIZE ... 0 -> TRAILER -> done
 *
 * Sizes are hexadecimal, of eight digits at most. A line ends with CR LF or LF.
 */
#include "proxy/wire/http1_body.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/text.h"

enum { CHUNK_SIZE, CHUNK_EXT, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER };

#define SIZE_DIGITS 8

/* Digits only. False: something else, or too large */
static bool length_read(struct http1_text t, uint64_t *out)
{
	uint64_t v = 0;

	if (!t.n || t.n > 18)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(t.p[i] - '0');
	}
	*out = v;
	return true;
}

/* All Content-Length headers. 0, -ENOENT none, -EPROTO */
static int length_find(const struct http1_head *h, uint64_t *out)
{
	struct http1_text name, value;
	uint64_t v = 0;
	size_t at = 0;
	int found = -ENOENT;

	while (http1_header_next(h, &at, &name, &value)) {
		if (!http1_is(&name, "content-length"))
			continue;
		if (!length_read(value, &v) || (!found && v != *out))
			return -EPROTO;
		*out = v;
		found = 0;
	}
	return found;
}

int http1_body_begin(const struct http1_head *h, struct http1_body *b)
{
	struct http1_text coding;
	uint64_t length = 0;
	int rc = length_find(h, &length);

	if (rc == -EPROTO)
		return rc;
	*b = (struct http1_body){ .framing = HTTP1_NONE };
	if (h->status < 200 || h->status == 204 || h->status == 304) {
		b->done = true;
		return 0;
	}
	if (http1_header(h, "transfer-encoding", &coding)) {
		if (!rc || !http1_is(&coding, "chunked") || !h->minor)
			return -EPROTO;
		b->framing = HTTP1_CHUNKED;
		return 0;
	}
	b->framing = rc ? HTTP1_TO_END : HTTP1_LENGTH;
	b->left = rc ? UINT64_MAX : length;
	b->done = !b->left;
	return 0;
}

/* One byte of a chunk's size line. 0 or -EPROTO */
static int size_byte(struct http1_body *b, uint8_t c)
{
	int d = hex_digit((char)c);

	if (++b->line > HTTP1_LINE_MAX)
		return -EPROTO;
	if (c == '\n') {
		if (!b->digits)
			return -EPROTO;
		b->state = b->left ? CHUNK_DATA : CHUNK_TRAILER;
		b->line = 0;
		b->digits = false; /* in a trailer: the line has something */
		return 0;
	}
	if (b->state == CHUNK_EXT)
		return 0;
	if (d >= 0 && b->line <= SIZE_DIGITS) {
		b->left = b->left * 16 + (uint64_t)d;
		b->digits = true;
		return 0;
	}
	if (!b->digits || (c != ';' && c != '\r' && c != ' ' && c != '\t'))
		return -EPROTO;
	b->state = CHUNK_EXT;
	return 0;
}

/* One byte between two chunks, or behind the last. 0 or -EPROTO */
static int end_byte(struct http1_body *b, uint8_t c)
{
	if (b->state == CHUNK_END) {
		if (c == '\r' && !b->line++)
			return 0;
		if (c != '\n')
			return -EPROTO;
		b->state = CHUNK_SIZE;
		b->line = 0;
		return 0;
	}
	if (++b->line > HTTP1_TRAILER_MAX)
		return -EPROTO;
	if (c == '\n') {
		b->done = !b->digits;
		b->digits = false;
	} else if (c != '\r') {
		b->digits = true;
	}
	return 0;
}

/* Payload in place. Bytes */
static size_t data_copy(struct http1_body *b, const uint8_t *p, size_t n,
			uint8_t *out, size_t room)
{
	if (n > b->left)
		n = (size_t)b->left;
	if (n > room)
		n = room;
	if (n)
		memcpy(out, p, n);
	b->left -= n;
	return n;
}

/* NOLINTNEXTLINE(readability-function-size): from where, to where, how much */
ssize_t http1_body_read(struct http1_body *b, const uint8_t *p, size_t n,
			uint8_t *out, size_t room, size_t *got)
{
	bool chunked = b->framing == HTTP1_CHUNKED;
	size_t at = 0, k;
	int rc = 0;

	*got = 0;
	while (at < n && !b->done && !rc) {
		if (!chunked || b->state == CHUNK_DATA) {
			k = data_copy(b, p + at, n - at, out + *got,
				      room - *got);
			if (!k)
				break; /* @out is full */
			at += k;
			*got += k;
			if (!b->left && chunked)
				b->state = CHUNK_END;
			b->done = !b->left && !chunked;
			continue;
		}
		rc = b->state <= CHUNK_EXT ? size_byte(b, p[at]) :
					     end_byte(b, p[at]);
		at++;
	}
	return rc ? rc : (ssize_t)at;
}

uint32_t http1_number(const struct http1_text *value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < value->n; i++) {
		if (value->p[i] < '0' || value->p[i] > '9')
			return 0;
		v = v * 10 + (uint64_t)(value->p[i] - '0');
		if (v > UINT32_MAX)
			v = UINT32_MAX;
	}
	return (uint32_t)v;
}

bool http1_is_type(const struct http1_text *value, const char *type)
{
	size_t n = strlen(type), at = n;

	if (value->n < n || strncasecmp(value->p, type, n))
		return false;
	while (at < value->n && (value->p[at] == ' ' || value->p[at] == '\t'))
		at++;
	return at == value->n || value->p[at] == ';';
}
