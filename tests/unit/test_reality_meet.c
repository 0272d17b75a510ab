/*
 * test_reality_meet.c - a REALITY server between a client and a target: OpenSSL is
 * the target, our handshake the client; each allocation fails once
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "alloc_fail.h"
#include "gateway/base/rand.h"
#include "gateway/base/wr.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/policy.h"
#include "loop.h"
#include "proxy/transport/reality_in.h"
#include "proxy/transport/transports.h"

#define TARGETS 4

/**
 * struct site - One connection of the target
 * @ssl:	NULL: the test speaks itself
 */
struct site {
	int fd;
	SSL *ssl;
	BIO *in, *out;
};

/**
 * struct rig - All of it
 * @path:	The target's, with a zero byte in front
 * @far:	The client's end
 * @alpn:	What the client would like to speak
 * @cut:	Its hello goes in records of a byte
 * @born:	What came out; NULL
 */
struct rig {
	struct loop l;
	struct diag d;
	struct transport t;
	struct inbound ib;
	struct policy policy;
	struct birth birth;
	struct sockaddr_un path;
	int listener, far;
	SSL_CTX *ctx;
	struct site site[TARGETS];
	int sites;
	struct stream *born;
	const char *alpn;
	bool cut;
	struct tls13_shake k;
	uint8_t auth[32], said[32768];
	size_t said_len;
};

static struct rig *now; /* born() has no argument of its own */

static int born(const struct birth *b, struct worker *w, struct stream *s)
{
	(void)b;
	(void)w;
	now->born = s;
	stream_set_job(s, &now->l.job);
	return 0;
}

/* --- the target ------------------------------------------------------------------ */

static void listen_at(struct rig *r)
{
	socklen_t len;

	r->path.sun_family = AF_UNIX;
	len = (socklen_t)snprintf(r->path.sun_path + 1,
				  sizeof(r->path.sun_path) - 1,
				  "culvert-unit-%d", getpid());
	r->listener =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	len += (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
	assert_int_equal(bind(r->listener, (struct sockaddr *)&r->path, len),
			 0);
	assert_int_equal(listen(r->listener, 8), 0);
}

static void make_ctx(struct rig *r)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -100);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	r->ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(r->ctx, x);
	SSL_CTX_use_PrivateKey(r->ctx, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void site_end(struct site *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	SSL_free(s->ssl);
	s->ssl = NULL;
}

static void site_step(struct site *s)
{
	uint8_t buf[16384];
	ssize_t n;

	if (s->fd < 0 || !s->ssl)
		return;
	n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		site_end(s);
		return;
	}
	if (n > 0)
		BIO_write(s->in, buf, (int)n);
	SSL_do_handshake(s->ssl);
	n = BIO_read(s->out, buf, sizeof(buf));
	if (n > 0)
		(void)send(s->fd, buf, (size_t)n, MSG_NOSIGNAL);
	if (SSL_is_init_finished(s->ssl)) /* a probe: it has heard all */
		site_end(s);
	ERR_clear_error();
}

static void target_step(struct rig *r, bool tls)
{
	int fd = accept(r->listener, NULL, NULL);
	struct site *s = &r->site[r->sites];

	if (fd >= 0) {
		assert_true(r->sites < TARGETS);
		r->sites++;
		s->fd = fd;
		if (tls) {
			s->ssl = SSL_new(r->ctx);
			s->in = BIO_new(BIO_s_mem());
			s->out = BIO_new(BIO_s_mem());
			SSL_set_bio(s->ssl, s->in, s->out);
			SSL_set_accept_state(s->ssl);
		}
	}
	for (int i = 0; i < r->sites; i++)
		site_step(&r->site[i]);
}

static void step(struct rig *r, bool tls)
{
	worker_tick(&r->l.w, 1);
	target_step(r, tls);
}

/* --- rig ------------------------------------------------------------------------ */

