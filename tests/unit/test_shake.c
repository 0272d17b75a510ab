/* test_shake.c - SHAKE128 against FIPS 202 and against OpenSSL's one call */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <cmocka.h>

#include "gateway/base/shake.h"
#include "tests/unit/vec.h"

static void the_empty_message(void **state)
{
	struct shake128 s;
	uint8_t out[32];

	(void)state;
	shake128_init(&s, "", 0);
	shake128_read(&s, out, sizeof(out));
	assert_hex(out, "7f9c2ba4e88f827d616045507605853e"
			"d73b8093f6efbc88eb1a6eacfa66ef26");
}

static void pieces_are_the_same_stream_as_openssl(void **state)
{
	uint8_t seed[167], want[4096], got[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n <= sizeof(seed); n += n < 20 ? 1 : 49) {
		EVP_MD_CTX *c = EVP_MD_CTX_new();
		struct shake128 s;
		size_t at = 0;

		assert_non_null(c);
		assert_int_equal(EVP_DigestInit_ex(c, EVP_shake128(), NULL), 1);
		assert_int_equal(EVP_DigestUpdate(c, seed, n), 1);
		assert_int_equal(EVP_DigestFinalXOF(c, want, sizeof(want)), 1);
		EVP_MD_CTX_free(c);
		shake128_init(&s, seed, n);
		for (size_t step = 1; at < sizeof(got); step++) {
			size_t m = step % 5 * 2;

			m = m < sizeof(got) - at ? m : sizeof(got) - at;
			shake128_read(&s, got + at, m);
			at += m;
		}
		assert_memory_equal(got, want, sizeof(want));
	}
}

static void the_whole_family_is_as_openssl_has_it(void **state)
{
	static const struct {
		const char *name;
		size_t rate, len;
		uint8_t suffix;
	} all[] = { { "SHA3-256", SHA3_256_RATE, 32, SHA3_SUFFIX },
		    { "SHA3-512", SHA3_512_RATE, 64, SHA3_SUFFIX },
		    { "SHAKE256", SHAKE256_RATE, 400, SHAKE_SUFFIX } };
	uint8_t p[1300], want[400], got[400];

	(void)state;
	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 5 + 1);
	for (size_t n = 0; n < sizeof(p); n += n < 140 ? 1 : 97) {
		for (int k = 0; k < 3; k++) {
			EVP_MD *md = EVP_MD_fetch(NULL, all[k].name, NULL);
			EVP_MD_CTX *c = EVP_MD_CTX_new();

			EVP_DigestInit_ex(c, md, NULL);
			EVP_DigestUpdate(c, p, n);
			if (k == 2)
				EVP_DigestFinalXOF(c, want, all[k].len);
			else
				EVP_DigestFinal_ex(c, want, NULL);
			EVP_MD_CTX_free(c);
			EVP_MD_free(md);
			keccak_hash(all[k].rate, all[k].suffix, p, n, got,
				    all[k].len);
			assert_memory_equal(got, want, all[k].len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_empty_message),
		cmocka_unit_test(pieces_are_the_same_stream_as_openssl),
		cmocka_unit_test(the_whole_family_is_as_openssl_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
