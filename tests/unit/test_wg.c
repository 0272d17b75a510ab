/* test_wg.c - WireGuard's messages against another implementation; cuts; window */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/wire/wg.h"
#include "tests/unit/vec.h"

#define INDEX_I 0x01020304u
#define INDEX_R 0xa0b0c0d0u

/* One line of the vectors */
struct line {
	uint8_t si[32], sr[32], ei[32], er[32], psk[32], cookie[16];
	uint8_t m1[WG_INITIATION_BYTES], m2[WG_RESPONSE_BYTES];
	uint8_t ki[32], kr[32], packet[45], data[80];
};

/* Two sides that know each other */
struct sides {
	struct wg_self_key i, r;
	struct wg_peer_key to_r, to_i;
	struct wg_shake_key si, sr;
};

static void line_get(struct line *l, int number)
{
	uint8_t *const at[] = { l->si,  l->sr,     l->ei,     l->er,
				l->psk, l->cookie, l->m1,     l->m2,
				l->ki,  l->kr,     l->packet, l->data };
	const size_t len[] = {
		32, 32, 32, 32, 32, 16, WG_INITIATION_BYTES, WG_RESPONSE_BYTES,
		32, 32, 45, 80
	};
	struct vec v;

	vec_open(&v, "wireguard.txt");
	while (number-- >= 0)
		assert_int_equal(vec_next(&v), 1);
	assert_int_equal(v.count, 12);
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(hex_get(v.field[i], at[i], len[i]), len[i]);
	while (vec_next(&v))
		;
}

static void sides_set(struct sides *s, const struct line *l)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(wg_self_set(&s->i, l->si), 0);
	assert_int_equal(wg_self_set(&s->r, l->sr), 0);
	assert_int_equal(wg_peer_set(&s->to_r, &s->i, s->r.public_key, l->psk),
			 0);
	assert_int_equal(wg_peer_set(&s->to_i, &s->r, s->i.public_key, l->psk),
			 0);
}

static void begin(struct sides *s, const struct line *l, uint8_t *m1)
{
	struct wg_begin_key b = { .sender = INDEX_I };

	memcpy(b.eph, l->ei, sizeof(b.eph));
	wg_stamp(1700000000, 123456789, b.stamp);
	assert_int_equal(wg_initiation_encode(&s->si, &s->i, &s->to_r, &b, m1),
			 0);
	wg_mac_put(&s->to_r, l->cookie, m1, WG_INITIATION_BYTES);
}

static int receive(struct sides *s, const uint8_t *m1, uint8_t *stamp)
{
	uint8_t who[WG_KEY_BYTES] = { 0 };
	int rc = wg_initiation_who(&s->sr, &s->r, m1, who);

	if (rc)
		return rc;
	assert_memory_equal(who, s->i.public_key, sizeof(who));
	return wg_initiation_when(&s->sr, &s->to_i, m1, stamp);
}

static void answer(struct sides *s, const struct line *l, uint8_t *m2)
{
	const uint32_t index[2] = { INDEX_R, INDEX_I };

	assert_int_equal(wg_response_encode(&s->sr, &s->to_i, l->er, index, m2),
			 0);
	wg_mac_put(&s->to_i, NULL, m2, WG_RESPONSE_BYTES);
}

static void handshakes_are_those_of_another_program(void **state)
{
	uint8_t m1[WG_INITIATION_BYTES], m2[WG_RESPONSE_BYTES], stamp[12];
	uint8_t a[32], b[32];
	struct sides s;
	struct line l;

	(void)state;
	for (int i = 0; i < 2; i++) {
		line_get(&l, i);
		sides_set(&s, &l);
		begin(&s, &l, m1);
		assert_memory_equal(m1, l.m1, sizeof(m1));
		assert_true(wg_mac1_ok(&s.r, m1, sizeof(m1)));
		assert_true(wg_mac2_ok(l.cookie, m1, sizeof(m1)));
		assert_int_equal(receive(&s, m1, stamp), 0);
		assert_memory_equal(stamp, "\x40\0\0\0\x65\x53\xf1\x0a", 8);
		answer(&s, &l, m2);
		assert_memory_equal(m2, l.m2, sizeof(m2));
		assert_int_equal(wg_response_open(&s.si, &s.i, &s.to_r, m2), 0);
		wg_shake_end(&s.si, true, a, b);
		assert_memory_equal(a, l.ki, 32);
		assert_memory_equal(b, l.kr, 32);
		wg_shake_end(&s.sr, false, a, b);
		assert_memory_equal(a, l.kr, 32);
		assert_memory_equal(b, l.ki, 32);
	}
}