/* realitySettings of a listener. How many mistakes there are */
static unsigned int parse(struct rig *r, const char *json)
{
	struct jdoc *doc;
	struct jobj o;

	diag_init(&r->d);
	doc = jdoc_parse(&r->d, "test", json, strlen(json));
	assert_non_null(doc);
	r->t = (struct transport){ .ops = &transport_reality_ops,
				   .below = &transport_raw,
				   .server = true };
	assert_true(j_open(&o, &r->d, doc->root));
	assert_int_equal(r->t.ops->parse(&r->t, &o, &r->l.cfg), 0);
	return r->d.errors;
}

static void parse_good(struct rig *r)
{
	char json[512];

	snprintf(json, sizeof(json),
		 "{ \"target\": \"@%s\", \"serverNames\": [ \"site.test\" ], "
		 "\"shortIds\": [ \"\" ], \"privateKey\": "
		 "\"GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00\" }",
		 r->path.sun_path + 1);
	assert_int_equal(parse(r, json), 0);
}

static void begin(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	now = r;
	loop_init(&r->l);
	listen_at(r);
	make_ctx(r);
	parse_good(r);
	r->policy = POLICY_DEFAULT;
	r->ib = (struct inbound){ .tag = "in", .policy = &r->policy };
	r->birth =
		(struct birth){ .ib = &r->ib, .cfg = &r->l.cfg, .born = born };
	r->far = -1;
}

/* A client connects. 0 or -errno: it was closed */
static int connect_client(struct rig *r)
{
	struct stream *below;
	int sv[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	r->far = sv[1];
	below = fd_stream_new(&r->l.w, sv[0], NULL, false);
	if (!below) {
		close(sv[0]);
		return -ENOMEM;
	}
	return transport_serve(&r->t, &r->l.w, below, &r->birth);
}

static void part(struct rig *r)
{
	stream_close(&r->born, 0);
	tls13_shake_drop(&r->k);
	if (r->far >= 0)
		close(r->far);
	r->far = -1;
	for (int i = 0; i < 3; i++)
		worker_tick(&r->l.w, 1);
	for (int i = 0; i < r->sites; i++)
		site_end(&r->site[i]);
	r->sites = 0;
	r->said_len = 0;
}

static void close_all(struct rig *r)
{
	close(r->listener);
	SSL_CTX_free(r->ctx);
	transport_reality_ops.drop(&r->t);
	diag_free(&r->d);
	loop_fini(&r->l);
}

static void end(struct rig *r)
{
	part(r);
	for (int i = 0; i < 20 && r->l.w.session_count; i++) {
		worker_tick(&r->l.w, 5);
		target_step(r, false);
		for (int k = 0; k < r->sites; k++)
			site_end(&r->site[k]);
	}
	assert_int_equal(r->l.w.session_count, 0);
	close_all(r);
}

static int judge(void *arg, const struct tls13_proof *proof)
{
	return reality_server_is(proof, arg);
}

static void say(struct rig *r, const void *p, size_t n)
{
	assert_int_equal(send(r->far, p, n, MSG_NOSIGNAL), n);
}

static ssize_t cut_hello(const uint8_t *hello, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++)
		memcpy(out + 6 * i, (uint8_t[]){ 22, 3, 1, 0, 1, hello[i] }, 6);
	return (ssize_t)(6 * n);
}

/* false: out of memory */
static bool say_hello(struct rig *r)
{
	struct reality_in_conf *c = r->t.settings;
	struct tls13_offer o = { .name = "site.test" };
	uint8_t hello[TLS13_HELLO_MAX], out[6 * TLS13_HELLO_MAX];
	struct reality_id id = { .short_id = { 0 } };
	ssize_t n;

	if (r->alpn) {
		o.alpn = (const uint8_t *)r->alpn;
		o.alpn_len = strlen(r->alpn);
	}
	rand_bytes(&r->k.own, sizeof(r->k.own));
	rand_bytes(o.random, 32);
	rand_bytes(o.dice, sizeof(o.dice));
	tls13_own_public(&r->k.own, &o);
	assert_int_equal(c->rules.min,
			 0); /* any client, as in Xray since 26.9.8 */
	x25519_public(c->rules.private_key, id.server_key);
	n = tls13_hello_encode(&o, hello, sizeof(hello));
	assert_int_equal(reality_seal(&id, r->k.own.alone, 1800000000, hello,
				      (size_t)n, r->auth),
			 0);
	r->k.judge = judge;
	r->k.arg = r->auth;
	if (tls13_shake_start(&r->k, hello, (size_t)n) < 0)
		return false;
	n = r->cut ? (ssize_t)cut_hello(hello, (size_t)n, out) :
		     tls13_shake_hello(&r->k, out, sizeof(out));
	say(r, out, (size_t)n);
	return true;
}

