/* tls13_shake.c - A TLS 1.3 handshake as client */
#include "proxy/wire/tls13_shake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto_pk.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"

/* The state is the message awaited; after the server's Finished: */
enum { SHAKE_DONE = 256 };

static int fail(struct tls13_shake *k, const char *why)
{
	if (!k->why)
		k->why = why;
	return -EPROTO;
}

/* --- the transcript ----------------------------------------------------------- */

static int log_room(struct tls13_shake *k, size_t n)
{
	size_t cap = k->log_cap ? k->log_cap : 4096;
	uint8_t *p;

	if (n > TLS13_FLIGHT_MAX - k->log_len)
		return fail(k, "the server's handshake is too long");
	while (cap < k->log_len + n)
		cap *= 2;
	if (cap == k->log_cap)
		return 0;
	p = realloc(k->log, cap);
	if (!p)
		return -ENOMEM;
	k->log = p;
	k->log_cap = cap;
	return 0;
}

static int log_add(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	int rc = log_room(k, n);

	if (!rc && n) {
		memcpy(k->log + k->log_len, p, n);
		k->log_len += n;
	}
	return rc;
}

static int log_hash(const struct tls13_shake *k, size_t n, uint8_t *out)
{
	return hash_once(k->keys.hash, k->log, n, out);
}

/* --- secrets ------------------------------------------------------------------ */

#define BOTH_MAX (MLKEM_SHARED_BYTES + X25519_BYTES)

/* What the server's share and our key of that group make: ML-KEM's comes first */
static int agreed(const struct tls13_own *own, const struct tls13_answer *a,
		  uint8_t both[BOTH_MAX], size_t *len)
{
	struct mlkem768_secret_key key;

	*len = X25519_BYTES;
	if (a->group == TLS13_X25519)
		return x25519_shared(own->alone, a->share, both);
	*len = BOTH_MAX;
	mlkem768_key_set(&key, own->seed);
	mlkem768_decaps(&key, a->share, both);
	wipe(&key, sizeof(key));
	return x25519_shared(own->hybrid, a->share + MLKEM768_SEALED_BYTES,
			     both + MLKEM_SHARED_BYTES);
}

static int handshake_keys(struct tls13_shake *k, size_t transcript,
			  const struct tls13_answer *a)
{
	uint8_t both[BOTH_MAX], sum[HASH_MAX_BYTES];
	int rc = tls13_keys_early(&k->keys);
	size_t len;

	if (!rc)
		rc = agreed(&k->own, a, both, &len);
	if (!rc)
		rc = tls13_keys_step(&k->keys, both, len);
	if (!rc)
		rc = log_hash(k, transcript, sum);
	if (!rc)
		rc = tls13_keys_dir(&k->keys, "c hs traffic", sum, &k->tx);
	if (!rc)
		rc = tls13_keys_dir(&k->keys, "s hs traffic", sum, &k->rx);
	wipe(both, sizeof(both));
	return rc;
}

static int application_secrets(struct tls13_shake *k)
{
	uint8_t sum[HASH_MAX_BYTES];
	int rc = tls13_keys_master(&k->keys);

	if (!rc)
		rc = log_hash(k, k->log_len, sum);
	if (!rc)
		rc = tls13_keys_secret(&k->keys, "c ap traffic", sum,
				       k->next_tx);
	if (!rc)
		rc = tls13_keys_secret(&k->keys, "s ap traffic", sum,
				       k->next_rx);
	return rc;
}

/* HMAC over the transcript (RFC 8446, 4.4.4) */
static int finished_sum(const struct tls13_shake *k, const struct tls13_dir *d,
			size_t transcript, uint8_t *out)
{
	uint8_t sum[HASH_MAX_BYTES];
	int rc = log_hash(k, transcript, sum);

	return rc ? rc : tls13_keys_finished(k->keys.hash, d->secret, sum, out);
}

/* --- messages ----------------------------------------------------------------- */

