/* test_venc.c - VLESS encryption: settings, records, handshake of both ends */
#include "tests/unit/cm.h"

#include <errno.h>

#include "tests/unit/vec.h"
#include "tests/unit/venc_pair.h"

#define X "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static struct venc_pair pair;

/* --- settings ----------------------------------------------------------------- */

static void wrong(bool server, const char *text, const char *why)
{
	static struct venc_conf_key c;
	const char *got = venc_parse(text, server, &c);

	assert_non_null(got);
	if (!strstr(got, why))
		fail_msg("%s: \"%s\" lacks \"%s\"", text, got, why);
}

static void settings_that_are_wrong_say_what_is_allowed(void **state)
{
	char many[1024] = VENC_PREFIX ".native.0s";

	(void)state;
	wrong(true, "", "begin with");
	wrong(true, "aes", "begin with");
	wrong(true, VENC_PREFIX, "native, xorpub or random");
	wrong(true, VENC_PREFIX ".plain.600s." X, "native, xorpub or random");
	wrong(true, VENC_PREFIX ".native", "seconds");
	wrong(true, VENC_PREFIX ".native.1rtt." X, "seconds");
	wrong(true, VENC_PREFIX ".native.65536s." X, "seconds");
	wrong(true, VENC_PREFIX ".native.600-300s." X, "seconds");
	wrong(true, VENC_PREFIX ".native.600-s." X, "seconds");
	wrong(true, VENC_PREFIX ".native.-1s." X, "seconds");
	wrong(true, VENC_PREFIX ".native.600sx." X, "seconds");
	wrong(false, VENC_PREFIX ".native.600s." X, "0rtt or 1rtt");
	wrong(false, VENC_PREFIX ".native", "0rtt or 1rtt");
	wrong(true, VENC_PREFIX ".native.600s", "key");
	wrong(true, VENC_PREFIX ".native.600s." X "AA", "32 bytes");
	wrong(true, VENC_PREFIX ".native.600s." X ".", "32 bytes");
	wrong(true, VENC_PREFIX ".native.600s." X ".100-111-1111", "32 bytes");
	wrong(true, VENC_PREFIX ".native.600s.abc." X, "percent-least-most");
	wrong(true, VENC_PREFIX ".native.600s.101-50-60." X, "percent");
	wrong(true, VENC_PREFIX ".native.600s.100-34-60." X, "35 bytes");
	wrong(true, VENC_PREFIX ".native.600s.99-50-60." X, "100 percent");
	wrong(true, VENC_PREFIX ".native.600s.100-50-65535.1-0-1.1-0-20." X,
	      "65553");
	wrong(false, VENC_PREFIX ".native.0rtt." X X, "1184");
	for (int i = 0; i < 9; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s",
			 "." X);
	wrong(true, many, "at most 8 keys");
	/* numbers that are too large are no key of ML-KEM-768 */
	assert_null(pair_make(&pair, "native", "0s", "1rtt", "", "m"));
	memset(strrchr(pair.encryption, '.') + 1, '_', 8);
	wrong(false, pair.encryption, "none");
}

static void settings_are_read(void **state)
{
	struct venc_conf_key *c = &pair.server;

	(void)state;
	assert_null(pair_make(&pair, "random", "300-600s", "0rtt",
			      ".100-111-1111.75-0-111.50-3333-0", "xm"));
	assert_int_equal(c->mode, VENC_RANDOM);
	assert_int_equal(c->seconds_from, 300);
	assert_int_equal(c->seconds_to, 600);
	assert_int_equal(c->relays, 2);
	assert_int_equal(c->relays_len, 32 + 32 + 1088);
	assert_int_equal(c->padding.lens, 2);
	assert_int_equal(c->padding.gaps, 1);
	assert_int_equal(c->padding.len[1].hi, 3333);
	assert_int_equal(c->padding.gap[0].percent, 75);
	assert_true(pair.client.resume);
	for (int i = 0; i < 2; i++)
		assert_memory_equal(pair.client.relay[i].hash, c->relay[i].hash,
				    32);
	assert_null(pair_make(&pair, "xorpub", "0", "1rtt", "", "x"));
	assert_int_equal(c->seconds_from, 0);
	assert_false(pair.client.resume);
}

