/* test_cron.c - Cron expressions: what they say, and what the host's clock does */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/cron.h"

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define CUBA   "CST5CDT,M3.2.0/0,M11.1.0/1" /* midnight is skipped, comes twice */

static void zone(const char *tz)
{
	assert_int_equal(setenv("TZ", tz, 1), 0);
	tzset();
}

static struct cron parsed(const char *text)
{
	struct cron c;

	assert_int_equal(cron_parse(&c, text, strlen(text)), 0);
	return c;
}

/* "2026-03-28 12:00": the first of two, if it comes twice */
static time_t at(const char *text)
{
	struct tm tm = { .tm_isdst = -1 };
	time_t t;

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	t = mktime(&tm);
	return t;
}

static void goes(const char *expression, const char *after, const char *want)
{
	struct cron c = parsed(expression);
	time_t t = (time_t)cron_next(&c, at(after));
	char text[32];
	struct tm tm;

	assert_true(t > 0);
	assert_non_null(localtime_r(&t, &tm));
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	assert_string_equal(text, want);
}

static void fields_mean_what_they_do_elsewhere(void **state)
{
	static const struct {
		const char *text;
		uint64_t minutes;
		uint32_t hours, days;
		uint16_t months;
		uint8_t weekdays;
		bool any_day;
	} good[] = {
		{ "0 4 * * *", 1, 1 << 4, 0xfffffffe, 0x1ffe, 0x7f, true },
		{ "*/20 */6 1 jan-MAR 1-5", 1 | 1 << 20 | 1ull << 40,
		  1 | 1 << 6 | 1 << 12 | 1 << 18, 2, 0xe, 0x3e, false },
		{ "  5,10-12/2\t23 ? 12 Sun,wed,7 ", 1 << 5 | 1 << 10 | 1 << 12,
		  1 << 23, 0xfffffffe, 1 << 12, 0x9, true },
		{ "50/5 0 */16 * *", 1ull << 50 | 1ull << 55, 1,
		  1 << 1 | 1 << 17, 0x1ffe, 0x7f, true },
		{ "0 0 */16 * 1", 1, 1, 1 << 1 | 1 << 17, 0x1ffe, 2, false },
		{ "@daily", 1, 1, 0xfffffffe, 0x1ffe, 0x7f, true },
		{ "@Weekly", 1, 1, 0xfffffffe, 0x1ffe, 1, true },
		{ "@yearly", 1, 1, 2, 2, 0x7f, true },
		{ "@hourly", 1, 0xffffff, 0xfffffffe, 0x1ffe, 0x7f, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct cron c = parsed(good[i].text);

		assert_true(c.minutes == good[i].minutes);
		assert_int_equal(c.hours, good[i].hours);
		assert_int_equal(c.days, good[i].days);
		assert_int_equal(c.months, good[i].months);
		assert_int_equal(c.weekdays, good[i].weekdays);
		assert_int_equal(c.any_day, good[i].any_day);
		assert_int_equal(c.every_s, 0);
	}
	assert_int_equal(parsed("@every 1h30m").every_s, 5400);
	assert_int_equal(parsed("@every 45s").every_s, 45);
	assert_int_equal(parsed("@every 2h1s").every_s, 7201);
}

static void other_texts_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"* * * *",
		"* * * * * *",
		"60 * * * *",
		"* 24 * * *",
		"* * 0 * *",
		"* * 32 * *",
		"* * * 13 *",
		"* * * 0 *",
		"* * * * 8",
		"5-1 * * * *",
		"*/0 * * * *",
		"*/ * * * *",
		"/5 * * * *",
		"1, * * * *",
		",1 * * * *",
		"1-- * * * *",
		"-1 * * * *",
		"+1 * * * *",
		"1.5 * * * *",
		"* * * janu *",
		"* * * * sunday",
		"99999999999999999999 * * * *",
		"@",
		"@never",
		"@dailyx",
		"@every",
		"@every ",
		"@every 90",
		"@every 0s",
		"@every 1m1h",
		"@every -1h",
		"@every 99999h",
		"TZ=UTC 0 0 * * *",
	};
	struct cron c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cron_parse(&c, bad[i], strlen(bad[i])),
				 -EINVAL);
}