/* A share of the length that its group has; of a retry only the group */
static bool share_fits(const struct tls13_answer *a)
{
	if (a->group == TLS13_X25519)
		return a->retry || a->share_len == X25519_BYTES;
	return a->group == TLS13_X25519_MLKEM768 &&
	       (a->retry ||
		a->share_len == MLKEM768_SEALED_BYTES + X25519_BYTES);
}

static int on_server_hello(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	struct tls13_answer a;

	if (tls13_answer_decode(p, n, k->session, &a) < 0)
		return fail(k, "no TLS 1.3 in its ServerHello");
	if (!share_fits(&a))
		return fail(k, "it wants another key exchange than ours");
	if (a.retry)
		return fail(k, "it wants another hello");
	if (tls13_suite(a.suite, &k->keys.hash, &k->keys.aead) < 0)
		return fail(k, "an unknown cipher suite");
	k->state = TLS13_EXTENSIONS;
	return handshake_keys(k, k->parsed, &a);
}

static int on_extensions(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n), all = rd_sub(&r, rd_be16(&r));

	while (rd_ok(&all) && rd_left(&all)) {
		uint16_t type = rd_be16(&all);
		struct rd e = rd_sub(&all, rd_be16(&all));
		size_t len;
		const uint8_t *name;

		if (type != 16)
			continue;
		rd_be16(&e);
		len = rd_u8(&e);
		name = rd_bytes(&e, len);
		if (name && len < sizeof(k->alpn))
			memcpy(k->alpn, name, len);
	}
	if (!rd_ok(&r) || !rd_ok(&all) || rd_left(&r))
		return fail(k, "broken EncryptedExtensions");
	k->state = TLS13_CERTIFICATE;
	return 0;
}

static int on_certificate(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n), list, leaf;

	if (rd_u8(&r) != 0)
		return fail(k, "broken Certificate");
	list = rd_sub(&r, rd_be24(&r));
	leaf = rd_sub(&list, rd_be24(&list));
	if (!rd_ok(&r) || !rd_ok(&list) || !rd_ok(&leaf) || !rd_left(&leaf))
		return fail(k, "broken Certificate");
	k->cert_at = (size_t)(leaf.p - k->log);
	k->cert_len = rd_left(&leaf);
	k->state = TLS13_VERIFY;
	return 0;
}

/* @before: bytes of the transcript up to this message */
static int on_verify(struct tls13_shake *k, const uint8_t *p, size_t n,
		     size_t before)
{
	uint8_t covered[TLS13_COVERED_MAX], sum[HASH_MAX_BYTES];
	struct rd r = rd_init(p, n), sig;
	struct tls13_proof proof = { .scheme = rd_be16(&r),
				     .covered = covered };
	int rc;

	sig = rd_sub(&r, rd_be16(&r));
	if (!rd_ok(&r) || rd_left(&r))
		return fail(k, "broken CertificateVerify");
	rc = log_hash(k, before, sum);
	if (rc < 0)
		return rc;
	proof.covered_len = tls13_covered(k->keys.hash, sum, covered);
	proof.sig = sig.p;
	proof.sig_len = rd_left(&sig);
	proof.cert = k->compressed ? NULL : k->log + k->cert_at;
	proof.cert_len = k->compressed ? 0 : k->cert_len;
	proof.hellos = k->log;
	for (int i = 0; i < 2; i++) /* whole, and below 64 KiB */
		proof.hellos_len +=
			4u + get_be16(k->log + proof.hellos_len + 2);
	k->state = TLS13_FINISHED;
	return k->judge(k->arg, &proof);
}

static int on_finished(struct tls13_shake *k, const uint8_t *p, size_t n,
		       size_t before)
{
	uint8_t want[HASH_MAX_BYTES];
	int rc = finished_sum(k, &k->rx, before, want);

	if (rc < 0)
		return rc;
	if (n != hash_len(k->keys.hash) || !ct_equal(p, want, n))
		return fail(k, "its Finished does not fit");
	if (k->parsed != k->log_len)
		return fail(k, "more after its Finished");
	k->state = SHAKE_DONE;
	return application_secrets(k);
}

