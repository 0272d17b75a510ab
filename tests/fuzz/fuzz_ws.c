/* fuzz_ws.c - Frame heads; what decodes encodes to the same bytes */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t out[WS_HEAD_MAX];
	struct ws_head h;
	ssize_t len = ws_head_decode(p, n, &h);

	if (len > 0 && (ws_head_encode(&h, out, sizeof(out)) != len ||
			memcmp(out, p, (size_t)len)))
		abort();
	return 0;
}
