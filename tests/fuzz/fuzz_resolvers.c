/* fuzz_resolvers.c - Texts like /proc/net/udp: never more than fit */
#include <stdlib.h>
#include <string.h>

#include "netstack/resolvers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct resolvers r = { .uid_count = 0 };
	char *text = malloc(n + 1);

	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = '\0';
	resolvers_read(&r, text);
	if (r.uid_count > PLAN_UIDS || r.inode_count > RESOLVER_SOCKETS)
		abort();
	free(text);
	return 0;
}
