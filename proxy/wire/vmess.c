/*
 * vmess.c - VMess AEAD: request and response heads
 *
 *	request   auth id 16 | seal(length u16) | nonce 8 | seal(header)
 *	auth id   AES-128-ECB of: time i64 | random 4 | CRC32 of these u32
 *	header    01 | body IV 16 | body key 16 | verify | options
 *		  | padding<<4 + security | 00 | command
 *		  | [port u16 | type | address] | padding | FNV1a of all u32
 *	response  seal(length u16) | seal(verify | options | command | length
 *		  | ...)
 *
 * All seals are AES-128-GCM with keys and nonces from vmess_kdf(); those of
 * the request have the auth id as associated data. Bodies: vmess_body.c.
 *
 * Source: xray.md, 2.9; Xray proxy/vmess/aead and encoding (facts)
 */
#include "proxy/wire/vmess.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "gateway/base/crypto.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"
#include "proxy/wire/addr_wire.h"

#define KDF_BLOCK    64
#define KDF_PATHS    3
#define KDF_KEY_MAX  32
#define AUTH_BYTES   16
#define NONCE_BYTES  8
#define LENGTH_BYTES (2 + AEAD_TAG_BYTES)
#define PADDING_MAX  15

static struct iovec text(const char *s)
{
	union {
		const char *c;
		char *p;
	} u = { .c = s };

	return (struct iovec){ u.p, strlen(s) };
}

static struct iovec bytes(const uint8_t *p, size_t n)
{
	union {
		const uint8_t *c;
		uint8_t *p;
	} u = { .c = p };

	return (struct iovec){ u.p, n };
}

/* One level of the nested hash over @n bytes */
static int level_0(const struct iovec *path, const uint8_t *m, size_t n,
		   uint8_t out[32])
{
	static const char base[] = "VMess AEAD KDF";

	(void)path;
	return hmac_once(HASH_SHA256, base, strlen(base), m, n, out);
}

/*
 * HMAC keyed with path[@at] over the hash @lower, which has the paths before.
 * The message grows by a block at each level down.
 */
static int hmac_over(int (*lower)(const struct iovec *path, const uint8_t *m,
				  size_t n, uint8_t out[32]),
		     const struct iovec *path, int at, const uint8_t *m,
		     size_t n, uint8_t out[32])
{
	const struct iovec *key = path + at;
	uint8_t buf[KDF_PATHS * KDF_BLOCK + KDF_KEY_MAX] = { 0 }, inner[32];
	int err;

	if (key->iov_len > KDF_BLOCK || n > sizeof(buf) - KDF_BLOCK)
		return -EINVAL;
	memcpy(buf, key->iov_base, key->iov_len);
	for (size_t i = 0; i < KDF_BLOCK; i++)
		buf[i] ^= 0x36;
	memcpy(buf + KDF_BLOCK, m, n);
	err = lower(path, buf, KDF_BLOCK + n, inner);
	for (size_t i = 0; i < KDF_BLOCK; i++)
		buf[i] ^= 0x36 ^ 0x5c;
	memcpy(buf + KDF_BLOCK, inner, sizeof(inner));
	if (!err)
		err = lower(path, buf, KDF_BLOCK + sizeof(inner), out);
	wipe(buf, sizeof(buf));
	wipe(inner, sizeof(inner));
	return err;
}

static int level_1(const struct iovec *path, const uint8_t *m, size_t n,
		   uint8_t out[32])
{
	return hmac_over(level_0, path, 0, m, n, out);
}

static int level_2(const struct iovec *path, const uint8_t *m, size_t n,
		   uint8_t out[32])
{
	return hmac_over(level_1, path, 1, m, n, out);
}

int vmess_kdf(const uint8_t *key, size_t key_len, const struct iovec *path,
	      int count, uint8_t out[32])
{
	if (key_len > KDF_KEY_MAX)
		return -EINVAL;
	if (count == 1)
		return level_1(path, key, key_len, out);
	if (count == 3)
		return hmac_over(level_2, path, 2, key, key_len, out);
	return -EINVAL;
}

