/*
 * kcp_link.c - One mKCP connection without its socket: states, clock, commands
 *
 *   ACTIVE --close--> CLOSING --all acknowledged--> ENDING --TERMINATE--> OVER
 *     | CLOSE heard              TERMINATE heard ---------^
 *     v
 *   PEER_CLOSED --TERMINATE heard--> PEER_ENDING --close--> OVER
 *
 * A step is @tti_ms long: acknowledgements, lost segments and what was written
 * go out once in it, the first of an idle connection at once.
 *
 * Source: docs/wire/kcp.md; v2ray transport/internet/kcp/connection.go (facts)
 */
#include "proxy/transport/kcp_link.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"

#define RTO_FIRST_MS 100u
#define RTO_HEARD_MS 3000u /* our own measure is newer */
#define CLOSING_MS   15000u /* without progress */
#define CUT_MS       5000u /* to deliver what is before a cut, as with TCP */
#define ENDING_MS    8000u
#define QUIET_MS     2000u /* while ENDING: the peer has gone */
#define END_STEP_MS  250u
#define END_GAP_MS   100u
#define ACKS_EARLY   64u /* so many are told before the step is over */

void kcp_link_init(struct kcp_link *l, const struct kcp_rules *r,
		   struct kcp_pool *pool, uint32_t now)
{
	void (*emit)(struct kcp_link *, const struct kcp_seg *) = l->emit;

	memset(l, 0, sizeof(*l));
	l->emit = emit;
	l->rules = r;
	l->pool = pool;
	/* v2ray and Xray echo 0 for a time above 2^31: 12 days are left */
	l->skew = (rand_u32() & 0x3fffffff) - now;
	l->state_ms = l->heard_ms = l->ping_ms = l->gain_ms = now;
	l->flush_ms = now - r->tti_ms;
	l->rto = kcp_timeout(l, RTO_FIRST_MS);
	l->rto_ms = now - RTO_HEARD_MS;
	l->limit = KCP_FIRST;
	l->control = r->rate;
	l->told_limit = r->window;
	list_init(&l->out);
	list_init(&l->ready);
}

void kcp_link_drop(struct kcp_link *l)
{
	kcp_send_drop(l);
	kcp_recv_drop(l);
}

void kcp_link_enter(struct kcp_link *l, enum kcp_state state, uint32_t now)
{
	l->state = (uint8_t)state;
	l->state_ms = now;
	if (state != KCP_CLOSING)
		kcp_send_drop(l);
	if (state != KCP_PEER_CLOSED && state != KCP_PEER_ENDING &&
	    state != KCP_OVER)
		kcp_recv_drop(l);
	if (state == KCP_ENDING)
		l->again_step = 0;
}

/* One too small for who waits for a window: a v2ray then goes on telling it */
static uint32_t told_una(const struct kcp_link *l)
{
	return l->una && kcp_send_blocked(l) ? l->una - 1 : l->una;
}

struct kcp_seg kcp_link_word(const struct kcp_link *l, enum kcp_cmd cmd)
{
	return (struct kcp_seg){ .conv = l->conv,
				 .cmd = (uint8_t)cmd,
				 .opt = l->state == KCP_CLOSING ? KCP_CLOSE : 0,
				 .una = told_una(l),
				 .next = l->got,
				 .rto = l->rto };
}

static void command(struct kcp_link *l, enum kcp_cmd cmd, uint32_t now)
{
	struct kcp_seg s = kcp_link_word(l, cmd);

	if (cmd == KCP_TERMINATE && l->cut)
		s.opt = KCP_CUT;
	l->ping_ms = now;
	l->una_new = false;
	l->emit(l, &s);
}

/* --- what comes -------------------------------------------------------------------- */

static void heard_close(struct kcp_link *l, uint32_t now)
{
	if (l->state == KCP_ACTIVE)
		kcp_link_enter(l, KCP_PEER_CLOSED, now);
	else if (l->state == KCP_CLOSING)
		kcp_link_enter(l, KCP_ENDING, now);
}

