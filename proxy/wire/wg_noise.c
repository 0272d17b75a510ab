/*
 * wg_noise.c - WireGuard's handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s
 *
 *   -> e, es, s, ss, {stamp}      wg_initiation_*
 *   <- e, ee, se, psk, {}         wg_response_*
 *
 * Each step mixes into a chaining key and a hash of all that was said.
 * Source: docs/wire/wireguard.md; Noise protocol framework, 5 and 9
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/blake2s.h"
#include "gateway/base/compat.h"
#include "gateway/base/crypto_pk.h"
#include "proxy/wire/wg.h"
#include "proxy/wire/wg_int.h"

/* Places in the messages */
enum {
	AT_SENDER = 4,
	AT_EPH1 = 8,
	AT_STATIC = 40,
	AT_STAMP = 88,
	AT_RECEIVER = 8,
	AT_EPH2 = 12,
	AT_NOTHING = 44
};

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
static const uint8_t first_nonce[12];

static void hash2(const void *a, size_t a_len, const void *b, size_t b_len,
		  uint8_t out[WG_KEY_BYTES])
{
	struct iovec v[2] = { wg_piece(a, a_len), wg_piece(b, b_len) };

	blake2s_vec(NULL, 0, v, 2, out, WG_KEY_BYTES);
}

static void mix_hash(struct wg_shake_key *s, const void *p, size_t n)
{
	hash2(s->hash, WG_KEY_BYTES, p, n, s->hash);
}

/* HKDF: @count keys to @out[]; the first may be @key */
static void kdf(const uint8_t *key, const void *in, size_t n,
		uint8_t *const *out, int count)
{
	uint8_t root[WG_KEY_BYTES], t[WG_KEY_BYTES];
	struct iovec v[2] = { wg_piece(in, n), { 0 } };

	blake2s_hmac(key, v, 1, root);
	for (uint8_t i = 1; i <= (uint8_t)count; i++) {
		v[0] = wg_piece(t, i > 1 ? WG_KEY_BYTES : 0);
		v[1] = wg_piece(&i, 1);
		blake2s_hmac(root, v, 2, t);
		memcpy(out[i - 1], t, WG_KEY_BYTES);
	}
	wipe(root, sizeof(root));
	wipe(t, sizeof(t));
}

static void mix_key(struct wg_shake_key *s, const uint8_t in[WG_KEY_BYTES],
		    uint8_t *key)
{
	uint8_t *const out[2] = { s->chain, key };

	kdf(s->chain, in, WG_KEY_BYTES, out, key ? 2 : 1);
}

static int mix_dh(struct wg_shake_key *s, const uint8_t *private_key,
		  const uint8_t *public_key, uint8_t *key)
{
	uint8_t shared[WG_KEY_BYTES];
	int rc = x25519_shared(private_key, public_key, shared);

	if (!rc)
		mix_key(s, shared, key);
	wipe(shared, sizeof(shared));
	return rc;
}

static void begin(struct wg_shake_key *s, const uint8_t responder[WG_KEY_BYTES])
{
	hash2(construction, sizeof(construction) - 1, NULL, 0, s->chain);
	hash2(s->chain, WG_KEY_BYTES, identifier, sizeof(identifier) - 1,
	      s->hash);
	mix_hash(s, responder, WG_KEY_BYTES);
}

/* An ephemeral key is said */
static void mix_eph(struct wg_shake_key *s, const uint8_t *public_key)
{
	mix_key(s, public_key, NULL);
	mix_hash(s, public_key, WG_KEY_BYTES);
}

/* @n bytes at @p become @n + 16 */
static int seal(struct wg_shake_key *s, const uint8_t *key, uint8_t *p,
		size_t n)
{
	struct iovec aad = wg_piece(s->hash, WG_KEY_BYTES);
	int rc = aead_seal_once(AEAD_CHACHA20_POLY1305, key, first_nonce, &aad,
				p, n);

	if (!rc)
		mix_hash(s, p, n + AEAD_TAG_BYTES);
	return rc;
}

/* @n bytes with the tag; @out has their number */
static int unseal(struct wg_shake_key *s, const uint8_t *key, const uint8_t *p,
		  size_t n, uint8_t *out)
{
	struct iovec aad = wg_piece(s->hash, WG_KEY_BYTES);
	int rc;

	memcpy(out, p, n);
	rc = aead_open_once(AEAD_CHACHA20_POLY1305, key, first_nonce, &aad, out,
			    n);
	if (!rc)
		mix_hash(s, p, n);
	return rc;
}

/* --- keys of the two sides -------------------------------------------------------- */

static void label_keys(const uint8_t *public_key, uint8_t *mac1,
		       uint8_t *cookie)
{
	hash2("mac1----", 8, public_key, WG_KEY_BYTES, mac1);
	hash2("cookie--", 8, public_key, WG_KEY_BYTES, cookie);
}

int wg_self_set(struct wg_self_key *self,
		const uint8_t private_key[WG_KEY_BYTES])
{
	memcpy(self->private_key, private_key, WG_KEY_BYTES);
	if (x25519_public(private_key, self->public_key) < 0)
		return -ENOMEM;
	label_keys(self->public_key, self->mac1, self->cookie);
	return 0;
}

int wg_peer_set(struct wg_peer_key *peer, const struct wg_self_key *self,
		const uint8_t public_key[WG_KEY_BYTES],
		const uint8_t psk[WG_KEY_BYTES])
{
	memcpy(peer->public_key, public_key, WG_KEY_BYTES);
	memcpy(peer->psk, psk, WG_KEY_BYTES);
	label_keys(public_key, peer->mac1, peer->cookie);
	return x25519_shared(self->private_key, public_key, peer->shared);
}