static int on_message(struct tls13_shake *k, uint8_t type, const uint8_t *p,
		      size_t n, size_t before)
{
	if (type == TLS13_COMPRESSED && k->state == TLS13_CERTIFICATE) {
		k->compressed = true;
		k->state = TLS13_VERIFY;
		return 0;
	}
	if (type != k->state)
		return fail(k, "a message out of order");
	switch (type) {
	case TLS13_SERVER_HELLO:
		return on_server_hello(k, p, n);
	case TLS13_EXTENSIONS:
		return on_extensions(k, p, n);
	case TLS13_CERTIFICATE:
		return on_certificate(k, p, n);
	case TLS13_VERIFY:
		return on_verify(k, p, n, before);
	default:
		return on_finished(k, p, n, before);
	}
}

/* Whole messages of the log that were not looked at. 0 or -errno */
static int messages(struct tls13_shake *k)
{
	int rc = 0;

	while (!rc && k->state != SHAKE_DONE && k->log_len - k->parsed >= 4) {
		const uint8_t *p = k->log + k->parsed;
		size_t before = k->parsed;
		size_t n = (size_t)p[1] << 16 | get_be16(p + 2);

		if (n > TLS13_FLIGHT_MAX)
			return fail(k, "a message too long");
		if (k->log_len - k->parsed < 4 + n)
			break;
		k->parsed += 4 + n;
		rc = on_message(k, p[0], p + 4, n, before);
		/* keys change behind a ServerHello: nothing may follow in its record */
		if (!rc && p[0] == TLS13_SERVER_HELLO &&
		    k->parsed != k->log_len)
			rc = fail(k, "more behind its ServerHello");
	}
	return rc;
}

/* --- records ------------------------------------------------------------------ */

/* A record without keys. 0 or -errno */
static int bare_record(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	if (p[0] == TLS_ALERT)
		return fail(k, "an alert to our hello");
	if (p[0] != TLS_HANDSHAKE || !n)
		return fail(k, "it does not speak TLS");
	return log_add(k, p + TLS13_HEAD_BYTES, n);
}

static int sealed_record(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	uint8_t *data, *copy = malloc(n);
	enum tls_content type;
	size_t len;
	int rc = 0;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, p, n);
	if (tls13_open(&k->rx, copy, n, &type, &data, &len) <= 0)
		rc = fail(k, "a record that does not decrypt");
	else if (type == TLS_ALERT)
		rc = fail(k, "an alert within its handshake");
	else if (type != TLS_HANDSHAKE)
		rc = fail(k, "data before its handshake ended");
	else
		rc = log_add(k, data, len);
	free(copy);
	return rc;
}

/* One record at @p. Its bytes, 0 more are needed, -errno */
static ssize_t record(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	size_t size;
	int rc;

	if (n >= 1 &&
	    (p[0] < TLS_CHANGE_CIPHER_SPEC || p[0] > TLS_APPLICATION_DATA))
		return fail(k, "it does not speak TLS");
	if (n < TLS13_HEAD_BYTES)
		return 0;
	size = get_be16(p + 3);
	if (p[1] != 3 || size > TLS13_RECORD_MAX - TLS13_HEAD_BYTES)
		return fail(k, "it does not speak TLS");
	if (n < TLS13_HEAD_BYTES + size)
		return 0;
	if (p[0] == TLS_CHANGE_CIPHER_SPEC)
		rc = size == 1 ? 0 : fail(k, "a broken change_cipher_spec");
	else if (k->state == TLS13_SERVER_HELLO)
		rc = bare_record(k, p, size);
	else
		rc = sealed_record(k, p, TLS13_HEAD_BYTES + size);
	return rc < 0 ? rc : (ssize_t)(TLS13_HEAD_BYTES + size);
}