static void the_next_time_is_found(void **state)
{
	(void)state;
	zone(BERLIN);
	goes("0 4 * * *", "2026-01-05 03:59", "2026-01-05 04:00");
	goes("0 4 * * *", "2026-01-05 04:00", "2026-01-06 04:00");
	goes("*/15 * * * *", "2026-12-31 23:45", "2027-01-01 00:00");
	goes("30 6 * * 1", "2026-11-27 12:00", "2026-11-30 06:30");
	goes("30 6 31 * *", "2026-11-27 12:00", "2026-12-31 06:30");
	/* day and weekday: one of them */
	goes("0 0 13 * fri", "2026-11-27 12:00", "2026-12-04 00:00");
	goes("0 0 29 2 *", "2026-03-01 00:00", "2028-02-29 00:00");
	goes("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00");
}

static void a_day_that_never_comes_is_told(void **state)
{
	struct cron c = parsed("0 0 30 2 *");

	(void)state;
	zone("UTC");
	assert_int_equal(cron_next(&c, 1700000000), -1);
}

static void what_spring_skips_comes_when_it_has(void **state)
{
	(void)state;
	zone(BERLIN); /* 2026-03-29: 02:00 is 03:00 */
	goes("30 2 * * *", "2026-03-28 12:00", "2026-03-29 03:00");
	goes("30 2 * * *", "2026-03-29 03:00", "2026-03-30 02:30");
	goes("*/30 * * * *", "2026-03-29 01:30", "2026-03-29 03:00");
	goes("30 * * * *", "2026-03-29 01:30", "2026-03-29 03:30");
	goes("0 3 * * *", "2026-03-28 12:00", "2026-03-29 03:00");
	zone(CUBA); /* 2026-03-08: 00:00 is 01:00 */
	goes("0 0 * * *", "2026-03-07 12:00", "2026-03-08 01:00");
	goes("0 0 * * *", "2026-03-08 01:00", "2026-03-09 00:00");
	goes("@hourly", "2026-03-07 23:00", "2026-03-08 01:00");
}

/* How often, and how far apart at least and at most, from @from for 20 hours */
static void times(const char *expression, const char *from, unsigned int n,
		  int64_t least, int64_t most)
{
	struct cron c = parsed(expression);
	int64_t t = at(from), end = t + 20 * 3600, next;
	unsigned int count = 0;

	while ((next = cron_next(&c, t)) < end) {
		assert_true(next > t);
		if (count++) {
			assert_true(next - t >= least);
			assert_true(next - t <= most);
		}
		t = next;
	}
	assert_int_equal(count, n);
}

static void what_autumn_repeats_counts_once(void **state)
{
	(void)state;
	zone(BERLIN); /* 2026-10-25: 03:00 is 02:00 */
	times("30 2 * * *", "2026-10-25 00:00", 1, 0, 0);
	times("*/30 2 * * *", "2026-10-25 00:00", 2, 1800, 1800);
	times("*/30 * * * *", "2026-10-25 00:00", 39, 1800, 1800);
	zone(CUBA); /* 2026-11-01: 01:00 is 00:00 */
	times("0 0 * * *", "2026-10-31 12:00", 1, 0, 0);
	times("@hourly", "2026-10-31 12:00", 19, 3600, 3600);
}

static void every_goes_on_from_then(void **state)
{
	struct cron c = parsed("@every 90s");

	(void)state;
	assert_int_equal(cron_next(&c, 1000), 1090);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_mean_what_they_do_elsewhere),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(the_next_time_is_found),
		cmocka_unit_test(a_day_that_never_comes_is_told),
		cmocka_unit_test(what_spring_skips_comes_when_it_has),
		cmocka_unit_test(what_autumn_repeats_counts_once),
		cmocka_unit_test(every_goes_on_from_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
