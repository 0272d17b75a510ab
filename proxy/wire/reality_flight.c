/* reality_flight.c - The target's handshake as a mould, and ours out of it */
#include "proxy/wire/reality_flight.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/mlkem.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"
#include "proxy/wire/reality.h"

enum { MSG_HEAD = 4 };

#define JOINED_FROM 513 /* a first record so long holds all messages */
#define SIZE_MOST   (TLS13_PLAIN_MAX + TLS13_EXTRA) /* that we can make, too */
#define SKIP_MAX    16 /* change_cipher_spec records before the Finished */
#define MESSAGES_MAX \
	4608 /* ours: 6 + 184 (or 3514) + 72 + 52, headers included */

/* --- the mould ------------------------------------------------------------------ */

/* The record at @r of @type: its size with its head, 0 its head is not here, -EPROTO */
static ssize_t record_size(const struct rd *r, enum tls_content type)
{
	size_t have = rd_left(r), size;

	if (have && r->p[0] != type)
		return -EPROTO;
	if (have < TLS13_HEAD_BYTES)
		return 0;
	size = TLS13_HEAD_BYTES + get_be16(r->p + 3);
	if (get_be16(r->p + 1) != 0x0303 || size > SIZE_MOST)
		return -EPROTO;
	return (ssize_t)size;
}

/* The same, whole and passed over */
static ssize_t record_pass(struct rd *r, enum tls_content type)
{
	ssize_t size = record_size(r, type);

	if (size > 0 && rd_left(r) < (size_t)size)
		return 0;
	if (size > 0)
		rd_bytes(r, (size_t)size);
	return size;
}

static bool share_fits(const struct tls13_answer *a)
{
	if (a->retry)
		return false;
	if (a->group == TLS13_X25519)
		return a->share_len == X25519_BYTES;
	return a->group == TLS13_X25519_MLKEM768 &&
	       a->share_len == MLKEM768_SEALED_BYTES + X25519_BYTES;
}

/* A record with nothing but the ServerHello. 1, 0, -EPROTO */
static int take_hello(struct rd *r, const uint8_t *session,
		      struct reality_mould *m)
{
	const uint8_t *p = r->p;
	ssize_t size = record_pass(r, TLS_HANDSHAKE);
	enum hash_kind hash;
	enum aead_kind aead;

	if (size <= 0)
		return (int)size;
	m->hello = p + TLS13_HEAD_BYTES;
	m->hello_len = (size_t)size - TLS13_HEAD_BYTES;
	if (m->hello_len < MSG_HEAD || m->hello[0] != TLS13_SERVER_HELLO ||
	    m->hello[1] || get_be16(m->hello + 2) != m->hello_len - MSG_HEAD)
		return -EPROTO;
	if (tls13_answer_decode(m->hello + MSG_HEAD, m->hello_len - MSG_HEAD,
				session, &m->answer) < 0 ||
	    tls13_suite(m->answer.suite, &hash, &aead) < 0 ||
	    !share_fits(&m->answer))
		return -EPROTO;
	return 1;
}

/* 1, 0, -EPROTO */
static int take_records(struct rd *r, struct reality_mould *m)
{
	ssize_t size = record_pass(r, TLS_CHANGE_CIPHER_SPEC);

	if (size <= 0)
		return (int)size;
	if (size != TLS13_CCS_BYTES)
		return -EPROTO;
	for (int i = 0; i < REALITY_PARTS; i++) {
		size = record_size(r, TLS_APPLICATION_DATA);
		if (size <= 0)
			return (int)size;
		m->size[i] = (size_t)size;
		m->joined = i == 0 && size >= JOINED_FROM;
		if (m->joined)
			return 1;
		if (record_pass(r, TLS_APPLICATION_DATA) == 0)
			return 0;
	}
	if (!rd_left(r))
		return 1;
	size = record_size(r, TLS_APPLICATION_DATA);
	if (size > 0)
		m->ticket = (size_t)size;
	return size > 0 ? 1 : (int)size;
}

