/*
 * venc_shake.c - VLESS encryption: relays, and the handshake of both sides
 *
 * Relay j's share is masked by the key of relay j-1, and so is the hash that names
 * relay j: who has no key of the chain learns nothing of the next one. The last
 * one's secret (nfs) keys the rest of the hello.
 *
 * Source: docs/wire/vless_encryption.md
 */
#include "proxy/wire/venc_shake.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"

#define HASH_BYTES 32

void venc_shake_drop(struct venc_shake_key *k)
{
	venc_dir_drop(&k->hello);
	venc_dir_drop(&k->tx);
	venc_dir_drop(&k->rx);
	wipe(k, sizeof(*k));
}

static size_t share_bytes(const struct venc_relay_key *r)
{
	return r->mlkem ? MLKEM768_SEALED_BYTES : X25519_BYTES;
}

/* @n bytes at @p as noise, or back, by @key. 0 or -errno */
static int mask_once(const uint8_t *key, size_t key_len, const uint8_t *iv,
		     uint8_t *p, size_t n)
{
	struct venc_mask_key m = { .at = 0 };
	int rc = venc_mask_set(&m, key, key_len, iv);

	if (!rc)
		rc = venc_mask_run(&m, p, n);
	venc_mask_drop(&m);
	return rc;
}

/* --- relays ------------------------------------------------------------------- */

/* A share for @r at @out, and the secret that goes with it. 0 or -errno */
static int share_make(const struct venc_relay_key *r, venc_random random,
		      uint8_t *out, uint8_t nfs[VENC_NFS_BYTES])
{
	uint8_t secret[32];
	int rc;

	random(secret, sizeof(secret));
	if (r->mlkem) {
		rc = mlkem768_encaps(r->pub, secret, out, nfs);
	} else {
		rc = x25519_public(secret, out);
		if (!rc)
			rc = x25519_shared(secret, r->pub, nfs);
	}
	wipe(secret, sizeof(secret));
	return rc;
}

/* The secret of the share at @p. 0 or -errno */
static int share_open(const struct venc_relay_key *r, const uint8_t *p,
		      uint8_t nfs[VENC_NFS_BYTES])
{
	if (r->mlkem) {
		mlkem768_decaps(&r->dk, p, nfs);
		return 0;
	}
	if (p[X25519_BYTES - 1] > 127) /* nobody shall turn a bit unseen */
		return -EPROTO;
	return x25519_shared(r->x25519, p, nfs);
}

/*
 * All relays' shares at @p. @k->iv is known, @k->nfs the last one's secret then.
 * The mask of one relay goes on: over the hash, then over the next one's share
 */
static int relays_make(struct venc_shake_key *k, const struct venc_conf_key *c,
		       uint8_t *p)
{
	struct venc_mask_key m = { .at = 0 };
	int rc = 0;

	for (unsigned int j = 0; !rc && j < c->relays; j++) {
		const struct venc_relay_key *r = &c->relay[j];
		size_t n = share_bytes(r);

		rc = share_make(r, k->random, p, k->nfs);
		if (!rc && c->mode != VENC_NATIVE)
			rc = mask_once(r->pub, r->pub_len, k->iv, p, n);
		if (!rc && j)
			rc = venc_mask_run(&m, p, 32);
		if (rc || j + 1 == c->relays)
			break;
		p += n;
		memcpy(p, c->relay[j + 1].hash, HASH_BYTES);
		rc = venc_mask_set(&m, k->nfs, sizeof(k->nfs), k->iv);
		if (!rc)
			rc = venc_mask_run(&m, p, HASH_BYTES);
		p += HASH_BYTES;
	}
	venc_mask_drop(&m);
	return rc;
}

