/*
 * quic.c - SNI of a QUIC client, from its first datagrams
 *
 *	long header: 11TTxxNN | version u32 | dcid u8 + bytes | scid u8 + bytes
 *	Initial:     | token varint + bytes | length varint | number | payload
 *
 * An Initial is sealed with keys that follow from its destination id and a
 * salt of the version, so anyone may read it. A datagram may hold several
 * packets; a hello may need several datagrams (Chrome's with ML-KEM: two).
 * Once a packet has opened, this is QUIC; a hello without a name, or one that
 * four datagrams do not complete, is "quic" with no name.
 *
 * Source: RFC 9000 17.2; RFC 9001 5; RFC 9369 3; draft-ietf-quic-tls-29;
 * xray.md, 2.17
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/rd.h"
#include "gateway/sniff/sniffers.h"
#include "proxy/wire/tls_hello.h"

#define CID_MAX_BYTES     20
#define SAMPLE_BYTES      16
#define INITIAL_MAX_BYTES 8192 /* payload of one packet */
#define HEAD_MAX_BYTES    2048 /* header with the token of a Retry */

/**
 * struct quic_version - What differs between the versions we read
 * @number:	On the wire
 * @initial:	Type bits of an Initial
 * @zero_rtt:	Type bits of 0-RTT, which may come before it
 * @salt:	Of the initial secret
 * @key, @iv, @hp:	Labels
 */
struct quic_version {
	uint32_t number;
	uint8_t initial, zero_rtt;
	uint8_t salt[20];
	const char *key, *iv, *hp;
};

static const struct quic_version versions[] = {
	{ 0x00000001,
	  0,
	  1,
	  { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
	    0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a },
	  "quic key",
	  "quic iv",
	  "quic hp" },
	{ 0x6b3343cf,
	  1,
	  2,
	  { 0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
	    0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9 },
	  "quicv2 key",
	  "quicv2 iv",
	  "quicv2 hp" },
	{ 0xff00001d,
	  0,
	  1,
	  { 0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
	    0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99 },
	  "quic key",
	  "quic iv",
	  "quic hp" },
};

/**
 * struct initial_key - Keys of the client's Initials
 * @version:	NULL: none derived yet
 * @cid_len, @cid:	The destination id they follow from
 */
struct initial_key {
	const struct quic_version *version;
	uint8_t cid_len, cid[CID_MAX_BYTES];
	uint8_t key[16], iv[12], hp[16];
};

/**
 * struct quic_packet - One long-header packet inside a datagram
 * @start:	Its first byte
 * @type:	Bits 4 and 5 of it
 * @cid, @cid_len:	Destination connection id
 * @head_len:	Bytes before the packet number
 * @len:	Bytes of packet number and payload
 */
struct quic_packet {
	const uint8_t *start, *cid;
	const struct quic_version *version;
	uint8_t type, cid_len;
	size_t head_len, len;
};

/**
 * struct quic_sniff - State over the datagrams of one call, on the stack
 * @first:	Keys of the first Initial: the client keeps them when it
 *		changes to the id the server chose
 * @opened:	A packet has opened: this is QUIC
 * @plain:	Of the packet in hand
 */
struct quic_sniff {
	struct initial_key first;
	bool opened;
	struct quic_hello hello;
	uint8_t plain[INITIAL_MAX_BYTES];
};
_Static_assert(sizeof(struct quic_sniff) <= 32768, "stays on the stack");

static const struct quic_version *version_find(uint32_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (versions[i].number == number)
			return &versions[i];
	return NULL;
}

/* Skip @n bytes, which may be any number */
static void rd_skip(struct rd *r, uint64_t n)
{
	if (n > rd_left(r))
		r->bad = true;
	else
		rd_bytes(r, (size_t)n);
}

/**
 * packet_read() - Take the next packet out of a datagram
 *
 * Return: false when what follows is no long-header packet of a version we
 * know, or when it is cut; @r has moved behind the packet otherwise.
 */
static bool packet_read(struct rd *r, struct quic_packet *out)
{
	struct quic_packet k = { .start = r->p };
	uint8_t first = rd_u8(r);
	uint64_t len;

	k.version = version_find(rd_be32(r));
	k.cid_len = rd_u8(r);
	k.cid = rd_bytes(r, k.cid_len);
	rd_skip(r, rd_u8(r));
	if (!rd_ok(r) || (first & 0xc0) != 0xc0 || !k.version ||
	    k.cid_len > CID_MAX_BYTES)
		return false;
	k.type = first >> 4 & 3;
	if (k.type == k.version->initial)
		rd_skip(r, quic_varint(r));
	len = quic_varint(r);
	if (!rd_ok(r) || len > rd_left(r))
		return false;
	k.head_len = (size_t)(r->p - k.start);
	k.len = (size_t)len;
	rd_bytes(r, k.len);
	*out = k;
	return true;
}

