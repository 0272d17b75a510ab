/* fuzz_http1.c - Heads of both kinds, headers, authorities */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
static void walk(const struct http1_head *h, const uint8_t *p, size_t n)
{
	struct http1_text name, value;
	size_t at = 0;

	while (http1_header_next(h, &at, &name, &value))
		if ((const uint8_t *)value.p < p ||
		    (const uint8_t *)value.p + value.n > p + n || !name.n)
			abort();
	http1_has_token(h, "connection", "upgrade");
	if (http1_header(h, "authorization", &value))
		http1_basic_auth(&value, "u", "p");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct http1_text all = { (const char *)p, n };
	struct http1_head h;
	struct addr a;
	char host[256];
	ssize_t len = http1_response_decode(p, n, &h);

	if (len > 0)
		walk(&h, p, n);
	len = http1_request_decode(p, n, &h);
	if (len > 0) {
		walk(&h, p, n);
		http1_authority(&h.target, 80, &a, host);
	}
	if (n)
		http1_authority(&all, 80, &a, host);
	return 0;
}
