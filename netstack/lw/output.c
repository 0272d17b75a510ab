/*
 * output.c - lwIP's segments become TUN frames
 *
 * A segment leaves as the chain lwIP holds, without flattening. With a virtio
 * header the device makes the TCP sum and cuts super-segments at the client's
 * MSS; without one the sum is made here and lwIP's segments are MSS-sized.
 * Source: virtio 1.2, 5.1.6.2 (csum field: sum of the pseudo header, not
 * complemented); RFC 9293, 3.1.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "lwip/inet_chksum.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "netstack/lw/lw_in.h"

enum { FRAME_IOV = 128, FLAT_BYTES = 65536, CSUM_OFFSET = 16, PSEUDO_TCP = 6 };

/* Offsets in a frame made here or by lwIP: no IP options, no extensions */
static uint32_t pseudo_sum(const uint8_t *ip, bool v6, uint32_t l4_len)
{
	uint32_t sum = v6 ? csum_add(0, ip + 8, 32) : csum_add(0, ip + 12, 8);

	return sum + PSEUDO_TCP + l4_len;
}

/* Sum of the pieces behind the IP header; a piece may start at an odd place */
static uint32_t iov_sum(uint32_t sum, const struct iovec *iov, int cnt,
			size_t skip)
{
	bool odd = false;
	int i;

	for (i = 0; i < cnt; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t n = iov[i].iov_len, s = skip < n ? skip : n;
		uint32_t part = csum_add(0, p + s, n - s);

		part = (part & 0xffff) + (part >> 16);
		part = (part & 0xffff) + (part >> 16);
		sum += odd ? (part >> 8 | (part & 0xff) << 8) : part;
		odd ^= (n - s) & 1;
		skip -= s;
	}
	return sum;
}

/* Packets that the device makes of @payload bytes */
static uint32_t packets(const struct vnet *vnet, uint32_t payload)
{
	if (vnet->gso == GSO_NONE)
		return 1;
	return (payload + vnet->gso_size - 1) / vnet->gso_size;
}

/*
 * Nobody here sees the ICMP error of a smaller link behind the TUN: it may cut a
 * packet further. So each one has an id of its own (RFC 6864, 4.1), those that the
 * device makes of a super-segment too: it counts on from the one given here
 */
static void ip4_id(struct lw *lw, uint8_t *ip, uint32_t count)
{
	put_be16(ip + 4, lw->ip_id);
	lw->ip_id = (uint16_t)(lw->ip_id + count);
	put_be16(ip + 10, 0);
	put_be16(ip + 10, csum_fold(csum_add(0, ip, 20)));
}

/* @iov[0] holds the IP and TCP headers at least; sum and send */
static void frame_send(struct lw *lw, const struct flow *f,
		       const struct iovec *iov, int cnt, uint32_t total)
{
	uint8_t *ip = iov[0].iov_base;
	bool v6 = ip[0] >> 4 == 6;
	uint16_t ip_len = v6 ? 40 : (uint16_t)((ip[0] & 15) * 4);
	uint8_t *tcp = ip + ip_len;
	uint16_t hdr_len = (uint16_t)(ip_len + (tcp[12] >> 4) * 4);
	struct vnet vnet = { 0 };
	uint32_t sum = pseudo_sum(ip, v6, total - ip_len);

	put_be16(tcp + CSUM_OFFSET, 0);
	if (!lw->conf.super) {
		sum = iov_sum(sum, iov, cnt, ip_len);
		put_be16(tcp + CSUM_OFFSET, csum_fold(sum));
	} else {
		put_be16(tcp + CSUM_OFFSET, (uint16_t)~csum_fold(sum));
		vnet.csum_partial = true;
		vnet.csum_start = ip_len;
		vnet.csum_offset = CSUM_OFFSET;
		if (f && f->rmss && total - hdr_len > f->rmss) {
			vnet.gso = v6 ? GSO_TCP6 : GSO_TCP4;
			vnet.gso_size = f->rmss;
			vnet.hdr_len = hdr_len;
		}
	}
	if (!v6)
		ip4_id(lw, ip, packets(&vnet, total - hdr_len));
	/* A refused frame is a lost frame: TCP will repeat it */
	lw->conf.send(lw->conf.arg, &vnet, iov, cnt);
}

