/*
 * kcp_mask.c - What a datagram of mKCP segments is wrapped in
 *
 *   header | authenticator | segments
 *
 * Headers only look like something; what they hold is not read.
 * Source: docs/wire/kcp.md
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/wr.h"
#include "proxy/wire/kcp.h"

#define SIMPLE_HEAD 6
#define AES_NONCE   12
#define DNS_FIXED   12
#define DNS_NAME    253
#define DNS_LABEL   63
#define SRTP_FIRST  0xb5e8

static const uint16_t heads[] = {
	[KCP_MASK_SIMPLE] = SIMPLE_HEAD,
	[KCP_MASK_AES] = AES_NONCE,
	[KCP_MASK_SRTP] = 4,
	[KCP_MASK_UTP] = 4,
	[KCP_MASK_WECHAT] = 13,
	[KCP_MASK_DTLS] = 13,
	[KCP_MASK_WIREGUARD] = 4,
	[KCP_MASK_DNS] = 0, /* by its name */
};
_Static_assert(ARRAY_SIZE(heads) == KCP_MASK_DNS + 1, "one a kind");

/* A question of type A for @name, as a header. 0 or -EINVAL */
static int dns_head(struct kcp_mask_key *k, const char *name)
{
	static const uint8_t fixed[DNS_FIXED] = { 0, 0, 1, 0, 0, 1 };
	static const uint8_t question[] = { 0, 0, 1, 0, 1 };
	struct wr w = wr_init(k->head, sizeof(k->head));

	if (!*name || strlen(name) > DNS_NAME)
		return -EINVAL;
	wr_bytes(&w, fixed, sizeof(fixed));
	while (*name) {
		size_t n = strcspn(name, ".");

		if (!n || n > DNS_LABEL)
			return -EINVAL;
		wr_u8(&w, (uint8_t)n);
		wr_bytes(&w, name, n);
		name += n + (name[n] != '\0');
	}
	wr_bytes(&w, question, sizeof(question));
	k->head_len = (uint16_t)wr_len(&w);
	return wr_ok(&w) ? 0 : -EINVAL;
}

int kcp_mask_set(struct kcp_mask_key *k, enum kcp_mask_kind kind,
		 const char *text)
{
	uint8_t sum[HASH_MAX_BYTES];
	int rc = 0;

	*k = (struct kcp_mask_key){ .kind = (uint8_t)kind,
				    .head_len = heads[kind] };
	if (kind == KCP_MASK_DNS)
		return dns_head(k, text);
	if (kind == KCP_MASK_AES) {
		k->tail_len = AEAD_TAG_BYTES;
		rc = hash_once(HASH_SHA256, text, strlen(text), sum);
		memcpy(k->key, sum, sizeof(k->key));
		wipe(sum, sizeof(sum));
	}
	return rc;
}

int kcp_masks_init(struct kcp_masks_key *m, const struct kcp_mask_key *conf,
		   unsigned int count, void (*rand)(void *p, size_t n))
{
	int rc = 0;

	*m = (struct kcp_masks_key){ .conf = conf,
				     .count = count,
				     .rand = rand };
	for (unsigned int i = 0; i < count; i++) {
		m->head_len += conf[i].head_len;
		m->tail_len += conf[i].tail_len;
		m->len[i] = 17;
		rand(&m->id[i], sizeof(m->id[i]));
		if (conf[i].kind == KCP_MASK_SRTP ||
		    conf[i].kind == KCP_MASK_WECHAT)
			m->number[i] = m->id[i];
		if (!rc && conf[i].kind == KCP_MASK_AES)
			rc = aead_key_set(&m->aead[i], AEAD_AES_128_GCM,
					  conf[i].key);
	}
	return rc;
}

void kcp_masks_drop(struct kcp_masks_key *m)
{
	for (unsigned int i = 0; i < m->count; i++)
		aead_key_drop(&m->aead[i]);
	*m = (struct kcp_masks_key){ .count = 0 };
}

/* @n bytes behind 6 free ones */
static void simple_seal(uint8_t *p, size_t n)
{
	put_be16(p + 4, (uint16_t)n);
	put_be32(p, fnv1a_32(p + 4, n + 2));
	for (size_t i = 4; i < n + SIMPLE_HEAD; i++)
		p[i] ^= p[i - 4];
}

