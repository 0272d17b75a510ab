/* out.h - The kinds of outbound there are; the registry lists them */
#ifndef PROXY_OUT_OUT_H
#define PROXY_OUT_OUT_H

#include "gateway/core/outbound.h"

extern const struct outbound_ops out_freedom;
extern const struct outbound_ops out_blackhole;
extern const struct outbound_ops out_dns;
extern const struct outbound_ops out_loopback;
extern const struct outbound_ops out_socks;
extern const struct outbound_ops out_http;
extern const struct outbound_ops out_shadowsocks;
extern const struct outbound_ops out_trojan;
extern const struct outbound_ops out_vless;
extern const struct outbound_ops out_vmess;
extern const struct outbound_ops out_wireguard;

#endif
