/*
 * test_fragment.c - First writes in pieces: hellos as records, segments, pauses;
 * what is no hello; the end sheds
 */
#include "proxy/layer/fragment.h"

#include "gateway/base/jdoc.h"
#include "layer_rig.h"

/* Waits until the far end has @n bytes; how many reads it took */
static int hear_all(struct rig *r, uint8_t *p, size_t n)
{
	size_t got = 0;
	int reads = 0;

	for (int i = 0; i < 2000 && got < n; i++) {
		ssize_t k = recv(r->far, p + got, n - got, MSG_DONTWAIT);

		if (k > 0) {
			got += (size_t)k;
			reads++;
		} else {
			r->st->ops->want(r->st, ST_READ);
			worker_tick(&r->l.w, 5);
		}
	}
	assert_int_equal(got, n);
	return reads;
}

static void begin(struct rig *r, const struct fragment_conf *c)
{
	rig_begin(r);
	r->st = fragment_new(c, r->below, &r->l.w);
	assert_non_null(r->st);
}

static void hello_make(uint8_t *p, size_t n)
{
	p[0] = 22;
	p[1] = 3;
	p[2] = 1;
	p[3] = (uint8_t)(n >> 8);
	p[4] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		p[5 + i] = (uint8_t)(i * 7);
}

/* Records of @p: their payload to @out, how many there are */
static int records(const uint8_t *p, size_t n, uint8_t *out, size_t max)
{
	size_t at = 0, len = 0;
	int count = 0;

	while (at < n) {
		size_t k = (size_t)p[at + 3] << 8 | p[at + 4];

		assert_int_equal(p[at], 22);
		assert_int_equal(p[at + 1], 3);
		assert_in_range(k, 1, max);
		memcpy(out + len, p + at + 5, k);
		len += k;
		at += 5 + k;
		count++;
	}
	return count;
}

static void a_hello_becomes_records_in_one_write(void **state)
{
	struct fragment_conf c = { .hello = true, .length = { 10, 10 } };
	uint8_t in[205 + 4], out[400], back[200];
	struct rig r;

	(void)state;
	begin(&r, &c);
	hello_make(in, 200);
	memcpy(in + 205, "tail", 4);
	assert_int_equal(stream_write(r.st, in, sizeof(in)), sizeof(in));
	hear_all(&r, out, 200 + 20 * 5 + 4);
	assert_int_equal(records(out, 300, back, 10), 20);
	assert_memory_equal(back, in + 5, 200);
	assert_memory_equal(out + 300, "tail", 4);
	stream_shed(&r.st);
	assert_ptr_equal(r.st, r.below);
	rig_end(&r);
}

/* Of finalmask: the first pieces have lengths and pauses of their own */
static void lists_are_of_the_first_pieces(void **state)
{
	static const char json[] = "{\"packets\":\"tlshello\",\"lengths\":["
				   "3,\"4-4\",5],\"delays\":[0,\"20\",0]}";
	uint8_t in[5 + 17], out[5 * 4 + 17];
	struct fragment_conf c;
	struct arena a = { 0 };
	struct jdoc *doc;
	uint32_t before;
	struct jobj o;
	struct diag d;
	struct rig r;

	(void)state;
	diag_init(&d);
	doc = jdoc_parse(&d, "test", json, strlen(json));
	assert_non_null(doc);
	assert_true(j_open(&o, &d, doc->root));
	assert_int_equal(fragment_parse(&o, true, &c, &a), 0);
	j_close(&o);
	assert_int_equal(d.errors + d.warnings, 0);
	begin(&r, &c);
	hello_make(in, 17);
	before = r.l.w.now_ms;
	assert_int_equal(stream_write(r.st, in, sizeof(in)), sizeof(in));
	hear_all(&r, out, sizeof(out));
	assert_in_range(r.l.w.now_ms - before, 19, 5000);
	assert_int_equal(out[4], 3);
	assert_int_equal(out[5 + 3 + 4], 4);
	assert_int_equal(out[5 + 3 + 5 + 4 + 4], 5);
	assert_int_equal(out[5 + 3 + 5 + 4 + 5 + 5 + 4], 5);
	stream_shed(&r.st);
	assert_ptr_equal(r.st, r.below);
	rig_end(&r);
	arena_free(&a);
	diag_free(&d);
}

