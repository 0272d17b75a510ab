/*
 * test_tls13.c - the TLS 1.3 client of REALITY against OpenSSL as server
 *
 * The server is a real one; its REALITY part (session id, certificate) is made
 * here, with EVP directly.
 */
#include "tests/unit/cm.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "gateway/base/crypto_pk.h"
#include "gateway/base/rand.h"
#include "proxy/wire/reality.h"

#define NOW 1800000000u

/**
 * struct peer - A server, and the client under test
 * @k:	The client's handshake
 * @from:	Bytes the server sent so far
 */
struct peer {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	EVP_PKEY *cert_key;
	uint8_t server_private[32], auth[32], want_auth[32];
	struct reality_id id;
	uint8_t hello[TLS13_HELLO_MAX];
	size_t hello_len;
	struct tls13_shake k;
	uint8_t from[32768];
	size_t from_len;
	bool genuine;
	int judged;
};

/* What either side told of its secrets, by lines; @put: the client does */
static struct told {
	void (*put)(int fd, const char *line);
	char ours[8][256], theirs[8][256];
	int ours_n, theirs_n;
} told;

static void put_ours(int fd, const char *line)
{
	assert_int_equal(fd, 7);
	assert_true(told.ours_n < 8);
	snprintf(told.ours[told.ours_n++], 256, "%s", line);
}

static void put_theirs(const SSL *ssl, const char *line)
{
	(void)ssl;
	assert_true(told.theirs_n < 8);
	snprintf(told.theirs[told.theirs_n++], 256, "%s", line);
}

/* --- the server's side of REALITY ---------------------------------------------- */

static void hkdf_sha256(const uint8_t *ikm, const uint8_t *salt, uint8_t *out)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	size_t n = 32;

	assert_int_equal(EVP_PKEY_derive_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_hkdf_salt(c, salt, 20), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_hkdf_key(c, ikm, 32), 1);
	assert_int_equal(
		EVP_PKEY_CTX_add1_hkdf_info(c, (const uint8_t *)"REALITY", 7),
		1);
	assert_int_equal(EVP_PKEY_derive(c, out, &n), 1);
	EVP_PKEY_CTX_free(c);
}

/* The X25519 share of a hello: the extension's 33, 0, 32 and what follows */
static const uint8_t *share_in(const uint8_t *p, size_t n)
{
	static const uint8_t head[] = { 0, 29, 0, 32 };

	for (size_t i = 0; i + 36 <= n; i++)
		if (!memcmp(p + i, head, 4))
			return p + i + 4;
	return NULL;
}

/* What a server learns from the session id: 16 bytes, or fails */
static void open_session(struct peer *p, uint8_t plain[16])
{
	uint8_t hello[TLS13_HELLO_MAX], sid[32], shared[32];
	const uint8_t *share = share_in(p->hello, p->hello_len);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	assert_non_null(share);
	assert_int_equal(x25519_shared(p->server_private, share, shared), 0);
	hkdf_sha256(shared, p->hello + 6, p->want_auth);
	memcpy(hello, p->hello, p->hello_len);
	memcpy(sid, hello + 39, 32);
	memset(hello + 39, 0, 32);
	assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL,
					    p->want_auth, hello + 26),
			 1);
	assert_int_equal(
		EVP_DecryptUpdate(c, NULL, &n, hello, (int)p->hello_len), 1);
	assert_int_equal(EVP_DecryptUpdate(c, plain, &n, sid, 16), 1);
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, sid + 16), 1);
	assert_int_equal(EVP_DecryptFinal_ex(c, plain + 16, &n), 1);
	EVP_CIPHER_CTX_free(c);
}

static X509 *certificate(struct peer *p)
{
	X509 *x = X509_new();
	uint8_t *der = NULL, pub[32], sum[64];
	unsigned int len = 64;
	const uint8_t *at;
	size_t n = 32;
	int size;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -100);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, p->cert_key);
	assert_true(X509_sign(x, p->cert_key, NULL) > 0);
	size = i2d_X509(x, &der);
	assert_true(size > 64);
	X509_free(x);
	if (p->genuine) {
		EVP_PKEY_get_raw_public_key(p->cert_key, pub, &n);
		HMAC(EVP_sha512(), p->want_auth, 32, pub, 32, sum, &len);
		memcpy(der + size - 64, sum, 64);
	}
	at = der;
	x = d2i_X509(NULL, &at, size);
	assert_non_null(x);
	OPENSSL_free(der);
	return x;
}

