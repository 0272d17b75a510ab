/*
 * mlkem.h - ML-KEM-768: a secret for the owner of a public key
 *
 * OpenSSL has it from 3.5 on. Only what a server needs whose client made the key.
 */
#ifndef GATEWAY_BASE_MLKEM_H
#define GATEWAY_BASE_MLKEM_H

#include <stdint.h>

#define MLKEM768_KEY_BYTES    1184
#define MLKEM768_SEALED_BYTES 1088
#define MLKEM_SHARED_BYTES    32

/*
 * A secret for whoever has the private key of @key. @m: 32 random bytes, to
 * be wiped by the caller. 0; -EPROTO: @key is none (its numbers are too large)
 */
int mlkem768_encaps(const uint8_t key[MLKEM768_KEY_BYTES], const uint8_t m[32],
		    uint8_t sealed[MLKEM768_SEALED_BYTES],
		    uint8_t shared[MLKEM_SHARED_BYTES]);

#endif