/* The reverse, in place */
static int relays_open(struct venc_shake_key *k, const struct venc_conf_key *c,
		       uint8_t *p)
{
	struct venc_mask_key m = { .at = 0 };
	int rc = 0;

	for (unsigned int j = 0; !rc && j < c->relays; j++) {
		const struct venc_relay_key *r = &c->relay[j];
		size_t n = share_bytes(r);

		if (j)
			rc = venc_mask_run(&m, p, 32);
		if (!rc && c->mode != VENC_NATIVE)
			rc = mask_once(r->pub, r->pub_len, k->iv, p, n);
		if (!rc)
			rc = share_open(r, p, k->nfs);
		if (rc || j + 1 == c->relays)
			break;
		p += n;
		rc = venc_mask_set(&m, k->nfs, sizeof(k->nfs), k->iv);
		if (!rc)
			rc = venc_mask_run(&m, p, HASH_BYTES);
		if (!rc && !ct_equal(p, c->relay[j + 1].hash, HASH_BYTES))
			rc = -EPROTO;
		p += HASH_BYTES;
	}
	venc_mask_drop(&m);
	return rc;
}

/* --- both --------------------------------------------------------------------- */

static int put_length(struct venc_dir_key *d, size_t n, uint8_t *out)
{
	put_be16(out, (uint16_t)n);
	return venc_seal_piece(d, out, 2, out);
}

int venc_open_length(struct venc_dir_key *d, uint8_t *p)
{
	int rc = venc_open_piece(d, p, VENC_LENGTH_BYTES);

	return rc < 0 ? rc : get_be16(p);
}

/* @n bytes in all: a length, and as many zeros sealed as make them up */
static int put_padding(struct venc_dir_key *d, size_t n, uint8_t *out)
{
	int rc;

	n -= VENC_LENGTH_BYTES;
	rc = put_length(d, n, out);
	out += VENC_LENGTH_BYTES;
	memset(out, 0, n);
	return rc ? rc : venc_seal_piece(d, out, n - AEAD_TAG_BYTES, out);
}

static void unite(struct venc_shake_key *k, const uint8_t pfs[VENC_PFS_BYTES])
{
	memcpy(k->united, pfs, VENC_PFS_BYTES);
	memcpy(k->united + VENC_PFS_BYTES, k->nfs, VENC_NFS_BYTES);
}

/* @d from the secret of both, bound to @ctx. @iv: of its mask. 0 or -errno */
static int united_dir(const struct venc_shake_key *k, struct venc_dir_key *d,
		      const uint8_t *ctx, size_t n, const uint8_t *iv)
{
	int rc = venc_dir_set(d, k->aead, ctx, n, k->united, sizeof(k->united));

	if (!rc && iv && k->mode == VENC_RANDOM)
		rc = venc_mask_set(&d->mask, k->united, sizeof(k->united), iv);
	return rc;
}

/* The mask of @d alone, whose iv is known later than its key. 0 or -errno */
static int united_mask(const struct venc_shake_key *k, struct venc_dir_key *d,
		       const uint8_t *iv)
{
	if (k->mode != VENC_RANDOM)
		return 0;
	return venc_mask_set(&d->mask, k->united, sizeof(k->united), iv);
}

static int hello_key(struct venc_shake_key *k)
{
	return venc_dir_set(&k->hello, k->aead, k->iv, sizeof(k->iv), k->nfs,
			    sizeof(k->nfs));
}

/* --- the client --------------------------------------------------------------- */

static int hello_ticket(struct venc_shake_key *k,
			const struct venc_ticket_key *t, uint8_t *out)
{
	int rc = put_length(&k->hello, VENC_TICKET_BYTES, out);

	out += VENC_LENGTH_BYTES;
	if (!rc)
		rc = venc_seal_piece(&k->hello, t->id, sizeof(t->id), out);
	unite(k, t->pfs);
	return rc ? rc : united_dir(k, &k->tx, out, VENC_TICKET_BYTES, k->iv);
}