static uint32_t least(uint32_t n)
{
	(void)n;
	return 0;
}

static uint32_t most(uint32_t n)
{
	return n - 1;
}

static void paddings_are_thrown_within_their_bounds(void **state)
{
	struct venc_padding none = { .lens = 0 };
	struct venc_plan p;

	(void)state;
	venc_plan(&none, least, &p);
	assert_int_equal(p.bytes, 111);
	assert_int_equal(p.gap_ms[0], 0);
	venc_plan(&none, most, &p);
	assert_int_equal(p.bytes, 1111); /* the second is of 50 percent */
	for (int i = 0; i < 1000; i++) {
		venc_plan(&none, rand_below, &p);
		assert_in_range(p.bytes, 111, 1111 + 3333);
		assert_in_range(p.gap_ms[0], 0, 111);
	}
}

/* --- records ------------------------------------------------------------------ */

static void dirs(struct venc_dir_key *tx, struct venc_dir_key *rx, bool masked)
{
	const uint8_t key[VENC_UNITED_BYTES] = { 1, 2 }, iv[16] = { 255 };

	memset(tx, 0, sizeof(*tx));
	memset(rx, 0, sizeof(*rx));
	for (int i = 0; i < 2; i++) {
		struct venc_dir_key *d = i ? rx : tx;

		assert_int_equal(venc_dir_set(d, AEAD_AES_256_GCM, "ctx", 3,
					      key, sizeof(key)),
				 0);
		if (masked)
			assert_int_equal(
				venc_mask_set(&d->mask, key, sizeof(key), iv),
				0);
	}
}

static void open_all(struct venc_dir_key *rx, uint8_t *p, size_t n,
		     const uint8_t *want, size_t len)
{
	uint8_t *data;
	size_t got;

	for (size_t i = 0; i < VENC_HEAD_BYTES; i++)
		assert_int_equal(venc_open(rx, p, i, &data, &got), 0);
	assert_int_equal(venc_open(rx, p, n, &data, &got), VENC_HEAD_BYTES);
	assert_int_equal(got, 0);
	p += VENC_HEAD_BYTES;
	n -= VENC_HEAD_BYTES;
	assert_int_equal(venc_open(rx, p, n - 1, &data, &got), 0);
	assert_int_equal(venc_open(rx, p, n, &data, &got), (ssize_t)n);
	assert_int_equal(got, len);
	assert_memory_equal(data, want, len);
}

static void records_open_again_whatever_the_mode(void **state)
{
	static uint8_t plain[VENC_PLAIN_PUT + 1], out[VENC_PLAIN_PUT + 64];
	struct venc_dir_key tx, rx;

	(void)state;
	rand_bytes(plain, sizeof(plain));
	for (int masked = 0; masked < 2; masked++) {
		dirs(&tx, &rx, masked);
		for (size_t n = 1; n <= VENC_PLAIN_PUT; n = n * 2) {
			ssize_t k = venc_seal(&tx, plain, n, out, sizeof(out));

			assert_int_equal(k, (ssize_t)(n + VENC_EXTRA));
			if (!masked)
				assert_memory_equal(out, "\x17\x03\x03", 3);
			open_all(&rx, out, (size_t)k, plain, n);
		}
		assert_int_equal(venc_seal(&tx, plain, VENC_PLAIN_PUT + 1, out,
					   sizeof(out)),
				 -EINVAL);
		assert_int_equal(venc_seal(&tx, plain, 10, out, 30), -ENOBUFS);
		venc_dir_drop(&tx);
		venc_dir_drop(&rx);
	}
}

