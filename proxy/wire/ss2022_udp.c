/*
 * ss2022_udp.c - Shadowsocks 2022: packets and their replay window
 *
 *	AES     ECB(session 8 | packet id 8) | [ECB(identity)]... | seal(body)
 *	chacha  nonce 24 | seal(session 8 | packet id 8 | body)
 *	body    type | time u64 | [client session 8, from a server]
 *		| padding length u16 | padding | SOCKS address | payload
 *
 * AES: body key from the user's PSK and the session id, nonce = the last 12
 * bytes of the plain head. chacha: XChaCha20 with the PSK itself.
 *
 * Source: SIP022 3.2, SIP023; xray.md, 2.4
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/blake3.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"
#include "proxy/wire/ss2022.h"

#define HEAD_BYTES  16
#define NONCE_BYTES 24 /* chacha */

static bool is_aes(const struct ss22_psk_key *k)
{
	return k->method->aead != AEAD_CHACHA20_POLY1305;
}

int ss22_udp_set(struct ss22_udp_key *u, const struct ss22_psk_key *k,
		 const uint8_t session[8])
{
	static const char context[] = "shadowsocks 2022 session subkey";
	uint8_t material[SS_KEY_MAX + 8], key[SS_KEY_MAX];
	const uint8_t *psk = k->psk[k->count - 1];
	size_t n = k->method->key_len;
	int err;

	memset(u, 0, sizeof(*u));
	memcpy(u->session, session, sizeof(u->session));
	if (is_aes(k)) {
		memcpy(material, psk, n);
		memcpy(material + n, session, 8);
		blake3_derive(context, material, n + 8, key, n);
		err = aead_key_set(&u->body, (enum aead_kind)k->method->aead,
				   key);
		wipe(material, sizeof(material));
		wipe(key, sizeof(key));
	} else {
		err = aead_key_set(&u->body, AEAD_XCHACHA20_POLY1305, psk);
	}
	u->live = !err;
	return err;
}

void ss22_udp_drop(struct ss22_udp_key *u)
{
	aead_key_drop(&u->body);
	wipe(u, sizeof(*u));
}

static void wr_body(struct wr *w, const struct ss22_udp_head *h,
		    const struct wire_packet *pk)
{
	uint8_t *pad;
	ssize_t n;

	wr_u8(w, h->from_server);
	wr_be64(w, h->time_s);
	if (h->from_server)
		wr_bytes(w, h->client, sizeof(h->client));
	wr_be16(w, h->pad_len);
	pad = wr_room(w, h->pad_len);
	if (pad)
		memset(pad, 0, h->pad_len);
	n = addr_wire_encode(ADDR_SOCKS, &pk->peer, w->p, wr_left(w));
	if (n > 0)
		wr_room(w, (size_t)n);
	else
		w->bad = true;
	wr_bytes(w, pk->data, pk->len);
}

/* Identity headers of a packet, tied to its own head */
static int wr_identities(struct wr *w, const struct ss22_psk_key *k,
			 const uint8_t head[HEAD_BYTES])
{
	size_t n = k->method->key_len;
	int err = 0;

	for (int i = 0; !err && i + 1 < k->count; i++) {
		uint8_t b[16], sealed[16];

		blake3_hash(k->psk[i + 1], n, b, sizeof(b));
		for (int j = 0; j < HEAD_BYTES; j++)
			b[j] ^= head[j];
		err = aes_block(k->psk[i], n, true, b, sealed);
		wr_bytes(w, sealed, sizeof(sealed));
	}
	return err;
}

/* The AES form. The packet's head is encrypted with the first key */
static ssize_t encode_aes(struct ss22_udp_key *u, const struct ss22_psk_key *k,
			  struct wr *w, const struct ss22_udp_head *h,
			  const struct wire_packet *pk)
{
	uint8_t head[HEAD_BYTES], *out = w->p, *body;
	size_t len;

	memcpy(head, u->session, 8);
	put_be64(head + 8, u->packet);
	wr_room(w, HEAD_BYTES);
	if (wr_identities(w, k, head))
		return -EINVAL;
	body = w->p;
	wr_body(w, h, pk);
	len = (size_t)(w->p - body);
	if (!wr_room(w, AEAD_TAG_BYTES))
		return -ENOBUFS;
	if (aead_seal(&u->body, head + 4, NULL, body, len, body) ||
	    aes_block(k->psk[0], k->method->key_len, true, head, out))
		return -EINVAL;
	return (ssize_t)wr_len(w);
}

