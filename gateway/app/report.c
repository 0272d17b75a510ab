/* report.c - The counters in words: on SIGUSR1 and at the end */
#include <stdio.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/worker.h"

static bool report_stat(const char *name, uint64_t value, void *arg)
{
	(void)arg;
	log_print(&(struct log_site){ 0 }, LOG_INFO, "stats: %s: %llu", name,
		  (unsigned long long)value);
	return true;
}

static uint64_t drops_of(enum drop d)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < workers_count; i++)
		sum += count_read(&workers_all[i]->drops[d]);
	return sum;
}

static void report_events(void)
{
	for (int e = 0; e < EVENT_COUNT; e++) {
		uint64_t n = 0;

		for (unsigned int i = 0; i < workers_count; i++)
			n += count_read(&workers_all[i]->happened[e]);
		if (n)
			log_print(&(struct log_site){ 0 }, LOG_INFO,
				  "stats: %s: %llu", event_name((enum event)e),
				  (unsigned long long)n);
	}
}

void report_stats(bool always)
{
	uint64_t tcp = 0, udp = 0, live = 0;

	if (!always && !log_on(LOG_INFO))
		return;
	for (unsigned int i = 0; i < workers_count; i++) {
		const struct worker *w = workers_all[i];

		tcp += count_read(&w->accepted[0]);
		udp += count_read(&w->accepted[1]);
		live += __atomic_load_n(&w->session_count, __ATOMIC_RELAXED);
	}
	log_print(&(struct log_site){ 0 }, LOG_INFO,
		  "stats: sessions tcp %llu udp %llu open %llu",
		  (unsigned long long)tcp, (unsigned long long)udp,
		  (unsigned long long)live);
	stat_each("", false, report_stat, NULL);
	report_events();
	for (int d = 0; d < DROP_COUNT; d++) {
		uint64_t n = drops_of((enum drop)d);

		if (n)
			log_print(&(struct log_site){ 0 }, LOG_INFO,
				  "stats: dropped: %s: %llu",
				  drop_name((enum drop)d),
				  (unsigned long long)n);
	}
}
