/*
 * fuzz_forwarded.c - Heads that say whom they are forwarded for
 *
 * Only an IP address comes out, and the port stays.
 */
#include <stdlib.h>

#include "proxy/wire/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const trusted[] = { "X-Forwarded-For", "a", NULL };
	struct addr a = { .port = 7 };
	struct http1_head h;

	if (http1_request_decode(p, n, &h) <= 0)
		return 0;
	if (forwarded_source(&h, trusted, &a) && !addr_is_ip(&a))
		abort();
	if (a.port != 7)
		abort();
	return 0;
}