int reality_mould_take(const uint8_t *p, size_t n,
		       const uint8_t session[TLS13_SESSION_ID_BYTES],
		       struct reality_mould *out)
{
	struct rd r = rd_init(p, n);
	int rc;

	memset(out, 0, sizeof(*out));
	rc = take_hello(&r, session, out);
	return rc == 1 ? take_records(&r, out) : rc;
}

/* --- our handshake -------------------------------------------------------------- */

/**
 * struct shake - One answer in the making
 * @log:	Our handshake messages so far, behind the ServerHello
 * @start:	Where in it the message now written begins
 */
struct shake {
	const struct reality_mould *m;
	const struct reality_client *c;
	const struct reality_dice *dice;
	struct reality_keys *k;
	struct tls13_keys keys;
	struct wr *out;
	uint8_t hello[2048], messages[MESSAGES_MAX];
	struct wr log;
	size_t start[REALITY_PARTS + 1];
};

/* The hash of what was said so far */
static int transcript(const struct shake *s, uint8_t *sum)
{
	struct iovec v[3];

	memcpy(&v[0].iov_base, &s->c->msg, sizeof(s->c->msg));
	v[0].iov_len = s->c->len;
	memcpy(&v[1].iov_base, &(const uint8_t *){ s->hello },
	       sizeof(v[1].iov_base));
	v[1].iov_len = s->m->hello_len;
	memcpy(&v[2].iov_base, &(const uint8_t *){ s->messages },
	       sizeof(v[2].iov_base));
	v[2].iov_len = wr_len(&s->log);
	return hash_vec(s->keys.hash, v, 3, sum);
}

/*
 * Our share in the place of the target's, and the secret of both ends.
 * 0, -ENOMEM, -EPROTO: the client sent no such key
 */
static int exchange(const struct shake *s, uint8_t *share, uint8_t *secret,
		    size_t *secret_len)
{
	const uint8_t *peer = s->c->hello->alone;
	int rc = 0;

	if (s->m->answer.group == TLS13_X25519_MLKEM768) {
		const uint8_t *key = s->c->hello->mlkem;

		if (!key)
			return -EPROTO;
		rc = mlkem768_encaps(key, s->dice->mlkem, share, secret);
		peer = key + MLKEM768_KEY_BYTES;
		share += MLKEM768_SEALED_BYTES;
		secret += MLKEM_SHARED_BYTES;
		*secret_len = MLKEM_SHARED_BYTES;
	}
	if (!rc && !peer)
		rc = -EPROTO;
	if (!rc)
		rc = x25519_public(s->dice->share, share);
	if (!rc)
		rc = x25519_shared(s->dice->share, peer, secret);
	*secret_len += X25519_BYTES;
	return rc;
}

/* ServerHello and change_cipher_spec; the handshake's keys */
static int say_hello(struct shake *s)
{
	uint8_t secret[MLKEM_SHARED_BYTES + X25519_BYTES];
	uint8_t sum[HASH_MAX_BYTES];
	size_t len = 0;
	int rc;

	if (s->m->hello_len > sizeof(s->hello))
		return -EPROTO;
	memcpy(s->hello, s->m->hello, s->m->hello_len);
	rc = exchange(s, s->hello + (s->m->answer.share - s->m->hello), secret,
		      &len);
	wr_u8(s->out, TLS_HANDSHAKE);
	wr_be16(s->out, 0x0303);
	wr_be16(s->out, (uint16_t)s->m->hello_len);
	wr_bytes(s->out, s->hello, s->m->hello_len);
	wr_bytes(s->out, tls13_ccs, TLS13_CCS_BYTES);
	if (!rc)
		rc = tls13_keys_early(&s->keys);
	if (!rc)
		rc = tls13_keys_step(&s->keys, secret, len);
	if (!rc)
		rc = transcript(s, sum);
	if (!rc)
		rc = tls13_keys_dir(&s->keys, "c hs traffic", sum, &s->k->rx);
	if (!rc)
		rc = tls13_keys_dir(&s->keys, "s hs traffic", sum, &s->k->tx);
	wipe(secret, sizeof(secret));
	return rc;
}