static ssize_t encode_chacha(struct ss22_udp_key *u, struct wr *w,
			     const struct ss22_udp_head *h,
			     const struct wire_packet *pk)
{
	uint8_t *body;
	size_t len;

	wr_bytes(w, h->random, NONCE_BYTES);
	body = w->p;
	wr_bytes(w, u->session, 8);
	wr_be64(w, u->packet);
	wr_body(w, h, pk);
	len = (size_t)(w->p - body);
	if (!wr_room(w, AEAD_TAG_BYTES))
		return -ENOBUFS;
	if (aead_seal(&u->body, h->random, NULL, body, len, body))
		return -EINVAL;
	return (ssize_t)wr_len(w);
}

ssize_t ss22_udp_encode(struct ss22_udp_key *u, const struct ss22_psk_key *k,
			const struct ss22_udp_head *h,
			const struct wire_packet *pk, uint8_t *out, size_t room)
{
	struct wr w = wr_init(out, room);
	ssize_t n;

	if (!addr_wire_len(&pk->peer))
		return -EINVAL;
	n = is_aes(k) ? encode_aes(u, k, &w, h, pk) :
			encode_chacha(u, &w, h, pk);
	if (n > 0)
		u->packet++;
	return n;
}

static bool window_bit(const struct ss22_udp_key *u, uint64_t id)
{
	return u->seen[id / 64 % (SS22_WINDOW / 64)] >> id % 64 & 1;
}

/* Was packet @id not seen, and is it not too old to know? */
static bool window_ok(const struct ss22_udp_key *u, uint64_t id)
{
	if (id == UINT64_MAX)
		return false;
	if (id >= u->packet)
		return true;
	return u->packet - id <= SS22_WINDOW && !window_bit(u, id);
}

static void window_take(struct ss22_udp_key *u, uint64_t id)
{
	if (id >= u->packet && id - u->packet >= SS22_WINDOW)
		memset(u->seen, 0, sizeof(u->seen));
	else
		for (uint64_t i = u->packet; i <= id; i++)
			u->seen[i / 64 % (SS22_WINDOW / 64)] &=
				~(1ULL << i % 64);
	u->seen[id / 64 % (SS22_WINDOW / 64)] |= 1ULL << id % 64;
	if (id >= u->packet)
		u->packet = id + 1;
}

/* The members of an opened body */
static int body_read(struct rd *r, struct ss22_udp_head *h,
		     struct wire_packet *out)
{
	uint8_t type = rd_u8(r);
	const uint8_t *client;
	ssize_t n;

	h->time_s = (uint64_t)rd_be32(r) << 32;
	h->time_s |= rd_be32(r);
	client = h->from_server ? rd_bytes(r, sizeof(h->client)) : NULL;
	h->pad_len = rd_be16(r);
	rd_bytes(r, h->pad_len);
	if (!rd_ok(r) || type != h->from_server)
		return -EPROTO;
	if (client)
		memcpy(h->client, client, sizeof(h->client));
	n = addr_wire_decode(ADDR_SOCKS, r->p, rd_left(r), &out->peer,
			     out->name);
	if (n <= 0)
		return -EPROTO;
	rd_bytes(r, (size_t)n);
	out->data = r->p;
	out->len = rd_left(r);
	return 0;
}

/* A recording opens as well, and would bring its session back. 0 or -errno */
static int expected(const struct ss22_udp_head *h)
{
	if (h->from_server && h->own &&
	    memcmp(h->client, h->own, sizeof(h->client)) != 0)
		return -EPROTO;
	return h->now_s && !ss22_time_ok(h->time_s, h->now_s) ? -ESTALE : 0;
}

/* The session @session belongs to, or @fresh set up for it */
static struct ss22_udp_key *session_of(struct ss22_udp_key peer[2],
				       const struct ss22_psk_key *k,
				       const uint8_t session[8],
				       struct ss22_udp_key *fresh)
{
	for (int i = 0; i < 2; i++)
		if (peer[i].live && !memcmp(peer[i].session, session, 8))
			return &peer[i];
	return ss22_udp_set(fresh, k, session) ? NULL : fresh;
}