static void a_wrong_bit_of_a_record_is_seen(void **state)
{
	uint8_t out[64], copy[64], *data;
	size_t len;

	(void)state;
	for (size_t i = 0; i < 10 + VENC_EXTRA; i++) {
		struct venc_dir_key tx, rx;
		ssize_t n, k;

		dirs(&tx, &rx, i & 1);
		n = venc_seal(&tx, (const uint8_t *)"0123456789", 10, out,
			      sizeof(out));
		memcpy(copy, out, sizeof(copy));
		copy[i] ^= 1;
		k = venc_open(&rx, copy, (size_t)n, &data, &len);
		if (i < 3)
			assert_int_equal(k, -EBADMSG);
		if (k == VENC_HEAD_BYTES) /* a length that is too long waits */
			k = venc_open(&rx, copy + k, (size_t)(n - k), &data,
				      &len);
		assert_true(k < 0 || (i == 4 && k == 0) || (i == 3 && k == 0));
		venc_dir_drop(&tx);
		venc_dir_drop(&rx);
	}
}

static void lengths_out_of_bounds_are_no_head(void **state)
{
	static const uint8_t heads[][5] = {
		{ 23, 3, 3, 0, 0 },  { 23, 3, 3, 0, 16 },
		{ 23, 3, 3, 65, 1 }, { 23, 3, 3, 255, 255 },
		{ 22, 3, 3, 0, 50 }, { 23, 3, 1, 0, 50 },
	};
	struct venc_dir_key tx, rx;
	uint8_t p[5], *data;
	size_t len;

	(void)state;
	dirs(&tx, &rx, false);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		memcpy(p, heads[i], 5);
		assert_int_equal(venc_open(&rx, p, 5, &data, &len), -EBADMSG);
	}
	memcpy(p, (const uint8_t[]){ 23, 3, 3, 0x41, 0 }, 5); /* 16640 */
	assert_int_equal(venc_open(&rx, p, 5, &data, &len), 5);
	venc_dir_drop(&tx);
	venc_dir_drop(&rx);
}

/* --- the handshake ------------------------------------------------------------ */

/**
 * struct two - Both ends, and what the client said
 */
struct two {
	struct venc_shake_key c, s;
	struct venc_ticket_key ct, st;
	uint8_t hello[VENC_HELLO_MAX], answer[8192];
	size_t hello_len;
};

static struct two t;

static void two_end(void)
{
	venc_shake_drop(&t.c);
	venc_shake_drop(&t.s);
}

static void client_says(enum aead_kind aead, const struct venc_ticket_key *k)
{
	ssize_t n;

	t.c.aead = aead;
	t.c.random = t.s.random = rand_bytes;
	n = venc_client_hello(&t.c, &pair.client, k, 100, t.hello,
			      sizeof(t.hello));
	assert_true(n > 0);
	t.hello_len = (size_t)n;
}

/* What the one side seals the other side opens */
static void speaks(struct venc_dir_key *tx, struct venc_dir_key *rx)
{
	uint8_t out[64];
	ssize_t n =
		venc_seal(tx, (const uint8_t *)"hello", 5, out, sizeof(out));

	open_all(rx, out, (size_t)n, (const uint8_t *)"hello", 5);
}

/* 1-RTT with @aead, both directions after it */
static void whole_handshake(enum aead_kind aead)
{
	size_t front = venc_front_bytes(&pair.server);
	uint8_t *p = t.hello + front, *a = t.answer;
	ssize_t n;

	memset(&t, 0, sizeof(t));
	client_says(aead, NULL);
	assert_int_equal(venc_server_front(&t.s, &pair.server, t.hello),
			 VENC_ASK_BYTES);
	assert_int_equal(t.s.aead, aead);
	assert_int_equal(venc_server_ask(&t.s, p, VENC_ASK_BYTES), 0);
	n = venc_server_answer(&t.s, 600, 100, &t.st, t.answer,
			       sizeof(t.answer));
	assert_int_equal(n, VENC_ANSWER_BYTES + VENC_TICKET_BYTES + 100);
	p += VENC_ASK_BYTES;
	assert_int_equal(venc_open_length(&t.s.hello, p), 100 - 18);
	p += VENC_LENGTH_BYTES;
	assert_int_equal(venc_open_piece(&t.s.hello, p, 100 - 18), 0);
	assert_ptr_equal(p + 82, t.hello + t.hello_len);

	assert_int_equal(venc_client_answer(&t.c, a), 0);
	a += VENC_ANSWER_BYTES;
	assert_int_equal(venc_client_ticket(&t.c, a, &t.ct), 600);
	assert_memory_equal(&t.ct, &t.st, sizeof(t.ct));
	a += VENC_TICKET_BYTES;
	assert_int_equal(venc_open_length(&t.c.rx, a), 100 - 18);
	a += VENC_LENGTH_BYTES;
	assert_int_equal(venc_open_piece(&t.c.rx, a, 100 - 18), 0);
	speaks(&t.c.tx, &t.s.rx);
	speaks(&t.s.tx, &t.c.rx);
}

