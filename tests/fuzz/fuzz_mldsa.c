/* fuzz_mldsa.c - Keys and signatures of others are any bytes */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/mldsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What is not there is zero: hints are in order then */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t sig[MLDSA65_SIG_BYTES], key[MLDSA65_KEY_BYTES];
	static struct mldsa65_public_key pk;
	size_t k = n < sizeof(sig) ? n : sizeof(sig);

	memset(sig, 0xff, sizeof(sig));
	memset(sig + sizeof(sig) - 61, 0, 61);
	memcpy(sig, p, k);
	memset(key, 0, sizeof(key));
	memcpy(key, p + k, n - k < sizeof(key) ? n - k : sizeof(key));
	mldsa65_public_set(&pk, key);
	(void)mldsa65_verify(&pk, p, n < 64 ? n : 64, sig);
	return 0;
}
