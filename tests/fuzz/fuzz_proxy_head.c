/* fuzz_proxy_head.c - What may stand before a connection's bytes */
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/proxy_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What was read is written and read again */
static void again(const struct addr ends[2])
{
	uint8_t out[PROXY_HEAD_OUT_MAX];
	struct addr back[2];

	for (unsigned int v = 1; v <= 2; v++) {
		size_t k = proxy_head_encode(v, &ends[0], &ends[1], out);

		if (k > sizeof(out) ||
		    proxy_head_decode(out, k, back) != (ssize_t)k ||
		    proxy_head_decode(out, k - 1, back) != 0)
			abort();
		if (ends[0].kind != ADDR_NONE &&
		    (!addr_eq(&ends[0], &back[0]) ||
		     !addr_eq(&ends[1], &back[1])))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct addr ends[2] = { { .kind = 99 }, { .kind = 99 } };
	ssize_t got = proxy_head_decode(p, n, ends);

	if (got <= 0) {
		if (ends[0].kind != 99)
			abort();
		return 0;
	}
	if ((size_t)got > n || got > PROXY_HEAD_IN_MAX ||
	    (ends[0].kind == ADDR_NONE) != (ends[1].kind == ADDR_NONE))
		abort();
	again(ends);
	return 0;
}