static int alpn(SSL *ssl, const uint8_t **out, uint8_t *len, const uint8_t *in,
		unsigned int n, void *arg)
{
	(void)ssl;
	(void)arg;
	assert_true(n >= 3 && in[0] == 2 && !memcmp(in + 1, "h2", 2));
	*out = in + 1;
	*len = 2;
	return SSL_TLSEXT_ERR_OK;
}

/* --- both sides ---------------------------------------------------------------- */

static int judge(void *arg, const struct tls13_proof *proof)
{
	struct peer *p = arg;

	p->judged++;
	return reality_server_is(proof, p->auth);
}

/*
 * A browser offers no Ed25519, and a REALITY server does not mind. OpenSSL
 * does: for it rsa_pkcs1_sha512 becomes ed25519
 */
static void offer_ed25519(struct peer *p)
{
	for (size_t i = 0; i + 4 <= p->hello_len; i++) {
		if (memcmp(p->hello + i, "\x08\x06\x06\x01", 4) != 0)
			continue;
		put_be16(p->hello + i + 2, 0x0807);
		return;
	}
	fail_msg("no signature schemes in the hello");
}

static void client(struct peer *p, const char *name)
{
	struct tls13_offer o = { .name = name,
				 .alpn = (const uint8_t *)"\2h2\10http/1.1",
				 .alpn_len = 12 };
	ssize_t n;

	rand_bytes(&p->k.own, sizeof(p->k.own));
	rand_bytes(o.random, 32);
	rand_bytes(o.dice, sizeof(o.dice));
	assert_int_equal(tls13_own_public(&p->k.own, &o), 0);
	n = tls13_hello_encode(&o, p->hello, sizeof(p->hello));
	assert_true(n > 0);
	p->hello_len = (size_t)n;
	offer_ed25519(p);
	assert_int_equal(reality_seal(&p->id, p->k.own.alone, NOW, p->hello,
				      p->hello_len, p->auth),
			 0);
	p->k.judge = judge;
	p->k.arg = p;
	p->k.tell.put = told.put;
	p->k.tell.fd = 7;
	assert_int_equal(tls13_shake_start(&p->k, p->hello, p->hello_len), 0);
}