static void heard_terminate(struct kcp_link *l, const struct kcp_seg *s,
			    uint32_t now)
{
	switch ((enum kcp_state)l->state) {
	case KCP_ACTIVE:
	case KCP_PEER_CLOSED:
		if (s->opt & KCP_CUT)
			l->err = -ECONNRESET;
		kcp_link_enter(l, KCP_PEER_ENDING, now);
		break;
	case KCP_CLOSING:
		l->cut = l->cut || !kcp_send_done(l);
		command(l, KCP_TERMINATE, now);
		kcp_link_enter(l, KCP_OVER, now);
		break;
	case KCP_ENDING:
		kcp_link_enter(l, KCP_OVER, now);
		break;
	case KCP_PEER_ENDING:
	case KCP_OVER:
		break;
	}
}

static void heard_command(struct kcp_link *l, const struct kcp_seg *s,
			  uint32_t now)
{
	kcp_send_una(l, s->next, now);
	kcp_recv_una(l, s->una);
	if (now - l->rto_ms >= RTO_HEARD_MS && s->rto) {
		l->rto = kcp_timeout(l, s->rto);
		l->rto_ms = now;
	}
	if (s->cmd == KCP_TERMINATE)
		heard_terminate(l, s, now);
}

static void heard(struct kcp_link *l, const struct kcp_seg *s, uint32_t now)
{
	l->heard_ms = now;
	l->met = true;
	if (l->state == KCP_ENDING && s->cmd != KCP_TERMINATE &&
	    now - l->ping_ms >= END_GAP_MS)
		command(l, KCP_TERMINATE, now);
	if (s->opt & KCP_CLOSE)
		heard_close(l, now);
	if (s->cmd == KCP_ACK)
		kcp_send_acked(l, s, now);
	else if (s->cmd != KCP_DATA)
		heard_command(l, s, now);
	else if (l->state == KCP_ACTIVE || l->state == KCP_PEER_CLOSED)
		kcp_recv_data(l, s);
}

void kcp_link_input(struct kcp_link *l, const uint8_t *p, size_t n,
		    uint32_t now)
{
	struct kcp_seg s;

	while (n && l->state != KCP_OVER) {
		ssize_t used = kcp_decode(p, n, &s);

		if (used < 0 || s.conv != l->conv)
			return;
		heard(l, &s, now);
		p += used;
		n -= (size_t)used;
	}
}

/* --- the clock --------------------------------------------------------------------- */

/* Has the peer been spoken to, or has it spoken? */
static bool begun(const struct kcp_link *l)
{
	return l->met || l->next;
}

/* The later of two times that are not in the future */
static uint32_t later(uint32_t a, uint32_t b)
{
	return kcp_before(a, b) ? b : a;
}

static void lost_peer(struct kcp_link *l, uint32_t now)
{
	uint32_t most = l->met ? KCP_SILENT_MS : KCP_ABSENT_MS;

	if (!l->met && !l->flying)
		l->heard_ms = now; /* nobody was spoken to yet */
	if (now - l->heard_ms < most)
		return;
	l->err = -ETIMEDOUT;
	kcp_link_enter(l, KCP_OVER, now);
}

/* What was written arrived, or does not any more */
static bool closing_over(const struct kcp_link *l, uint32_t now)
{
	if (l->cut && now - l->state_ms >= CUT_MS)
		return true;
	return kcp_send_done(l) ||
	       now - later(l->state_ms, l->gain_ms) >= CLOSING_MS;
}

static void end_now(struct kcp_link *l, uint32_t now)
{
	l->cut = l->cut || !kcp_send_done(l);
	kcp_link_enter(l, KCP_ENDING, now);
}

/* Time ends states, too */
static void check_state(struct kcp_link *l, uint32_t now)
{
	if (l->state == KCP_ACTIVE || l->state == KCP_PEER_CLOSED)
		lost_peer(l, now);
	if (l->state == KCP_CLOSING && closing_over(l, now))
		end_now(l, now);
	if (l->state == KCP_ENDING && l->again_step &&
	    (now - l->state_ms >= ENDING_MS ||
	     now - later(l->state_ms, l->heard_ms) >= QUIET_MS))
		kcp_link_enter(l, KCP_OVER, now);
}

