/*
 * blake2s.h - BLAKE2s with any length of key and digest, and HMAC over it
 *
 * OpenSSL's digest has neither keys nor short digests, and its MAC costs a
 * context a call; this is what WireGuard hashes with. Nothing here fails.
 * Source: RFC 7693; RFC 2104
 */
#ifndef GATEWAY_BASE_BLAKE2S_H
#define GATEWAY_BASE_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BLAKE2S_BYTES 32 /* the longest digest, and key */

/*
 * Digest of the pieces, one after the other. @out_len: 1 to 32. @key may be NULL
 * when @key_len (0 to 32) is 0. @out may lie in the input
 */
void blake2s_vec(const void *key, size_t key_len, const struct iovec *v,
		 int cnt, uint8_t *out, size_t out_len);
/* HMAC-BLAKE2s-256 of the pieces; @key has 32 bytes, and may be @out */
void blake2s_hmac(const uint8_t key[BLAKE2S_BYTES], const struct iovec *v,
		  int cnt, uint8_t out[BLAKE2S_BYTES]);

#endif
