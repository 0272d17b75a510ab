/*
 * alloc_fail.c - Make the n-th allocation fail
 *
 * Unit tests are linked with --wrap for these four, so that the sanitizers
 * still see the real ones.
 */
#include "tests/unit/alloc_fail.h"

#include <stddef.h>

/* names that the linker gives: NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
/* NOLINTEND(bugprone-reserved-identifier) */

static _Thread_local unsigned int left; /* 0: off */
static _Thread_local bool hit;

void alloc_fail_at(unsigned int n)
{
	left = n;
	hit = false;
}

bool alloc_fail_hit(void)
{
	bool was = hit;

	alloc_fail_at(0);
	return was;
}

/* A static C library's calloc and strdup call the wrapped malloc: counted once */
static _Thread_local bool inside;

static bool fails(void)
{
	if (inside || !left || --left)
		return false;
	hit = true;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	bool outer = !inside;
	void *p;

	if (fails())
		return NULL;
	inside = true;
	p = __real_calloc(n, size);
	inside = !outer;
	return p;
}

void *__wrap_realloc(void *p, size_t n)
{
	bool outer = !inside;

	if (fails())
		return NULL;
	inside = true;
	p = __real_realloc(p, n);
	inside = !outer;
	return p;
}

char *__wrap_strdup(const char *s)
{
	bool outer = !inside;
	char *p;

	if (fails())
		return NULL;
	inside = true;
	p = __real_strdup(s);
	inside = !outer;
	return p;
}
