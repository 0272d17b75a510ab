/*
 * regexp.h - Regular expressions that cannot hang a worker
 *
 * PCRE2 with limits. Differences from RE2 (Xray): look-around and back
 * references are accepted; a search that needs more than REGEXP_STEPS is
 * given up as "no match" with a warning in the log; bytes, not code points.
 */
#ifndef GATEWAY_ROUTE_REGEXP_H
#define GATEWAY_ROUTE_REGEXP_H

#include <stdbool.h>
#include <stddef.h>

#define REGEXP_STEPS       5000 /* of one search */
#define REGEXP_HEAP_KIB    64
#define REGEXP_TEXT_MAX    4096 /* bytes of a pattern */
#define REGEXP_LITERAL_MIN 3 /* shorter ones would be found everywhere */

struct regexp;

/* 0 with *@out, -EINVAL with a sentence in @err, -ENOMEM */
int regexp_new(const char *text, size_t len, struct regexp **out,
	       char err[128]);
/* @s contains a match. Thread-safe */
bool regexp_has(const struct regexp *r, const char *s, size_t len);
/* The first match in @s: its bytes, or 0, with *@at where it begins */
size_t regexp_find(const struct regexp *r, const char *s, size_t len,
		   size_t *at);
size_t regexp_bytes(const struct regexp *r);
void regexp_free(struct regexp *r); /* NULL is allowed */

/**
 * regexp_literal() - Text that is in everything @text matches
 * @out:	The longest such text this simple reader finds, not terminated
 * @cap:	Bytes of @out
 *
 * Reads the top level only; what it does not understand gives 0.
 *
 * Return: bytes in @out; 0 when none of REGEXP_LITERAL_MIN was found
 */
size_t regexp_literal(const char *text, size_t len, char *out, size_t cap);

#endif
