/*
 * cron.h - When the next time of a cron expression is
 *
 * "MINUTE HOUR DAY MONTH WEEKDAY", each of "*", "?", N, N-M, any of these with /STEP,
 * and lists of them by commas; months and weekdays by their first three letters, too.
 * 7 is Sunday as 0. @hourly, @daily (@midnight), @weekly, @monthly, @yearly
 * (@annually), "@every 1h30m".
 *
 * Source: crontab(5); robfig/cron v3 (facts: days, steps, words)
 */
#ifndef GATEWAY_BASE_CRON_H
#define GATEWAY_BASE_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct cron - One bit a value
 * @every_s:	Not 0: so often, and the rest is not used
 * @any_day:	Day or weekday is "*": both must hold; else one of them
 */
struct cron {
	uint64_t minutes;
	uint32_t hours, days;
	uint16_t months;
	uint8_t weekdays;
	bool any_day;
	uint32_t every_s;
};

/* @n bytes of @text. 0 or -EINVAL */
int cron_parse(struct cron *c, const char *text, size_t n);
/**
 * cron_next() - The first time behind @after, in seconds since 1970
 *
 * By the host's time zone (tzset() is the caller's). A time that the clock skips in
 * spring is when it has skipped it; one that comes twice in autumn counts once, unless
 * every hour is meant.
 *
 * Return: -1: there is none within eight years (the 30th of February)
 */
int64_t cron_next(const struct cron *c, int64_t after);

#endif
