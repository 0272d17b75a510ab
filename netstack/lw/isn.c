/*
 * isn.c - Our initial sequence numbers: secret ones, and ones that hold a handshake
 *
 * When too many handshakes are open, a SYN is answered without keeping anything:
 * what has to be remembered of it is in the number itself, and comes back in the
 * client's acknowledgement. Nobody's handshake is dropped for that.
 *
 *    31                        8   7     6   4   3   1   0
 *   | MAC of tuple, ISN, epoch | epoch | scale | MSS | SACK |
 *
 * A flow is then made by giving lwIP the SYN again, with its answer kept back.
 * Source: RFC 6528 (ISN), RFC 4987 3.6 (SYN cookies); docs/decisions/015
 */
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/siphash.h"
#include "lwip/prot/tcp.h"
#include "netstack/lw/hooks.h"
#include "netstack/lw/lw_in.h"

enum {
	EPOCH_SHIFT = 15, /* of milliseconds: 32.8 s */
	VALID_MS = 2 << EPOCH_SHIFT,
	OPT_MSS = 2,
	OPT_SCALE = 3,
	OPT_SACK_OK = 4,
	SYN_MAX = 32 /* header and options of a SYN made here */
};

/* What a cookie can tell: the greatest value not above the client's */
static const uint16_t mss_of[8] = {
	64, 536, 1200, 1360, 1440, 1460, 4000, 8900
};
static const uint8_t scale_of[8] = {
	0xff, 0, 2, 4, 6, 7, 8, 10
}; /* 0xff: none */

/* Input of the MAC; no padding */
struct mac_in {
	uint8_t client[16], dest[16];
	uint16_t client_port, dest_port;
	uint32_t isn, epoch, low;
};
_Static_assert(sizeof(struct mac_in) == 48, "padding would be hashed");

static uint32_t mac(const struct addr *client, const struct addr *dest,
		    uint32_t isn, uint32_t epoch, uint32_t low)
{
	struct mac_in in = { .client_port = client->port,
			     .dest_port = dest->port,
			     .isn = isn,
			     .epoch = epoch,
			     .low = low };

	memcpy(in.client, client->ip, addr_ip_len(client));
	memcpy(in.dest, dest->ip, addr_ip_len(dest));
	return (uint32_t)siphash(lw_self->conf.secret, &in, sizeof(in));
}

u32_t lw_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
	     u16_t remote_port)
{
	struct addr l = lw_addr(local, local_port);
	struct addr r = lw_addr(remote, remote_port);

	if (lw_self->reviving)
		return lw_self->revived_isn;
	/* 250 kHz: over an hour until a tuple's numbers come round again */
	return mac(&r, &l, 0, 0, 0x100) + (u32_t)(clock_us() >> 2);
}

/* --- a handshake in 32 bits ------------------------------------------------- */

/* The low byte of a cookie */
static uint32_t pack(const uint8_t *o, size_t n)
{
	uint32_t mss = 536, scale = 0xff, sack = 0, m = 0, w = 0;
	size_t size;

	/* packet_parse() has checked that every option ends inside the header */
	for (; n && o[0] != 0; o += size, n -= size) {
		size = o[0] == 1 ? 1 : o[1];
		if (o[0] == OPT_MSS && size == 4)
			mss = get_be16(o + 2);
		if (o[0] == OPT_SCALE && size == 3)
			scale = o[2];
		sack |= o[0] == OPT_SACK_OK;
	}
	while (m < 7 && mss_of[m + 1] <= mss)
		m++;
	while (scale != 0xff && w < 7 && scale_of[w + 1] <= scale)
		w++;
	return w << 4 | m << 1 | sack;
}

static uint32_t epoch_now(void)
{
	return lw_now() >> EPOCH_SHIFT;
}

static uint32_t cookie(const struct packet *p, uint32_t isn, uint32_t epoch,
		       uint32_t low)
{
	low |= (epoch & 1) << 7;
	return (mac(&p->src, &p->dst, isn, epoch, low) & ~0xffu) | low;
}

