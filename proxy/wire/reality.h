/*
 * reality.h - REALITY: who we are in the session id, who the server is in the
 * signature of its certificate
 *
 * Source: docs/wire/reality.md; xray.md sections N and 2.16
 */
#ifndef PROXY_WIRE_REALITY_H
#define PROXY_WIRE_REALITY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/crypto.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/mldsa.h"
#include "proxy/wire/tls13_shake.h"

#define REALITY_KEY_BYTES      32
#define REALITY_SHORT_ID_BYTES 8
#define REALITY_NONCE_AT       20 /* in the ClientHello's random; before it: salt */
#define REALITY_PLAIN_BYTES    16 /* of the session id; behind it: the tag */

#define SCHEME_ED25519 0x0807 /* in a CertificateVerify */

/**
 * struct reality_id - What a server knows a client by
 * @server_key:	X25519 public key of the server
 * @short_id:	Zero padded
 */
struct reality_id {
	uint8_t server_key[REALITY_KEY_BYTES];
	uint8_t short_id[REALITY_SHORT_ID_BYTES];
};

/*
 * The key that only both ends can have: @private_key of one, @peer of the other;
 * @random of the ClientHello. 0, -ENOMEM, -EPROTO (useless key)
 */
int reality_auth(const uint8_t private_key[32], const uint8_t peer[32],
		 const uint8_t *random, uint8_t auth_key[REALITY_KEY_BYTES]);
/*
 * Put the sealed session id into @hello, a ClientHello with 32 zero bytes
 * there. @private_key: of its key share. @now: seconds since 1970. @auth_key:
 * for reality_server_is(). 0, -EINVAL, -ENOMEM, -EPROTO (useless key)
 */
int reality_seal(const struct reality_id *id, const uint8_t private_key[32],
		 uint32_t now, uint8_t *hello, size_t n,
		 uint8_t auth_key[REALITY_KEY_BYTES]);
/*
 * The server that has the private key signs its certificate with @auth_key,
 * and the handshake with the certificate's Ed25519 key. 0; -EACCES: it is
 * somebody else, most likely the site it pretends to be
 */
int reality_server_is(const struct tls13_proof *proof,
		      const uint8_t auth_key[REALITY_KEY_BYTES]);
/*
 * Then: its certificate's first extension is a signature by the ML-DSA-65 key @verify
 * of both hellos. The same answers
 */
int reality_server_signs(const struct tls13_proof *proof,
			 const uint8_t auth_key[REALITY_KEY_BYTES],
			 const struct mldsa65_public_key *verify);
/* What is signed: both hellos, in one piece or two, bound to both ends. 0 or -ENOMEM */
int reality_signed(const uint8_t auth_key[REALITY_KEY_BYTES],
		   const uint8_t key[ED25519_BYTES],
		   const struct iovec hellos[2], uint8_t out[HASH_MAX_BYTES]);
/* The Ed25519 key and the signature of a certificate. 0 or -EPROTO: has none */
int reality_cert_parse(const uint8_t *der, size_t n, const uint8_t **key,
		       const uint8_t **sig, size_t *sig_len);

#endif
