/*
 * ss_aead.c - Shadowsocks AEAD: keys, chunks of a stream, packets
 *
 *	stream  salt | { seal(length u16) | seal(payload) }...
 *	packet  salt | seal(address | payload)		nonce zero
 *
 * The first payload of a client's stream starts with the target as a
 * SOCKS-style address. Each seal takes the next nonce.
 *
 * Source: shadowsocks.org, AEAD ciphers (SIP004, SIP007); xray.md, 2.3
 */
#include "proxy/wire/ss_aead.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/base/wr.h"

static const struct ss_method methods[] = {
	{ "aes-128-gcm", AEAD_AES_128_GCM, 16, false },
	{ "aes-256-gcm", AEAD_AES_256_GCM, 32, false },
	{ "chacha20-ietf-poly1305", AEAD_CHACHA20_POLY1305, 32, false },
	{ "xchacha20-ietf-poly1305", AEAD_XCHACHA20_POLY1305, 32, false },
	{ "none", AEAD_NONE, 0, false },
	{ "2022-blake3-aes-128-gcm", AEAD_AES_128_GCM, 16, true },
	{ "2022-blake3-aes-256-gcm", AEAD_AES_256_GCM, 32, true },
	{ "2022-blake3-chacha20-poly1305", AEAD_CHACHA20_POLY1305, 32, true },
};

/* Other names that mean one of the above */
static const char *const aliases[][2] = {
	{ "aead_aes_128_gcm", "aes-128-gcm" },
	{ "aead_aes_256_gcm", "aes-256-gcm" },
	{ "chacha20-poly1305", "chacha20-ietf-poly1305" },
	{ "aead_chacha20_poly1305", "chacha20-ietf-poly1305" },
	{ "xchacha20-poly1305", "xchacha20-ietf-poly1305" },
	{ "aead_xchacha20_poly1305", "xchacha20-ietf-poly1305" },
	{ "plain", "none" },
};

const struct ss_method *ss_method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (!strcasecmp(name, aliases[i][0]))
			name = aliases[i][1];
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcasecmp(name, methods[i].name))
			return &methods[i];
	return NULL;
}

/* OpenSSL's EVP_BytesToKey with MD5, one round, no salt */
int ss_master_key(const struct ss_method *m, const char *password,
		  uint8_t key[SS_KEY_MAX])
{
	union {
		const char *c;
		char *p;
	} pw = { .c = password };
	uint8_t d[16];
	struct iovec v[2] = { { d, 0 }, { pw.p, strlen(password) } };
	int err = 0;

	for (size_t at = 0; !err && at < m->key_len; at += sizeof(d)) {
		err = hash_vec(HASH_MD5, v, 2, d);
		memcpy(key + at, d, sizeof(d));
		v[0].iov_len = sizeof(d);
	}
	wipe(d, sizeof(d));
	return err;
}

static int subkey(const struct ss_method *m, const uint8_t *master,
		  const uint8_t *salt, uint8_t out[SS_KEY_MAX])
{
	static const char info[] = "ss-subkey";
	uint8_t prk[HASH_MAX_BYTES];
	int err = hkdf_extract(HASH_SHA1, salt, m->key_len, master, m->key_len,
			       prk);

	if (!err)
		err = hkdf_expand(HASH_SHA1, prk, info, strlen(info), out,
				  m->key_len);
	wipe(prk, sizeof(prk));
	return err;
}

int ss_flow_set(struct ss_flow_key *k, const struct ss_method *m,
		const uint8_t *master, const uint8_t *salt)
{
	uint8_t key[SS_KEY_MAX];
	int err = subkey(m, master, salt, key);

	*k = (struct ss_flow_key){ .max = SS_CHUNK_MAX };
	if (!err)
		err = aead_key_set(&k->aead, (enum aead_kind)m->aead, key);
	wipe(key, sizeof(key));
	return err;
}

void ss_flow_drop(struct ss_flow_key *k)
{
	aead_key_drop(&k->aead);
	*k = (struct ss_flow_key){ 0 };
}

