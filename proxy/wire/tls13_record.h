/*
 * tls13_record.h - Protected records of TLS 1.3, one direction
 *
 * Source: RFC 8446, 5.1 to 5.3 (records), 7.2 and 7.3 (keys)
 */
#ifndef PROXY_WIRE_TLS13_RECORD_H
#define PROXY_WIRE_TLS13_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/crypto.h"

#define TLS13_HEAD_BYTES   5
#define TLS13_PLAIN_MAX    16384
#define TLS13_RECORD_MAX   (TLS13_HEAD_BYTES + TLS13_PLAIN_MAX + 256)
#define TLS13_EXTRA        (TLS13_HEAD_BYTES + 1 + AEAD_TAG_BYTES)
#define TLS13_CCS_BYTES    6 /* a change_cipher_spec, with its head */
#define TLS13_SECRET_BYTES 48 /* of SHA-384; SHA-256 uses 32 */

enum tls_content {
	TLS_CHANGE_CIPHER_SPEC = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_APPLICATION_DATA = 23,
};

extern const uint8_t tls13_ccs[TLS13_CCS_BYTES];

/**
 * struct tls13_dir - Keys of one direction; zeroed: unset
 * @secret:	The traffic secret, for the next key
 * @iv, @seq:	The nonce of the next record is their sum (XOR)
 */
struct tls13_dir {
	enum hash_kind hash;
	enum aead_kind aead;
	struct aead_key key;
	uint8_t secret[TLS13_SECRET_BYTES];
	uint8_t iv[12];
	uint64_t seq;
};

/* Hash and cipher of a suite. 0, or -EPROTO: none of TLS 1.3's first three */
int tls13_suite(uint16_t suite, enum hash_kind *hash, enum aead_kind *aead);
/* @secret: hash_len(@hash) bytes. An older key is dropped. 0, -ENOMEM, -EINVAL */
int tls13_dir_set(struct tls13_dir *d, enum hash_kind hash, enum aead_kind aead,
		  const uint8_t *secret);
/* What KeyUpdate does (RFC 8446, 7.2) */
int tls13_dir_next(struct tls13_dir *d);
/* Wipes; an unset one is allowed */
void tls13_dir_drop(struct tls13_dir *d);
/*
 * One record of @n <= TLS13_PLAIN_MAX bytes, which lie at @out +
 * TLS13_HEAD_BYTES or outside of @room. Bytes written, -ENOBUFS, -EINVAL
 */
ssize_t tls13_seal(struct tls13_dir *d, enum tls_content type, const uint8_t *p,
		   size_t n, uint8_t *out, size_t room);
/*
 * The same, padded to a record of @size bytes in all, head included, which are
 * there at @out. -EINVAL: @n does not fit, or no record is so long (RFC 8446, 5.4)
 */
ssize_t tls13_seal_padded(struct tls13_dir *d, enum tls_content type,
			  const uint8_t *p, size_t n, size_t size,
			  uint8_t *out);
/*
 * One record at @p, opened in place. Bytes consumed with *@type, *@data and
 * *@len (which may be 0); 0 more are needed; -EPROTO. A change_cipher_spec of
 * one byte, never protected, is consumed with *@len 0 (RFC 8446, 5).
 */
ssize_t tls13_open(struct tls13_dir *d, uint8_t *p, size_t n,
		   enum tls_content *type, uint8_t **data, size_t *len);

#endif
