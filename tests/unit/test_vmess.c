/* test_vmess.c - VMess heads and bodies against an independent encoder */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "proxy/wire/uuid.h"
#include "proxy/wire/vmess.h"
#include "proxy/wire/vmess_body.h"
#include "tests/unit/vec.h"

#define NOW 1700000000u
#define ID  "b831381d-6324-4d53-ad4f-8cda48b30811"

static void fill_5a(void *p, size_t n)
{
	memset(p, 0x5a, n);
}

static struct vmess_user_key user(void)
{
	struct vmess_user_key u;
	uint8_t id[16];

	assert_int_equal(uuid_parse(ID, id), 0);
	assert_int_equal(vmess_user_set(&u, id), 0);
	return u;
}

/* Published with VMess AEAD (v2fly) */
static void the_kdf_gives_its_published_value(void **state)
{
	char a[] = "Demo Path for KDF Value Test";
	char b[] = "Demo Path for KDF Value Test2";
	char c[] = "Demo Path for KDF Value Test3";
	struct iovec path[3] = { { a, strlen(a) },
				 { b, strlen(b) },
				 { c, strlen(c) } };
	uint8_t out[32];

	(void)state;
	assert_int_equal(
		vmess_kdf((const uint8_t *)"Demo Key for KDF Value Test", 27,
			  path, 3, out),
		0);
	assert_hex(out, "53e9d7e1bd7bd25022b71ead07d8a596"
			"efc8a845c7888652fd684b4903dc8892");
}

static struct vmess_request request(struct vec *v)
{
	struct vmess_request rq = {
		.options = (uint8_t)atoi(v->field[0]),
		.security = (uint8_t)atoi(v->field[1]),
		.command = VMESS_TCP,
		.verify = 0xaa,
		.to = addr_name("example.com", 11, 443),
	};

	for (int i = 0; i < 16; i++) {
		rq.body_iv[i] = (uint8_t)i;
		rq.body_key[i] = (uint8_t)(64 + i);
	}
	return rq;
}

static void same_request(const struct vmess_request *a,
			 const struct vmess_request *b)
{
	assert_memory_equal(a->body_iv, b->body_iv, 16);
	assert_memory_equal(a->body_key, b->body_key, 16);
	assert_int_equal(a->verify, b->verify);
	assert_int_equal(a->options, b->options);
	assert_int_equal(a->security, b->security);
	assert_int_equal(a->command, b->command);
	assert_true(addr_eq(&a->to, &b->to));
}

static void requests_of_the_vectors_are_read(void **state)
{
	struct vmess_user_key u = user();
	struct vec v;
	int count = 0;

	(void)state;
	for (vec_open(&v, "vmess.txt"); vec_next(&v); count++) {
		struct vmess_request want = request(&v), got = { 0 };
		uint8_t in[512];
		size_t n = hex_get(v.field[2], in, sizeof(in));
		int64_t skew;

		assert_int_equal(vmess_auth_check(&u, in, NOW, &skew), 0);
		assert_int_equal(skew, 0);
		assert_int_equal(vmess_auth_check(&u, in, NOW + 121, &skew),
				 -ESTALE);
		assert_int_equal(skew, -121);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(
				vmess_request_decode(&u, in, cut, &got), 0);
		assert_int_equal(vmess_request_decode(&u, in, n, &got), n);
		same_request(&got, &want);
		for (size_t i = 16; i < n; i += 3) {
			in[i] ^= 4;
			assert_int_equal(vmess_request_decode(&u, in, n, &got),
					 -EPROTO);
			in[i] ^= 4;
		}
		in[3] ^= 1;
		assert_int_equal(vmess_auth_check(&u, in, NOW, &skew), -ENOENT);
	}
	assert_int_equal(count, 10);
}