static int hello_keys(struct venc_shake_key *k, size_t padding, uint8_t *out)
{
	uint8_t seed[MLKEM_SEED_BYTES];
	int rc;

	k->random(seed, sizeof(seed));
	mlkem768_key_set(&k->dk, seed);
	wipe(seed, sizeof(seed));
	k->random(k->x25519, sizeof(k->x25519));
	memcpy(k->ask, k->dk.public_key, MLKEM768_KEY_BYTES);
	rc = x25519_public(k->x25519, k->ask + MLKEM768_KEY_BYTES);
	if (!rc)
		rc = put_length(&k->hello, VENC_ASK_BYTES, out);
	out += VENC_LENGTH_BYTES;
	if (!rc)
		rc = venc_seal_piece(&k->hello, k->ask, sizeof(k->ask), out);
	return rc ? rc : put_padding(&k->hello, padding, out + VENC_ASK_BYTES);
}

ssize_t venc_client_hello(struct venc_shake_key *k,
			  const struct venc_conf_key *c,
			  const struct venc_ticket_key *t, size_t padding,
			  uint8_t *out, size_t room)
{
	size_t front = VENC_IV_BYTES + c->relays_len;
	size_t n = venc_front_bytes(c) +
		   (t ? VENC_TICKET_BYTES : VENC_ASK_BYTES + padding);
	int rc;

	if (room < n)
		return -ENOBUFS;
	k->mode = c->mode;
	k->random(k->iv, sizeof(k->iv));
	memcpy(out, k->iv, sizeof(k->iv));
	rc = relays_make(k, c, out + VENC_IV_BYTES);
	if (!rc)
		rc = hello_key(k);
	if (!rc)
		rc = t ? hello_ticket(k, t, out + front) :
			 hello_keys(k, padding, out + front);
	return rc < 0 ? rc : (ssize_t)n;
}

int venc_client_answer(struct venc_shake_key *k, uint8_t *p)
{
	uint8_t pfs[VENC_PFS_BYTES];
	int rc = venc_open_last(&k->hello, p, VENC_ANSWER_BYTES);

	if (rc < 0)
		return rc;
	mlkem768_decaps(&k->dk, p, pfs);
	rc = x25519_shared(k->x25519, p + MLKEM768_SEALED_BYTES,
			   pfs + MLKEM_SHARED_BYTES);
	unite(k, pfs);
	wipe(pfs, sizeof(pfs));
	if (!rc)
		rc = united_dir(k, &k->tx, k->ask, sizeof(k->ask), k->iv);
	return rc ? rc :
		    united_dir(k, &k->rx, p, VENC_ANSWER_BYTES - AEAD_TAG_BYTES,
			       NULL);
}

int venc_client_ticket(struct venc_shake_key *k, uint8_t *p,
		       struct venc_ticket_key *out)
{
	int rc = venc_open_piece(&k->rx, p, VENC_TICKET_BYTES);

	if (rc < 0)
		return rc;
	memcpy(out->id, p, sizeof(out->id));
	memcpy(out->pfs, k->united, sizeof(out->pfs));
	rc = united_mask(k, &k->rx, out->id);
	return rc < 0 ? rc : get_be16(p);
}

int venc_client_random(struct venc_shake_key *k, const uint8_t *p)
{
	return united_dir(k, &k->rx, p, VENC_RANDOM_BYTES, p);
}

/* --- the server --------------------------------------------------------------- */

/* With the one cipher or with the other: the client chose. The length or -errno */
static int front_length(struct venc_shake_key *k, const uint8_t *p)
{
	static const enum aead_kind kinds[] = { AEAD_AES_256_GCM,
						AEAD_CHACHA20_POLY1305 };
	int rc = -EPROTO;

	for (unsigned int i = 0; i < 2 && rc == -EPROTO; i++) {
		uint8_t copy[VENC_LENGTH_BYTES];

		memcpy(copy, p, sizeof(copy));
		k->aead = kinds[i];
		rc = hello_key(k);
		if (!rc)
			rc = venc_open_length(&k->hello, copy);
	}
	return rc;
}

