/* fuzz_sockdiag.c - Any bytes as an answer of the kernel about a socket or a route */
#include <stdlib.h>

#include "gateway/route/sockdiag.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct sockdiag s = { .inode = 77 };
	uint8_t type = 200;

	if (sockdiag_read(p, n, &s) < 0) {
		if (s.inode != 77) /* written on success only */
			abort();
	} else if (!addr_is_ip(&s.local) || !addr_is_ip(&s.remote)) {
		abort();
	}
	if (sockdiag_read_route(p, n, &type) < 0 && type != 200)
		abort();
	return 0;
}