static int key_derive(struct initial_key *k, const struct quic_packet *pk)
{
	const struct quic_version *v = pk->version;
	uint8_t initial[32], client[32];

	if (hkdf_extract(HASH_SHA256, v->salt, sizeof(v->salt), pk->cid,
			 pk->cid_len, initial) ||
	    hkdf_expand_label(HASH_SHA256, initial, "client in", client, 32) ||
	    hkdf_expand_label(HASH_SHA256, client, v->key, k->key, 16) ||
	    hkdf_expand_label(HASH_SHA256, client, v->iv, k->iv, 12) ||
	    hkdf_expand_label(HASH_SHA256, client, v->hp, k->hp, 16))
		return -ENOMEM;
	k->version = v;
	k->cid_len = pk->cid_len;
	if (pk->cid_len)
		memcpy(k->cid, pk->cid, pk->cid_len);
	return 0;
}

/**
 * packet_open() - Take off header protection and decrypt
 * @plain:	At least INITIAL_MAX_BYTES
 *
 * Return: bytes of the payload, -EPROTO
 * Source: RFC 9001, 5.3 and 5.4
 */
static ssize_t packet_open(const struct initial_key *k,
			   const struct quic_packet *pk, uint8_t *plain)
{
	uint8_t aad[HEAD_MAX_BYTES], mask[16], nonce[12];
	struct rd body = rd_init(pk->start + pk->head_len, pk->len);
	size_t pn_len, n = pk->head_len;
	struct iovec aad_vec = { aad, 0 };
	const uint8_t *pn, *sample, *sealed;
	struct aead_key key;
	int err;

	pn = body.p;
	rd_bytes(&body, 4);
	sample = rd_bytes(&body, SAMPLE_BYTES);
	if (!sample || n + 4 > sizeof(aad) || pk->len > INITIAL_MAX_BYTES)
		return -EPROTO;
	if (aes_block(k->hp, sizeof(k->hp), true, sample, mask))
		return -EPROTO;
	memcpy(aad, pk->start, n);
	aad[0] ^= mask[0] & 0x0f;
	pn_len = (aad[0] & 3u) + 1;
	memcpy(nonce, k->iv, sizeof(nonce));
	for (size_t i = 0; i < pn_len; i++) {
		aad[n + i] = pn[i] ^ mask[1 + i];
		nonce[sizeof(nonce) - pn_len + i] ^= aad[n + i];
	}
	aad_vec.iov_len = n + pn_len;
	sealed = pn + pn_len;
	if (aead_key_set(&key, AEAD_AES_128_GCM, k->key))
		return -EPROTO;
	err = aead_open(&key, nonce, &aad_vec, sealed, pk->len - pn_len, plain);
	aead_key_drop(&key);
	if (err)
		return err;
	return (ssize_t)(pk->len - pn_len - AEAD_TAG_BYTES);
}

/* With the first keys, or, after a Retry, with those of its own id */
static ssize_t initial_open(struct quic_sniff *s, const struct quic_packet *pk)
{
	struct initial_key own;
	ssize_t n;

	if (!s->first.version && key_derive(&s->first, pk))
		return -EPROTO;
	n = packet_open(&s->first, pk, s->plain);
	if (n >= 0 || (s->first.version == pk->version &&
		       s->first.cid_len == pk->cid_len &&
		       !memcmp(s->first.cid, pk->cid, pk->cid_len)))
		return n;
	if (key_derive(&own, pk))
		return -EPROTO;
	n = packet_open(&own, pk, s->plain);
	if (n >= 0)
		s->first = own;
	return n;
}

/* 0, or -EPROTO when this can be no client's QUIC */
static int read_datagram(struct quic_sniff *s, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct quic_packet pk;
	ssize_t len;

	while (rd_left(&r) && packet_read(&r, &pk)) {
		if (pk.type == pk.version->initial) {
			len = initial_open(s, &pk);
			if (len < 0)
				return s->opened ? 0 : -EPROTO;
			s->opened = true;
			if (quic_frames(&s->hello, s->plain, (size_t)len))
				return -EPROTO;
		} else if (pk.type != pk.version->zero_rtt && !s->opened) {
			return -EPROTO;
		}
		p = NULL; /* a packet of QUIC's form was there */
	}
	return p && !s->opened ? -EPROTO : 0;
}

static enum verdict judge(const struct quic_sniff *s, struct sniffed *out)
{
	const uint8_t *name = NULL;
	ssize_t len = tls_hello_name(s->hello.bytes, quic_hello_len(&s->hello),
				     &name);

	if (len == -EAGAIN)
		return SNIFF_MORE;
	if (len <= 0 || name[len - 1] == '.' ||
	    !sniffed_set(out, SNIFF_QUIC, name, (size_t)len))
		sniffed_set(out, SNIFF_QUIC, NULL, 0);
	return SNIFF_YES;
}

enum verdict sniff_quic(const struct iovec *v, int cnt, struct sniffed *out)
{
	struct quic_sniff s;
	enum verdict is = SNIFF_MORE;

	s.first.version = NULL;
	s.opened = false;
	quic_hello_init(&s.hello);
	for (int i = 0; i < cnt && is == SNIFF_MORE; i++) {
		if (read_datagram(&s, v[i].iov_base, v[i].iov_len))
			return SNIFF_NO;
		is = judge(&s, out);
	}
	if (is == SNIFF_MORE && cnt >= SNIFF_DGRAMS) {
		if (!s.opened)
			return SNIFF_NO;
		sniffed_set(out, SNIFF_QUIC, NULL, 0);
		return SNIFF_YES;
	}
	return is;
}