/* @suite: of OpenSSL, NULL any. @setup: what else the server is told */
static void meet(struct peer *p, const char *suite, void (*setup)(SSL_CTX *ctx))
{
	uint8_t record[TLS13_HELLO_MAX + 5], plain[16];
	ssize_t n;

	memset(p, 0, sizeof(*p));
	p->genuine = true;
	rand_bytes(p->server_private, 32);
	assert_int_equal(x25519_public(p->server_private, p->id.server_key), 0);
	memcpy(p->id.short_id, "\x12\x34\0\0\0\0\0\0", 8);
	p->ctx = SSL_CTX_new(TLS_server_method());
	p->cert_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (suite)
		assert_int_equal(SSL_CTX_set_ciphersuites(p->ctx, suite), 1);
	SSL_CTX_set_alpn_select_cb(p->ctx, alpn, NULL);
	if (setup)
		setup(p->ctx);
	client(p, "site.test");
	open_session(p, plain);
	assert_memory_equal(plain, "\x1a\x9\x9\0", 4);
	assert_memory_equal(plain + 4, "\x6b\x49\xd2\0", 4);
	assert_memory_equal(plain + 8, p->id.short_id, 8);
	p->ssl = SSL_new(p->ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_accept_state(p->ssl);
	n = tls13_shake_hello(&p->k, record, sizeof(record));
	assert_true(n > 0);
	BIO_write(p->in, record, (int)n);
}

static void serve(struct peer *p)
{
	X509 *x = certificate(p);
	int n;

	SSL_use_certificate(p->ssl, x);
	SSL_use_PrivateKey(p->ssl, p->cert_key);
	X509_free(x);
	SSL_do_handshake(p->ssl);
	n = BIO_read(p->out, p->from + p->from_len,
		     (int)(sizeof(p->from) - p->from_len));
	p->from_len += n > 0 ? (size_t)n : 0;
}

static void part(struct peer *p)
{
	tls13_shake_drop(&p->k);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	EVP_PKEY_free(p->cert_key);
	ERR_clear_error();
}

/* The rest of a good handshake */
static void complete(struct peer *p)
{
	uint8_t out[256];
	ssize_t n;

	assert_int_equal(tls13_shake_feed(&p->k, p->from, p->from_len),
			 p->from_len);
	n = tls13_shake_finish(&p->k, out, sizeof(out));
	assert_true(n > 0);
	BIO_write(p->in, out, (int)n);
	assert_int_equal(SSL_do_handshake(p->ssl), 1);
	assert_string_equal(
		SSL_get_servername(p->ssl, TLSEXT_NAMETYPE_host_name),
		"site.test");
}

/* Open records of @p until data comes; handshake records are counted */
static size_t next_data(struct tls13_dir *rx, uint8_t *p, size_t n,
			uint8_t **data, int *handshake)
{
	enum tls_content type;
	size_t at = 0, len = 0;

	while (at < n) {
		ssize_t k = tls13_open(rx, p + at, n - at, &type, data, &len);

		assert_true(k > 0);
		at += (size_t)k;
		if (type == TLS_APPLICATION_DATA) {
			assert_int_equal(at, n);
			return len;
		}
		assert_int_equal(type, TLS_HANDSHAKE);
		if ((*data)[0] == 24) /* KeyUpdate */
			assert_int_equal(tls13_dir_next(rx), 0);
		++*handshake;
	}
	return 0;
}

static void talk(struct peer *p, const char *up, const char *down, int messages)
{
	uint8_t buf[4096], *data = NULL;
	char got[256] = "";
	int seen = 0, k;
	ssize_t n;

	n = tls13_seal(&p->k.tx, TLS_APPLICATION_DATA, (const uint8_t *)up,
		       strlen(up), buf, sizeof(buf));
	assert_int_equal(n, strlen(up) + TLS13_EXTRA);
	BIO_write(p->in, buf, (int)n);
	assert_int_equal(SSL_read(p->ssl, got, sizeof(got)), strlen(up));
	assert_string_equal(got, up);
	SSL_write(p->ssl, down, (int)strlen(down));
	k = BIO_read(p->out, buf, sizeof(buf));
	assert_int_equal(next_data(&p->k.rx, buf, (size_t)k, &data, &seen),
			 strlen(down));
	assert_memory_equal(data, down, strlen(down));
	assert_int_equal(seen, messages);
}

/* --- tests --------------------------------------------------------------------- */

static void each_suite_talks(void **state)
{
	static const char *const suites[] = { "TLS_AES_128_GCM_SHA256",
					      "TLS_AES_256_GCM_SHA384",
					      "TLS_CHACHA20_POLY1305_SHA256" };
	struct peer p;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		meet(&p, suites[i], NULL);
		serve(&p);
		complete(&p);
		assert_int_equal(p.judged, 1);
		assert_string_equal(p.k.alpn, "h2");
		talk(&p, "hello", "world", 2); /* two session tickets */
		SSL_key_update(p.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		talk(&p, "again", "and again", 1);
		assert_int_equal(tls13_dir_next(&p.k.tx), 0);
		part(&p);
	}
}

static void tells(SSL_CTX *ctx)
{
	SSL_CTX_set_keylog_callback(ctx, put_theirs);
}

/* Each of our lines is one of OpenSSL's, which has one more of exporters */
static void secrets_are_told_in_the_words_of_openssl(void **state)
{
	static const char *const suites[] = { "TLS_AES_128_GCM_SHA256",
					      "TLS_AES_256_GCM_SHA384" };
	struct peer p;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		told.ours_n = told.theirs_n = 0;
		told.put = put_ours;
		meet(&p, suites[i], tells);
		told.put = NULL;
		serve(&p);
		complete(&p);
		assert_int_equal(told.ours_n, 4);
		for (int k = 0; k < 4; k++) {
			int n = 0;

			while (n < told.theirs_n &&
			       strcasecmp(told.ours[k], told.theirs[n]) != 0)
				n++;
			if (n == told.theirs_n)
				fail_msg("not told: %s", told.ours[k]);
			told.theirs[n][0] = '\0';
		}
		part(&p);
	}
}

static void bytes_come_one_by_one(void **state)
{
	struct peer p;

	(void)state;
	meet(&p, NULL, NULL);
	serve(&p);
	for (size_t n = 0; n < p.from_len; n++)
		assert_int_equal(tls13_shake_feed(&p.k, p.from, n), 0);
	complete(&p);
	talk(&p, "x", "y", 2);
	part(&p);
}

