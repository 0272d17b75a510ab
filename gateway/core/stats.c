/* stats.c - The registry of named counters, and the names of drop reasons */
#include "gateway/core/stats.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"

static pthread_mutex_t stats_lock = PTHREAD_MUTEX_INITIALIZER;
static struct counter *stats_all; /* newest first; never shrinks */

static const char *const drop_names[] = {
#define X(id, text) text,
	DROP_REASONS(X)
#undef X
};
static_assert(ARRAY_SIZE(drop_names) == DROP_COUNT, "a name for each reason");

const char *drop_name(enum drop d)
{
	return (unsigned int)d < DROP_COUNT ? drop_names[d] : "?";
}

static const char *const event_names[] = {
#define X(id, text) text,
	EVENT_REASONS(X)
#undef X
};
static_assert(ARRAY_SIZE(event_names) == EVENT_COUNT, "a name for each event");

const char *event_name(enum event e)
{
	return (unsigned int)e < EVENT_COUNT ? event_names[e] : "?";
}

static struct counter *stat_make(const char *name)
{
	size_t len = strlen(name) + 1;
	struct counter *s = calloc(1, sizeof(*s) + len);
	char *copy;

	if (!s)
		return NULL;
	copy = (char *)(s + 1);
	memcpy(copy, name, len);
	s->name = copy;
	s->next = stats_all;
	stats_all = s;
	return s;
}

struct counter *stat_get(const char *name)
{
	struct counter *s;

	pthread_mutex_lock(&stats_lock);
	for (s = stats_all; s && strcmp(s->name, name) != 0;)
		s = s->next;
	if (!s)
		s = stat_make(name);
	pthread_mutex_unlock(&stats_lock);
	return s;
}

uint64_t stat_sum(const struct counter *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s->cell); i++)
		sum += count_read(&s->cell[i]);
	return sum;
}

void stat_each(void (*fn)(const struct counter *s, void *arg), void *arg)
{
	pthread_mutex_lock(&stats_lock);
	for (const struct counter *s = stats_all; s; s = s->next)
		fn(s, arg);
	pthread_mutex_unlock(&stats_lock);
}
