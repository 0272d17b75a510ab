/*
 * timer.c - Hierarchical timing wheel
 *
 *   level 0: 64 slots of 1 ms      due within 64 ms
 *   level 1: 64 slots of 64 ms     within 4 s
 *   level 2: 64 slots of 4 s       within 4.4 min
 *   level 3: 64 slots of 4.4 min   within 4.7 h; later ones wait in its last
 *                                  slot and are placed anew from there
 *
 * When the clock enters a slot of level 1 to 3, its timers move down. So a
 * timer always fires in its own millisecond of level 0. Empty time is skipped
 * with the bit maps. All times are uint32_t and may wrap.
 * Source of the idea: Varghese, Lauck, "Hashed and Hierarchical Timing
 * Wheels" (1987), scheme 7.
 */
#include "gateway/base/timer.h"

#include <assert.h>

#define SLOT_BITS 6
#define LAST_SLOT (TIMER_SLOTS - 1)
#define AFTER_MAX 0x7fffffffu /* further ahead would look like the past */

static_assert(TIMER_SLOTS == 1 << SLOT_BITS, "slot index is a bit field");

static unsigned int shift_of(unsigned int level)
{
	return level * SLOT_BITS;
}

static unsigned int slot_of(uint32_t ms, unsigned int level)
{
	return ms >> shift_of(level) & LAST_SLOT;
}

void wheel_init(struct wheel *w, uint32_t now_ms)
{
	w->now_ms = now_ms;
	for (unsigned int l = 0; l < TIMER_LEVELS; l++) {
		w->used[l] = 0;
		for (unsigned int s = 0; s < TIMER_SLOTS; s++)
			list_init(&w->slot[l][s]);
	}
}

/* Put @t, not before the wheel's now, where it will be met in time */
static void place(struct wheel *w, struct timer *t)
{
	uint32_t ahead = t->due_ms - w->now_ms;
	unsigned int level = 0, slot;

	while (level < TIMER_LEVELS - 1 && ahead >> shift_of(level + 1))
		level++;
	slot = slot_of(t->due_ms, level);
	if (ahead >> shift_of(TIMER_LEVELS))
		slot = (slot_of(w->now_ms, level) + LAST_SLOT) & LAST_SLOT;
	list_add_tail(&w->slot[level][slot], &t->node);
	w->used[level] |= UINT64_C(1) << slot;
}

/* Move the timers of a slot to @to, an uninitialised head */
static void take_slot(struct wheel *w, unsigned int level, unsigned int slot,
		      struct list *to)
{
	struct list *from = &w->slot[level][slot];

	list_init(to);
	w->used[level] &= ~(UINT64_C(1) << slot);
	if (list_empty(from))
		return;
	list_add_tail(from, to);
	list_del(from);
}

/* Place the timers of a slot that the clock has just entered one level down */
static void cascade(struct wheel *w, unsigned int level)
{
	struct list todo;
	struct timer *t;

	take_slot(w, level, slot_of(w->now_ms, level), &todo);
	while (!list_empty(&todo)) {
		t = list_first(&todo, struct timer, node);
		list_del(&t->node);
		place(w, t);
	}
}

static void fire(struct wheel *w)
{
	struct list todo;
	struct timer *t;

	/* Callbacks may unlink others from @todo or free their own timer */
	take_slot(w, 0, slot_of(w->now_ms, 0), &todo);
	while (!list_empty(&todo)) {
		t = list_first(&todo, struct timer, node);
		list_del(&t->node);
		t->fn(t);
	}
}

/* ms from @w->now_ms until the next slot of @level with timers; 0: none */
static uint32_t next_of(const struct wheel *w, unsigned int level)
{
	unsigned int here = slot_of(w->now_ms, level), slot;
	uint32_t base = w->now_ms >> shift_of(level);

	for (unsigned int i = 1; i <= TIMER_SLOTS; i++) {
		slot = (here + i) & LAST_SLOT;
		if (w->used[level] >> slot & 1 &&
		    !list_empty(&w->slot[level][slot]))
			return ((base + i) << shift_of(level)) - w->now_ms;
	}
	return 0;
}

/* ms until the wheel must do something; 0: it is empty */
static uint32_t next_step(const struct wheel *w)
{
	uint32_t best = 0, ms;

	for (unsigned int l = 0; l < TIMER_LEVELS; l++) {
		ms = w->used[l] ? next_of(w, l) : 0;
		if (ms && (!best || ms < best))
			best = ms;
	}
	return best;
}

void wheel_run(struct wheel *w, uint32_t now_ms)
{
	uint32_t step, left;

	while ((int32_t)(now_ms - w->now_ms) > 0) {
		left = now_ms - w->now_ms;
		step = next_step(w);
		if (!step || step > left) {
			w->now_ms = now_ms;
			return;
		}
		w->now_ms += step;
		for (unsigned int l = TIMER_LEVELS - 1; l > 0; l--)
			if (!(w->now_ms & ((1u << shift_of(l)) - 1)))
				cascade(w, l);
		fire(w);
	}
}

int wheel_next(const struct wheel *w, uint32_t now_ms)
{
	uint32_t step = next_step(w);
	int32_t gone = (int32_t)(now_ms - w->now_ms);

	if (!step)
		return -1;
	if (gone < 0)
		gone = 0;
	return step > (uint32_t)gone ? (int)(step - (uint32_t)gone) : 0;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	list_init(&t->node);
	t->due_ms = 0;
	t->fn = fn;
}

/* Never in this very millisecond: a callback that sets 0 would never end */
void timer_set(struct wheel *w, struct timer *t, uint32_t after_ms)
{
	list_del(&t->node);
	if (!after_ms)
		after_ms = 1;
	t->due_ms = w->now_ms + (after_ms < AFTER_MAX ? after_ms : AFTER_MAX);
	place(w, t);
}

void timer_cancel(struct timer *t)
{
	list_del(&t->node);
}

bool timer_armed(const struct timer *t)
{
	return !list_empty(&t->node);
}
