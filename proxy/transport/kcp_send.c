/*
 * kcp_send.c - What an mKCP connection sends: queue, window, timeouts
 *
 *   written -> out: [acknowledged by number: gone] sent ... | fresh ...
 *
 * Each segment has its own timeout; an acknowledgement of a later one shortens
 * it by a third. A step sends @rate segments at most, new ones and lost ones.
 *
 * Source: docs/wire/kcp.md; v2ray transport/internet/kcp/sending.go (facts)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/rd.h"
#include "proxy/transport/kcp_link.h"

#define SMALL       256u /* room of a segment that began with less */
#define CONTROL_MIN 16u
#define LOSS_MANY   15u /* percent of what flies */
#define LOSS_FEW    5u
#define STALE_MS    10000u
#define RESTARTS    16u /* of a walk, for numbers out of order */

/**
 * struct kcp_out - One segment to send
 * @due_ms:	When it is lost; @sent: times
 */
struct kcp_out {
	struct list node;
	uint32_t number, due_ms;
	uint16_t len, cap;
	uint8_t sent;
	bool end;
	uint8_t data[];
};

static struct kcp_out *out_of(struct list *p)
{
	return container_of(p, struct kcp_out, node);
}

static size_t out_bytes(const struct kcp_out *o)
{
	return sizeof(*o) + o->cap;
}

static void out_free(struct kcp_link *l, struct kcp_out *o)
{
	if (l->fresh == o)
		l->fresh =
			o->node.next == &l->out ? NULL : out_of(o->node.next);
	l->flying -= o->sent ? 1 : 0;
	l->out_count--;
	l->pool->used -= out_bytes(o);
	list_del(&o->node);
	free(o);
}

/* A new last segment with room for @cap bytes, or NULL */
static struct kcp_out *out_new(struct kcp_link *l, size_t cap)
{
	struct kcp_out *o = malloc(sizeof(*o) + cap);

	if (!o)
		return NULL;
	o->number = l->next++;
	o->cap = (uint16_t)cap;
	o->len = 0;
	o->sent = 0;
	o->end = false;
	o->due_ms = 0;
	list_add_tail(&l->out, &o->node);
	l->out_count++;
	l->pool->used += out_bytes(o);
	if (!l->fresh)
		l->fresh = o;
	return o;
}

static bool may_queue(const struct kcp_link *l)
{
	return l->out_count < l->rules->queue && kcp_may_hold(l, l->out_count);
}

/* Where @n more bytes go: behind what was not sent, or a segment of their own */
static struct kcp_out *out_room(struct kcp_link *l, size_t n)
{
	size_t mss = l->rules->mss, cap = n < SMALL ? SMALL : n;
	struct kcp_out *o;

	if (!list_empty(&l->out)) {
		o = out_of(l->out.prev);
		if (!o->sent && o->len < o->cap)
			return o;
	}
	if (!may_queue(l))
		return NULL;
	return out_new(l, cap < mss ? cap : mss);
}

static int write_error(const struct kcp_link *l)
{
	if (l->err)
		return l->err;
	return l->state != KCP_ACTIVE || l->finished ? -EPIPE : 0;
}

ssize_t kcp_link_write(struct kcp_link *l, const struct iovec *iov, int cnt)
{
	int err = write_error(l);
	size_t done = 0;

	if (err)
		return err;
	for (int i = 0; i < cnt; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left) {
			struct kcp_out *o = out_room(l, left);
			size_t n;

			if (!o)
				return done ? (ssize_t)done : -EAGAIN;
			n = (size_t)(o->cap - o->len);
			n = n < left ? n : left;
			memcpy(o->data + o->len, p, n);
			o->len = (uint16_t)(o->len + n);
			p += n;
			left -= n;
			done += n;
		}
	}
	return (ssize_t)done;
}

bool kcp_link_writable(const struct kcp_link *l)
{
	return write_error(l) || may_queue(l);
}

int kcp_link_finish(struct kcp_link *l)
{
	int err = write_error(l);
	struct kcp_out *o;

	if (l->finished)
		return 0;
	if (err)
		return err;
	o = out_new(l, 0);
	if (!o)
		return -ENOMEM;
	o->end = true;
	l->finished = true;
	return 0;
}

static void find_una(struct kcp_link *l, uint32_t now)
{
	uint32_t una =
		list_empty(&l->out) ? l->next : out_of(l->out.next)->number;

	if (una == l->una)
		return;
	l->una = una;
	l->una_new = true;
	l->gain_ms = now;
}

void kcp_send_una(struct kcp_link *l, uint32_t next, uint32_t now)
{
	if (kcp_before(l->next, next))
		return; /* of what was never sent */
	while (!list_empty(&l->out)) {
		struct kcp_out *o = out_of(l->out.next);

		if (!kcp_before(o->number, next) || !o->sent)
			break;
		out_free(l, o);
	}
	find_una(l, now);
}

/* RFC 6298, with v2ray's lower bound and quarter on top */
static void measure(struct kcp_link *l, uint32_t rtt, uint32_t now)
{
	uint32_t rto, off;

	if (!l->srtt) {
		l->srtt = rtt;
		l->var = rtt / 2;
	} else {
		off = l->srtt > rtt ? l->srtt - rtt : rtt - l->srtt;
		l->var = (3 * l->var + off) / 4;
		l->srtt = (7 * l->srtt + rtt) / 8;
		if (l->srtt < l->rules->tti_ms)
			l->srtt = l->rules->tti_ms;
	}
	rto = l->srtt + (l->rules->tti_ms < 4 * l->var ? 4 * l->var : l->var);
	l->rto = kcp_timeout(l, rto < STALE_MS ? rto * 5 / 4 : KCP_RTO_MOST_MS);
	l->rto_ms = now;
}

