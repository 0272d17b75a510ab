/* tls13_record.c - Protected records of TLS 1.3 */
#include "proxy/wire/tls13_record.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"

const uint8_t tls13_ccs[TLS13_CCS_BYTES] = {
	TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1
};

int tls13_suite(uint16_t suite, enum hash_kind *hash, enum aead_kind *aead)
{
	*hash = suite == 0x1302 ? HASH_SHA384 : HASH_SHA256;
	switch (suite) {
	case 0x1301:
		*aead = AEAD_AES_128_GCM;
		return 0;
	case 0x1302:
		*aead = AEAD_AES_256_GCM;
		return 0;
	case 0x1303:
		*aead = AEAD_CHACHA20_POLY1305;
		return 0;
	default:
		return -EPROTO;
	}
}

int tls13_dir_set(struct tls13_dir *d, enum hash_kind hash, enum aead_kind aead,
		  const uint8_t *secret)
{
	uint8_t key[AEAD_KEY_MAX];
	int rc;

	d->hash = hash;
	d->aead = aead;
	memmove(d->secret, secret, hash_len(hash));
	rc = hkdf_expand_label(hash, d->secret, "key", key, aead_key_len(aead));
	if (!rc)
		rc = hkdf_expand_label(hash, d->secret, "iv", d->iv,
				       sizeof(d->iv));
	aead_key_drop(&d->key);
	if (!rc)
		rc = aead_key_set(&d->key, aead, key);
	wipe(key, sizeof(key));
	d->seq = 0;
	return rc;
}

int tls13_dir_next(struct tls13_dir *d)
{
	uint8_t next[HASH_MAX_BYTES];
	int rc = hkdf_expand_label(d->hash, d->secret, "traffic upd", next,
				   hash_len(d->hash));

	if (!rc)
		rc = tls13_dir_set(d, d->hash, d->aead, next);
	wipe(next, sizeof(next));
	return rc;
}

void tls13_dir_drop(struct tls13_dir *d)
{
	aead_key_drop(&d->key);
	wipe(d, sizeof(*d));
}

static void nonce(const struct tls13_dir *d, uint8_t out[12])
{
	put_be64(out + 4, d->seq);
	memset(out, 0, 4);
	for (int i = 0; i < 12; i++)
		out[i] ^= d->iv[i];
}

/* The pieces of a record of @size bytes at @out. @size or -errno */
static ssize_t seal(struct tls13_dir *d, const struct iovec *part, int cnt,
		    size_t size, uint8_t *out)
{
	struct iovec aad = { out, TLS13_HEAD_BYTES };
	uint8_t iv[12];
	int rc;

	out[0] = TLS_APPLICATION_DATA;
	put_be16(out + 1, 0x0303);
	put_be16(out + 3, (uint16_t)(size - TLS13_HEAD_BYTES));
	nonce(d, iv);
	rc = aead_seal_parts(&d->key, iv, &aad, part, cnt,
			     out + TLS13_HEAD_BYTES);
	d->seq++;
	return rc < 0 ? rc : (ssize_t)size;
}

ssize_t tls13_seal(struct tls13_dir *d, enum tls_content type, const uint8_t *p,
		   size_t n, uint8_t *out, size_t room)
{
	uint8_t kind = (uint8_t)type;
	struct iovec part[2] = { { .iov_len = n }, { &kind, 1 } };

	if (n > TLS13_PLAIN_MAX)
		return -EINVAL;
	if (room < n + TLS13_EXTRA)
		return -ENOBUFS;
	memcpy(&part[0].iov_base, &p, sizeof(p)); /* it is only read */
	return seal(d, part, 2, n + TLS13_EXTRA, out);
}

ssize_t tls13_seal_padded(struct tls13_dir *d, enum tls_content type,
			  const uint8_t *p, size_t n, size_t size, uint8_t *out)
{
	uint8_t *inner = out + TLS13_HEAD_BYTES;
	struct iovec part = { inner, size - TLS13_HEAD_BYTES - AEAD_TAG_BYTES };

	if (size < n + TLS13_EXTRA || size > TLS13_PLAIN_MAX + TLS13_EXTRA)
		return -EINVAL;
	if (n)
		memmove(inner, p, n);
	memset(inner + n, 0, part.iov_len - n);
	inner[n] = (uint8_t)type;
	return seal(d, &part, 1, size, out);
}

/* The content type is the last byte that is not zero. 0 or -EPROTO */
static int unpad(const uint8_t *p, size_t *n, enum tls_content *type)
{
	while (*n && !p[*n - 1])
		--*n;
	if (!*n || *n > TLS13_PLAIN_MAX + 1)
		return -EPROTO;
	*type = (enum tls_content)p[--*n];
	return 0;
}

ssize_t tls13_open(struct tls13_dir *d, uint8_t *p, size_t n,
		   enum tls_content *type, uint8_t **data, size_t *len)
{
	struct iovec aad = { p, TLS13_HEAD_BYTES };
	uint8_t iv[12];
	size_t size;

	if (n < TLS13_HEAD_BYTES)
		return 0;
	size = get_be16(p + 3);
	if (p[1] != 3 || size > TLS13_RECORD_MAX - TLS13_HEAD_BYTES)
		return -EPROTO;
	if (n < TLS13_HEAD_BYTES + size)
		return 0;
	*type = (enum tls_content)p[0];
	*data = p + TLS13_HEAD_BYTES;
	*len = size;
	if (p[0] == TLS_CHANGE_CIPHER_SPEC && size == 1) {
		*len = 0;
		return (ssize_t)(TLS13_HEAD_BYTES + size);
	}
	if (p[0] != TLS_APPLICATION_DATA || size < 1 + AEAD_TAG_BYTES ||
	    d->aead == AEAD_NONE)
		return -EPROTO;
	nonce(d, iv);
	if (aead_open(&d->key, iv, &aad, *data, size, *data) < 0)
		return -EPROTO;
	d->seq++;
	*len = size - AEAD_TAG_BYTES;
	if (unpad(*data, len, type) < 0)
		return -EPROTO;
	return (ssize_t)(TLS13_HEAD_BYTES + size);
}
