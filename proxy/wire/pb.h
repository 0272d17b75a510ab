/*
 * pb.h - Protocol buffers: fields out of a message, fields into one
 *
 *   field: varint (number << 3 | type), then by type: 0 varint, 1 eight bytes,
 *          2 varint length and so many bytes, 5 four bytes
 *
 * No schema: who reads knows the numbers, and skips what it does not know. Groups
 * (types 3 and 4) are refused.
 * Source: protobuf.dev, Encoding
 */
#ifndef PROXY_WIRE_PB_H
#define PROXY_WIRE_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/rd.h"

enum pb_type { PB_VARINT = 0, PB_64 = 1, PB_BYTES = 2, PB_32 = 5 };

/**
 * struct pb_field - One field of a message
 * @value:	Of the types that are numbers
 * @p, @len:	Of PB_BYTES: inside the message
 */
struct pb_field {
	uint32_t number;
	enum pb_type type;
	uint64_t value;
	const uint8_t *p;
	size_t len;
};

/* 1 with *@f, 0 the message is over, -EPROTO */
int pb_next(struct rd *r, struct pb_field *f);
/*
 * The last field @number of @type in the @n bytes at @p. 1, 0 there is none,
 * -EPROTO: the message is malformed
 */
int pb_find(const uint8_t *p, size_t n, uint32_t number, enum pb_type type,
	    struct pb_field *f);
/* A string field as text in @out; absent: "". 0, -EPROTO, -ENOBUFS, -EILSEQ (NUL) */
int pb_text(const uint8_t *p, size_t n, uint32_t number, char *out,
	    size_t room);
/* A number, 0 when absent. 0 or -EPROTO */
int pb_number(const uint8_t *p, size_t n, uint32_t number, uint64_t *out);
/*
 * The numbers of a repeated field, packed or not: the first @max of them to @out.
 * How many there are, or -EPROTO
 */
int pb_numbers(const uint8_t *p, size_t n, uint32_t number, uint64_t *out,
	       int max);

/**
 * struct pb_out - A message being made; zero, with @most, is empty
 * @p:		Its bytes; pb_free() it
 * @most:	It does not get longer
 * @bad:	Something did not fit, or no memory was left
 */
struct pb_out {
	uint8_t *p;
	size_t len, cap, most;
	bool bad;
};

void pb_free(struct pb_out *o);
void pb_raw(struct pb_out *o, const void *p, size_t n);
/* Fields; zero and empty ones are written too */
void pb_put_number(struct pb_out *o, uint32_t number, uint64_t value);
void pb_put_bytes(struct pb_out *o, uint32_t number, const void *p, size_t n);
void pb_put_text(struct pb_out *o, uint32_t number, const char *text);
/* A repeated field of numbers, packed */
void pb_put_numbers(struct pb_out *o, uint32_t number, const uint64_t *v,
		    size_t count);
/* A message in the message: what is put until pb_end() */
size_t pb_begin(struct pb_out *o, uint32_t number);
void pb_end(struct pb_out *o, size_t mark);

#endif
