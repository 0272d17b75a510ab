/* fuzz_sniff_http.c - Any bytes as the head of a stream */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sniff/sniffers.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct sniffed s;

	if (sniff_http(p, n, &s) == SNIFF_YES && strlen(s.domain) != s.len)
		abort();
	return 0;
}
