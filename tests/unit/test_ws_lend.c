/* test_ws_lend.c - Payload of WebSocket frames, lent out of what below lends */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/transport/ws_int.h"

#define WIRE_BYTES (256u << 10)

/* A level below: @wire from @off on, of which @shown bytes came, in @piece each */
struct lender {
	struct stream s;
	uint8_t wire[WIRE_BYTES];
	size_t off, len, shown, piece;
	bool end;
	size_t put;
};

static struct lender *lender_of(struct stream *s)
{
	return container_of(s, struct lender, s);
}

static ssize_t low_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct lender *l = lender_of(s);
	size_t at = l->off;
	int n = 0;

	if (at == l->shown)
		return l->end && at == l->len ? 0 : -EAGAIN;
	for (; n < *cnt && at < l->shown; n++) {
		size_t k = l->shown - at < l->piece ? l->shown - at : l->piece;

		iov[n] = (struct iovec){ l->wire + at, k };
		at += k;
	}
	*cnt = n;
	return (ssize_t)(at - l->off);
}

static void low_took(struct stream *s, size_t n)
{
	struct lender *l = lender_of(s);

	assert_true(n <= l->shown - l->off);
	l->off += n;
}

static ssize_t low_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	(void)s;
	(void)iov;
	(void)cnt;
	return 0;
}

static ssize_t low_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	ssize_t n = 0;

	for (int i = 0; i < cnt; i++)
		n += (ssize_t)iov[i].iov_len;
	lender_of(s)->put += (size_t)n;
	return n;
}

static const struct stream_ops low_ops = { .name = "low",
					   .readv = low_readv,
					   .writev = low_writev,
					   .lend = low_lend,
					   .took = low_took };

static struct lender low;

static struct ws open_ws(bool server, size_t piece)
{
	struct ws w = { .state = WS_OPEN, .server = server };

	memset(&low, 0, sizeof(low));
	low.s.ops = &low_ops;
	low.piece = piece;
	w.s.below = &low.s;
	return w;
}

static void put(enum ws_opcode op, bool fin, bool masked, const uint8_t *p,
		size_t n)
{
	struct ws_head h = { .fin = fin,
			     .masked = masked,
			     .opcode = op,
			     .len = n,
			     .mask = { 1, 2, 3, (uint8_t)n } };
	ssize_t k = ws_head_encode(&h, low.wire + low.len, WS_HEAD_MAX);

	assert_true(k > 0 && low.len + (size_t)k + n <= WIRE_BYTES);
	low.len += (size_t)k;
	if (n)
		memcpy(low.wire + low.len, p, n);
	if (masked)
		ws_mask(low.wire + low.len, n, h.mask, 0);
	low.len += n;
}

static uint32_t rnd(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x >> 8;
}

/* Messages in fragments, pings between them, a Close behind. Payload bytes */
static size_t messages(uint32_t *seed, bool masked, uint8_t *plain, size_t most)
{
	static const uint16_t sizes[] = { 0, 1, 125, 126, 700, 4096, 20000 };
	size_t n = 0;
	bool open = false;

	for (int i = 0; i < 40; i++) {
		size_t k = sizes[rnd(seed) % ARRAY_SIZE(sizes)];
		bool fin = rnd(seed) % 3 != 0;

		if (n + k > most)
			break;
		for (size_t b = 0; b < k; b++)
			plain[n + b] = (uint8_t)rnd(seed);
		put(open ? WS_CONTINUE : WS_BINARY, fin, masked, plain + n, k);
		open = !fin;
		n += k;
		if (rnd(seed) % 4 == 0)
			put(WS_PING, true, masked, (const uint8_t *)"hi", 2);
	}
	put(WS_CLOSE, true, masked, (const uint8_t *)"\3\350", 2);
	return n;
}

/* All that is lent from now on is @plain from @seen on */
static size_t compare(struct ws *w, const uint8_t *plain, size_t seen,
		      size_t total, ssize_t *got)
{
	struct iovec iov[STREAM_IOV];
	int cnt = STREAM_IOV;
	size_t at = seen;

	*got = ws_lend(&w->s, iov, &cnt);
	if (*got <= 0)
		return 0;
	for (int i = 0; i < cnt; i++) {
		assert_true(at + iov[i].iov_len <= total);
		assert_memory_equal(iov[i].iov_base, plain + at,
				    iov[i].iov_len);
		at += iov[i].iov_len;
	}
	assert_int_equal(at - seen, *got);
	return at - seen;
}

static void any_frames_in_any_pieces(void **state)
{
	static uint8_t plain[128u << 10];

	(void)state;
	for (uint32_t round = 1; round < 300; round++) {
		uint32_t seed = round;
		struct ws w = open_ws(round % 2, 1 + rnd(&seed) % 9000);
		size_t total = messages(&seed, w.server, plain, sizeof(plain));
		size_t seen = 0, n;
		ssize_t got = 1;

		while (got) {
			size_t more = 1 + rnd(&seed) % 8000;

			low.shown = low.len - low.shown < more ?
					    low.len :
					    low.shown + more;
			n = compare(&w, plain, seen, total, &got);
			if (got == -EAGAIN)
				continue;
			assert_true(got >= 0);
			/* the same again, and then some of it */
			assert_int_equal(compare(&w, plain, seen, total, &got),
					 n);
			if (n && rnd(&seed) % 3)
				n = 1 + rnd(&seed) % n;
			ws_took(&w.s, n);
			seen += n;
		}
		assert_int_equal(seen, total);
		assert_true(w.eof);
		free(w.out);
	}
}

static void a_ping_is_answered(void **state)
{
	struct ws w = open_ws(true, 4096);
	ssize_t got;

	(void)state;
	put(WS_PING, true, true, (const uint8_t *)"hi", 2);
	low.shown = low.len;
	compare(&w, NULL, 0, 0, &got);
	assert_int_equal(got, -EAGAIN);
	assert_int_equal(low.off, low.len); /* and given back at once */
	assert_int_equal(low.put, 4);
}

static void what_is_malformed_ends_it(void **state)
{
	struct ws w;
	ssize_t got;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		w = open_ws(true, 4096);
		if (kind == 0) /* not masked */
			put(WS_BINARY, true, false, (const uint8_t *)"x", 1);
		else if (kind == 1) /* nothing to continue */
			put(WS_CONTINUE, true, true, (const uint8_t *)"x", 1);
		else /* an opcode nobody knows */
			put((enum ws_opcode)3, true, true, NULL, 0);
		low.shown = low.len;
		compare(&w, NULL, 0, 0, &got);
		assert_int_equal(got, -EPROTO);
		compare(&w, NULL, 0, 0, &got);
		assert_int_equal(got, -EPROTO);
	}
	/* the connection's end is no Close */
	w = open_ws(false, 4096);
	put(WS_BINARY, true, false, (const uint8_t *)"x", 1);
	low.shown = low.len;
	low.end = true;
	assert_int_equal(compare(&w, (const uint8_t *)"x", 0, 1, &got), 1);
	ws_took(&w.s, 1);
	compare(&w, NULL, 0, 0, &got);
	assert_int_equal(got, -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_frames_in_any_pieces),
		cmocka_unit_test(a_ping_is_answered),
		cmocka_unit_test(what_is_malformed_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