/* More of what the client hears. false: it has ended */
static bool hear(struct rig *r)
{
	ssize_t n = recv(r->far, r->said + r->said_len,
			 sizeof(r->said) - r->said_len, 0);

	if (n > 0)
		r->said_len += (size_t)n;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* The client's whole handshake. true: a stream was born */
static bool shake(struct rig *r)
{
	uint8_t out[256];
	ssize_t n = 0;

	if (!say_hello(r))
		return false;
	for (int i = 0; n == 0; i++) {
		assert_true(i < 2000);
		step(r, true);
		if (!hear(r))
			return false;
		n = tls13_shake_feed(&r->k, r->said, r->said_len);
	}
	if (n < 0) /* it was shown the target */
		return false;
	n = tls13_shake_finish(&r->k, out, sizeof(out));
	assert_true(n > 0);
	if (send(r->far, out, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	for (int i = 0; !r->born; i++) {
		assert_true(i < 5000);
		step(r, true);
		if (!hear(r))
			return false;
	}
	return true;
}

/* --- settings ------------------------------------------------------------------- */

/* KEY, SHORTID, VERSION in otherwise good settings */
static unsigned int mistakes(struct rig *r, const char *key, const char *id,
			     const char *version)
{
	char json[512];
	unsigned int n;

	snprintf(json, sizeof(json),
		 "{ \"target\": 443, \"serverNames\": [ \"a\" ], \"shortIds\": "
		 "[ \"%s\" ], \"privateKey\": \"%s\", \"minClientVer\": \"%s\" "
		 "}",
		 id, key, version);
	n = parse(r, json);
	transport_reality_ops.drop(&r->t);
	diag_free(&r->d);
	return n;
}

static void settings_too_short_or_too_long_are_mistakes(void **state)
{
	static const char good[] =
		"GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00";
	static const char *const keys[] = {
		"GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo",
		"GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00A",
		"GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00AAAAAAAA", "?"
	};
	static const char *const ids[] = { "1", "123", "1g",
					   "00112233445566778" };
	static const char *const wrong[] = { "26.", ".26",  "26.3.27.1",
					     "256", "1000", "26.-1",
					     "+26", " 26",  "\\t26",
					     "26 ", "26.x", "0x1a" };
	static const char *const right[] = { "", "0", "26.3", "255.255.255" };
	struct rig r;

	(void)state;
	memset(&r, 0, sizeof(r));
	loop_init(&r.l);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(mistakes(&r, keys[i], "", ""), 1);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(mistakes(&r, good, ids[i], ""), 1);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(mistakes(&r, good, "", wrong[i]), 1);
	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		assert_int_equal(
			mistakes(&r, good, "0011223344556677", right[i]), 0);
	loop_fini(&r.l);
}

/* --- tests ---------------------------------------------------------------------- */

static void a_known_client_goes_on(void **state)
{
	static const char up[] = "up";
	uint8_t buf[64], *data;
	enum tls_content type;
	struct rig r;
	size_t len, at, empty = 0;
	ssize_t n;

	(void)state;
	begin(&r);
	assert_int_equal(connect_client(&r), 0);
	assert_true(shake(&r));
	assert_int_equal(r.sites, 2); /* its own, and the probe's */
	n = tls13_seal(&r.k.tx, TLS_APPLICATION_DATA, (const uint8_t *)up, 2,
		       buf, sizeof(buf));
	say(&r, buf, (size_t)n);
	step(&r, true);
	assert_int_equal(stream_read(r.born, buf, sizeof(buf)), 2);
	assert_memory_equal(buf, "up", 2);
	assert_int_equal(stream_write(r.born, "down", 4), 4);
	at = (size_t)tls13_shake_feed(&r.k, r.said, r.said_len);
	for (hear(&r); at < r.said_len; at += (size_t)n) {
		n = tls13_open(&r.k.rx, r.said + at, r.said_len - at, &type,
			       &data, &len);
		assert_true(n > 0);
		assert_int_equal(type, TLS_APPLICATION_DATA);
		empty += !len;
	}
	assert_int_equal(empty, 2); /* as many as OpenSSL has tickets */
	assert_int_equal(len, 4);
	assert_memory_equal(data, "down", 4);
	end(&r);
}

/* Cut so that no one record shows a name; sealed is the message, not its records */
static void a_hello_in_many_records_is_known(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	r.cut = true;
	assert_int_equal(connect_client(&r), 0);
	assert_true(shake(&r));
	end(&r);
}

/* A hello that was overheard, and no Finished to it */
static void the_target_judges_what_comes_instead(void **state)
{
	static const uint8_t noise[] = { 20, 3, 3, 0, 1,  1, 20, 3,
					 3,  0, 1, 1, 23, 3, 3,  0 };
	uint8_t rest[1 + 40] = { 40 };
	struct rig r;
	ssize_t n = 0;
	size_t before;

	(void)state;
	begin(&r);
	assert_int_equal(connect_client(&r), 0);
	assert_true(say_hello(&r));
	for (int i = 0; i < 2000 && n == 0; i++) {
		step(&r, true);
		assert_true(hear(&r));
		n = tls13_shake_feed(&r.k, r.said, r.said_len);
	}
	assert_true(n > 0);
	before = r.said_len;
	say(&r, noise, sizeof(noise));
	for (int i = 0; i < 5; i++)
		step(&r, true);
	assert_true(hear(&r));
	assert_int_equal(r.said_len, before); /* the target bears it */
	say(&r, rest, sizeof(rest));
	for (int i = 0; i < 2000 && r.said_len == before; i++) {
		step(&r, true);
		assert_true(hear(&r));
	}
	assert_int_equal(r.said_len, before + 24); /* its alert, sealed */
	assert_int_equal(r.said[before], TLS_APPLICATION_DATA);
	assert_null(r.born);
	end(&r);
}

/* The socket to the target takes little at a time */
static void narrow(const struct rig *r)
{
	int found = 0, least = 1;

	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_un at;
		socklen_t len = sizeof(at);

		if (getpeername(fd, (struct sockaddr *)&at, &len) < 0 ||
		    at.sun_family != AF_UNIX ||
		    len <= offsetof(struct sockaddr_un, sun_path) + 1 ||
		    memcmp(at.sun_path, r->path.sun_path,
			   len - offsetof(struct sockaddr_un, sun_path)) != 0)
			continue;
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least,
					    sizeof(least)),
				 0);
		found++;
	}
	assert_int_equal(found, 1);
}

