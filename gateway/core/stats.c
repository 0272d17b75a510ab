/* stats.c - The registry of named counters, and the names of drop reasons */
#include "gateway/core/stats.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/rand.h"

#define STAT_SLOTS 64

static pthread_mutex_t stats_lock = PTHREAD_MUTEX_INITIALIZER;
static struct counter *stats_all; /* newest first; never shrinks */
static struct htab stats;

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

static uint32_t name_hash(const char *name)
{
	return (uint32_t)hash_bytes(rand_key(), name, strlen(name));
}

static struct counter *stat_make(const char *name)
{
	size_t len = strlen(name) + 1;
	struct counter *s;
	char *copy;

	if (!stats.slot && htab_init(&stats, STAT_SLOTS) < 0)
		return NULL;
	s = calloc(1, sizeof(*s) + len);
	if (!s)
		return NULL;
	copy = (char *)(s + 1);
	memcpy(copy, name, len);
	s->name = copy;
	s->next = stats_all;
	stats_all = s;
	htab_put(&stats, &s->by_name, name_hash(name));
	return s;
}

static struct counter *stat_find(const char *name)
{
	struct hnode *n;

	if (!stats.slot)
		return NULL;
	htab_each(n, &stats, name_hash(name))
	{
		struct counter *s = container_of(n, struct counter, by_name);

		if (!strcmp(s->name, name))
			return s;
	}
	return NULL;
}

struct counter *stat_get(const char *name)
{
	struct counter *s;

	pthread_mutex_lock(&stats_lock);
	s = stat_find(name);
	if (!s)
		s = stat_make(name);
	pthread_mutex_unlock(&stats_lock);
	return s;
}

struct counter *stat_traffic(const char *kind, const char *who, const char *way)
{
	static const char form[] = "%s>>>%s>>>traffic>>>%s";
	size_t room = sizeof(form) + strlen(kind) + strlen(who) + strlen(way);
	char *name = malloc(room);
	struct counter *s;

	if (!name)
		return NULL;
	snprintf(name, room, form, kind, who, way);
	s = stat_get(name);
	free(name);
	return s;
}

/* What was counted since the last reset */
static uint64_t stat_sum(struct counter *s)
{
	s->seen = 0;
	for (size_t i = 0; i < ARRAY_SIZE(s->cell); i++)
		s->seen += count_read(&s->cell[i]);
	return s->seen - s->base;
}

int stat_read(const char *name, bool reset, uint64_t *value)
{
	struct counter *s;

	pthread_mutex_lock(&stats_lock);
	s = stat_find(name);
	if (s)
		*value = stat_sum(s);
	if (s && reset)
		s->base = s->seen;
	pthread_mutex_unlock(&stats_lock);
	return s ? 0 : -ENOENT;
}

void stat_take(const char *name, uint64_t value)
{
	struct counter *s;
	uint64_t left;

	pthread_mutex_lock(&stats_lock);
	s = stat_find(name);
	if (s) {
		left = stat_sum(s); /* less, when somebody else took it, too */
		s->base += left < value ? left : value;
	}
	pthread_mutex_unlock(&stats_lock);
}

void stat_each(const char *part, bool reset,
	       bool (*fn)(const char *name, uint64_t value, void *arg),
	       void *arg)
{
	bool all = true;

	pthread_mutex_lock(&stats_lock);
	for (struct counter *s = stats_all; all && s; s = s->next)
		if (strstr(s->name, part))
			all = fn(s->name, stat_sum(s), arg);
	for (struct counter *s = stats_all; all && reset && s; s = s->next)
		if (strstr(s->name, part))
			s->base = s->seen;
	pthread_mutex_unlock(&stats_lock);
}
