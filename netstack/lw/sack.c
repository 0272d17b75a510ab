/*
 * sack.c - Loss recovery towards the client by the SACK blocks lwIP ignores
 *
 *   ack        r0.lo    r0.hi      r1.lo    r1.hi        snd_nxt
 *    |--hole----|========|---hole---|========|--under way---|
 *               received            received
 *
 * A hole counts as lost when more than three segments were received above it, or
 * when all that was sent above it was received. It is sent again from lwIP's own
 * unacked list, exactly, and the window is cut once a round. Until the end of
 * the round what was received does not count as under way. lwIP's own fast
 * retransmit, which repeats a whole super-segment, is kept quiet; its timer stays
 * as the last resort.
 * Source: RFC 2018, 6675 (recovery, pipe), 5827 (early retransmit), 9438 (0.7),
 * 4821 7.7 (black holes).
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "netstack/lw/lw_in.h"

enum {
	RANGES = 32,
	DUP_SEGMENTS = 3,
	ROUND_BYTES = 65536, /* sent again for one acknowledgement */
	AGAIN_MS = 30, /* a resend without progress was lost as well */
	TRIES_MAX = 6,
	NARROW_TRIES = 2, /* timeouts; one, before so many bytes arrived: */
	NARROW_EARLY = 16384,
	NARROW_MS = 600000,
	OPTION_SACK = 5
};

struct range {
	uint32_t lo, hi;
};

/**
 * struct sack - Scoreboard of one flow
 * @r:		What the client has received above its ACK; sorted, disjoint
 * @recover:	snd_nxt when the round began: the round ends behind it
 * @resent:	Holes below this have been sent again
 * @tries:	Resends by the tick since the last progress
 * @timed_out:	Made in the recovery that follows lwIP's timeout
 */
struct sack {
	struct range r[RANGES];
	unsigned int n;
	uint32_t recover, resent, resent_ms;
	uint8_t tries;
	bool recovering, timed_out;
};

void sack_free(struct flow *f)
{
	free(f->sack);
	f->sack = NULL;
}

/* Merge [lo, hi) into the board; a full board forgets the new one */
static void board_add(struct sack *s, uint32_t lo, uint32_t hi)
{
	unsigned int i, k = 0;

	for (i = 0; i < s->n; i++) {
		struct range r = s->r[i];

		if (TCP_SEQ_LT(r.hi, lo) || TCP_SEQ_LT(hi, r.lo)) {
			s->r[k++] = r;
			continue;
		}
		lo = TCP_SEQ_LT(r.lo, lo) ? r.lo : lo;
		hi = TCP_SEQ_LT(hi, r.hi) ? r.hi : hi;
	}
	s->n = k;
	if (s->n == RANGES)
		return;
	while (k > 0 && TCP_SEQ_LT(lo, s->r[k - 1].lo)) {
		s->r[k] = s->r[k - 1];
		k--;
	}
	s->r[k] = (struct range){ lo, hi };
	s->n++;
}

/* Forget what the cumulative acknowledgement covers */
static void board_trim(struct sack *s, uint32_t ack)
{
	unsigned int i, k = 0;

	for (i = 0; i < s->n; i++) {
		if (!TCP_SEQ_LT(ack, s->r[i].hi))
			continue;
		s->r[k] = s->r[i];
		if (TCP_SEQ_LT(s->r[k].lo, ack))
			s->r[k].lo = ack;
		k++;
	}
	s->n = k;
}

/* packet_parse() has checked that every option ends inside the header */
static void board_read(struct sack *s, const struct tcp_pcb *pcb,
		       const uint8_t *o, size_t n, uint32_t ack)
{
	size_t i, size;

	for (; n && o[0] != 0; o += size, n -= size) {
		size = o[0] == 1 ? 1 : o[1];
		if (o[0] != OPTION_SACK)
			continue;
		for (i = 2; i + 8 <= size; i += 8) {
			uint32_t lo = get_be32(o + i), hi = get_be32(o + i + 4);

			/* blocks below the ACK report duplicates (RFC 2883) */
			if (TCP_SEQ_LT(lo, hi) && TCP_SEQ_GT(lo, ack) &&
			    TCP_SEQ_LEQ(hi, pcb->snd_nxt))
				board_add(s, lo, hi);
		}
	}
}

static bool is_lost(const struct flow *f, uint32_t from, uint32_t top)
{
	return top - from > DUP_SEGMENTS * (uint32_t)f->rmss ||
	       (top == f->pcb->snd_nxt && !f->pcb->unsent);
}

static uint32_t received_bytes(const struct sack *s)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < s->n; i++)
		sum += s->r[i].hi - s->r[i].lo;
	return sum;
}

static void round_begin(struct flow *f, uint32_t ack)
{
	struct tcp_pcb *pcb = f->pcb;
	uint32_t floor = 2u * f->rmss + pcb->mss, cut;

	cut = (uint32_t)((uint64_t)pcb->cwnd * 7 / 10);
	pcb->ssthresh = cut > floor ? cut : floor;
	f->sack->recovering = true;
	f->sack->recover = pcb->snd_nxt;
	f->sack->resent = ack;
	lw_self->stats.recoveries++;
}

