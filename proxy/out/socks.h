/* socks.h - Shared by the stream and the datagram side of the SOCKS5 client */
#ifndef PROXY_OUT_SOCKS_H
#define PROXY_OUT_SOCKS_H

#include <stdatomic.h>

#include "proxy/out/server.h"

/* Does the server take a request behind an unanswered greeting? */
enum socks_pipeline { PIPELINE_UNKNOWN, PIPELINE_YES, PIPELINE_NO };

/**
 * struct socks_conf - Settings; in the config's arena
 * @user, @pass:	NULL: no authentication is offered. Never logged
 * @pipeline:	enum socks_pipeline, learned; shared by all workers
 */
struct socks_conf {
	struct server_conf server; /* must be first */
	const char *user, *pass;
	atomic_int pipeline;
};

/*
 * Dial the server and ask for @cmd, @target (NULL: unspecified). What @d, @target
 * point at lives as long as the stream. 0 with *@out, or -errno
 */
int socks_dial(struct socks_conf *conf, const struct dial *d, uint8_t cmd,
	       const struct addr *target, struct stream **out);
/*
 * UDP ASSOCIATE: 0 with the relay's address once the server said yes; -EAGAIN,
 * -errno. @s is from socks_dial() and not shed yet
 */
int socks_relay(struct stream *s, struct addr *relay);
/* The datagram end of outbound_ops */
int socks_open_dgram(const struct outbound *ob, struct udp_map *m,
		     struct session *s, struct dgram **out);

#endif