static void resumed(enum aead_kind aead)
{
	size_t front = venc_front_bytes(&pair.server);
	struct venc_ticket_key k = t.ct;
	uint8_t id[VENC_ID_BYTES], first[VENC_RANDOM_BYTES];

	two_end();
	client_says(aead, &k);
	assert_int_equal(t.hello_len, front + VENC_TICKET_BYTES);
	assert_int_equal(venc_server_front(&t.s, &pair.server, t.hello),
			 VENC_TICKET_BYTES);
	assert_int_equal(venc_server_ticket(&t.s, t.hello + front, id), 0);
	assert_memory_equal(id, k.id, sizeof(id));
	assert_int_equal(venc_server_resume(&t.s, k.pfs, first), 0);
	assert_int_equal(venc_client_random(&t.c, first), 0);
	speaks(&t.c.tx, &t.s.rx);
	speaks(&t.s.tx, &t.c.rx);
	two_end();
}

static void both_ends_agree_in_each_mode_over_each_chain(void **state)
{
	static const char *const modes[] = { "native", "xorpub", "random" };
	static const char *const chains[] = { "x", "m", "xm", "mx", "xxm" };

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		for (size_t c = 0; c < ARRAY_SIZE(chains); c++) {
			assert_null(pair_make(&pair, modes[m], "600s", "0rtt",
					      "", chains[c]));
			whole_handshake(AEAD_AES_256_GCM);
			resumed(AEAD_AES_256_GCM);
			whole_handshake(AEAD_CHACHA20_POLY1305);
			resumed(AEAD_CHACHA20_POLY1305);
		}
	}
}

/* Each byte before the padding's length is turned; nothing comes of any */
static void a_wrong_byte_of_a_hello_is_refused(void **state)
{
	static uint8_t copy[VENC_HELLO_MAX];
	size_t front;

	(void)state;
	assert_null(pair_make(&pair, "xorpub", "600s", "0rtt", "", "xx"));
	front = venc_front_bytes(&pair.server);
	memset(&t, 0, sizeof(t));
	client_says(AEAD_AES_256_GCM, NULL);
	for (size_t i = 0; i < front + VENC_ASK_BYTES;
	     i += i < front ? 1 : 31) {
		int rc;

		memcpy(copy, t.hello, t.hello_len);
		copy[i] ^= 0x80;
		rc = venc_server_front(&t.s, &pair.server, copy);
		if (i < front)
			assert_int_equal(rc, -EPROTO);
		else
			assert_int_equal(venc_server_ask(&t.s, copy + front,
							 VENC_ASK_BYTES),
					 -EPROTO);
		venc_shake_drop(&t.s);
	}
	two_end();
}

static void a_wrong_byte_of_an_answer_is_refused(void **state)
{
	(void)state;
	assert_null(pair_make(&pair, "native", "600s", "1rtt", "", "x"));
	for (size_t i = 0; i < VENC_ANSWER_BYTES; i += 53) {
		size_t front = venc_front_bytes(&pair.server);

		memset(&t, 0, sizeof(t));
		client_says(AEAD_AES_256_GCM, NULL);
		assert_true(venc_server_front(&t.s, &pair.server, t.hello) > 0);
		assert_int_equal(
			venc_server_ask(&t.s, t.hello + front, VENC_ASK_BYTES),
			0);
		assert_true(venc_server_answer(&t.s, 0, 35, &t.st, t.answer,
					       sizeof(t.answer)) > 0);
		t.answer[i] ^= 1;
		assert_int_equal(venc_client_answer(&t.c, t.answer), -EPROTO);
		two_end();
	}
}

