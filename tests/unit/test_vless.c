/* test_vless.c - VLESS heads: layout, addons, every cut */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/vless.h"
#include "tests/unit/vec.h"

static struct vless_request tcp_request(void)
{
	struct vless_request rq = { .command = VLESS_TCP,
				    .to = addr_name("a.bc", 4, 443) };

	memcpy(rq.id, "0123456789abcdef", 16);
	return rq;
}

static void the_head_has_its_layout(void **state)
{
	struct vless_request rq = tcp_request();
	uint8_t out[VLESS_HEAD_MAX];

	(void)state;
	assert_int_equal(vless_request_encode(&rq, out, sizeof(out)), 27);
	assert_hex(out, "00"
			"30313233343536373839616263646566"
			"00"
			"01"
			"01bb"
			"02"
			"04"
			"612e6263");
	strcpy(rq.flow, "xtls-rprx-vision");
	assert_int_equal(vless_request_encode(&rq, out, sizeof(out)), 45);
	assert_hex(out + 17, "12"
			     "0a10"
			     "78746c732d727072782d766973696f6e"
			     "01"
			     "01bb"
			     "02"
			     "04"
			     "612e6263");
	rq.command = VLESS_MUX;
	assert_int_equal(vless_request_encode(&rq, out, sizeof(out)), 37);
	for (size_t room = 0; room < 37; room++)
		assert_int_equal(vless_request_encode(&rq, out, room),
				 -ENOBUFS);
}

static void every_command_survives_and_every_cut_asks_for_more(void **state)
{
	(void)state;
	for (int c = VLESS_TCP; c <= VLESS_REVERSE; c++) {
		struct vless_request rq = tcp_request(), got = { 0 };
		uint8_t out[VLESS_HEAD_MAX];
		ssize_t n;

		rq.command = (enum vless_command)c;
		if (c > VLESS_UDP)
			rq.to = (struct addr){ 0 };
		else
			strcpy(rq.flow, "xtls-rprx-vision");
		n = vless_request_encode(&rq, out, sizeof(out));
		for (ssize_t cut = 0; cut < n; cut++)
			assert_int_equal(
				vless_request_decode(out, (size_t)cut, &got),
				0);
		assert_int_equal(vless_request_decode(out, sizeof(out), &got),
				 n);
		assert_int_equal(got.command, c);
		assert_string_equal(got.flow, rq.flow);
		assert_memory_equal(got.id, rq.id, 16);
		assert_int_equal(got.to.kind, rq.to.kind);
		if (rq.to.kind)
			assert_true(addr_eq(&got.to, &rq.to));
	}
}

static ssize_t with_addons(const char *addons)
{
	struct vless_request got;
	uint8_t in[300] = { 0 };
	size_t n = hex_get(addons, in + 18, 255);

	in[17] = (uint8_t)n;
	in[18 + n] = VLESS_MUX;
	return vless_request_decode(in, 19 + n, &got);
}

static void addons_are_protobuf(void **state)
{
	(void)state;
	assert_int_equal(with_addons("0a0161"), 22);
	assert_int_equal(with_addons("0a016112026162"), 26); /* with a seed */
	assert_int_equal(with_addons("0a00"), 21);
	assert_int_equal(with_addons("0a0261"), -EPROTO); /* cut */
	assert_int_equal(with_addons("0a"), -EPROTO);
	assert_int_equal(with_addons("0801"), -EPROTO); /* a number */
	assert_int_equal(with_addons("0affffffffffffff01"), -EPROTO);
	assert_int_equal(with_addons("0affffffff0f"), -EPROTO);
	assert_int_equal(with_addons("0a0100"), -EPROTO); /* NUL in the name */
	assert_int_equal(
		with_addons("0a2061616161616161616161616161616161616161"
			    "616161616161616161616161616161"),
		-EPROTO); /* too long */
}

static void versions_and_commands_unknown_are_refused(void **state)
{
	struct vless_request rq = tcp_request(), got;
	uint8_t out[64];
	ssize_t n = vless_request_encode(&rq, out, sizeof(out));

	(void)state;
	out[0] = 1;
	assert_int_equal(vless_request_decode(out, 1, &got), -EPROTO);
	assert_int_equal(vless_response_decode(out, 1), -EPROTO);
	out[0] = 0;
	out[18] = 5;
	assert_int_equal(vless_request_decode(out, (size_t)n, &got), -EPROTO);
	out[18] = 0;
	assert_int_equal(vless_request_decode(out, (size_t)n, &got), -EPROTO);
}

static void responses_and_packets(void **state)
{
	uint8_t out[16] = { 0 };
	const uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(vless_response_encode(out, 1), -ENOBUFS);
	assert_int_equal(vless_response_encode(out, 2), 2);
	assert_int_equal(vless_response_decode(out, 0), 0);
	assert_int_equal(vless_response_decode(out, 1), 0);
	assert_int_equal(vless_response_decode(out, 2), 2);
	out[1] = 3;
	assert_int_equal(vless_response_decode(out, 4), 0);
	assert_int_equal(vless_response_decode(out, 9), 5);
	assert_int_equal(vless_packet_encode((const uint8_t *)"abc", 3, out, 4),
			 -ENOBUFS);
	assert_int_equal(vless_packet_encode(out, 65536, out, 16), -EINVAL);
	assert_int_equal(
		vless_packet_encode((const uint8_t *)"abc", 3, out, 16), 5);
	for (size_t cut = 0; cut < 5; cut++)
		assert_int_equal(vless_packet_decode(out, cut, &data, &len), 0);
	assert_int_equal(vless_packet_decode(out, 16, &data, &len), 5);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "abc", 3);
	assert_int_equal(vless_packet_encode(NULL, 0, out, 16), 2);
	assert_int_equal(vless_packet_decode(out, 2, &data, &len), 2);
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_has_its_layout),
		cmocka_unit_test(
			every_command_survives_and_every_cut_asks_for_more),
		cmocka_unit_test(addons_are_protobuf),
		cmocka_unit_test(versions_and_commands_unknown_are_refused),
		cmocka_unit_test(responses_and_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
