/* diag_text.c - Print diagnostics into memory */
#include "tests/unit/diag_text.h"

#include <stdlib.h>

static char buf[256 << 10];

const char *diag_text(const struct diag *d, bool json)
{
	FILE *f = fmemopen(buf, sizeof(buf), "w");

	if (!f)
		abort();
	buf[0] = '\0';
	diag_print(d, f, json);
	fclose(f);
	return buf;
}
