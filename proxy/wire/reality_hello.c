/* reality_hello.c - A ClientHello as a REALITY server reads it, and who sent it */
#include "proxy/wire/reality_hello.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/mlkem.h"
#include "gateway/base/rd.h"

enum { MSG_HEAD = 4 };
enum { EXT_NAME = 0, EXT_ALPN = 16, EXT_VERSIONS = 43, EXT_SHARES = 51 };

#define BOTH_BYTES (MLKEM768_KEY_BYTES + X25519_BYTES)

/* --- the message ---------------------------------------------------------------- */

/* Bytes of the message that begins at @msg, as far as told; 0: not yet */
static size_t message_size(const uint8_t *msg, size_t have)
{
	if (have < MSG_HEAD)
		return 0;
	return MSG_HEAD + ((size_t)msg[1] << 16 | get_be16(msg + 2));
}

ssize_t reality_hello_gather(const uint8_t *p, size_t n, uint8_t *msg,
			     size_t room, size_t *len)
{
	size_t at = 0, have = 0;

	while (at < n) {
		size_t size, want;

		if (p[at] != TLS_HANDSHAKE || (n - at > 1 && p[at + 1] != 3))
			return -EPROTO;
		if (n - at < TLS13_HEAD_BYTES)
			return 0;
		size = get_be16(p + at + 3);
		if (!size || size > room - have)
			return -EPROTO;
		/* the first bytes tell early what it is not */
		if (!have && n - at > TLS13_HEAD_BYTES &&
		    p[at + TLS13_HEAD_BYTES] != TLS13_CLIENT_HELLO)
			return -EPROTO;
		if (n - at < TLS13_HEAD_BYTES + size)
			return 0;
		memcpy(msg + have, p + at + TLS13_HEAD_BYTES, size);
		have += size;
		at += TLS13_HEAD_BYTES + size;
		want = message_size(msg, have);
		if (want > room || (want && have > want))
			return -EPROTO;
		if (want && have == want) {
			*len = have;
			return (ssize_t)at;
		}
	}
	return 0;
}

static void take_name(struct rd e, struct reality_hello *h)
{
	struct rd list = rd_sub(&e, rd_be16(&e));

	while (rd_ok(&list) && rd_left(&list)) {
		uint8_t type = rd_u8(&list);
		size_t len = rd_be16(&list);
		const uint8_t *name = rd_bytes(&list, len);

		if (name && !type && !h->name) {
			h->name = name;
			h->name_len = len;
		}
	}
}

static void take_alpn(struct rd e, struct reality_hello *h)
{
	struct rd list = rd_sub(&e, rd_be16(&e));
	size_t len = rd_u8(&list);
	const uint8_t *first = rd_bytes(&list, len);

	if (first)
		h->alpn = len == 2 && !memcmp(first, "h2", 2) ?
				  REALITY_ALPN_H2 :
				  REALITY_ALPN_OTHER;
}

static void take_versions(struct rd e, struct reality_hello *h)
{
	struct rd list = rd_sub(&e, rd_u8(&e));

	while (rd_ok(&list) && rd_left(&list))
		h->tls13 |= rd_be16(&list) == 0x0304;
}

static void take_shares(struct rd e, struct reality_hello *h)
{
	struct rd list = rd_sub(&e, rd_be16(&e));

	while (rd_ok(&list) && rd_left(&list)) {
		uint16_t group = rd_be16(&list);
		size_t len = rd_be16(&list);
		const uint8_t *key = rd_bytes(&list, len);

		if (!key)
			return;
		if (group == TLS13_X25519 && len == X25519_BYTES && !h->alone)
			h->alone = key;
		if (group == TLS13_X25519_MLKEM768 && len == BOTH_BYTES &&
		    !h->mlkem)
			h->mlkem = key;
	}
	h->x25519 = h->alone;
	if (!h->alone && h->mlkem)
		h->x25519 = h->mlkem + MLKEM768_KEY_BYTES;
}

static void take_extension(uint16_t type, struct rd e, struct reality_hello *h)
{
	if (type == EXT_NAME)
		take_name(e, h);
	else if (type == EXT_ALPN)
		take_alpn(e, h);
	else if (type == EXT_VERSIONS)
		take_versions(e, h);
	else if (type == EXT_SHARES)
		take_shares(e, h);
}

