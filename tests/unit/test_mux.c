/* test_mux.c - Mux.cool frames and XUDP packets: layout, every cut, limits */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/wire/mux.h"
#include "proxy/wire/xudp.h"
#include "tests/unit/vec.h"

static void frames_have_their_layout(void **state)
{
	struct mux_frame f = { .session = 0x0102,
			       .status = MUX_NEW,
			       .network = MUX_TCP,
			       .has_data = true,
			       .len = 5,
			       .to = addr_v4("\1\2\3\4", 443) };
	uint8_t out[MUX_HEAD_MAX];

	(void)state;
	assert_int_equal(mux_frame_encode(&f, out, sizeof(out)), 16);
	assert_hex(out, "000c"
			"0102"
			"01"
			"01"
			"01"
			"01bb"
			"01"
			"01020304"
			"0005");
	f.status = MUX_KEEP;
	f.network = 0;
	assert_int_equal(mux_frame_encode(&f, out, sizeof(out)), 8);
	assert_hex(out, "0004"
			"0102"
			"02"
			"01"
			"0005");
	f.status = MUX_END;
	f.has_data = false;
	f.error = true;
	assert_int_equal(mux_frame_encode(&f, out, sizeof(out)), 6);
	assert_hex(out, "0004"
			"0102"
			"03"
			"02");
	for (size_t room = 0; room < 6; room++)
		assert_int_equal(mux_frame_encode(&f, out, room), -ENOBUFS);
}