static void a_client_without_the_key_is_refused(void **state)
{
	static struct venc_pair other;

	(void)state;
	assert_null(pair_make(&other, "xorpub", "600s", "0rtt", "", "m"));
	assert_null(pair_make(&pair, "xorpub", "600s", "0rtt", "", "m"));
	memset(&t, 0, sizeof(t));
	client_says(AEAD_AES_256_GCM, NULL);
	assert_int_equal(venc_server_front(&t.s, &other.server, t.hello),
			 -EPROTO);
	two_end();
	/* of the last relay only: its hash tells */
	assert_null(pair_make(&pair, "native", "600s", "0rtt", "", "xx"));
	other.server = pair.server;
	other.server.relay[1].hash[0] ^= 1;
	memset(&t, 0, sizeof(t));
	client_says(AEAD_AES_256_GCM, NULL);
	assert_int_equal(venc_server_front(&t.s, &other.server, t.hello),
			 -EPROTO);
	two_end();
}

/* Records, then what is none; @piece bytes at a time. What was masked: all of @changed */
static void heads_in_pieces(size_t piece)
{
	/* two records, an empty one, five bytes that are no head, and a part of one */
	static const uint8_t clear[] = { 23,  3,   3,  0, 2,   'a', 'b',
					 23,  3,   3,  0, 1,   'c', 23,
					 3,   3,   0,  0, 'n', 'o', 'n',
					 'e', '!', 23, 3 };
	static const uint8_t masked[] = { 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0,
					  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	const uint8_t key[3] = "key", iv[16] = { 7 };
	struct venc_heads_key tx = { 0 }, rx = { 0 };
	struct venc_mask_key same = { 0 };
	uint8_t p[sizeof(clear)], by[sizeof(clear)] = { 0 };
	size_t used = 0;

	assert_int_equal(venc_mask_set(&tx.mask, key, sizeof(key), iv), 0);
	assert_int_equal(venc_mask_set(&rx.mask, key, sizeof(key), iv), 0);
	assert_int_equal(venc_mask_set(&same, key, sizeof(key), iv), 0);
	assert_int_equal(venc_mask_run(&same, by, sizeof(by)), 0);
	memcpy(p, clear, sizeof(p));
	for (size_t at = 0; at < sizeof(p); at += piece)
		assert_int_equal(venc_heads_run(&tx, false, p + at,
						sizeof(p) - at < piece ?
							sizeof(p) - at :
							piece),
				 0);
	for (size_t i = 0; i < sizeof(p); i++)
		assert_int_equal(p[i],
				 masked[i] ? clear[i] ^ by[used++] : clear[i]);
	for (size_t at = 0; at < sizeof(p); at += piece)
		assert_int_equal(venc_heads_run(&rx, true, p + at,
						sizeof(p) - at < piece ?
							sizeof(p) - at :
							piece),
				 0);
	assert_memory_equal(p, clear, sizeof(p));
	venc_mask_drop(&tx.mask);
	venc_mask_drop(&rx.mask);
	venc_mask_drop(&same);
}

static void heads_of_records_are_masked_and_bodies_are_not(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 30; piece++)
		heads_in_pieces(piece);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_that_are_wrong_say_what_is_allowed),
		cmocka_unit_test(settings_are_read),
		cmocka_unit_test(paddings_are_thrown_within_their_bounds),
		cmocka_unit_test(records_open_again_whatever_the_mode),
		cmocka_unit_test(a_wrong_bit_of_a_record_is_seen),
		cmocka_unit_test(lengths_out_of_bounds_are_no_head),
		cmocka_unit_test(both_ends_agree_in_each_mode_over_each_chain),
		cmocka_unit_test(a_wrong_byte_of_a_hello_is_refused),
		cmocka_unit_test(a_wrong_byte_of_an_answer_is_refused),
		cmocka_unit_test(a_client_without_the_key_is_refused),
		cmocka_unit_test(
			heads_of_records_are_masked_and_bodies_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
