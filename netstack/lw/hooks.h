/* hooks.h - What lwIP calls of us by name */
#ifndef NETSTACK_LW_HOOKS_H
#define NETSTACK_LW_HOOKS_H

#include "lwip/ip_addr.h"

/* Initial sequence number: keyed hash of the tuple plus a clock (RFC 6528) */
u32_t lw_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
	     u16_t remote_port);

#endif
