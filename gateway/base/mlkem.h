/*
 * mlkem.h - ML-KEM-768: a secret for the owner of a public key
 *
 * OpenSSL has it from 3.5 on. Nothing here takes a time that depends on a secret.
 */
#ifndef GATEWAY_BASE_MLKEM_H
#define GATEWAY_BASE_MLKEM_H

#include <stdint.h>

#define MLKEM768_KEY_BYTES    1184
#define MLKEM768_SEALED_BYTES 1088
#define MLKEM_SHARED_BYTES    32
#define MLKEM_SEED_BYTES      64
#define MLKEM_SECRET_NUMBERS  (3 * 256)

/**
 * struct mlkem768_secret_key - The owner's key, ready for use; to be wiped
 * @s:		What hides the messages, in the NTT's domain
 * @public_key:	What is handed out; @hash: SHA3-256 of it
 * @z:		Makes the secret of what was not sealed for us
 */
struct mlkem768_secret_key {
	uint16_t s[MLKEM_SECRET_NUMBERS];
	uint8_t public_key[MLKEM768_KEY_BYTES];
	uint8_t hash[32], z[32];
};

/*
 * A secret for whoever has the private key of @key. @m: 32 random bytes, to
 * be wiped by the caller. 0; -EPROTO: @key is none (its numbers are too large)
 */
int mlkem768_encaps(const uint8_t key[MLKEM768_KEY_BYTES], const uint8_t m[32],
		    uint8_t sealed[MLKEM768_SEALED_BYTES],
		    uint8_t shared[MLKEM_SHARED_BYTES]);
/* The key that follows from @seed (d and z): the same for the same seed */
void mlkem768_key_set(struct mlkem768_secret_key *k,
		      const uint8_t seed[MLKEM_SEED_BYTES]);
/*
 * The secret that mlkem768_encaps() told the one who sealed; of anything else a
 * secret that nobody knows: who sealed wrong shall not learn it from us
 */
void mlkem768_decaps(const struct mlkem768_secret_key *k,
		     const uint8_t sealed[MLKEM768_SEALED_BYTES],
		     uint8_t shared[MLKEM_SHARED_BYTES]);

#endif
