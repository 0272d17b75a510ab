/*
 * grpc.c - gRPC messages that hold bytes: Hunk and MultiHunk of Xray
 *
 *	00 | length u32 | 0A varint data [ 0A varint data ... ]
 *
 * Hunk has one field, MultiHunk any number; a reader takes both. Fields of other
 * numbers are skipped when they have a length.
 * Source: grpc PROTOCOL-HTTP2.md; protobuf encoding; xray.md section 2.14
 */
#include "proxy/wire/grpc.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/base/compat.h"

enum { AT_HEAD, AT_TAG, AT_LENGTH, AT_DATA };

#define TAG_DATA 0x0a /* field 1, bytes */

size_t grpc_head(uint32_t n, uint8_t out[GRPC_HEAD_MAX])
{
	uint8_t *p = out + 5;

	*p++ = TAG_DATA;
	for (uint32_t v = n;; v >>= 7) {
		*p++ = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		if (v <= 0x7f)
			break;
	}
	out[0] = 0;
	put_be32(out + 1, (uint32_t)(p - out - 5) + n);
	return (size_t)(p - out);
}

/* A byte of a varint inside the message. 1 complete, 0 more, -EPROTO */
static int varint(struct grpc_rd *r, uint8_t b)
{
	if (!r->message || r->shift > 35)
		return -EPROTO;
	r->message--;
	r->value |= (uint64_t)(b & 0x7f) << r->shift;
	r->shift = (uint8_t)(r->shift + 7);
	if (b & 0x80)
		return 0;
	r->shift = 0;
	return 1;
}

/* What comes after something was complete */
static void next(struct grpc_rd *r)
{
	r->value = 0;
	r->state = r->message ? AT_TAG : AT_HEAD;
}

/* One byte that is no data. 0 or -EPROTO */
static int step(struct grpc_rd *r, uint8_t b)
{
	int rc = 1;

	if (r->state == AT_HEAD) {
		r->head[r->head_len++] = b;
		if (r->head_len < sizeof(r->head))
			return 0;
		if (r->head[0])
			return -EPROTO;
		r->head_len = 0;
		r->message = get_be32(r->head + 1);
		next(r);
		return 0;
	}
	rc = varint(r, b);
	if (rc <= 0)
		return rc;
	if (r->state == AT_TAG) {
		if ((r->value & 7) != 2)
			return -EPROTO;
		r->skip = r->value != TAG_DATA;
		r->value = 0;
		r->state = AT_LENGTH;
		return 0;
	}
	if (r->value > r->message)
		return -EPROTO;
	r->field = (uint32_t)r->value;
	r->state = AT_DATA;
	if (!r->field)
		next(r);
	return 0;
}

ssize_t grpc_read(struct grpc_rd *r, const uint8_t *p, size_t n, uint8_t *out)
{
	size_t at = 0, got = 0;

	while (at < n) {
		size_t some = n - at;

		if (r->state != AT_DATA) {
			if (step(r, p[at++]) < 0)
				return -EPROTO;
			continue;
		}
		if (some > r->field)
			some = r->field;
		if (!r->skip) {
			memmove(out + got, p + at, some);
			got += some;
		}
		at += some;
		r->field -= (uint32_t)some;
		r->message -= (uint32_t)some;
		if (!r->field)
			next(r);
	}
	return (ssize_t)got;
}
