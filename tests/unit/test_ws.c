/* test_ws.c - WebSocket: heads of RFC 6455, masking, the accept key */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/ws.h"
#include "tests/unit/vec.h"

static void heads_of_rfc_6455(void **state)
{
	struct ws_head h;
	uint8_t in[16];

	(void)state;
	/* 5.7: "Hello", masked; 64 KiB binary, unmasked */
	hex_get("818537fa213d7f9f4d5158", in, sizeof(in));
	assert_int_equal(ws_head_decode(in, 11, &h), 6);
	assert_true(h.fin && h.masked);
	assert_int_equal(h.opcode, WS_TEXT);
	assert_int_equal(h.len, 5);
	ws_mask(in + 6, 5, h.mask, 0);
	assert_memory_equal(in + 6, "Hello", 5);
	hex_get("827f0000000000010000", in, sizeof(in));
	assert_int_equal(ws_head_decode(in, 10, &h), 10);
	assert_int_equal(h.len, 65536);
	assert_false(h.masked);
}

static void every_length_survives_and_every_cut_asks_for_more(void **state)
{
	static const uint64_t len[] = {
		0, 1, 125, 126, 65535, 65536, 1ULL << 40, (1ULL << 63) - 1
	};
	static const ssize_t bytes[] = { 2, 2, 2, 4, 4, 10, 10, 10 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(len); i++)
		for (int masked = 0; masked < 2; masked++) {
			struct ws_head h = { .fin = i & 1,
					     .masked = masked,
					     .opcode = WS_BINARY,
					     .mask = { 1, 2, 3, 4 },
					     .len = len[i] };
			struct ws_head got;
			uint8_t out[WS_HEAD_MAX];
			ssize_t n = ws_head_encode(&h, out, sizeof(out));

			assert_int_equal(n, bytes[i] + 4 * masked);
			assert_int_equal(ws_head_encode(&h, out, (size_t)n - 1),
					 -ENOBUFS);
			for (ssize_t cut = 0; cut < n; cut++)
				assert_int_equal(
					ws_head_decode(out, (size_t)cut, &got),
					0);
			assert_int_equal(ws_head_decode(out, (size_t)n, &got),
					 n);
			assert_int_equal(got.len, len[i]);
			assert_int_equal(got.fin, h.fin);
			assert_int_equal(got.masked, masked);
		}
}

static void forbidden_heads_are_refused(void **state)
{
	static const char *const bad[] = {
		"c2",
		"a2",
		"92", /* reserved bits */
		"83",
		"87",
		"8b",
		"8f", /* reserved opcodes */
		"0900",
		"897e",
		"8a7f",
		"087d", /* control: split, long */
		"827e0005",
		"827e007d", /* not the shortest form */
		"827f000000000000ffff",
		"827f8000000000000000",
	};
	struct ws_head h;
	uint8_t in[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t n = hex_get(bad[i], in, sizeof(in));

		if (ws_head_decode(in, n, &h) != -EPROTO)
			fail_msg("%s", bad[i]);
	}
}

static void masking_in_pieces_is_masking_at_once(void **state)
{
	static const uint8_t mask[4] = { 0x11, 0x22, 0x44, 0x88 };
	uint8_t a[67], b[67];

	(void)state;
	for (size_t cut = 0; cut <= sizeof(a); cut++) {
		for (size_t i = 0; i < sizeof(a); i++)
			a[i] = (uint8_t)(i ^ mask[i % 4]);
		for (size_t i = 0; i < sizeof(b); i++)
			b[i] = (uint8_t)i;
		ws_mask(b, cut, mask, 0);
		ws_mask(b + cut, sizeof(b) - cut, mask, cut);
		assert_memory_equal(a, b, sizeof(a));
	}
}

static void the_accept_key_of_rfc_6455(void **state)
{
	char out[WS_ACCEPT_TEXT], large[200];

	(void)state;
	assert_int_equal(ws_accept("dGhlIHNhbXBsZSBub25jZQ==", out), 0);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	assert_int_equal(ws_accept(large, out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_of_rfc_6455),
		cmocka_unit_test(
			every_length_survives_and_every_cut_asks_for_more),
		cmocka_unit_test(forbidden_heads_are_refused),
		cmocka_unit_test(masking_in_pieces_is_masking_at_once),
		cmocka_unit_test(the_accept_key_of_rfc_6455),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