/* --- our messages */

static void message(struct shake *s, enum reality_part part, uint8_t type,
		    size_t len)
{
	s->start[part] = wr_len(&s->log);
	wr_u8(&s->log, type);
	wr_u8(&s->log, 0);
	wr_be16(&s->log, (uint16_t)len);
}

/* Everything of the certificate but the key and what looks like its signature */
static const uint8_t cert_head[] = {
	0x30, 0x81, 0xab, 0x30, 0x5f, 0xa0, 0x03, 0x02, 0x01, 0x02, /* v3 */
	0x02, 0x01, 0x01, /* serial */
	0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, /* Ed25519 */
	0x30, 0x00, /* issuer */
	0x30, 0x1e, 0x17, 0x0d, '0',  '0',  '0',  '1',  '0',  '1',
	'0',  '0',  '0',  '0',  '0',  '0',  'Z', /* valid from 2000 */
	0x17, 0x0d, '4',  '9',  '1',  '2',  '3',  '1',  '2',  '3',
	'5',  '9',  '5',  '9',  'Z', /* to 2049 */
	0x30, 0x00, /* subject */
	0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03,
	0x21, 0x00, /* the key follows */
};
static const uint8_t cert_middle[] = { 0x30, 0x05, 0x06, 0x03, 0x2b,
				       0x65, 0x70, 0x03, 0x41, 0x00 };
#define CERT_BYTES \
	(sizeof(cert_head) + ED25519_BYTES + sizeof(cert_middle) + \
	 ED25519_SIG_BYTES)

/* The same with the extension 0.0, whose value is the last thing before cert_middle */
#define HEAD_OUTER 5 /* what of cert_head says how long the rest is */
static const uint8_t cert_outer[] = { 0x30, 0x82, 0x0d, 0xad,
				      0x30, 0x82, 0x0d, 0x5f };
static const uint8_t cert_extension[] = { 0xa3, 0x82, 0x0c, 0xfc, 0x30,
					  0x82, 0x0c, 0xf8, 0x30, 0x82,
					  0x0c, 0xf4, 0x06, 0x01, 0x00,
					  0x04, 0x82, 0x0c, 0xed };
#define SIGNED_MORE \
	(sizeof(cert_outer) - HEAD_OUTER + sizeof(cert_extension) + \
	 MLDSA65_SIG_BYTES)

/* Behind the key: a signature of both hellos. 0 or -ENOMEM */
static int sign_hellos(struct shake *s, const uint8_t key[ED25519_BYTES])
{
	static const uint8_t same[32]; /* as Xray: no randomness is needed */
	uint8_t said[HASH_MAX_BYTES], sig[MLDSA65_SIG_BYTES];
	struct iovec v[2];
	int rc;

	memcpy(&v[0].iov_base, &s->c->msg, sizeof(s->c->msg));
	v[0].iov_len = s->c->len;
	v[1] = (struct iovec){ s->hello, s->m->hello_len };
	rc = reality_signed(s->c->auth_key, key, v, said);
	if (rc < 0)
		return rc;
	mldsa65_sign(s->c->sign, said, hash_len(HASH_SHA512), same, sig);
	wr_bytes(&s->log, cert_extension, sizeof(cert_extension));
	wr_bytes(&s->log, sig, sizeof(sig));
	return 0;
}

