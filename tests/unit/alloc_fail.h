/* alloc_fail.h - Make the n-th allocation of this thread fail, to test -ENOMEM */
#ifndef TESTS_UNIT_ALLOC_FAIL_H
#define TESTS_UNIT_ALLOC_FAIL_H

#include <stdbool.h>

/*
 * From now on the @n-th malloc, calloc, realloc or strdup of this thread
 * returns NULL, once; 0 switches it off. Calls inside shared libraries (libc,
 * cJSON) are not counted.
 *
 *	for (n = 1; alloc_fail_at(n), run(), alloc_fail_hit(); n++)
 *		;
 */
void alloc_fail_at(unsigned int n);
/* Did an allocation fail since alloc_fail_at()? Switches it off */
bool alloc_fail_hit(void);

#endif
