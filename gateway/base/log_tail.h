/* log_tail.h - The last lines of the log, for who looks on while they are written */
#ifndef GATEWAY_BASE_LOG_TAIL_H
#define GATEWAY_BASE_LOG_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/log.h"

#define LOG_TAIL_LINES 128u
#define LOG_TAIL_BYTES 512u /* of one line; the rest is cut off */

/* For log.c: one line, without its newline */
void log_tail_keep(enum log_level level, const char *text, size_t n);
/*
 * Any thread. Lines are kept from the first call on. Each kept line from number *@next on, which becomes the next one's; who begins
 * with 0 gets what there is. @fn must not log
 */
void log_tail_read(uint32_t *next,
		   void (*fn)(void *arg, enum log_level level, const char *text,
			      size_t n),
		   void *arg);

#endif