/* What the client looks for: signed with the key that only we share with it */
static int say_certificate(struct shake *s)
{
	uint8_t key[ED25519_BYTES], proof[HASH_MAX_BYTES];
	size_t len = CERT_BYTES + (s->c->sign ? SIGNED_MORE : 0);
	int rc = ed25519_public(s->dice->cert, key);

	if (!rc)
		rc = hmac_once(HASH_SHA512, s->c->auth_key, REALITY_KEY_BYTES,
			       key, sizeof(key), proof);
	message(s, PART_CERTIFICATE, TLS13_CERTIFICATE, len + 9);
	wr_u8(&s->log, 0); /* no context */
	wr_u8(&s->log, 0);
	wr_be16(&s->log, (uint16_t)(len + 5));
	wr_u8(&s->log, 0);
	wr_be16(&s->log, (uint16_t)len);
	wr_bytes(&s->log, s->c->sign ? cert_outer : cert_head,
		 s->c->sign ? sizeof(cert_outer) : HEAD_OUTER);
	wr_bytes(&s->log, cert_head + HEAD_OUTER,
		 sizeof(cert_head) - HEAD_OUTER);
	wr_bytes(&s->log, key, sizeof(key));
	if (!rc && s->c->sign)
		rc = sign_hellos(s, key);
	wr_bytes(&s->log, cert_middle, sizeof(cert_middle));
	wr_bytes(&s->log, proof, ED25519_SIG_BYTES);
	wr_be16(&s->log, 0); /* no extensions */
	return rc;
}

static int say_verify(struct shake *s)
{
	uint8_t covered[TLS13_COVERED_MAX], sum[HASH_MAX_BYTES];
	uint8_t sig[ED25519_SIG_BYTES];
	int rc = transcript(s, sum);

	if (!rc)
		rc = ed25519_sign(s->dice->cert, covered,
				  tls13_covered(s->keys.hash, sum, covered),
				  sig);
	message(s, PART_VERIFY, TLS13_VERIFY, 4 + sizeof(sig));
	wr_be16(&s->log, SCHEME_ED25519);
	wr_be16(&s->log, sizeof(sig));
	wr_bytes(&s->log, sig, sizeof(sig));
	return rc;
}

static int say_finished(struct shake *s)
{
	uint8_t sum[HASH_MAX_BYTES], say[HASH_MAX_BYTES];
	int rc = transcript(s, sum);

	if (!rc)
		rc = tls13_keys_finished(s->keys.hash, s->k->tx.secret, sum,
					 say);
	message(s, PART_FINISHED, TLS13_FINISHED, hash_len(s->keys.hash));
	wr_bytes(&s->log, say, hash_len(s->keys.hash));
	return rc;
}

static int say_messages(struct shake *s)
{
	int rc;

	message(s, PART_EXTENSIONS, TLS13_EXTENSIONS, 2);
	wr_be16(&s->log, 0); /* no extensions: no ALPN is chosen */
	rc = say_certificate(s);
	if (!rc)
		rc = say_verify(s);
	if (!rc)
		rc = say_finished(s);
	s->start[REALITY_PARTS] = wr_len(&s->log);
	if (!rc && !wr_ok(&s->log))
		rc = -ENOBUFS;
	return rc;
}

/* @n bytes at @p of @type in a record of @size. 0 or -errno */
static int put_record(struct shake *s, enum tls_content type, const uint8_t *p,
		      size_t n, size_t size)
{
	ssize_t put;

	if (size > wr_left(s->out))
		return size > TLS13_RECORD_MAX ? -EPROTO : -ENOBUFS;
	put = tls13_seal_padded(&s->k->tx, type, p, n, size, s->out->p);
	if (put == -EINVAL)
		return -EPROTO; /* the target's was shorter than ours */
	if (put < 0)
		return (int)put;
	s->out->p += put;
	return 0;
}

static int put_messages(struct shake *s)
{
	int parts = s->m->joined ? 1 : REALITY_PARTS, rc = 0;

	for (int i = 0; !rc && i < parts; i++) {
		size_t from = s->start[i];
		size_t to = s->start[s->m->joined ? REALITY_PARTS : i + 1];

		rc = put_record(s, TLS_HANDSHAKE, s->messages + from, to - from,
				s->m->size[i]);
	}
	return rc;
}

