/*
 * guard.c - Segments that a blind sender may have made
 *
 * A reset or SYN beside the edge of the window, an acknowledgement of bytes never
 * sent, an empty segment outside the window: each is answered by an
 * acknowledgement, so that a client that is really lost can prove it, and goes no
 * further. A flow gives two of these answers a second: a limit shared by flows
 * would tell a third party of other flows' traffic (CVE-2016-5696). SYNs have a
 * limit of their own: a client that uses the ports of a forgotten flow again gets
 * through by the answer, in 16 ms instead of one or two seconds.
 * Source: RFC 9293 3.10.7.4; RFC 5961 3.2, 4.2, 5.2, 7
 */
#include "gateway/base/compat.h"
#include "lwip/prot/tcp.h"
#include "netstack/lw/lw_in.h"

#define CHALLENGE_MS 500

/* Both edges count: a client that has filled the window acknowledges from there */
static bool in_window(const struct tcp_pcb *pcb, uint32_t seq)
{
	return TCP_SEQ_GEQ(seq, pcb->rcv_nxt) &&
	       TCP_SEQ_LEQ(seq, pcb->rcv_nxt + pcb->rcv_wnd);
}

/*
 * Acknowledging bytes never sent (lwIP would take the data with it), or so old
 * that it can only be a guess
 */
static bool ack_is_guess(const struct tcp_pcb *pcb, uint32_t ack)
{
	return TCP_SEQ_GT(ack, pcb->snd_nxt) ||
	       TCP_SEQ_LT(ack, pcb->lastack - pcb->snd_wnd_max);
}

enum verdict { PASS, CHALLENGE, DROP };

static enum verdict judge(const struct tcp_pcb *pcb, const uint8_t *tcp,
			  uint32_t payload)
{
	uint32_t seq = get_be32(tcp + 4);
	uint8_t flags = tcp[13];

	if (pcb->state == SYN_SENT) /* lwIP looks at what is acknowledged */
		return PASS;
	if (flags & TCP_RST) {
		if (seq == pcb->rcv_nxt)
			return PASS;
		return in_window(pcb, seq) ? CHALLENGE : DROP;
	}
	if (pcb->state < ESTABLISHED)
		return PASS;
	if (flags & TCP_SYN || ack_is_guess(pcb, get_be32(tcp + 8)))
		return CHALLENGE;
	if (!payload && !(flags & TCP_FIN) && !in_window(pcb, seq))
		return CHALLENGE;
	return PASS;
}

bool guard_stops(struct flow *f, const uint8_t *tcp, uint32_t payload)
{
	struct tcp_pcb *pcb = f->pcb;
	unsigned int kind;

	switch (judge(pcb, tcp, payload)) {
	case PASS:
		return false;
	case DROP:
		return true;
	case CHALLENGE:
		break;
	}
	kind = tcp[13] & TCP_SYN ? 1 : 0;
	if (f->challenged & 1 << kind &&
	    lw_now() - f->challenge_ms[kind] < CHALLENGE_MS) {
		worker_drop(lw_self->conf.worker, DROP_TCP_CHALLENGE);
		return true;
	}
	f->challenged |= (uint8_t)(1 << kind);
	f->challenge_ms[kind] = lw_now();
	tcp_ack_now(pcb);
	tcp_output(pcb);
	return true;
}
