/*
 * test_reality_in.c - the server's half of REALITY: whom it knows, OpenSSL's
 * flights as moulds, and our client (which test_tls13 holds against OpenSSL) as
 * the one who is answered
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "gateway/base/mlkem.h"
#include "gateway/base/rand.h"
#include "proxy/wire/reality_flight.h"
#include "tests/unit/vec.h"

#define NOW 1800000000u

static const uint8_t short_ids[2][8] = { { 0 }, { 0x12, 0x34 } };
static const char *const names[] = { "other.test", "site.test" };

/**
 * struct pair - A client, the target it is shown, and us
 * @said, @said_len:	The client's hello as a record
 * @flight:	The target's answer to it
 */
struct pair {
	struct reality_rules rules;
	struct reality_id id;
	struct tls13_shake k;
	uint8_t auth[32];
	uint8_t said[TLS13_HELLO_MAX + 5], msg[REALITY_HELLO_MAX];
	size_t said_len, len;
	struct reality_hello h;
	struct reality_claim claim;
	SSL_CTX *ctx;
	SSL *ssl;
	uint8_t flight[16384];
	size_t flight_len;
};

/* Lines of secrets, of both ends; @on: they are told */
static struct told {
	bool on;
	char line[16][256];
	int n;
} told;

static void put(int fd, const char *line)
{
	(void)fd;
	assert_true(told.n < 16);
	snprintf(told.line[told.n++], 256, "%s", line);
}

/* --- rig ------------------------------------------------------------------------ */

static int judge(void *arg, const struct tls13_proof *proof)
{
	return reality_server_is(proof, arg);
}

static void say_hello(struct pair *p, const char *name, uint32_t now)
{
	struct tls13_offer o = { .name = name,
				 .alpn = (const uint8_t *)"\2h2\10http/1.1",
				 .alpn_len = 12 };
	uint8_t hello[TLS13_HELLO_MAX];
	ssize_t n;

	rand_bytes(&p->k.own, sizeof(p->k.own));
	rand_bytes(o.random, 32);
	rand_bytes(o.dice, sizeof(o.dice));
	assert_int_equal(tls13_own_public(&p->k.own, &o), 0);
	n = tls13_hello_encode(&o, hello, sizeof(hello));
	assert_true(n > 0);
	assert_int_equal(reality_seal(&p->id, p->k.own.alone, now, hello,
				      (size_t)n, p->auth),
			 0);
	p->k.judge = judge;
	p->k.arg = p->auth;
	p->k.tell.put = told.on ? put : NULL;
	assert_int_equal(tls13_shake_start(&p->k, hello, (size_t)n), 0);
	n = tls13_shake_hello(&p->k, p->said, sizeof(p->said));
	assert_true(n > 0);
	p->said_len = (size_t)n;
}

static void begin(struct pair *p, const char *name, uint32_t now)
{
	memset(p, 0, sizeof(*p));
	rand_bytes(p->rules.private_key, 32);
	x25519_public(p->rules.private_key, p->id.server_key);
	p->rules.min = 0x1a031b;
	p->rules.max_diff_ms = 60000;
	p->rules.short_id = short_ids;
	p->rules.short_ids = 2;
	p->rules.name = names;
	p->rules.names = 2;
	memcpy(p->id.short_id, short_ids[1], 8);
	say_hello(p, name, now);
}

static void end(struct pair *p)
{
	tls13_shake_drop(&p->k);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	ERR_clear_error();
}

static const char *know(struct pair *p)
{
	uint8_t before[TLS13_HELLO_MAX];
	const char *why;

	assert_int_equal(reality_hello_gather(p->said, p->said_len, p->msg,
					      sizeof(p->msg), &p->len),
			 p->said_len);
	assert_int_equal(p->len, p->said_len - 5);
	assert_int_equal(reality_hello_decode(p->msg, p->len, &p->h), 0);
	memcpy(before, p->msg, p->len);
	why = reality_judge(&p->rules, p->msg, p->len, &p->h,
			    (uint64_t)NOW * 1000, &p->claim);
	assert_memory_equal(before, p->msg, p->len);
	return why;
}

