/* test_crypto.c - Published vectors of every primitive we use */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "tests/unit/vec.h"

static void digests_of_abc(void **state)
{
	static const char *const want[] = {
		"900150983cd24fb0d6963f7d28e17f72",
		"a9993e364706816aba3e25717850c26c9cd0d89d",
		"23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015"
		"ad",
		"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
		"1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d3"
		"9a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca4"
		"9f",
	};
	char a[] = "a", bc[] = "bc";
	struct iovec v[3] = { { a, 1 }, { NULL, 0 }, { bc, 2 } };
	uint8_t out[HASH_MAX_BYTES];

	(void)state;
	for (int k = HASH_MD5; k <= HASH_SHA512; k++) {
		enum hash_kind kind = (enum hash_kind)k;

		assert_int_equal(hash_len(kind), strlen(want[k]) / 2);
		assert_int_equal(hash_once(kind, "abc", 3, out), 0);
		assert_hex(out, want[k]);
		memset(out, 0, sizeof(out));
		assert_int_equal(hash_vec(kind, v, 3, out), 0);
		assert_hex(out, want[k]);
	}
}

/* RFC 4231, cases 1 and 6; RFC 2202, case 2 */
static void hmac_of_the_rfcs(void **state)
{
	uint8_t key[131], out[HASH_MAX_BYTES];

	(void)state;
	memset(key, 0x0b, 20);
	assert_int_equal(hmac_once(HASH_SHA256, key, 20, "Hi There", 8, out),
			 0);
	assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b"
			"881dc200c9833da726e9376c2e32cff7");
	memset(key, 0xaa, 131);
	assert_int_equal(hmac_once(HASH_SHA512, key, 131,
				   "Test Using Larger Than Block-Size Key - "
				   "Hash Key First",
				   54, out),
			 0);
	assert_hex(out, "80b24263c7c1a3ebb71493c1dd7be8b4"
			"9b46d1f41b4aeec1121b013783f8f352"
			"6b56d037e05f2598bd0fd2215d6a1e52"
			"95e64f73f63f0aec8b915a985d786598");
	assert_int_equal(hmac_once(HASH_SHA1, "Jefe", 4,
				   "what do ya want for nothing?", 28, out),
			 0);
	assert_hex(out, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

/* RFC 5869, A.1 and A.4 */
static void hkdf_of_rfc_5869(void **state)
{
	uint8_t ikm[22], salt[13], info[10], prk[32], out[42];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	hex_get("000102030405060708090a0b0c", salt, sizeof(salt));
	hex_get("f0f1f2f3f4f5f6f7f8f9", info, sizeof(info));
	assert_int_equal(hkdf_extract(HASH_SHA256, salt, 13, ikm, 22, prk), 0);
	assert_hex(prk, "077709362c2e32df0ddc3f0dc47bba63"
			"90b6c73bb50f9c3122ec844ad7c2b3e5");
	assert_int_equal(hkdf_expand(HASH_SHA256, prk, info, 10, out, 42), 0);
	assert_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db0"
			"2d56ecc4c5bf34007208d5b887185865");
	assert_int_equal(hkdf_extract(HASH_SHA1, salt, 13, ikm, 11, prk), 0);
	assert_hex(prk, "9b6c18c432a7bf8f0e71c8eb88f4b30baa2ba243");
	assert_int_equal(hkdf_expand(HASH_SHA1, prk, info, 10, out, 42), 0);
	assert_hex(out, "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9"
			"cdd4f155fda2c22e422478d305f3f896");
	assert_int_equal(hkdf_expand(HASH_SHA1, prk, "", 0, out, 5101),
			 -EINVAL);
}

static size_t field(const char *hex, uint8_t *out, size_t room)
{
	return strcmp(hex, "-") ? hex_get(hex, out, room) : 0;
}

