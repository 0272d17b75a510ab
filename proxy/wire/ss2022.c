/*
 * ss2022.c - Shadowsocks 2022: keys and the heads of streams
 *
 *	request   salt | identity 16 * n | seal(00 | time u64 | length u16)
 *		  | seal(SOCKS address | padding length u16 | padding | data)
 *		  | chunks as in ss_aead.c
 *	response  salt | seal(01 | time u64 | request salt | length u16)
 *		  | seal(first payload) | chunks
 *
 * Subkey: BLAKE3 derive_key over PSK | salt. Packets: ss2022_udp.c.
 *
 * Source: SIP022 and SIP023 (shadowsocks.org); xray.md, 2.4
 */
#include "proxy/wire/ss2022.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/blake3.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"

#define FIXED_BYTES 11 /* type, time, length */

static const char session_context[] = "shadowsocks 2022 session subkey";
static const char identity_context[] = "shadowsocks 2022 identity subkey";

int ss22_psk_parse(struct ss22_psk_key *k, const struct ss_method *m,
		   const char *password)
{
	struct ss22_psk_key out = { .method = m };

	for (const char *p = password; p; out.count++) {
		const char *colon = strchr(p, ':');
		size_t n = colon ? (size_t)(colon - p) : strlen(p);

		if (out.count == SS22_PSKS ||
		    base64_decode(p, n, out.psk[out.count], SS_KEY_MAX) !=
			    m->key_len) {
			wipe(&out, sizeof(out));
			return -EINVAL;
		}
		p = colon ? colon + 1 : NULL;
	}
	if (out.count > 1 && m->aead == AEAD_CHACHA20_POLY1305) {
		wipe(&out, sizeof(out));
		return -EINVAL;
	}
	*k = out;
	wipe(&out, sizeof(out));
	return 0;
}

static const uint8_t *user_psk(const struct ss22_psk_key *k)
{
	return k->psk[k->count - 1];
}

static void derive(const char *context, const struct ss22_psk_key *k,
		   const uint8_t *psk, const uint8_t *salt, uint8_t *out)
{
	size_t n = k->method->key_len;
	uint8_t material[2 * SS_KEY_MAX];

	memcpy(material, psk, n);
	memcpy(material + n, salt, n);
	blake3_derive(context, material, 2 * n, out, n);
	wipe(material, sizeof(material));
}

static int flow_set(struct ss_flow_key *f, const struct ss22_psk_key *k,
		    const uint8_t *salt)
{
	uint8_t key[SS_KEY_MAX];
	int err;

	derive(session_context, k, user_psk(k), salt, key);
	*f = (struct ss_flow_key){ .max = SS22_CHUNK_MAX };
	err = aead_key_set(&f->aead, (enum aead_kind)k->method->aead, key);
	wipe(key, sizeof(key));
	return err;
}

/* Seal @n bytes at @p in place (the tag goes behind them) */
static int flow_seal(struct ss_flow_key *f, uint8_t *p, size_t n)
{
	int err = aead_seal(&f->aead, f->nonce, NULL, p, n, p);

	nonce_inc_le(f->nonce, 12);
	return err;
}

/* @n bytes with their tag from @p to @out */
static int flow_open(struct ss_flow_key *f, const uint8_t *p, size_t n,
		     uint8_t *out)
{
	int err = aead_open(&f->aead, f->nonce, NULL, p, n, out);

	nonce_inc_le(f->nonce, 12);
	return err;
}

bool ss22_time_ok(uint64_t a_s, uint64_t b_s)
{
	return (a_s > b_s ? a_s - b_s : b_s - a_s) <= SS22_CLOCK_S;
}

/* One header for each identity key: who the next key's owner is */
static int wr_identities(struct wr *w, const struct ss22_psk_key *k,
			 const uint8_t *salt)
{
	size_t n = k->method->key_len;
	int err = 0;

	for (int i = 0; !err && i + 1 < k->count; i++) {
		uint8_t key[SS_KEY_MAX], hash[16], sealed[16];

		derive(identity_context, k, k->psk[i], salt, key);
		blake3_hash(k->psk[i + 1], n, hash, sizeof(hash));
		err = aes_block(key, n, true, hash, sealed);
		wr_bytes(w, sealed, sizeof(sealed));
		wipe(key, sizeof(key));
	}
	return err;
}

