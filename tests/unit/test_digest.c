/* test_digest.c - Files of checksums: forms, names, what is no digest */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/assets/digest.h"

/* SHA-256 of "abc" (FIPS 180-4) */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ALL "0000000000000000000000000000000000000000000000000000000000000000"

static const char *const names[] = { "geo/site.dat", "/dir/dlc.dat", NULL };

static int find(const char *text, uint8_t out[32])
{
	memset(out, 1, 32);
	return digest_find(text, strlen(text), HASH_SHA256, names, out);
}

static void words_name_kinds(void **state)
{
	(void)state;
	assert_int_equal(digest_kind(""), HASH_SHA256);
	assert_int_equal(digest_kind("SHA-256"), HASH_SHA256);
	assert_int_equal(digest_kind("sha_512"), HASH_SHA512);
	assert_int_equal(digest_kind("sha224"), HASH_SHA224);
	assert_int_equal(digest_kind("sha384"), HASH_SHA384);
	assert_int_equal(digest_kind("md5"), -EINVAL);
	assert_int_equal(digest_kind("sha512/256"), -EINVAL);
	assert_int_equal(digest_kind("sha256sha256sha256"), -EINVAL);
}

static void a_digest_is_found_by_name(void **state)
{
	static const char *const good[] = {
		ABC,
		ABC "\n",
		"  " ABC "\r\n",
		ABC "  site.dat\n",
		ABC " *./release/dlc.dat\n",
		"SHA256 (dlc.dat) = " ABC,
		ALL "  other.dat\n" ABC "  dlc.dat\n" ALL "  dlc.dat\n",
		"# sums\n\nSHA256 (other.dat) = " ALL "\n"
		"SHA256 (site.dat) = " ABC "\n",
	};
	static const char *const bad[] = {
		"",
		"\n\n",
		ABC "  other.dat\n",
		ABC "  geo\n",
		ABC "0  site.dat\n",
		"x" ABC,
		"SHA256 (site.dat) " ABC,
		"SHA256 site.dat = " ABC,
		"SHA256 (site.dat) = ",
		"<html>404</html>",
	};
	uint8_t out[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(find(good[i], out), 0);
		assert_int_equal(out[0], 0xba);
		assert_int_equal(out[31], 0xad);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(find(bad[i], out), -ENOENT);
		assert_int_equal(out[0], 1);
	}
}

static void a_file_has_a_digest(void **state)
{
	uint8_t want[32];
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	assert_int_equal(find(ABC, want), 0);
	assert_int_equal(digest_check(fileno(f), HASH_SHA256, want), 0);
	fputs("abc", f);
	fflush(f);
	assert_int_equal(digest_check(fileno(f), HASH_SHA256, want), 1);
	fputs("d", f);
	fflush(f);
	assert_int_equal(digest_check(fileno(f), HASH_SHA256, want), 0);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_name_kinds),
		cmocka_unit_test(a_digest_is_found_by_name),
		cmocka_unit_test(a_file_has_a_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
