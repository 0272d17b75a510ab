/* fuzz_cidrs.c - Files of prefixes, whole and in two pieces */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/core/cidrs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct cidrs whole = { .v4 = NULL }, parts = { .v4 = NULL };
	size_t line = 1, half = size / 2;
	long a = cidrs_add_text(&whole, text, size, &line, true);
	long took;

	line = 1;
	took = cidrs_add_text(&parts, text, half, &line, false);
	if (took >= 0)
		took = cidrs_add_text(&parts, text + took, size - (size_t)took,
				      &line, true);
	if ((a < 0) != (took < 0) || whole.count4 != parts.count4 ||
	    whole.count6 != parts.count6)
		abort();
	cidrs_seal(&whole);
	for (size_t i = 1; i < whole.count4; i++)
		if (whole.v4[i].lo <= whole.v4[i - 1].hi)
			abort();
	cidrs_free(&whole);
	cidrs_free(&parts);
	return 0;
}
