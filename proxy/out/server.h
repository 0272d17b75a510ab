/* server.h - What the settings of all proxy protocols have in common */
#ifndef PROXY_OUT_SERVER_H
#define PROXY_OUT_SERVER_H

#include "gateway/base/arena.h"
#include "gateway/core/outbound.h"
#include "gateway/core/transport.h"

/**
 * struct server_conf - First member of a protocol's settings
 * @level:	Policy level, for handshakes that no session times
 */
struct server_conf {
	struct addr server;
	uint32_t level;
};

/* Reads a user's members from @u into @conf. 0 or -errno */
typedef int (*server_user)(struct jobj *u, struct server_conf *conf,
			   struct arena *a);
/*
 * Both forms: address, port and the user's members in @settings; or one entry
 * of @list ("servers", "vnext") with them, the user's perhaps in users[0].
 * @need_user: users[] may not be empty. 0 or -ENOMEM; complaints go to the diag
 */
int server_parse(struct jobj *settings, const char *list, bool need_user,
		 server_user user, struct server_conf *conf, struct arena *a);
/* An error when @ob's server is a public address and nothing encrypts */
void server_need_tls(const struct outbound *ob, struct jobj *settings,
		     const struct server_conf *conf);
/* A copy in the arena; absent or empty is an error. NULL then */
const char *server_need_text(struct jobj *u, const char *key, struct arena *a);

/* Who dials for a session */
struct dial server_dial(const struct outbound *ob, struct session *s);

#endif