static void wrong_lists_are_told(void **state)
{
	static const char *const bad[] = {
		"{\"lengths\":[0,5]}",
		"{\"lengths\":[\"a\"]}",
		"{\"lengths\":[1.5]}",
		"{\"lengths\":7}",
		"{\"delay\":5}",
		"{\"length\":5,\"delays\":[-1]}",
		"{\"length\":5,\"packets\":\"0-1\"}",
	};
	struct fragment_conf c;
	struct arena a = { 0 };
	struct jdoc *doc;
	struct jobj o;
	struct diag d;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		diag_init(&d);
		doc = jdoc_parse(&d, "test", bad[i], strlen(bad[i]));
		assert_non_null(doc);
		assert_true(j_open(&o, &d, doc->root));
		assert_int_equal(fragment_parse(&o, true, &c, &a), 0);
		j_close(&o);
		if (!d.errors)
			fail_msg("taken: %s", bad[i]);
		diag_free(&d);
	}
	arena_free(&a);
}

static void a_hello_in_parts_is_awaited(void **state)
{
	struct fragment_conf c = { .hello = true,
				   .length = { 60, 90 },
				   .pieces = { 2, 2 } };
	uint8_t in[205], out[300], back[200];
	struct rig r;

	(void)state;
	begin(&r, &c);
	hello_make(in, 200);
	for (size_t i = 0; i < sizeof(in); i++) {
		assert_int_equal(recv(r.far, out, 1, MSG_DONTWAIT), -1);
		assert_int_equal(stream_write(r.st, in + i, 1), 1);
	}
	hear_all(&r, out, 210);
	assert_int_equal(records(out, 210, back, 200), 2);
	assert_memory_equal(back, in + 5, 200);
	rig_end(&r);
}

static void half_a_hello_is_not_held_for_ever(void **state)
{
	struct fragment_conf c = { .hello = true, .length = { 10, 10 } };
	uint8_t in[205], out[205];
	struct rig r;

	(void)state;
	begin(&r, &c);
	hello_make(in, 200);
	assert_int_equal(stream_write(r.st, in, 100), 100);
	hear_all(&r, out, 100);
	assert_memory_equal(out, in, 100);
	stream_shed(&r.st);
	assert_ptr_equal(r.st, r.below);
	rig_end(&r);
}

/* Who would say more, or end, waits for the rest of it: the timer calls, not the loop */
static void half_a_hello_costs_no_turns(void **state)
{
	struct fragment_conf c = { .hello = true, .length = { 10, 10 } };
	uint32_t until;
	uint8_t in[205];
	struct rig r;

	(void)state;
	begin(&r, &c);
	hello_make(in, 200);
	assert_int_equal(stream_write(r.st, in, 100), 100);
	assert_int_equal(r.st->ops->writev(r.st, NULL, 0), -EAGAIN);
	r.l.runs = 0;
	until = clock_ms() + 100;
	while (clock_before(clock_ms(), until)) {
		r.st->ops->want(r.st, ST_READ | ST_WRITE);
		worker_tick(&r.l.w, 5);
	}
	assert_in_range(r.l.runs, 0, 1);
	/* the rest comes: it goes at once */
	assert_int_equal(stream_write(r.st, in + 100, 105), 105);
	assert_int_equal(r.st->ops->writev(r.st, NULL, 0), 0);
	rig_end(&r);
}

static void what_is_no_hello_passes(void **state)
{
	static const char *const text[] = { "GET / HTTP/1.1\r\n", "\x16\x02xx",
					    "\x16\x03\x01\xff\xff long" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(text); i++) {
		struct fragment_conf c = { .hello = true,
					   .length = { 1, 1 },
					   .gap_ms = { 1000, 1000 } };
		size_t n = strlen(text[i]);
		uint8_t out[64];
		struct rig r;

		begin(&r, &c);
		assert_int_equal(stream_write(r.st, text[i], n), n);
		assert_int_equal(far_hear(&r, out, sizeof(out)), n);
		assert_memory_equal(out, text[i], n);
		rig_end(&r);
	}
}