/* What a site answers the hello: @suite of OpenSSL; @setup: what else it is told */
static void target(struct pair *p, const char *suite, void (*setup)(SSL_CTX *c))
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int n;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -100);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	p->ctx = SSL_CTX_new(TLS_server_method());
	if (suite)
		assert_int_equal(SSL_CTX_set_ciphersuites(p->ctx, suite), 1);
	if (setup)
		setup(p->ctx);
	p->ssl = SSL_new(p->ctx);
	SSL_use_certificate(p->ssl, x);
	SSL_use_PrivateKey(p->ssl, key);
	SSL_set_bio(p->ssl, in, out);
	SSL_set_accept_state(p->ssl);
	BIO_write(in, p->said, (int)p->said_len);
	SSL_do_handshake(p->ssl);
	n = BIO_read(out, p->flight, sizeof(p->flight));
	p->flight_len = n > 0 ? (size_t)n : 0;
	X509_free(x);
	EVP_PKEY_free(key);
}

static int mould(struct pair *p, size_t n, struct reality_mould *m)
{
	return reality_mould_take(p->flight, n, p->h.session, m);
}

static ssize_t answer(struct pair *p, const struct reality_mould *m,
		      uint8_t *out, size_t room, struct reality_keys *k)
{
	struct tls13_tell tell = { .put = put };
	struct reality_client c = { .msg = p->msg,
				    .len = p->len,
				    .hello = &p->h,
				    .auth_key = p->claim.auth_key,
				    .tell = told.on ? &tell : NULL };
	struct reality_dice dice;

	memcpy(tell.random, p->h.random, sizeof(tell.random));
	rand_bytes(&dice, sizeof(dice));
	return reality_answer(m, &c, &dice, out, room, k);
}

/* The sizes of the records at @p; how many */
static int records(const uint8_t *p, size_t n, size_t size[12])
{
	int count = 0;

	for (size_t at = 0; at < n; at += size[count++]) {
		assert_true(count < 12 && n - at >= 5);
		size[count] = 5 + (size_t)get_be16(p + at + 3);
		assert_true(size[count] <= n - at);
	}
	return count;
}

/* One record each way */
static void talk(struct pair *p, struct reality_keys *k)
{
	uint8_t buf[64], *data;
	enum tls_content type;
	size_t len;
	ssize_t n;

	n = tls13_seal(&p->k.tx, TLS_APPLICATION_DATA, (const uint8_t *)"up", 2,
		       buf, sizeof(buf));
	assert_int_equal(tls13_open(&k->rx, buf, (size_t)n, &type, &data, &len),
			 n);
	assert_int_equal(len, 2);
	assert_memory_equal(data, "up", 2);
	n = tls13_seal(&k->tx, TLS_APPLICATION_DATA, (const uint8_t *)"down", 4,
		       buf, sizeof(buf));
	assert_int_equal(
		tls13_open(&p->k.rx, buf, (size_t)n, &type, &data, &len), n);
	assert_int_equal(len, 4);
}

/* Our flight is taken by the client, its Finished by us */
static void shake(struct pair *p, uint8_t *out, size_t n,
		  struct reality_keys *k)
{
	uint8_t last[256];
	bool done = false;
	ssize_t used;

	used = tls13_shake_feed(&p->k, out, n);
	assert_true(used > 0);
	assert_true((size_t)used <= n);
	n = (size_t)tls13_shake_finish(&p->k, last, sizeof(last));
	used = reality_finished_take(k, last, n, &done);
	assert_int_equal(used, 6); /* change_cipher_spec */
	assert_false(done);
	for (size_t cut = 6; cut < n; cut++) {
		uint8_t copy[256];

		memcpy(copy, last, sizeof(copy));
		assert_int_equal(
			reality_finished_take(k, copy + 6, cut - 6, &done), 0);
	}
	used = reality_finished_take(k, last + 6, n - 6, &done);
	assert_int_equal(used, n - 6);
	assert_true(done);
}

