/* test_slim.c - Pages are given back, and what they hold is still there */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/app/slim.h"
#include "gateway/base/crypto.h"

static char writable[1 << 16] = "data";
static const char constant[1 << 16] = "text";

/* Pages of files this process has in memory */
static long file_pages(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kib = -1;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "RssFile:", 8))
			kib = strtol(line + 8, NULL, 10);
	fclose(f);
	assert_true(kib > 0);
	return kib;
}

/* Every page of it is touched */
static unsigned int sum_of(const char *p, size_t n)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (unsigned char)p[i];
	return sum;
}

static void pages_of_files_leave(void **state)
{
	long before, after;

	(void)state;
	(void)sum_of(constant, sizeof(constant));
	before = file_pages();
	slim_down();
	after = file_pages();
	if (after >= before)
		fail_msg("%ld KiB before, %ld after", before, after);
}

static void what_was_written_stays(void **state)
{
	char *heap = malloc(1 << 16);
	unsigned int sum;

	(void)state;
	assert_non_null(heap);
	memset(heap, 3, 1 << 16);
	memset(writable + 4, 7, sizeof(writable) - 4);
	sum = sum_of(writable, sizeof(writable));
	slim_down();
	assert_int_equal(sum_of(writable, sizeof(writable)), sum);
	assert_int_equal(sum_of(heap, 1 << 16), 3 << 16);
	assert_int_equal(sum_of(constant, sizeof(constant)),
			 't' + 'e' + 'x' + 't');
	free(heap);
}

/* Relocated tables and the code of libraries come back */
static void the_program_goes_on(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	assert_int_equal(hash_once(HASH_SHA256, "abc", 3, a), 0);
	slim_down();
	slim_down();
	assert_int_equal(hash_once(HASH_SHA256, "abc", 3, b), 0);
	assert_memory_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_files_leave),
		cmocka_unit_test(what_was_written_stays),
		cmocka_unit_test(the_program_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