/* A flight in form, as far as one looks, by who knows no more than @session */
static size_t rash_flight(const uint8_t *session, uint8_t out[256])
{
	static const uint8_t exts[] = {
		0,  46, 0,  43, 0,  2, 3,  4, 0,
		51, 0,  36, 0,  29, 0, 32, 9, [47] = 0
	};
	static const uint8_t behind[] = { 20, 3, 3, 0, 1, 1, 23, 3, 3, 3, 0 };
	struct wr w = wr_init(out, 256);

	wr_bytes(&w, "\x16\3\3\0\x7a\2\0\0\x76\3\3", 11);
	wr_bytes(&w, (uint8_t[32]){ 7 }, 32);
	wr_u8(&w, TLS13_SESSION_ID_BYTES);
	wr_bytes(&w, session, TLS13_SESSION_ID_BYTES);
	wr_bytes(&w, "\x13\1", 3); /* and no compression */
	wr_bytes(&w, exts, sizeof(exts));
	wr_bytes(&w, behind, sizeof(behind));
	assert_true(wr_ok(&w));
	return wr_len(&w);
}

static void an_answer_before_all_was_said_is_passed_on(void **state)
{
	uint8_t flight[256];
	char alpn[601];
	struct rig r;
	size_t n;

	(void)state;
	begin(&r);
	memset(alpn, 199, 600);
	alpn[600] = 0;
	r.alpn = alpn;
	r.cut = true;
	assert_int_equal(connect_client(&r), 0);
	step(&r, false);
	narrow(&r);
	assert_true(say_hello(&r));
	for (int i = 0; i < 5; i++)
		step(&r, false);
	n = rash_flight(r.k.session, flight);
	assert_int_equal(send(r.site[0].fd, flight, n, 0), n);
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_true(hear(&r));
	assert_int_equal(r.said_len, n);
	assert_memory_equal(r.said, flight, n);
	for (size_t left = 6 * r.k.log_len; left; left -= n) {
		n = (size_t)recv(r.site[0].fd, r.said, sizeof(r.said), 0);
		assert_in_range(n, 1, left); /* the rest comes, too */
		step(&r, false);
	}
	end(&r);
}

