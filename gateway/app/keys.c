/*
 * keys.c - `culvert x25519`, `mlkem768`, `vlessenc`: keys for realitySettings and
 * for VLESS encryption, in the form Xray prints
 */
#include <stdio.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/base/base64.h"
#include "gateway/base/blake3.h"
#include "gateway/base/crypto.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/mldsa.h"
#include "gateway/base/mlkem.h"
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

#define TEXT_BYTES (BASE64_LEN(MLDSA65_KEY_BYTES) + 1)

static const char *text_of(const void *p, size_t n, char *out)
{
	(void)base64_encode(p, n, true, out, TEXT_BYTES);
	return out;
}

int keys_mlkem(const char *given)
{
	uint8_t seed[MLKEM_SEED_BYTES + 3], hash[32];
	struct mlkem768_secret_key k;
	char text[3][TEXT_BYTES];

	rand_bytes(seed, MLKEM_SEED_BYTES);
	if (given && base64_decode(given, strlen(given), seed, sizeof(seed)) !=
			     MLKEM_SEED_BYTES) {
		fprintf(stderr, "culvert: -i wants 64 bytes in base64url\n");
		return EXIT_USAGE;
	}
	mlkem768_key_set(&k, seed);
	blake3_hash(k.public_key, sizeof(k.public_key), hash, sizeof(hash));
	printf("Seed: %s\nClient: %s\nHash32: %s\n",
	       text_of(seed, MLKEM_SEED_BYTES, text[0]),
	       text_of(k.public_key, sizeof(k.public_key), text[1]),
	       text_of(hash, sizeof(hash), text[2]));
	wipe(seed, sizeof(seed));
	wipe(&k, sizeof(k));
	wipe(text, sizeof(text));
	return EXIT_OK;
}

int keys_mldsa(const char *given)
{
	uint8_t seed[MLDSA_SEED_BYTES + 3];
	struct mldsa65_secret_key k;
	char text[2][TEXT_BYTES];

	rand_bytes(seed, MLDSA_SEED_BYTES);
	if (given && base64_decode(given, strlen(given), seed, sizeof(seed)) !=
			     MLDSA_SEED_BYTES) {
		fprintf(stderr, "culvert: -i wants 32 bytes in base64url\n");
		return EXIT_USAGE;
	}
	mldsa65_key_set(&k, seed);
	printf("Seed: %s\nVerify: %s\n",
	       text_of(seed, MLDSA_SEED_BYTES, text[0]),
	       text_of(k.public_key, sizeof(k.public_key), text[1]));
	wipe(seed, sizeof(seed));
	wipe(&k, sizeof(k));
	wipe(text, sizeof(text));
	return EXIT_OK;
}

/* The two ends of @what authenticated by these keys */
static void print_pair(const char *what, const char *secret,
		       const char *public_key)
{
	printf("Authentication: %s\n"
	       "\"decryption\": \"mlkem768x25519plus.native.600s.%s\"\n"
	       "\"encryption\": \"mlkem768x25519plus.native.0rtt.%s\"\n",
	       what, secret, public_key);
}

int keys_vlessenc(void)
{
	uint8_t key[X25519_BYTES], public_key[X25519_BYTES];
	uint8_t seed[MLKEM_SEED_BYTES];
	struct mlkem768_secret_key k;
	char text[2][TEXT_BYTES];

	rand_bytes(key, sizeof(key));
	rand_bytes(seed, sizeof(seed));
	clamp(key);
	if (x25519_public(key, public_key) < 0) {
		fprintf(stderr, "culvert: out of memory\n");
		return EXIT_FAIL;
	}
	mlkem768_key_set(&k, seed);
	printf("Use one of the two, both ends of it. Each connection's own\n"
	       "keys are post-quantum in either case.\n\n");
	print_pair("X25519, not Post-Quantum",
		   text_of(key, sizeof(key), text[0]),
		   text_of(public_key, sizeof(public_key), text[1]));
	printf("\n");
	print_pair("ML-KEM-768, Post-Quantum",
		   text_of(seed, sizeof(seed), text[0]),
		   text_of(k.public_key, sizeof(k.public_key), text[1]));
	wipe(key, sizeof(key));
	wipe(seed, sizeof(seed));
	wipe(&k, sizeof(k));
	wipe(text, sizeof(text));
	return EXIT_OK;
}
