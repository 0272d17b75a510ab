/* tls13_hello.c - A ClientHello in Chrome's shape, and the ServerHello to it */
#include "proxy/wire/tls13_hello.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"

enum {
	EXT_SERVER_NAME = 0,
	EXT_STATUS_REQUEST = 5,
	EXT_GROUPS = 10,
	EXT_POINT_FORMATS = 11,
	EXT_SIGNATURES = 13,
	EXT_ALPN = 16,
	EXT_SCT = 18,
	EXT_MASTER_SECRET = 23,
	EXT_COMPRESS_CERT = 27,
	EXT_SESSION_TICKET = 35,
	EXT_VERSIONS = 43,
	EXT_PSK_MODES = 45,
	EXT_KEY_SHARE = 51,
	EXT_APPLICATION_SETTINGS = 17613,
	EXT_ECH = 0xfe0d,
	EXT_RENEGOTIATION = 0xff01,
};

/* Which byte of the dice decides what */
enum {
	DICE_CIPHER,
	DICE_GROUP,
	DICE_FIRST,
	DICE_LAST,
	DICE_VERSION,
	DICE_ECH_SIZE,
	DICE_ECH_ID,
	DICE_ORDER, /* EXT_SHUFFLED bytes */
	DICE_ECH = 64, /* 32 of a key, 240 of a payload */
};

struct hello {
	const struct tls13_offer *o;
	struct wr *w;
};

/* RFC 8701: 0x0a0a, 0x1a1a ... 0xfafa */
static uint16_t grease(const struct hello *h, int die)
{
	uint8_t b = (uint8_t)((h->o->dice[die] & 0xf0) | 0x0a);

	return (uint16_t)(b << 8 | b);
}

/* --- lengths that are known afterwards ---------------------------------------- */

static uint8_t *open16(struct wr *w)
{
	return wr_room(w, 2);
}

static void close16(const struct wr *w, uint8_t *at)
{
	if (wr_ok(w))
		put_be16(at, (uint16_t)(w->p - at - 2));
}

/* --- extensions --------------------------------------------------------------- */

static void ext_plain(const struct hello *h, uint16_t type, const void *p,
		      size_t n)
{
	wr_be16(h->w, type);
	wr_be16(h->w, (uint16_t)n);
	wr_bytes(h->w, p, n);
}

static void ext_name(const struct hello *h)
{
	size_t n = h->o->name ? strlen(h->o->name) : 0;

	if (!n)
		return;
	wr_be16(h->w, EXT_SERVER_NAME);
	wr_be16(h->w, (uint16_t)(n + 5));
	wr_be16(h->w, (uint16_t)(n + 3));
	wr_u8(h->w, 0); /* host_name */
	wr_be16(h->w, (uint16_t)n);
	wr_bytes(h->w, h->o->name, n);
}

static void ext_groups(const struct hello *h)
{
	wr_be16(h->w, EXT_GROUPS);
	wr_be16(h->w, 12);
	wr_be16(h->w, 10);
	wr_be16(h->w, grease(h, DICE_GROUP));
	wr_be16(h->w, TLS13_X25519_MLKEM768);
	wr_be16(h->w, TLS13_X25519);
	wr_be16(h->w, 23); /* secp256r1 */
	wr_be16(h->w, 24); /* secp384r1 */
}

static void ext_alpn(const struct hello *h)
{
	if (!h->o->alpn_len)
		return;
	wr_be16(h->w, EXT_ALPN);
	wr_be16(h->w, (uint16_t)(h->o->alpn_len + 2));
	wr_be16(h->w, (uint16_t)h->o->alpn_len);
	wr_bytes(h->w, h->o->alpn, h->o->alpn_len);
}

static void put_share(const struct hello *h, uint16_t group, const void *p,
		      size_t n)
{
	wr_be16(h->w, group);
	wr_be16(h->w, (uint16_t)n);
	wr_bytes(h->w, p, n);
}