/* Its own one is for nobody who has heard ours; what comes behind it is */
static void the_rest_of_a_flight_is_not_passed_on(void **state)
{
	enum { REST = 768 };
	static const uint8_t noise[] = { 23, 3, 3, 0, 1, 1 };
	static const uint8_t rest[REST + 3] = { [REST] = 'e', 'n', 'd' };
	uint8_t flight[256];
	struct rig r;
	size_t n;

	(void)state;
	begin(&r);
	assert_int_equal(connect_client(&r), 0);
	assert_true(say_hello(&r));
	say(&r, noise, sizeof(noise));
	step(&r, false);
	step(&r, false);
	n = rash_flight(r.k.session, flight);
	assert_int_equal(send(r.site[0].fd, flight, n, 0), n);
	step(&r, false);
	assert_true(hear(&r));
	assert_int_equal(r.said_len, n + REST);
	for (size_t at = 0; at < sizeof(rest); at += 257) {
		assert_int_equal(send(r.site[0].fd, rest + at, 257, 0), 257);
		step(&r, false);
	}
	assert_true(hear(&r));
	assert_int_equal(r.said_len, n + REST + 3);
	assert_memory_equal(r.said + n + REST, "end", 3);
	end(&r);
}

static void a_stranger_meets_the_target(void **state)
{
	uint8_t buf[64];
	struct rig r;

	(void)state;
	begin(&r);
	assert_int_equal(connect_client(&r), 0);
	say(&r, "GET", 3);
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(recv(r.site[0].fd, buf, sizeof(buf), 0), 3);
	assert_int_equal(send(r.site[0].fd, "400", 3, 0), 3);
	shutdown(r.site[0].fd, SHUT_WR);
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(recv(r.far, buf, sizeof(buf), 0), 3);
	assert_int_equal(recv(r.far, buf, sizeof(buf), 0), 0);
	say(&r, "more", 4); /* its half is still open */
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(recv(r.site[0].fd, buf, sizeof(buf), 0), 4);
	assert_int_equal(r.l.w.session_count, 1);
	shutdown(r.far, SHUT_WR);
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(recv(r.site[0].fd, buf, sizeof(buf), 0), 0);
	assert_int_equal(r.l.w.session_count, 0);
	assert_null(r.born);
	end(&r);
}

static void a_target_that_speaks_first_is_heard(void **state)
{
	uint8_t buf[64];
	struct rig r;

	(void)state;
	begin(&r);
	assert_int_equal(connect_client(&r), 0);
	say(&r, "\x16\3\1", 3); /* it may become a hello */
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(recv(r.site[0].fd, buf, sizeof(buf), 0), 3);
	assert_int_equal(send(r.site[0].fd, "220", 3, 0), 3);
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(recv(r.far, buf, sizeof(buf), 0), 3);
	end(&r);
}

