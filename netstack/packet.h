/*
 * packet.h - One checked IP packet from the TUN, and the parser that checks it
 *
 * The parser is pure: it looks at (pointer, length) and a vnet header, never
 * changes bytes, and says by a drop reason why a packet is refused.
 */
#ifndef NETSTACK_PACKET_H
#define NETSTACK_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/core/stats.h"

enum { GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP };

/**
 * struct vnet - What the virtio-net header of a TUN frame says (host order)
 * @gso:	GSO_*; @gso_size: payload bytes of each segment
 * @csum_partial:	The L4 checksum field holds the pseudo-header sum only
 * @csum_ok:		The kernel vouches for the checksum
 * @csum_start, @csum_offset:	Out: where the kernel shall put the sum
 */
struct vnet {
	uint8_t gso;
	bool csum_partial, csum_ok;
	uint16_t gso_size, hdr_len, csum_start, csum_offset;
};

/**
 * struct packet - A packet whose headers have been checked
 * @data:	IP header, 4-aligned, writable; @len: bytes of the whole packet
 * @l4:		Offset of the TCP/UDP/ICMP header (after all extension headers)
 * @proto:	IPPROTO_TCP, _UDP, _ICMP, _ICMPV6
 * @v6:		IPv6
 * @frag:	A fragment: @l4 is where its payload starts, ports are not set
 * @frag_offset:	Bytes; @frag_more: more follow; @frag_id: host order
 * @handed:	Came from another worker's queue
 * @src, @dst:	With ports for TCP and UDP
 */
struct packet {
	uint8_t *data;
	uint32_t len;
	uint16_t l4;
	uint8_t proto;
	bool v6, frag, frag_more, handed;
	uint32_t frag_offset, frag_id;
	struct addr src, dst;
	struct vnet vnet;
};

/**
 * packet_parse() - Check a frame down to the L4 header
 *
 * Checks version, lengths, IPv4 header checksum, extension chain (at most 8),
 * martians, L4 header lengths, TCP option list, and the L4 checksum unless the
 * kernel vouches for it (fragments: after reassembly). IP padding behind the
 * total length is cut off.
 *
 * Return: 0 with *@out, or -1 with *@why (enum drop)
 */
int packet_parse(uint8_t *data, size_t len, const struct vnet *vnet,
		 struct packet *out, enum drop *why);
/* Ones' complement sum of @n bytes added to @sum (host order, unfolded) */
uint32_t csum_add(uint32_t sum, const void *p, size_t n);
uint16_t csum_fold(uint32_t sum); /* complemented, host order */
/* Pseudo-header sum of @proto over @l4_len bytes */
uint32_t csum_pseudo(const struct addr *src, const struct addr *dst,
		     uint8_t proto, uint32_t l4_len);

#endif
