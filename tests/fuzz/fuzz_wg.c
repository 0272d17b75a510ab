/* fuzz_wg.c - Whatever comes in one datagram: heads, handshakes, data, cookies */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/wg.h"

static struct wg_self_key self, other;
static struct wg_peer_key peer;
static struct aead_key key;

static void set_up(void)
{
	static const uint8_t a[32] = { 1, 2, 3 }, b[32] = { 4, 5, 6 };

	if (key.ctx)
		return;
	if (wg_self_set(&self, a) || wg_self_set(&other, b) ||
	    wg_peer_set(&peer, &self, other.public_key, a) ||
	    aead_key_set(&key, AEAD_CHACHA20_POLY1305, a))
		abort();
}

/* As a peer would: MACs are made right, so that the rest is reached */
static void handshake(const uint8_t *p, size_t n, const struct wg_head *h)
{
	uint8_t msg[WG_INITIATION_BYTES], key_out[32], stamp[WG_STAMP_BYTES];
	struct wg_peer_key me = peer;
	struct wg_shake_key s = { 0 };

	memcpy(me.mac1, self.mac1, sizeof(me.mac1));
	memcpy(msg, p, n);
	wg_mac_put(&me, NULL, msg, n);
	if (!wg_mac1_ok(&self, msg, n))
		abort();
	if (h->kind == WG_RESPONSE)
		(void)wg_response_open(&s, &self, &peer, msg);
	else if (!wg_initiation_who(&s, &self, msg, key_out))
		(void)wg_initiation_when(&s, &peer, msg, stamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t out[WG_MAX];
	static struct wg_window w;
	struct wg_head h;

	set_up();
	if (wg_head_decode(p, n, &h))
		return 0;
	if (h.kind == WG_INITIATION || h.kind == WG_RESPONSE)
		handshake(p, n, &h);
	if (h.kind == WG_COOKIE)
		(void)wg_cookie_open(&peer, p, p, out);
	if (h.kind != WG_DATA)
		return 0;
	if (wg_data_open(&key, p, n, out) > (ssize_t)n)
		abort();
	if (wg_window_ok(&w, h.counter)) {
		wg_window_take(&w, h.counter);
		if (wg_window_ok(&w, h.counter))
			abort();
	}
	return 0;
}