/* Too many pieces for one writev: copy them together */
static int flatten(struct lw *lw, const struct pbuf *p, struct iovec *iov)
{
	if (!lw->flat)
		lw->flat = malloc(FLAT_BYTES);
	if (!lw->flat)
		return 0;
	iov->iov_base = lw->flat;
	iov->iov_len = pbuf_copy_partial(p, lw->flat, p->tot_len, 0);
	return 1;
}

/*
 * When lwIP 2.2.1 splits a segment that carries FIN, the flag stays on the first
 * part too (tcp_split_unsent_seg() can only add flags): the client would take a
 * part for the whole. FIN belongs to the last byte sent so far and no other.
 */
static void fix_split_fin(const struct tcp_pcb *pcb, struct pbuf *p)
{
	uint8_t *ip = p->payload;
	uint32_t ip_len = ip[0] >> 4 == 6 ? 40 : (ip[0] & 15u) * 4;
	struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)(ip + ip_len);
	uint32_t len = p->tot_len - ip_len - TCPH_HDRLEN_BYTES(tcp);

	if (len && TCPH_FLAGS(tcp) & TCP_FIN &&
	    lwip_ntohl(tcp->seqno) + len != pcb->snd_lbb)
		TCPH_UNSET_FLAG(tcp, TCP_FIN);
}

static err_t pbuf_send(struct netif *nif, struct pbuf *p)
{
	struct lw *lw = nif->state;
	struct flow *f = NULL;
	struct iovec iov[FRAME_IOV];
	const struct pbuf *q;
	int n = 0;

	if (lw->reviving) /* the client has this answer already */
		return ERR_OK;
	if (nif->hints) {
		struct tcp_pcb *pcb =
			container_of(nif->hints, struct tcp_pcb, netif_hints);

		f = flow_of(pcb);
		if (f) { /* every segment acknowledges */
			f->ack_due = false;
			list_del(&f->ack);
		}
		fix_split_fin(pcb, p);
	}
	for (q = p; q && n < FRAME_IOV; q = q->next) {
		if (!q->len)
			continue;
		iov[n].iov_base = q->payload;
		iov[n++].iov_len = q->len;
	}
	if (q)
		n = flatten(lw, p, iov);
	if (n)
		frame_send(lw, f, iov, n, p->tot_len);
	return ERR_OK;
}

static err_t output4(struct netif *nif, struct pbuf *p, const ip4_addr_t *to)
{
	LWIP_UNUSED_ARG(to);
	return pbuf_send(nif, p);
}

static err_t output6(struct netif *nif, struct pbuf *p, const ip6_addr_t *to)
{
	LWIP_UNUSED_ARG(to);
	return pbuf_send(nif, p);
}

err_t output_init(struct netif *nif)
{
	const struct lw *lw = nif->state;

	nif->output = output4;
	nif->output_ip6 = output6;
	nif->mtu = lw->conf.mtu;
	nif->name[0] = 't';
	nif->name[1] = 'n';
	return ERR_OK;
}

/* IP header before @l4_len bytes, without id and sum; its length */
static uint32_t ip_header(uint8_t *h, const struct addr *from,
			  const struct addr *to, uint8_t ttl, uint32_t l4_len)
{
	uint32_t ip_len = from->kind == ADDR_V6 ? 40 : 20;

	memset(h, 0, ip_len);
	if (from->kind == ADDR_V6) {
		h[0] = 0x60;
		put_be16(h + 4, (uint16_t)l4_len);
		h[6] = IP_PROTO_TCP;
		h[7] = ttl;
		memcpy(h + 8, from->ip, 16);
		memcpy(h + 24, to->ip, 16);
		return ip_len;
	}
	h[0] = 0x45;
	put_be16(h + 2, (uint16_t)(20 + l4_len));
	h[8] = ttl;
	h[9] = IP_PROTO_TCP;
	memcpy(h + 12, from->ip, 4);
	memcpy(h + 16, to->ip, 4);
	return ip_len;
}