static void who_says_too_little_in_time_meets_the_target(void **state)
{
	uint32_t t0 = clock_ms();
	uint8_t buf[8];
	struct rig r;

	(void)state;
	begin(&r);
	r.policy.handshake_ms = 60;
	assert_int_equal(connect_client(&r), 0);
	for (int i = 0; i < 60 || clock_ms() - t0 < 200; i++) {
		if (i % 10 == 0 && i < 50)
			say(&r, &"\x16\3\1\2\0"[i / 10], 1);
		step(&r, false);
	}
	assert_int_equal(r.l.w.session_count, 1);
	assert_int_equal(recv(r.far, buf, sizeof(buf), 0), -1);
	assert_int_equal(recv(r.site[0].fd, buf, sizeof(buf), 0), 5);
	assert_int_equal(send(r.site[0].fd, "408", 3, 0), 3);
	shutdown(r.site[0].fd, SHUT_WR);
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(recv(r.far, buf, sizeof(buf), 0), 3);
	assert_int_equal(recv(r.far, buf, sizeof(buf), 0), 0);
	end(&r);
}

static void who_does_not_finish_in_time_meets_the_target(void **state)
{
	uint32_t t0 = clock_ms();
	struct rig r;

	(void)state;
	begin(&r);
	r.policy.handshake_ms = 100;
	assert_int_equal(connect_client(&r), 0);
	assert_true(say_hello(&r));
	while (clock_ms() - t0 < 300)
		step(&r, true);
	assert_int_equal(r.l.w.session_count, 1);
	end(&r);
}

static void no_target_no_connection(void **state)
{
	uint8_t buf[8];
	struct rig r;

	(void)state;
	begin(&r);
	close(r.listener);
	r.listener = -1;
	assert_true(connect_client(&r) < 0);
	assert_true(recv(r.far, buf, sizeof(buf), 0) <= 0);
	assert_int_equal(r.l.w.session_count, 0);
	r.listener = dup(0);
	end(&r);
}

static void what_is_met_counts_as_a_session(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	r.l.w.session_limit = 1;
	assert_int_equal(connect_client(&r), 0);
	close(r.far);
	assert_int_equal(connect_client(&r), -ENOBUFS);
	end(&r);
}

static void a_worker_that_ends_takes_all_along(void **state)
{
	struct rig r;
	int far;

	(void)state;
	begin(&r);
	assert_int_equal(connect_client(&r), 0);
	say(&r, "GET", 3); /* one is relayed */
	for (int i = 0; i < 5; i++)
		step(&r, false);
	far = r.far;
	assert_int_equal(connect_client(&r), 0);
	assert_true(say_hello(&r)); /* one is known, and the target is asked */
	for (int i = 0; i < 5; i++)
		step(&r, false);
	assert_int_equal(r.l.w.session_count, 2);
	assert_int_equal(r.sites, 3);
	for (int i = 0; i < r.sites; i++)
		site_end(&r.site[i]);
	close(far);
	close(r.far);
	tls13_shake_drop(&r.k);
	close_all(&r);
}

static void each_allocation_may_fail(void **state)
{
	struct rig r;
	bool hit = true;
	int known = 0, n;

	(void)state;
	for (n = 1; hit; n++) {
		begin(&r);
		alloc_fail_at((unsigned int)n);
		if (connect_client(&r) == 0)
			known += shake(&r);
		hit = alloc_fail_hit();
		end(&r);
	}
	assert_in_range(n, 15, 300);
	assert_true(known > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_too_short_or_too_long_are_mistakes),
		cmocka_unit_test(a_known_client_goes_on),
		cmocka_unit_test(a_hello_in_many_records_is_known),
		cmocka_unit_test(the_target_judges_what_comes_instead),
		cmocka_unit_test(an_answer_before_all_was_said_is_passed_on),
		cmocka_unit_test(the_rest_of_a_flight_is_not_passed_on),
		cmocka_unit_test(a_stranger_meets_the_target),
		cmocka_unit_test(a_target_that_speaks_first_is_heard),
		cmocka_unit_test(who_says_too_little_in_time_meets_the_target),
		cmocka_unit_test(who_does_not_finish_in_time_meets_the_target),
		cmocka_unit_test(no_target_no_connection),
		cmocka_unit_test(what_is_met_counts_as_a_session),
		cmocka_unit_test(a_worker_that_ends_takes_all_along),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