static void hkdf_of_wycheproof(void **state)
{
	uint8_t ikm[512], salt[512], info[512], okm[512], prk[64], out[512];
	struct vec v;
	int count = 0;

	(void)state;
	for (vec_open(&v, "wycheproof_hkdf.txt"); vec_next(&v); count++) {
		enum hash_kind kind =
			strcmp(v.field[0], "sha1") ? HASH_SHA256 : HASH_SHA1;
		size_t n = field(v.field[1], ikm, 512);
		size_t s = field(v.field[2], salt, 512);
		size_t i = field(v.field[3], info, 512);
		size_t o = field(v.field[4], okm, 512);

		if (*v.field[5] != 'v')
			continue;
		assert_int_equal(hkdf_extract(kind, salt, s, ikm, n, prk), 0);
		assert_int_equal(hkdf_expand(kind, prk, info, i, out, o), 0);
		assert_memory_equal(out, okm, o);
	}
	assert_true(count > 50);
}

/* RFC 9001, A.1 */
static void expand_label_of_rfc_9001(void **state)
{
	uint8_t salt[20], cid[8], initial[32], client[32], out[16];

	(void)state;
	hex_get("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", salt, 20);
	hex_get("8394c8f03e515708", cid, 8);
	hkdf_extract(HASH_SHA256, salt, 20, cid, 8, initial);
	assert_hex(initial, "7db5df06e7a69e432496adedb0085192"
			    "3595221596ae2ae9fb8115c1e9ed0a44");
	hkdf_expand_label(HASH_SHA256, initial, "client in", client, 32);
	assert_hex(client, "c00cf151ca5be075ed0ebfb5c80323c4"
			   "2d6b7db67881289af4008f1f6c357aea");
	hkdf_expand_label(HASH_SHA256, client, "quic key", out, 16);
	assert_hex(out, "1f369613dd76d5467730efcbe3b1a22d");
	hkdf_expand_label(HASH_SHA256, client, "quic iv", out, 12);
	assert_hex(out, "fa044b2f42a3fd3b46fb255c");
	hkdf_expand_label(HASH_SHA256, client, "quic hp", out, 16);
	assert_hex(out, "9f50449e04a0e810283a1e9933adedd2");
}

/* FIPS 197, C.1 and C.3 */
static void aes_blocks_of_fips_197(void **state)
{
	uint8_t key[32], in[16], out[16];

	(void)state;
	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	for (int i = 0; i < 16; i++)
		in[i] = (uint8_t)(i * 0x11);
	assert_int_equal(aes_block(key, 16, true, in, out), 0);
	assert_hex(out, "69c4e0d86a7b0430d8cdb78070b4c55a");
	assert_int_equal(aes_block(key, 16, false, out, out), 0);
	assert_memory_equal(out, in, 16);
	assert_int_equal(aes_block(key, 32, true, in, out), 0);
	assert_hex(out, "8ea2b7ca516745bfeafc49904b496089");
	assert_int_equal(aes_block(key, 20, true, in, out), -EINVAL);
}

static enum aead_kind kind_by_name(const char *s)
{
	static const char *const name[] = { "", "gcm128", "gcm256", "chacha",
					    "xchacha" };

	for (size_t i = 1; i < ARRAY_SIZE(name); i++)
		if (!strcmp(s, name[i]))
			return (enum aead_kind)i;
	fail_msg("%s", s);
	return AEAD_NONE;
}

/**
 * struct aead_case - One line of the file, decoded
 */
struct aead_case {
	enum aead_kind kind;
	uint8_t key[32], nonce[24], aad[256], msg[512], sealed[528];
	size_t aad_len, len;
	bool valid;
};

static void case_read(struct aead_case *c, char *const *f)
{
	c->kind = kind_by_name(f[0]);
	assert_int_equal(hex_get(f[1], c->key, 32), aead_key_len(c->kind));
	assert_int_equal(hex_get(f[2], c->nonce, 24), aead_nonce_len(c->kind));
	c->aad_len = field(f[3], c->aad, sizeof(c->aad));
	c->len = field(f[4], c->msg, sizeof(c->msg));
	assert_int_equal(field(f[5], c->sealed, 512), c->len);
	assert_int_equal(field(f[6], c->sealed + c->len, 16), 16);
	c->valid = *f[7] == 'v';
}

