/* arena.h - Memory that dies together: a configuration's strings and tables */
#ifndef GATEWAY_BASE_ARENA_H
#define GATEWAY_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *head; /* newest first; zero is an empty arena */
	size_t used_bytes; /* handed out in total */
	bool failed; /* some request was not met */
};

/* Zeroed, aligned for any type. NULL: out of memory */
void *arena_alloc(struct arena *a, size_t n);
/* Copy of @n bytes of @s with a NUL behind */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);
void arena_free(struct arena *a);

#endif
