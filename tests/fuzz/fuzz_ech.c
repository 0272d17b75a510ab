/* fuzz_ech.c - Pairs of keys and configs lie within the input */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proxy/wire/ech.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct ech_pair pair;
	ssize_t len = ech_pair_decode(p, n, &pair);

	if (len > 0 && ((size_t)len > n || pair.key < p ||
			pair.config + pair.config_len != p + len))
		abort();
	return 0;
}
