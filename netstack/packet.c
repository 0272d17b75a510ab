/*
 * packet.c - The checks every frame from the TUN passes before anybody acts on it
 *
 *   frame -> IP header, lengths, header sum -> extension headers (v6)
 *         -> addresses -> fragment? stop here
 *         -> L4 header, lengths, TCP options and flags, L4 sum
 *
 * Pure: looks at bytes, changes none. Everything behind this file may trust
 * the header and option lengths.
 * Source: RFC 791, 8200 (4, 4.5), 6946 (atomic fragments), 5095 (routing header
 * type 0), 9293 (3.1), 768, 792, 4443; virtio 1.2 (5.1.6) for the sums.
 */
#include "netstack/packet.h"

#include <netinet/in.h>
#include <string.h>

#include "gateway/base/compat.h"

enum {
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	IP6_CHAIN_MAX = 8, /* extension headers, the limit of reliability.md */
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	ICMP_HEADER = 8
};

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_ACK = 16 };

uint32_t csum_add(uint32_t sum, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t acc = 0;
	uint32_t word;
	uint16_t half;

	/* any byte order: the sum of swapped words is the swapped sum */
	for (; n >= 4; b += 4, n -= 4) {
		memcpy(&word, b, 4);
		acc += word;
	}
	if (n >= 2) {
		memcpy(&half, b, 2);
		acc += half;
		b += 2;
		n -= 2;
	}
	if (n) {
		half = 0;
		memcpy(&half, b, 1);
		acc += half;
	}
	acc = (acc & 0xffffffff) + (acc >> 32);
	acc = (acc & 0xffffffff) + (acc >> 32);
	acc = (acc & 0xffff) + (acc >> 16);
	acc = (acc & 0xffff) + (acc >> 16);
	half = ntohs((uint16_t)acc);
	sum += half;
	return sum < half ? sum + 1 : sum;
}

uint16_t csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t csum_pseudo(const struct addr *src, const struct addr *dst,
		     uint8_t proto, uint32_t l4_len)
{
	size_t n = addr_ip_len(src);
	uint32_t sum = 0;

	sum = csum_add(sum, src->ip, n);
	sum = csum_add(sum, dst->ip, n);
	return sum + proto + (l4_len & 0xffff) + (l4_len >> 16);
}

static int drop_as(enum drop *why, enum drop reason)
{
	*why = reason;
	return -1;
}

static int parse_ip4(struct packet *p, enum drop *why)
{
	const uint8_t *h = p->data;
	uint32_t total;
	uint16_t off;

	if (p->len < IP4_HEADER)
		return drop_as(why, DROP_IP_SHORT);
	p->l4 = (uint16_t)((h[0] & 15) * 4);
	total = get_be16(h + 2);
	if (p->l4 < IP4_HEADER || total < p->l4 || total > p->len)
		return drop_as(why, DROP_IP_HEADER);
	if (csum_fold(csum_add(0, h, p->l4)))
		return drop_as(why, DROP_IP_CHECKSUM);
	p->len = total;
	p->proto = h[9];
	p->src = addr_v4(h + 12, 0);
	p->dst = addr_v4(h + 16, 0);
	off = get_be16(h + 6);
	p->frag_offset = (uint32_t)(off & 0x1fff) * 8;
	p->frag_more = off & 0x2000;
	p->frag = p->frag_offset || p->frag_more;
	p->frag_id = get_be16(h + 4);
	return 0;
}

/* One extension header at p->l4; *@next is its type, then the following one's */
static int parse_ip6_ext(struct packet *p, uint8_t *next)
{
	const uint8_t *h = p->data + p->l4;
	uint32_t left = p->len - p->l4, size;
	uint16_t off;

	if (left < 8)
		return -1;
	if (*next == IPPROTO_FRAGMENT) {
		off = get_be16(h + 2);
		p->frag_offset = off & 0xfff8u;
		p->frag_more = off & 1;
		p->frag = p->frag_offset || p->frag_more;
		p->frag_id = get_be32(h + 4);
		size = 8;
	} else {
		size = *next == IPPROTO_AH ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
	}
	/* type 0 with segments left bounces packets between hosts */
	if (size > left || (*next == IPPROTO_ROUTING && h[2] == 0 && h[3]))
		return -1;
	*next = h[0];
	p->l4 = (uint16_t)(p->l4 + size);
	return 0;
}

static bool is_ip6_ext(uint8_t next, unsigned int index)
{
	return (next == IPPROTO_HOPOPTS && index == 0) ||
	       next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH;
}

static int parse_ip6(struct packet *p, enum drop *why)
{
	const uint8_t *h = p->data;
	unsigned int n;
	uint8_t next;

	if (p->len < IP6_HEADER)
		return drop_as(why, DROP_IP_SHORT);
	if (get_be16(h + 4) + (uint32_t)IP6_HEADER > p->len)
		return drop_as(why, DROP_IP_HEADER);
	p->len = get_be16(h + 4) + (uint32_t)IP6_HEADER;
	p->src = addr_v6(h + 8, 0);
	p->dst = addr_v6(h + 24, 0);
	if (p->src.kind != ADDR_V6 || p->dst.kind != ADDR_V6)
		return drop_as(why, DROP_IP_MARTIAN); /* v4-mapped */
	next = h[6];
	p->l4 = IP6_HEADER;
	for (n = 0; !p->frag && is_ip6_ext(next, n); n++) {
		if (n == IP6_CHAIN_MAX || parse_ip6_ext(p, &next))
			return drop_as(why, DROP_IP6_CHAIN);
	}
	p->proto = next;
	return 0;
}

