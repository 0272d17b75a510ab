/*
 * kcp_link.h - One mKCP connection without its socket: windows, clock, states
 *
 * Pure: datagrams' segments and the time come in, segments go out by emit().
 * Numbers and times wrap; both are compared by their difference.
 *
 * Source: docs/wire/kcp.md
 */
#ifndef PROXY_TRANSPORT_KCP_LINK_H
#define PROXY_TRANSPORT_KCP_LINK_H

#include <stdbool.h>
#include <sys/uio.h>

#include "gateway/base/list.h"
#include "proxy/wire/kcp.h"

#define KCP_PING_MS     5000u /* an idle connection says something so often */
#define KCP_SILENT_MS   30000u /* nothing heard for so long: it is gone */
#define KCP_ABSENT_MS   16000u /* nothing ever heard of a server we speak to */
#define KCP_WINDOW_MAX  8192u /* segments, each way */
#define KCP_RTO_MOST_MS 12500u
#define KCP_LOOSE       256u /* segments read: no longer tight */
#define KCP_FIRST       32u /* a peer surely takes so many before it says more */
#define KCP_UNPROVEN    4u /* on their way to who was not seen to receive any */

/**
 * enum kcp_state - As v2ray's, which both sides must agree about
 *
 * ACTIVE	both ways
 * CLOSING	closed here, what was written goes out still (with CLOSE)
 * PEER_CLOSED	closed there: nothing we write is read; its bytes go on coming
 * ENDING	TERMINATE is said until it is answered, or nobody speaks
 * PEER_ENDING	TERMINATE was heard: what came can be read to its end
 * OVER		may be freed
 */
enum kcp_state {
	KCP_ACTIVE,
	KCP_CLOSING,
	KCP_PEER_CLOSED,
	KCP_ENDING,
	KCP_PEER_ENDING,
	KCP_OVER,
};

/**
 * struct kcp_rules - How connections of one transport behave
 * @mss:	Payload bytes of a segment
 * @tti_ms:	Step of acknowledgements and retransmissions
 * @rate:	Segments a step
 * @window:	Segments received ahead of the reader
 * @queue:	Segments written ahead of the peer's acknowledgement
 * @congestion:	Fewer a step when many are lost
 */
struct kcp_rules {
	uint32_t mss, tti_ms, rate, window, queue;
	bool congestion;
};

/**
 * struct kcp_pool - Bytes that many connections hold together
 * @used, @most:	Above @most each may hold KCP_FIRST segments each way
 */
struct kcp_pool {
	size_t used, most;
};

struct kcp_in;
struct kcp_out;

/**
 * struct kcp_link - One connection
 * @emit:	Sends a segment; what it points at is the link's, for the call
 * @skew:	Added to the clock: what an acknowledgement echoes is not known
 *		to who has not received it
 * @state_ms, @heard_ms, @ping_ms, @flush_ms, @gain_ms:	When: the state began,
 *		something came, a command was sent, a step was made, @una moved
 * @err:	-errno that ends it: -ETIMEDOUT, -ECONNRESET. 0
 * @met:	Something came of the peer
 * @proven:	It echoed a time of ours: what we send arrives where it says it is.
 *		Until then little is sent, and less and less again
 * @tight:	Not known to be more than noise: hold little that came too early
 * @out:	struct kcp_out, by number; @fresh: the first not sent yet or NULL
 * @una, @next:	First number not acknowledged; next to be given
 * @limit:	Numbers from here on the peer does not take
 * @flying:	Segments sent and not acknowledged; @lost: sent again this step
 * @control:	Segments a step that congestion allows; @spent: of this step
 * @una_new:	@una moved and nobody was told
 * @finished:	The end was queued; @cut: not all that was to come was queued and went out
 * @ready:	struct kcp_in, in order, for the reader; @ready_count of them
 * @ahead:	Those that came too early, by number; NULL none; @ahead_mask + 1
 *		places, @ahead_count used
 * @got:	All before it came; @read: the reader took all before it
 * @told:	@got as last told; @told_limit: of our window the same
 * @peer_una:	The peer knows that all before it came
 * @ack_now:	Something must be told; @again_ms: when once more, @again_step
 *		after that (of TERMINATE, too)
 * @newest:	Time of the newest segment not acknowledged yet
 * @peer_finished:	The reader took the peer's end with what is before it
 * @end_read:	It was told of the end: that makes it ready once
 */
