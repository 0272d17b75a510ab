/* vec.h - Hex, and lines of the files in tests/vectors */
#ifndef TESTS_UNIT_VEC_H
#define TESTS_UNIT_VEC_H

#include <stddef.h>
#include <stdint.h>

/* Decode to @out (asserts that it fits and is hex); returns the bytes */
size_t hex_get(const char *hex, uint8_t *out, size_t room);
/* Are these bytes what @hex says? Asserts it */
void assert_hex(const uint8_t *p, const char *hex);

#define VEC_FIELDS 12

/**
 * struct vec - One line at a time; '#' starts a comment line
 * @field:	Words of the current line, @count of them
 */
struct vec {
	void *file;
	char *line;
	size_t room;
	char *field[VEC_FIELDS];
	int count;
};
/* @name in tests/vectors; tests run in the root of the tree */
void vec_open(struct vec *v, const char *name);
/* 1, or 0 at the end (then it is closed) */
int vec_next(struct vec *v);

#endif