static void both_ends_tell_the_same_secrets(void **state)
{
	static uint8_t out[65536];
	struct reality_mould m;
	struct reality_keys k;
	struct pair p;
	ssize_t n;

	(void)state;
	told.on = true;
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, NULL, NULL);
	assert_int_equal(mould(&p, p.flight_len, &m), 1);
	n = answer(&p, &m, out, sizeof(out), &k);
	assert_true(n > 0);
	assert_int_equal(told.n, 4);
	shake(&p, out, (size_t)n, &k);
	assert_int_equal(told.n, 8);
	for (int i = 0; i < 4; i++) {
		int same = 4;

		while (same < 8 && strcmp(told.line[i], told.line[same]) != 0)
			same++;
		if (same == 8)
			fail_msg("not told: %s", told.line[i]);
	}
	told.on = false;
	reality_keys_drop(&k);
	end(&p);
}

/* --- whom it knows ---------------------------------------------------------------- */

static void a_client_with_our_key_is_known(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, "site.test", NOW + 59);
	assert_null(know(&p));
	assert_true(p.claim.opened);
	assert_ptr_equal(p.claim.name, names[1]);
	assert_int_equal(p.claim.version, 0x1a0909);
	assert_int_equal(p.claim.time, NOW + 59);
	assert_memory_equal(p.claim.short_id, short_ids[1], 8);
	assert_memory_equal(p.claim.auth_key, p.auth, 32);
	assert_int_equal(p.h.alpn, REALITY_ALPN_H2);
	end(&p);
}

static void what_does_not_fit_is_said(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, "site.tesu", NOW);
	assert_string_equal(know(&p), "another server name");
	end(&p);
	begin(&p, NULL, NOW);
	assert_string_equal(know(&p), "another server name");
	p.rules.name = (const char *const[]){ "" };
	p.rules.names = 1;
	assert_null(know(&p));
	end(&p);
	begin(&p, "site.test", NOW + 61);
	assert_string_equal(know(&p), "its clock");
	p.rules.max_diff_ms = 0;
	assert_null(know(&p));
	end(&p);
	begin(&p, "site.test", NOW - 61);
	assert_string_equal(know(&p), "its clock");
	p.rules.short_ids = 1;
	p.rules.max_diff_ms = 61000;
	assert_string_equal(know(&p), "its short id");
	p.rules.min = 0x1a090a;
	assert_string_equal(know(&p), "its version");
	p.rules.min = 0;
	p.rules.max = 0x1a0908;
	assert_string_equal(know(&p), "its version");
	p.rules.private_key[5] ^= 1;
	assert_string_equal(know(&p), "its session id is not for us");
	assert_false(p.claim.opened);
	end(&p);
}

static void any_changed_byte_of_the_hello_is_told(void **state)
{
	struct pair p;
	size_t known = 0;

	(void)state;
	begin(&p, "site.test", NOW);
	for (size_t at = 9; at < p.said_len; at += 3) {
		struct reality_hello h;
		size_t len;

		p.said[at] ^= 0x20;
		if (reality_hello_gather(p.said, p.said_len, p.msg,
					 sizeof(p.msg), &len) > 0 &&
		    !reality_hello_decode(p.msg, len, &h) &&
		    !reality_judge(&p.rules, p.msg, len, &h,
				   (uint64_t)NOW * 1000, &p.claim))
			known++;
		p.said[at] ^= 0x20;
	}
	assert_int_equal(known, 0);
	assert_null(know(&p));
	end(&p);
}

/* Also where the length in its head is that of what is left, or there is more */
static void cuts_are_refused(const uint8_t *msg, size_t n)
{
	static uint8_t cut[8192];
	struct reality_hello h;

	memcpy(cut, msg, n);
	for (size_t len = 0; len <= n + 1; len++) {
		if (len == n)
			continue;
		assert_int_equal(reality_hello_decode(msg, len, &h), -EPROTO);
		if (len < 4)
			continue;
		cut[2] = (uint8_t)((len - 4) >> 8);
		cut[3] = (uint8_t)(len - 4);
		assert_int_equal(reality_hello_decode(cut, len, &h), -EPROTO);
	}
}