int vmess_user_set(struct vmess_user_key *u, const uint8_t id[16])
{
	static const char salt[] = "c48619fe-8f02-49e0-b9e9-edf763e17e21";
	struct iovec v[2] = { bytes(id, 16), text(salt) };
	struct iovec path = text("AES Auth ID Encryption");
	uint8_t key[32] = { 0 };
	int err = hash_vec(HASH_MD5, v, 2, u->command);

	if (!err)
		err = vmess_kdf(u->command, 16, &path, 1, key);
	memcpy(u->auth, key, sizeof(u->auth));
	wipe(key, sizeof(key));
	return err;
}

int vmess_auth_check(const struct vmess_user_key *u, const uint8_t auth_id[16],
		     uint64_t now_s, int64_t *skew_s)
{
	uint8_t b[AUTH_BYTES];

	if (aes_block(u->auth, sizeof(u->auth), false, auth_id, b))
		return -ENOENT;
	if (crc32_ieee(b, 12) != get_be32(b + 12))
		return -ENOENT;
	*skew_s = (int64_t)(get_be64(b) - now_s);
	return *skew_s > VMESS_CLOCK_S || *skew_s < -VMESS_CLOCK_S ? -ESTALE :
								     0;
}

static int auth_make(const struct vmess_user_key *u, uint64_t now_s,
		     void (*rand)(void *p, size_t n), uint8_t out[AUTH_BYTES])
{
	uint8_t b[AUTH_BYTES];

	put_be64(b, now_s);
	rand(b + 8, 4);
	put_be32(b + 12, crc32_ieee(b, 12));
	return aes_block(u->auth, sizeof(u->auth), true, b, out);
}

/**
 * struct seal_key - Key and nonce of one seal in a head
 */
struct seal_key {
	uint8_t key[32], nonce[32];
};

/* From the names of the two, and for a request auth id and nonce */
static int seal_derive(struct seal_key *k, const struct iovec secret[2],
		       const char *const name[2], const struct iovec *tail)
{
	struct iovec path[KDF_PATHS] = { { NULL, 0 } };
	int err = 0;

	if (tail) {
		path[1] = tail[0];
		path[2] = tail[1];
	}
	for (int i = 0; !err && i < 2; i++) {
		path[0] = text(name[i]);
		err = vmess_kdf(secret[i].iov_base, secret[i].iov_len, path,
				tail ? 3 : 1, i ? k->nonce : k->key);
	}
	return err;
}

/* Keys of the request's length (@which 0) or header (1) */
static int request_key(struct seal_key *k, const struct vmess_user_key *u,
		       const uint8_t *auth, const uint8_t *nonce, int which)
{
	static const char *const names[2][2] = {
		{ "VMess Header AEAD Key_Length",
		  "VMess Header AEAD Nonce_Length" },
		{ "VMess Header AEAD Key", "VMess Header AEAD Nonce" },
	};
	struct iovec secret[2] = { bytes(u->command, 16),
				   bytes(u->command, 16) };
	struct iovec tail[2] = { bytes(auth, AUTH_BYTES),
				 bytes(nonce, NONCE_BYTES) };

	return seal_derive(k, secret, names[which], tail);
}

/* Keys of the response's length (@which 0) or header (1) */
static int response_key(struct seal_key *k, const struct vmess_request *rq,
			int which)
{
	static const char *const names[2][2] = {
		{ "AEAD Resp Header Len Key", "AEAD Resp Header Len IV" },
		{ "AEAD Resp Header Key", "AEAD Resp Header IV" },
	};
	uint8_t key[32], iv[32];
	struct iovec secret[2] = { { key, 16 }, { iv, 16 } };
	int err = hash_once(HASH_SHA256, rq->body_key, 16, key);

	if (!err)
		err = hash_once(HASH_SHA256, rq->body_iv, 16, iv);
	if (!err)
		err = seal_derive(k, secret, names[which], NULL);
	wipe(key, sizeof(key));
	return err;
}

