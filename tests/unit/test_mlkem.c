/*
 * test_mlkem.c - ML-KEM-768 against secrets that Go's crypto/mlkem made of what
 * we sealed (it seals again and compares, FIPS 203, algorithm 18), and against
 * published vectors
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/mlkem.h"
#include "gateway/base/shake.h"
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

#define ROUNDS      100
#define ROUND_BYTES (MLKEM768_KEY_BYTES + MLKEM768_SEALED_BYTES + 64)

/*
 * Accumulated vectors: seeds, messages and noise come from SHAKE128 of nothing; all
 * that is made of them goes through SHAKE128 again.
 * Source: C2SP, CCTV, ML-KEM/README.md (100 rounds of ML-KEM-768)
 */
static void a_hundred_keys_do_what_the_standard_says(void **state)
{
	static uint8_t all[ROUNDS * ROUND_BYTES];
	uint8_t seed[MLKEM_SEED_BYTES], m[32], noise[MLKEM768_SEALED_BYTES];
	uint8_t opened[MLKEM_SHARED_BYTES], sum[32], *at = all;
	struct mlkem768_secret_key k;
	struct shake128 s;

	(void)state;
	shake128_init(&s, "", 0);
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t *sealed = at + MLKEM768_KEY_BYTES;
		uint8_t *shared = sealed + MLKEM768_SEALED_BYTES;

		shake128_read(&s, seed, sizeof(seed));
		mlkem768_key_set(&k, seed);
		memcpy(at, k.public_key, sizeof(k.public_key));
		shake128_read(&s, m, sizeof(m));
		assert_int_equal(
			mlkem768_encaps(k.public_key, m, sealed, shared), 0);
		mlkem768_decaps(&k, sealed, opened);
		assert_memory_equal(opened, shared, sizeof(opened));
		shake128_read(&s, noise, sizeof(noise));
		mlkem768_decaps(&k, noise, shared + MLKEM_SHARED_BYTES);
		at += ROUND_BYTES;
	}
	keccak_hash(168, SHAKE_SUFFIX, all, sizeof(all), sum, sizeof(sum));
	assert_hex(sum, "1114b1b6699ed191734fa339376afa7e"
			"285c9e6acf6ff0177d346696ce564415");
}

/* Each bit of what was sealed counts, and each wrong one has its own secret */
static void a_wrong_bit_is_another_secret(void **state)
{
	uint8_t seed[MLKEM_SEED_BYTES] = { 7 }, m[32] = { 9 };
	uint8_t sealed[MLKEM768_SEALED_BYTES], shared[MLKEM_SHARED_BYTES];
	uint8_t opened[MLKEM_SHARED_BYTES], other[MLKEM_SHARED_BYTES];
	struct mlkem768_secret_key k;

	(void)state;
	mlkem768_key_set(&k, seed);
	assert_int_equal(mlkem768_encaps(k.public_key, m, sealed, shared), 0);
	for (size_t i = 0; i < sizeof(sealed); i += 17) {
		sealed[i] ^= 1;
		mlkem768_decaps(&k, sealed, opened);
		assert_memory_not_equal(opened, shared, sizeof(opened));
		mlkem768_decaps(&k, sealed, other);
		assert_memory_equal(opened, other, sizeof(opened));
		sealed[i] ^= 1;
	}
	mlkem768_decaps(&k, sealed, opened);
	assert_memory_equal(opened, shared, sizeof(opened));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_go_opens_has_our_secret),
		cmocka_unit_test(numbers_too_large_are_no_key),
		cmocka_unit_test(a_hundred_keys_do_what_the_standard_says),
		cmocka_unit_test(a_wrong_bit_is_another_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
