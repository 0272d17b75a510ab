/* keys.c - `culvert x25519`: keys for realitySettings, in the form Xray prints */
#include <stdio.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/base/base64.h"
#include "gateway/base/crypto.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/rand.h"

/* What X25519 does to each private key anyway (RFC 7748, 5) */
static void clamp(uint8_t key[X25519_BYTES])
{
	key[0] &= 248;
	key[31] &= 127;
	key[31] |= 64;
}

int keys_run(const char *given)
{
	uint8_t key[X25519_BYTES + 3], public_key[X25519_BYTES];
	char text[2][64];

	rand_bytes(key, X25519_BYTES);
	if (given && base64_decode(given, strlen(given), key, sizeof(key)) !=
			     X25519_BYTES) {
		fprintf(stderr, "culvert: -i wants 32 bytes in base64url\n");
		return EXIT_USAGE;
	}
	clamp(key);
	if (x25519_public(key, public_key) < 0) {
		fprintf(stderr, "culvert: out of memory\n");
		return EXIT_FAIL;
	}
	(void)base64_encode(key, X25519_BYTES, true, text[0], sizeof(text[0]));
	(void)base64_encode(public_key, X25519_BYTES, true, text[1],
			    sizeof(text[1]));
	printf("PrivateKey: %s\nPassword (PublicKey): %s\n", text[0], text[1]);
	wipe(key, sizeof(key));
	wipe(text, sizeof(text));
	return EXIT_OK;
}