/* --- the first message ------------------------------------------------------------ */

int wg_initiation_encode(struct wg_shake_key *s, const struct wg_self_key *self,
			 const struct wg_peer_key *peer,
			 const struct wg_begin_key *b,
			 uint8_t out[WG_INITIATION_BYTES])
{
	uint8_t key[WG_KEY_BYTES];
	int rc;

	memset(out, 0, WG_INITIATION_BYTES);
	out[0] = WG_INITIATION;
	put_le32(out + AT_SENDER, b->sender);
	memcpy(s->own, b->eph, WG_KEY_BYTES);
	begin(s, peer->public_key);
	rc = x25519_public(b->eph, out + AT_EPH1);
	mix_eph(s, out + AT_EPH1);
	if (!rc)
		rc = mix_dh(s, b->eph, peer->public_key, key);
	memcpy(out + AT_STATIC, self->public_key, WG_KEY_BYTES);
	if (!rc)
		rc = seal(s, key, out + AT_STATIC, WG_KEY_BYTES);
	mix_key(s, peer->shared, key);
	memcpy(out + AT_STAMP, b->stamp, WG_STAMP_BYTES);
	if (!rc)
		rc = seal(s, key, out + AT_STAMP, WG_STAMP_BYTES);
	wipe(key, sizeof(key));
	return rc;
}

int wg_initiation_who(struct wg_shake_key *s, const struct wg_self_key *self,
		      const uint8_t p[WG_INITIATION_BYTES],
		      uint8_t public_key[WG_KEY_BYTES])
{
	uint8_t key[WG_KEY_BYTES], who[WG_KEY_BYTES + AEAD_TAG_BYTES];
	int rc;

	begin(s, self->public_key);
	memcpy(s->theirs, p + AT_EPH1, WG_KEY_BYTES);
	mix_eph(s, s->theirs);
	rc = mix_dh(s, self->private_key, s->theirs, key);
	if (!rc)
		rc = unseal(s, key, p + AT_STATIC, sizeof(who), who);
	if (!rc)
		memcpy(public_key, who, WG_KEY_BYTES);
	wipe(key, sizeof(key));
	return rc;
}

int wg_initiation_when(struct wg_shake_key *s, const struct wg_peer_key *peer,
		       const uint8_t p[WG_INITIATION_BYTES],
		       uint8_t stamp[WG_STAMP_BYTES])
{
	uint8_t key[WG_KEY_BYTES], when[WG_STAMP_BYTES + AEAD_TAG_BYTES];
	int rc;

	mix_key(s, peer->shared, key);
	rc = unseal(s, key, p + AT_STAMP, sizeof(when), when);
	if (!rc)
		memcpy(stamp, when, WG_STAMP_BYTES);
	wipe(key, sizeof(key));
	return rc;
}

/* --- the second message ----------------------------------------------------------- */

/* The shared secret of before, and nothing said under its key */
static void mix_psk(struct wg_shake_key *s, const uint8_t *psk, uint8_t *key)
{
	uint8_t t[WG_KEY_BYTES];
	uint8_t *const out[3] = { s->chain, t, key };

	kdf(s->chain, psk, WG_KEY_BYTES, out, 3);
	mix_hash(s, t, sizeof(t));
	wipe(t, sizeof(t));
}

int wg_response_encode(struct wg_shake_key *s, const struct wg_peer_key *peer,
		       const uint8_t eph[WG_KEY_BYTES], const uint32_t index[2],
		       uint8_t out[WG_RESPONSE_BYTES])
{
	uint8_t key[WG_KEY_BYTES];
	int rc;

	memset(out, 0, WG_RESPONSE_BYTES);
	out[0] = WG_RESPONSE;
	put_le32(out + AT_SENDER, index[0]);
	put_le32(out + AT_RECEIVER, index[1]);
	rc = x25519_public(eph, out + AT_EPH2);
	mix_eph(s, out + AT_EPH2);
	if (!rc)
		rc = mix_dh(s, eph, s->theirs, NULL);
	if (!rc)
		rc = mix_dh(s, eph, peer->public_key, NULL);
	mix_psk(s, peer->psk, key);
	if (!rc)
		rc = seal(s, key, out + AT_NOTHING, 0);
	wipe(key, sizeof(key));
	return rc;
}

int wg_response_open(struct wg_shake_key *s, const struct wg_self_key *self,
		     const struct wg_peer_key *peer,
		     const uint8_t p[WG_RESPONSE_BYTES])
{
	uint8_t key[WG_KEY_BYTES], nothing[AEAD_TAG_BYTES];
	struct wg_shake_key t = *s;
	int rc;

	memcpy(t.theirs, p + AT_EPH2, WG_KEY_BYTES);
	mix_eph(&t, t.theirs);
	rc = mix_dh(&t, t.own, t.theirs, NULL);
	if (!rc)
		rc = mix_dh(&t, self->private_key, t.theirs, NULL);
	mix_psk(&t, peer->psk, key);
	if (!rc)
		rc = unseal(&t, key, p + AT_NOTHING, sizeof(nothing), nothing);
	if (!rc)
		*s = t;
	wipe(&t, sizeof(t));
	wipe(key, sizeof(key));
	return rc;
}

void wg_shake_end(struct wg_shake_key *s, bool initiator,
		  uint8_t send[WG_KEY_BYTES], uint8_t recv[WG_KEY_BYTES])
{
	uint8_t *const out[2] = { initiator ? send : recv,
				  initiator ? recv : send };

	kdf(s->chain, NULL, 0, out, 2);
	wipe(s, sizeof(*s));
}
