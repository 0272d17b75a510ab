/* test_frag.c - Reassembly: order, size, overlap, duplicates, memory, time */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "netstack/netstack.h"
#include "tests/unit/ip_build.h"

static struct worker w;
static struct frag_table *t;
static uint8_t payload[65535], l4[2 * 65536], frame[BUILD_MAX];

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	wheel_init(&w.wheel, 0);
	t = frag_table_new(&w);
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 8));
	return t ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	frag_table_free(t);
	return 0;
}

static struct build pair(bool v6, uint32_t id)
{
	struct build b = { .proto = IPPROTO_UDP, .ip_id = id };

	b.src = build_addr(v6 ? "fd00::1" : "10.0.0.1", 1000);
	b.dst = build_addr(v6 ? "2001:db8::1" : "192.0.2.1", 2000);
	return b;
}

/* Give bytes [off, off + n) of @l4 as a fragment */
static bool give(struct build b, size_t off, size_t n, bool more,
		 struct packet *whole)
{
	struct packet p;

	b.offset = (uint32_t)off;
	b.more = more;
	p = build_parse(frame, build_ip(frame, &b, l4 + off, n));
	assert_true(p.frag);
	return frag_input(t, &p, whole);
}

static void assert_whole(const struct packet *p, const struct build *b,
			 size_t n)
{
	assert_int_equal(p->proto, IPPROTO_UDP);
	assert_true(addr_eq(&p->src, &b->src));
	assert_true(addr_eq(&p->dst, &b->dst));
	assert_int_equal(p->len - p->l4, n + 8);
	assert_memory_equal(p->data + p->l4 + 8, payload, n);
}

static void round_trip(bool v6, size_t n, size_t step, bool backwards)
{
	struct build b = pair(v6, 77);
	size_t len = build_udp(l4, &b.src, &b.dst, payload, n), i, at;
	size_t count = (len + step - 1) / step;
	struct packet whole;
	bool done = false;

	for (i = 0; i < count; i++) {
		assert_false(done);
		at = (backwards ? count - 1 - i : i) * step;
		done = give(b, at, len - at < step ? len - at : step,
			    at + step < len, &whole);
	}
	assert_true(done);
	assert_whole(&whole, &b, n);
}

static void all_sizes_come_together_in_any_order(void **state)
{
	static const size_t sizes[] = { 1473, 1480, 5000, 30000, 65507 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (int k = 0; k < 4; k++)
			round_trip(k & 1, sizes[i], 1480, k & 2);
	}
	round_trip(false, 30000, 64, true);
	for (int i = 0; i < DROP_COUNT; i++)
		assert_int_equal(w.drops[i], 0);
}

static void even_and_odd_fragments_come_together(void **state)
{
	struct build b = pair(true, 5);
	size_t len = build_udp(l4, &b.src, &b.dst, payload, 8000), at;
	struct packet whole;
	bool done = false;

	(void)state;
	for (at = 0; at < len; at += 2000)
		assert_false(give(b, at, 1000, true, &whole));
	for (at = 1000; at < len && !done; at += 2000)
		done = give(b, at, len - at < 1000 ? len - at : 1000,
			    at + 1000 < len, &whole);
	assert_false(
		done); /* the 8 bytes at 8000 were said not to be the last */
	assert_int_equal(len, 8008);
}

static void exact_duplicates_are_ignored(void **state)
{
	struct build b = pair(false, 5);
	size_t len = build_udp(l4, &b.src, &b.dst, payload, 2000);
	struct packet whole;

	(void)state;
	assert_false(give(b, 0, 1480, true, &whole));
	assert_false(give(b, 0, 1480, true, &whole));
	assert_true(give(b, 1480, len - 1480, false, &whole));
	assert_whole(&whole, &b, 2000);
}

static void an_overlap_condemns_the_datagram(void **state)
{
	struct build b = pair(true, 5);
	size_t len = build_udp(l4, &b.src, &b.dst, payload, 2000);
	struct packet whole;

	(void)state;
	assert_false(give(b, 0, 1480, true, &whole));
	assert_false(give(b, 1472, len - 1472, false, &whole));
	assert_int_equal(w.drops[DROP_FRAG_OVERLAP], 1);
	/* nor does it start anew */
	assert_false(give(b, 0, 1480, true, &whole));
	assert_false(give(b, 1480, len - 1480, false, &whole));
	/* an other id is an other datagram */
	b.ip_id = 6;
	assert_false(give(b, 0, 1480, true, &whole));
	assert_true(give(b, 1480, len - 1480, false, &whole));
}