static ssize_t wr_header(struct wr *w, const struct vmess_request *rq,
			 void (*rand)(void *p, size_t n))
{
	const uint8_t *start = w->p;
	uint8_t pad_len, pad[PADDING_MAX];
	ssize_t n;

	rand(&pad_len, 1);
	pad_len &= PADDING_MAX;
	rand(pad, sizeof(pad));
	wr_u8(w, 1);
	wr_bytes(w, rq->body_iv, sizeof(rq->body_iv));
	wr_bytes(w, rq->body_key, sizeof(rq->body_key));
	wr_u8(w, rq->verify);
	wr_u8(w, rq->options);
	wr_u8(w, (uint8_t)(pad_len << 4 | (rq->security & 15)));
	wr_u8(w, 0);
	wr_u8(w, rq->command);
	if (!wr_ok(w))
		return -ENOBUFS;
	if (rq->command != VMESS_MUX) {
		n = addr_wire_encode(ADDR_PORT, &rq->to, w->p, wr_left(w));
		if (n < 0)
			return n;
		wr_room(w, (size_t)n);
	}
	wr_bytes(w, pad, pad_len);
	wr_be32(w, fnv1a_32(start, (size_t)(w->p - start)));
	return wr_ok(w) ? w->p - start : -ENOBUFS;
}

ssize_t vmess_request_encode(const struct vmess_user_key *u,
			     const struct vmess_request *rq, uint64_t now_s,
			     void (*rand)(void *p, size_t n), uint8_t *out,
			     size_t room)
{
	struct wr w = wr_init(out, room);
	uint8_t *auth = wr_room(&w, AUTH_BYTES), *len, *nonce, *body;
	struct iovec aad = { auth, AUTH_BYTES };
	struct seal_key k;
	ssize_t n;

	len = wr_room(&w, LENGTH_BYTES);
	nonce = wr_room(&w, NONCE_BYTES);
	body = w.p;
	if (!nonce || !len || !auth)
		return -ENOBUFS;
	n = wr_header(&w, rq, rand);
	if (n < 0)
		return n;
	if (!wr_room(&w, AEAD_TAG_BYTES))
		return -ENOBUFS;
	rand(nonce, NONCE_BYTES);
	put_be16(len, (uint16_t)n);
	if (auth_make(u, now_s, rand, auth) ||
	    request_key(&k, u, auth, nonce, 0) ||
	    aead_seal_once(AEAD_AES_128_GCM, k.key, k.nonce, &aad, len, 2) ||
	    request_key(&k, u, auth, nonce, 1) ||
	    aead_seal_once(AEAD_AES_128_GCM, k.key, k.nonce, &aad, body,
			   (size_t)n))
		return -EINVAL;
	wipe(&k, sizeof(k));
	return (ssize_t)wr_len(&w);
}

static int header_read(const uint8_t *p, size_t n, struct vmess_request *out)
{
	struct rd r = rd_init(p, n);
	const uint8_t *iv, *key;
	uint8_t version = rd_u8(&r), pad;
	ssize_t len = 0;

	iv = rd_bytes(&r, 16);
	key = rd_bytes(&r, 16);
	out->verify = rd_u8(&r);
	out->options = rd_u8(&r);
	pad = rd_u8(&r);
	out->security = pad & 15;
	rd_u8(&r);
	out->command = rd_u8(&r);
	if (!key || !iv || !rd_ok(&r) || version != 1 ||
	    out->command < VMESS_TCP || out->command > VMESS_MUX ||
	    out->security < VMESS_AES_128_GCM || out->security > VMESS_NONE)
		return -EPROTO;
	memcpy(out->body_iv, iv, 16);
	memcpy(out->body_key, key, 16);
	out->to = (struct addr){ 0 };
	if (out->command != VMESS_MUX)
		len = addr_wire_decode(ADDR_PORT, r.p, rd_left(&r), &out->to,
				       out->name);
	if (len < 0 || (!len && out->command != VMESS_MUX))
		return -EPROTO;
	rd_bytes(&r, (size_t)len);
	rd_bytes(&r, pad >> 4);
	n = (size_t)(r.p - p);
	if (rd_be32(&r) != fnv1a_32(p, n) || !rd_ok(&r))
		return -EPROTO;
	return 0;
}

