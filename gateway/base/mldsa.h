/*
 * mldsa.h - ML-DSA-65: signatures by who has a key
 *
 * OpenSSL has it from 3.5 on.
 */
#ifndef GATEWAY_BASE_MLDSA_H
#define GATEWAY_BASE_MLDSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MLDSA65_KEY_BYTES 1952
#define MLDSA65_SIG_BYTES 3309
#define MLDSA_SEED_BYTES  32
#define MLDSA_MESSAGE_MAX 128 /* that is all our protocols sign */

/* A matrix of polynomials, which follows from the key's first 32 bytes */
typedef int32_t mldsa65_matrix[6][5][256];

/**
 * struct mldsa65_public_key - Who signed, ready for use; nothing secret
 * @tr:		Hash of the key
 * @a, @t:	In the NTT's domain
 */
struct mldsa65_public_key {
	uint8_t tr[64];
	int32_t t[6][256];
	mldsa65_matrix a;
};

/**
 * struct mldsa65_secret_key - To be wiped
 * @key, @tr:	For the randomness of a signature; the hash of @public_key
 * @s1, @s2, @t0, @a:	In the NTT's domain
 */
struct mldsa65_secret_key {
	uint8_t public_key[MLDSA65_KEY_BYTES];
	uint8_t key[32], tr[64];
	int32_t s1[5][256], s2[6][256], t0[6][256];
	mldsa65_matrix a;
};

/* The key that follows from @seed: the same for the same seed */
void mldsa65_key_set(struct mldsa65_secret_key *k,
		     const uint8_t seed[MLDSA_SEED_BYTES]);
/*
 * Of @n bytes, at most MLDSA_MESSAGE_MAX. @random: new ones, or zeros: then the same
 * signature each time
 */
void mldsa65_sign(const struct mldsa65_secret_key *k, const uint8_t *m,
		  size_t n, const uint8_t random[32],
		  uint8_t sig[MLDSA65_SIG_BYTES]);
void mldsa65_public_set(struct mldsa65_public_key *k,
			const uint8_t key[MLDSA65_KEY_BYTES]);
/* 0; -EACCES: not of @k and these @n bytes; -EPROTO: it is no signature */
int mldsa65_verify(const struct mldsa65_public_key *k, const uint8_t *m,
		   size_t n, const uint8_t sig[MLDSA65_SIG_BYTES]);

#endif
