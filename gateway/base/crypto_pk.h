/*
 * crypto_pk.h - X25519 and Ed25519, through OpenSSL
 *
 * Raw keys as in RFC 7748 and RFC 8032. Nothing here logs.
 */
#ifndef GATEWAY_BASE_CRYPTO_PK_H
#define GATEWAY_BASE_CRYPTO_PK_H

#include <stddef.h>
#include <stdint.h>

#define X25519_BYTES      32
#define ED25519_BYTES     32
#define ED25519_SIG_BYTES 64

/* The public key of @private_key (any 32 bytes). 0, -ENOMEM */
int x25519_public(const uint8_t private_key[X25519_BYTES],
		  uint8_t public_key[X25519_BYTES]);
/* RFC 7748, 6.1. 0, -ENOMEM, -EPROTO: @peer is no useful key (all-zero result) */
int x25519_shared(const uint8_t private_key[X25519_BYTES],
		  const uint8_t peer[X25519_BYTES],
		  uint8_t shared[X25519_BYTES]);
/* RFC 8032, 5.1.7. 0, -ENOMEM, -EPROTO: not signed by that key */
int ed25519_verify(const uint8_t public_key[ED25519_BYTES], const void *p,
		   size_t n, const uint8_t sig[ED25519_SIG_BYTES]);
/* RFC 8032, 5.1.5 and 5.1.6; any 32 bytes are a @private_key. 0, -ENOMEM */
int ed25519_public(const uint8_t private_key[ED25519_BYTES],
		   uint8_t public_key[ED25519_BYTES]);
int ed25519_sign(const uint8_t private_key[ED25519_BYTES], const void *p,
		 size_t n, uint8_t sig[ED25519_SIG_BYTES]);

#endif