int venc_server_front(struct venc_shake_key *k, const struct venc_conf_key *c,
		      uint8_t *p)
{
	int rc;

	k->mode = c->mode;
	memcpy(k->iv, p, sizeof(k->iv));
	rc = relays_open(k, c, p + VENC_IV_BYTES);
	if (rc < 0)
		return rc;
	rc = front_length(k, p + VENC_IV_BYTES + c->relays_len);
	if (rc >= 0 && rc != VENC_TICKET_BYTES && rc < VENC_ASK_BYTES)
		return -EPROTO;
	return rc;
}

int venc_server_ticket(struct venc_shake_key *k, const uint8_t *p,
		       uint8_t id[VENC_ID_BYTES])
{
	uint8_t copy[VENC_TICKET_BYTES];
	int rc;

	memcpy(k->encrypted_id, p, VENC_TICKET_BYTES);
	memcpy(copy, p, VENC_TICKET_BYTES);
	rc = venc_open_piece(&k->hello, copy, VENC_TICKET_BYTES);
	if (!rc)
		memcpy(id, copy, VENC_ID_BYTES);
	return rc;
}

int venc_server_resume(struct venc_shake_key *k,
		       const uint8_t pfs[VENC_PFS_BYTES],
		       uint8_t out[VENC_RANDOM_BYTES])
{
	int rc;

	k->random(out, VENC_RANDOM_BYTES);
	unite(k, pfs);
	rc = united_dir(k, &k->tx, out, VENC_RANDOM_BYTES, out);
	return rc ? rc :
		    united_dir(k, &k->rx, k->encrypted_id, VENC_TICKET_BYTES,
			       k->iv);
}

int venc_server_ask(struct venc_shake_key *k, uint8_t *p, size_t n)
{
	uint8_t m[32], pfs[VENC_PFS_BYTES];
	int rc;

	if (n < VENC_ASK_BYTES)
		return -EPROTO;
	rc = venc_open_piece(&k->hello, p, n);
	if (rc < 0)
		return rc;
	memcpy(k->ask, p, sizeof(k->ask));
	k->random(m, sizeof(m));
	rc = mlkem768_encaps(k->ask, m, k->answer, pfs);
	k->random(k->x25519, sizeof(k->x25519));
	if (!rc)
		rc = x25519_public(k->x25519,
				   k->answer + MLKEM768_SEALED_BYTES);
	if (!rc)
		rc = x25519_shared(k->x25519, k->ask + MLKEM768_KEY_BYTES,
				   pfs + MLKEM_SHARED_BYTES);
	unite(k, pfs);
	wipe(m, sizeof(m));
	wipe(pfs, sizeof(pfs));
	return rc;
}

ssize_t venc_server_answer(struct venc_shake_key *k, uint32_t seconds,
			   size_t padding, struct venc_ticket_key *t,
			   uint8_t *out, size_t room)
{
	size_t n = VENC_ANSWER_BYTES + VENC_TICKET_BYTES + padding;
	int rc;

	if (room < n)
		return -ENOBUFS;
	k->random(t->id, sizeof(t->id));
	put_be16(t->id, (uint16_t)seconds);
	memcpy(t->pfs, k->united, sizeof(t->pfs));
	memcpy(out, k->answer, sizeof(k->answer));
	rc = venc_seal_last(&k->hello, out, sizeof(k->answer));
	if (!rc)
		rc = united_dir(k, &k->tx, k->answer, sizeof(k->answer), t->id);
	if (!rc)
		rc = united_dir(k, &k->rx, k->ask, sizeof(k->ask), k->iv);
	out += VENC_ANSWER_BYTES;
	if (!rc)
		rc = venc_seal_piece(&k->tx, t->id, sizeof(t->id), out);
	if (!rc)
		rc = put_padding(&k->tx, padding, out + VENC_TICKET_BYTES);
	return rc < 0 ? rc : (ssize_t)n;
}
