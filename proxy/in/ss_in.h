/* ss_in.h - Shared by the stream and the datagram side of the server */
#ifndef PROXY_IN_SS_IN_H
#define PROXY_IN_SS_IN_H

#include "proxy/in/srv.h"
#include "proxy/layer/ss_stream.h"

/**
 * struct ss_in - Settings
 * @keys:	One a user; at least one
 * @server:	2022 with several users: the key that they show who they are by;
 *		method NULL: they show nothing
 * @hash:	Then: what each of them shows
 */
struct ss_in {
	struct srv_conf srv; /* must be first */
	struct ss_secret_key *keys;
	struct ss_secret_key server;
	uint8_t (*hash)[SS22_HASH];
	bool tcp, udp;
};

/* The user that shows @hash, or -EPROTO */
int ss_find_hash(const struct ss_in *c, const uint8_t hash[SS22_HASH]);

struct ss_udp_in;
/* The datagram socket of l->ib on l->worker. 0 with *@out, or -errno */
int ss_udp_start(struct listener *l, struct ss_udp_in **out);
/* NULL is allowed. Its clients' ends live on, and answer no more */
void ss_udp_stop(struct ss_udp_in *u);

#endif
