/* mux.h - Mux.cool and XUDP: many sessions on one connection */
#ifndef PROXY_MUX_MUX_H
#define PROXY_MUX_MUX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/core/outbound.h"

#define MUX_CONCURRENCY     8 /* the default */
#define MUX_CONCURRENCY_MAX 1024

enum mux_udp443 { MUX443_REJECT, MUX443_ALLOW, MUX443_SKIP };

/**
 * struct mux_conf - The "mux" object of an outbound; ob->wrap_conf
 * @enabled:	Else only XUDP without mux (vless, vmess)
 * @concurrency:	Sessions on a connection at a time; below 0: no TCP mux
 * @xudp:	The same of UDP on connections of its own; 0: with TCP, below
 *		0: the protocol's own UDP
 * @solo:	UDP that is not muxed goes as XUDP, a connection a client port
 * @plain:	Learned: the server knows no XUDP, a session has one destination
 */
struct mux_conf {
	bool enabled, solo;
	int concurrency, xudp;
	enum mux_udp443 udp443;
	atomic_bool plain;
};

/* Around an outbound with a mux_conf */
extern const struct outbound_wrap mux_wrap;
/* Where sessions to v1.mux.cool go: their stream is taken apart */
extern const struct outbound mux_server;
/* Of outbounds without a server: clients come for their sessions */
extern const struct outbound_ops mux_portal;

#endif
