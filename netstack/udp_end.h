/* udp_end.h - Between udp_end.c (ends) and udp_steer.c (whose worker it is) */
#ifndef NETSTACK_UDP_END_H
#define NETSTACK_UDP_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

struct netstack;
struct packet;
struct pkt;
struct udp_table;

/**
 * struct udp_in - What one frame brought
 * @hash:	Of @src; set by udp_input()
 * @segment:	Bytes of each datagram in it; 0: it is one
 */
struct udp_in {
	struct addr src, dst;
	uint32_t hash;
	const uint8_t *data;
	size_t len, segment;
};

/* 0 with the payload of @p, or -1: its length field lies */
int udp_payload(const struct packet *p, struct udp_in *in);
/* The header of @p's payload, with its sum; 8 bytes at @h */
void udp_header(uint8_t *h, const struct addr *src, const struct pkt *p,
		const struct addr *dst);
/* Queue it at its end, which is made if need be */
void udp_take(struct udp_table *t, const struct udp_in *in);
struct netstack *udp_table_netstack(const struct udp_table *t);
/* The next table of the same worker */
struct udp_table **udp_table_next(struct udp_table *t);

/* true: it belongs to another worker and was handed over (or dropped) */
bool udp_steer(struct netstack *ns, const struct udp_in *in);
/* @t may be found by other workers from now on; no more */
void udp_steer_add(struct udp_table *t);
void udp_steer_del(struct udp_table *t);

#endif
