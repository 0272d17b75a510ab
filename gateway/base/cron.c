/*
 * cron.c - Cron expressions (contract: cron.h)
 *
 *	next:  day by day by the calendar -> a day that fits -> its minutes, as the
 *	       host's clock shows them -> the first that is due
 */
#include "gateway/base/cron.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "gateway/base/compat.h"

#define DAY_S      86400
#define DAYS_AHEAD (8 * 366) /* 29 February around 2100 */
#define MOST_HOURS 28 /* of a day whose clock is set back, and around it */
#define HOURS_ALL  0xffffffu

/**
 * struct field - Of an expression
 * @words:	Names of @lo, @lo + 1 ..., three letters each; NULL none
 */
struct field {
	unsigned int lo, hi;
	const char *words;
};

static const struct field fields[] = {
	{ 0, 59, NULL },
	{ 0, 23, NULL },
	{ 1, 31, NULL },
	{ 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
	{ 0, 7, "sunmontuewedthufrisat" },
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

/** struct text - What is still to be read */
struct text {
	const char *p, *end;
};

static bool take(struct text *t, char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

/* Digits, at most @most. -EINVAL: none, or more */
static int take_number(struct text *t, unsigned int most)
{
	const char *from = t->p;
	unsigned int v = 0;

	while (t->p < t->end && *t->p >= '0' && *t->p <= '9') {
		v = v * 10 + (unsigned int)(*t->p++ - '0');
		if (v > most)
			return -EINVAL;
	}
	return t->p > from ? (int)v : -EINVAL;
}

/* A number, or a word of @f's. -EINVAL */
static int take_value(struct text *t, const struct field *f)
{
	size_t words = f->words ? strlen(f->words) / 3 : 0;

	for (size_t i = 0; i < words && t->end - t->p >= 3; i++) {
		if (!strncasecmp(t->p, f->words + 3 * i, 3)) {
			t->p += 3;
			return (int)(f->lo + i);
		}
	}
	return take_number(t, f->hi);
}

/* One part between commas; *@star: it is all there is. 0 or -EINVAL */
static int take_part(struct text *t, const struct field *f, uint64_t *bits,
		     bool *star)
{
	bool all = take(t, '*') || take(t, '?'), one = !all;
	int lo = all ? (int)f->lo : take_value(t, f), hi = (int)f->hi, step = 1;

	if (lo < (int)f->lo)
		return -EINVAL;
	if (!all && take(t, '-')) {
		one = false;
		hi = take_value(t, f);
	}
	if (take(t, '/'))
		step = take_number(t, f->hi);
	else if (one)
		hi = lo;
	if (hi < lo || step < 1)
		return -EINVAL;
	for (int i = lo; i <= hi; i += step)
		*bits |= 1ull << i;
	*star |= all && step == 1;
	return 0;
}

static int take_field(struct text *t, const struct field *f, uint64_t *bits,
		      bool *star)
{
	*bits = 0;
	*star = false;
	do {
		if (take_part(t, f, bits, star) < 0)
			return -EINVAL;
	} while (take(t, ','));
	return t->p == t->end || *t->p == ' ' || *t->p == '\t' ? 0 : -EINVAL;
}

static void skip_blanks(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

static int parse_fields(struct cron *c, struct text *t)
{
	uint64_t bits[FIELDS];
	bool star[FIELDS];

	for (unsigned int i = 0; i < FIELDS; i++) {
		if (take_field(t, &fields[i], &bits[i], &star[i]) < 0)
			return -EINVAL;
		skip_blanks(t);
	}
	if (t->p != t->end)
		return -EINVAL;
	*c = (struct cron){
		.minutes = bits[MINUTE],
		.hours = (uint32_t)bits[HOUR],
		.days = (uint32_t)bits[DAY],
		.months = (uint16_t)bits[MONTH],
		.weekdays =
			(uint8_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
		.any_day = star[DAY] || star[WEEKDAY],
	};
	return 0;
}

/* "1h30m15s", at least one second, at most a year */
static int parse_every(struct cron *c, struct text *t)
{
	static const char units[] = "hms";
	static const unsigned int seconds[] = { 3600, 60, 1 };
	uint64_t sum = 0;
	int n;

	for (size_t i = 0; t->p < t->end; i++) {
		n = take_number(t, 366 * DAY_S);
		while (i < ARRAY_SIZE(seconds) && !take(t, units[i]))
			i++;
		if (n < 0 || i >= ARRAY_SIZE(seconds))
			return -EINVAL;
		sum += (uint64_t)n * seconds[i];
	}
	if (!sum || sum > 366 * DAY_S)
		return -EINVAL;
	*c = (struct cron){ .every_s = (uint32_t)sum };
	return 0;
}

/* Is what is left @word, in any case, and then only @more */
static bool take_word(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->p) < n || strncasecmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

static int parse_word(struct cron *c, struct text *t)
{
	static const struct {
		const char *word, *means;
	} words[] = {
		{ "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },
		{ "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
		{ "@monthly", "0 0 1 * *" },  { "@yearly", "0 0 1 1 *" },
		{ "@annually", "0 0 1 1 *" },
	};

	if (take_word(t, "@every ")) {
		skip_blanks(t);
		return parse_every(c, t);
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *means = words[i].means;
		struct text plain = { means, means + strlen(means) };

		if (take_word(t, words[i].word))
			return t->p == t->end ? parse_fields(c, &plain) :
						-EINVAL;
	}
	return -EINVAL;
}

int cron_parse(struct cron *c, const char *text, size_t n)
{
	struct text t = { text, text + n };

	skip_blanks(&t);
	while (t.end > t.p && (t.end[-1] == ' ' || t.end[-1] == '\t'))
		t.end--;
	if (t.p < t.end && *t.p == '@')
		return parse_word(c, &t);
	return parse_fields(c, &t);
}

/* --- the next time ----------------------------------------------------------- */

static bool is_leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* The calendar's next day: of @tm the date and the weekday */
static void day_after(struct tm *tm)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };
	int last = days[tm->tm_mon] +
		   (tm->tm_mon == 1 && is_leap(tm->tm_year + 1900));

	tm->tm_wday = (tm->tm_wday + 1) % 7;
	if (++tm->tm_mday <= last)
		return;
	tm->tm_mday = 1;
	if (++tm->tm_mon < 12)
		return;
	tm->tm_mon = 0;
	tm->tm_year++;
}

static bool day_fits(const struct cron *c, const struct tm *tm)
{
	bool day = c->days >> tm->tm_mday & 1;
	bool weekday = c->weekdays >> tm->tm_wday & 1;

	if (!(c->months >> (tm->tm_mon + 1) & 1))
		return false;
	return c->any_day ? day && weekday : day || weekday;
}

static bool minute_fits(const struct cron *c, int minute)
{
	return c->hours >> minute / 60 & 1 && c->minutes >> minute % 60 & 1;
}

/*
 * Is the minute @at of a day due, whose minutes up to @seen were there already?
 * Those that the clock left out before it are, too
 */
static bool is_due(const struct cron *c, int at, int seen)
{
	if (c->hours == HOURS_ALL)
		return minute_fits(c, at);
	for (int m = seen + 1; m <= at; m++)
		if (minute_fits(c, m))
			return true;
	return false;
}

/* The first time on the day of @tm behind @after; -1 */
static int64_t day_next(const struct cron *c, const struct tm *day,
			int64_t after)
{
	struct tm from = { .tm_year = day->tm_year,
			   .tm_mon = day->tm_mon,
			   .tm_mday = day->tm_mday,
			   .tm_isdst = -1 };
	/* an hour before: midnight may come twice */
	time_t t = mktime(&from) - 3600, end = t + MOST_HOURS * 3600;
	struct tm now;
	int seen = -1;

	for (; t < end; t += 60) {
		int at;

		if (!localtime_r(&t, &now))
			return -1;
		if (now.tm_mday != day->tm_mday)
			continue;
		at = now.tm_hour * 60 + now.tm_min;
		if (t > after && is_due(c, at, seen))
			return t;
		if (at > seen)
			seen = at;
	}
	return -1;
}

int64_t cron_next(const struct cron *c, int64_t after)
{
	time_t t = (time_t)after;
	struct tm day;
	int64_t at;

	if (c->every_s)
		return after + c->every_s;
	if (!localtime_r(&t, &day))
		return -1;
	for (int i = 0; i < DAYS_AHEAD; i++, day_after(&day)) {
		if (!day_fits(c, &day))
			continue;
		at = day_next(c, &day, after);
		if (at >= 0)
			return at;
	}
	return -1;
}
