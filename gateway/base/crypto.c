/*
 * crypto.c - Wrappers over OpenSSL's EVP, and the few sums it lacks
 *
 * Fetched algorithms live in two tables for the life of the process. A fetch
 * costs microseconds and takes OpenSSL's lock; a table entry is one atomic
 * load. Two threads that fetch the same one at once: the loser gives back.
 *
 * Sources: RFC 2104 (HMAC), RFC 5869 (HKDF), RFC 8446 7.1 (labels),
 * RFC 8439 and draft-irtf-cfrg-xchacha-03 (ChaCha20, HChaCha20).
 */
#include "gateway/base/crypto.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"

#define HASH_BLOCK_MAX 128
#define FILE_PIECE     16384
#define LABEL_MAX      255 /* length byte of HkdfLabel */

/**
 * struct hash_algo - A hash and what HMAC must know of it
 * @name:	OpenSSL's
 * @len:	Bytes of the digest
 * @block:	Bytes of an input block
 */
struct hash_algo {
	const char *name;
	uint8_t len, block;
};

static const struct hash_algo hashes[] = {
	[HASH_MD5] = { "MD5", 16, 64 },
	[HASH_SHA1] = { "SHA1", 20, 64 },
	[HASH_SHA224] = { "SHA224", 28, 64 },
	[HASH_SHA256] = { "SHA256", 32, 64 },
	[HASH_SHA384] = { "SHA384", 48, 128 },
	[HASH_SHA512] = { "SHA512", 64, 128 },
};

static const struct {
	const char *name;
	uint8_t key_len, nonce_len;
} aeads[] = {
	[AEAD_NONE] = { "", 0, 0 },
	[AEAD_AES_128_GCM] = { "AES-128-GCM", 16, 12 },
	[AEAD_AES_256_GCM] = { "AES-256-GCM", 32, 12 },
	[AEAD_CHACHA20_POLY1305] = { "ChaCha20-Poly1305", 32, 12 },
	[AEAD_XCHACHA20_POLY1305] = { "ChaCha20-Poly1305", 32, 24 },
};

enum { ECB_128, ECB_192, ECB_256, ECB_KINDS };
static const char *const ecbs[] = { "AES-128-ECB", "AES-192-ECB",
				    "AES-256-ECB" };
static_assert(ARRAY_SIZE(ecbs) == ECB_KINDS, "one name for each key size");

static _Atomic(EVP_MD *) md_table[ARRAY_SIZE(hashes)];
static _Atomic(EVP_CIPHER *) aead_table[ARRAY_SIZE(aeads)];
static _Atomic(EVP_CIPHER *) ecb_table[ECB_KINDS];

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t md_ctx_key;
static _Thread_local EVP_MD_CTX *md_ctx;

static void md_ctx_free(void *p)
{
	EVP_MD_CTX_free(p);
}

static void crypto_init(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
				    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
			    NULL);
	pthread_key_create(&md_ctx_key, md_ctx_free);
}

static EVP_MD *md_get(enum hash_kind kind)
{
	EVP_MD *md =
		atomic_load_explicit(&md_table[kind], memory_order_acquire);
	EVP_MD *none = NULL;

	if (md)
		return md;
	pthread_once(&once, crypto_init);
	md = EVP_MD_fetch(NULL, hashes[kind].name, NULL);
	if (md && !atomic_compare_exchange_strong(&md_table[kind], &none, md)) {
		EVP_MD_free(md);
		md = none;
	}
	return md;
}

static EVP_CIPHER *cipher_get(_Atomic(EVP_CIPHER *) *slot, const char *name)
{
	EVP_CIPHER *c = atomic_load_explicit(slot, memory_order_acquire);
	EVP_CIPHER *none = NULL;

	if (c)
		return c;
	pthread_once(&once, crypto_init);
	c = EVP_CIPHER_fetch(NULL, name, NULL);
	if (c && !atomic_compare_exchange_strong(slot, &none, c)) {
		EVP_CIPHER_free(c);
		c = none;
	}
	return c;
}

/* This thread's hashing context; freed when the thread ends */
static EVP_MD_CTX *md_ctx_get(void)
{
	if (md_ctx)
		return md_ctx;
	pthread_once(&once, crypto_init);
	md_ctx = EVP_MD_CTX_new();
	if (md_ctx)
		pthread_setspecific(md_ctx_key, md_ctx);
	return md_ctx;
}

size_t hash_len(enum hash_kind kind)
{
	return hashes[kind].len;
}

