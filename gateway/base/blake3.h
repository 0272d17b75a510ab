/* blake3.h - BLAKE3 with keyed hash and key derivation; portable, no tables */
#ifndef GATEWAY_BASE_BLAKE3_H
#define GATEWAY_BASE_BLAKE3_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Any output length; inputs are read once, in place. Stack: about 2 KiB */
void blake3_hash(const void *p, size_t n, uint8_t *out, size_t len);
void blake3_keyed(const uint8_t key[32], const void *p, size_t n, uint8_t *out,
		  size_t len);
/* @context: a constant text of the program, @p: key material */
void blake3_derive(const char *context, const void *p, size_t n, uint8_t *out,
		   size_t len);
/* The same with a context of any bytes, as VLESS encryption has it */
struct iovec;
void blake3_derive_bytes(const struct iovec *context, const void *p, size_t n,
			 uint8_t *out, size_t len);

#endif
