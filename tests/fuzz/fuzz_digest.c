/* fuzz_digest.c - Files of checksums */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/assets/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const names[] = { "a.dat", "/x/b", NULL };
	uint8_t out[HASH_MAX_BYTES + 1] = { 0 };
	char *text = malloc(n ? n : 1); /* no byte is read behind the end */

	if (!text)
		return 0;
	if (n)
		memcpy(text, p, n);
	digest_find(text, n, HASH_SHA256, names, out);
	digest_find(text, n, HASH_SHA512, names, out);
	if (out[HASH_MAX_BYTES])
		abort();
	free(text);
	return 0;
}