/* @max was acknowledged: those before it are a third nearer to be lost */
static void hurry(struct kcp_link *l, uint32_t max)
{
	struct list *p;

	list_for_each (p, &l->out) {
		struct kcp_out *o = out_of(p);

		if (!o->sent || !kcp_before(o->number, max))
			break;
		o->due_ms -= l->rto / 3;
	}
}

/*
 * Take numbers out of the queue. Both lists are nearly in order: the walk goes
 * on where the last number was found, and starts over for a smaller one.
 */
static bool take_numbers(struct kcp_link *l, const struct kcp_seg *s,
			 uint32_t *max)
{
	struct list *p = l->out.next, *next;
	bool some = false;
	uint32_t last = l->una, restarts = 0;

	for (unsigned int i = 0; i < s->len && restarts < RESTARTS; i++) {
		uint32_t number = get_be32(s->data + 4 * (size_t)i);

		if (kcp_before(number, l->una) || !kcp_before(number, l->next))
			continue;
		if (kcp_before(number, last)) {
			p = l->out.next;
			restarts++;
		}
		last = number;
		while (p != &l->out && kcp_before(out_of(p)->number, number))
			p = p->next;
		if (p == &l->out || out_of(p)->number != number ||
		    !out_of(p)->sent)
			continue;
		next = p->next;
		out_free(l, out_of(p));
		p = next;
		if (!some || kcp_before(*max, number))
			*max = number;
		some = true;
	}
	return some;
}

void kcp_send_acked(struct kcp_link *l, const struct kcp_seg *s, uint32_t now)
{
	uint32_t was = l->una, max = 0, rtt = now + l->skew - s->time;
	bool some;

	if (kcp_before(l->limit, s->window))
		l->limit = s->window;
	some = take_numbers(l, s, &max);
	kcp_send_una(l, s->next, now);
	if (some)
		hurry(l, max);
	if (!s->len || (!some && was == l->una) || rtt >= STALE_MS)
		return;
	l->proven = true;
	measure(l, rtt, now);
}

/* Until @o, just sent, counts as lost: for who may be nobody twice as long each time */
static uint32_t timeout(const struct kcp_link *l, const struct kcp_out *o)
{
	uint32_t ms = l->rto;

	for (unsigned int i = 1; !l->proven && i < o->sent; i++)
		ms = kcp_timeout(l, 2 * ms);
	return ms;
}

static void send_one(struct kcp_link *l, struct kcp_out *o, uint32_t now)
{
	struct kcp_seg s = { .conv = l->conv,
			     .cmd = KCP_DATA,
			     .time = now + l->skew,
			     .number = o->number,
			     .una = l->una,
			     .data = o->data,
			     .len = o->len };

	s.opt = l->state == KCP_CLOSING ? KCP_CLOSE : 0;
	s.opt |= o->end ? KCP_END : 0;
	l->flying += o->sent ? 0 : 1;
	l->lost += o->sent ? 1 : 0;
	if (o->sent < UINT8_MAX)
		o->sent++;
	o->due_ms = now + timeout(l, o);
	l->spent++;
	l->una_new = false;
	l->emit(l, &s);
}

/* Segments that may go in one step */
static uint32_t allowance(const struct kcp_link *l)
{
	uint32_t n = l->rules->rate;

	return l->rules->congestion && l->control < n ? l->control : n;
}

/* Numbers from here on wait for the peer */
static uint32_t send_limit(const struct kcp_link *l)
{
	uint32_t most = l->una + KCP_UNPROVEN;

	return !l->proven && kcp_before(most, l->limit) ? most : l->limit;
}

bool kcp_send_may(const struct kcp_link *l)
{
	return l->fresh && l->spent < allowance(l) &&
	       kcp_before(l->fresh->number, send_limit(l));
}

bool kcp_send_blocked(const struct kcp_link *l)
{
	return l->fresh && !kcp_before(l->fresh->number, send_limit(l));
}

void kcp_send_fresh(struct kcp_link *l, uint32_t now)
{
	while (kcp_send_may(l)) {
		struct kcp_out *o = l->fresh;

		l->fresh =
			o->node.next == &l->out ? NULL : out_of(o->node.next);
		send_one(l, o, now);
	}
}

/* What a step lost decides what the next may send */
static void control(struct kcp_link *l)
{
	uint32_t rate = l->flying ? l->lost * 100 / l->flying : 0;
	uint32_t most = 2 * l->rules->rate;

	if (rate >= LOSS_MANY)
		l->control = 3 * l->control / 4;
	else if (rate <= LOSS_FEW)
		l->control += l->control / 4;
	if (l->control < CONTROL_MIN)
		l->control = CONTROL_MIN;
	if (l->control > most)
		l->control = most;
}

void kcp_send_flush(struct kcp_link *l, uint32_t now)
{
	uint32_t most = allowance(l);
	bool sent = l->spent;
	struct list *p;

	l->spent = l->lost = 0;
	list_for_each (p, &l->out) {
		struct kcp_out *o = out_of(p);

		if (!o->sent || l->spent >= most)
			break;
		if (!kcp_before(now, o->due_ms))
			send_one(l, o, now);
		if (!l->proven)
			break; /* the first stands for all */
	}
	kcp_send_fresh(l, now);
	if (sent || l->spent)
		control(l);
}

bool kcp_send_done(const struct kcp_link *l)
{
	return list_empty(&l->out) || out_of(l->out.next)->end;
}

void kcp_send_drop(struct kcp_link *l)
{
	while (!list_empty(&l->out))
		out_free(l, out_of(l->out.next));
	l->una = l->next;
}