/* In this order: REALITY servers since Xray 26.9.8 know no other */
static void ext_key_share(const struct hello *h)
{
	uint8_t *at, *list;

	wr_be16(h->w, EXT_KEY_SHARE);
	at = open16(h->w);
	list = open16(h->w);
	put_share(h, grease(h, DICE_GROUP), "\0", 1);
	put_share(h, TLS13_X25519_MLKEM768, h->o->hybrid, sizeof(h->o->hybrid));
	put_share(h, TLS13_X25519, h->o->share, sizeof(h->o->share));
	close16(h->w, list);
	close16(h->w, at);
}

static void ext_versions(const struct hello *h)
{
	wr_be16(h->w, EXT_VERSIONS);
	wr_be16(h->w, 7);
	wr_u8(h->w, 6);
	wr_be16(h->w, grease(h, DICE_VERSION));
	wr_be16(h->w, 0x0304);
	wr_be16(h->w, 0x0303);
}

/* What a browser without a configuration for ECH sends (draft 13, 6.2) */
static void ext_ech(const struct hello *h)
{
	const uint8_t *dice = h->o->dice;
	uint16_t payload = (uint16_t)(144 + 32 * (dice[DICE_ECH_SIZE] % 4));

	wr_be16(h->w, EXT_ECH);
	wr_be16(h->w, (uint16_t)(10 + 32 + payload));
	wr_u8(h->w, 0); /* outer */
	wr_be16(h->w, 1); /* HKDF-SHA256 */
	wr_be16(h->w, 1); /* AES-128-GCM */
	wr_u8(h->w, dice[DICE_ECH_ID]);
	wr_be16(h->w, 32);
	wr_bytes(h->w, dice + DICE_ECH, 32);
	wr_be16(h->w, payload);
	wr_bytes(h->w, dice + DICE_ECH + 32, payload);
}

static const uint8_t signatures[] = { 0,    16,   0x04, 0x03, 0x08, 0x04,
				      0x04, 0x01, 0x05, 0x03, 0x08, 0x05,
				      0x05, 0x01, 0x08, 0x06, 0x06, 0x01 };

/* Those Chrome sends in any order */
static const uint16_t shuffled[] = {
	EXT_SERVER_NAME,   EXT_STATUS_REQUEST,
	EXT_GROUPS,        EXT_POINT_FORMATS,
	EXT_SIGNATURES,    EXT_ALPN,
	EXT_SCT,           EXT_MASTER_SECRET,
	EXT_COMPRESS_CERT, EXT_SESSION_TICKET,
	EXT_VERSIONS,      EXT_PSK_MODES,
	EXT_KEY_SHARE,     EXT_ECH,
	EXT_RENEGOTIATION, EXT_APPLICATION_SETTINGS,
};

static void ext_put(const struct hello *h, uint16_t type)
{
	switch (type) {
	case EXT_SERVER_NAME:
		return ext_name(h);
	case EXT_STATUS_REQUEST: /* OCSP, no responders, no extensions */
		return ext_plain(h, type, "\1\0\0\0\0", 5);
	case EXT_GROUPS:
		return ext_groups(h);
	case EXT_POINT_FORMATS: /* uncompressed */
		return ext_plain(h, type, "\1\0", 2);
	case EXT_SIGNATURES:
		return ext_plain(h, type, signatures, sizeof(signatures));
	case EXT_ALPN:
		return ext_alpn(h);
	case EXT_COMPRESS_CERT: /* brotli */
		return ext_plain(h, type, "\2\0\2", 3);
	case EXT_VERSIONS:
		return ext_versions(h);
	case EXT_PSK_MODES: /* psk_dhe_ke */
		return ext_plain(h, type, "\1\1", 2);
	case EXT_KEY_SHARE:
		return ext_key_share(h);
	case EXT_ECH:
		return ext_ech(h);
	case EXT_RENEGOTIATION: /* a first handshake */
		return ext_plain(h, type, "\0", 1);
	case EXT_APPLICATION_SETTINGS:
		return ext_plain(h, type, "\0\3\2h2", 5);
	default: /* extended_master_secret, session_ticket, SCT */
		return ext_plain(h, type, "", 0);
	}
}

