/*
 * wg.h - WireGuard's messages and their handshake, Noise_IKpsk2
 *
 * Pure functions over memory: random bytes, time and indices come in. Messages are
 * looked at with zeros where Xray and WARP put their three reserved bytes.
 * Source: docs/wire/wireguard.md
 */
#ifndef PROXY_WIRE_WG_H
#define PROXY_WIRE_WG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "gateway/base/crypto.h"

#define WG_KEY_BYTES        32
#define WG_MAC_BYTES        16 /* mac1, mac2, a cookie */
#define WG_STAMP_BYTES      12 /* TAI64N */
#define WG_NONCE_BYTES      24 /* of a cookie reply */
#define WG_INITIATION_BYTES 148
#define WG_RESPONSE_BYTES   92
#define WG_COOKIE_BYTES     64
#define WG_DATA_HEAD        16
#define WG_DATA_EXTRA       (WG_DATA_HEAD + AEAD_TAG_BYTES)
#define WG_MAX              65507 /* bytes of any message */
#define WG_WINDOW_BITS      2048
#define WG_COUNTER_MAX      (UINT64_MAX - (1ull << 13)) /* REJECT-AFTER-MESSAGES */

enum wg_kind { WG_INITIATION = 1, WG_RESPONSE, WG_COOKIE, WG_DATA };

/**
 * struct wg_self_key - Who we are
 * @mac1:	Key of the first MAC of what is sent to us; @cookie: seals cookies
 */
struct wg_self_key {
	uint8_t private_key[WG_KEY_BYTES], public_key[WG_KEY_BYTES];
	uint8_t mac1[WG_KEY_BYTES], cookie[WG_KEY_BYTES];
};

/**
 * struct wg_peer_key - What is known of a peer
 * @psk:	Zeros: none
 * @shared:	Of both static keys
 * @mac1, @cookie:	As above, of what is sent to the peer
 */
struct wg_peer_key {
	uint8_t public_key[WG_KEY_BYTES], psk[WG_KEY_BYTES];
	uint8_t shared[WG_KEY_BYTES];
	uint8_t mac1[WG_KEY_BYTES], cookie[WG_KEY_BYTES];
};

/* A handshake under way */
struct wg_shake_key {
	uint8_t chain[WG_KEY_BYTES], hash[WG_KEY_BYTES];
	uint8_t own[WG_KEY_BYTES], theirs[WG_KEY_BYTES]; /* ephemeral */
};

/**
 * struct wg_head - What stands in the clear
 * @kind:	enum wg_kind
 * @sender:	Of initiation and response; @receiver: of all but initiation
 * @counter:	Of data
 */
struct wg_head {
	uint8_t kind;
	uint32_t sender, receiver;
	uint64_t counter;
};

/**
 * struct wg_window - Which counters were seen
 * @next:	One more than the highest
 */
struct wg_window {
	uint64_t next;
	uint64_t bits[WG_WINDOW_BITS / 64];
};

/* 0 or -ENOMEM, -EPROTO: the key is none */
int wg_self_set(struct wg_self_key *self,
		const uint8_t private_key[WG_KEY_BYTES]);
int wg_peer_set(struct wg_peer_key *peer, const struct wg_self_key *self,
		const uint8_t public_key[WG_KEY_BYTES],
		const uint8_t psk[WG_KEY_BYTES]);
/* Base64 (either alphabet) or hex. 0 or -EINVAL */
int wg_key_parse(const char *text, uint8_t out[WG_KEY_BYTES]);

/* Kind and length of a message of @n bytes. 0, or -EPROTO */
int wg_head_decode(const uint8_t *p, size_t n, struct wg_head *out);

/* What a new handshake is made of: @eph is random; @sender: our index */
struct wg_begin_key {
	uint8_t eph[WG_KEY_BYTES], stamp[WG_STAMP_BYTES];
	uint32_t sender;
};
/* MACs are still zero. 0, -ENOMEM, -EPROTO */
int wg_initiation_encode(struct wg_shake_key *s, const struct wg_self_key *self,
			 const struct wg_peer_key *peer,
			 const struct wg_begin_key *b,
			 uint8_t out[WG_INITIATION_BYTES]);
