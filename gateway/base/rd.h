/*
 * rd.h - A read cursor that knows its end: every parser reads through it
 *
 * A read past the end sets @bad and gives zeros; it never touches memory
 * outside. Check rd_ok() once at the end of a block instead of each read.
 */
#ifndef GATEWAY_BASE_RD_H
#define GATEWAY_BASE_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/compat.h"

struct rd {
	const uint8_t *p, *end;
	bool bad; /* something was read past @end */
};

static inline struct rd rd_init(const void *p, size_t n)
{
	const uint8_t *b = p;

	return (struct rd){ .p = b, .end = n ? b + n : b };
}

static inline bool rd_ok(const struct rd *r)
{
	return !r->bad;
}

static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

/* @n bytes in place, or NULL (and bad) when fewer are left */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? *p : 0;
}

static inline uint16_t rd_be16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p ? get_be16(p) : 0;
}

static inline uint32_t rd_be24(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 3);

	return p ? (uint32_t)p[0] << 16 | get_be16(p + 1) : 0;
}

static inline uint32_t rd_be32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p ? get_be32(p) : 0;
}

/* A cursor over the next @n bytes; empty and bad when fewer are left */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	struct rd s = rd_init(p ? p : r->end, p ? n : 0);

	s.bad = !p;
	return s;
}

#endif
