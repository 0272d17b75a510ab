/*
 * kcp_recv.c - What an mKCP connection receives: order, window, acknowledgements
 *
 *   ... read | ready ... | got  ahead: [ ][x][x][ ] | window's end
 *
 * Acknowledgements are told once a step. One lists the numbers that are new; its
 * "all before it came" is that of the step before, because v2ray measures
 * the round trip only by numbers that it had not heard of in any other way.
 * Until the peer shows that it knows, they are told again, ever more slowly.
 *
 * Source: docs/wire/kcp.md; v2ray transport/internet/kcp/receiving.go (facts)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/wr.h"
#include "proxy/transport/kcp_link.h"

#define AGAIN_MIN_MS  20u
#define AGAIN_MOST_MS 2000u

/**
 * struct kcp_in - One segment received
 * @off:	Bytes of it that were read
 * @told:	It was acknowledged by number
 */
struct kcp_in {
	struct list node;
	uint32_t number;
	uint16_t len, off;
	bool end, told;
	uint8_t data[];
};

static struct kcp_in *in_of(struct list *p)
{
	return container_of(p, struct kcp_in, node);
}

static void in_free(struct kcp_link *l, struct kcp_in *in)
{
	l->pool->used -= sizeof(*in) + in->len;
	free(in);
}

/* Places for numbers ahead. False: no memory */
static bool ahead_make(struct kcp_link *l)
{
	uint32_t n = 1;

	if (l->ahead)
		return true;
	while (n < l->rules->window)
		n *= 2;
	l->ahead = calloc(n, sizeof(*l->ahead));
	l->ahead_mask = n - 1;
	return l->ahead;
}

static struct kcp_in **ahead_at(const struct kcp_link *l, uint32_t number)
{
	return &l->ahead[number & l->ahead_mask];
}

static void make_ready(struct kcp_link *l, struct kcp_in *in)
{
	list_add_tail(&l->ready, &in->node);
	l->ready_count++;
	l->got++;
}

/* What was ahead and is next now */
static void drain_ahead(struct kcp_link *l)
{
	while (l->ahead_count) {
		struct kcp_in **at = ahead_at(l, l->got);

		if (!*at)
			return;
		make_ready(l, *at);
		*at = NULL;
		l->ahead_count--;
	}
	free(l->ahead);
	l->ahead = NULL;
}

static struct kcp_in *in_new(struct kcp_link *l, const struct kcp_seg *s)
{
	struct kcp_in *in = malloc(sizeof(*in) + s->len);

	if (!in)
		return NULL;
	in->number = s->number;
	in->len = s->len;
	in->off = 0;
	in->told = false;
	in->end = !s->len && s->opt & KCP_END;
	if (s->len)
		memcpy(in->data, s->data, s->len);
	l->pool->used += sizeof(*in) + in->len;
	return in;
}

/* Is there place for @number, and is it new? */
static bool wanted(struct kcp_link *l, uint32_t number)
{
	uint32_t held = l->ready_count + l->ahead_count;

	if (number - l->read >= l->rules->window) {
		l->ack_now = true; /* old, or too far: say how it stands */
		return false;
	}
	if (kcp_before(number, l->got) || (l->ahead && *ahead_at(l, number))) {
		l->ack_now = true;
		return false;
	}
	if (number == l->got)
		return kcp_may_hold(l, l->ready_count);
	if (l->tight && l->ahead_count >= KCP_FIRST && l->read < KCP_LOOSE)
		return false;
	return kcp_may_hold(l, held) && ahead_make(l);
}

void kcp_recv_data(struct kcp_link *l, const struct kcp_seg *s)
{
	struct kcp_in *in;

	kcp_recv_una(l, s->una);
	if (!wanted(l, s->number))
		return;
	in = in_new(l, s);
	if (!in)
		return;
	if (!l->ack_now || kcp_before(l->newest, s->time))
		l->newest = s->time;
	l->ack_now = true;
	if (s->number == l->got) {
		make_ready(l, in);
		if (l->ahead)
			drain_ahead(l);
	} else {
		*ahead_at(l, s->number) = in;
		l->ahead_count++;
	}
}

void kcp_recv_una(struct kcp_link *l, uint32_t una)
{
	if (kcp_before(l->peer_una, una) && !kcp_before(l->got, una))
		l->peer_una = una;
}

/* --- acknowledgements -------------------------------------------------------------- */

/**
 * struct telling - One acknowledgement being filled
 * @limit:	Numbers it may have; @sent: one was
 */
struct telling {
	struct kcp_link *l;
	uint32_t next, limit;
	unsigned int count;
	bool sent;
	uint8_t numbers[4 * KCP_ACKS_MAX];
};

static void tell(struct telling *t)
{
	struct kcp_link *l = t->l;
	struct kcp_seg s = { .conv = l->conv,
			     .cmd = KCP_ACK,
			     .window = l->read + l->rules->window,
			     .next = t->next,
			     .time = l->newest,
			     .data = t->numbers,
			     .len = (uint16_t)t->count };

	s.opt = l->state == KCP_CLOSING ? KCP_CLOSE : 0;
	l->told_limit = s.window;
	t->count = 0;
	t->sent = true;
	l->emit(l, &s);
}

