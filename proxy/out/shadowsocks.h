/* shadowsocks.h - Shared by the stream and the datagram side of the client */
#ifndef PROXY_OUT_SHADOWSOCKS_H
#define PROXY_OUT_SHADOWSOCKS_H

#include "proxy/layer/ss_stream.h"
#include "proxy/out/server.h"

struct ss_conf {
	struct server_conf server; /* must be first */
	struct ss_secret_key key;
};

/* The datagram end of outbound_ops */
int ss_open_dgram(const struct outbound *ob, struct udp_map *m,
		  struct session *s, struct dgram **out);

#endif
