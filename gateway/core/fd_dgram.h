/*
 * fd_dgram.h - A kernel UDP socket as a datagram end: recvmmsg, sendmmsg,
 * UDP_GRO and UDP_SEGMENT where the kernel has them
 */
#ifndef GATEWAY_CORE_FD_DGRAM_H
#define GATEWAY_CORE_FD_DGRAM_H

#include "gateway/core/dgram.h"

/*
 * Wrap an unconnected (or connected) socket; @fd is owned on success. @family: AF_INET6
 * sockets (v6only off) take IPv4 peers as v4-mapped. NULL: out of memory.
 * Only IP peers may be sent to; others are dropped and counted. ICMP errors
 * (ECONNREFUSED and the like) never end the socket.
 */
struct dgram *fd_dgram_new(struct worker *w, int fd, int family,
			   struct job *job);
/*
 * For a server on a wildcard address, whose answers must leave from the address
 * that was spoken to. Of a dgram of fd_dgram_new() only
 *
 * fd_dgram_want_own():	From now on that is asked for. 0 or -errno
 * fd_dgram_own():	Where packet @i of the last recv came to, port 0; kind
 *		NONE: nobody asked, or the kernel does not say
 * fd_dgram_send_from():	As send, from @own; kind NONE: the kernel's choice
 */
int fd_dgram_want_own(struct dgram *d);
struct addr fd_dgram_own(struct dgram *d, int i);
int fd_dgram_send_from(struct dgram *d, const struct addr *own,
		       const struct pkt *v, int n);
/* Free the worker's receive buffers; all its fd_dgrams have been closed */
void fd_dgram_worker_stop(struct worker *w);

#endif