struct kcp_link {
	const struct kcp_rules *rules;
	struct kcp_pool *pool;
	void (*emit)(struct kcp_link *l, const struct kcp_seg *s);
	uint32_t skew;
	uint32_t state_ms, heard_ms, ping_ms, flush_ms, gain_ms;
	int err;
	uint16_t conv;
	uint8_t state;
	bool met, proven, tight;
	/* round trip, ms */
	uint32_t srtt, var, rto, rto_ms;
	/* what we send */
	struct list out;
	struct kcp_out *fresh;
	uint32_t out_count, una, next, limit, flying, lost, control, spent;
	bool una_new, finished, cut;
	/* what we receive */
	struct list ready;
	struct kcp_in **ahead;
	uint32_t ahead_mask, ahead_count, ready_count;
	uint32_t got, read, told, told_limit, peer_una;
	uint32_t newest, again_ms, again_step;
	bool ack_now, peer_finished, end_read;
};

/* @l is zeroed first but for emit, which stays the caller's */
void kcp_link_init(struct kcp_link *l, const struct kcp_rules *r,
		   struct kcp_pool *pool, uint32_t now);
/* Free what it holds. Nothing is sent */
void kcp_link_drop(struct kcp_link *l);
/* A datagram's segments, unwrapped */
void kcp_link_input(struct kcp_link *l, const uint8_t *p, size_t n,
		    uint32_t now);
/* Send what may be sent now: acknowledgements, lost segments, new ones */
void kcp_link_tick(struct kcp_link *l, uint32_t now);
/* ms until kcp_link_tick() has something to do, 0 now */
uint32_t kcp_link_wait(const struct kcp_link *l, uint32_t now);
/* A command of it, as it stands now */
struct kcp_seg kcp_link_word(const struct kcp_link *l, enum kcp_cmd cmd);
/* As readv and writev of a stream */
ssize_t kcp_link_read(struct kcp_link *l, const struct iovec *iov, int cnt);
ssize_t kcp_link_write(struct kcp_link *l, const struct iovec *iov, int cnt);
bool kcp_link_readable(const struct kcp_link *l);
bool kcp_link_writable(const struct kcp_link *l);
/* Half close: the end goes behind what was written. 0 or -errno */
int kcp_link_finish(struct kcp_link *l);
/* What was written arrives first. @why: 0, or it is told that more is missing */
void kcp_link_close(struct kcp_link *l, int why, uint32_t now);
/* Nothing arrives any more; the next tick says so */
void kcp_link_abort(struct kcp_link *l, uint32_t now);

/* --- kcp_send.c and kcp_recv.c, for kcp_link.c ------------------------------------ */

void kcp_link_enter(struct kcp_link *l, enum kcp_state state, uint32_t now);
/* All before @next came; forget them */
void kcp_send_una(struct kcp_link *l, uint32_t next, uint32_t now);
void kcp_send_acked(struct kcp_link *l, const struct kcp_seg *s, uint32_t now);
void kcp_send_flush(struct kcp_link *l, uint32_t now);
/* New segments only, as far as this step allows */
void kcp_send_fresh(struct kcp_link *l, uint32_t now);
/* Some could go now, were there no step */
bool kcp_send_may(const struct kcp_link *l);
/* They wait for the peer's window */
bool kcp_send_blocked(const struct kcp_link *l);
/* Nothing is left, or an end which a TERMINATE says as well */
bool kcp_send_done(const struct kcp_link *l);
void kcp_send_drop(struct kcp_link *l);
void kcp_recv_data(struct kcp_link *l, const struct kcp_seg *s);
void kcp_recv_una(struct kcp_link *l, uint32_t una);
void kcp_recv_flush(struct kcp_link *l, uint32_t now);
/* Something waits to be told, or told again */
bool kcp_recv_owes(const struct kcp_link *l);
void kcp_recv_drop(struct kcp_link *l);
/* A timeout: who acknowledges does so with his next step, and we look once in ours */
static inline uint32_t kcp_timeout(const struct kcp_link *l, uint32_t ms)
{
	uint32_t least = 2 * l->rules->tti_ms;

	return ms < least ? least : ms < KCP_RTO_MOST_MS ? ms : KCP_RTO_MOST_MS;
}

/* May @held segments of one direction become one more? */
static inline bool kcp_may_hold(const struct kcp_link *l, uint32_t held)
{
	return held < KCP_FIRST || l->pool->used < l->pool->most;
}

static inline bool kcp_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
