/* quic_enc.c - Builds Initials for tests; made from RFC 9000/9001, not from quic.c */
#include "tests/unit/quic_enc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "tests/unit/vec.h"

void enc_put(struct enc *e, const void *p, size_t n)
{
	assert_true(n <= sizeof(e->b) - e->n);
	if (n)
		memcpy(e->b + e->n, p, n);
	e->n += n;
}

void enc_u8(struct enc *e, unsigned int v)
{
	uint8_t b = (uint8_t)v;

	enc_put(e, &b, 1);
}

void enc_u16(struct enc *e, unsigned int v)
{
	enc_u8(e, v >> 8);
	enc_u8(e, v);
}

void enc_fill(struct enc *e, unsigned int v, size_t n)
{
	while (n--)
		enc_u8(e, v);
}

void enc_varint(struct enc *e, uint64_t v, int bytes)
{
	static const uint8_t bits[9] = { [2] = 0x40, [4] = 0x80, [8] = 0xc0 };

	if (!bytes)
		bytes = v < 64 ? 1 : v < 16384 ? 2 : v < 1u << 30 ? 4 : 8;
	for (int i = bytes - 1; i >= 0; i--)
		enc_u8(e, (unsigned int)(v >> 8 * i & 0xff) |
				  (i == bytes - 1 ? bits[bytes] : 0u));
}

void enc_crypto(struct enc *e, const uint8_t *p, size_t offset, size_t len)
{
	enc_u8(e, 6);
	enc_varint(e, offset, 0);
	enc_varint(e, len, 0);
	enc_put(e, p + offset, len);
}

static void enc_extension(struct enc *e, unsigned int type, size_t len)
{
	enc_u16(e, type);
	enc_u16(e, (unsigned int)len);
}

void enc_hello(struct enc *e, const char *name, size_t pad)
{
	struct enc x = { .n = 0 };
	size_t len = name ? strlen(name) : 0;

	enc_extension(&x, 0x2b, 3); /* supported_versions */
	enc_put(&x, "\x02\x03\x04", 3);
	if (pad) {
		enc_extension(&x, 0x33, pad);
		enc_fill(&x, 0x5a, pad);
	}
	if (name) {
		enc_extension(&x, 0, len + 5);
		enc_u16(&x, (unsigned int)len + 3);
		enc_u8(&x, 0);
		enc_u16(&x, (unsigned int)len);
		enc_put(&x, name, len);
	}
	enc_extension(&x, 0x0d, 4);
	enc_put(&x, "\x00\x02\x04\x03", 4);

	enc_u8(e, 1);
	enc_u8(e, 0);
	enc_u16(e, (unsigned int)(2 + 32 + 1 + 32 + 2 + 4 + 2 + 2 + x.n));
	enc_u16(e, 0x0303);
	enc_fill(e, 0x11, 32);
	enc_u8(e, 32);
	enc_fill(e, 0x22, 32);
	enc_u16(e, 4);
	enc_put(e, "\x13\x01\x13\x02", 4);
	enc_u16(e, 0x0100); /* one compression method: none */
	enc_u16(e, (unsigned int)x.n);
	enc_put(e, x.b, x.n);
}

/* Client Initial keys: 0 key, 1 iv, 2 header protection */
static void derive(const struct initial *in, uint8_t out[3][16])
{
	static const char *const v1[] = { "quic key", "quic iv", "quic hp" };
	static const char *const v2[] = { "quicv2 key", "quicv2 iv",
					  "quicv2 hp" };
	bool two = in->version == 0x6b3343cf;
	const char *cid = in->key_cid ? in->key_cid : in->cid;
	uint8_t salt[20], initial[32], client[32];

	hex_get(two              ? "0dede3def700a6db819381be6e269dcbf9bd2ed9" :
		in->version == 1 ? "38762cf7f55934b34d179ae6a4c80cadccbb7f0a" :
				   "afbfec289993d24c9e9786f19c6111e04390a899",
		salt, 20);
	hkdf_extract(HASH_SHA256, salt, 20, cid, strlen(cid), initial);
	hkdf_expand_label(HASH_SHA256, initial, "client in", client, 32);
	for (int i = 0; i < 3; i++)
		hkdf_expand_label(HASH_SHA256, client, two ? v2[i] : v1[i],
				  out[i], i == 1 ? 12 : 16);
}

static void enc_head(struct enc *h, const struct initial *in, size_t payload)
{
	size_t token = in->token ? strlen(in->token) : 0;
	int initial = in->version == 0x6b3343cf ? 1 : 0;
	int type = in->type < 0 ? initial : in->type;

	enc_u8(h, 0xc0u | (unsigned int)type << 4 |
			  (unsigned int)(in->pn_len - 1));
	enc_u16(h, in->version >> 16);
	enc_u16(h, in->version & 0xffff);
	enc_u8(h, (unsigned int)strlen(in->cid));
	enc_put(h, in->cid, strlen(in->cid));
	enc_u8(h, 3);
	enc_put(h, "scd", 3);
	if (type == initial) {
		enc_varint(h, token, 0);
		enc_put(h, in->token, token);
	}
	enc_varint(h, (size_t)in->pn_len + payload + 16, 2);
	for (int i = in->pn_len - 1; i >= 0; i--)
		enc_u8(h, in->pn >> 8 * i);
}

void enc_initial(struct enc *out, const struct initial *in,
		 const struct enc *frames)
{
	uint8_t keys[3][16], nonce[12], mask[16];
	struct enc h = { .n = 0 };
	uint8_t sealed[4096];
	struct iovec aad;
	size_t pn_len = (size_t)in->pn_len;

	derive(in, keys);
	enc_head(&h, in, frames->n);
	memcpy(nonce, keys[1], 12);
	for (size_t i = 0; i < 4; i++)
		nonce[11 - i] ^= (uint8_t)(in->pn >> 8 * i);
	aad = (struct iovec){ h.b, h.n };
	assert_true(frames->n + 16 <= sizeof(sealed));
	memcpy(sealed, frames->b, frames->n);
	assert_int_equal(aead_seal_once(AEAD_AES_128_GCM, keys[0], nonce, &aad,
					sealed, frames->n),
			 0);
	assert_int_equal(
		aes_block(keys[2], 16, true, sealed + 4 - pn_len, mask), 0);
	h.b[0] ^= mask[0] & 0x0f;
	for (size_t i = 0; i < pn_len; i++)
		h.b[h.n - pn_len + i] ^= mask[1 + i];
	enc_put(out, h.b, h.n);
	enc_put(out, sealed, frames->n + 16);
}
