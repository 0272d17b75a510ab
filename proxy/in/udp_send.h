/* udp_send.h - Datagrams of one source to one client, in as few calls as can be */
#ifndef PROXY_IN_UDP_SEND_H
#define PROXY_IN_UDP_SEND_H

#include <sys/socket.h>

#include "gateway/core/dgram.h"

#define UDP_SEND_GSO_MAX 32000 /* bytes of a segment worth trying */

/**
 * struct udp_out - By which socket, and to whom
 * @to, @to_len:	The client, in the socket's family
 * @source:	Address to send from, of the client's kind; NULL: the socket's
 * @gso_max:	Biggest segment worth trying; lowered when the kernel refuses
 */
struct udp_out {
	int fd;
	const struct sockaddr_storage *to;
	socklen_t to_len;
	const struct addr *source;
	size_t *gso_max;
};

/* Send @v in order, whatever its peers say. How many the kernel took */
int udp_send_all(const struct udp_out *o, const struct pkt *v, int n);

#endif
