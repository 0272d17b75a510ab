/*
 * wg.c - WireGuard's messages: heads, MACs, cookies, data, replay window
 *
 *   initiation  1 0 0 0 | sender | eph 32 | static 32+16 | stamp 12+16 | mac1 | mac2
 *   response    2 0 0 0 | sender | receiver | eph 32 | tag 16 | mac1 | mac2
 *   cookie      3 0 0 0 | receiver | nonce 24 | cookie 16+16
 *   data        4 0 0 0 | receiver | counter 8 | packet, padded + 16
 *
 * Numbers are little endian. The handshake itself is wg_noise.c.
 * Source: docs/wire/wireguard.md; RFC 6479 (window)
 */
#include "proxy/wire/wg.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/blake2s.h"
#include "gateway/base/compat.h"
#include "proxy/wire/wg_int.h"

#define TAI_OFFSET 0x400000000000000aull
#define PAD_MAX    15
#define PARTS_MAX  256

int wg_key_parse(const char *text, uint8_t out[WG_KEY_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[WG_KEY_BYTES + 16] = { 0 };
	size_t n = strlen(text), i;

	if (n == 2 * WG_KEY_BYTES) {
		for (i = 0; i < n; i++) {
			const char *d = strchr(digits, text[i] | 0x20);

			if (!d || !text[i])
				return -EINVAL;
			raw[i / 2] = (uint8_t)(raw[i / 2] << 4 | (d - digits));
		}
	} else if (n > 44 ||
		   base64_decode(text, n, raw, sizeof(raw)) != WG_KEY_BYTES) {
		return -EINVAL;
	}
	memcpy(out, raw, WG_KEY_BYTES);
	wipe(raw, sizeof(raw));
	return 0;
}

int wg_head_decode(const uint8_t *p, size_t n, struct wg_head *out)
{
	static const size_t len[] = { 0, WG_INITIATION_BYTES, WG_RESPONSE_BYTES,
				      WG_COOKIE_BYTES, 0 };
	struct wg_head h = { 0 };

	if (n < WG_DATA_EXTRA || n > WG_MAX || p[0] < WG_INITIATION ||
	    p[0] > WG_DATA || p[1] | p[2] | p[3])
		return -EPROTO;
	h.kind = p[0];
	if (h.kind != WG_DATA && n != len[h.kind])
		return -EPROTO;
	if (h.kind == WG_INITIATION || h.kind == WG_RESPONSE)
		h.sender = get_le32(p + 4);
	if (h.kind == WG_RESPONSE)
		h.receiver = get_le32(p + 8);
	if (h.kind == WG_COOKIE || h.kind == WG_DATA)
		h.receiver = get_le32(p + 4);
	if (h.kind == WG_DATA)
		h.counter = get_le64(p + 8);
	*out = h;
	return 0;
}

/* --- MACs and cookies --------------------------------------------------------- */

const uint8_t *wg_mac1(const uint8_t *p, size_t n)
{
	return p + n - 2 * WG_MAC_BYTES;
}

static void mac(const uint8_t *key, size_t key_len, const uint8_t *p, size_t n,
		uint8_t out[WG_MAC_BYTES])
{
	struct iovec v = wg_piece(p, n);

	blake2s_vec(key, key_len, &v, 1, out, WG_MAC_BYTES);
}

void wg_mac_put(const struct wg_peer_key *peer, const uint8_t *cookie,
		uint8_t *p, size_t n)
{
	size_t body = n - 2 * WG_MAC_BYTES;

	mac(peer->mac1, WG_KEY_BYTES, p, body, p + body);
	memset(p + body + WG_MAC_BYTES, 0, WG_MAC_BYTES);
	if (cookie)
		mac(cookie, WG_MAC_BYTES, p, body + WG_MAC_BYTES,
		    p + body + WG_MAC_BYTES);
}

bool wg_mac1_ok(const struct wg_self_key *self, const uint8_t *p, size_t n)
{
	uint8_t want[WG_MAC_BYTES];

	mac(self->mac1, WG_KEY_BYTES, p, n - 2 * WG_MAC_BYTES, want);
	return ct_equal(want, wg_mac1(p, n), WG_MAC_BYTES);
}

bool wg_mac2_ok(const uint8_t cookie[WG_MAC_BYTES], const uint8_t *p, size_t n)
{
	uint8_t want[WG_MAC_BYTES];

	mac(cookie, WG_MAC_BYTES, p, n - WG_MAC_BYTES, want);
	return ct_equal(want, p + n - WG_MAC_BYTES, WG_MAC_BYTES);
}

void wg_cookie_make(const uint8_t secret[WG_KEY_BYTES], const void *addr,
		    size_t addr_len, uint8_t cookie[WG_MAC_BYTES])
{
	mac(secret, WG_KEY_BYTES, addr, addr_len, cookie);
}

int wg_cookie_encode(const struct wg_self_key *self,
		     const uint8_t nonce[WG_NONCE_BYTES],
		     const uint8_t cookie[WG_MAC_BYTES], const struct iovec *p,
		     uint8_t out[WG_COOKIE_BYTES])
{
	const uint8_t *msg = p->iov_base;
	struct iovec aad = wg_piece(wg_mac1(msg, p->iov_len), WG_MAC_BYTES);

	memset(out, 0, 4);
	out[0] = WG_COOKIE;
	memcpy(out + 4, msg + 4, 4); /* their index */
	memcpy(out + 8, nonce, WG_NONCE_BYTES);
	memcpy(out + 32, cookie, WG_MAC_BYTES);
	return aead_seal_once(AEAD_XCHACHA20_POLY1305, self->cookie, nonce,
			      &aad, out + 32, WG_MAC_BYTES);
}

int wg_cookie_open(const struct wg_peer_key *peer,
		   const uint8_t mac1[WG_MAC_BYTES],
		   const uint8_t p[WG_COOKIE_BYTES],
		   uint8_t cookie[WG_MAC_BYTES])
{
	struct iovec aad = wg_piece(mac1, WG_MAC_BYTES);
	uint8_t buf[WG_MAC_BYTES + AEAD_TAG_BYTES];
	int rc;

	memcpy(buf, p + 32, sizeof(buf));
	rc = aead_open_once(AEAD_XCHACHA20_POLY1305, peer->cookie, p + 8, &aad,
			    buf, sizeof(buf));
	if (!rc)
		memcpy(cookie, buf, WG_MAC_BYTES);
	return rc;
}

/* --- data --------------------------------------------------------------------- */

static void nonce_of(uint64_t counter, uint8_t nonce[12])
{
	memset(nonce, 0, 4);
	put_le64(nonce + 4, counter);
}

ssize_t wg_data_seal(struct aead_key *k, const struct wg_head *h,
		     const struct iovec *part, int cnt, size_t pad,
		     struct iovec out)
{
	static uint8_t zeros[PAD_MAX];
	uint8_t nonce[12], *p = out.iov_base;
	struct iovec v[PARTS_MAX + 1];
	size_t len = pad;
	int i, rc;

	if (cnt > PARTS_MAX || pad > PAD_MAX)
		return -ENOBUFS;
	for (i = 0; i < cnt; i++) {
		v[i] = part[i];
		len += part[i].iov_len;
	}
	v[cnt] = (struct iovec){ zeros, pad };
	if (len + WG_DATA_EXTRA > out.iov_len)
		return -ENOBUFS;
	memset(p, 0, 4);
	p[0] = WG_DATA;
	put_le32(p + 4, h->receiver);
	put_le64(p + 8, h->counter);
	nonce_of(h->counter, nonce);
	rc = aead_seal_parts(k, nonce, NULL, v, cnt + (pad ? 1 : 0),
			     p + WG_DATA_HEAD);
	return rc < 0 ? rc : (ssize_t)(len + WG_DATA_EXTRA);
}

ssize_t wg_data_open(struct aead_key *k, const uint8_t *p, size_t n,
		     uint8_t *out)
{
	struct wg_head h;
	uint8_t nonce[12];
	int rc = wg_head_decode(p, n, &h);

	if (rc < 0 || h.kind != WG_DATA)
		return -EPROTO;
	nonce_of(h.counter, nonce);
	rc = aead_open(k, nonce, NULL, p + WG_DATA_HEAD, n - WG_DATA_HEAD, out);
	return rc < 0 ? rc : (ssize_t)(n - WG_DATA_EXTRA);
}

/* --- what was seen -------------------------------------------------------------- */

/*
 * A ring of words; the one that @next will come to is not part of the window, so
 * that moving on clears whole words
 */
#define WINDOW_WORDS (WG_WINDOW_BITS / 64)
#define WINDOW_SPAN  (WG_WINDOW_BITS - 64)

bool wg_window_ok(const struct wg_window *w, uint64_t counter)
{
	if (counter >= WG_COUNTER_MAX)
		return false;
	if (counter >= w->next)
		return true;
	if (w->next - counter > WINDOW_SPAN)
		return false;
	return !(w->bits[counter / 64 % WINDOW_WORDS] >> (counter % 64) & 1);
}

void wg_window_take(struct wg_window *w, uint64_t counter)
{
	uint64_t word = counter / 64, last = w->next ? (w->next - 1) / 64 : 0;

	if (counter >= w->next) {
		if (word - last > WINDOW_WORDS)
			last = word - WINDOW_WORDS;
		while (last < word)
			w->bits[++last % WINDOW_WORDS] = 0;
		w->next = counter + 1;
	}
	w->bits[word % WINDOW_WORDS] |= 1ull << (counter % 64);
}

void wg_stamp(int64_t s, uint32_t ns, uint8_t out[WG_STAMP_BYTES])
{
	put_be64(out, TAI_OFFSET + (uint64_t)s);
	put_be32(out + 8, ns);
}
