/* worker.h - A worker that nobody runs, and its configuration. Included with feed.h */
#ifndef TESTS_FUZZ_WORKER_H
#define TESTS_FUZZ_WORKER_H

#include "feed.h"

#include "gateway/app/app.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/udp_int.h"

static inline void worker_up(struct worker *w, struct config *cfg)
{
	log_level_now = LOG_NONE;
	MUST(worker_init(w, 0, cfg) == 0);
	worker_self = w;
}

static inline void cfg_stays(struct config *c)
{
	(void)c;
}

/* The same with a zeroed @cfg, which gets what all levels have by default */
static inline void worker_up_plain(struct worker *w, struct config *cfg)
{
	atomic_init(&cfg->refs, 1);
	cfg->free = cfg_stays;
	cfg->levels[0].policy = POLICY_DEFAULT;
	cfg->level_count = 1;
	worker_up(w, cfg);
}

/* The configuration @text, @n bytes; it stays */
static inline struct config *cfg_of(const char *text, size_t n)
{
	struct config *cfg;
	struct merged m;
	struct diag d;

	log_level_now = LOG_NONE;
	diag_init(&d);
	MUST(jdoc_parse(&d, "conf", text, n));
	MUST(merge_docs(&d, d.docs, &m) == 0);
	cfg = config_build(&d, &m, NULL, NULL);
	if (!cfg)
		diag_print(&d, stderr, false);
	MUST(cfg);
	merge_free(&m);
	diag_free(&d);
	return cfg;
}

/* What waits is done; then all maps and sessions end */
static inline void worker_sweep(struct worker *w)
{
	struct list *p, *next;

	for (int i = 0; i < 8; i++)
		worker_tick(w, 0);
	list_for_each_safe (p, next, &w->maps)
		udp_map_kill(container_of(p, struct udp_map, node), 0);
	for (int i = 0; i < 3; i++)
		worker_tick(w, 0);
	list_for_each_safe (p, next, &w->sessions)
		ses_kill(container_of(p, struct session, node), 0, 2);
	worker_tick(w, 0);
	MUST(list_empty(&w->maps) && !w->session_count);
}

#endif
