/* server.h - What the settings of all proxy protocols have in common */
#ifndef PROXY_OUT_SERVER_H
#define PROXY_OUT_SERVER_H

#include "gateway/base/arena.h"
#include "gateway/core/outbound.h"
#include "gateway/core/transport.h"
#include "proxy/layer/head.h"

/**
 * struct server_conf - First member of a protocol's settings
 * @level:	Policy level, for handshakes that no session times
 * @ahead:	So many connections are made before they are needed
 */
struct server_conf {
	struct addr server;
	uint32_t level;
	unsigned int ahead;
};

/* Reads a user's members from @u into @conf. 0 or -errno */
typedef int (*server_user)(struct jobj *u, struct server_conf *conf,
			   struct arena *a);
/**
 * struct server_form - What the settings of a protocol look like
 * @list:	"servers", "vnext"
 * @need_user:	An entry of the list has users[], not empty
 * @need_tls:	An error when the server's is a public address and nothing
 *		encrypts
 * @answers:	The server says whether it has reached the target
 * @user:	Reads the user's members
 * @conf_bytes:	Of the settings; they begin with a struct server_conf
 */
struct server_form {
	const char *list;
	bool need_user, need_tls, answers;
	server_user user;
	size_t conf_bytes;
};

/*
 * ob->settings, from both forms: address, port and the user's members in
 * @settings; or one entry of the list with them, the user's perhaps in
 * users[0]. 0 or -ENOMEM; complaints go to the diag
 */
int server_parse(struct outbound *ob, struct jobj *settings, struct config *cfg,
		 const struct server_form *form);
/*
 * What need_tls means, for who knows only later whether it is needed. @also: what else
 * would do, or ""
 */
void server_check_tls(const struct outbound *ob, struct jobj *settings,
		      const char *also);
/* "address" and "port" of @o. 0 or -ENOMEM; complaints go to the diag */
int server_parse_address(struct jobj *o, struct addr *out, struct arena *a);
/* A copy in the arena; absent or empty is an error. NULL then */
const char *server_need_text(struct jobj *u, const char *key, struct arena *a);

/* Who dials for a session */
struct dial server_dial(const struct outbound *ob, struct session *s);
/*
 * A stream to d->ob's server that begins with @n bytes of @head, which may
 * hold a key and are wiped, whatever happens. 0 with *@out, or -errno
 */
int server_open(const struct dial *d, const struct head_ops *ops, uint8_t *head,
		ssize_t n, struct stream **out);
/* The same with what @wrap puts on the connection, below the head; NULL nothing */
int server_open_on(const struct dial *d, const struct head_ops *ops,
		   uint8_t *head, ssize_t n,
		   int (*wrap)(const struct dial *d, struct stream **s),
		   struct stream **out);

#endif
