/* udp_raw.h - A datagram from an address and port that somebody else holds */
#ifndef PROXY_IN_UDP_RAW_H
#define PROXY_IN_UDP_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

struct sockopt;

#define UDP_RAW_HEAD 48 /* IPv6 and UDP; IPv6 and a fragment header */

/**
 * struct udp_piece - A fragment
 * @off:	Of the UDP header and payload; a multiple of 8
 * @len:	Bytes of them in this piece
 * @id:		The same in all pieces of a datagram, not 0
 */
struct udp_piece {
	size_t off, len;
	uint32_t id;
	bool more;
};

/*
 * IP and UDP header of a datagram. @src and @dst are of one kind. Bytes
 * written to @out (UDP_RAW_HEAD), or -EMSGSIZE
 */
int udp_raw_head(const struct addr *src, const struct addr *dst,
		 const uint8_t *data, size_t len, uint8_t *out);
/* IP header of a fragment. Bytes written to @out (UDP_RAW_HEAD) */
size_t udp_raw_piece(const struct addr *src, const struct addr *dst,
		     const struct udp_piece *p, uint8_t *out);
/**
 * udp_raw_send() - Send it, in fragments where the way to @dst is narrow
 * @fd:		Of sock_open_local() with @so, SOCK_RAW
 * @data:	At most 65,507 bytes
 *
 * Return: 0 or -errno. Fragments are lost as one datagram: an error may come
 * after some of them are out
 */
int udp_raw_send(int fd, const struct sockopt *so, const struct addr *src,
		 const struct addr *dst, uint8_t *data, size_t len);

#endif
