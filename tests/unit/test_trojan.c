/* test_trojan.c - Trojan heads and packets: layout, every cut, wrong bytes */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/trojan.h"

/* sha224("password") */
static const char key[] =
	"d63dc919e201d7bc4c825630d2cf25fdc93d4b2f0d46706d29038d01";

static void the_head_has_its_layout(void **state)
{
	struct trojan_request rq = { .command = TROJAN_TCP,
				     .to = addr_name("example.com", 11, 443) };
	uint8_t k[TROJAN_KEY_BYTES], out[TROJAN_HEAD_MAX];
	char want[128];

	(void)state;
	assert_int_equal(trojan_key("password", k), 0);
	assert_memory_equal(k, key, TROJAN_KEY_BYTES);
	rq.key = k;
	snprintf(want, sizeof(want),
		 "%s\r\n\x01\x03\x0b"
		 "example.com\x01\xbb\r\n",
		 key);
	assert_int_equal(trojan_request_encode(&rq, out, sizeof(out)), 76);
	assert_memory_equal(out, want, 76);
	for (size_t room = 0; room < 76; room++)
		assert_int_equal(trojan_request_encode(&rq, out, room),
				 -ENOBUFS);
}

static void every_cut_of_a_head_asks_for_more(void **state)
{
	struct trojan_request rq = { .command = TROJAN_UDP,
				     .key = (const uint8_t *)key,
				     .to = addr_v6("0123456789abcdef", 7) };
	struct trojan_request got;
	uint8_t out[TROJAN_HEAD_MAX + 3];
	ssize_t n = trojan_request_encode(&rq, out, sizeof(out));

	(void)state;
	assert_true(n > 0);
	for (ssize_t cut = 0; cut < n; cut++)
		assert_int_equal(trojan_request_decode(out, (size_t)cut, &got),
				 0);
	assert_int_equal(trojan_request_decode(out, sizeof(out), &got), n);
	assert_int_equal(got.command, TROJAN_UDP);
	assert_true(addr_eq(&got.to, &rq.to));
	assert_ptr_equal(got.key, out);
}

/* What a probe sends is known as such by its first wrong byte */
static void a_wrong_byte_is_refused_at_once(void **state)
{
	static const size_t at[] = { 0, 55, 56, 57, 58, 59, 76, 77 };
	struct trojan_request rq = { .command = TROJAN_TCP,
				     .key = (const uint8_t *)key,
				     .to = addr_v6("0123456789abcdef", 7) };
	struct trojan_request got;
	uint8_t out[TROJAN_HEAD_MAX];
	ssize_t n = trojan_request_encode(&rq, out, sizeof(out));

	(void)state;
	assert_int_equal(n, 80);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		uint8_t bad[80];
		size_t k = at[i] < 60 ? at[i] : at[i] + 2;

		memcpy(bad, out, 80);
		bad[k] = 0xee;
		assert_int_equal(trojan_request_decode(bad, k + 1, &got),
				 -EPROTO);
	}
	assert_int_equal(
		trojan_request_decode((const uint8_t *)"GET /", 5, &got),
		-EPROTO);
}

static void packets_round_trip_and_large_ones_are_refused(void **state)
{
	static uint8_t data[TROJAN_PACKET_MAX + 1], out[9000];
	static const size_t len[] = { 0, 1, 1200, TROJAN_PACKET_MAX };
	struct wire_packet pk = { .peer = addr_v4("\1\2\3\4", 53),
				  .data = data };
	struct wire_packet got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		ssize_t n;

		pk.len = len[i];
		n = trojan_packet_encode(&pk, out, sizeof(out));
		assert_int_equal(n, 7 + 2 + 2 + len[i]);
		assert_int_equal(trojan_packet_encode(&pk, out, (size_t)n - 1),
				 -ENOBUFS);
		for (ssize_t cut = 0; cut < n; cut += cut < 12 ? 1 : 400)
			assert_int_equal(
				trojan_packet_decode(out, (size_t)cut, &got),
				0);
		assert_int_equal(trojan_packet_decode(out, sizeof(out), &got),
				 n);
		assert_int_equal(got.len, len[i]);
		assert_true(addr_eq(&got.peer, &pk.peer));
	}
	pk.len = TROJAN_PACKET_MAX + 1;
	assert_int_equal(trojan_packet_encode(&pk, out, sizeof(out)), -EINVAL);
	put_be16(out + 7, TROJAN_PACKET_MAX + 1);
	assert_int_equal(trojan_packet_decode(out, 9, &got), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_has_its_layout),
		cmocka_unit_test(every_cut_of_a_head_asks_for_more),
		cmocka_unit_test(a_wrong_byte_is_refused_at_once),
		cmocka_unit_test(packets_round_trip_and_large_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