/* Hellos that Xray's client made; the rest of a line is the server's view */
static void real_hellos_are_known(void **state)
{
	static uint8_t said[8192];
	struct pair p;
	struct vec v;
	int n = 0;

	(void)state;
	vec_open(&v, "reality_hello.txt");
	while (vec_next(&v)) {
		memset(&p, 0, sizeof(p));
		assert_int_equal(v.count, 5);
		hex_get(v.field[1], p.rules.private_key, 32);
		n++;
		p.said_len = hex_get(v.field[4], said, sizeof(said));
		for (size_t cut = 0; cut < p.said_len; cut++)
			assert_int_equal(reality_hello_gather(said, cut, p.msg,
							      sizeof(p.msg),
							      &p.len),
					 0);
		assert_int_equal(reality_hello_gather(said, p.said_len, p.msg,
						      sizeof(p.msg), &p.len),
				 p.said_len);
		cuts_are_refused(p.msg, p.len);
		assert_int_equal(reality_hello_decode(p.msg, p.len, &p.h), 0);
		assert_int_equal(!!p.h.mlkem, !strcmp(v.field[0], "chrome"));
		assert_non_null(p.h.alone);
		p.rules.short_id =
			(const uint8_t[][8]){ { 0x12, 0x34, 0xab, 0xcd } };
		p.rules.short_ids = 1;
		p.rules.name = (const char *const[]){ "tls.test" };
		p.rules.names = 1;
		assert_null(reality_judge(&p.rules, p.msg, p.len, &p.h, 0,
					  &p.claim));
		assert_int_equal(p.claim.version,
				 strtoul(v.field[2], NULL, 16));
		assert_int_equal(p.claim.time, strtoul(v.field[3], NULL, 10));
	}
	assert_int_equal(n, 5);
}

static void records_that_are_no_hello_are_seen_early(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int want;
	} all[] = {
		{ "", 0, 0 },
		{ "G", 1, -EPROTO },
		{ "\x16", 1, 0 },
		{ "\x16\x02", 2, -EPROTO },
		{ "\x16\3\1\0\0", 5, -EPROTO }, /* an empty record */
		{ "\x16\3\1\0\5\2", 6, -EPROTO }, /* a ServerHello */
		{ "\x16\3\1\0\5\1", 6, 0 },
		{ "\x16\3\1\0\4\1\0\0\0", 9, 9 }, /* nothing, but a message */
		{ "\x16\3\1\0\5\1\0\0\0\0", 10, -EPROTO }, /* more behind */
		{ "\x16\3\1\0\2\1\0\x14\3\3\0\1\1", 13, -EPROTO },
		{ "\x16\3\1\0\2\1\0\x16\3\1\0\2\0\0", 14, 14 },
		{ "\x16\3\1\xff\xff\1", 6, -EPROTO },
		{ "\x16\3\1\0\4\1\0\xff\xff", 9, -EPROTO },
	};
	uint8_t msg[1000];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(
			reality_hello_gather((const uint8_t *)all[i].bytes,
					     all[i].n, msg, sizeof(msg), &len),
			all[i].want);
}

/* --- flights ---------------------------------------------------------------------- */

static void each_suite_is_answered_in_the_same_form(void **state)
{
	static const char *const suites[] = { "TLS_AES_128_GCM_SHA256",
					      "TLS_AES_256_GCM_SHA384",
					      "TLS_CHACHA20_POLY1305_SHA256" };
	static uint8_t out[65536];
	size_t want[12], got[12];
	struct reality_mould m;
	struct reality_keys k;
	struct pair p;
	ssize_t n;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(&p, "site.test", NOW);
		assert_null(know(&p));
		target(&p, suites[i], NULL);
		for (size_t cut = 0; cut < p.flight_len; cut++)
			assert_int_equal(mould(&p, cut, &m), 0);
		assert_int_equal(mould(&p, p.flight_len, &m), 1);
		assert_false(m.joined);
		n = answer(&p, &m, out, sizeof(out), &k);
		assert_int_equal(n, p.flight_len);
		assert_int_equal(records(p.flight, p.flight_len, want), 6);
		assert_int_equal(records(out, (size_t)n, got), 6);
		assert_memory_equal(got, want, 6 * sizeof(*got));
		shake(&p, out, (size_t)n, &k);
		talk(&p, &k);
		reality_keys_drop(&k);
		for (size_t room = 0; room < (size_t)n; room += 97)
			assert_int_equal(answer(&p, &m, out, room, &k),
					 -ENOBUFS);
		end(&p);
	}
}

