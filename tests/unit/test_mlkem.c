/*
 * test_mlkem.c - ML-KEM-768 against secrets that Go's crypto/mlkem made of what
 * we sealed (it seals again and compares, FIPS 203, algorithm 18)
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/mlkem.h"
#include "tests/unit/vec.h"

/* Fields: the key, m, SHA-256 of what is sealed, the secret */
static void what_go_opens_has_our_secret(void **state)
{
	uint8_t key[MLKEM768_KEY_BYTES], m[32], sealed[MLKEM768_SEALED_BYTES];
	uint8_t shared[MLKEM_SHARED_BYTES], sum[32];
	struct vec v;
	int n = 0;

	(void)state;
	vec_open(&v, "mlkem768.txt");
	while (vec_next(&v)) {
		assert_int_equal(v.count, 4);
		assert_int_equal(hex_get(v.field[0], key, sizeof(key)),
				 sizeof(key));
		assert_int_equal(hex_get(v.field[1], m, sizeof(m)), 32);
		assert_int_equal(mlkem768_encaps(key, m, sealed, shared), 0);
		hash_once(HASH_SHA256, sealed, sizeof(sealed), sum);
		assert_hex(sum, v.field[2]);
		assert_hex(shared, v.field[3]);
		n++;
	}
	assert_int_equal(n, 8);
}

static void numbers_too_large_are_no_key(void **state)
{
	uint8_t key[MLKEM768_KEY_BYTES] = { 0 }, m[32] = { 0 };
	uint8_t sealed[MLKEM768_SEALED_BYTES], shared[MLKEM_SHARED_BYTES];

	(void)state;
	assert_int_equal(mlkem768_encaps(key, m, sealed, shared), 0);
	key[0] = 0x00;
	key[1] = 0x0d; /* 3328 */
	assert_int_equal(mlkem768_encaps(key, m, sealed, shared), 0);
	key[0] = 0x01; /* 3329 */
	assert_int_equal(mlkem768_encaps(key, m, sealed, shared), -EPROTO);
	key[0] = 0;
	key[1] = 0;
	memset(key + 1149, 0xff, 3); /* the last of them */
	assert_int_equal(mlkem768_encaps(key, m, sealed, shared), -EPROTO);
	memset(key + 1149, 0, 3);
	memset(key + 1152, 0xff, 32); /* the seed may be anything */
	assert_int_equal(mlkem768_encaps(key, m, sealed, shared), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_go_opens_has_our_secret),
		cmocka_unit_test(numbers_too_large_are_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
