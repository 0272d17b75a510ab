/*
 * timer.h - Hierarchical timing wheel, 1 ms steps, one of them a worker
 *
 * Arm, re-arm and cancel cost a list operation. Idle timeouts are lazy: the
 * owner compares its own last_active when the timer fires and re-arms.
 */
#ifndef GATEWAY_BASE_TIMER_H
#define GATEWAY_BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"

#define TIMER_LEVELS 4
#define TIMER_SLOTS  64 /* a level; 64^4 ms = 4.6 h, longer ones re-arm */

/**
 * struct timer - Embedded in its owner; zero is not valid: timer_init()
 * @node:	In a slot of the wheel, or alone
 * @due_ms:	Worker clock, may wrap
 * @fn:		Called once when due, after unlinking; may set it again
 */
struct timer {
	struct list node;
	uint32_t due_ms;
	void (*fn)(struct timer *t);
};

struct wheel {
	uint32_t now_ms; /* everything due up to here has run */
	uint64_t used[TIMER_LEVELS]; /* bit a slot that may hold timers */
	struct list slot[TIMER_LEVELS][TIMER_SLOTS];
};

void wheel_init(struct wheel *w, uint32_t now_ms);
/* Run everything due at @now_ms; callbacks may set and cancel any timer */
void wheel_run(struct wheel *w, uint32_t now_ms);
/* ms until something may be due; -1 when the wheel is empty */
int wheel_next(const struct wheel *w, uint32_t now_ms);

void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* (Re)arm @t to fire @after_ms from the wheel's now */
void timer_set(struct wheel *w, struct timer *t, uint32_t after_ms);
void timer_cancel(struct timer *t);
bool timer_armed(const struct timer *t);

#endif