/* Digest of @head (may be empty), then of the pieces */
static int hash_run(enum hash_kind kind, const uint8_t *head, size_t head_len,
		    const struct iovec *v, int cnt, uint8_t *out)
{
	EVP_MD *md = md_get(kind);
	EVP_MD_CTX *c = md_ctx_get();

	if (!md || !c)
		return -ENOMEM;
	if (!EVP_DigestInit_ex2(c, md, NULL))
		return -ENOMEM;
	if (head_len && !EVP_DigestUpdate(c, head, head_len))
		return -EINVAL;
	for (int i = 0; i < cnt; i++)
		if (v[i].iov_len &&
		    !EVP_DigestUpdate(c, v[i].iov_base, v[i].iov_len))
			return -EINVAL;
	return EVP_DigestFinal_ex(c, out, NULL) ? 0 : -EINVAL;
}

int hash_vec(enum hash_kind kind, const struct iovec *v, int cnt, uint8_t *out)
{
	return hash_run(kind, NULL, 0, v, cnt, out);
}

int hash_once(enum hash_kind kind, const void *p, size_t n, uint8_t *out)
{
	return hash_run(kind, p, n, NULL, 0, out);
}

int hash_fd(enum hash_kind kind, int fd, uint8_t *out)
{
	EVP_MD *md = md_get(kind);
	EVP_MD_CTX *c = md_ctx_get();
	uint8_t buf[FILE_PIECE];
	off_t at = 0;
	ssize_t n;

	if (!md || !c || !EVP_DigestInit_ex2(c, md, NULL))
		return -ENOMEM;
	while ((n = pread(fd, buf, sizeof(buf), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!EVP_DigestUpdate(c, buf, (size_t)n))
			return -EINVAL;
		at += n;
	}
	return EVP_DigestFinal_ex(c, out, NULL) ? 0 : -EINVAL;
}

int hmac_vec(enum hash_kind kind, const void *key, size_t key_len,
	     const struct iovec *v, int cnt, uint8_t *out)
{
	size_t block = hashes[kind].block, len = hashes[kind].len;
	uint8_t pad[HASH_BLOCK_MAX] = { 0 }, inner[HASH_MAX_BYTES];
	struct iovec outer = { inner, len };
	int err = 0;

	if (key_len > block)
		err = hash_once(kind, key, key_len, pad);
	else if (key_len)
		memcpy(pad, key, key_len);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36;
	if (!err)
		err = hash_run(kind, pad, block, v, cnt, inner);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	if (!err)
		err = hash_run(kind, pad, block, &outer, 1, out);
	wipe(pad, sizeof(pad));
	wipe(inner, sizeof(inner));
	return err;
}

/* iovec has no const member: the only place that casts it away, for reading */
static struct iovec iov_of(const void *p, size_t n)
{
	union {
		const void *c;
		void *p;
	} u = { .c = p };

	return (struct iovec){ u.p, n };
}

int hmac_once(enum hash_kind kind, const void *key, size_t key_len,
	      const void *p, size_t n, uint8_t *out)
{
	struct iovec v = iov_of(p, n);

	return hmac_vec(kind, key, key_len, &v, 1, out);
}

int hkdf_extract(enum hash_kind kind, const void *salt, size_t salt_len,
		 const void *ikm, size_t ikm_len, uint8_t *prk)
{
	return hmac_once(kind, salt, salt_len, ikm, ikm_len, prk);
}

int hkdf_expand(enum hash_kind kind, const uint8_t *prk, const void *info,
		size_t info_len, uint8_t *out, size_t n)
{
	size_t len = hash_len(kind), done = 0;
	uint8_t t[HASH_MAX_BYTES], i = 0;
	int err = 0;

	if (n > 255 * len)
		return -EINVAL;
	while (!err && done < n) {
		struct iovec v[3] = { { t, i ? len : 0 },
				      iov_of(info, info_len),
				      { &i, 1 } };
		size_t m = n - done < len ? n - done : len;

		i++;
		err = hmac_vec(kind, prk, len, v, 3, t);
		if (!err)
			memcpy(out + done, t, m);
		done += m;
	}
	wipe(t, sizeof(t));
	return err;
}

int hkdf(enum hash_kind kind, const struct iovec *ikm, const struct iovec *salt,
	 const char *info, uint8_t *out, size_t n)
{
	uint8_t prk[HASH_MAX_BYTES];
	int err = hkdf_extract(kind, salt->iov_base, salt->iov_len,
			       ikm->iov_base, ikm->iov_len, prk);

	if (!err)
		err = hkdf_expand(kind, prk, info, strlen(info), out, n);
	wipe(prk, sizeof(prk));
	return err;
}

int hkdf_expand_context(enum hash_kind kind, const uint8_t *secret,
			const char *label, const struct iovec *context,
			uint8_t *out, size_t n)
{
	static const char prefix[] = "tls13 ";
	uint8_t info[3 + LABEL_MAX + 1 + HASH_MAX_BYTES];
	size_t head = sizeof(prefix) - 1, len = strlen(label);
	uint8_t *p = info;

	if (head + len > LABEL_MAX || n > UINT16_MAX ||
	    context->iov_len > HASH_MAX_BYTES)
		return -EINVAL;
	put_be16(p, (uint16_t)n);
	p[2] = (uint8_t)(head + len);
	p += 3;
	memcpy(p, prefix, head);
	p += head;
	memcpy(p, label, len);
	p += len;
	*p++ = (uint8_t)context->iov_len;
	if (context->iov_len)
		memcpy(p, context->iov_base, context->iov_len);
	p += context->iov_len;
	return hkdf_expand(kind, secret, info, (size_t)(p - info), out, n);
}

int hkdf_expand_label(enum hash_kind kind, const uint8_t *secret,
		      const char *label, uint8_t *out, size_t n)
{
	static const struct iovec empty;

	return hkdf_expand_context(kind, secret, label, &empty, out, n);
}

int block_key_set(struct block_key *k, const uint8_t *key, size_t len,
		  bool encrypt)
{
	int slot = len == 16 ? ECB_128 : len == 24 ? ECB_192 : ECB_256;
	EVP_CIPHER *c;

	k->ctx = NULL;
	if (len != 16 && len != 24 && len != 32)
		return -EINVAL;
	c = cipher_get(&ecb_table[slot], ecbs[slot]);
	if (!c)
		return -ENOMEM;
	k->ctx = EVP_CIPHER_CTX_new();
	if (!k->ctx ||
	    !EVP_CipherInit_ex2(k->ctx, c, key, NULL, encrypt, NULL) ||
	    !EVP_CIPHER_CTX_set_padding(k->ctx, 0)) {
		block_key_drop(k);
		return -ENOMEM;
	}
	return 0;
}

void block_key_drop(struct block_key *k)
{
	EVP_CIPHER_CTX_free(k->ctx);
	k->ctx = NULL;
}

int block_run(struct block_key *k, const uint8_t in[16], uint8_t out[16])
{
	int n = 0;

	return EVP_CipherUpdate(k->ctx, out, &n, in, 16) && n == 16 ? 0 :
								      -EINVAL;
}

int aes_block(const uint8_t *key, size_t len, bool encrypt,
	      const uint8_t in[16], uint8_t out[16])
{
	struct block_key k;
	int err = block_key_set(&k, key, len, encrypt);

	if (err)
		return err;
	err = block_run(&k, in, out);
	block_key_drop(&k);
	return err;
}

size_t aead_key_len(enum aead_kind kind)
{
	return aeads[kind].key_len;
}

size_t aead_nonce_len(enum aead_kind kind)
{
	return aeads[kind].nonce_len;
}

int aead_key_set(struct aead_key *k, enum aead_kind kind, const uint8_t *key)
{
	EVP_CIPHER *c;

	*k = (struct aead_key){ 0 };
	if (kind == AEAD_NONE || (size_t)kind >= ARRAY_SIZE(aeads))
		return -EINVAL;
	c = cipher_get(&aead_table[kind], aeads[kind].name);
	k->ctx = c ? EVP_CIPHER_CTX_new() : NULL;
	if (!k->ctx || !EVP_CipherInit_ex2(k->ctx, c, key, NULL, 1, NULL)) {
		aead_key_drop(k);
		return -ENOMEM;
	}
	if (kind == AEAD_XCHACHA20_POLY1305)
		memcpy(k->key, key, sizeof(k->key));
	k->kind = (uint8_t)kind;
	return 0;
}

void aead_key_drop(struct aead_key *k)
{
	EVP_CIPHER_CTX_free(k->ctx);
	wipe(k, sizeof(*k));
}

/* Give the context this record's nonce and direction */
static int aead_start(struct aead_key *k, const uint8_t *nonce, int encrypt)
{
	uint8_t sub[32], short_nonce[12] = { 0 };
	int ok;

	if (k->kind != AEAD_XCHACHA20_POLY1305) {
		ok = EVP_CipherInit_ex2(k->ctx, NULL, NULL, nonce, encrypt,
					NULL);
		return ok ? 0 : -EINVAL;
	}
	hchacha20(k->key, nonce, sub);
	memcpy(short_nonce + 4, nonce + 16, 8);
	ok = EVP_CipherInit_ex2(k->ctx, NULL, sub, short_nonce, encrypt, NULL);
	wipe(sub, sizeof(sub));
	return ok ? 0 : -EINVAL;
}

static bool aead_feed(struct aead_key *k, const struct iovec *aad,
		      const uint8_t *in, size_t n, uint8_t *out)
{
	size_t len = aad ? aad->iov_len : 0;
	int m;

	if (n > INT_MAX || len > INT_MAX)
		return false;
	if (len && !EVP_CipherUpdate(k->ctx, NULL, &m, aad->iov_base, (int)len))
		return false;
	return !n || EVP_CipherUpdate(k->ctx, out, &m, in, (int)n);
}

/* The tag to @out. 0 or -EINVAL */
static int aead_tag(struct aead_key *k, uint8_t *out)
{
	int m;

	return EVP_CipherFinal_ex(k->ctx, out, &m) &&
			       EVP_CIPHER_CTX_ctrl(k->ctx,
						   EVP_CTRL_AEAD_GET_TAG,
						   AEAD_TAG_BYTES, out) ?
		       0 :
		       -EINVAL;
}

int aead_seal(struct aead_key *k, const uint8_t *nonce, const struct iovec *aad,
	      const uint8_t *in, size_t n, uint8_t *out)
{
	int err = aead_start(k, nonce, 1);

	if (err)
		return err;
	return aead_feed(k, aad, in, n, out) ? aead_tag(k, out + n) : -EINVAL;
}

int aead_seal_parts(struct aead_key *k, const uint8_t *nonce,
		    const struct iovec *aad, const struct iovec *part, int cnt,
		    uint8_t *out)
{
	int m, err = aead_start(k, nonce, 1);

	if (err)
		return err;
	if (!aead_feed(k, aad, NULL, 0, out))
		return -EINVAL;
	for (int i = 0; i < cnt; i++) {
		if (part[i].iov_len > INT_MAX ||
		    (part[i].iov_len &&
		     !EVP_CipherUpdate(k->ctx, out, &m, part[i].iov_base,
				       (int)part[i].iov_len)))
			return -EINVAL;
		out += part[i].iov_len;
	}
	return aead_tag(k, out);
}

int aead_open(struct aead_key *k, const uint8_t *nonce, const struct iovec *aad,
	      const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t tag[AEAD_TAG_BYTES], none[AEAD_TAG_BYTES];
	int m, err;

	if (n < AEAD_TAG_BYTES)
		return -EPROTO;
	n -= AEAD_TAG_BYTES;
	memcpy(tag, in + n, sizeof(tag));
	err = aead_start(k, nonce, 0);
	if (err)
		return err;
	if (!EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES,
				 tag))
		return -EINVAL;
	if (!aead_feed(k, aad, in, n, out) ||
	    !EVP_CipherFinal_ex(k->ctx, none, &m))
		return -EPROTO;
	return 0;
}