/*
 * Where the parts of a packet lie once its outer layer is off: the plain head
 * in @head, the sealed body (AES) or the opened one (chacha) in @body. @k is the
 * outer key, @skip bytes of identity headers come before the body
 */
static int head_open(const struct ss22_psk_key *k, size_t skip,
		     const struct iovec *pkt, uint8_t head[HEAD_BYTES],
		     struct rd *body)
{
	uint8_t *p = pkt->iov_base;
	size_t n = pkt->iov_len;

	if (is_aes(k)) {
		/* a server's packets have no identity headers */
		if (n < HEAD_BYTES + skip + AEAD_TAG_BYTES ||
		    aes_block(k->psk[k->count - 1], k->method->key_len, false,
			      p, head))
			return -EPROTO;
		*body = rd_init(p + HEAD_BYTES + skip, n - HEAD_BYTES - skip);
		return 0;
	}
	if (n < NONCE_BYTES + HEAD_BYTES + AEAD_TAG_BYTES ||
	    aead_open_once(AEAD_XCHACHA20_POLY1305, k->psk[0], p, NULL,
			   p + NONCE_BYTES, n - NONCE_BYTES))
		return -EPROTO;
	memcpy(head, p + NONCE_BYTES, HEAD_BYTES);
	*body = rd_init(p + NONCE_BYTES + HEAD_BYTES,
			n - NONCE_BYTES - HEAD_BYTES - AEAD_TAG_BYTES);
	return 0;
}

/**
 * struct opening - One packet to be opened
 * @outer:	Key of its head; @skip: bytes of identity headers
 */
struct opening {
	const struct ss22_psk_key *outer, *k;
	size_t skip;
	const struct iovec *pkt;
};

static int decode(struct ss22_udp_key peer[2], const struct opening *o,
		  struct ss22_udp_head *h, struct wire_packet *out)
{
	struct ss22_udp_key fresh = { 0 }, *u;
	uint8_t head[HEAD_BYTES], *p;
	struct rd body;
	uint64_t id;
	int err = head_open(o->outer, o->skip, o->pkt, head, &body);

	if (err)
		return err;
	u = session_of(peer, o->k, head, &fresh);
	if (!u)
		return -ENOMEM;
	id = get_be64(head + 8);
	p = (uint8_t *)o->pkt->iov_base + HEAD_BYTES + o->skip;
	if (!window_ok(u, id))
		err = -EALREADY;
	if (!err && is_aes(o->k)) {
		err = aead_open(&u->body, head + 4, NULL, p, rd_left(&body), p);
		body = rd_init(p, rd_left(&body) - AEAD_TAG_BYTES);
	}
	if (!err)
		err = body_read(&body, h, out);
	if (!err)
		err = expected(h);
	if (err) {
		ss22_udp_drop(&fresh);
		return err;
	}
	window_take(u, id);
	if (u == &fresh) {
		ss22_udp_drop(&peer[1]);
		peer[1] = peer[0];
		peer[0] = fresh;
	}
	return 0;
}

int ss22_udp_decode(struct ss22_udp_key peer[2], const struct ss22_psk_key *k,
		    const struct iovec *pkt, struct ss22_udp_head *h,
		    struct wire_packet *out)
{
	struct opening o = { .outer = k, .k = k, .pkt = pkt };

	return decode(peer, &o, h, out);
}

int ss22_udp_identity(const struct ss22_psk_key *server,
		      const struct iovec *pkt, uint8_t hash[SS22_HASH])
{
	const uint8_t *p = pkt->iov_base;
	uint8_t head[HEAD_BYTES];
	struct rd body;

	if (!is_aes(server) || head_open(server, SS22_HASH, pkt, head, &body) ||
	    aes_block(server->psk[server->count - 1], server->method->key_len,
		      false, p + HEAD_BYTES, hash))
		return -EPROTO;
	for (int i = 0; i < SS22_HASH; i++)
		hash[i] ^= head[i];
	return 0;
}

int ss22_udp_user_decode(struct ss22_udp_key peer[2],
			 const struct ss22_psk_key *server,
			 const struct ss22_psk_key *k, const struct iovec *pkt,
			 struct ss22_udp_head *h, struct wire_packet *out)
{
	struct opening o = {
		.outer = server, .k = k, .skip = SS22_HASH, .pkt = pkt
	};

	return decode(peer, &o, h, out);
}