static void tell_number(struct telling *t, uint32_t number)
{
	put_be32(t->numbers + 4 * (size_t)t->count++, number);
	if (t->count == t->limit)
		tell(t);
}

/* Those ahead; @all or only the new ones. At most one acknowledgement of old ones */
static void tell_ahead(struct telling *t, bool all)
{
	struct kcp_link *l = t->l;
	uint32_t left = l->ahead_count, most = all ? t->limit : UINT32_MAX;

	for (uint32_t n = l->got + 1; left && most; n++) {
		struct kcp_in *in = *ahead_at(l, n);

		if (!in)
			continue;
		left--;
		if (in->told && !all)
			continue;
		in->told = true;
		tell_number(t, n);
		most--;
	}
}

static uint32_t number_limit(const struct kcp_link *l)
{
	uint32_t n = (l->rules->mss + KCP_DATA_HEAD - KCP_ACK_HEAD) / 4;

	return n < 1 ? 1 : n < KCP_ACKS_MAX ? n : KCP_ACKS_MAX;
}

bool kcp_recv_owes(const struct kcp_link *l)
{
	return l->ack_now || l->ahead_count || kcp_before(l->peer_una, l->got);
}

/* Once more for a peer that does not show that it knows */
static void tell_again(struct kcp_link *l, struct telling *t, uint32_t now)
{
	t->next = l->got;
	tell_ahead(t, true);
	if (t->count || !l->ahead_count)
		tell(t);
	l->again_step *= 2;
	if (l->again_step > AGAIN_MOST_MS)
		l->again_step = AGAIN_MOST_MS;
	l->again_ms = now + l->again_step;
}

void kcp_recv_flush(struct kcp_link *l, uint32_t now)
{
	struct telling t = { .l = l,
			     .next = l->told,
			     .limit = number_limit(l) };
	uint32_t step = l->rto / 2;

	if (!l->ack_now) {
		if (kcp_recv_owes(l) && !kcp_before(now, l->again_ms))
			tell_again(l, &t, now);
		return;
	}
	for (uint32_t n = l->told; n != l->got; n++)
		tell_number(&t, n);
	tell_ahead(&t, false);
	if (t.count || !t.sent)
		tell(&t);
	l->told = l->got;
	l->ack_now = false;
	step = step < AGAIN_MIN_MS ? AGAIN_MIN_MS : step;
	l->again_step = step < l->rules->tti_ms ? l->rules->tti_ms : step;
	l->again_ms = now + l->again_step;
}

/* --- the reader --------------------------------------------------------------------- */

static void took_one(struct kcp_link *l, struct kcp_in *in)
{
	l->peer_finished |= in->end;
	list_del(&in->node);
	l->ready_count--;
	l->read++;
	in_free(l, in);
}

/* The peer waits for a window that opened again: half of it is worth telling */
static void window_moved(struct kcp_link *l)
{
	uint32_t limit = l->read + l->rules->window;

	if (limit - l->told_limit >= l->rules->window / 2)
		l->ack_now = true;
}

/* How it ended, when nothing is left to read; -EAGAIN: it did not */
static ssize_t read_end(const struct kcp_link *l)
{
	if (l->err)
		return l->err;
	if (l->peer_finished)
		return 0;
	if (l->state != KCP_PEER_ENDING && l->state != KCP_OVER &&
	    l->state != KCP_ENDING)
		return -EAGAIN;
	return l->ahead_count ? -ECONNRESET : 0;
}

ssize_t kcp_link_read(struct kcp_link *l, const struct iovec *iov, int cnt)
{
	size_t done = 0;
	ssize_t end;

	for (int i = 0; i < cnt; i++) {
		uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left && !list_empty(&l->ready)) {
			struct kcp_in *in = in_of(l->ready.next);
			size_t n = (size_t)(in->len - in->off);

			n = n < left ? n : left;
			if (n)
				memcpy(p, in->data + in->off, n);
			in->off = (uint16_t)(in->off + n);
			p += n;
			left -= n;
			done += n;
			if (in->off == in->len)
				took_one(l, in);
		}
	}
	window_moved(l);
	if (done)
		return (ssize_t)done;
	end = read_end(l);
	l->end_read = l->end_read || !end;
	return end;
}

bool kcp_link_readable(const struct kcp_link *l)
{
	ssize_t end = read_end(l);

	return !list_empty(&l->ready) || (end < 0 && end != -EAGAIN) ||
	       (!end && !l->end_read);
}

void kcp_recv_drop(struct kcp_link *l)
{
	while (!list_empty(&l->ready)) {
		struct kcp_in *in = in_of(l->ready.next);

		list_del(&in->node);
		in_free(l, in);
	}
	for (uint32_t i = 0; l->ahead && i <= l->ahead_mask; i++)
		if (l->ahead[i])
			in_free(l, l->ahead[i]);
	free(l->ahead);
	l->ahead = NULL;
	l->ready_count = l->ahead_count = 0;
}
