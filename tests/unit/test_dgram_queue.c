/* test_dgram_queue.c - Datagrams that wait: whole, in segments, bounded, lent */
#include <stdlib.h>

#include "loop.h"

#include "alloc_fail.h"
#include "gateway/core/dgram_queue.h"

#define FRAMES    1024 /* the limits of dgram_queue.c */
#define BYTES     (1u << 20)
#define ALL_BYTES (8u << 20)

struct rig {
	struct loop l;
	struct dgram_queue q;
	size_t all;
	struct addr a;
	struct pkt v[DGRAM_BATCH];
};

static void begin(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	r->a = addr_of("192.0.2.1", 53);
	dgram_queue_init(&r->q, &r->l.w, &r->all);
}

static void end(struct rig *r)
{
	dgram_queue_free(&r->q);
	assert_int_equal(r->all, 0);
	loop_fini(&r->l);
}

static void put(struct rig *r, const char *text, size_t segment)
{
	dgram_queue_put(&r->q, &r->a, text, strlen(text), segment);
}

static void assert_packet(const struct rig *r, int i, const char *text)
{
	assert_true(addr_eq(&r->v[i].peer, &r->a));
	assert_int_equal(r->v[i].len, strlen(text));
	assert_memory_equal(r->v[i].data, text, strlen(text));
}

static void they_come_in_order_and_an_empty_one_is_one(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	assert_int_equal(dgram_queue_recv(&r.q, r.v, DGRAM_BATCH), 0);
	put(&r, "one", 0);
	put(&r, "", 0);
	put(&r, "three", 0);
	assert_int_equal(r.all, 8);
	assert_int_equal(dgram_queue_recv(&r.q, r.v, DGRAM_BATCH), 3);
	assert_packet(&r, 0, "one");
	assert_packet(&r, 1, "");
	assert_packet(&r, 2, "three");
	assert_int_equal(r.all, 0);
	assert_int_equal(dgram_queue_recv(&r.q, r.v, DGRAM_BATCH), 0);
	end(&r);
}

static void segments_are_datagrams_of_their_own(void **state)
{
	static const char *const want[] = { "aaaa", "bbbb", "cc", "alone" };
	struct rig r;

	(void)state;
	/* whatever the caller's array takes at a time */
	for (int max = 1; max < 6; max++) {
		int n = 0, got;

		begin(&r);
		put(&r, "aaaabbbbcc", 4);
		put(&r, "alone", 9);
		while ((got = dgram_queue_recv(&r.q, r.v, max)) > 0)
			for (int i = 0; i < got; i++)
				assert_packet(&r, i, want[n++]);
		assert_int_equal(n, 4);
		end(&r);
	}
}

static void the_oldest_goes_first(void **state)
{
	char text[16];
	struct rig r;
	int n = 5;

	(void)state;
	begin(&r);
	for (int i = 0; i < FRAMES + 5; i++) {
		snprintf(text, sizeof(text), "%d", i);
		put(&r, text, 0);
	}
	assert_int_equal(r.l.w.drops[DROP_UDP_QUEUE], 5);
	for (int got; (got = dgram_queue_recv(&r.q, r.v, DGRAM_BATCH)) > 0;)
		for (int i = 0; i < got; i++) {
			snprintf(text, sizeof(text), "%d", n++);
			assert_packet(&r, i, text);
		}
	assert_int_equal(n, FRAMES + 5);
	end(&r);
}

static void bytes_are_bounded_too(void **state)
{
	static uint8_t big[65536];
	struct rig r;

	(void)state;
	begin(&r);
	for (size_t i = 0; i < BYTES / sizeof(big) + 3; i++) {
		big[0] = (uint8_t)i;
		dgram_queue_put(&r.q, &r.a, big, sizeof(big), 0);
		assert_true(r.q.bytes <= BYTES);
	}
	assert_int_equal(r.all, BYTES);
	assert_int_equal(r.l.w.drops[DROP_UDP_QUEUE], 3);
	assert_int_equal(dgram_queue_recv(&r.q, r.v, 1), 1);
	assert_int_equal(r.v[0].data[0], 3);
	end(&r);
}

/* All ends of a listener together: who adds gives way, others keep theirs */
static void a_listener_is_bounded_as_a_whole(void **state)
{
	static uint8_t big[65536];
	struct dgram_queue other[8];
	struct rig r;

	(void)state;
	begin(&r);
	for (int i = 0; i < 8; i++) {
		dgram_queue_init(&other[i], &r.l.w, &r.all);
		for (size_t k = 0; k < BYTES / sizeof(big); k++)
			dgram_queue_put(&other[i], &r.a, big, sizeof(big), 0);
	}
	assert_int_equal(r.all, ALL_BYTES);
	put(&r, "new", 0);
	assert_int_equal(r.q.count, 0);
	assert_int_equal(r.l.w.drops[DROP_UDP_QUEUE], 1);
	assert_int_equal(r.all, ALL_BYTES);
	dgram_queue_clear(&other[0]);
	put(&r, "new", 0);
	assert_int_equal(r.q.count, 1);
	for (int i = 0; i < 8; i++)
		dgram_queue_free(&other[i]);
	end(&r);
}

/* What the last recv showed stays until the next, whatever happens to the queue */
static void shown_bytes_stay(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	put(&r, "whole", 0);
	put(&r, "part1part2", 5);
	assert_int_equal(dgram_queue_recv(&r.q, r.v, 2), 2);
	for (int i = 0; i < FRAMES + 1; i++) /* pushes the other part out */
		put(&r, "x", 0);
	assert_int_equal(r.l.w.drops[DROP_UDP_QUEUE], 2);
	assert_packet(&r, 0, "whole");
	assert_packet(&r, 1, "part1");
	assert_int_equal(dgram_queue_recv(&r.q, r.v, 1), 1);
	assert_packet(&r, 0, "x");
	end(&r);
}

static void without_memory_one_is_lost_and_counted(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	alloc_fail_at(1);
	put(&r, "lost", 0);
	assert_true(alloc_fail_hit());
	assert_int_equal(r.l.w.drops[DROP_NO_MEMORY], 1);
	put(&r, "kept", 0);
	assert_int_equal(dgram_queue_recv(&r.q, r.v, DGRAM_BATCH), 1);
	assert_packet(&r, 0, "kept");
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_come_in_order_and_an_empty_one_is_one),
		cmocka_unit_test(segments_are_datagrams_of_their_own),
		cmocka_unit_test(the_oldest_goes_first),
		cmocka_unit_test(bytes_are_bounded_too),
		cmocka_unit_test(a_listener_is_bounded_as_a_whole),
		cmocka_unit_test(shown_bytes_stay),
		cmocka_unit_test(without_memory_one_is_lost_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
