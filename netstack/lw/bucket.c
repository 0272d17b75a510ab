/*
 * bucket.c - Hash buckets around lwIP's pcb lists, and the slow timer's sweep
 *
 * lwIP finds a pcb by walking a list, and times all of them on every tick. With
 * the list heads exchanged for those of one bucket it sees about one pcb: lookup
 * is O(1) without a second table, TIME-WAIT included, and a tick visits only the
 * buckets whose bit in @hot is set. Idle flows cost nothing.
 */
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "netstack/lw/lw_in.h"

enum { BUCKETS_MIN = 1024, BUCKETS_MAX = 1 << 20 };

/*
 * lwIP skips a pcb on a tick when pcb->last_timer equals its private 8 bit call
 * counter. As the calls between two visits of a bucket may be 256, the mark is
 * set to a value the counter will not have.
 */
static uint8_t timer_calls;

static size_t hot_words(uint32_t mask)
{
	return ((size_t)mask + 64) / 64;
}

int bucket_init(struct lw *lw)
{
	lw->mask = BUCKETS_MIN - 1;
	lw->buckets = calloc(BUCKETS_MIN, sizeof(*lw->buckets));
	lw->hot = calloc(hot_words(lw->mask), sizeof(*lw->hot));
	return lw->buckets && lw->hot ? 0 : -ENOMEM;
}

void bucket_fini(struct lw *lw)
{
	free(lw->buckets);
	free(lw->hot);
	if (lw != lw_self)
		return;
	tcp_active_pcbs = NULL;
	tcp_tw_pcbs = NULL;
}

static void bucket_store(struct lw *lw)
{
	lw->buckets[lw->cur].active = tcp_active_pcbs;
	lw->buckets[lw->cur].tw = tcp_tw_pcbs;
}

void bucket_leave(struct lw *lw)
{
	bucket_store(lw);
	lw->ticks = tcp_ticks;
}

static void bucket_load(struct lw *lw, uint32_t index)
{
	tcp_active_pcbs = lw->buckets[index].active;
	tcp_tw_pcbs = lw->buckets[index].tw;
	lw->cur = index;
}

void bucket_enter(struct lw *lw)
{
	bucket_load(lw, lw->cur);
	tcp_ticks = lw->ticks;
}

void bucket_select(struct lw *lw, uint32_t hash)
{
	uint32_t index = hash & lw->mask;

	if (index == lw->cur)
		return;
	bucket_store(lw);
	bucket_load(lw, index);
}

static void hot_set(struct lw *lw, uint32_t index)
{
	uint64_t bit = 1ull << (index & 63);

	if (lw->hot[index / 64] & bit)
		return;
	lw->hot[index / 64] |= bit;
	if (lw->hot_count++)
		return;
	lw->tick_due_ms = lw_now() + LW_TICK_MS;
	lw->conf.wake(lw->conf.arg);
}

static void relink(struct lw *lw, struct tcp_pcb *list, bool tw)
{
	struct tcp_pcb *next;

	for (; list; list = next) {
		uint32_t index = flow_of(list)->hash & lw->mask;
		struct bucket *b = &lw->buckets[index];
		struct tcp_pcb **head = tw ? &b->tw : &b->active;

		next = list->next;
		list->next = *head;
		*head = list;
		hot_set(lw, index); /* the sweep finds out */
	}
}

void bucket_grow(struct lw *lw)
{
	uint32_t i, old_mask = lw->mask, mask = lw->mask * 2 + 1;
	struct bucket *old = lw->buckets, *fresh;
	uint64_t *hot;

	if (lw->stats.flows <= lw->mask || lw->mask + 1 >= BUCKETS_MAX)
		return;
	fresh = calloc((size_t)mask + 1, sizeof(*fresh));
	hot = calloc(hot_words(mask), sizeof(*hot));
	if (!fresh || !hot) { /* longer lists, then */
		free(fresh);
		free(hot);
		return;
	}
	bucket_store(lw);
	free(lw->hot);
	lw->buckets = fresh;
	lw->hot = hot;
	lw->hot_count = 0;
	lw->mask = mask;
	for (i = 0; i <= old_mask; i++) {
		relink(lw, old[i].active, false);
		relink(lw, old[i].tw, true);
	}
	free(old);
	bucket_load(lw, 0);
}

/*
 * Idle established flows need no timer; neither does one whose FIN is acknowledged
 * while its owner still reads
 */
static bool pcb_needs_timer(const struct tcp_pcb *p)
{
	if (p->unacked || p->unsent || p->ooseq || p->persist_backoff ||
	    p->refused_data || p->flags & TF_CLOSEPEND)
		return true;
	if (p->state == FIN_WAIT_2)
		return p->flags & TF_RXCLOSED;
	return p->state != ESTABLISHED && p->state != CLOSE_WAIT;
}

static bool loaded_needs_timer(void)
{
	const struct tcp_pcb *p;

	if (tcp_tw_pcbs)
		return true;
	for (p = tcp_active_pcbs; p; p = p->next) {
		if (pcb_needs_timer(p))
			return true;
	}
	return false;
}

void bucket_mark(struct lw *lw)
{
	if (loaded_needs_timer())
		hot_set(lw, lw->cur);
}

/* The owner is gone, and the client neither takes the last bytes nor resets */
static bool linger_over(const struct flow *f)
{
	return !f->owned && !f->half && f->pcb->state != FIN_WAIT_2 &&
	       lw_now() - f->closed_ms > (f->cut ? LW_CUT_MS : LW_LINGER_MS);
}

static void prepare_pcbs(void)
{
	struct tcp_pcb *p, *next;
	bool retry_fin = false;

	for (p = tcp_active_pcbs; p; p = next) {
		next = p->next;
		p->last_timer = timer_calls;
		/* lwIP drops LAST_ACK after 2 s even with bytes under way */
		if (p->state == LAST_ACK && (p->unsent || p->unacked))
			p->tmr = tcp_ticks;
		retry_fin |= p->flags & TF_CLOSEPEND;
		if (flow_of(p)->sack)
			sack_tick(flow_of(p));
		flow_narrow(flow_of(p));
		if (linger_over(flow_of(p)))
			tcp_abort(p);
		else
			(void)flow_left(flow_of(p));
	}
	if (!retry_fin)
		return;
	tcp_fasttmr();
	timer_calls++;
	for (p = tcp_active_pcbs; p; p = p->next)
		p->last_timer = (u8_t)(timer_calls - 1);
}

/* One slow tick for each hot bucket */
void bucket_sweep(struct lw *lw)
{
	uint32_t ticks = tcp_ticks;
	size_t w, words = hot_words(lw->mask);
	uint64_t bits;

	for (w = 0; w < words; w++) {
		for (bits = lw->hot[w]; bits; bits &= bits - 1) {
			uint32_t i = (uint32_t)(w * 64) +
				     (uint32_t)__builtin_ctzll(bits);

			bucket_select(lw, i);
			tcp_ticks = ticks; /* each call adds one */
			prepare_pcbs();
			tcp_slowtmr();
			timer_calls++;
			if (loaded_needs_timer())
				continue;
			lw->hot[w] &= ~(1ull << (i & 63));
			lw->hot_count--;
		}
	}
	tcp_ticks = ticks + 1;
	lw->tick_due_ms += LW_TICK_MS;
	if (clock_before(lw->tick_due_ms, lw_now()))
		lw->tick_due_ms = lw_now() + LW_TICK_MS;
}