static void another_server_is_told_apart(void **state)
{
	struct peer p;

	(void)state;
	meet(&p, NULL, NULL);
	p.genuine = false; /* a certificate of its own, well signed */
	serve(&p);
	assert_int_equal(tls13_shake_feed(&p.k, p.from, p.from_len), -EACCES);
	part(&p);
}

static void another_key_is_told_apart(void **state)
{
	struct peer p;

	(void)state;
	meet(&p, NULL, NULL);
	p.want_auth[0] ^= 1;
	serve(&p);
	assert_int_equal(tls13_shake_feed(&p.k, p.from, p.from_len), -EACCES);
	part(&p);
}

static void any_changed_byte_ends_it(void **state)
{
	struct peer p;
	size_t ccs = 0;

	(void)state;
	for (size_t at = 0; at < 1400; at += 7) {
		meet(&p, NULL, NULL);
		serve(&p);
		if (at >= p.from_len) {
			part(&p);
			break;
		}
		p.from[at] ^= 0x40;
		if (tls13_shake_feed(&p.k, p.from, p.from_len) > 0)
			ccs++; /* a change_cipher_spec says nothing */
		part(&p);
	}
	assert_true(ccs <= 1);
}

static void p256_only(SSL_CTX *ctx)
{
	assert_int_equal(SSL_CTX_set1_groups_list(ctx, "P-256"), 1);
}

static void tls12_only(SSL_CTX *ctx)
{
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
}

static void what_cannot_be_done_is_said(void **state)
{
	struct peer p;

	(void)state;
	meet(&p, NULL, p256_only);
	serve(&p);
	assert_int_equal(tls13_shake_feed(&p.k, p.from, p.from_len), -EPROTO);
	assert_non_null(strstr(p.k.why, "another key exchange"));
	part(&p);
	meet(&p, NULL, tls12_only);
	serve(&p);
	assert_int_equal(tls13_shake_feed(&p.k, p.from, p.from_len), -EPROTO);
	assert_non_null(p.k.why);
	part(&p);
	meet(&p, NULL, NULL);
	assert_int_equal(
		tls13_shake_feed(&p.k, (const uint8_t *)"HTTP/1.1 400", 12),
		-EPROTO);
	assert_string_equal(p.k.why, "it does not speak TLS");
	part(&p);
	meet(&p, NULL, NULL);
	assert_int_equal(tls13_shake_feed(&p.k,
					  (const uint8_t *)"\x15\3\3\0\2\2\x28",
					  7),
			 -EPROTO);
	assert_string_equal(p.k.why, "an alert to our hello");
	part(&p);
}

static void a_hello_fits_and_differs(void **state)
{
	struct tls13_offer o = { .name = "a.test" };
	uint8_t a[TLS13_HELLO_MAX], b[TLS13_HELLO_MAX];
	ssize_t n, m;

	(void)state;
	rand_bytes(o.dice, sizeof(o.dice));
	n = tls13_hello_encode(&o, a, sizeof(a));
	assert_in_range(n, 1600, 2200);
	assert_int_equal(get_be16(a + 2), n - 4);
	for (ssize_t room = 0; room < n; room++)
		assert_int_equal(tls13_hello_encode(&o, b, (size_t)room),
				 -ENOBUFS);
	for (int i = 0; i < 200; i++) {
		rand_bytes(o.dice, sizeof(o.dice));
		m = tls13_hello_encode(&o, b, sizeof(b));
		assert_true(m > 0);
	}
	assert_memory_not_equal(a, b, (size_t)n);
	o.name = NULL;
	assert_int_equal(tls13_hello_encode(&o, b, sizeof(b)), m - 15);
}

/* Servers of Xray since 26.9.8 know nobody else: docs/wire/reality.md */
static void the_hybrid_share_comes_first_and_once(void **state)
{
	static const uint8_t hybrid[] = { 0x11, 0xec, 0x04, 0xc0 };
	struct tls13_own own;
	struct tls13_offer o = { .name = "a.test" };
	uint8_t p[TLS13_HELLO_MAX];
	const uint8_t *alone;
	size_t at = 0, found = 0;
	ssize_t n;

	(void)state;
	memset(&own, 7, sizeof(own));
	assert_int_equal(tls13_own_public(&own, &o), 0);
	n = tls13_hello_encode(&o, p, sizeof(p));
	assert_true(n > 0);
	for (size_t i = 0; i + sizeof(hybrid) <= (size_t)n; i++) {
		if (memcmp(p + i, hybrid, sizeof(hybrid)) != 0)
			continue;
		at = i + sizeof(hybrid);
		found++;
	}
	assert_int_equal(found, 1);
	assert_memory_equal(p + at, o.hybrid, sizeof(o.hybrid));
	alone = share_in(p, (size_t)n);
	assert_ptr_equal(alone, p + at + sizeof(o.hybrid) + 4);
	assert_memory_equal(alone, o.share, sizeof(o.share));
}