/* Keys of the application, and what the client's Finished must be */
static int application(struct shake *s)
{
	uint8_t sum[HASH_MAX_BYTES];
	int rc = transcript(s, sum);

	s->k->hash = s->keys.hash;
	if (!rc)
		rc = tls13_keys_finished(s->keys.hash, s->k->rx.secret, sum,
					 s->k->finished);
	if (!rc)
		rc = tls13_keys_master(&s->keys);
	if (!rc)
		rc = tls13_keys_secret(&s->keys, "c ap traffic", sum,
				       s->k->next_rx);
	if (!rc)
		rc = tls13_keys_dir(&s->keys, "s ap traffic", sum, &s->k->tx);
	/* the target's ticket: an empty record of the same length */
	if (!rc && s->m->ticket)
		rc = put_record(s, TLS_APPLICATION_DATA, NULL, 0, s->m->ticket);
	return rc;
}

ssize_t reality_answer(const struct reality_mould *m,
		       const struct reality_client *c,
		       const struct reality_dice *dice, uint8_t *out,
		       size_t room, struct reality_keys *k)
{
	struct wr w = wr_init(out, room);
	struct shake s = { .m = m, .c = c, .dice = dice, .k = k, .out = &w };
	int rc;

	memset(k, 0, sizeof(*k));
	s.log = wr_init(s.messages, sizeof(s.messages));
	s.keys.tell = c->tell;
	rc = tls13_suite(m->answer.suite, &s.keys.hash, &s.keys.aead);
	if (!rc)
		rc = say_hello(&s);
	if (!rc)
		rc = say_messages(&s);
	if (!rc && !wr_ok(&w))
		rc = -ENOBUFS;
	if (!rc)
		rc = put_messages(&s);
	if (!rc)
		rc = application(&s);
	wipe(&s.keys, sizeof(s.keys));
	if (rc < 0)
		reality_keys_drop(k);
	return rc < 0 ? rc : (ssize_t)wr_len(&w);
}

/* --- the client's end of it ------------------------------------------------------- */

static int check_finished(struct reality_keys *k, const uint8_t *p, size_t n)
{
	size_t len = hash_len(k->hash);

	if (n != MSG_HEAD + len || p[0] != TLS13_FINISHED || p[1] ||
	    get_be16(p + 2) != len || !ct_equal(p + MSG_HEAD, k->finished, len))
		return -EPROTO;
	return tls13_dir_set(&k->rx, k->rx.hash, k->rx.aead, k->next_rx);
}

ssize_t reality_finished_take(struct reality_keys *k, uint8_t *p, size_t n,
			      bool *done)
{
	enum tls_content type;
	uint8_t *data;
	size_t len;
	ssize_t used;
	int rc;

	*done = false;
	if (n && p[0] != TLS_CHANGE_CIPHER_SPEC && p[0] != TLS_APPLICATION_DATA)
		return -EPROTO;
	if (n >= 3 && get_be16(p + 1) != 0x0303)
		return -EPROTO;
	used = tls13_open(&k->rx, p, n, &type, &data, &len);
	if (used <= 0)
		return used;
	if (type == TLS_CHANGE_CIPHER_SPEC && !len && data[0] == 1)
		return ++k->skipped > SKIP_MAX ? -EPROTO : used;
	if (type != TLS_HANDSHAKE)
		return -EPROTO;
	rc = check_finished(k, data, len);
	*done = rc == 0;
	return rc < 0 ? rc : used;
}

void reality_keys_drop(struct reality_keys *k)
{
	tls13_dir_drop(&k->tx);
	tls13_dir_drop(&k->rx);
	wipe(k, sizeof(*k));
}

size_t reality_after_take(const uint8_t *p, size_t n, size_t *size, size_t max)
{
	struct rd r = rd_init(p, n);
	size_t count = 0;

	while (count < max) {
		ssize_t len = record_pass(&r, TLS_APPLICATION_DATA);

		if (len < (ssize_t)TLS13_EXTRA)
			break;
		size[count++] = (size_t)len;
	}
	return count;
}