static void what_is_joined_stays_joined_and_tickets_are_seen(void **state)
{
	static uint8_t out[65536];
	struct reality_mould m, joined;
	struct reality_keys k;
	size_t got[12];
	struct pair p;
	ssize_t n;

	(void)state;
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, NULL, NULL);
	assert_int_equal(mould(&p, p.flight_len, &m), 1);
	joined = m;
	/* a record of 3000 in place of the first: its head is enough */
	n = 5 + (ssize_t)m.hello_len + 6;
	put_be16(p.flight + n + 3, 16402); /* longer than any */
	assert_int_equal(mould(&p, (size_t)n + 5, &joined), -EPROTO);
	put_be16(p.flight + n + 3, 16401);
	assert_int_equal(mould(&p, (size_t)n + 5, &joined), 1);
	put_be16(p.flight + n + 3, 2995);
	assert_int_equal(mould(&p, (size_t)n + 4, &joined), 0);
	assert_int_equal(mould(&p, (size_t)n + 5, &joined), 1);
	assert_true(joined.joined);
	n = answer(&p, &joined, out, sizeof(out), &k);
	assert_int_equal(records(out, (size_t)n, got), 3);
	assert_int_equal(got[2], 3000);
	shake(&p, out, (size_t)n, &k);
	talk(&p, &k);
	reality_keys_drop(&k);
	/* an empty record in place of a ticket, under the application's key */
	tls13_shake_drop(&p.k);
	say_hello(&p, "site.test", NOW);
	assert_null(know(&p));
	m.ticket = 300;
	n = answer(&p, &m, out, sizeof(out), &k);
	assert_int_equal(records(out, (size_t)n, got), 7);
	assert_int_equal(got[6], 300);
	assert_int_equal(k.tx.seq, 1);
	reality_keys_drop(&k);
	end(&p);
}

static void p256_only(SSL_CTX *c)
{
	assert_int_equal(SSL_CTX_set1_groups_list(c, "P-256"), 1);
}

static void tls12_only(SSL_CTX *c)
{
	SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
}

static void other_answers_are_no_mould(void **state)
{
	struct reality_mould m;
	struct pair p;
	uint8_t other[32] = { 1 };

	(void)state;
	begin(&p, "site.test", NOW); /* HelloRetryRequest */
	assert_null(know(&p));
	target(&p, NULL, p256_only);
	assert_int_equal(mould(&p, p.flight_len, &m), -EPROTO);
	end(&p);
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, NULL, tls12_only);
	assert_int_equal(mould(&p, p.flight_len, &m), -EPROTO);
	end(&p);
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, NULL, NULL);
	assert_int_equal(reality_mould_take(p.flight, p.flight_len, other, &m),
			 -EPROTO);
	p.flight[0] = TLS_ALERT;
	assert_int_equal(mould(&p, 1, &m), -EPROTO);
	end(&p);
}

static void records_shorter_than_ours_are_no_mould(void **state)
{
	static uint8_t out[65536];
	struct reality_mould m;
	struct reality_keys k;
	struct pair p;

	(void)state;
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, "TLS_AES_128_GCM_SHA256", NULL);
	assert_int_equal(mould(&p, p.flight_len, &m), 1);
	m.size[PART_CERTIFICATE] = 208; /* ours: 4 + 183 + 22 */
	assert_int_equal(answer(&p, &m, out, sizeof(out), &k), -EPROTO);
	assert_null(k.tx.key.ctx);
	m.size[PART_CERTIFICATE] = 100000;
	assert_int_equal(answer(&p, &m, out, sizeof(out), &k), -EPROTO);
	m.size[PART_CERTIFICATE] = 16406;
	assert_true(answer(&p, &m, out, sizeof(out), &k) > 16000);
	reality_keys_drop(&k);
	end(&p);
}