static void put_extensions(const struct hello *h)
{
	uint16_t order[ARRAY_SIZE(shuffled)], first = grease(h, DICE_FIRST),
					      last = grease(h, DICE_LAST);
	uint8_t *at = open16(h->w);

	memcpy(order, shuffled, sizeof(order));
	for (size_t i = ARRAY_SIZE(order) - 1; i > 0; i--) {
		size_t j = h->o->dice[DICE_ORDER + i] % (i + 1);
		uint16_t t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	if (last == first) /* no extension twice */
		last ^= 0x1010;
	ext_plain(h, first, "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		ext_put(h, order[i]);
	ext_plain(h, last, "\0", 1);
	close16(h->w, at);
}

static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f,
				   0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
				   0xc014, 0x009c, 0x009d, 0x002f, 0x0035 };

ssize_t tls13_hello_encode(const struct tls13_offer *o, uint8_t *out,
			   size_t room)
{
	struct wr w = wr_init(out, room);
	struct hello h = { .o = o, .w = &w };

	wr_u8(&w, TLS13_CLIENT_HELLO); /* its length comes last */
	wr_room(&w, 3);
	wr_be16(&w, 0x0303);
	wr_bytes(&w, o->random, sizeof(o->random));
	wr_u8(&w, TLS13_SESSION_ID_BYTES);
	wr_bytes(&w, o->session, TLS13_SESSION_ID_BYTES);
	wr_be16(&w, 2 + sizeof(suites));
	wr_be16(&w, grease(&h, DICE_CIPHER));
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
		wr_be16(&w, suites[i]);
	wr_be16(&w, 0x0100); /* one compression method: none */
	put_extensions(&h);
	if (!wr_ok(&w))
		return -ENOBUFS;
	out[1] = 0;
	put_be16(out + 2, (uint16_t)(wr_len(&w) - 4));
	return (ssize_t)wr_len(&w);
}

/* --- ServerHello -------------------------------------------------------------- */

/* SHA-256 of "HelloRetryRequest" (RFC 8446, 4.1.3) */
static const uint8_t retry_random[32] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c
};

static void take_share(struct rd *e, struct tls13_answer *out, bool *have)
{
	out->group = rd_be16(e);
	if (out->retry) /* only the group */
		return;
	out->share_len = rd_be16(e);
	out->share = rd_bytes(e, out->share_len);
	*have = out->share && !rd_left(e);
}

/* 0 or -EPROTO: no TLS 1.3, or no key */
static int take_extensions(struct rd *r, struct tls13_answer *out)
{
	struct rd all = rd_sub(r, rd_be16(r));
	bool share = false, version = false;

	while (rd_ok(r) && rd_ok(&all) && rd_left(&all)) {
		uint16_t type = rd_be16(&all);
		struct rd e = rd_sub(&all, rd_be16(&all));

		if (type == EXT_VERSIONS)
			version = rd_be16(&e) == 0x0304;
		else if (type == EXT_KEY_SHARE)
			take_share(&e, out, &share);
		if (!rd_ok(&e))
			return -EPROTO;
	}
	if (!rd_ok(r) || !rd_ok(&all) || rd_left(r) || !version)
		return -EPROTO;
	return share || out->retry ? 0 : -EPROTO;
}

int tls13_answer_decode(const uint8_t *p, size_t n,
			const uint8_t session[TLS13_SESSION_ID_BYTES],
			struct tls13_answer *out)
{
	struct rd r = rd_init(p, n);
	uint16_t version = rd_be16(&r);
	const uint8_t *random = rd_bytes(&r, 32), *id;

	memset(out, 0, sizeof(*out));
	if (!random || version != 0x0303)
		return -EPROTO;
	out->retry = !memcmp(random, retry_random, sizeof(retry_random));
	if (rd_u8(&r) != TLS13_SESSION_ID_BYTES)
		return -EPROTO;
	id = rd_bytes(&r, TLS13_SESSION_ID_BYTES);
	if (!id || memcmp(id, session, TLS13_SESSION_ID_BYTES) != 0)
		return -EPROTO;
	out->suite = rd_be16(&r);
	if (rd_u8(&r) != 0)
		return -EPROTO;
	return take_extensions(&r, out);
}
