/*
 * venc.c - VLESS encryption: keys of a direction and records
 *
 *   record:  23 3 3 | length u16 | AEAD(payload), the head is its AAD
 *
 * Nonces count from 1, big endian, over 12 bytes; they are never used up.
 *
 * Source: docs/wire/vless_encryption.md
 */
#include "proxy/wire/venc.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/blake3.h"
#include "gateway/base/compat.h"

static void add_one(uint8_t *p, size_t n)
{
	while (n-- && !++p[n])
		;
}

/* --- noise -------------------------------------------------------------------- */

int venc_mask_set(struct venc_mask_key *m, const uint8_t *key, size_t n,
		  const uint8_t iv[16])
{
	uint8_t k[32];
	int rc;

	blake3_derive("VLESS", key, n, k, sizeof(k));
	venc_mask_drop(m);
	memcpy(m->counter, iv, sizeof(m->counter));
	m->at = sizeof(m->stream);
	rc = block_key_set(&m->block, k, sizeof(k), true);
	wipe(k, sizeof(k));
	return rc;
}

int venc_mask_run(struct venc_mask_key *m, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (m->at == sizeof(m->stream)) {
			int rc = block_run(&m->block, m->counter, m->stream);

			if (rc < 0)
				return rc;
			add_one(m->counter, sizeof(m->counter));
			m->at = 0;
		}
		p[i] ^= m->stream[m->at++];
	}
	return 0;
}

void venc_mask_drop(struct venc_mask_key *m)
{
	if (m->block.ctx)
		block_key_drop(&m->block);
	wipe(m, sizeof(*m));
}

int venc_heads_run(struct venc_heads_key *h, bool masked, uint8_t *p, size_t n)
{
	while (n) {
		uint32_t part = VENC_HEAD_BYTES - h->head_len;
		bool body = h->body > 0;
		uint32_t k = body ? h->body : part;
		int rc;

		if (k > n)
			k = (uint32_t)n;
		if (body) {
			h->body -= k;
		} else {
			if (!masked)
				memcpy(h->head + h->head_len, p, k);
			rc = venc_mask_run(&h->mask, p, k);
			if (rc < 0)
				return rc;
			if (masked)
				memcpy(h->head + h->head_len, p, k);
			h->head_len = (uint8_t)(h->head_len + k);
		}
		p += k;
		n -= k;
		if (h->head_len < VENC_HEAD_BYTES)
			continue;
		h->head_len = 0;
		if (h->head[0] == 23 && get_be16(h->head + 1) == 0x0303)
			h->body = get_be16(h->head + 3);
	}
	return 0;
}

/* --- a direction -------------------------------------------------------------- */

int venc_dir_set(struct venc_dir_key *d, enum aead_kind aead, const void *ctx,
		 size_t ctx_len, const uint8_t *key, size_t n)
{
	struct iovec context = { .iov_len = ctx_len };
	uint8_t k[AEAD_KEY_MAX];
	int rc;

	memcpy(&context.iov_base, &ctx, sizeof(ctx)); /* it is only read */
	blake3_derive_bytes(&context, key, n, k, sizeof(k));
	venc_dir_drop(d);
	rc = aead_key_set(&d->aead, aead, k);
	wipe(k, sizeof(k));
	return rc;
}

void venc_dir_drop(struct venc_dir_key *d)
{
	aead_key_drop(&d->aead);
	venc_mask_drop(&d->mask);
	wipe(d, sizeof(*d));
}

int venc_seal_piece(struct venc_dir_key *d, const uint8_t *p, size_t n,
		    uint8_t *out)
{
	add_one(d->nonce, sizeof(d->nonce));
	return aead_seal(&d->aead, d->nonce, NULL, p, n, out);
}

int venc_open_piece(struct venc_dir_key *d, uint8_t *p, size_t n)
{
	if (n < AEAD_TAG_BYTES)
		return -EPROTO;
	add_one(d->nonce, sizeof(d->nonce));
	return aead_open(&d->aead, d->nonce, NULL, p, n, p);
}

static const uint8_t last_nonce[12] = { 255, 255, 255, 255, 255, 255,
					255, 255, 255, 255, 255, 255 };

int venc_seal_last(struct venc_dir_key *d, uint8_t *p, size_t n)
{
	return aead_seal(&d->aead, last_nonce, NULL, p, n, p);
}

int venc_open_last(struct venc_dir_key *d, uint8_t *p, size_t n)
{
	if (n < AEAD_TAG_BYTES)
		return -EPROTO;
	return aead_open(&d->aead, last_nonce, NULL, p, n, p);
}

/* --- records ------------------------------------------------------------------ */

ssize_t venc_seal(struct venc_dir_key *d, const uint8_t *p, size_t n,
		  uint8_t *out, size_t room)
{
	struct iovec aad = { out, VENC_HEAD_BYTES };
	int rc;

	if (n > VENC_PLAIN_PUT)
		return -EINVAL;
	if (room < n + VENC_EXTRA)
		return -ENOBUFS;
	out[0] = 23;
	put_be16(out + 1, 0x0303);
	put_be16(out + 3, (uint16_t)(n + AEAD_TAG_BYTES));
	add_one(d->nonce, sizeof(d->nonce));
	rc = aead_seal(&d->aead, d->nonce, &aad, p, n, out + VENC_HEAD_BYTES);
	if (!rc && d->mask.block.ctx)
		rc = venc_mask_run(&d->mask, out, VENC_HEAD_BYTES);
	return rc < 0 ? rc : (ssize_t)(n + VENC_EXTRA);
}

static ssize_t open_head(struct venc_dir_key *d, const uint8_t *p, size_t n)
{
	int rc = 0;

	if (n < VENC_HEAD_BYTES)
		return 0;
	memcpy(d->head, p, VENC_HEAD_BYTES);
	if (d->mask.block.ctx)
		rc = venc_mask_run(&d->mask, d->head, VENC_HEAD_BYTES);
	if (rc < 0)
		return rc;
	d->body = get_be16(d->head + 3);
	if (d->head[0] == 23 && get_be16(d->head + 1) == 0x0303 &&
	    d->body > AEAD_TAG_BYTES && d->body <= VENC_BODY_MAX)
		return VENC_HEAD_BYTES;
	d->body = 0;
	return -EBADMSG;
}

ssize_t venc_open(struct venc_dir_key *d, uint8_t *p, size_t n, uint8_t **data,
		  size_t *len)
{
	struct iovec aad = { d->head, VENC_HEAD_BYTES };
	size_t body = d->body;
	int rc;

	*len = 0;
	if (!body)
		return open_head(d, p, n);
	if (n < body)
		return 0;
	add_one(d->nonce, sizeof(d->nonce));
	rc = aead_open(&d->aead, d->nonce, &aad, p, body, p);
	if (rc < 0)
		return rc;
	d->body = 0;
	*data = p;
	*len = body - AEAD_TAG_BYTES;
	return (ssize_t)body;
}