ssize_t ss22_request_encode(const struct ss22_psk_key *k,
			    const struct ss22_request *rq, uint64_t now_s,
			    struct ss_flow_key *up, uint8_t *out, size_t room)
{
	size_t addr = addr_wire_len(&rq->to);
	size_t len = addr + 2 + rq->pad_len + rq->len;
	struct wr w = wr_init(out, room);
	struct ss_flow_key f = { 0 };
	uint8_t *fixed, *body;
	int err;

	if (!addr || len > SS22_CHUNK_MAX || (!rq->pad_len && !rq->len))
		return -EINVAL;
	wr_bytes(&w, rq->salt, k->method->key_len);
	if (wr_identities(&w, k, rq->salt))
		return -EINVAL;
	fixed = w.p;
	wr_u8(&w, 0);
	wr_be64(&w, now_s);
	wr_be16(&w, (uint16_t)len);
	wr_room(&w, AEAD_TAG_BYTES);
	body = wr_room(&w, len + AEAD_TAG_BYTES);
	if (!wr_ok(&w) || !body)
		return -ENOBUFS;
	addr_wire_encode(ADDR_SOCKS, &rq->to, body, len);
	put_be16(body + addr, (uint16_t)rq->pad_len);
	memset(body + addr + 2, 0, rq->pad_len);
	if (rq->len)
		memcpy(body + addr + 2 + rq->pad_len, rq->data, rq->len);
	err = flow_set(&f, k, rq->salt);
	if (!err)
		err = flow_seal(&f, fixed, FIXED_BYTES);
	if (!err)
		err = flow_seal(&f, body, len);
	if (err) {
		ss_flow_drop(&f);
		return err;
	}
	*up = f;
	return (ssize_t)wr_len(&w);
}

/* What was sealed second: address, padding, data */
static int variable_read(const uint8_t *p, size_t n, struct ss22_request *out)
{
	struct rd r = rd_init(p, n);
	ssize_t addr = addr_wire_decode(ADDR_SOCKS, p, n, &out->to, out->name);

	if (addr <= 0)
		return -EPROTO;
	rd_bytes(&r, (size_t)addr);
	out->pad_len = rd_be16(&r);
	rd_bytes(&r, out->pad_len);
	if (!rd_ok(&r) || (!out->pad_len && !rd_left(&r)))
		return -EPROTO;
	out->data = r.p;
	out->len = rd_left(&r);
	return 0;
}

/* Both heads, when all bytes are here; @f has been set */
static ssize_t request_open(struct ss_flow_key *f, uint8_t *p, size_t n,
			    uint64_t now_s, struct ss22_request *out)
{
	uint8_t fixed[FIXED_BYTES];
	size_t head = FIXED_BYTES + AEAD_TAG_BYTES, len;

	if (flow_open(f, p, head, fixed) || fixed[0] != 0)
		return -EPROTO;
	if (!ss22_time_ok(get_be64(fixed + 1), now_s))
		return -ESTALE;
	len = get_be16(fixed + 9);
	if (n - head < len + AEAD_TAG_BYTES)
		return 0;
	p += head;
	if (flow_open(f, p, len + AEAD_TAG_BYTES, p) ||
	    variable_read(p, len, out))
		return -EPROTO;
	return (ssize_t)(head + len + AEAD_TAG_BYTES);
}

/* @skip: bytes of identity headers between the salt and the heads */
static ssize_t request_decode(const struct ss22_psk_key *k, size_t skip,
			      const struct iovec *in, uint64_t now_s,
			      struct ss22_request *out, struct ss_flow_key *up)
{
	size_t salt = k->method->key_len, front = salt + skip, n = in->iov_len;
	uint8_t *p = in->iov_base;
	struct ss_flow_key f = { 0 };
	ssize_t used;

