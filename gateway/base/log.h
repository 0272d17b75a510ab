/*
 * log.h - Leveled log to stderr, file or syslog; never blocks a worker
 *
 * A line that cannot be written at once is dropped and counted. Each call
 * site prints at most LOG_BURST lines a second below level debug; its next line
 * then begins with "(N more dropped)". Nothing is formatted when the level is off. No newline in messages.
 */
#ifndef GATEWAY_BASE_LOG_H
#define GATEWAY_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/compat.h"
#include "gateway/base/log_mask.h"

enum log_level { LOG_NONE, LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_BURST 20

extern enum log_level log_level_now; /* read everywhere, set by log_setup() */

/**
 * struct log_site - State of one call site for its rate limit
 * @second:	The second the counters are for
 * @printed, @dropped:	Lines in that second
 *
 * Written without a lock by several threads: counts may be off by a few.
 */
struct log_site {
	uint32_t second, printed, dropped;
};

/**
 * log_setup() - Open the log targets; call again to reopen (log rotation)
 * @level:	What to print to the error log
 * @error_path, @access_path:	NULL: stderr (error) or stdout (access);
 *		"none": nowhere; "syslog" ("syslog:SOCKET"); else a file,
 *		appended to
 *
 * Return: 0 or -errno of a file that cannot be opened (old targets stay)
 */
int log_setup(enum log_level level, const char *error_path,
	      const char *access_path);
void log_print(struct log_site *site, enum log_level level, const char *fmt,
	       ...) PRINTF(3, 4);
/* Addresses in lines from now on, of both logs */
void log_mask_set(struct log_mask mask);
/* One line of the access log, time stamp added */
void log_access(const char *line);
bool log_access_on(void);
/* Lines dropped since start because a target was full; may wrap */
uint32_t log_lost(void);

/*
 * Is it @gap_ms since this was true for @last (0: never)? For what each connection would
 * say at the default level, although once is enough
 */
bool log_due(atomic_uint *last, uint32_t gap_ms);
#define LOG_AGAIN_MS 30000u /* the usual gap */

/* Is this level written? */
static inline bool log_on(enum log_level level)
{
	return __atomic_load_n(&log_level_now, __ATOMIC_RELAXED) >= level;
}

#define log_at(level, ...) \
	do { \
		static struct log_site log_site_here; \
		if (log_on(level)) \
			log_print(&log_site_here, (level), __VA_ARGS__); \
	} while (0)
#define log_error(...)   log_at(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_DEBUG, __VA_ARGS__)

#endif
