/* tun_conf.h - Settings of a "tun" inbound: parsed in proxy/in, used in netstack */
#ifndef GATEWAY_CORE_TUN_CONF_H
#define GATEWAY_CORE_TUN_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

#define TUN_GATEWAYS 8
#define TUN_ROUTES   256

/* An interface address: host bits are kept, unlike struct cidr */
struct tun_prefix {
	struct addr addr;
	uint8_t bits;
};

/**
 * struct tun_conf - One TUN device
 * @name:	NULL: the kernel's next free "culvert%d"
 * @gateway:	The interface's own addresses, despite Xray's name for them
 * @routes:	autoSystemRoutingTable: on-link routes in the main table
 * @outbounds_interface:	autoOutboundsInterface: NULL off, "auto", or a name
 * @fd:		Made by somebody else, and to be used; -1: none
 * @echo_local:	Answer ICMP echo for every address; else drop it
 */
struct tun_conf {
	const char *name;
	uint16_t mtu;
	struct tun_prefix gateway[TUN_GATEWAYS];
	unsigned int gateway_count;
	struct cidr *routes;
	unsigned int route_count;
	const char *outbounds_interface;
	int fd;
	bool echo_local;
};

#endif
