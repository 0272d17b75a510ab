/* udp_raw.h - A datagram from an address and port that somebody else holds */
#ifndef PROXY_IN_UDP_RAW_H
#define PROXY_IN_UDP_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define UDP_RAW_HEAD 48 /* IPv6 and UDP */

/*
 * IP and UDP header of a datagram. @src and @dst are of one kind. Bytes
 * written to @out (UDP_RAW_HEAD), or -EMSGSIZE
 */
int udp_raw_head(const struct addr *src, const struct addr *dst,
		 const uint8_t *data, size_t len, uint8_t *out);
/* Send it by @fd, of sock_open_raw(). 0 or -errno; -EMSGSIZE: above the MTU */
int udp_raw_send(int fd, const struct addr *src, const struct addr *dst,
		 uint8_t *data, size_t len);

#endif