/* Options that say @low; their length, in whole words */
static uint32_t options(uint8_t *o, uint32_t low, uint32_t mss, uint32_t scale)
{
	uint32_t n = 4;

	o[0] = OPT_MSS;
	o[1] = 4;
	put_be16(o + 2, (uint16_t)mss);
	if (low & 1) {
		memcpy(o + n, (uint8_t[]){ 1, 1, OPT_SACK_OK, 2 }, 4);
		n += 4;
	}
	if (low >> 4 & 7) {
		memcpy(o + n, (uint8_t[]){ 1, OPT_SCALE, 3, (uint8_t)scale },
		       4);
		n += 4;
	}
	return n;
}

/* What both kinds of SYN made here have in common */
static void syn_header(uint8_t *t, const struct addr *from,
		       const struct addr *to, uint8_t flags, uint32_t len)
{
	put_be16(t, from->port);
	put_be16(t + 2, to->port);
	t[12] = (uint8_t)(len / 4 << 4);
	t[13] = flags;
	put_be16(t + 14, 0xffff);
}

void isn_answer(struct lw *lw, const struct packet *p)
{
	const uint8_t *tcp = p->data + p->l4;
	uint32_t isn = get_be32(tcp + 4), head[15 + 3] = { 0 }, len, ip_len;
	uint32_t low = pack(tcp + 20, (size_t)(tcp[12] >> 4) * 4 - 20);
	uint8_t *h = (uint8_t *)head, *t;

	if (tcp[13] & (TCP_RST | TCP_FIN))
		return;
	ip_len = p->v6 ? 40 : 20;
	t = h + ip_len;
	len = 20 +
	      options(t + 20, low, lw->conf.mtu - ip_len - 20, TCP_RCV_SCALE);
	syn_header(t, &p->dst, &p->src, TCP_SYN | TCP_ACK, len);
	put_be32(t + 4, cookie(p, isn, epoch_now(), low));
	put_be32(t + 8, isn + 1);
	output_bare(lw, h, &p->dst, &p->src, len);
	lw->cookie_ms = lw_now();
	lw->cookies = true;
	worker_event(lw->conf.worker, EVENT_TCP_COOKIE_SENT);
}

/* lwIP makes a flow of the SYN that @low remembers */
static void feed_syn(struct lw *lw, const struct packet *p, uint32_t low)
{
	uint32_t words[SYN_MAX / 4] = { 0 }, len;
	uint8_t *t = (uint8_t *)words;
	struct pbuf *q;

	len = 20 + options(t + 20, low, mss_of[low >> 1 & 7],
			   scale_of[low >> 4 & 7]);
	syn_header(t, &p->src, &p->dst, TCP_SYN, len);
	put_be32(t + 4, get_be32(p->data + p->l4 + 4) - 1);
	lw->bare.custom_free_function = lw_bare_free;
	q = pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &lw->bare, t,
				(u16_t)len);
	if (!q)
		return;
	lw->listener->local_port = p->dst.port;
	lw->revived_isn = get_be32(p->data + p->l4 + 8) - 1;
	lw->reviving = true; /* output.c keeps the answer back */
	tcp_input(q, &lw->netif);
	lw->reviving = false;
}

bool isn_revive(struct lw *lw, const struct packet *p)
{
	const uint8_t *tcp = p->data + p->l4;
	uint32_t isn = get_be32(tcp + 4) - 1, ours = get_be32(tcp + 8) - 1;
	uint32_t epoch = epoch_now();

	if (!lw->cookies ||
	    (tcp[13] & (TCP_ACK | TCP_RST | TCP_SYN)) != TCP_ACK)
		return false;
	if (lw_now() - lw->cookie_ms > VALID_MS) {
		lw->cookies = false;
		return false;
	}
	if ((epoch & 1) != (ours >> 7 & 1))
		epoch = (epoch - 1) & (UINT32_MAX >> EPOCH_SHIFT);
	if (cookie(p, isn, epoch, ours & 0x7f) != ours)
		return false;
	if (lw->stats.flows >= lw->conf.flow_max) {
		worker_drop(lw->conf.worker, DROP_TCP_LIMIT);
		return false;
	}
	worker_event(lw->conf.worker, EVENT_TCP_COOKIE_TAKEN);
	feed_syn(lw, p, ours & 0x7f);
	return true;
}
