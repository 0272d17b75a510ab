/*
 * crypto_pk.c - X25519 and Ed25519, through OpenSSL
 *
 * Sources: RFC 7748 (X25519), RFC 8032 (Ed25519).
 */
#include "gateway/base/crypto_pk.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>

static_assert(X25519_BYTES == ED25519_BYTES, "raw_public() is for both");

/* @type: EVP_PKEY_X25519 or EVP_PKEY_ED25519. 0 or -ENOMEM */
static int raw_public(int type, const uint8_t *private_key, uint8_t *public_key)
{
	size_t n = X25519_BYTES;
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(type, NULL, private_key, n);
	bool done = k && EVP_PKEY_get_raw_public_key(k, public_key, &n) == 1;

	EVP_PKEY_free(k);
	return done ? 0 : -ENOMEM;
}

int x25519_public(const uint8_t private_key[X25519_BYTES],
		  uint8_t public_key[X25519_BYTES])
{
	return raw_public(EVP_PKEY_X25519, private_key, public_key);
}

static int derive(EVP_PKEY_CTX *c, EVP_PKEY *peer, uint8_t *shared)
{
	size_t n = X25519_BYTES;

	if (EVP_PKEY_derive_init(c) != 1)
		return -ENOMEM;
	if (EVP_PKEY_derive_set_peer(c, peer) != 1 ||
	    EVP_PKEY_derive(c, shared, &n) != 1 || n != X25519_BYTES)
		return -EPROTO;
	return 0;
}

int x25519_shared(const uint8_t private_key[X25519_BYTES],
		  const uint8_t peer[X25519_BYTES],
		  uint8_t shared[X25519_BYTES])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL,
						   private_key, X25519_BYTES);
	EVP_PKEY *p = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer,
						  X25519_BYTES);
	EVP_PKEY_CTX *c = k ? EVP_PKEY_CTX_new(k, NULL) : NULL;
	int rc = c && p ? derive(c, p, shared) : -ENOMEM;

	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(p);
	EVP_PKEY_free(k);
	return rc;
}

int ed25519_verify(const uint8_t public_key[ED25519_BYTES], const void *p,
		   size_t n, const uint8_t sig[ED25519_SIG_BYTES])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
						  public_key, ED25519_BYTES);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int rc = -ENOMEM;

	if (k && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1)
		rc = EVP_DigestVerify(c, sig, ED25519_SIG_BYTES, p, n) == 1 ?
			     0 :
			     -EPROTO;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return rc;
}

int ed25519_public(const uint8_t private_key[ED25519_BYTES],
		   uint8_t public_key[ED25519_BYTES])
{
	return raw_public(EVP_PKEY_ED25519, private_key, public_key);
}

int ed25519_sign(const uint8_t private_key[ED25519_BYTES], const void *p,
		 size_t n, uint8_t sig[ED25519_SIG_BYTES])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
						   private_key, ED25519_BYTES);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = ED25519_SIG_BYTES;
	bool done = k && c && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
		    EVP_DigestSign(c, sig, &len, p, n) == 1;

	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return done ? 0 : -ENOMEM;
}
