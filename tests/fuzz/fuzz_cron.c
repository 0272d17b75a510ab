/* fuzz_cron.c - Cron expressions: what is taken has a next time, or says never */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int64_t after = 1774746000, next; /* an hour before spring, in Berlin */
	struct cron c;
	char *text;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 0);
	text = malloc(n + 1); /* no byte is read behind the end */
	if (!text)
		return 0;
	if (n)
		memcpy(text, p, n);
	if (cron_parse(&c, text, n) == 0) {
		next = cron_next(&c, after);
		if (next != -1 && next <= after)
			abort();
		if (next != -1 && !c.every_s && next % 60)
			abort();
	}
	free(text);
	return 0;
}