static void what_we_encode_is_read_back(void **state)
{
	struct vmess_user_key u = user();

	(void)state;
	for (int i = 0; i < 64; i++) {
		struct vmess_request rq = { .security = VMESS_AES_128_GCM,
					    .options = 0x0d,
					    .verify = (uint8_t)i };
		struct vmess_request got;
		uint8_t out[VMESS_REQUEST_MAX];
		int64_t skew;
		ssize_t n;

		rq.command = i & 1 ? VMESS_MUX : VMESS_UDP;
		rand_bytes(rq.body_iv, 16);
		rand_bytes(rq.body_key, 16);
		if (!(i & 1))
			rq.to = addr_v4("\1\2\3\4", (uint16_t)i);
		n = vmess_request_encode(&u, &rq, NOW, rand_bytes, out,
					 sizeof(out));
		assert_true(n > 0);
		assert_int_equal(vmess_auth_check(&u, out, NOW - 120, &skew),
				 0);
		assert_int_equal(vmess_request_decode(&u, out, (size_t)n, &got),
				 n);
		same_request(&got, &rq);
		assert_int_equal(
			vmess_request_encode(&u, &rq, NOW, fill_5a, out, 60),
			-ENOBUFS);
	}
}

static void responses_are_those_of_the_vectors(void **state)
{
	struct vec v;

	(void)state;
	for (vec_open(&v, "vmess.txt"); vec_next(&v);) {
		struct vmess_request rq = request(&v);
		uint8_t want[64], out[64];
		size_t n = hex_get(v.field[3], want, sizeof(want));

		assert_int_equal(n, VMESS_RESPONSE_BYTES);
		assert_int_equal(vmess_response_encode(&rq, out, n - 1),
				 -ENOBUFS);
		assert_int_equal(vmess_response_encode(&rq, out, n), n);
		assert_memory_equal(out, want, n);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(vmess_response_decode(&rq, want, cut),
					 0);
		assert_int_equal(vmess_response_decode(&rq, want, n), n);
		rq.verify ^= 1;
		assert_int_equal(vmess_response_decode(&rq, want, n), -EPROTO);
	}
}

/* The body @hex in pieces of @step bytes is "hello", 500 x, and its end */
static void check_body(const struct vmess_request *rq, bool down,
		       const char *hex, size_t step)
{
	static uint8_t in[4096], have[4096], out[4096];
	size_t n = hex_get(hex, in, sizeof(in)), held = 0, got = 0, len;
	struct vmess_body_key k;
	bool end = false;

	assert_int_equal(vmess_body_set(&k, rq, down), 0);
	for (size_t at = 0; at < n;) {
		size_t m = n - at < step ? n - at : step;
		uint8_t *data = NULL;
		ssize_t used;

		assert_false(end);
		memcpy(have + held, in + at, m);
		at += m;
		held += m;
		while ((used = vmess_body_open(&k, have, held, &data, &len)) >
		       0) {
			if (len)
				memcpy(out + got, data, len);
			got += len;
			held -= (size_t)used;
			memmove(have, have + used, held);
		}
		assert_true(used == 0 || used == -EPIPE);
		end = used == -EPIPE;
	}
	assert_true(end);
	assert_int_equal(got, 505);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(out[504], 'x');
	vmess_body_drop(&k);
}

static void bodies_open_in_pieces_of_any_size(void **state)
{
	struct vec v;

	(void)state;
	for (vec_open(&v, "vmess.txt"); vec_next(&v);) {
		struct vmess_request rq = request(&v);

		for (size_t step = 1; step < 1000; step += 37) {
			check_body(&rq, false, v.field[4], step);
			check_body(&rq, true, v.field[5], step);
		}
	}
}