static int seal_next(struct ss_flow_key *k, const uint8_t *p, size_t n,
		     uint8_t *out)
{
	int err = aead_seal(&k->aead, k->nonce, NULL, p, n, out);

	nonce_inc_le(k->nonce, aead_nonce_len((enum aead_kind)k->aead.kind));
	return err;
}

static int open_next(struct ss_flow_key *k, uint8_t *p, size_t n)
{
	int err = aead_open(&k->aead, k->nonce, NULL, p, n, p);

	nonce_inc_le(k->nonce, aead_nonce_len((enum aead_kind)k->aead.kind));
	return err;
}

ssize_t ss_seal(struct ss_flow_key *k, const uint8_t *p, size_t n, uint8_t *out,
		size_t room)
{
	uint8_t len[2];

	if (n > k->max)
		return -EINVAL;
	if (room < n + SS_CHUNK_EXTRA)
		return -ENOBUFS;
	put_be16(len, (uint16_t)n);
	if (seal_next(k, len, sizeof(len), out) ||
	    seal_next(k, p, n, out + SS_CHUNK_HEAD))
		return -EINVAL;
	return (ssize_t)(n + SS_CHUNK_EXTRA);
}

ssize_t ss_open(struct ss_flow_key *k, uint8_t *p, size_t n, uint8_t **data,
		size_t *len)
{
	size_t at = 0;

	*len = 0;
	if (!k->have_len) {
		if (n < SS_CHUNK_HEAD)
			return 0;
		if (open_next(k, p, SS_CHUNK_HEAD))
			return -EPROTO;
		k->want = get_be16(p);
		if (k->want > k->max)
			return -EPROTO;
		k->have_len = true;
		at = SS_CHUNK_HEAD;
	}
	if (n - at < k->want + AEAD_TAG_BYTES)
		return (ssize_t)at;
	if (open_next(k, p + at, k->want + AEAD_TAG_BYTES))
		return -EPROTO;
	*data = p + at;
	*len = k->want;
	k->have_len = false;
	return (ssize_t)(at + *len + AEAD_TAG_BYTES);
}

ssize_t ss_udp_seal(const struct ss_method *m, const uint8_t *master,
		    const uint8_t *salt, const struct wire_packet *pk,
		    uint8_t *out, size_t room)
{
	static const uint8_t nonce[AEAD_NONCE_MAX];
	struct wr w = wr_init(out, room);
	uint8_t key[SS_KEY_MAX], *body;
	ssize_t head;
	int err;

	wr_bytes(&w, salt, m->key_len);
	head = addr_wire_encode(ADDR_SS, &pk->peer, w.p, wr_left(&w));
	if (head < 0)
		return head;
	body = wr_room(&w, (size_t)head);
	wr_bytes(&w, pk->data, pk->len);
	if (m->aead != AEAD_NONE)
		wr_room(&w, AEAD_TAG_BYTES);
	if (!wr_ok(&w))
		return -ENOBUFS;
	if (m->aead == AEAD_NONE)
		return (ssize_t)wr_len(&w);
	err = subkey(m, master, salt, key);
	if (!err)
		err = aead_seal_once((enum aead_kind)m->aead, key, nonce, NULL,
				     body, (size_t)head + pk->len);
	wipe(key, sizeof(key));
	return err ? err : (ssize_t)wr_len(&w);
}

int ss_udp_open(const struct ss_method *m, const uint8_t *master, uint8_t *p,
		size_t n, struct wire_packet *out)
{
	static const uint8_t nonce[AEAD_NONCE_MAX];
	uint8_t key[SS_KEY_MAX];
	ssize_t head;
	int err;

	if (m->aead != AEAD_NONE) {
		if (n < (size_t)m->key_len + AEAD_TAG_BYTES)
			return -EPROTO;
		err = subkey(m, master, p, key);
		p += m->key_len;
		n -= m->key_len;
		if (!err)
			err = aead_open_once((enum aead_kind)m->aead, key,
					     nonce, NULL, p, n);
		wipe(key, sizeof(key));
		if (err)
			return err;
		n -= AEAD_TAG_BYTES;
	}
	head = addr_wire_decode(ADDR_SS, p, n, &out->peer, out->name);
	if (head <= 0)
		return -EPROTO;
	out->data = p + head;
	out->len = n - (size_t)head;
	return 0;
}