static void resend_holes(struct flow *f, uint32_t ack)
{
	struct sack *s = f->sack;
	uint32_t top = s->r[s->n - 1].hi, budget = ROUND_BYTES;
	uint32_t from = TCP_SEQ_LT(s->resent, ack) ? ack : s->resent;

	for (unsigned int i = 0; i < s->n && budget; i++) {
		uint32_t end = s->r[i].lo, n;

		if (TCP_SEQ_LT(from, end) && is_lost(f, from, top)) {
			n = end - from < budget ? end - from : budget;
			output_again(f, from, n);
			lw_self->stats.hole_resends++;
			budget -= n;
			from += n;
			s->resent = from;
			s->resent_ms = lw_now();
			f->pcb->rtime = 0;
			if (TCP_SEQ_LT(from, end))
				return;
		}
		if (TCP_SEQ_LT(from, s->r[i].hi))
			from = s->r[i].hi;
	}
}

static uint32_t again_ms(const struct tcp_pcb *pcb)
{
	return AGAIN_MS +
	       (uint32_t)(pcb->sa > 0 ? pcb->sa >> 3 : 0) * LW_TICK_MS;
}

static void board_act(struct flow *f, uint32_t ack)
{
	struct tcp_pcb *pcb = f->pcb;
	struct sack *s = f->sack;

	if (s->recovering && TCP_SEQ_GEQ(ack, s->recover)) {
		s->recovering = false;
		pcb->cwnd = pcb->ssthresh;
	}
	if (ack != pcb->lastack)
		s->tries = 0;
	if (!s->n)
		return;
	pcb->dupacks = 0; /* lwIP repeats a whole segment after three */
	if (!s->recovering) {
		if (!is_lost(f, ack, s->r[s->n - 1].hi))
			return;
		round_begin(f, ack);
	} else if (ack == pcb->lastack && TCP_SEQ_LT(ack, s->resent) &&
		   lw_now() - s->resent_ms > again_ms(pcb)) {
		s->resent = ack;
	}
	pcb->cwnd = LWIP_MIN(pcb->ssthresh + received_bytes(s), TCP_SND_BUF);
	resend_holes(f, ack);
}

/*
 * Nothing comes that could tell of a lost resend: ask again from the slow tick,
 * well before lwIP's timeout, whose clock runs on; each time later
 */
void sack_tick(struct flow *f)
{
	struct tcp_pcb *pcb = f->pcb;
	struct sack *s = f->sack;
	s16_t rtime = pcb->rtime;

	if (!s->recovering || !s->n || !pcb->unacked ||
	    lw_now() - s->resent_ms <= again_ms(pcb) << s->tries)
		return;
	if (s->tries < TRIES_MAX)
		s->tries++;
	s->resent = pcb->lastack;
	resend_holes(f, pcb->lastack);
	pcb->rtime = rtime;
}

/*
 * Repeated and repeated, and nothing came: a link behind the TUN may take less than
 * the client's own does, whose ICMP error goes to the address we speak for, not to
 * us. The device cuts smaller from now on. Packets of IPv4 are cut on their way
 */
void flow_narrow(struct flow *f)
{
	const struct tcp_pcb *pcb = f->pcb;
	const struct tcp_seg *g = pcb->unacked;
	bool early = f->tx_freed < NARROW_EARLY;

	if (pcb->nrtx < (early ? 1 : NARROW_TRIES) || f->rmss <= LW_MSS_SURE ||
	    !lw_self->conf.super || !IP_IS_V6(&pcb->remote_ip) || !g ||
	    g->len <= LW_MSS_SURE)
		return;
	f->rmss = LW_MSS_SURE;
	f->narrow = early;
	output_again(f, lwip_ntohl(g->tcphdr->seqno), g->len);
}

void narrow_arrived(struct flow *f)
{
	f->narrow = false;
	lw_self->narrow[f->source / 8] |= (uint8_t)(1 << f->source % 8);
	lw_self->narrow_ms = lw_now();
}

uint16_t narrow_mss(const struct flow *f)
{
	struct lw *lw = lw_self;

	if (!(lw->narrow[f->source / 8] & 1 << f->source % 8))
		return f->rmss;
	if (lw_now() - lw->narrow_ms > NARROW_MS) {
		memset(lw->narrow, 0, sizeof(lw->narrow));
		return f->rmss;
	}
	return f->rmss < LW_MSS_SURE ? f->rmss : LW_MSS_SURE;
}

/*
 * After a timeout lwIP sends everything again, one super-segment first. What it
 * loses of that is found by SACK as before, or each further loss would cost a
 * timeout of its own; the window was cut by lwIP.
 */
static void start_over(struct sack *s, const struct tcp_pcb *pcb, uint32_t ack)
{
	*s = (struct sack){ .recovering = true,
			    .recover = pcb->rto_end,
			    .resent = ack };
}

void sack_input(struct flow *f, const struct tcp_hdr *th)
{
	struct tcp_pcb *pcb = f->pcb;
	uint32_t ack = lwip_ntohl(th->ackno);
	size_t head = TCPH_HDRLEN_BYTES(th);

	if (pcb->state < ESTABLISHED || (head == TCP_HLEN && !f->sack))
		return;
	if (TCP_SEQ_LT(ack, pcb->lastack) || TCP_SEQ_GT(ack, pcb->snd_nxt))
		return;
	if (!pcb->unacked) {
		sack_free(f);
		return;
	}
	if (!f->sack) {
		f->sack = calloc(1, sizeof(*f->sack));
		if (!f->sack)
			return; /* the timer will do */
	}
	if (pcb->flags & TF_RTO && !f->sack->timed_out)
		start_over(f->sack, pcb, ack);
	f->sack->timed_out = pcb->flags & TF_RTO;
	board_read(f->sack, pcb, (const uint8_t *)(th + 1), head - TCP_HLEN,
		   ack);
	board_trim(f->sack, ack);
	board_act(f, ack);
	if (!f->sack->n && !f->sack->recovering)
		sack_free(f);
}
