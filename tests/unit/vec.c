/* vec.c - Hex, and lines of the files in tests/vectors */
#include "tests/unit/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t hex_get(const char *hex, uint8_t *out, size_t room)
{
	size_t n = strlen(hex) / 2;

	assert_int_equal(strlen(hex) % 2, 0);
	assert_true(n <= room);
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		assert_true(hi >= 0 && lo >= 0);
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return n;
}

void assert_hex(const uint8_t *p, const char *hex)
{
	uint8_t want[4096];
	size_t n = hex_get(hex, want, sizeof(want));

	assert_memory_equal(p, want, n);
}

void vec_open(struct vec *v, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "tests/vectors/%s", name);
	memset(v, 0, sizeof(*v));
	v->file = fopen(path, "r");
	assert_non_null(v->file);
}

int vec_next(struct vec *v)
{
	char *save = NULL;

	while (getline(&v->line, &v->room, v->file) >= 0) {
		if (v->line[0] == '#' || v->line[0] == '\n')
			continue;
		v->count = 0;
		for (char *w = strtok_r(v->line, " \n", &save);
		     w && v->count < VEC_FIELDS;
		     w = strtok_r(NULL, " \n", &save))
			v->field[v->count++] = w;
		return 1;
	}
	fclose(v->file);
	free(v->line);
	return 0;
}