/* OpenSSL 3.0 cannot be such a target: its ServerHello is made to choose X25519MLKEM768 */
static void choose_mlkem(struct reality_mould *m, uint8_t *hello)
{
	size_t at = (size_t)(m->answer.share - m->hello);
	size_t more = MLKEM768_SEALED_BYTES;
	static const size_t list = 4 + 2 + 32 + 33 + 3; /* of extensions */

	memcpy(hello, m->hello, at);
	memset(hello + at, 0, more + 32);
	memcpy(hello + at + more + 32, m->hello + at + 32,
	       m->hello_len - at - 32);
	put_be16(hello + 2, (uint16_t)(get_be16(hello + 2) + more));
	put_be16(hello + list, (uint16_t)(get_be16(hello + list) + more));
	put_be16(hello + at - 6, (uint16_t)(4 + more + 32));
	put_be16(hello + at - 4, TLS13_X25519_MLKEM768);
	put_be16(hello + at - 2, (uint16_t)(more + 32));
	m->hello = hello;
	m->hello_len += more;
	m->answer.share = hello + at;
	m->answer.share_len = more + 32;
	m->answer.group = TLS13_X25519_MLKEM768;
}

static void with_mlkem_both_secrets_count(void **state)
{
	static uint8_t out[65536], hello[2048];
	struct reality_mould m;
	struct reality_keys k;
	struct pair p;
	const uint8_t *hybrid;
	ssize_t n;

	(void)state;
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, NULL, NULL);
	assert_int_equal(mould(&p, p.flight_len, &m), 1);
	choose_mlkem(&m, hello);
	hybrid = p.h.mlkem;
	p.h.mlkem = NULL; /* as if the client had sent no such key */
	assert_int_equal(answer(&p, &m, out, sizeof(out), &k), -EPROTO);
	p.h.mlkem = hybrid;
	n = answer(&p, &m, out, sizeof(out), &k);
	assert_int_equal(n, p.flight_len + MLKEM768_SEALED_BYTES);
	shake(&p, out, (size_t)n, &k);
	talk(&p, &k);
	reality_keys_drop(&k);
	end(&p);
}

static void a_wrong_finished_is_refused(void **state)
{
	static uint8_t out[65536];
	uint8_t last[256], copy[256];
	struct reality_mould m;
	struct reality_keys k;
	struct pair p;
	bool done;
	ssize_t n, size;

	(void)state;
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, NULL, NULL);
	assert_int_equal(mould(&p, p.flight_len, &m), 1);
	n = answer(&p, &m, out, sizeof(out), &k);
	assert_true(tls13_shake_feed(&p.k, out, (size_t)n) > 0);
	size = tls13_shake_finish(&p.k, last, sizeof(last)) - 6;
	for (ssize_t at = 0; at < size; at++) {
		memcpy(copy, last + 6, (size_t)size);
		copy[at] ^= at == 4 ? 1 : 0x80;
		n = reality_finished_take(&k, copy, (size_t)size, &done);
		assert_false(done);
		assert_true(n == -EPROTO || (n == 0 && (at == 3 || at == 4)));
	}
	assert_int_equal(reality_finished_take(&k, (uint8_t[]){ 22 }, 1, &done),
			 -EPROTO);
	assert_int_equal(
		reality_finished_take(&k, (uint8_t[]){ 23, 3, 1 }, 3, &done),
		-EPROTO);
	assert_int_equal(reality_finished_take(&k,
					       (uint8_t[]){ 20, 3, 3, 0, 1, 2 },
					       6, &done),
			 -EPROTO);
	for (int i = 0; i < 16; i++)
		assert_int_equal(
			reality_finished_take(
				&k, (uint8_t[]){ 20, 3, 3, 0, 1, 1 }, 6, &done),
			6);
	assert_int_equal(reality_finished_take(&k,
					       (uint8_t[]){ 20, 3, 3, 0, 1, 1 },
					       6, &done),
			 -EPROTO);
	reality_keys_drop(&k);
	end(&p);
}