static void tick_ending(struct kcp_link *l, uint32_t now)
{
	if (l->again_step && now - l->ping_ms < l->again_step)
		return;
	l->again_step = l->again_step ? 2 * l->again_step : END_STEP_MS;
	command(l, KCP_TERMINATE, now);
}

static void step(struct kcp_link *l, uint32_t now)
{
	l->flush_ms = now;
	kcp_recv_flush(l, now);
	kcp_send_flush(l, now);
	if (l->una_new && !l->out_count)
		command(l, KCP_PING, now);
}

void kcp_link_tick(struct kcp_link *l, uint32_t now)
{
	check_state(l, now);
	if (l->state == KCP_OVER || l->state == KCP_PEER_ENDING)
		return; /* a v2ray that forgot us would take more for a new one */
	if (l->state == KCP_ENDING) {
		tick_ending(l, now);
		return;
	}
	if (now - l->flush_ms >= l->rules->tti_ms) {
		step(l, now);
	} else {
		if (l->got - l->told >= ACKS_EARLY)
			kcp_recv_flush(l, now);
		kcp_send_fresh(l, now);
	}
	if (now - l->ping_ms >= KCP_PING_MS && begun(l))
		command(l, KCP_PING, now);
}

/* ms from @now until @at, which may be past */
static uint32_t until(uint32_t at, uint32_t now)
{
	return kcp_before(now, at) ? at - now : 0;
}

/* Until the next step has something to do; KCP_PING_MS: it has not */
static uint32_t wait_step(const struct kcp_link *l, uint32_t now)
{
	uint32_t next = until(l->flush_ms + l->rules->tti_ms, now), again;

	if (kcp_send_may(l) || l->got - l->told >= ACKS_EARLY)
		return 0;
	if (l->ack_now || l->flying || (l->una_new && !l->out_count) ||
	    (l->fresh && !kcp_send_blocked(l)))
		return next;
	if (!kcp_recv_owes(l))
		return KCP_PING_MS;
	again = until(l->again_ms, now);
	return again > next ? again : next;
}

uint32_t kcp_link_wait(const struct kcp_link *l, uint32_t now)
{
	uint32_t ping = until(l->ping_ms + KCP_PING_MS, now), w;

	switch ((enum kcp_state)l->state) {
	case KCP_OVER:
		return 0;
	case KCP_ENDING:
		return l->again_step ? until(l->ping_ms + l->again_step, now) :
				       0;
	case KCP_CLOSING:
		if (kcp_send_done(l))
			return 0;
		break;
	case KCP_PEER_ENDING:
		return KCP_PING_MS;
	case KCP_ACTIVE:
	case KCP_PEER_CLOSED:
		break;
	}
	if (!begun(l))
		return KCP_PING_MS;
	w = wait_step(l, now);
	return w < ping ? w : ping;
}

void kcp_link_close(struct kcp_link *l, int why, uint32_t now)
{
	switch ((enum kcp_state)l->state) {
	case KCP_ACTIVE:
		l->cut = why;
		kcp_link_enter(l,
			       !begun(l)               ? KCP_OVER :
			       why && kcp_send_done(l) ? KCP_ENDING :
							 KCP_CLOSING,
			       now);
		break;
	case KCP_PEER_CLOSED:
		kcp_link_enter(l, KCP_ENDING, now);
		break;
	case KCP_PEER_ENDING:
		command(l, KCP_TERMINATE, now);
		kcp_link_enter(l, KCP_OVER, now);
		break;
	case KCP_CLOSING:
	case KCP_ENDING:
	case KCP_OVER:
		break;
	}
	kcp_recv_drop(l);
}

void kcp_link_abort(struct kcp_link *l, uint32_t now)
{
	kcp_link_close(l, -ECONNRESET, now);
	if (l->state == KCP_CLOSING)
		end_now(l, now);
}
