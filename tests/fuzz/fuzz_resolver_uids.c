/* fuzz_resolver_uids.c - Texts like /proc/net/udp: never more than fit */
#include <stdlib.h>
#include <string.h>

#include "netstack/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint32_t uids[PLAN_UIDS];
	char *text = malloc(n + 1);
	bool root = false;

	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = '\0';
	if (resolver_uids(text, uids, 0, &root) > PLAN_UIDS)
		abort();
	free(text);
	return 0;
}