/* Who sent it; then, knowing the peer, when. 0, -ENOMEM, -EPROTO: forged */
int wg_initiation_who(struct wg_shake_key *s, const struct wg_self_key *self,
		      const uint8_t p[WG_INITIATION_BYTES],
		      uint8_t public_key[WG_KEY_BYTES]);
int wg_initiation_when(struct wg_shake_key *s, const struct wg_peer_key *peer,
		       const uint8_t p[WG_INITIATION_BYTES],
		       uint8_t stamp[WG_STAMP_BYTES]);
/* Answer what was read into @s. @index: ours and theirs */
int wg_response_encode(struct wg_shake_key *s, const struct wg_peer_key *peer,
		       const uint8_t eph[WG_KEY_BYTES], const uint32_t index[2],
		       uint8_t out[WG_RESPONSE_BYTES]);
/* @s is changed on success only: a forged answer ends no handshake */
int wg_response_open(struct wg_shake_key *s, const struct wg_self_key *self,
		     const struct wg_peer_key *peer,
		     const uint8_t p[WG_RESPONSE_BYTES]);
/* The handshake is over: its two keys, and @s is wiped */
void wg_shake_end(struct wg_shake_key *s, bool initiator,
		  uint8_t send[WG_KEY_BYTES], uint8_t recv[WG_KEY_BYTES]);

/* Put mac1 (and mac2, when there is a @cookie) to the end of a handshake message */
void wg_mac_put(const struct wg_peer_key *peer, const uint8_t *cookie,
		uint8_t *p, size_t n);
bool wg_mac1_ok(const struct wg_self_key *self, const uint8_t *p, size_t n);
bool wg_mac2_ok(const uint8_t cookie[WG_MAC_BYTES], const uint8_t *p, size_t n);
/* The mac1 of a handshake message */
const uint8_t *wg_mac1(const uint8_t *p, size_t n);
/* Cookie for a sender at @addr (address and port, any bytes) */
void wg_cookie_make(const uint8_t secret[WG_KEY_BYTES], const void *addr,
		    size_t addr_len, uint8_t cookie[WG_MAC_BYTES]);
/* Send @cookie to who sent the handshake message @p */
int wg_cookie_encode(const struct wg_self_key *self,
		     const uint8_t nonce[WG_NONCE_BYTES],
		     const uint8_t cookie[WG_MAC_BYTES], const struct iovec *p,
		     uint8_t out[WG_COOKIE_BYTES]);
/* @mac1: of the message that it answers */
int wg_cookie_open(const struct wg_peer_key *peer,
		   const uint8_t mac1[WG_MAC_BYTES],
		   const uint8_t p[WG_COOKIE_BYTES],
		   uint8_t cookie[WG_MAC_BYTES]);

/*
 * Seal a packet in pieces, padded by @pad zeros (at most 15). Bytes, or -ENOBUFS,
 * -ENOMEM
 */
ssize_t wg_data_seal(struct aead_key *k, const struct wg_head *h,
		     const struct iovec *part, int cnt, size_t pad,
		     struct iovec out);
/* Open to @out, which has room for @n - WG_DATA_EXTRA bytes. Bytes or -EPROTO */
ssize_t wg_data_open(struct aead_key *k, const uint8_t *p, size_t n,
		     uint8_t *out);

/* May @counter be new? Asked before it is believed; taken after */
bool wg_window_ok(const struct wg_window *w, uint64_t counter);
void wg_window_take(struct wg_window *w, uint64_t counter);

/* Seconds since 1970 and nanoseconds as TAI64N */
void wg_stamp(int64_t s, uint32_t ns, uint8_t out[WG_STAMP_BYTES]);

#endif