int reality_hello_decode(const uint8_t *msg, size_t n,
			 struct reality_hello *out)
{
	struct rd r = rd_init(msg, n), all;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (rd_u8(&r) != TLS13_CLIENT_HELLO || rd_be24(&r) != rd_left(&r))
		return -EPROTO;
	if (rd_be16(&r) != 0x0303)
		return -EPROTO;
	out->random = rd_bytes(&r, 32);
	len = rd_u8(&r);
	out->session = rd_bytes(&r, len);
	if (len != TLS13_SESSION_ID_BYTES)
		out->session = NULL;
	rd_bytes(&r, rd_be16(&r)); /* cipher suites */
	rd_bytes(&r, rd_u8(&r)); /* compression */
	all = rd_sub(&r, rd_be16(&r));
	if (!rd_ok(&r) || rd_left(&r))
		return -EPROTO;
	while (rd_left(&all)) {
		uint16_t type = rd_be16(&all);
		struct rd e = rd_sub(&all, rd_be16(&all));

		if (!rd_ok(&all))
			return -EPROTO;
		take_extension(type, e, out);
	}
	return 0;
}

/* --- who sent it ---------------------------------------------------------------- */

/* The session id with zeros in its place is what was sealed with it */
static int open_session(uint8_t *msg, size_t n, const struct reality_hello *h,
			const uint8_t *auth, uint8_t plain[32])
{
	uint8_t *sid = msg + (h->session - msg);
	struct iovec aad = { msg, n };
	uint8_t sealed[TLS13_SESSION_ID_BYTES];
	int rc;

	memcpy(sealed, sid, sizeof(sealed));
	memcpy(plain, sid, sizeof(sealed));
	memset(sid, 0, sizeof(sealed));
	rc = aead_open_once(AEAD_AES_256_GCM, auth,
			    h->random + REALITY_NONCE_AT, &aad, plain,
			    REALITY_PLAIN_BYTES + AEAD_TAG_BYTES);
	memcpy(sid, sealed, sizeof(sealed));
	return rc;
}

/* The name of the rules that is asked for */
static bool find_name(const struct reality_rules *r,
		      const struct reality_hello *h, struct reality_claim *out)
{
	for (size_t i = 0; i < r->names; i++) {
		if (strlen(r->name[i]) != h->name_len ||
		    (h->name_len && memcmp(r->name[i], h->name, h->name_len)))
			continue;
		out->name = r->name[i];
		out->name_at = i;
		return true;
	}
	return false;
}

static bool short_id_fits(const struct reality_rules *r,
			  const struct reality_claim *c)
{
	for (size_t i = 0; i < r->short_ids; i++)
		if (!memcmp(r->short_id[i], c->short_id, sizeof(c->short_id)))
			return true;
	return false;
}

static bool time_fits(const struct reality_rules *r, uint32_t time,
		      uint64_t now_ms)
{
	uint64_t then = (uint64_t)time * 1000;

	return !r->max_diff_ms ||
	       (now_ms > then ? now_ms - then : then - now_ms) <=
		       r->max_diff_ms;
}

const char *reality_judge(const struct reality_rules *r, uint8_t *msg, size_t n,
			  const struct reality_hello *h, uint64_t now_ms,
			  struct reality_claim *out)
{
	uint8_t plain[TLS13_SESSION_ID_BYTES];

	memset(out, 0, sizeof(*out));
	if (!h->tls13)
		return "no TLS 1.3";
	if (!find_name(r, h, out))
		return "another server name";
	if (!h->session || !h->x25519)
		return "no session id, or no key share";
	if (reality_auth(r->private_key, h->x25519, h->random, out->auth_key) <
		    0 ||
	    open_session(msg, n, h, out->auth_key, plain) < 0)
		return "its session id is not for us";
	out->opened = true;
	out->version = (uint32_t)plain[0] << 16 | get_be16(plain + 1);
	out->time = get_be32(plain + 4);
	memcpy(out->short_id, plain + 8, sizeof(out->short_id));
	if (out->version < r->min || (r->max && out->version > r->max))
		return "its version";
	if (!time_fits(r, out->time, now_ms))
		return "its clock";
	return short_id_fits(r, out) ? NULL : "its short id";
}