static void pauses_lie_between_pieces_of_the_writes_named(void **state)
{
	struct fragment_conf c = {
		.first = 2, .last = 2, .length = { 5, 5 }, .gap_ms = { 20, 20 }
	};
	uint32_t before;
	uint8_t out[64];
	struct rig r;
	int reads;

	(void)state;
	begin(&r, &c);
	assert_int_equal(stream_write(r.st, "the first", 9), 9);
	assert_int_equal(far_hear(&r, out, sizeof(out)), 9);
	before = r.l.w.now_ms;
	assert_int_equal(stream_write(r.st, "0123456789abcdefghij", 20), 20);
	assert_int_equal(stream_write(r.st, "third", 5), -EAGAIN);
	assert_int_equal(r.st->ops->finish(r.st), -EAGAIN);
	reads = hear_all(&r, out, 20);
	assert_memory_equal(out, "0123456789abcdefghij", 20);
	assert_int_equal(reads, 4);
	assert_in_range(r.l.w.now_ms - before, 58, 5000);
	assert_int_equal(stream_write(r.st, "third", 5), 5);
	assert_int_equal(far_hear(&r, out, sizeof(out)), 5);
	stream_shed(&r.st);
	assert_ptr_equal(r.st, r.below);
	rig_end(&r);
}

static void every_write_is_cut_when_none_is_named(void **state)
{
	struct fragment_conf c = { .first = 1, .length = { 3, 3 } };
	uint8_t out[64];
	struct rig r;

	(void)state;
	begin(&r, &c);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(stream_write(r.st, "0123456", 7), 7);
		hear_all(&r, out, 7);
		assert_memory_equal(out, "0123456", 7);
		stream_shed(&r.st);
		assert_ptr_not_equal(r.st, r.below);
	}
	assert_int_equal(r.st->ops->finish(r.st), 0);
	assert_int_equal(far_hear(&r, out, sizeof(out)), 0);
	rig_end(&r);
}

/* A write of nothing asks whether something waits: it is not one that is cut */
static void a_question_is_no_write(void **state)
{
	struct fragment_conf first = {
		.first = 1, .last = 1, .length = { 3, 3 }, .gap_ms = { 1, 1 }
	};
	struct fragment_conf hello = { .hello = true, .length = { 10, 10 } };
	uint8_t in[105], out[400], back[100];
	struct rig r;

	(void)state;
	begin(&r, &first);
	for (int i = 0; i < 3; i++)
		assert_int_equal(r.st->ops->writev(r.st, NULL, 0), 0);
	assert_int_equal(stream_write(r.st, "123456789", 9), 9);
	assert_int_equal(hear_all(&r, out, 9), 3);
	rig_end(&r);
	begin(&r, &hello);
	assert_int_equal(r.st->ops->writev(r.st, NULL, 0), 0);
	for (uint32_t until = clock_ms() + 400;
	     clock_before(clock_ms(), until);) {
		r.st->ops->want(r.st, ST_READ);
		worker_tick(&r.l.w, 20);
	}
	hello_make(in, 100);
	assert_int_equal(stream_write(r.st, in, sizeof(in)), sizeof(in));
	hear_all(&r, out, 10 * 15);
	assert_int_equal(records(out, 10 * 15, back, 10), 10);
	rig_end(&r);
}

static void an_end_with_bytes_left_is_a_cut(void **state)
{
	struct fragment_conf c = { .first = 1,
				   .length = { 1, 1 },
				   .gap_ms = { 60000, 60000 } };
	uint8_t out[64];
	struct rig r;

	(void)state;
	begin(&r, &c);
	assert_int_equal(stream_write(r.st, "abc", 3), 3);
	assert_int_equal(far_hear(&r, out, sizeof(out)), 1);
	stream_close(&r.st, 0);
	far_hear(&r, out, sizeof(out));
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_becomes_records_in_one_write),
		cmocka_unit_test(lists_are_of_the_first_pieces),
		cmocka_unit_test(wrong_lists_are_told),
		cmocka_unit_test(a_hello_in_parts_is_awaited),
		cmocka_unit_test(half_a_hello_is_not_held_for_ever),
		cmocka_unit_test(half_a_hello_costs_no_turns),
		cmocka_unit_test(what_is_no_hello_passes),
		cmocka_unit_test(pauses_lie_between_pieces_of_the_writes_named),
		cmocka_unit_test(every_write_is_cut_when_none_is_named),
		cmocka_unit_test(a_question_is_no_write),
		cmocka_unit_test(an_end_with_bytes_left_is_a_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