/* Every option's length byte must be there and end inside the header */
static bool tcp_options_ok(const uint8_t *o, size_t n)
{
	while (n && *o != 0) {
		size_t size = 1;

		if (*o != 1) {
			if (n < 2 || o[1] < 2 || o[1] > n)
				return false;
			size = o[1];
		}
		o += size;
		n -= size;
	}
	return true;
}

static bool tcp_flags_ok(uint8_t f)
{
	if (f & FLAG_SYN)
		return !(f & (FLAG_FIN | FLAG_RST));
	return f & (FLAG_ACK | FLAG_RST);
}

static int parse_tcp(struct packet *p, enum drop *why)
{
	const uint8_t *h = p->data + p->l4;
	uint32_t n = p->len - p->l4, size;

	if (n < TCP_HEADER)
		return drop_as(why, DROP_TCP_HEADER);
	size = (uint32_t)(h[12] >> 4) * 4;
	if (size < TCP_HEADER || size > n || !tcp_flags_ok(h[13]))
		return drop_as(why, DROP_TCP_HEADER);
	if (!tcp_options_ok(h + TCP_HEADER, size - TCP_HEADER))
		return drop_as(why, DROP_TCP_OPTIONS);
	p->src.port = get_be16(h);
	p->dst.port = get_be16(h + 2);
	if (!p->src.port || !p->dst.port)
		return drop_as(why, DROP_TCP_HEADER);
	return 0;
}

static int parse_udp(struct packet *p, enum drop *why)
{
	const uint8_t *h = p->data + p->l4;
	uint32_t n = p->len - p->l4;
	uint16_t size;

	if (n < UDP_HEADER)
		return drop_as(why, DROP_UDP_HEADER);
	size = get_be16(h + 4);
	p->src.port = get_be16(h);
	p->dst.port = get_be16(h + 2);
	if (size < UDP_HEADER || size > n || !p->src.port || !p->dst.port)
		return drop_as(why, DROP_UDP_HEADER);
	p->len = (uint32_t)p->l4 + size;
	return 0;
}

/* Verify the L4 sum unless the kernel did, or has yet to make it */
static int check_sum(const struct packet *p, enum drop reason, enum drop *why)
{
	uint32_t n = p->len - p->l4, sum = 0;

	if (p->vnet.csum_partial || p->vnet.csum_ok)
		return 0;
	if (p->proto == IPPROTO_UDP && !get_be16(p->data + p->l4 + 6))
		return p->v6 ? drop_as(why, reason) : 0;
	if (p->proto != IPPROTO_ICMP)
		sum = csum_pseudo(&p->src, &p->dst, p->proto, n);
	if (csum_fold(csum_add(sum, p->data + p->l4, n)))
		return drop_as(why, reason);
	return 0;
}

static int parse_l4(struct packet *p, enum drop *why)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		if (parse_tcp(p, why))
			return -1;
		return check_sum(p, DROP_TCP_CHECKSUM, why);
	case IPPROTO_UDP:
		if (parse_udp(p, why))
			return -1;
		return check_sum(p, DROP_UDP_CHECKSUM, why);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((p->proto == IPPROTO_ICMPV6) != p->v6)
			return drop_as(why, DROP_IP_PROTO);
		if (p->len - p->l4 < ICMP_HEADER)
			return drop_as(why, DROP_ICMP_HEADER);
		return check_sum(p, DROP_ICMP_HEADER, why);
	default:
		return drop_as(why, DROP_IP_PROTO);
	}
}

/* NOLINTNEXTLINE(readability-non-const-parameter): *@out may be written to */
int packet_parse(uint8_t *data, size_t len, const struct vnet *vnet,
		 struct packet *out, enum drop *why)
{
	struct packet p = { .data = data, .vnet = *vnet };

	if (len < 1)
		return drop_as(why, DROP_IP_SHORT);
	p.len = (uint32_t)(len > UINT32_MAX ? UINT32_MAX : len);
	p.v6 = data[0] >> 4 == 6;
	if (!p.v6 && data[0] >> 4 != 4)
		return drop_as(why, DROP_IP_VERSION);
	if (p.v6 ? parse_ip6(&p, why) : parse_ip4(&p, why))
		return -1;
	/* the last test is the "land" packet */
	if (addr_is_martian(&p.src) || addr_is_martian(&p.dst) ||
	    addr_eq_host(&p.src, &p.dst))
		return drop_as(why, DROP_IP_MARTIAN);
	if (!p.frag && parse_l4(&p, why))
		return -1;
	*out = p;
	return 0;
}
