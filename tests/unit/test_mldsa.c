/* test_mldsa.c - ML-DSA-65: keys of another program, signatures of ours, wrong ones */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/mldsa.h"
#include "tests/unit/vec.h"

static struct mldsa65_secret_key k;
static uint8_t sig[MLDSA65_SIG_BYTES];
static const uint8_t zeros[32];

/* As who knows the public key alone */
static int verify(const uint8_t *m, size_t n)
{
	static struct mldsa65_public_key pk;

	mldsa65_public_set(&pk, k.public_key);
	return mldsa65_verify(&pk, m, n, sig);
}

static void key_of(uint8_t first)
{
	uint8_t seed[MLDSA_SEED_BYTES];

	for (unsigned int i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)(first + i);
	mldsa65_key_set(&k, seed);
}

/* SHA-256 of what `xray mldsa65 -i AAECAwQ...` prints (26.7.28, circl) */
static void a_seed_gives_the_key_of_others(void **state)
{
	static const uint8_t want[32] = {
		0xd6, 0x66, 0x80, 0x6e, 0x11, 0xce, 0xe1, 0x9a,
		0x7c, 0x98, 0x9f, 0x74, 0x45, 0xf9, 0x0d, 0xd4,
		0x19, 0xcf, 0x4d, 0x2d, 0x51, 0xdb, 0x8c, 0x0f,
		0xdb, 0x4c, 0x0f, 0x0a, 0x54, 0x22, 0x38, 0xc9,
	};
	uint8_t sum[32];

	(void)state;
	key_of(0);
	assert_int_equal(
		hash_once(HASH_SHA256, k.public_key, sizeof(k.public_key), sum),
		0);
	assert_memory_equal(sum, want, sizeof(want));
}

static void what_is_signed_verifies_and_nothing_else(void **state)
{
	uint8_t m[MLDSA_MESSAGE_MAX];

	(void)state;
	for (uint8_t i = 0; i < 20; i++) {
		size_t n = i * 6u;

		key_of(i);
		memset(m, i, sizeof(m));
		mldsa65_sign(&k, m, n, i & 1 ? m : zeros, sig);
		assert_int_equal(verify(m, n), 0);
		assert_true(verify(m, n + 1) < 0);
		for (size_t at = i; at < sizeof(sig); at += 167) {
			sig[at] ^= (uint8_t)(1u << (at & 7));
			assert_true(verify(m, n) < 0);
			sig[at] ^= (uint8_t)(1u << (at & 7));
		}
		k.public_key[32 + 97 * i] ^= 1;
		assert_true(verify(m, n) < 0);
	}
}

/* Hints in another order, or behind their end, make a second form of a signature */
static void hints_have_one_form(void **state)
{
	uint8_t *hint = sig + sizeof(sig) - 61;
	uint8_t first, last;

	(void)state;
	key_of(1);
	mldsa65_sign(&k, zeros, sizeof(zeros), zeros, sig);
	first = hint[0];
	assert_true(hint[55] >= 2); /* so this seed has it */
	hint[0] = hint[1];
	hint[1] = first;
	assert_int_equal(verify(zeros, 32), -EPROTO);
	hint[1] = hint[0];
	assert_int_equal(verify(zeros, 32), -EPROTO);
	mldsa65_sign(&k, zeros, sizeof(zeros), zeros, sig);
	last = hint[60];
	assert_true(last < 55);
	hint[last] = 1;
	assert_int_equal(verify(zeros, 32), -EPROTO);
	hint[last] = 0;
	hint[60] = 56;
	assert_int_equal(verify(zeros, 32), -EPROTO);
	hint[60] = last;
	assert_int_equal(verify(zeros, 32), 0);
	memset(sig + 48, 0, 640); /* z is 2^19 everywhere: too large */
	assert_int_equal(verify(zeros, 32), -EPROTO);
}

static void without_randomness_a_signature_is_the_same(void **state)
{
	static uint8_t again[MLDSA65_SIG_BYTES];

	(void)state;
	key_of(7);
	mldsa65_sign(&k, zeros, 32, zeros, sig);
	mldsa65_sign(&k, zeros, 32, zeros, again);
	assert_memory_equal(sig, again, sizeof(sig));
	mldsa65_sign(&k, zeros, 32, again, again);
	assert_memory_not_equal(sig, again, sizeof(sig));
}

static size_t message(const struct vec *v, uint8_t m[MLDSA_MESSAGE_MAX])
{
	const char *text = v->field[2];

	return *text == '-' ? 0 : hex_get(text, m, MLDSA_MESSAGE_MAX);
}

/* What a line begins with: its key, and the message signed */
static size_t sign_line(const struct vec *v, const uint8_t random[32],
			uint8_t m[MLDSA_MESSAGE_MAX])
{
	uint8_t seed[MLDSA_SEED_BYTES];
	size_t n = message(v, m);

	assert_int_equal(hex_get(v->field[1], seed, sizeof(seed)), 32);
	mldsa65_key_set(&k, seed);
	mldsa65_sign(&k, m, n, random, sig);
	return n;
}

/* "sign" seed message random sums-of-key-and-signature */
static void signs_as_published(const struct vec *v)
{
	uint8_t m[MLDSA_MESSAGE_MAX], random[32], sum[32];
	size_t n;

	assert_int_equal(hex_get(v->field[3], random, sizeof(random)), 32);
	n = sign_line(v, random, m);
	assert_int_equal(
		hash_once(HASH_SHA256, k.public_key, sizeof(k.public_key), sum),
		0);
	assert_hex(sum, v->field[4]);
	assert_int_equal(hash_once(HASH_SHA256, sig, sizeof(sig), sum), 0);
	assert_hex(sum, v->field[5]);
	assert_int_equal(verify(m, n), 0);
}

/* "wrong" seed message offset bytes: that signature with these bytes in it */
static void refuses_as_published(const struct vec *v)
{
	uint8_t m[MLDSA_MESSAGE_MAX];
	size_t n = sign_line(v, zeros, m), at = strtoul(v->field[3], NULL, 10);

	assert_true(at < sizeof(sig));
	(void)hex_get(v->field[4], sig + at, sizeof(sig) - at);
	assert_true(verify(m, n) < 0);
}

/* "key" key message signature valid: 1 or 0 */
static void judges_as_published(const struct vec *v)
{
	uint8_t m[MLDSA_MESSAGE_MAX];
	size_t n = message(v, m);

	assert_int_equal(
		hex_get(v->field[1], k.public_key, sizeof(k.public_key)),
		MLDSA65_KEY_BYTES);
	assert_int_equal(hex_get(v->field[3], sig, sizeof(sig)), sizeof(sig));
	assert_int_equal(verify(m, n) == 0, v->field[4][0] == '1');
}

static void as_wycheproof_says(void **state)
{
	unsigned int lines = 0;
	struct vec v;

	(void)state;
	vec_open(&v, "mldsa65.txt");
	for (; vec_next(&v); lines++) {
		if (!strcmp(v.field[0], "sign"))
			signs_as_published(&v);
		else if (!strcmp(v.field[0], "wrong"))
			refuses_as_published(&v);
		else
			judges_as_published(&v);
	}
	assert_true(lines > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_gives_the_key_of_others),
		cmocka_unit_test(what_is_signed_verifies_and_nothing_else),
		cmocka_unit_test(hints_have_one_form),
		cmocka_unit_test(without_randomness_a_signature_is_the_same),
		cmocka_unit_test(as_wycheproof_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