static void a_changed_duplicate_is_an_overlap(void **state)
{
	struct build b = pair(false, 5);
	struct packet whole;

	(void)state;
	build_udp(l4, &b.src, &b.dst, payload, 2000);
	assert_false(give(b, 0, 1480, true, &whole));
	l4[100] ^= 1;
	assert_false(give(b, 0, 1480, true, &whole));
	assert_int_equal(w.drops[DROP_FRAG_OVERLAP], 1);
}

static void more_than_64k_is_refused(void **state)
{
	struct build b = pair(false, 5);
	struct packet whole;

	(void)state;
	assert_false(give(b, 65528, 7, false, &whole));
	assert_int_equal(w.drops[DROP_IP_HEADER], 1);
	b.ip_id = 6;
	assert_false(give(b, 65000, 1000, true, &whole));
	assert_int_equal(w.drops[DROP_IP_HEADER], 2);
}

static void lengths_that_disagree_are_refused(void **state)
{
	struct build b = pair(true, 5);
	struct packet whole;

	(void)state;
	build_udp(l4, &b.src, &b.dst, payload, 3000);
	assert_false(give(b, 0, 1001, true, &whole)); /* not of 8 */
	assert_int_equal(w.drops[DROP_IP_HEADER], 1);
	b.ip_id = 6;
	assert_false(give(b, 1000, 500, false, &whole));
	assert_false(give(b, 2000, 500, true, &whole)); /* behind the end */
	assert_int_equal(w.drops[DROP_IP_HEADER], 2);
	b.ip_id = 7;
	assert_false(give(b, 2000, 504, true, &whole));
	assert_false(give(b, 1000, 500, false, &whole)); /* end before that */
	assert_int_equal(w.drops[DROP_IP_HEADER], 3);
}

static void a_bad_checksum_is_found_after_reassembly(void **state)
{
	struct build b = pair(false, 5);
	size_t len = build_udp(l4, &b.src, &b.dst, payload, 2000);
	struct packet whole;

	(void)state;
	l4[1500] ^= 1;
	assert_false(give(b, 0, 1480, true, &whole));
	assert_false(give(b, 1480, len - 1480, false, &whole));
	assert_int_equal(w.drops[DROP_UDP_CHECKSUM], 1);
}

static void memory_is_bounded_and_the_oldest_goes(void **state)
{
	struct build b = pair(false, 0);
	size_t len = build_udp(l4, &b.src, &b.dst, payload, 2000);
	struct packet whole;

	(void)state;
	for (b.ip_id = 1; b.ip_id <= 1500; b.ip_id++)
		assert_false(give(b, 0, 1480, true, &whole));
	/* 256 KiB hold fewer than 177 of them */
	assert_true(w.drops[DROP_FRAG_LIMIT] > 1500 - 177);
	assert_true(w.drops[DROP_FRAG_LIMIT] < 1500 - 140);
	b.ip_id = 1500;
	assert_true(give(b, 1480, len - 1480, false, &whole));
	assert_whole(&whole, &b, 2000);
	b.ip_id = 1;
	assert_false(give(b, 1480, len - 1480, false, &whole));
}

static void what_never_completes_is_forgotten(void **state)
{
	struct build b = pair(true, 9);
	size_t len = build_udp(l4, &b.src, &b.dst, payload, 2000);
	struct packet whole;

	(void)state;
	assert_false(give(b, 0, 1480, true, &whole));
	w.now_ms = 10000;
	wheel_run(&w.wheel, w.now_ms);
	b.ip_id = 10;
	assert_false(give(b, 0, 1480, true, &whole));
	w.now_ms = 15001;
	wheel_run(&w.wheel, w.now_ms);
	assert_int_equal(w.drops[DROP_FRAG_TIMEOUT], 1);
	assert_true(give(b, 1480, len - 1480, false, &whole));
	b.ip_id = 9;
	assert_false(give(b, 1480, len - 1480, false, &whole));
}

static void tiny_fragments_in_reverse_are_bounded(void **state)
{
	struct build b = pair(false, 9);
	struct packet whole;
	size_t at;

	(void)state;
	build_udp(l4, &b.src, &b.dst, payload, 60000);
	for (at = 40000; at; at -= 8)
		assert_false(give(b, at, 8, true, &whole));
	assert_int_equal(w.drops[DROP_FRAG_LIMIT], 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_sizes_come_together_in_any_order),
		T(even_and_odd_fragments_come_together),
		T(exact_duplicates_are_ignored),
		T(an_overlap_condemns_the_datagram),
		T(a_changed_duplicate_is_an_overlap),
		T(more_than_64k_is_refused),
		T(lengths_that_disagree_are_refused),
		T(a_bad_checksum_is_found_after_reassembly),
		T(memory_is_bounded_and_the_oldest_goes),
		T(what_never_completes_is_forgotten),
		T(tiny_fragments_in_reverse_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