static void case_check(struct aead_case *c)
{
	size_t n = c->len + AEAD_TAG_BYTES;
	uint8_t buf[528];
	struct iovec aad = { c->aad, c->aad_len };
	struct aead_key k;

	assert_int_equal(aead_key_set(&k, c->kind, c->key), 0);
	memcpy(buf, c->sealed, n);
	/* twice: a key serves many records; in place and apart */
	for (int i = 0; i < 2; i++) {
		int err = aead_open(&k, c->nonce, &aad, c->sealed, n, buf);

		assert_int_equal(err, c->valid ? 0 : -EPROTO);
		if (!c->valid)
			continue;
		assert_memory_equal(buf, c->msg, c->len);
		assert_int_equal(
			aead_seal(&k, c->nonce, &aad, buf, c->len, buf), 0);
		assert_memory_equal(buf, c->sealed, n);
		assert_int_equal(aead_open(&k, c->nonce, &aad, buf, n, buf), 0);
		assert_memory_equal(buf, c->msg, c->len);
	}
	aead_key_drop(&k);
}

static void aeads_of_wycheproof(void **state)
{
	struct aead_case c;
	struct vec v;
	int count[5] = { 0 };

	(void)state;
	vec_open(&v, "wycheproof_aead.txt");
	while (vec_next(&v)) {
		case_read(&c, v.field);
		case_check(&c);
		count[c.kind]++;
	}
	for (int i = 1; i < 5; i++)
		assert_true(count[i] >= 20);
}

static void short_records_and_wrong_tags_are_refused(void **state)
{
	uint8_t key[32] = { 1 }, nonce[24] = { 2 }, buf[64] = { 0 };

	(void)state;
	for (int k = AEAD_AES_128_GCM; k <= AEAD_XCHACHA20_POLY1305; k++) {
		enum aead_kind kind = (enum aead_kind)k;

		for (size_t n = 0; n < 17; n++)
			assert_int_equal(
				aead_open_once(kind, key, nonce, NULL, buf, n),
				-EPROTO);
		assert_int_equal(aead_seal_once(kind, key, nonce, NULL, buf, 9),
				 0);
		for (size_t bit = 0; bit < 25 * 8; bit++) {
			uint8_t bad[25];

			memcpy(bad, buf, 25);
			bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
				aead_open_once(kind, key, nonce, NULL, bad, 25),
				-EPROTO);
		}
	}
}

/* draft-irtf-cfrg-xchacha-03, 2.2.1 */
static void hchacha20_of_the_draft(void **state)
{
	uint8_t key[32], nonce[16], out[32];

	(void)state;
	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	hex_get("000000090000004a0000000031415927", nonce, 16);
	hchacha20(key, nonce, out);
	assert_hex(out, "82413b4227b27bfed30e42508a877d73"
			"a0f9e4d58a74a853c12ec41326d3ecdc");
}

static void sums_and_counters(void **state)
{
	uint8_t n[3] = { 0xfe, 0xff, 0 };

	(void)state;
	assert_int_equal(crc32_ieee("123456789", 9), 0xcbf43926);
	assert_int_equal(fnv1a_32("", 0), 0x811c9dc5);
	assert_int_equal(fnv1a_32("foobar", 6), 0xbf9cf968);
	nonce_inc_le(n, 3);
	assert_hex(n, "ffff00");
	nonce_inc_le(n, 3);
	assert_hex(n, "000001");
	assert_true(ct_equal("abc", "abd", 2));
	assert_false(ct_equal("abc", "abd", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_of_abc),
		cmocka_unit_test(hmac_of_the_rfcs),
		cmocka_unit_test(hkdf_of_rfc_5869),
		cmocka_unit_test(hkdf_of_wycheproof),
		cmocka_unit_test(expand_label_of_rfc_9001),
		cmocka_unit_test(aes_blocks_of_fips_197),
		cmocka_unit_test(aeads_of_wycheproof),
		cmocka_unit_test(short_records_and_wrong_tags_are_refused),
		cmocka_unit_test(hchacha20_of_the_draft),
		cmocka_unit_test(sums_and_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
