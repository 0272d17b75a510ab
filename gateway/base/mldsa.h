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

/**
 * struct mldsa65_secret_key - To be wiped
 * @key, @tr:	For the randomness of a signature; the hash of @public_key
 * @s1, @s2, @t0:	In the NTT's domain
 */
struct mldsa65_secret_key {
	uint8_t public_key[MLDSA65_KEY_BYTES];
	uint8_t key[32], tr[64];
	int32_t s1[5][256], s2[6][256], t0[6][256];
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
/* 0; -EACCES: not of @key and these @n bytes; -EPROTO: it is no signature */
int mldsa65_verify(const uint8_t key[MLDSA65_KEY_BYTES], const uint8_t *m,
		   size_t n, const uint8_t sig[MLDSA65_SIG_BYTES]);

#endif
