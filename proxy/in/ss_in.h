/* ss_in.h - Shared by the stream and the datagram side of the server */
#ifndef PROXY_IN_SS_IN_H
#define PROXY_IN_SS_IN_H

#include "proxy/in/srv.h"
#include "proxy/layer/ss_stream.h"

/**
 * struct ss_user_key - What a user is known by
 * @hash:	2022 with several users: what he shows
 */
struct ss_user_key {
	struct ss_secret_key k; /* must be first */
	uint8_t hash[SS22_HASH];
};

/**
 * struct ss_in - Settings
 * @method:	Of all users
 * @server:	2022 with several users: the key that they show who they are by;
 *		method NULL: they show nothing
 */
struct ss_in {
	struct srv_conf srv; /* must be first */
	const struct ss_method *method;
	struct ss_secret_key server;
	bool tcp, udp;
};

static inline const struct ss_user_key *ss_key(const struct srv_users *us,
					       unsigned int i)
{
	return srv_key(us, i);
}

/* The user that shows @hash, or -EPROTO */
int ss_find_hash(const struct srv_users *us, const uint8_t hash[SS22_HASH]);

struct ss_udp_in;
/* The datagram socket of l->ib on l->worker. 0 with *@out, or -errno */
int ss_udp_start(struct listener *l, struct ss_udp_in **out);
/* NULL is allowed. Its clients' ends live on, and answer no more */
void ss_udp_stop(struct ss_udp_in *u);

#endif
