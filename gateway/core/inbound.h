/* inbound.h - Where sessions come from */
#ifndef GATEWAY_CORE_INBOUND_H
#define GATEWAY_CORE_INBOUND_H

#include <stdbool.h>
#include <sys/types.h>

#include "gateway/base/jget.h"
#include "gateway/base/list.h"
#include "gateway/core/sniff.h"
#include "gateway/core/sock.h"

struct config;
struct inbound;
struct policy;
struct session;
struct counter;
struct transport;
struct worker;

/**
 * struct listener - A running inbound on one worker; the protocol embeds it
 * @node:	In worker->listeners
 * @ib:		Configuration now in force; swapped by a reload
 */
struct listener {
	struct list node;
	const struct inbound *ib;
	struct worker *worker;
};

/**
 * struct inbound_user - A user, as the API tells of him; borrowed
 * @secret_key:	Password or id
 * @flags:	INBOUND_USER_FLOW: VLESS with the flow xtls-rprx-vision
 */
struct inbound_user {
	const char *email, *secret_key;
	uint32_t level;
	uint8_t flags;
};

#define INBOUND_USER_FLOW 1

/**
 * struct inbound_users - Users of an inbound at run time; any thread
 * @account:	Name of the protobuf message that describes one, in Xray
 * @secret:	The member of the configuration that is his key
 * @add:	One more, as the configuration would have him, for new connections of
 *		all workers at once. 0, -EINVAL after diag, -EEXIST, -ENOSPC, -ENOMEM,
 *		-ENOTSUP: this inbound has one user only
 * @remove:	New connections of his are refused. 0, -ENOENT, -ENOMEM
 * @each:	All of them. How many
 * @method:	Of all their accounts; NULL: there is no such
 */
struct inbound_users {
	const char *account, *secret;
	int (*add)(const struct inbound *ib, struct jobj *u);
	int (*remove)(const struct inbound *ib, const char *email);
	unsigned int (*each)(const struct inbound *ib,
			     void (*fn)(const struct inbound_user *u,
					void *arg),
			     void *arg);
	const char *(*method)(const struct inbound *ib);
};

/**
 * struct inbound_ops - One kind of inbound
 * @name, @alias:	The JSON "protocol" and its second name (or NULL)
 * @parse:	Read settings into ib->settings (arena of @cfg). 0 or -errno
 *		after diag
 * @start:	Open listeners on one worker. 0 with *@out, or -errno
 * @stop:	Close and free a listener; its sessions live on
 * @same:	A reload may keep the running listener of @a for @b
 * @greet:	0 target known, -EAGAIN, -errno. NULL: known at birth
 * @drop:	Free what the arena does not. NULL: nothing
 * @users:	NULL: they do not change
 * @holds:	May @s, which takes an outbound's sessions, have more of them, as @ib's
 *		users are now? NULL: no such session is of this kind
 * @knows:	Would the client of @s, who came by an inbound of this kind, still be let
 *		in by @ib, as its users are now? NULL: its clients are not asked
 * @serves:	enum reach_who: its clients come from outside, by a proxy protocol:
 *		what is private here is not theirs (docs/decisions/023)
 */
struct inbound_ops {
	const char *name, *alias;
	uint8_t serves;
	int (*parse)(struct inbound *ib, struct jobj *settings,
		     struct config *cfg);
	int (*start)(const struct inbound *ib, struct worker *w,
		     struct listener **out);
	void (*stop)(struct listener *l);
	bool (*same)(const struct inbound *a, const struct inbound *b);
	int (*greet)(struct session *s);
	void (*drop)(struct inbound *ib);
	const struct inbound_users *users;
	bool (*holds)(const struct inbound *ib, const struct session *s);
	bool (*knows)(const struct inbound *ib, const struct session *s);
};

#define INBOUND_PORTS 32

/**
 * struct inbound - One configured inbound, immutable after parsing
 * @listen:	Address; wildcard v6 by default. ADDR_NAME is a unix path
 * @ports:	Where to listen; count 0 for tun
 * @head:	Header that a connection begins with: tells both its ends (kind
 *		NONE: not told). Bytes, 0 more are needed, -EPROTO. NULL: none
 */
struct inbound {
	const struct inbound_ops *ops;
	const char *tag; /* "" when the config has none */
	const cJSON *node; /* for messages while parsing only */
	struct addr listen;
	struct port_range ports[INBOUND_PORTS];
	unsigned int port_count;
	uint32_t level; /* userLevel */
	const struct policy *policy;
	struct sniffing sniffing;
	struct sockopt sockopt;
	const struct transport *transport; /* streamSettings; NULL raw */
	ssize_t (*head)(const uint8_t *p, size_t n, struct addr ends[2]);
	struct counter *stat_up, *stat_down; /* NULL: not counted */
	void *settings; /* the kind's own */
};

#endif
