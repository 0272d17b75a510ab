/* test_pool_buf_arena.c - The three ways to hold memory */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/pool.h"
#include "tests/unit/alloc_fail.h"

static void pool_keeps_no_more_than_it_was_told(void **state)
{
	struct pool p;
	void *v[5];

	(void)state;
	pool_init(&p, 100, 2);
	for (int i = 0; i < 5; i++) {
		v[i] = pool_get(&p);
		memset(v[i], i, 100);
	}
	assert_int_equal(p.live_count, 5);
	for (int i = 0; i < 5; i++)
		pool_put(&p, v[i]);
	assert_int_equal(p.live_count, 0);
	assert_int_equal(p.free_count, 2);
	assert_ptr_equal(pool_get(&p), v[1]);
	pool_put(&p, v[1]);
	pool_put(&p, NULL);
	pool_trim(&p);
	assert_int_equal(p.free_count, 0);
	assert_null(p.free);
}

static void pool_of_tiny_objects_has_room_for_its_link(void **state)
{
	struct pool p;
	void *a;

	(void)state;
	pool_init(&p, 1, 8);
	assert_int_equal(p.size, sizeof(void *));
	a = pool_get(&p);
	pool_put(&p, a);
	assert_ptr_equal(pool_get(&p), a);
	pool_put(&p, a);
	pool_trim(&p);
}

static void pool_counts_nothing_when_memory_is_out(void **state)
{
	struct pool p;

	(void)state;
	pool_init(&p, 64, 1);
	alloc_fail_at(1);
	assert_null(pool_get(&p));
	assert_true(alloc_fail_hit());
	assert_int_equal(p.live_count, 0);
}

static void buf_moves_to_the_front_when_the_tail_is_full(void **state)
{
	struct buf *b = buf_new(8);

	(void)state;
	assert_int_equal(buf_put(b, "abcdef", 6), 0);
	assert_int_equal(buf_put(b, "xyz", 3), -ENOBUFS);
	assert_int_equal(b->len, 6);
	buf_drop(b, 4);
	assert_int_equal(buf_space(b), 2);
	assert_int_equal(buf_put(b, "ghijkl", 6), 0);
	assert_int_equal(b->off, 0);
	assert_memory_equal(buf_head(b), "efghijkl", 8);
	assert_int_equal(buf_space(b), 0);
	assert_int_equal(buf_put(b, NULL, 0), 0);
	buf_drop(b, 8);
	assert_int_equal(b->off, 0);
	assert_int_equal(buf_space(b), 8);
	buf_free(b);
	buf_free(NULL);
}

static void buf_refuses_sizes_that_do_not_fit(void **state)
{
	(void)state;
	assert_null(buf_new((size_t)UINT32_MAX));
	alloc_fail_at(1);
	assert_null(buf_new(10));
	assert_true(alloc_fail_hit());
}

static void arena_gives_zeroed_aligned_memory_of_any_size(void **state)
{
	static const size_t sizes[] = { 0,    1,    15,   16,    17, 1000,
					1024, 1025, 5000, 70000, 3 };
	struct arena a = { 0 };
	uint8_t *p;

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t n = sizes[(size_t)round % ARRAY_SIZE(sizes)];

		p = arena_alloc(&a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xaa, n);
	}
	assert_true(a.used_bytes > 200);
	arena_free(&a);
	assert_null(a.head);
	assert_int_equal(a.used_bytes, 0);
}

static void arena_copies_strings(void **state)
{
	struct arena a = { 0 };
	char *s = arena_strndup(&a, "hello world", 5);

	(void)state;
	assert_string_equal(s, "hello");
	assert_string_equal(arena_strdup(&a, "x"), "x");
	assert_string_equal(arena_strndup(&a, NULL, 0), "");
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_strndup(&a, "", SIZE_MAX));
	assert_string_equal(s, "hello");
	arena_free(&a);
}

static void arena_stays_usable_when_memory_is_out(void **state)
{
	struct arena a = { 0 };
	char *s;

	(void)state;
	alloc_fail_at(1);
	assert_null(arena_strdup(&a, "x"));
	assert_true(alloc_fail_hit());
	s = arena_strdup(&a, "kept");
	alloc_fail_at(1);
	assert_null(arena_alloc(&a, 100000));
	assert_true(alloc_fail_hit());
	assert_string_equal(s, "kept");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_keeps_no_more_than_it_was_told),
		cmocka_unit_test(pool_of_tiny_objects_has_room_for_its_link),
		cmocka_unit_test(pool_counts_nothing_when_memory_is_out),
		cmocka_unit_test(buf_moves_to_the_front_when_the_tail_is_full),
		cmocka_unit_test(buf_refuses_sizes_that_do_not_fit),
		cmocka_unit_test(arena_gives_zeroed_aligned_memory_of_any_size),
		cmocka_unit_test(arena_copies_strings),
		cmocka_unit_test(arena_stays_usable_when_memory_is_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
