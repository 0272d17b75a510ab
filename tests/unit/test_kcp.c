/* mKCP segments: bytes of an independent encoder, every cut, both ways */
#include "proxy/wire/kcp.h"

#include <errno.h>

#include "tests/unit/cm.h"
#include "tests/unit/vec.h"

#define DATA "12340101010203040000000500000003000568656c6c6f"
#define ACK  "12340000000003080000000701020304020000000700000009"
#define PING "1234030000000008000000070000007d"

static void kcp_reads_and_writes_each_kind(void **state)
{
	static const char *const hex[] = { DATA, ACK, PING };
	static const uint8_t numbers[] = { 0, 0, 0, 7, 0, 0, 0, 9 };
	static const struct kcp_seg want[] = {
		{ .conv = 0x1234,
		  .cmd = KCP_DATA,
		  .opt = KCP_CLOSE,
		  .time = 0x01020304,
		  .number = 5,
		  .una = 3,
		  .len = 5,
		  .data = (const uint8_t *)"hello" },
		{ .conv = 0x1234,
		  .cmd = KCP_ACK,
		  .window = 0x308,
		  .next = 7,
		  .time = 0x01020304,
		  .len = 2,
		  .data = numbers },
		{ .conv = 0x1234,
		  .cmd = KCP_PING,
		  .una = 8,
		  .next = 7,
		  .rto = 125 },
	};
	uint8_t in[64], out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hex); i++) {
		size_t n = hex_get(hex[i], in, sizeof(in));
		const struct kcp_seg *w = &want[i];
		struct kcp_seg s;

		assert_int_equal(kcp_encode(w, out, sizeof(out)), n);
		assert_memory_equal(in, out, n);
		assert_int_equal(kcp_decode(in, n, &s), n);
		assert_int_equal(s.conv, w->conv);
		assert_int_equal(s.cmd, w->cmd);
		assert_int_equal(s.opt, w->opt);
		assert_int_equal(s.time, w->time);
		assert_int_equal(s.number, w->number);
		assert_int_equal(s.una, w->una);
		assert_int_equal(s.next, w->next);
		assert_int_equal(s.window, w->window);
		assert_int_equal(s.rto, w->rto);
		assert_int_equal(s.len, w->len);
	}
}

static void kcp_refuses_every_cut(void **state)
{
	static const char *const hex[] = { DATA, ACK, PING };
	uint8_t in[64];
	struct kcp_seg s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hex); i++) {
		size_t n = hex_get(hex[i], in, sizeof(in));
		uint8_t *p;

		for (size_t k = 0; k < n; k++) {
			p = malloc(k + 1); /* so that ASan sees one too far */
			memcpy(p + 1, in, k);
			assert_int_equal(kcp_decode(p + 1, k, &s), -EPROTO);
			assert_int_equal(kcp_encode(&(struct kcp_seg){ 0 }, p,
						    k < 17 ? k : 16),
					 -ENOBUFS);
			free(p);
		}
	}
}

static void kcp_refuses_lengths_beyond_the_end(void **state)
{
	uint8_t in[64];
	size_t n = hex_get(DATA, in, sizeof(in));
	struct kcp_seg s;

	(void)state;
	in[16] = 0xff; /* the payload's length */
	assert_int_equal(kcp_decode(in, n, &s), -EPROTO);
	n = hex_get(ACK, in, sizeof(in));
	in[16] = 0xff; /* how many numbers */
	assert_int_equal(kcp_decode(in, n, &s), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kcp_reads_and_writes_each_kind),
		cmocka_unit_test(kcp_refuses_every_cut),
		cmocka_unit_test(kcp_refuses_lengths_beyond_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