/* --- what others call --------------------------------------------------------- */

int tls13_own_public(const struct tls13_own *own, struct tls13_offer *o)
{
	struct mlkem768_secret_key key;
	int rc = x25519_public(own->alone, o->share);

	mlkem768_key_set(&key, own->seed);
	memcpy(o->hybrid, key.public_key, MLKEM768_KEY_BYTES);
	wipe(&key, sizeof(key));
	return rc ? rc :
		    x25519_public(own->hybrid, o->hybrid + MLKEM768_KEY_BYTES);
}

int tls13_shake_start(struct tls13_shake *k, const uint8_t *hello, size_t n)
{
	int rc = log_add(k, hello, n);

	k->parsed = k->log_len;
	k->state = TLS13_SERVER_HELLO;
	if (k->tell.put && n >= TLS13_SESSION_ID_AT) {
		memcpy(k->tell.random, hello + TLS13_RANDOM_AT,
		       sizeof(k->tell.random));
		k->keys.tell = &k->tell;
	}
	if (n >= TLS13_SESSION_ID_AT + TLS13_SESSION_ID_BYTES)
		memcpy(k->session, hello + TLS13_SESSION_ID_AT,
		       TLS13_SESSION_ID_BYTES);
	return rc;
}

ssize_t tls13_shake_hello(const struct tls13_shake *k, uint8_t *out,
			  size_t room)
{
	struct wr w = wr_init(out, room);

	wr_u8(&w, TLS_HANDSHAKE);
	wr_be16(&w, 0x0301); /* as everybody's first record */
	wr_be16(&w, (uint16_t)k->log_len);
	wr_bytes(&w, k->log, k->log_len);
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}

ssize_t tls13_shake_feed(struct tls13_shake *k, const uint8_t *p, size_t n)
{
	while (k->state != SHAKE_DONE) {
		ssize_t used = record(k, p + k->seen, n - k->seen);
		int rc;

		if (used <= 0)
			return used;
		k->seen += (size_t)used;
		rc = messages(k);
		if (rc < 0)
			return rc;
	}
	return (ssize_t)k->seen;
}

/* Keys of the application in place of the handshake's. 0 or -errno */
static int keys_swap(struct tls13_shake *k)
{
	int rc = tls13_dir_set(&k->tx, k->keys.hash, k->keys.aead, k->next_tx);

	return rc ? rc :
		    tls13_dir_set(&k->rx, k->keys.hash, k->keys.aead,
				  k->next_rx);
}

ssize_t tls13_shake_finish(struct tls13_shake *k, uint8_t *out, size_t room)
{
	uint8_t msg[4 + HASH_MAX_BYTES] = { TLS13_FINISHED };
	size_t len = hash_len(k->keys.hash);
	ssize_t n;
	int rc;

	if (k->state != SHAKE_DONE || room < TLS13_CCS_BYTES)
		return k->state != SHAKE_DONE ? -EINVAL : -ENOBUFS;
	msg[3] = (uint8_t)len;
	rc = finished_sum(k, &k->tx, k->log_len, msg + 4);
	if (rc < 0)
		return rc;
	memcpy(out, tls13_ccs, TLS13_CCS_BYTES);
	n = tls13_seal(&k->tx, TLS_HANDSHAKE, msg, 4 + len,
		       out + TLS13_CCS_BYTES, room - TLS13_CCS_BYTES);
	if (n < 0)
		return n;
	rc = keys_swap(k);
	return rc < 0 ? rc : n + TLS13_CCS_BYTES;
}

void tls13_shake_drop(struct tls13_shake *k)
{
	tls13_dir_drop(&k->tx);
	tls13_dir_drop(&k->rx);
	if (k->log)
		wipe(k->log, k->log_cap);
	free(k->log);
	wipe(k, sizeof(*k));
}
