/* test_log_tail.c - A ring of lines, read by who comes late or often */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log_tail.h"
#include "tests/unit/alloc_fail.h"

/** struct got - What was read: how many, the first and the last one */
struct got {
	unsigned int count;
	enum log_level level;
	char first[LOG_TAIL_BYTES + 1], last[LOG_TAIL_BYTES + 1];
};

static void take(void *arg, enum log_level level, const char *text, size_t n)
{
	struct got *g = arg;

	snprintf(g->last, sizeof(g->last), "%.*s", (int)n, text);
	if (!g->count++)
		memcpy(g->first, g->last, sizeof(g->first));
	g->level = level;
}

static void keep(const char *text)
{
	log_tail_keep(LOG_INFO, text, strlen(text));
}

static struct got read_from(uint32_t *next)
{
	struct got g = { .count = 0 };

	log_tail_read(next, take, &g);
	return g;
}

/* Must be the first one: nobody has read yet */
static void nothing_is_kept_before_somebody_reads(void **state)
{
	uint32_t next = 0;

	(void)state;
	keep("unheard");
	alloc_fail_at(1);
	assert_int_equal(read_from(&next).count, 0);
	assert_true(alloc_fail_hit());
	keep("unheard, too");
	assert_int_equal(read_from(&next).count, 0);
	log_tail_keep(LOG_ERROR, "heard", 5);
	assert_int_equal(read_from(&next).level, LOG_ERROR);
	assert_int_equal(next, 1);
}

static void each_reader_gets_each_line_once(void **state)
{
	uint32_t a = 0, b;
	struct got g;

	(void)state;
	(void)read_from(&a);
	b = a;
	keep("one");
	keep("two");
	g = read_from(&a);
	assert_int_equal(g.count, 2);
	assert_string_equal(g.first, "one");
	assert_string_equal(g.last, "two");
	keep("three");
	assert_string_equal(read_from(&a).first, "three");
	assert_int_equal(read_from(&a).count, 0);
	assert_int_equal(read_from(&b).count, 3);
}

static void who_is_slow_gets_the_last_lines(void **state)
{
	char text[32];
	uint32_t next = 0, fresh = 0;
	struct got g;

	(void)state;
	(void)read_from(&next);
	for (unsigned int i = 0; i < LOG_TAIL_LINES + 7; i++) {
		snprintf(text, sizeof(text), "line %u", i);
		keep(text);
	}
	g = read_from(&next);
	assert_int_equal(g.count, LOG_TAIL_LINES);
	assert_string_equal(g.first, "line 7");
	assert_string_equal(g.last, text);
	assert_int_equal(read_from(&fresh).count, LOG_TAIL_LINES);
	assert_int_equal(fresh, next);
}

static void a_long_line_is_cut_between_characters(void **state)
{
	char text[LOG_TAIL_BYTES + 2];
	uint32_t next = 0;
	struct got g;

	(void)state;
	(void)read_from(&next);
	memset(text, 'x', sizeof(text));
	memcpy(text + LOG_TAIL_BYTES - 1, "\xc3\xa9", 2); /* e, acute */
	log_tail_keep(LOG_INFO, text, LOG_TAIL_BYTES + 1);
	g = read_from(&next);
	assert_int_equal(strlen(g.last), LOG_TAIL_BYTES - 1);
	memset(text, 'x', sizeof(text));
	log_tail_keep(LOG_INFO, text, LOG_TAIL_BYTES);
	assert_int_equal(strlen(read_from(&next).last), LOG_TAIL_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_kept_before_somebody_reads),
		cmocka_unit_test(each_reader_gets_each_line_once),
		cmocka_unit_test(who_is_slow_gets_the_last_lines),
		cmocka_unit_test(a_long_line_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