	if (n < front + FIXED_BYTES + AEAD_TAG_BYTES)
		return 0;
	if (flow_set(&f, k, p))
		return -ENOMEM;
	used = request_open(&f, p + front, n - front, now_s, out);
	if (used <= 0) {
		ss_flow_drop(&f);
		return used;
	}
	memcpy(out->salt, p, salt);
	*up = f;
	return (ssize_t)front + used;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): opened in place */
ssize_t ss22_request_decode(const struct ss22_psk_key *k, uint8_t *p, size_t n,
			    uint64_t now_s, struct ss22_request *out,
			    struct ss_flow_key *up)
{
	struct iovec in = { p, n };

	return request_decode(k, 0, &in, now_s, out, up);
}

void ss22_user_hash(const struct ss22_psk_key *user, uint8_t hash[SS22_HASH])
{
	blake3_hash(user_psk(user), user->method->key_len, hash, SS22_HASH);
}

int ss22_request_identity(const struct ss22_psk_key *k, const uint8_t *p,
			  size_t n, uint8_t hash[SS22_HASH])
{
	size_t len = k->method->key_len;
	uint8_t key[SS_KEY_MAX];
	int err;

	if (n < len + SS22_HASH)
		return 0;
	derive(identity_context, k, user_psk(k), p, key);
	err = aes_block(key, len, false, p + len, hash);
	wipe(key, sizeof(key));
	return err ? err : 1;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): opened in place */
ssize_t ss22_user_request_decode(const struct ss22_psk_key *k, uint8_t *p,
				 size_t n, uint64_t now_s,
				 struct ss22_request *out,
				 struct ss_flow_key *up)
{
	struct iovec in = { p, n };

	return request_decode(k, SS22_HASH, &in, now_s, out, up);
}

ssize_t ss22_response_encode(const struct ss22_psk_key *k,
			     const struct ss22_answer *a,
			     struct ss_flow_key *down, const struct iovec *data,
			     uint8_t *out, size_t room)
{
	size_t salt = k->method->key_len, n = data->iov_len;
	struct wr w = wr_init(out, room);
	struct ss_flow_key f = { 0 };
	uint8_t *body;
	int err;

	if (!n || n > SS22_CHUNK_MAX)
		return -EINVAL;
	wr_bytes(&w, a->salt, salt);
	wr_u8(&w, 1);
	wr_be64(&w, a->now_s);
	wr_bytes(&w, a->request_salt, salt);
	wr_be16(&w, (uint16_t)n);
	wr_room(&w, AEAD_TAG_BYTES);
	body = wr_room(&w, n + AEAD_TAG_BYTES);
	if (!body)
		return -ENOBUFS;
	memmove(body, data->iov_base, n);
	err = flow_set(&f, k, a->salt);
	if (!err)
		err = flow_seal(&f, out + salt, FIXED_BYTES + salt);
	if (!err)
		err = flow_seal(&f, body, n);
	if (err) {
		ss_flow_drop(&f);
		return err;
	}
	*down = f;
	return (ssize_t)wr_len(&w);
}

ssize_t ss22_response_decode(const struct ss22_psk_key *k,
			     const uint8_t *request_salt, uint64_t now_s,
			     const uint8_t *p, size_t n,
			     struct ss_flow_key *down)
{
	size_t salt = k->method->key_len;
	uint8_t fixed[FIXED_BYTES + SS_KEY_MAX];
	struct ss_flow_key f = { 0 };

	if (n < 2 * salt + FIXED_BYTES + AEAD_TAG_BYTES)
		return 0;
	if (flow_set(&f, k, p))
		return -ENOMEM;
	if (flow_open(&f, p + salt, FIXED_BYTES + salt + AEAD_TAG_BYTES,
		      fixed) ||
	    fixed[0] != 1 || !ct_equal(fixed + 9, request_salt, salt)) {
		ss_flow_drop(&f);
		return -EPROTO;
	}
	if (!ss22_time_ok(get_be64(fixed + 1), now_s)) {
		ss_flow_drop(&f);
		return -ESTALE;
	}
	f.want = get_be16(fixed + 9 + salt);
	f.have_len = true;
	*down = f;
	return (ssize_t)(2 * salt + FIXED_BYTES + AEAD_TAG_BYTES);
}
