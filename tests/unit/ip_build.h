/* ip_build.h - Packets for the netstack's tests, and what tun_send() was given */
#ifndef TESTS_UNIT_IP_BUILD_H
#define TESTS_UNIT_IP_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "netstack/packet.h"

#define BUILD_MAX 66000

/**
 * struct build - Header fields of one packet
 * @ip_id, @offset, @more:	A fragment when @offset or @more is set
 */
struct build {
	struct addr src, dst;
	uint8_t proto;
	uint32_t ip_id, offset;
	bool more;
};

/* IP header and @l4 behind it; returns the packet's length */
size_t build_ip(uint8_t *out, const struct build *b, const void *l4, size_t n);
/* UDP header with a good checksum, payload behind; returns its length */
size_t build_udp(uint8_t *out, const struct addr *src, const struct addr *dst,
		 const void *data, size_t n);
/* Parse what must be good */
struct packet build_parse(uint8_t *p, size_t n);
struct addr build_addr(const char *ip, uint16_t port);

#endif
