/* in.h - Every kind of inbound, for the registry */
#ifndef PROXY_IN_IN_H
#define PROXY_IN_IN_H

#include "gateway/core/inbound.h"

extern const struct inbound_ops in_tun;
extern const struct inbound_ops in_dokodemo; /* dokodemo-door, tunnel */
extern const struct inbound_ops in_socks; /* socks, mixed */
extern const struct inbound_ops in_http;
extern const struct inbound_ops in_shadowsocks;
extern const struct inbound_ops in_trojan;
extern const struct inbound_ops in_vless;
extern const struct inbound_ops in_vmess;
extern const struct inbound_ops in_wireguard;

#endif