static void any_changed_bit_of_a_handshake_is_refused(void **state)
{
	uint8_t m1[WG_INITIATION_BYTES], m2[WG_RESPONSE_BYTES], stamp[12];
	struct sides s, fresh;
	struct line l;

	(void)state;
	line_get(&l, 1);
	sides_set(&s, &l);
	for (size_t i = 8; i < sizeof(m1) - 32; i++) {
		begin(&s, &l, m1);
		m1[i] ^= 1;
		assert_false(wg_mac1_ok(&s.r, m1, sizeof(m1)));
		assert_int_not_equal(receive(&s, m1, stamp), 0);
	}
	begin(&s, &l, m1);
	assert_int_equal(receive(&s, m1, stamp), 0);
	answer(&s, &l, m2);
	fresh = s;
	for (size_t i = 12; i < sizeof(m2) - 32; i++) {
		m2[i] ^= 0x80;
		if (i != 43) { /* the top bit of a point is not looked at */
			assert_int_not_equal(
				wg_response_open(&s.si, &s.i, &s.to_r, m2), 0);
			assert_memory_equal(&s.si, &fresh.si, sizeof(s.si));
		}
		m2[i] ^= 0x80;
	}
	assert_int_equal(wg_response_open(&s.si, &s.i, &s.to_r, m2), 0);
}

static void another_psk_is_refused(void **state)
{
	uint8_t m1[WG_INITIATION_BYTES], m2[WG_RESPONSE_BYTES], stamp[12];
	struct sides s;
	struct line l;

	(void)state;
	line_get(&l, 1);
	sides_set(&s, &l);
	begin(&s, &l, m1);
	assert_int_equal(receive(&s, m1, stamp), 0);
	s.to_i.psk[0] ^= 1;
	answer(&s, &l, m2);
	assert_int_equal(wg_response_open(&s.si, &s.i, &s.to_r, m2), -EPROTO);
}

static void a_key_of_zeros_is_no_key(void **state)
{
	static const uint8_t zeros[32];
	struct wg_self_key self;
	struct wg_peer_key peer;

	(void)state;
	assert_int_equal(wg_self_set(&self, (const uint8_t *)"\1\2\3\4\5\6\7\1"
							     "\1\2\3\4\5\6\7\1"
							     "\1\2\3\4\5\6\7\1"
							     "\1\2\3\4\5\6\7"),
			 0);
	assert_int_equal(wg_peer_set(&peer, &self, zeros, zeros), -EPROTO);
}

static void heads_need_their_length(void **state)
{
	static uint8_t p[WG_MAX + 1];
	static const size_t len[] = { 0, 148, 92, 64, 0, 0 };
	struct wg_head h = { .kind = 77 };

	(void)state;
	for (uint8_t kind = 0; kind < 6; kind++) {
		p[0] = kind;
		for (size_t n = 1; n < 300; n++) {
			bool good = kind == WG_DATA ? n >= WG_DATA_EXTRA :
						      n == len[kind];

			assert_int_equal(wg_head_decode(p, n, &h),
					 good ? 0 : -EPROTO);
		}
	}
	p[0] = WG_DATA;
	assert_int_equal(wg_head_decode(p, WG_MAX, &h), 0);
	assert_int_equal(wg_head_decode(p, WG_MAX + 1, &h), -EPROTO);
	p[2] = 1;
	assert_int_equal(wg_head_decode(p, 64, &h), -EPROTO);
	assert_int_equal(wg_head_decode(p, 0, &h), -EPROTO);
}

static void data_is_that_of_another_program(void **state)
{
	struct wg_head h = { .receiver = INDEX_R, .counter = 0x1122334455 };
	uint8_t out[128], back[128];
	struct aead_key k = { 0 };
	struct line l;

	(void)state;
	line_get(&l, 0);
	assert_int_equal(aead_key_set(&k, AEAD_CHACHA20_POLY1305, l.ki), 0);
	for (size_t cut = 0; cut <= 45; cut++) {
		struct iovec v[2] = { { l.packet, cut },
				      { l.packet + cut, 45 - cut } };
		struct iovec o = { out, 80 };

		assert_int_equal(wg_data_seal(&k, &h, v, 2, 3, o), 80);
		assert_memory_equal(out, l.data, 80);
		o.iov_len = 79;
		assert_int_equal(wg_data_seal(&k, &h, v, 2, 3, o), -ENOBUFS);
	}
	assert_int_equal(wg_data_open(&k, out, 80, back), 48);
	assert_memory_equal(back, l.packet, 45);
	for (size_t n = 0; n < 80; n++)
		assert_int_equal(wg_data_open(&k, out, n, back), -EPROTO);
	for (size_t i = 8; i < 80; i++) {
		out[i] ^= 4;
		assert_int_equal(wg_data_open(&k, out, 80, back), -EPROTO);
		out[i] ^= 4;
	}
	aead_key_drop(&k);
}

