/*
 * vmess_body.c - VMess: chunks of a body
 *
 *	size u16 | sealed payload | padding
 *
 *	size     counts what follows it; XORed with two bytes of SHAKE128(IV)
 *		 (option mask), or sealed less 16 (option authenticated length)
 *	padding  its length is drawn from the same stream, modulo 64, *before*
 *		 the mask of the size
 *	nonce    chunk number u16 | bytes 2 to 11 of the IV
 *
 * Security "none": no tags; on a stream also no padding. Without the chunk
 * option its bytes go as they are.
 *
 * Source: xray.md, 2.9; Xray common/crypto/auth.go, proxy/vmess/encoding
 */
#include "proxy/wire/vmess_body.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/wr.h"

/* 16 bytes to the 32 of a ChaCha20 key */
static int chacha_key(const uint8_t in[16], uint8_t out[32])
{
	int err = hash_once(HASH_MD5, in, 16, out);

	return err ? err : hash_once(HASH_MD5, out, 16, out + 16);
}

static int key_set(struct aead_key *k, uint8_t security, const uint8_t key[16])
{
	uint8_t wide[32];
	int err;

	if (security == VMESS_AES_128_GCM)
		return aead_key_set(k, AEAD_AES_128_GCM, key);
	err = chacha_key(key, wide);
	if (!err)
		err = aead_key_set(k, AEAD_CHACHA20_POLY1305, wide);
	wipe(wide, sizeof(wide));
	return err;
}

/* Sizes are sealed with the request's key and IV in both directions */
static int length_key_set(struct vmess_body_key *k,
			  const struct vmess_request *rq)
{
	char name[] = "auth_len";
	struct iovec path = { name, strlen(name) };
	uint8_t key[32];
	int err = vmess_kdf(rq->body_key, 16, &path, 1, key);

	if (!err)
		err = key_set(&k->len_aead, rq->security, key);
	memcpy(k->len_iv, rq->body_iv, sizeof(k->len_iv));
	wipe(key, sizeof(key));
	return err;
}

/* Key and IV of the response are hashes of the request's */
static int body_secret(const struct vmess_request *rq, bool down,
		       uint8_t key[32], uint8_t iv[32])
{
	if (!down) {
		memcpy(key, rq->body_key, 16);
		memcpy(iv, rq->body_iv, 16);
		return 0;
	}
	return hash_once(HASH_SHA256, rq->body_key, 16, key) ||
			       hash_once(HASH_SHA256, rq->body_iv, 16, iv) ?
		       -ENOMEM :
		       0;
}

int vmess_body_set(struct vmess_body_key *k, const struct vmess_request *rq,
		   bool down)
{
	bool none = rq->security == VMESS_NONE;
	uint8_t key[32], iv[32];
	int err = body_secret(rq, down, key, iv);

	memset(k, 0, sizeof(*k));
	k->raw = none && !(rq->options & VMESS_OPT_CHUNK);
	k->masked = rq->options & VMESS_OPT_MASK;
	k->padded = rq->options & VMESS_OPT_PADDING &&
		    !(none && rq->command != VMESS_UDP);
	if (!err && rq->options & VMESS_OPT_PADDING && !k->masked)
		err = -EINVAL; /* the lengths come from the mask's stream */
	shake128_init(&k->mask, iv, 16);
	memcpy(k->iv, iv, sizeof(k->iv));
	if (!err && !none)
		err = key_set(&k->aead, rq->security, key);
	if (!err && !none && rq->options & VMESS_OPT_AUTH_LEN)
		err = length_key_set(k, rq);
	wipe(key, sizeof(key));
	if (err)
		vmess_body_drop(k);
	return err;
}

void vmess_body_drop(struct vmess_body_key *k)
{
	aead_key_drop(&k->aead);
	aead_key_drop(&k->len_aead);
	wipe(k, sizeof(*k));
}

static uint16_t draw(struct vmess_body_key *k)
{
	uint8_t b[2];

	shake128_read(&k->mask, b, sizeof(b));
	return get_be16(b);
}

static size_t tag_len(const struct vmess_body_key *k)
{
	return k->aead.kind == AEAD_NONE ? 0 : AEAD_TAG_BYTES;
}

