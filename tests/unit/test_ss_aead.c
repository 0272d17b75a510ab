/* test_ss_aead.c - Shadowsocks AEAD against an independent encoder; every cut */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "proxy/wire/ss_aead.h"
#include "tests/unit/vec.h"

static uint8_t stream[2048], packet[256], key[SS_KEY_MAX];

/* All plain bytes of @n sealed ones that come @step at a time; -1: refused */
static ssize_t read_all(struct ss_flow_key *k, const uint8_t *p, size_t n,
			size_t step, uint8_t *out)
{
	static uint8_t have[4096];
	size_t held = 0, got = 0;

	for (size_t at = 0; at < n || held;) {
		size_t m = n - at < step ? n - at : step, len;
		uint8_t *data = NULL;
		ssize_t used;

		memcpy(have + held, p + at, m);
		held += m;
		at += m;
		while ((used = ss_open(k, have, held, &data, &len)) > 0) {
			if (len)
				memcpy(out + got, data, len);
			got += len;
			held -= (size_t)used;
			memmove(have, have + used, held);
		}
		if (used < 0)
			return -1;
		if (at == n && held)
			return -1; /* a cut chunk */
		if (at == n)
			break;
	}
	return (ssize_t)got;
}

static void vectors_open_in_pieces_of_any_size(void **state)
{
	struct vec v;
	int count = 0;

	(void)state;
	for (vec_open(&v, "ss_aead.txt"); vec_next(&v); count++) {
		const struct ss_method *m = ss_method_find(v.field[0]);
		size_t n = hex_get(v.field[2], stream, sizeof(stream));
		uint8_t out[1024];

		assert_non_null(m);
		assert_int_equal(ss_master_key(m, v.field[1], key), 0);
		for (size_t step = 1; step < 700; step += 13) {
			struct ss_flow_key k;

			assert_int_equal(ss_flow_set(&k, m, key, stream), 0);
			assert_int_equal(read_all(&k, stream + m->key_len,
						  n - m->key_len, step, out),
					 15 + 5 + 500);
			assert_memory_equal(out + 15, "hello", 5);
			assert_int_equal(out[519], 'x');
			ss_flow_drop(&k);
		}
	}
	assert_int_equal(count, 3);
}

static void vectors_are_what_we_seal(void **state)
{
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss_aead.txt"); vec_next(&v);) {
		const struct ss_method *m = ss_method_find(v.field[0]);
		size_t n = hex_get(v.field[2], stream, sizeof(stream));
		uint8_t text[500], out[1024];
		struct ss_flow_key k;
		ssize_t a, b;

		ss_master_key(m, v.field[1], key);
		assert_int_equal(ss_flow_set(&k, m, key, stream), 0);
		memcpy(text,
		       "\x03\x0b"
		       "example.com\x01\xbbhello",
		       20);
		a = ss_seal(&k, text, 20, out, sizeof(out));
		assert_int_equal(a, 20 + SS_CHUNK_EXTRA);
		/* payload in place */
		memset(out + a + SS_CHUNK_HEAD, 'x', 500);
		b = ss_seal(&k, out + a + SS_CHUNK_HEAD, 500, out + a,
			    500 + SS_CHUNK_EXTRA);
		assert_int_equal(b, 500 + SS_CHUNK_EXTRA);
		assert_int_equal((size_t)(a + b), n - m->key_len);
		assert_memory_equal(out, stream + m->key_len, (size_t)(a + b));
		assert_int_equal(ss_seal(&k, text, 20, out, 20), -ENOBUFS);
		assert_int_equal(ss_seal(&k, text, 0x4000, out, 1024), -EINVAL);
		ss_flow_drop(&k);
	}
}

static void packets_of_vectors_open_and_seal(void **state)
{
	struct vec v;

	(void)state;
	for (vec_open(&v, "ss_aead.txt"); vec_next(&v);) {
		const struct ss_method *m = ss_method_find(v.field[0]);
		size_t n = hex_get(v.field[3], packet, sizeof(packet));
		struct wire_packet pk, out;
		uint8_t copy[256];

		ss_master_key(m, v.field[1], key);
		pk = (struct wire_packet){ .peer = addr_name("example.com", 11,
							     443),
					   .data = (const uint8_t *)"ping",
					   .len = 4 };
		assert_int_equal(ss_udp_seal(m, key, packet, &pk, copy, n), n);
		assert_memory_equal(copy, packet, n);
		assert_int_equal(ss_udp_seal(m, key, packet, &pk, copy, n - 1),
				 -ENOBUFS);
		for (size_t cut = 0; cut < n; cut++) {
			memcpy(copy, packet, n);
			assert_int_equal(ss_udp_open(m, key, copy, cut, &out),
					 -EPROTO);
		}
		memcpy(copy, packet, n);
		assert_int_equal(ss_udp_open(m, key, copy, n, &out), 0);
		assert_true(addr_eq(&out.peer, &pk.peer));
		assert_int_equal(out.len, 4);
		assert_memory_equal(out.data, "ping", 4);
	}
}

static void every_method_round_trips_and_no_bit_may_change(void **state)
{
	static const char *const name[] = { "AEAD_AES_128_GCM", "aes-256-gcm",
					    "chacha20-poly1305",
					    "xchacha20-ietf-poly1305" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		const struct ss_method *m = ss_method_find(name[i]);
		uint8_t salt[32], out[200], text[50] = { 9 }, got[64];

		rand_bytes(salt, sizeof(salt));
		ss_master_key(m, "secret", key);
		for (size_t bit = 0; bit <= 84 * 8; bit += 5) {
			struct ss_flow_key k, o;
			ssize_t n;

			ss_flow_set(&k, m, key, salt);
			ss_flow_set(&o, m, key, salt);
			n = ss_seal(&k, text, 50, out, sizeof(out));
			assert_int_equal(n, 84);
			if (bit < 84 * 8)
				out[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(read_all(&o, out, 84, 84, got),
					 bit < 84 * 8 ? -1 : 50);
			ss_flow_drop(&k);
			ss_flow_drop(&o);
		}
	}
	assert_null(ss_method_find("rc4-md5"));
	assert_int_equal(ss_method_find("plain")->aead, AEAD_NONE);
	assert_true(ss_method_find("2022-BLAKE3-AES-128-GCM")->v2022);
}

static void a_chunk_longer_than_allowed_is_refused(void **state)
{
	const struct ss_method *m = ss_method_find("aes-128-gcm");
	static uint8_t big[0x4000], out[0x4000 + SS_CHUNK_EXTRA];
	uint8_t salt[32] = { 1 }, *data;
	struct ss_flow_key k, o;
	size_t len;

	(void)state;
	ss_master_key(m, "p", key);
	ss_flow_set(&k, m, key, salt);
	ss_flow_set(&o, m, key, salt);
	k.max = 0x4000;
	assert_true(ss_seal(&k, big, 0x4000, out, sizeof(out)) > 0);
	assert_int_equal(ss_open(&o, out, 18, &data, &len), -EPROTO);
	ss_flow_drop(&k);
	ss_flow_drop(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_open_in_pieces_of_any_size),
		cmocka_unit_test(vectors_are_what_we_seal),
		cmocka_unit_test(packets_of_vectors_open_and_seal),
		cmocka_unit_test(
			every_method_round_trips_and_no_bit_may_change),
		cmocka_unit_test(a_chunk_longer_than_allowed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
