/* test_thread.c - Threads: the stack is as large as promised */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/thread.h"

static void *size_of_stack(void *arg)
{
	pthread_attr_t attr;
	size_t *size = arg;

	if (pthread_getattr_np(pthread_self(), &attr) == 0) {
		pthread_attr_getstacksize(&attr, size);
		pthread_attr_destroy(&attr);
	}
	return arg;
}

static void the_stack_has_the_promised_size(void **state)
{
	pthread_t t;
	size_t size = 0;
	void *ret;

	(void)state;
	assert_int_equal(thread_start(&t, size_of_stack, &size), 0);
	assert_int_equal(pthread_join(t, &ret), 0);
	assert_ptr_equal(ret, &size);
	/* guard pages and the C library's own data may be counted or not */
	assert_in_range(size, THREAD_STACK_BYTES - 65536,
			THREAD_STACK_BYTES + 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stack_has_the_promised_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
