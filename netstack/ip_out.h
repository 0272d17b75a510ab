/* ip_out.h - IP packets that culvert builds itself: UDP, ICMP, fragments */
#ifndef NETSTACK_IP_OUT_H
#define NETSTACK_IP_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/addr.h"

struct netstack;
struct vnet;

#define IP4_HEADER   20
#define IP6_HEADER   40
#define IP6_FRAGMENT 8
#define IP_OUT_IOV   66 /* pieces of one L4 message */

/* A message of @l4_len bytes leaves in one packet */
bool ip_fits(const struct netstack *ns, bool v6, size_t l4_len);

/**
 * struct ip_msg - An L4 message to be sent
 * @src, @dst:	Of one family
 * @l4, @cnt:	Its pieces, L4 header first
 * @proto:	IPPROTO_UDP ...
 */
struct ip_msg {
	const struct addr *src, *dst;
	const struct iovec *l4;
	int cnt;
	uint8_t proto;
};

/**
 * ip_send() - Put an IP header in front of an L4 message and write it
 * @offload:	What the device shall do (ns->vnet_hdr only): gso, or the checksum
 *		of a message that ip_fits(); csum_start is relative to the L4
 *		header. NULL: the checksum is complete
 *
 * Without @offload, what does not fit the MTU leaves in fragments.
 *
 * Return: 0 or -errno (treat as loss)
 */
int ip_send(struct netstack *ns, const struct ip_msg *msg,
	    const struct vnet *offload);

#endif