static void records_behind_the_handshake_are_measured(void **state)
{
	static const uint8_t ends[][5] = { { 0 },
					   { 21, 3, 3, 0, 30 },
					   { 23, 3, 1, 0, 30 },
					   { 23, 3, 3, 0, 16 },
					   { 23, 3, 3, 0x40, 18 },
					   { 23, 3, 3, 0x42, 0 } };
	static uint8_t p[20000] = { 23, 3, 3, 1, 0 };
	size_t size[8];

	(void)state;
	memcpy(p + 261, (uint8_t[]){ 23, 3, 3, 0, 17 }, 5);
	for (size_t n = 0; n <= 283; n++)
		assert_int_equal(reality_after_take(p, n, size, 8),
				 n < 261 ? 0 :
				 n < 283 ? 1 :
					   2);
	assert_int_equal(size[0], 261);
	assert_int_equal(size[1], 22);
	assert_int_equal(reality_after_take(p, 283, size, 1), 1);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		memcpy(p + 283, ends[i], 5);
		assert_int_equal(reality_after_take(p, sizeof(p), size, 8), 2);
	}
	memcpy(p + 283, (uint8_t[]){ 23, 3, 3, 0x40, 17 }, 5);
	assert_int_equal(reality_after_take(p, sizeof(p), size, 8), 3);
	assert_int_equal(size[2], 16406);
	assert_int_equal(reality_after_take(NULL, 0, size, 8), 0);
}

/* A certificate that others can read, too */
static void the_certificate_is_one(void **state)
{
	static uint8_t out[65536];
	struct reality_mould m;
	struct reality_keys k;
	struct pair p;
	const uint8_t *der;
	ssize_t n;
	X509 *x;

	(void)state;
	begin(&p, "site.test", NOW);
	assert_null(know(&p));
	target(&p, NULL, NULL);
	assert_int_equal(mould(&p, p.flight_len, &m), 1);
	n = answer(&p, &m, out, sizeof(out), &k);
	assert_true(tls13_shake_feed(&p.k, out, (size_t)n) > 0);
	der = p.k.log + p.k.cert_at;
	x = d2i_X509(NULL, &der, (long)p.k.cert_len);
	assert_non_null(x);
	assert_ptr_equal(der, p.k.log + p.k.cert_at + p.k.cert_len);
	assert_int_equal(EVP_PKEY_get_id(X509_get0_pubkey(x)),
			 EVP_PKEY_ED25519);
	assert_int_equal(X509_get_version(x), 2);
	assert_int_equal(X509_cmp_current_time(X509_get0_notAfter(x)), 1);
	X509_free(x);
	reality_keys_drop(&k);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_tell_the_same_secrets),
		cmocka_unit_test(a_client_with_our_key_is_known),
		cmocka_unit_test(what_does_not_fit_is_said),
		cmocka_unit_test(any_changed_byte_of_the_hello_is_told),
		cmocka_unit_test(real_hellos_are_known),
		cmocka_unit_test(records_that_are_no_hello_are_seen_early),
		cmocka_unit_test(each_suite_is_answered_in_the_same_form),
		cmocka_unit_test(
			what_is_joined_stays_joined_and_tickets_are_seen),
		cmocka_unit_test(other_answers_are_no_mould),
		cmocka_unit_test(records_shorter_than_ours_are_no_mould),
		cmocka_unit_test(with_mlkem_both_secrets_count),
		cmocka_unit_test(a_wrong_finished_is_refused),
		cmocka_unit_test(records_behind_the_handshake_are_measured),
		cmocka_unit_test(the_certificate_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
