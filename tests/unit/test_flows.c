/* test_flows.c - Sessions of all workers asked for, while workers end */
#include "tests/unit/cm.h"

#include <stdlib.h>

#include "gateway/api/flows.h"
#include "gateway/core/config.h"

static struct config cfg = { .refs = 1 };
static struct worker w[2];

static void begin(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(worker_init(&w[i], i, &cfg), 0);
		workers_all[i] = &w[i];
	}
	workers_count = 2;
}

static void end(void)
{
	for (unsigned int i = 0; i < 2; i++)
		worker_fini(&w[i]);
	workers_count = 0;
}

static void told(const struct flows *f, void *arg)
{
	(void)f;
	++*(unsigned int *)arg;
}

static void the_last_answer_comes_back(void **state)
{
	unsigned int n = 0;

	(void)state;
	begin();
	assert_non_null(flows_ask(&w[0], told, &n));
	worker_tick(&w[0], 0);
	worker_tick(&w[1], 0);
	assert_int_equal(n, 0);
	worker_tick(&w[0], 0);
	assert_int_equal(n, 1);
	end();
}

/* Its thread has ended, its rooms have not: a call points to the question still */
static void who_asked_has_stopped(void **state)
{
	unsigned int n = 0;
	struct flows *f;

	(void)state;
	begin();
	f = flows_ask(&w[0], told, &n);
	assert_non_null(f);
	worker_tick(&w[0], 0);
	w[0].stop = true;
	worker_tick(&w[1], 0);
	flows_forget(f); /* as rooms do */
	end();
	assert_int_equal(n, 0);
}

/* The last answer is in its queue when its worker is taken apart */
static void messages_of_the_end_find_nobody(void **state)
{
	unsigned int n = 0;
	struct flows *f;

	(void)state;
	begin();
	f = flows_ask(&w[0], told, &n);
	assert_non_null(f);
	worker_tick(&w[0], 0);
	w[0].stop = w[1].stop = true;
	flows_forget(f);
	end();
	assert_int_equal(n, 0);
}

static void the_answer_is_in_the_queue_of_who_stopped(void **state)
{
	unsigned int n = 0;

	(void)state;
	begin();
	assert_non_null(flows_ask(&w[0], told, &n));
	worker_tick(&w[0], 0);
	w[0].stop = true;
	worker_tick(&w[1], 0);
	end(); /* who waits hears it: his memory is still there */
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_answer_comes_back),
		cmocka_unit_test(who_asked_has_stopped),
		cmocka_unit_test(messages_of_the_end_find_nobody),
		cmocka_unit_test(the_answer_is_in_the_queue_of_who_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