int aead_seal_once(enum aead_kind kind, const uint8_t *key,
		   const uint8_t *nonce, const struct iovec *aad, uint8_t *p,
		   size_t n)
{
	struct aead_key k;
	int err = aead_key_set(&k, kind, key);

	if (!err)
		err = aead_seal(&k, nonce, aad, p, n, p);
	aead_key_drop(&k);
	return err;
}

int aead_open_once(enum aead_kind kind, const uint8_t *key,
		   const uint8_t *nonce, const struct iovec *aad, uint8_t *p,
		   size_t n)
{
	struct aead_key k;
	int err = aead_key_set(&k, kind, key);

	if (!err)
		err = aead_open(&k, nonce, aad, p, n, p);
	aead_key_drop(&k);
	return err;
}

void nonce_inc_le(uint8_t *nonce, size_t n)
{
	for (size_t i = 0; i < n && !++nonce[i]; i++)
		;
}

static uint32_t rotl(uint32_t x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

static void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 7);
}

void hchacha20(const uint8_t key[32], const uint8_t nonce[16], uint8_t out[32])
{
	uint32_t x[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	for (int i = 0; i < 8; i++)
		x[4 + i] = get_le32(key + 4 * i);
	for (int i = 0; i < 4; i++)
		x[12 + i] = get_le32(nonce + 4 * i);
	for (int i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12);
		quarter_round(x, 1, 5, 9, 13);
		quarter_round(x, 2, 6, 10, 14);
		quarter_round(x, 3, 7, 11, 15);
		quarter_round(x, 0, 5, 10, 15);
		quarter_round(x, 1, 6, 11, 12);
		quarter_round(x, 2, 7, 8, 13);
		quarter_round(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 4; i++) {
		put_le32(out + 4 * i, x[i]);
		put_le32(out + 16 + 4 * i, x[12 + i]);
	}
	wipe(x, sizeof(x));
}

uint32_t crc32_ieee(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t crc = ~0u;

	for (size_t i = 0; i < n; i++) {
		crc ^= b[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

uint32_t fnv1a_32(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t h = 0x811c9dc5;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x01000193;
	return h;
}

bool ct_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}
