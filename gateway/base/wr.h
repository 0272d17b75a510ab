/*
 * wr.h - A write cursor that knows its end: every encoder writes through it
 *
 * A write past the end sets @bad and writes nothing. Check wr_ok() once at
 * the end; the encoder then returns -ENOBUFS.
 */
#ifndef GATEWAY_BASE_WR_H
#define GATEWAY_BASE_WR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/compat.h"

struct wr {
	uint8_t *p, *start, *end;
	bool bad; /* something did not fit */
};

static inline struct wr wr_init(uint8_t *p, size_t room)
{
	return (struct wr){ .p = p, .start = p, .end = room ? p + room : p };
}

static inline bool wr_ok(const struct wr *w)
{
	return !w->bad;
}

static inline size_t wr_left(const struct wr *w)
{
	return (size_t)(w->end - w->p);
}

static inline size_t wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}

/* Room for @n bytes to be filled in place, or NULL (and bad) */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->bad || wr_left(w) < n) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	return p;
}

static inline void wr_bytes(struct wr *w, const void *b, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p && n)
		memmove(p, b, n);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
	uint8_t *p = wr_room(w, 2);

	if (p)
		put_be16(p, v);
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
	uint8_t *p = wr_room(w, 4);

	if (p)
		put_be32(p, v);
}

static inline void wr_be64(struct wr *w, uint64_t v)
{
	uint8_t *p = wr_room(w, 8);

	if (p)
		put_be64(p, v);
}

#endif
