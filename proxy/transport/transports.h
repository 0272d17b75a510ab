/* transports.h - Every kind of transport level, for the registry */
#ifndef PROXY_TRANSPORT_TRANSPORTS_H
#define PROXY_TRANSPORT_TRANSPORTS_H

#include "gateway/core/transport.h"

extern const struct transport_ops transport_raw_ops;
/* The bottom of other networks: raw without settings */
extern const struct transport_ops transport_tcp_ops;
/* The heads that raw's settings ask for, above a level that encrypts */
extern const struct transport_ops transport_raw_head_ops;
extern const struct transport_ops transport_tls_ops;
extern const struct transport_ops transport_reality_ops;
extern const struct transport_ops transport_ws_ops;
extern const struct transport_ops transport_httpupgrade_ops;
extern const struct transport_ops transport_grpc_ops;
extern const struct transport_ops transport_xhttp_ops;
extern const struct transport_ops transport_kcp_ops;
/* Of finalmask.tcp */
extern const struct transport_ops transport_fragment_ops;

/* acceptProxyProtocol of a level's settings: raw.c */
void parse_proxy_head(struct transport *t, struct jobj *o);
/* serverName of a REALITY level; NULL: none, or another kind of level */
const char *reality_server_name(const struct transport *t);

#endif