ssize_t vmess_request_decode(const struct vmess_user_key *u, const uint8_t *p,
			     size_t n, struct vmess_request *out)
{
	struct rd r = rd_init(p, n);
	const uint8_t *auth = rd_bytes(&r, AUTH_BYTES);
	const uint8_t *sealed = rd_bytes(&r, LENGTH_BYTES), *body;
	const uint8_t *nonce = rd_bytes(&r, NONCE_BYTES);
	uint8_t len[LENGTH_BYTES], plain[VMESS_HEADER_MAX + AEAD_TAG_BYTES];
	struct iovec aad;
	struct seal_key k;
	size_t want;
	int err;

	if (!auth || !sealed || !nonce)
		return 0;
	aad = bytes(auth, AUTH_BYTES);
	memcpy(len, sealed, sizeof(len));
	if (request_key(&k, u, auth, nonce, 0) ||
	    aead_open_once(AEAD_AES_128_GCM, k.key, k.nonce, &aad, len,
			   sizeof(len)))
		return -EPROTO;
	want = get_be16(len);
	if (want > VMESS_HEADER_MAX)
		return -EPROTO;
	body = rd_bytes(&r, want + AEAD_TAG_BYTES);
	if (!body)
		return 0;
	memcpy(plain, body, want + AEAD_TAG_BYTES);
	err = request_key(&k, u, auth, nonce, 1) ||
	      aead_open_once(AEAD_AES_128_GCM, k.key, k.nonce, &aad, plain,
			     want + AEAD_TAG_BYTES) ||
	      header_read(plain, want, out);
	wipe(&k, sizeof(k));
	wipe(plain, sizeof(plain));
	return err ? -EPROTO : r.p - p;
}

ssize_t vmess_response_encode(const struct vmess_request *rq, uint8_t *out,
			      size_t room)
{
	struct wr w = wr_init(out, room);
	uint8_t *body;
	struct seal_key k;

	wr_be16(&w, 4);
	wr_room(&w, AEAD_TAG_BYTES);
	body = wr_room(&w, 4 + AEAD_TAG_BYTES);
	if (!body)
		return -ENOBUFS;
	memset(body, 0, 4);
	body[0] = rq->verify;
	if (response_key(&k, rq, 0) ||
	    aead_seal_once(AEAD_AES_128_GCM, k.key, k.nonce, NULL, out, 2) ||
	    response_key(&k, rq, 1) ||
	    aead_seal_once(AEAD_AES_128_GCM, k.key, k.nonce, NULL, body, 4))
		return -EINVAL;
	wipe(&k, sizeof(k));
	return (ssize_t)wr_len(&w);
}

ssize_t vmess_response_decode(const struct vmess_request *rq, const uint8_t *p,
			      size_t n)
{
	struct rd r = rd_init(p, n);
	const uint8_t *sealed = rd_bytes(&r, LENGTH_BYTES), *body;
	uint8_t len[LENGTH_BYTES], plain[VMESS_HEADER_MAX + AEAD_TAG_BYTES];
	struct seal_key k;
	size_t want;
	int err;

	if (!sealed)
		return 0;
	memcpy(len, sealed, sizeof(len));
	if (response_key(&k, rq, 0) ||
	    aead_open_once(AEAD_AES_128_GCM, k.key, k.nonce, NULL, len,
			   sizeof(len)))
		return -EPROTO;
	want = get_be16(len);
	if (want > VMESS_HEADER_MAX || want < 4)
		return -EPROTO;
	body = rd_bytes(&r, want + AEAD_TAG_BYTES);
	if (!body)
		return 0;
	memcpy(plain, body, want + AEAD_TAG_BYTES);
	/* commands (dynamic ports) are obsolete: checked in form, ignored */
	err = response_key(&k, rq, 1) ||
	      aead_open_once(AEAD_AES_128_GCM, k.key, k.nonce, NULL, plain,
			     want + AEAD_TAG_BYTES) ||
	      plain[0] != rq->verify || (plain[2] && plain[3] > want - 4);
	wipe(&k, sizeof(k));
	wipe(plain, sizeof(plain));
	return err ? -EPROTO : r.p - p;
}
