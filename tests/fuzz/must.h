/* must.h - What holds whatever the input is; also where assert() says nothing */
#ifndef TESTS_FUZZ_MUST_H
#define TESTS_FUZZ_MUST_H

#include <stdlib.h>

#define MUST(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

#endif
