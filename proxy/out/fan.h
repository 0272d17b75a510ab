/* fan.h - Datagrams of one client through streams: one, or one a destination */
#ifndef PROXY_OUT_FAN_H
#define PROXY_OUT_FAN_H

#include "gateway/core/outbound.h"
#include "gateway/core/transport.h"
#include "proxy/layer/tube.h"
#include "proxy/out/server.h"

#define FAN_TUBES 64 /* of one leg; the one not used for longest is closed */

/**
 * struct fan_ops - A protocol's datagrams
 * @per_peer:	Packets carry no address: each destination has a stream
 * @dial:	A stream that asks for datagrams to @peer. 0 with *@out, -errno
 */
struct fan_ops {
	const struct tube_ops *tube;
	bool per_peer;
	int (*dial)(const struct dial *d, const struct addr *peer,
		    struct stream **out);
};

/* outbound_ops.open_dgram; ob->settings starts with struct server_conf */
int fan_open(const struct fan_ops *ops, const struct outbound *ob,
	     struct udp_map *m, struct session *s, struct dgram **out);

#endif
