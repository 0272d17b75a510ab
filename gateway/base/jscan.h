/*
 * jscan.h - JSON grammar check that remembers where each value stands
 *
 * Private to base: jdoc.c runs it before cJSON, which keeps no places, takes
 * more than JSON and says nothing about what is wrong.
 */
#ifndef GATEWAY_BASE_JSCAN_H
#define GATEWAY_BASE_JSCAN_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/compat.h"

#define JSCAN_NONE       UINT32_MAX
#define JSCAN_MAX_VALUES (1u << 20)

/**
 * struct jmark - Where one value stands; marks are in order of the text
 * @off:	Its first byte
 * @key_off:	The quote before its key; JSCAN_NONE outside objects
 * @parent:	Mark of the array or object around it; JSCAN_NONE: the root
 * @index:	Which child of @parent it is, from 0
 * @count:	How many children it has
 */
struct jmark {
	uint32_t off, key_off, parent, index, count;
};

/**
 * struct jscan - One scan
 * @s, @n:	Text without comments (spaces instead)
 * @pos:	Next byte; after success the end of the first value
 * @max_depth:	Nested arrays and objects allowed
 * @here, @depth:	Innermost open array or object (a mark), and how many
 * @marks, @count, @cap:	All values; the caller frees @marks
 * @err_off, @err, @help:	After -EPROTO: where and what; @help may be ""
 */
struct jscan {
	const char *s;
	size_t n, pos;
	unsigned int max_depth, depth;
	uint32_t here;
	struct jmark *marks;
	uint32_t count, cap;
	size_t err_off;
	char err[160], help[160];
};

/* 0, -EPROTO (see @err_off, @err, @help), or -ENOMEM */
int jscan_run(struct jscan *sc, const char *s, size_t n,
	      unsigned int max_depth);
/*
 * Replace comments (//, block, #) by spaces, newlines kept. Returns the offset
 * of a block comment that never ends, or @n
 */
size_t jscan_strip(char *s, size_t n);

#endif