static void every_frame_survives_and_every_cut_asks_for_more(void **state)
{
	const struct mux_frame v[] = {
		{ .session = 1,
		  .status = MUX_NEW,
		  .network = MUX_TCP,
		  .to = addr_name("example.org", 11, 80) },
		{ .session = 1,
		  .status = MUX_NEW,
		  .network = MUX_UDP,
		  .has_data = true,
		  .len = 9,
		  .has_global = true,
		  .global = "global!",
		  .to = addr_v6("0123456789abcdef", 80) },
		{ .session = 9,
		  .status = MUX_KEEP,
		  .has_data = true,
		  .len = 65535 },
		{ .session = 9,
		  .status = MUX_KEEP,
		  .network = MUX_UDP,
		  .has_data = true,
		  .len = 1,
		  .to = addr_v4("\1\2\3\4", 53) },
		{ .session = 65535, .status = MUX_END, .error = true },
		{ .session = 0, .status = MUX_ALIVE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		uint8_t out[MUX_HEAD_MAX + 4];
		struct mux_frame got = { 0 };
		ssize_t n = mux_frame_encode(&v[i], out, MUX_HEAD_MAX);

		assert_true(n > 0);
		for (ssize_t cut = 0; cut < n; cut++)
			assert_int_equal(
				mux_frame_decode(out, (size_t)cut, &got), 0);
		assert_int_equal(mux_frame_decode(out, sizeof(out), &got), n);
		assert_int_equal(got.session, v[i].session);
		assert_int_equal(got.status, v[i].status);
		assert_int_equal(got.network, v[i].network);
		assert_int_equal(got.error, v[i].error);
		assert_int_equal(got.has_data, v[i].has_data);
		assert_int_equal(got.len, v[i].len);
		assert_int_equal(got.has_global, v[i].has_global);
		assert_memory_equal(got.global, v[i].global, 8);
		if (v[i].to.kind)
			assert_true(addr_eq(&got.to, &v[i].to));
	}
}

static ssize_t frame_of(const char *hex)
{
	struct mux_frame f;
	uint8_t in[600] = { 0 };

	return mux_frame_decode(in, hex_get(hex, in, sizeof(in)), &f);
}

static void wrong_frames_are_refused_and_unknown_members_skipped(void **state)
{
	uint8_t in[600] = { 0x02, 0x01 };
	struct mux_frame f;

	(void)state;
	assert_int_equal(frame_of("0003"), -EPROTO);
	assert_int_equal(mux_frame_decode(in, 2, &f), -EPROTO); /* 513 */
	assert_int_equal(frame_of("000400010500"), -EPROTO);
	assert_int_equal(frame_of("000400010000"), -EPROTO);
	assert_int_equal(frame_of("000400010100"), -EPROTO); /* no target */
	assert_int_equal(frame_of("000c00010100"
				  "03"
				  "01bb"
				  "01"
				  "01020304"),
			 -EPROTO); /* network */
	assert_int_equal(frame_of("000a00010100"
				  "01"
				  "01bb"
				  "01"
				  "0102"),
			 -EPROTO); /* address beyond the meta length */
	assert_int_equal(frame_of("000f00010100"
				  "01"
				  "01bb"
				  "01"
				  "01020304"
				  "aabbcc"),
			 17);
	assert_int_equal(frame_of("000600010200"
				  "0000"),
			 8); /* padding */
}

/* New of a session to the client: with source and local, with source, with neither */
static void both_ends_of_a_session_are_told(void **state)
{
	static const uint8_t wire[] = {
		0, 24, 0,    5,    1, 0,  1, 0, 80, 1, 10, 9,  0,
		1, 1,  0x1f, 0x90, 1, 10, 1, 0, 2,  1, 0,  22, 1,
	};
	const uint8_t to[4] = { 10, 9, 0, 1 }, from[4] = { 10, 1, 0, 2 };
	struct mux_frame f = { .session = 5,
			       .status = MUX_NEW,
			       .network = MUX_TCP,
			       .to = addr_v4(to, 80),
			       .from = addr_v4(from, 8080) };
	struct mux_frame got;
	uint8_t out[MUX_HEAD_MAX], v6[16] = { 0x20, 1 };
	ssize_t n, k;

	(void)state;
	n = mux_frame_encode(&f, out, sizeof(out));
	assert_int_equal(n, 2 + 4 + 8 + 8);
	assert_memory_equal(out + 2, wire + 2, 20);
	f.at = addr_v6(v6, 22);
	n = mux_frame_encode(&f, out, sizeof(out));
	assert_int_equal(n, 2 + 4 + 8 + 8 + 20);
	assert_int_equal(mux_frame_decode_as(out, (size_t)n, true, &got), n);
	assert_true(addr_eq(&got.from, &f.from) && addr_eq(&got.at, &f.at) &&
		    addr_eq(&got.to, &f.to) && !got.has_global);
	for (k = 0; k < n; k++)
		assert_int_equal(
			mux_frame_decode_as(out, (size_t)k, true, &got), 0);
	/* cut within its own length: an end that is not whole */
	for (k = 15; k < n; k++) {
		bool whole = k == 14 || k == 22;

		out[1] = (uint8_t)(k - 2);
		assert_int_equal(
			mux_frame_decode_as(out, (size_t)k, true, &got),
			whole ? k : -EPROTO);
	}
	/* padding, and networks there are not */
	out[1] = 22;
	out[14] = 0;
	assert_int_equal(mux_frame_decode_as(out, 24, true, &got), 24);
	assert_int_equal(got.from.kind, ADDR_NONE);
	out[14] = 3;
	assert_int_equal(mux_frame_decode_as(out, 24, true, &got), -EPROTO);
	/* elsewhere it is skipped */
	assert_int_equal(mux_frame_decode(out, 24, &got), 24);
	assert_int_equal(got.from.kind, ADDR_NONE);
}

static void xudp_packets_have_their_layout(void **state)
{
	struct xudp_out x = { .global = "12345678" };
	struct wire_packet pk = { .peer = addr_v4("\1\2\3\4", 53),
				  .data = (const uint8_t *)"hi",
				  .len = 2 };
	uint8_t out[64];

	(void)state;
	assert_int_equal(xudp_encode(&x, &pk, out, 25), -ENOBUFS);
	assert_false(x.begun);
	assert_int_equal(xudp_encode(&x, &pk, out, 64), 26);
	assert_hex(out, "0014"
			"0000"
			"01"
			"01"
			"02"
			"0035"
			"01"
			"01020304"
			"3132333435363738"
			"0002"
			"6869");
	assert_int_equal(xudp_encode(&x, &pk, out, 64), 18);
	assert_hex(out, "000c"
			"0000"
			"02"
			"01"
			"02"
			"0035"
			"01"
			"01020304"
			"0002"
			"6869");
	pk.len = 0;
	assert_int_equal(xudp_encode(&x, &pk, out, 64), -EINVAL);
	pk.len = XUDP_PACKET_MAX + 1;
	assert_int_equal(xudp_encode(&x, &pk, out, 64), -EINVAL);
}

static void xudp_packets_are_read_and_ends_seen(void **state)
{
	struct xudp_out x = { .begun = true };
	struct wire_packet pk = { .peer = addr_name("example.org", 11, 53),
				  .data = (const uint8_t *)"data",
				  .len = 4 };
	struct wire_packet got;
	uint8_t out[64];
	ssize_t n = xudp_encode(&x, &pk, out, sizeof(out));
	bool is;

	(void)state;
	for (ssize_t cut = 0; cut < n; cut++) {
		assert_int_equal(xudp_decode(out, (size_t)cut, &got, &is), 0);
		assert_false(is);
	}
	assert_int_equal(xudp_decode(out, sizeof(out), &got, &is), n);
	assert_true(is);
	assert_true(addr_eq(&got.peer, &pk.peer));
	assert_ptr_equal(got.peer.name, got.name);
	assert_int_equal(got.len, 4);
	assert_memory_equal(got.data, "data", 4);

	n = (ssize_t)hex_get("0004"
			     "0000"
			     "02"
			     "01"
			     "0001"
			     "61",
			     out, 64);
	assert_int_equal(xudp_decode(out, (size_t)n, &got, &is), n);
	assert_true(is);
	assert_int_equal(got.peer.kind, ADDR_NONE);
	n = (ssize_t)hex_get("0004"
			     "0000"
			     "04"
			     "01"
			     "0001"
			     "61",
			     out, 64);
	assert_int_equal(xudp_decode(out, (size_t)n, &got, &is), n);
	assert_false(is);
	n = (ssize_t)hex_get("0004"
			     "0000"
			     "03"
			     "00",
			     out, 64);
	assert_int_equal(xudp_decode(out, (size_t)n, &got, &is), -EPIPE);
}

static void global_ids_are_stable_and_differ(void **state)
{
	uint8_t k1[32] = { 1 }, k2[32] = { 2 }, a[8], b[8];
	struct addr one = addr_v4("\1\2\3\4", 1), two = addr_v4("\1\2\3\4", 2);

	(void)state;
	xudp_global_id(k1, &one, a);
	xudp_global_id(k1, &one, b);
	assert_memory_equal(a, b, 8);
	xudp_global_id(k1, &two, b);
	assert_memory_not_equal(a, b, 8);
	xudp_global_id(k2, &one, b);
	assert_memory_not_equal(a, b, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_have_their_layout),
		cmocka_unit_test(
			every_frame_survives_and_every_cut_asks_for_more),
		cmocka_unit_test(
			wrong_frames_are_refused_and_unknown_members_skipped),
		cmocka_unit_test(both_ends_of_a_session_are_told),
		cmocka_unit_test(xudp_packets_have_their_layout),
		cmocka_unit_test(xudp_packets_are_read_and_ends_seen),
		cmocka_unit_test(global_ids_are_stable_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
