/* udp_in.h - Datagrams of a listening socket, an end for each client */
#ifndef PROXY_IN_UDP_IN_H
#define PROXY_IN_UDP_IN_H

#include <stdbool.h>

#include "gateway/core/inbound.h"

struct udp_in;

/*
 * Where a datagram shall go. @at: where it was received (a listener); *@dst:
 * in: its destination as the kernel tells it (kind NONE: unknown), out: the
 * session's. 0, or -errno: dropped
 */
typedef int (*udp_in_target)(const struct inbound *ib, struct worker *w,
			     const struct addr *at, const struct addr *client,
			     struct addr *dst);

/*
 * Open the datagram sockets of l->ib on l->worker. @exact: replies leave from
 * the address and port that answered (transparent sockets); else from where
 * the client sent to. 0 with *@out, or -errno
 */
int udp_in_start(struct listener *l, udp_in_target target, bool exact,
		 struct udp_in **out);
/* NULL is allowed. Its maps end */
void udp_in_stop(struct udp_in *u);

#endif
