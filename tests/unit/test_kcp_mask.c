/* Layers around mKCP datagrams: bytes of an independent program; wrong ones */
#include <errno.h>

#include "proxy/wire/kcp.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/cm.h"
#include "tests/unit/vec.h"

#define DATA   "12340101010203040000000500000003000568656c6c6f"
#define SIMPLE "257e789f25696aab24686ba9276c6ba927696ba9276a6bac4f0f07c020"
#define AES \
	"000102030405060708090a0b7cb27785b6f77ad1d82ec88e023b06e6b7f2484066f3" \
	"9" \
	"cd9c2dc9ab24729d8b74063cc2bee94b2"

/* 0, 1, 2 ... */
static void counting(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)i;
}

static const struct {
	enum kcp_mask_kind kind;
	const char *text, *hex;
} cases[] = {
	{ KCP_MASK_SIMPLE, NULL, SIMPLE },
	{ KCP_MASK_AES, "seed", AES },
	{ KCP_MASK_SRTP, NULL, "b5e80101" DATA },
	{ KCP_MASK_UTP, NULL, "00010100" DATA },
	{ KCP_MASK_WECHAT, NULL, "a1080000010100101118302230" DATA },
	{ KCP_MASK_DTLS, NULL, "17fefd00010000000000000011" DATA },
	{ KCP_MASK_WIREGUARD, NULL, "04000000" DATA },
	{ KCP_MASK_DNS, "a.test",
	  "000101000001000000000000"
	  "016104746573740000010001" DATA },
};

/* Both ends are little: what random 16 bits are, is not */
static void fix_order(uint8_t *p, const uint8_t *like, enum kcp_mask_kind kind)
{
	if (kind == KCP_MASK_UTP)
		memcpy(p, like, 2);
	if (kind == KCP_MASK_DTLS)
		memcpy(p + 3, like + 3, 2);
	if (kind == KCP_MASK_SRTP)
		memcpy(p + 2, like + 2, 2);
	if (kind == KCP_MASK_WECHAT)
		memcpy(p + 2, like + 2, 4);
}

static void kcp_masks_look_as_they_shall(void **state)
{
	uint8_t buf[512], want[512];
	size_t off, len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = hex_get(cases[i].hex, want, sizeof(want));
		struct kcp_mask_key k;
		struct kcp_masks_key m;

		assert_int_equal(kcp_mask_set(&k, cases[i].kind, cases[i].text),
				 0);
		assert_int_equal(kcp_masks_init(&m, &k, 1, counting), 0);
		len = hex_get(DATA, buf + m.head_len, sizeof(buf) - m.head_len);
		assert_int_equal(kcp_seal(&m, buf, len), n);
		fix_order(buf, want, cases[i].kind);
		assert_memory_equal(buf, want, n);
		assert_int_equal(kcp_open(&m, buf, n, &off, &len), 0);
		assert_int_equal(len, strlen(DATA) / 2);
		assert_hex(buf + off, DATA);
		kcp_masks_drop(&m);
	}
}

/* Of all layers, each byte wrong and each cut */
static void kcp_masks_refuse_what_is_not_theirs(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct kcp_mask_key k[2];
		struct kcp_masks_key m;
		uint8_t good[512], bad[512];
		size_t off, len, n;

		assert_int_equal(
			kcp_mask_set(&k[0], cases[i].kind, cases[i].text), 0);
		assert_int_equal(kcp_mask_set(&k[1], KCP_MASK_SRTP, NULL), 0);
		assert_int_equal(kcp_masks_init(&m, k, 2, counting), 0);
		len = hex_get(DATA, good + m.head_len, 256);
		n = (size_t)kcp_seal(&m, good, len);
		for (size_t at = 4; at < n; at++) {
			memcpy(bad, good, n);
			bad[at] ^= 0x10;
			assert_int_equal(kcp_open(&m, bad, n, &off, &len),
					 -EPROTO);
		}
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *p = malloc(cut + 1);

			memcpy(p + 1, good, cut);
			assert_int_equal(kcp_open(&m, p + 1, cut, &off, &len),
					 -EPROTO);
			free(p);
		}
		memcpy(bad, good, n);
		assert_int_equal(kcp_open(&m, bad, n, &off, &len), 0);
		kcp_masks_drop(&m);
	}
}

static void kcp_masks_have_no_secret_in_common(void **state)
{
	struct kcp_mask_key k[2];
	struct kcp_masks_key m[2];
	uint8_t p[64] = { 0 };
	size_t off, len;
	ssize_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		kcp_mask_set(&k[i], KCP_MASK_AES, i ? "one" : "other");
		assert_int_equal(kcp_masks_init(&m[i], &k[i], 1, counting), 0);
	}
	n = kcp_seal(&m[0], p, 20);
	assert_int_equal(n, 48);
	assert_int_equal(kcp_open(&m[1], p, (size_t)n, &off, &len), -EPROTO);
	kcp_masks_drop(&m[0]);
	kcp_masks_drop(&m[1]);
}

static void kcp_mask_wants_a_name(void **state)
{
	static const char *const bad[] = { "", ".", "a..b", NULL };
	char longer[300];
	struct kcp_mask_key k;

	(void)state;
	for (int i = 0; bad[i]; i++)
		assert_int_equal(kcp_mask_set(&k, KCP_MASK_DNS, bad[i]),
				 -EINVAL);
	memset(longer, 'a', 64);
	longer[64] = '\0';
	assert_int_equal(kcp_mask_set(&k, KCP_MASK_DNS, longer), -EINVAL);
	for (int i = 0; i < 299; i++)
		longer[i] = i % 2 ? '.' : 'a';
	longer[299] = '\0';
	assert_int_equal(kcp_mask_set(&k, KCP_MASK_DNS, longer), -EINVAL);
	longer[253] = '\0';
	assert_int_equal(kcp_mask_set(&k, KCP_MASK_DNS, longer), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kcp_masks_look_as_they_shall),
		cmocka_unit_test(kcp_masks_refuse_what_is_not_theirs),
		cmocka_unit_test(kcp_masks_have_no_secret_in_common),
		cmocka_unit_test(kcp_mask_wants_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
