/* test_pb.c - Protocol buffers: fields out of messages and into them */
#include "tests/unit/cm.h"

#include <errno.h>
#include <string.h>

#include "proxy/wire/pb.h"
#include "tests/unit/alloc_fail.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

/* The examples of protobuf.dev: 150 as field 1, "testing" as field 2 */
#define DOC "\x08\x96\x01\x12\x07testing"

static void the_examples_of_the_standard(void **state)
{
	char text[16];
	uint64_t v;

	(void)state;
	assert_int_equal(pb_number(BYTES(DOC), 1, &v), 0);
	assert_int_equal(v, 150);
	assert_int_equal(pb_text(BYTES(DOC), 2, text, sizeof(text)), 0);
	assert_string_equal(text, "testing");
	/* absent, or of another type */
	assert_int_equal(pb_number(BYTES(DOC), 2, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(pb_text(BYTES(DOC), 1, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(pb_text(BYTES(DOC), 2, text, 7), -ENOBUFS);
	assert_int_equal(pb_text(BYTES(DOC), 2, text, 8), 0);
}

static void each_cut_of_a_field_is_malformed(void **state)
{
	(void)state;
	for (size_t n = 1; n < sizeof(DOC) - 1; n++) {
		struct rd r = rd_init(DOC, n);
		struct pb_field f;
		int rc;

		while ((rc = pb_next(&r, &f)) > 0)
			;
		assert_int_equal(rc, n == 3 ? 0 : -EPROTO);
	}
}

static void what_is_not_known_is_skipped(void **state)
{
	static const uint8_t m[] = { 0x09, 1, 2,    3, 4,
				     5,    6, 7,    8, /* 1: 64 */
				     0x15, 1, 0,    0, 0, /* 2: 32 bits */
				     0x18, 7, 0x18, 9 }; /* 3, twice */
	struct pb_field f;
	uint64_t v;

	(void)state;
	assert_int_equal(pb_number(m, sizeof(m), 3, &v), 0);
	assert_int_equal(v, 9); /* the last one counts */
	assert_int_equal(pb_find(m, sizeof(m), 1, PB_64, &f), 1);
	assert_true(f.value == 0x0807060504030201ull);
	assert_int_equal(pb_find(m, sizeof(m), 2, PB_32, &f), 1);
	assert_int_equal(f.value, 1);
}

static void repeated_numbers_come_packed_or_one_by_one(void **state)
{
	static const uint8_t one_by_one[] = { 0x08, 5, 0x10, 9, 0x08, 0x96, 1 };
	static const uint8_t both[] = { 0x0a, 3, 5, 0x96, 1, 0x08, 7, 0x0a, 0 };
	static const uint8_t cut[] = { 0x0a, 2, 5, 0x96 };
	struct pb_out o = { .most = 64 };
	uint64_t v[4] = { 0 };

	(void)state;
	assert_int_equal(pb_numbers(one_by_one, sizeof(one_by_one), 1, v, 4),
			 2);
	assert_int_equal(v[0], 5);
	assert_int_equal(v[1], 150);
	assert_int_equal(pb_numbers(both, sizeof(both), 1, v, 4), 3);
	assert_int_equal(v[1], 150);
	assert_int_equal(v[2], 7);
	/* more than there is room for */
	v[1] = 0;
	assert_int_equal(pb_numbers(both, sizeof(both), 1, v, 1), 3);
	assert_int_equal(v[1], 0);
	assert_int_equal(pb_numbers(both, sizeof(both), 2, v, 4), 0);
	assert_int_equal(pb_numbers(cut, sizeof(cut), 1, v, 4), -EPROTO);
	assert_int_equal(pb_numbers(cut, sizeof(cut) - 1, 1, v, 4), -EPROTO);
	v[0] = 900;
	v[1] = 1;
	pb_put_numbers(&o, 3, v, 2);
	assert_int_equal(o.len, 5);
	assert_memory_equal(o.p, "\x1a\x03\x84\x07\x01", 5);
	pb_free(&o);
}

static void what_lies_is_refused(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
		{ "\x0b", 1 }, /* a group */
		{ "\x0c", 1 },
		{ "\x0e\x01", 2 }, /* no such type */
		{ "\x00\x01", 2 }, /* number 0 */
		{ "\x12\x05"
		  "abcd",
		  6 }, /* longer than the message */
		{ "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
		{ "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 },
		{ "\xf8\xff\xff\xff\xff\x01\x01", 7 }, /* number too large */
	};
	struct pb_field f;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rd r = rd_init(bad[i].p, bad[i].n);

		assert_int_equal(pb_next(&r, &f), -EPROTO);
	}
	char text[8];

	assert_int_equal(pb_text(BYTES("\x12\x03"
				       "a\0b"),
				 2, text, sizeof(text)),
			 -EILSEQ);
}

static void what_is_put_is_found_again(void **state)
{
	struct pb_out o = { .most = 4096 };
	struct pb_field in, f;
	char big[300];
	size_t a, b;

	(void)state;
	memset(big, 'x', sizeof(big));
	pb_put_number(&o, 1, UINT64_MAX);
	a = pb_begin(&o, 2);
	b = pb_begin(&o, 3);
	pb_put_bytes(&o, 4, big, sizeof(big)); /* lengths of two bytes */
	pb_end(&o, b);
	pb_put_text(&o, 5, "");
	pb_end(&o, a);
	pb_put_text(&o, 6, "end");
	assert_false(o.bad);
	assert_int_equal(pb_find(o.p, o.len, 1, PB_VARINT, &f), 1);
	assert_true(f.value == UINT64_MAX);
	assert_int_equal(pb_find(o.p, o.len, 2, PB_BYTES, &in), 1);
	assert_int_equal(pb_find(in.p, in.len, 5, PB_BYTES, &f), 1);
	assert_int_equal(f.len, 0);
	assert_int_equal(pb_find(in.p, in.len, 3, PB_BYTES, &in), 1);
	assert_int_equal(pb_find(in.p, in.len, 4, PB_BYTES, &f), 1);
	assert_int_equal(f.len, sizeof(big));
	assert_memory_equal(f.p, big, sizeof(big));
	pb_free(&o);
}

static void a_message_does_not_outgrow_its_limit(void **state)
{
	struct pb_out o = { .most = 10 };

	(void)state;
	pb_put_text(&o, 1, "12345678");
	assert_false(o.bad);
	pb_put_number(&o, 2, 1);
	assert_true(o.bad);
	assert_int_equal(o.len, 10);
	pb_free(&o);
	o = (struct pb_out){ .most = 10 };
	alloc_fail_at(1);
	pb_put_text(&o, 1, "1");
	assert_true(alloc_fail_hit());
	assert_true(o.bad);
	pb_end(&o, 0);
	pb_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_standard),
		cmocka_unit_test(each_cut_of_a_field_is_malformed),
		cmocka_unit_test(what_is_not_known_is_skipped),
		cmocka_unit_test(repeated_numbers_come_packed_or_one_by_one),
		cmocka_unit_test(what_lies_is_refused),
		cmocka_unit_test(what_is_put_is_found_again),
		cmocka_unit_test(a_message_does_not_outgrow_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