void output_bare(struct lw *lw, uint8_t *head, const struct addr *from,
		 const struct addr *to, uint32_t len)
{
	struct iovec iov = { .iov_base = head };

	iov.iov_len = ip_header(head, from, to, TCP_TTL, len) + len;
	frame_send(lw, NULL, &iov, 1, (uint32_t)iov.iov_len);
}

/* Headers of a segment sent again from here; returns their length */
static uint32_t make_headers(const struct tcp_pcb *pcb, uint32_t seq,
			     uint32_t len, uint8_t *h)
{
	struct addr from = lw_addr(&pcb->local_ip, pcb->local_port);
	struct addr to = lw_addr(&pcb->remote_ip, pcb->remote_port);
	uint32_t ip_len = ip_header(h, &from, &to, pcb->ttl, 20 + len);
	uint8_t *t = h + ip_len;

	memset(t, 0, 20);
	put_be16(t, pcb->local_port);
	put_be16(t + 2, pcb->remote_port);
	put_be32(t + 4, seq);
	put_be32(t + 8, pcb->rcv_nxt);
	t[12] = 5 << 4;
	t[13] = TCP_ACK | TCP_PSH;
	put_be16(t + 14, TCPWND_MIN16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd)));
	return ip_len + 20;
}

/* The @len payload bytes of @g from offset @skip; pieces used, or -1 */
static int seg_pieces(const struct tcp_seg *g, uint32_t skip, uint32_t len,
		      struct iovec *iov, int max)
{
	/* callers' loops test it */
	/* cppcheck-suppress [nullPointerRedundantCheck,ctunullpointer] */
	const struct pbuf *p = g->p;
	int n = 0;

	/* lwIP has put headers before the payload: tot_len - len of them */
	/* cppcheck-suppress [nullPointerRedundantCheck,ctunullpointer] */
	skip += (uint32_t)(p->tot_len - g->len);
	for (; p && len; p = p->next) {
		uint32_t take = p->len > skip ? p->len - skip : 0;

		if (!take) {
			skip -= p->len;
			continue;
		}
		if (n == max)
			return -1;
		take = take < len ? take : len;
		iov[n].iov_base = (uint8_t *)p->payload + skip;
		iov[n++].iov_len = take;
		skip = 0;
		len -= take;
	}
	return len ? -1 : n;
}

void output_again(struct flow *f, uint32_t seq, uint32_t len)
{
	struct tcp_pcb *pcb = f->pcb;
	uint32_t end = seq + len, limit = f->rmss;
	struct iovec iov[FRAME_IOV];
	struct tcp_seg *g;
	uint32_t head[15]; /* 40 + 20 bytes, aligned */
	int n;

	if (lw_self->conf.super)
		limit = LW_SUPER_BYTES;
	for (g = pcb->unacked; g && TCP_SEQ_LT(seq, end);) {
		uint32_t from = lwip_ntohl(g->tcphdr->seqno), part;

		if (TCP_SEQ_LEQ(from + g->len, seq)) {
			g = g->next;
			continue;
		}
		if (TCP_SEQ_GT(from, seq))
			return;
		if (TCP_SEQ_GT(from + g->len, end))
			part = end - seq;
		else
			part = from + g->len - seq;
		part = part < limit ? part : limit;
		iov[0].iov_base = head;
		iov[0].iov_len = make_headers(pcb, seq, part, (uint8_t *)head);
		n = seg_pieces(g, seq - from, part, iov + 1, FRAME_IOV - 1);
		if (n < 0)
			return; /* left to the retransmission timer */
		frame_send(lw_self, f, iov, n + 1,
			   (uint32_t)iov[0].iov_len + part);
		seq += part;
	}
}