static void a_cookie_comes_back(void **state)
{
	uint8_t m1[WG_INITIATION_BYTES], reply[WG_COOKIE_BYTES];
	uint8_t nonce[WG_NONCE_BYTES] = { 9 }, got[WG_MAC_BYTES] = { 0 };
	struct iovec msg = { m1, sizeof(m1) };
	struct wg_head h;
	struct sides s;
	struct line l;

	(void)state;
	line_get(&l, 0);
	sides_set(&s, &l);
	begin(&s, &l, m1);
	assert_int_equal(wg_cookie_encode(&s.r, nonce, l.cookie, &msg, reply),
			 0);
	assert_int_equal(wg_head_decode(reply, sizeof(reply), &h), 0);
	assert_int_equal(h.receiver, INDEX_I);
	assert_int_equal(
		wg_cookie_open(&s.to_r, wg_mac1(m1, sizeof(m1)), reply, got),
		0);
	assert_memory_equal(got, l.cookie, sizeof(got));
	reply[40] ^= 1;
	assert_int_equal(
		wg_cookie_open(&s.to_r, wg_mac1(m1, sizeof(m1)), reply, got),
		-EPROTO);
	assert_false(wg_mac2_ok(nonce, m1, sizeof(m1)));
}

static bool take(struct wg_window *w, uint64_t c)
{
	bool ok = wg_window_ok(w, c);

	if (ok)
		wg_window_take(w, c);
	return ok;
}

/* What the window of Linux and of Go are tested with, for our span */
static void the_window_takes_each_counter_once(void **state)
{
	struct wg_window w = { 0 };
	const uint64_t span = WG_WINDOW_BITS - 64;

	(void)state;
	assert_true(take(&w, 0));
	assert_false(take(&w, 0));
	assert_true(take(&w, 1));
	assert_false(take(&w, 1));
	assert_true(take(&w, 9));
	assert_true(take(&w, 8));
	assert_true(take(&w, 7));
	assert_false(take(&w, 7));
	assert_true(take(&w, span));
	assert_true(take(&w, span - 1));
	assert_false(take(&w, span - 1));
	assert_true(take(&w, 2));
	assert_true(take(&w, span + 16));
	assert_false(take(&w, 3));
	assert_true(take(&w, span * 4));
	assert_true(take(&w, span * 4 - (span - 1)));
	assert_false(take(&w, 10));
	assert_false(take(&w, span * 4 - span));
	assert_true(take(&w, span * 4 + 1));
	assert_false(take(&w, UINT64_MAX));
	assert_false(take(&w, WG_COUNTER_MAX));
	assert_true(take(&w, WG_COUNTER_MAX - 1));
	assert_false(take(&w, WG_COUNTER_MAX - 1));
	assert_true(take(&w, WG_COUNTER_MAX - 2));
}

/* Against a plain table of what was seen */
static void the_window_agrees_with_a_table(void **state)
{
	static bool seen[200000];
	struct wg_window w = { 0 };
	uint64_t high = 0, c;

	(void)state;
	srand(5);
	for (int i = 0; i < 150000; i++) {
		c = high + (uint64_t)(rand() % 6000);
		c = c > 4500 ? c - 4500 : 0;
		if (c >= 200000)
			break;
		if (high && high + 1 - c > WG_WINDOW_BITS - 64 && c <= high) {
			assert_false(take(&w, c));
			continue;
		}
		assert_int_equal(take(&w, c), !seen[c]);
		seen[c] = true;
		if (c > high)
			high = c;
	}
	assert_true(high > 100000);
}

static void keys_are_read_in_each_form(void **state)
{
	static const char hex[] = "000102030405060708090a0b0c0d0e0f"
				  "101112131415161718191a1b1c1d1e1f";
	static const char upper[] = "000102030405060708090A0B0C0D0E0F"
				    "101112131415161718191A1B1C1D1E1F";
	static const char b64[] =
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
	static const char *const wrong[] = {
		"",
		"AAEC",
		"x",
		b64 + 1,
		"000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E"
		"g0",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAA=",
	};
	uint8_t key[WG_KEY_BYTES];

	(void)state;
	assert_int_equal(wg_key_parse(hex, key), 0);
	assert_hex(key, hex);
	memset(key, 0, sizeof(key));
	assert_int_equal(wg_key_parse(upper, key), 0);
	assert_hex(key, hex);
	memset(key, 0, sizeof(key));
	assert_int_equal(wg_key_parse(b64, key), 0);
	assert_hex(key, hex);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(wg_key_parse(wrong[i], key), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_are_those_of_another_program),
		cmocka_unit_test(any_changed_bit_of_a_handshake_is_refused),
		cmocka_unit_test(another_psk_is_refused),
		cmocka_unit_test(a_key_of_zeros_is_no_key),
		cmocka_unit_test(heads_need_their_length),
		cmocka_unit_test(data_is_that_of_another_program),
		cmocka_unit_test(a_cookie_comes_back),
		cmocka_unit_test(the_window_takes_each_counter_once),
		cmocka_unit_test(the_window_agrees_with_a_table),
		cmocka_unit_test(keys_are_read_in_each_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
