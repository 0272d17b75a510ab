/* tls13_keys.c - The key schedule of TLS 1.3 */
#include "proxy/wire/tls13_keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/compat.h"

#define PAD 64
static const char label_server[] = "TLS 1.3, server CertificateVerify";
static_assert(PAD + sizeof(label_server) + HASH_MAX_BYTES == TLS13_COVERED_MAX,
	      "the label is 33 bytes and a zero");

static const uint8_t zero[TLS13_SECRET_BYTES];

size_t tls13_covered(enum hash_kind hash, const uint8_t *transcript,
		     uint8_t out[TLS13_COVERED_MAX])
{
	memset(out, ' ', PAD);
	memcpy(out + PAD, label_server, sizeof(label_server));
	memcpy(out + PAD + sizeof(label_server), transcript, hash_len(hash));
	return PAD + sizeof(label_server) + hash_len(hash);
}

int tls13_keys_early(struct tls13_keys *k)
{
	return hkdf_extract(k->hash, NULL, 0, zero, hash_len(k->hash),
			    k->secret);
}

/* @n bytes as hexadecimal digits behind the text at @at; its new end */
static char *add_hex(char *at, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*at++ = digits[p[i] >> 4];
		*at++ = digits[p[i] & 15];
	}
	return at;
}

/* The secret of @label, if it is one of traffic, in the words of a key log */
static void tell(const struct tls13_keys *k, const char *label,
		 const uint8_t *secret)
{
	static const char *const names[][2] = {
		{ "c hs traffic", "CLIENT_HANDSHAKE_TRAFFIC_SECRET" },
		{ "s hs traffic", "SERVER_HANDSHAKE_TRAFFIC_SECRET" },
		{ "c ap traffic", "CLIENT_TRAFFIC_SECRET_0" },
		{ "s ap traffic", "SERVER_TRAFFIC_SECRET_0" },
	};
	char line[TLS13_TOLD_MAX], *at = line;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(label, names[i][0]) != 0)
			continue;
		at += snprintf(line, sizeof(line), "%s ", names[i][1]);
		at = add_hex(at, k->tell->random, sizeof(k->tell->random));
		*at++ = ' ';
		*add_hex(at, secret, hash_len(k->hash)) = '\0';
		k->tell->put(k->tell->fd, line);
	}
	wipe(line, sizeof(line));
}

int tls13_keys_secret(const struct tls13_keys *k, const char *label,
		      const uint8_t *transcript, uint8_t *out)
{
	size_t len = hash_len(k->hash);
	uint8_t sum[HASH_MAX_BYTES];
	struct iovec context = { sum, len };
	int rc;

	memcpy(sum, transcript, len);
	rc = hkdf_expand_context(k->hash, k->secret, label, &context, out, len);
	if (!rc && k->tell)
		tell(k, label, out);
	return rc;
}

int tls13_keys_dir(const struct tls13_keys *k, const char *label,
		   const uint8_t *transcript, struct tls13_dir *d)
{
	uint8_t secret[TLS13_SECRET_BYTES];
	int rc = tls13_keys_secret(k, label, transcript, secret);

	if (!rc)
		rc = tls13_dir_set(d, k->hash, k->aead, secret);
	wipe(secret, sizeof(secret));
	return rc;
}

int tls13_keys_step(struct tls13_keys *k, const uint8_t *input, size_t n)
{
	uint8_t salt[HASH_MAX_BYTES], nothing[HASH_MAX_BYTES];
	size_t len = hash_len(k->hash);
	int rc = hash_once(k->hash, "", 0, nothing);

	if (!rc)
		rc = tls13_keys_secret(k, "derived", nothing, salt);
	if (!rc)
		rc = hkdf_extract(k->hash, salt, len, input, n, k->secret);
	wipe(salt, sizeof(salt));
	return rc;
}

int tls13_keys_master(struct tls13_keys *k)
{
	return tls13_keys_step(k, zero, hash_len(k->hash));
}

int tls13_keys_finished(enum hash_kind hash, const uint8_t *secret,
			const uint8_t *transcript, uint8_t *out)
{
	uint8_t key[HASH_MAX_BYTES];
	size_t len = hash_len(hash);
	int rc = hkdf_expand_label(hash, secret, "finished", key, len);

	if (!rc)
		rc = hmac_once(hash, key, len, transcript, len, out);
	wipe(key, sizeof(key));
	return rc;
}
