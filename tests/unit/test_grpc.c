/* gRPC messages: any cut gives the same bytes; what is no message is refused */
#include "proxy/wire/grpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"

static ssize_t all(const uint8_t *p, size_t n, size_t step, uint8_t *out)
{
	struct grpc_rd r = { 0 };
	size_t got = 0;

	for (size_t at = 0; at < n; at += step) {
		size_t k = n - at < step ? n - at : step;
		ssize_t rc = grpc_read(&r, p + at, k, out + got);

		if (rc < 0)
			return rc;
		got += (size_t)rc;
	}
	return (ssize_t)got;
}

static void grpc_head_is_as_in_protobuf(void **state)
{
	uint8_t h[GRPC_HEAD_MAX];

	(void)state;
	assert_int_equal(grpc_head(3, h), 7);
	assert_memory_equal(h, "\0\0\0\0\5\x0a\3", 7);
	assert_int_equal(grpc_head(300, h), 8);
	assert_memory_equal(h, "\0\0\0\1\x2f\x0a\xac\2", 8);
	assert_int_equal(grpc_head(0, h), 7);
	assert_true(grpc_head(UINT32_MAX - 16, h) <= GRPC_HEAD_MAX);
}

static void grpc_reads_hunks_at_any_cut(void **state)
{
	/* a Hunk, an empty message, a MultiHunk with a field not ours */
	static const uint8_t in[] = "\0\0\0\0\5\x0a\3abc"
				    "\0\0\0\0\0"
				    "\0\0\0\0\x0d\x0a\2de\x12\1x\x0a\0\x0a\2fg";
	uint8_t out[sizeof(in)];

	(void)state;
	for (size_t step = 1; step < sizeof(in); step++) {
		assert_int_equal(all(in, sizeof(in) - 1, step, out), 7);
		assert_memory_equal(out, "abcdefg", 7);
	}
}

static void grpc_refuses_what_is_no_message(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
		{ "\1\0\0\0\5\x0a\3abc", 10 }, /* compressed */
		{ "\0\0\0\0\5\x08\3abc", 10 }, /* a varint field */
		{ "\0\0\0\0\5\x0a\4abc", 10 }, /* longer than the message */
		{ "\0\0\0\0\1\x0a\3abc", 10 }, /* no place for a length */
		{ "\0\0\0\0\x10\x0a\xff\xff\xff\xff\xff\xff\xff\1", 14 },
	};
	uint8_t out[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (size_t step = 1; step <= bad[i].n; step++)
			assert_int_equal(all((const uint8_t *)bad[i].p,
					     bad[i].n, step, out),
					 -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grpc_head_is_as_in_protobuf),
		cmocka_unit_test(grpc_reads_hunks_at_any_cut),
		cmocka_unit_test(grpc_refuses_what_is_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
