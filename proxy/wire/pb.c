/* pb.c - Protocol buffers (contract and layout: pb.h) */
#include "proxy/wire/pb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"

#define VARINT_MAX 10 /* bytes of 64 bits */
#define NUMBER_MAX ((1u << 29) - 1)
#define OUT_FIRST  256u

/* --- out of a message --- */

static uint64_t get_varint(struct rd *r)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < VARINT_MAX; i++) {
		uint8_t b = rd_u8(r);

		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (!(b & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

static uint64_t get_le(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = n; p && i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

int pb_next(struct rd *r, struct pb_field *f)
{
	struct pb_field x = { .number = 0 };
	uint64_t tag;

	if (!rd_ok(r))
		return -EPROTO;
	if (!rd_left(r))
		return 0;
	tag = get_varint(r);
	if (!(tag >> 3) || tag >> 3 > NUMBER_MAX)
		return -EPROTO;
	x.number = (uint32_t)(tag >> 3);
	x.type = (enum pb_type)(tag & 7);
	if (x.type == PB_VARINT) {
		x.value = get_varint(r);
	} else if (x.type == PB_64 || x.type == PB_32) {
		x.value = get_le(r, x.type == PB_64 ? 8 : 4);
	} else if (x.type == PB_BYTES) {
		uint64_t n = get_varint(r);

		if (n > rd_left(r))
			return -EPROTO;
		x.len = (size_t)n;
		x.p = rd_bytes(r, x.len);
	} else {
		return -EPROTO;
	}
	if (!rd_ok(r))
		return -EPROTO;
	*f = x;
	return 1;
}

int pb_find(const uint8_t *p, size_t n, uint32_t number, enum pb_type type,
	    struct pb_field *f)
{
	struct rd r = rd_init(p, n);
	struct pb_field x;
	int rc, found = 0;

	while ((rc = pb_next(&r, &x)) > 0) {
		if (x.number != number || x.type != type)
			continue;
		*f = x;
		found = 1;
	}
	return rc < 0 ? rc : found;
}

int pb_text(const uint8_t *p, size_t n, uint32_t number, char *out, size_t room)
{
	struct pb_field f = { .len = 0 };
	int rc = pb_find(p, n, number, PB_BYTES, &f);

	if (rc < 0)
		return rc;
	if (f.len >= room)
		return -ENOBUFS;
	if (f.len && memchr(f.p, '\0', f.len))
		return -EILSEQ;
	if (f.len)
		memcpy(out, f.p, f.len);
	out[f.len] = '\0';
	return 0;
}

int pb_number(const uint8_t *p, size_t n, uint32_t number, uint64_t *out)
{
	struct pb_field f = { .value = 0 };
	int rc = pb_find(p, n, number, PB_VARINT, &f);

	if (rc < 0)
		return rc;
	*out = f.value;
	return 0;
}

int pb_numbers(const uint8_t *p, size_t n, uint32_t number, uint64_t *out,
	       int max)
{
	struct rd r = rd_init(p, n), packed;
	struct pb_field f;
	int rc, count = 0;

	while ((rc = pb_next(&r, &f)) > 0) {
		if (f.number != number)
			continue;
		if (f.type == PB_VARINT && count++ < max)
			out[count - 1] = f.value;
		packed = rd_init(f.p, f.len);
		while (rd_left(&packed) && rd_ok(&packed)) {
			uint64_t v = get_varint(&packed);

			if (count++ < max)
				out[count - 1] = v;
		}
		if (!rd_ok(&packed))
			return -EPROTO;
	}
	return rc < 0 ? rc : count;
}

/* --- into one --- */

void pb_free(struct pb_out *o)
{
	if (o->p)
		wipe(o->p, o->cap); /* accounts hold passwords */
	free(o->p);
	o->p = NULL;
	o->len = o->cap = 0;
}

/* @cap bytes for what is there and more. 0 or -ENOMEM */
static int grow(struct pb_out *o, size_t cap)
{
	struct pb_out old = *o;
	uint8_t *more = malloc(cap);

	if (!more)
		return -ENOMEM;
	if (old.len)
		memcpy(more, old.p, old.len);
	pb_free(&old);
	o->p = more;
	o->cap = cap;
	return 0;
}

/* Room for @n more bytes at the end, or NULL and bad */
static uint8_t *room(struct pb_out *o, size_t n)
{
	size_t cap = o->cap ? o->cap : OUT_FIRST;

	o->bad |= n > o->most - o->len;
	while (!o->bad && cap < o->len + n)
		cap *= 2;
	if (!o->bad && cap != o->cap)
		o->bad = grow(o, cap) < 0;
	if (o->bad)
		return NULL;
	o->len += n;
	return o->p + o->len - n;
}

void pb_raw(struct pb_out *o, const void *p, size_t n)
{
	uint8_t *to = room(o, n);

	if (to && n)
		memcpy(to, p, n);
}

static size_t make_varint(uint8_t out[VARINT_MAX], uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

static void put_varint(struct pb_out *o, uint64_t v)
{
	uint8_t b[VARINT_MAX];

	pb_raw(o, b, make_varint(b, v));
}

static void put_tag(struct pb_out *o, uint32_t number, enum pb_type type)
{
	put_varint(o, (uint64_t)number << 3 | type);
}

void pb_put_number(struct pb_out *o, uint32_t number, uint64_t value)
{
	put_tag(o, number, PB_VARINT);
	put_varint(o, value);
}

void pb_put_bytes(struct pb_out *o, uint32_t number, const void *p, size_t n)
{
	put_tag(o, number, PB_BYTES);
	put_varint(o, n);
	pb_raw(o, p, n);
}

void pb_put_text(struct pb_out *o, uint32_t number, const char *text)
{
	pb_put_bytes(o, number, text, strlen(text));
}

void pb_put_numbers(struct pb_out *o, uint32_t number, const uint64_t *v,
		    size_t count)
{
	size_t mark = pb_begin(o, number);

	for (size_t i = 0; i < count; i++)
		put_varint(o, v[i]);
	pb_end(o, mark);
}

size_t pb_begin(struct pb_out *o, uint32_t number)
{
	put_tag(o, number, PB_BYTES);
	return o->len;
}

void pb_end(struct pb_out *o, size_t mark)
{
	uint8_t b[VARINT_MAX];
	size_t n, len;

	if (o->bad)
		return;
	len = o->len - mark;
	n = make_varint(b, len);
	if (!room(o, n))
		return;
	memmove(o->p + mark + n, o->p + mark, len);
	memcpy(o->p + mark, b, n);
}