static int simple_open(uint8_t *p, size_t n)
{
	if (n < SIMPLE_HEAD)
		return -EPROTO;
	for (size_t i = n - 1; i >= 4; i--)
		p[i] ^= p[i - 4];
	return get_be16(p + 4) == n - SIMPLE_HEAD &&
			       get_be32(p) == fnv1a_32(p + 4, n - 4) ?
		       0 :
		       -EPROTO;
}

/* A record of DTLS 1.2; epoch and length mean nothing */
static void dtls_head(struct kcp_masks_key *m, unsigned int i, uint8_t *p)
{
	p[0] = 23;
	p[1] = 254;
	p[2] = 253;
	put_be16(p + 3, m->id[i]);
	put_be16(p + 5, 0);
	put_be32(p + 7, m->number[i]++);
	put_be16(p + 11, m->len[i]);
	m->len[i] = (uint16_t)(m->len[i] + 17);
	if (m->len[i] > 100)
		m->len[i] = (uint16_t)(m->len[i] - 50);
}

static void wechat_head(struct kcp_masks_key *m, unsigned int i, uint8_t *p)
{
	static const uint8_t rest[] = {
		0x00, 0x10, 0x11, 0x18, 0x30, 0x22, 0x30
	};

	p[0] = 0xa1;
	p[1] = 0x08;
	put_be32(p + 2, ++m->number[i]);
	memcpy(p + 6, rest, sizeof(rest));
}

/* Layer @i around @n bytes behind its head at @p. 0 or -EPROTO */
static int seal_one(struct kcp_masks_key *m, unsigned int i, uint8_t *p,
		    size_t n)
{
	const struct kcp_mask_key *k = &m->conf[i];

	switch ((enum kcp_mask_kind)k->kind) {
	case KCP_MASK_SIMPLE:
		simple_seal(p, n);
		break;
	case KCP_MASK_AES:
		m->rand(p, AES_NONCE);
		return aead_seal(&m->aead[i], p, NULL, p + AES_NONCE, n,
				 p + AES_NONCE);
	case KCP_MASK_SRTP:
		put_be16(p, SRTP_FIRST);
		put_be16(p + 2, (uint16_t)++m->number[i]);
		break;
	case KCP_MASK_UTP:
		put_be16(p, m->id[i]);
		put_be16(p + 2, 0x0100);
		break;
	case KCP_MASK_WECHAT:
		wechat_head(m, i, p);
		break;
	case KCP_MASK_DTLS:
		dtls_head(m, i, p);
		break;
	case KCP_MASK_WIREGUARD:
		put_be32(p, 0x04000000);
		break;
	case KCP_MASK_DNS:
		memcpy(p, k->head, k->head_len);
		m->rand(p, 2);
		break;
	}
	return 0;
}

ssize_t kcp_seal(struct kcp_masks_key *m, uint8_t *p, size_t n)
{
	uint8_t *at = p + m->head_len;

	for (unsigned int i = 0; i < m->count; i++) {
		at -= m->conf[i].head_len;
		if (seal_one(m, i, at, n) < 0)
			return -EPROTO;
		n += m->conf[i].head_len + (size_t)m->conf[i].tail_len;
	}
	return (ssize_t)n;
}

int kcp_open(struct kcp_masks_key *m, uint8_t *p, size_t n, size_t *off,
	     size_t *len)
{
	uint8_t *at = p;

	for (unsigned int i = m->count; i-- > 0;) {
		const struct kcp_mask_key *k = &m->conf[i];
		size_t extra = k->head_len + (size_t)k->tail_len;
		int rc = 0;

		if (n < extra)
			return -EPROTO;
		if (k->kind == KCP_MASK_SIMPLE)
			rc = simple_open(at, n);
		else if (k->kind == KCP_MASK_AES)
			rc = aead_open(&m->aead[i], at, NULL, at + AES_NONCE,
				       n - AES_NONCE, at + AES_NONCE);
		if (rc < 0)
			return -EPROTO;
		at += k->head_len;
		n -= extra;
	}
	*off = (size_t)(at - p);
	*len = n;
	return 0;
}