static bool sealed_size(const struct vmess_body_key *k)
{
	return k->len_aead.kind != AEAD_NONE;
}

static size_t size_len(const struct vmess_body_key *k)
{
	return sealed_size(k) ? 2 + AEAD_TAG_BYTES : 2;
}

/* Both nonces have the number of the chunk in hand */
static void number_set(struct vmess_body_key *k)
{
	put_be16(k->iv, k->count);
	put_be16(k->len_iv, k->count);
}

size_t vmess_body_lead(const struct vmess_body_key *k)
{
	return k->raw ? 0 : size_len(k);
}

static int size_seal(struct vmess_body_key *k, size_t size, uint8_t *out)
{
	number_set(k);
	if (!sealed_size(k)) {
		put_be16(out, (uint16_t)(size ^ (k->masked ? draw(k) : 0u)));
		return 0;
	}
	put_be16(out, (uint16_t)(size - AEAD_TAG_BYTES));
	return aead_seal(&k->len_aead, k->len_iv, NULL, out, 2, out);
}

ssize_t vmess_body_seal(struct vmess_body_key *k, const uint8_t *p, size_t n,
			void (*rand)(void *p, size_t n), uint8_t *out,
			size_t room)
{
	struct wr w = wr_init(out, room);
	uint8_t *size, *body, *pad;
	size_t pad_len, left = room;

	if (n > VMESS_CHUNK_MAX)
		return -EINVAL;
	if (k->raw) {
		wr_bytes(&w, p, n);
		return wr_ok(&w) ? (ssize_t)n : -ENOBUFS;
	}
	/* before the stream is drawn from: a failure must not shift it */
	if (left < n + VMESS_CHUNK_EXTRA)
		return -ENOBUFS;
	pad_len = k->padded ? draw(k) % 64 : 0;
	size = wr_room(&w, size_len(k));
	body = wr_room(&w, n + tag_len(k));
	pad = wr_room(&w, pad_len);
	if (!size || !body || !pad ||
	    size_seal(k, n + tag_len(k) + pad_len, size))
		return -EINVAL;
	if (!tag_len(k) && n && body != p)
		memcpy(body, p, n);
	else if (tag_len(k) && aead_seal(&k->aead, k->iv, NULL, p, n, body))
		return -EINVAL;
	if (pad_len)
		rand(pad, pad_len);
	k->count++;
	return (ssize_t)wr_len(&w);
}

/* 0 with @want and @pad set, or -EPROTO */
static int size_open(struct vmess_body_key *k, uint8_t *p)
{
	number_set(k);
	k->pad = k->padded ? draw(k) % 64 : 0;
	if (!sealed_size(k)) {
		k->want = get_be16(p) ^ (k->masked ? draw(k) : 0u);
	} else {
		if (aead_open(&k->len_aead, k->len_iv, NULL, p,
			      2 + AEAD_TAG_BYTES, p))
			return -EPROTO;
		k->want = get_be16(p) + (uint32_t)AEAD_TAG_BYTES;
	}
	if (k->want < tag_len(k) + k->pad)
		return -EPROTO;
	k->have_len = true;
	return 0;
}

ssize_t vmess_body_open(struct vmess_body_key *k, uint8_t *p, size_t n,
			uint8_t **data, size_t *len)
{
	size_t at = 0, sealed;

	*len = 0;
	if (k->raw) {
		*data = p;
		*len = n;
		return (ssize_t)n;
	}
	if (!k->have_len) {
		if (n < size_len(k))
			return 0;
		if (size_open(k, p))
			return -EPROTO;
		at = size_len(k);
	}
	if (n - at < k->want)
		return (ssize_t)at;
	sealed = k->want - k->pad;
	if (tag_len(k) &&
	    aead_open(&k->aead, k->iv, NULL, p + at, sealed, p + at))
		return -EPROTO;
	k->have_len = false;
	k->count++;
	if (sealed == tag_len(k))
		return -EPIPE;
	*data = p + at;
	*len = sealed - tag_len(k);
	return (ssize_t)(at + k->want);
}