static void records_know_their_limits(void **state)
{
	static uint8_t buf[TLS13_RECORD_MAX + 64];
	struct tls13_dir tx = { 0 }, rx = { 0 };
	uint8_t secret[32] = { 1 }, *data;
	enum tls_content type;
	size_t len;
	ssize_t n;

	(void)state;
	tls13_dir_set(&tx, HASH_SHA256, AEAD_AES_128_GCM, secret);
	tls13_dir_set(&rx, HASH_SHA256, AEAD_AES_128_GCM, secret);
	assert_int_equal(tls13_seal(&tx, TLS_ALERT, buf, TLS13_PLAIN_MAX + 1,
				    buf, sizeof(buf)),
			 -EINVAL);
	assert_int_equal(tls13_seal(&tx, TLS_ALERT, buf, 100, buf, 121),
			 -ENOBUFS);
	n = tls13_seal(&tx, TLS_APPLICATION_DATA, buf + 5, TLS13_PLAIN_MAX, buf,
		       sizeof(buf));
	assert_int_equal(n, TLS13_PLAIN_MAX + TLS13_EXTRA);
	for (ssize_t i = 0; i < n; i += 100)
		assert_int_equal(
			tls13_open(&rx, buf, (size_t)i, &type, &data, &len), 0);
	assert_int_equal(tls13_open(&rx, buf, (size_t)n, &type, &data, &len),
			 n);
	assert_int_equal(len, TLS13_PLAIN_MAX);
	/* bare alerts and data are refused once there are keys */
	assert_int_equal(tls13_open(&rx, (uint8_t[]){ 21, 3, 3, 0, 2, 2, 0 }, 7,
				    &type, &data, &len),
			 -EPROTO);
	assert_int_equal(tls13_open(&rx, (uint8_t[]){ 20, 3, 3, 0, 1, 1 }, 6,
				    &type, &data, &len),
			 6);
	assert_int_equal(len, 0);
	assert_int_equal(tls13_open(&rx, (uint8_t[]){ 23, 3, 3, 0x42, 0 }, 5,
				    &type, &data, &len),
			 -EPROTO);
	tls13_dir_drop(&tx);
	tls13_dir_drop(&rx);
}

static void certificates_are_parsed_within_their_bytes(void **state)
{
	struct peer p;
	uint8_t *der = NULL;
	const uint8_t *key, *sig;
	size_t sig_len;
	X509 *x;
	int n;

	(void)state;
	meet(&p, NULL, NULL);
	x = certificate(&p);
	n = i2d_X509(x, &der);
	assert_int_equal(
		reality_cert_parse(der, (size_t)n, &key, &sig, &sig_len), 0);
	assert_int_equal(sig_len, 64);
	assert_ptr_equal(sig, der + n - 64);
	for (int i = 0; i < n; i++) {
		uint8_t *cut = malloc((size_t)i + !i);

		memcpy(cut, der, (size_t)i);
		assert_int_equal(reality_cert_parse(cut, (size_t)i, &key, &sig,
						    &sig_len),
				 -EPROTO);
		free(cut);
	}
	OPENSSL_free(der);
	X509_free(x);
	part(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_suite_talks),
		cmocka_unit_test(secrets_are_told_in_the_words_of_openssl),
		cmocka_unit_test(bytes_come_one_by_one),
		cmocka_unit_test(another_server_is_told_apart),
		cmocka_unit_test(another_key_is_told_apart),
		cmocka_unit_test(any_changed_byte_ends_it),
		cmocka_unit_test(what_cannot_be_done_is_said),
		cmocka_unit_test(a_hello_fits_and_differs),
		cmocka_unit_test(the_hybrid_share_comes_first_and_once),
		cmocka_unit_test(records_know_their_limits),
		cmocka_unit_test(certificates_are_parsed_within_their_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
