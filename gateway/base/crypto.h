/*
 * crypto.h - Hashes, key derivation and AEADs, the little of OpenSSL we use
 *
 * OpenSSL is set up at the first call, without its configuration file. Fetched
 * algorithms are kept, so that a call costs no lookup; hashing uses one
 * context a thread. Nothing here logs. Failures are -ENOMEM, -EINVAL (wrong
 * sizes) or -EPROTO (a tag does not fit).
 */
#ifndef GATEWAY_BASE_CRYPTO_H
#define GATEWAY_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum hash_kind {
	HASH_MD5,
	HASH_SHA1,
	HASH_SHA224,
	HASH_SHA256,
	HASH_SHA384,
	HASH_SHA512,
};

#define HASH_MAX_BYTES 64

/* Bytes of a digest: 16 to 64 */
size_t hash_len(enum hash_kind kind);
/* Digest of @n bytes to @out (hash_len() bytes) */
int hash_once(enum hash_kind kind, const void *p, size_t n, uint8_t *out);
/* Digest of a file, from its start to its end. Also -errno of reading. Blocks */
int hash_fd(enum hash_kind kind, int fd, uint8_t *out);
/* Digest of the pieces, one after the other */
int hash_vec(enum hash_kind kind, const struct iovec *v, int cnt, uint8_t *out);
int hmac_vec(enum hash_kind kind, const void *key, size_t key_len,
	     const struct iovec *v, int cnt, uint8_t *out);
int hmac_once(enum hash_kind kind, const void *key, size_t key_len,
	      const void *p, size_t n, uint8_t *out);

/* RFC 5869. @prk has hash_len() bytes; an empty salt means zeros */
int hkdf_extract(enum hash_kind kind, const void *salt, size_t salt_len,
		 const void *ikm, size_t ikm_len, uint8_t *prk);
/* @n at most 255 * hash_len() */
int hkdf_expand(enum hash_kind kind, const uint8_t *prk, const void *info,
		size_t info_len, uint8_t *out, size_t n);
int hkdf(enum hash_kind kind, const struct iovec *ikm, const struct iovec *salt,
	 const char *info, uint8_t *out, size_t n);
/* HKDF-Expand-Label with an empty context (RFC 8446, 7.1); "tls13 " is added */
int hkdf_expand_label(enum hash_kind kind, const uint8_t *secret,
		      const char *label, uint8_t *out, size_t n);
/* The same with a context of at most HASH_MAX_BYTES (a transcript's hash) */
int hkdf_expand_context(enum hash_kind kind, const uint8_t *secret,
			const char *label, const struct iovec *context,
			uint8_t *out, size_t n);

/**
 * struct block_key - An AES key for single blocks (ECB, no padding)
 * @ctx:	OpenSSL's; NULL while unset
 */
struct block_key {
	struct evp_cipher_ctx_st *ctx;
};
/* @len: 16, 24 or 32. Direction is fixed here */
int block_key_set(struct block_key *k, const uint8_t *key, size_t len,
		  bool encrypt);
void block_key_drop(struct block_key *k);
int block_run(struct block_key *k, const uint8_t in[16], uint8_t out[16]);
/* One block with a key used once */
int aes_block(const uint8_t *key, size_t len, bool encrypt,
	      const uint8_t in[16], uint8_t out[16]);

enum aead_kind {
	AEAD_NONE,
	AEAD_AES_128_GCM,
	AEAD_AES_256_GCM,
	AEAD_CHACHA20_POLY1305,
	AEAD_XCHACHA20_POLY1305,
};

#define AEAD_TAG_BYTES 16
#define AEAD_KEY_MAX   32
#define AEAD_NONCE_MAX 24

size_t aead_key_len(enum aead_kind kind);
size_t aead_nonce_len(enum aead_kind kind); /* 12, or 24 for xchacha */

/**
 * struct aead_key - A key ready for many records; one thread at a time
 * @kind:	enum aead_kind; AEAD_NONE while unset
 * @ctx:	OpenSSL's, holds the expanded key; serves both directions
 * @key:	Only for xchacha20, whose cipher key changes with the nonce
 */
struct aead_key {
	uint8_t kind;
	struct evp_cipher_ctx_st *ctx;
	uint8_t key[AEAD_KEY_MAX];
};
/* 0, -EINVAL or -ENOMEM. @key has aead_key_len() bytes */
int aead_key_set(struct aead_key *k, enum aead_kind kind, const uint8_t *key);
/* Wipes; an unset key (all zero) is allowed */
void aead_key_drop(struct aead_key *k);
/*
 * @n bytes of @in to @n + AEAD_TAG_BYTES at @out; @in == @out is allowed.
 * @aad may be NULL. No memory is allocated.
 */
int aead_seal(struct aead_key *k, const uint8_t *nonce, const struct iovec *aad,
	      const uint8_t *in, size_t n, uint8_t *out);
/* The same of @cnt pieces, one after the other; only the first may lie at @out */
int aead_seal_parts(struct aead_key *k, const uint8_t *nonce,
		    const struct iovec *aad, const struct iovec *part, int cnt,
		    uint8_t *out);
/*
 * @n bytes with the tag at their end to @n - AEAD_TAG_BYTES at @out; @in ==
 * @out is allowed. -EPROTO leaves @out undefined
 */
int aead_open(struct aead_key *k, const uint8_t *nonce, const struct iovec *aad,
	      const uint8_t *in, size_t n, uint8_t *out);
/* The same with a key used once, in place */
int aead_seal_once(enum aead_kind kind, const uint8_t *key,
		   const uint8_t *nonce, const struct iovec *aad, uint8_t *p,
		   size_t n);
int aead_open_once(enum aead_kind kind, const uint8_t *key,
		   const uint8_t *nonce, const struct iovec *aad, uint8_t *p,
		   size_t n);
/* Add one to a counter nonce, little endian (shadowsocks) */
void nonce_inc_le(uint8_t *nonce, size_t n);

/* The subkey of XChaCha20 (draft-irtf-cfrg-xchacha, 2.2) */
void hchacha20(const uint8_t key[32], const uint8_t nonce[16], uint8_t out[32]);

/* IEEE 802.3, as zlib and Go's crc32.ChecksumIEEE */
uint32_t crc32_ieee(const void *p, size_t n);
uint32_t fnv1a_32(const void *p, size_t n);

/* In time that depends on @n only */
bool ct_equal(const void *a, const void *b, size_t n);
/* Zeros that no compiler leaves out */
void wipe(void *p, size_t n);

#endif