static void bodies_are_those_of_the_vectors(void **state)
{
	static uint8_t want[4096], out[16384];
	uint8_t x[500];
	struct vec v;

	(void)state;
	memset(x, 'x', sizeof(x));
	for (vec_open(&v, "vmess.txt"); vec_next(&v);)
		for (int down = 0; down < 2; down++) {
			struct vmess_request rq = request(&v);
			size_t n =
				hex_get(v.field[4 + down], want, sizeof(want));
			struct vmess_body_key k;
			ssize_t a, b, c;

			vmess_body_set(&k, &rq, down);
			a = vmess_body_seal(&k, (const uint8_t *)"hello", 5,
					    fill_5a, out, sizeof(out));
			b = vmess_body_seal(&k, x, 500, fill_5a, out + a, 8192);
			c = vmess_body_seal(&k, NULL, 0, fill_5a, out + a + b,
					    4096);
			assert_true(a > 0 && b > 0 && c > 0);
			assert_int_equal((size_t)(a + b + c), n);
			assert_memory_equal(out, want, n);
			vmess_body_drop(&k);
		}
}

static void a_changed_body_is_refused(void **state)
{
	static uint8_t in[4096], copy[4096];
	struct vec v;

	(void)state;
	for (vec_open(&v, "vmess.txt"); vec_next(&v);) {
		struct vmess_request rq = request(&v);
		size_t n = hex_get(v.field[4], in, sizeof(in));

		if (rq.security == VMESS_NONE)
			continue;
		/* the size, then the first sealed bytes */
		for (size_t i = 0; i < 20; i++) {
			struct vmess_body_key k;
			uint8_t *data;
			size_t len;
			ssize_t used;

			memcpy(copy, in, n);
			copy[i] ^= 1;
			vmess_body_set(&k, &rq, false);
			used = vmess_body_open(&k, copy, n, &data, &len);
			assert_int_equal(used, -EPROTO);
			vmess_body_drop(&k);
		}
	}
}

static void padding_without_masking_and_raw_bodies(void **state)
{
	struct vmess_request rq = { .security = VMESS_NONE,
				    .command = VMESS_TCP };
	struct vmess_body_key k;
	uint8_t in[] = "abc", *data;
	size_t len;

	(void)state;
	assert_int_equal(vmess_body_set(&k, &rq, false), 0);
	assert_int_equal(vmess_body_open(&k, in, 3, &data, &len), 3);
	assert_int_equal(len, 3);
	vmess_body_drop(&k);
	rq.security = VMESS_AES_128_GCM;
	rq.options = VMESS_OPT_CHUNK | VMESS_OPT_PADDING;
	assert_int_equal(vmess_body_set(&k, &rq, false), -EINVAL);
}

static void ids_are_uuids_or_names(void **state)
{
	uint8_t a[16], b[16];

	(void)state;
	assert_int_equal(uuid_parse(ID, a), 0);
	assert_hex(a, "b831381d63244d53ad4f8cda48b30811");
	assert_int_equal(uuid_parse("B831381D63244D53AD4F8CDA48B30811", b), 0);
	assert_memory_equal(a, b, 16);
	/* Xray common/uuid/uuid_test.go */
	assert_int_equal(uuid_parse("example", a), 0);
	assert_hex(a, "feb54431301b52bba6dde1e93e81bb9e");
	assert_int_equal(uuid_parse("", a), -EINVAL);
	assert_int_equal(uuid_parse("1234567890123456789012345678901", a),
			 -EINVAL);
	assert_int_equal(uuid_parse("g831381d-6324-4d53-ad4f-8cda48b30811", a),
			 -EINVAL);
	assert_int_equal(uuid_parse("b831381d-6324-4d53-ad4f-8cda48b308111", a),
			 -EINVAL);
	assert_int_equal(uuid_parse("b831381d--6324-4d53-ad4f-8cda48b3081", a),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kdf_gives_its_published_value),
		cmocka_unit_test(requests_of_the_vectors_are_read),
		cmocka_unit_test(what_we_encode_is_read_back),
		cmocka_unit_test(responses_are_those_of_the_vectors),
		cmocka_unit_test(bodies_open_in_pieces_of_any_size),
		cmocka_unit_test(bodies_are_those_of_the_vectors),
		cmocka_unit_test(a_changed_body_is_refused),
		cmocka_unit_test(padding_without_masking_and_raw_bodies),
		cmocka_unit_test(ids_are_uuids_or_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
