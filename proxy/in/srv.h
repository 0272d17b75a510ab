/* srv.h - What the servers of proxy protocols share */
#ifndef PROXY_IN_SRV_H
#define PROXY_IN_SRV_H

#include "gateway/core/inbound.h"
#include "proxy/in/greet.h"
#include "proxy/layer/tube.h"

#define SRV_USERS       1024
#define SRV_FALLBACKS   64
#define GREET_STEP_MUTE 0xff /* greet.step: nothing is understood any more */

struct srv_fallback;

/**
 * struct srv_conf - A protocol's settings, or their first member
 * @email, @level:	Of each user, in the order of the settings; emails may be ""
 * @flags:	Of each user, the protocol's own
 * @users:	How many
 * @keys:	Of each user, @key_bytes long; wiped by srv_drop()
 */
struct srv_conf {
	const char **email;
	uint32_t *level;
	uint8_t *flags;
	unsigned int users;
	size_t key_bytes;
	void *keys;
	struct srv_fallback *fallback;
	unsigned int fallbacks;
};

/* Reads the members of user number @i from @u. 0 or -errno */
typedef int (*srv_user)(struct jobj *u, struct srv_conf *c, unsigned int i,
			struct arena *a);
/*
 * "users" or "clients": how many, and *@keys with @size zeroed bytes a user. 0
 * or -ENOMEM
 */
int srv_make_users(struct jobj *o, struct srv_conf *c, size_t size, void **keys,
		   struct arena *a);
/* Then each of them. 0 or -errno */
int srv_parse_users(struct jobj *o, struct srv_conf *c, srv_user user,
		    struct arena *a);
/* "fallbacks". 0 or -ENOMEM */
int srv_parse_fallbacks(struct jobj *o, struct srv_conf *c, struct arena *a);

/**
 * struct srv_form - What the settings of a protocol look like
 * @user:	Reads a user; its key goes to srv_key()
 * @key_bytes:	Of a user's key
 * @fallbacks:	It has them
 * @conf_bytes:	Of the settings, which begin with a struct srv_conf; 0: only that
 */
struct srv_form {
	srv_user user;
	size_t key_bytes;
	bool fallbacks;
	size_t conf_bytes;
};

/* A place, users, fallbacks: ib->settings is a srv_conf. 0 or -errno */
int srv_parse(struct inbound *ib, struct jobj *o, struct config *cfg,
	      const struct srv_form *form);
/* The end of these settings */
void srv_drop(struct inbound *ib);
/* The key of user @i */
static inline void *srv_key(const struct srv_conf *c, unsigned int i)
{
	return (uint8_t *)c->keys + i * c->key_bytes;
}
/*
 * Whose key is this? All are compared, so that the time does not tell which.
 * -1: nobody's
 */
int srv_find_key(const struct srv_conf *c, const uint8_t *key);

/* Where connections go that carry others (proxy/mux takes them apart) */
struct addr srv_mux_target(void);
/* This is user @i */
void srv_set_user(struct session *s, const struct srv_conf *c, unsigned int i);
/*
 * What came is wrong: nothing is said and all is swallowed until the deadline,
 * the same for whatever was wrong. For return from a step
 */
ssize_t srv_mute(struct greet *g);
/* The same in a step that was called again */
static inline bool srv_muted(const struct greet *g)
{
	return g->step == GREET_STEP_MUTE;
}
/*
 * What came is wrong, but a fallback shall have it: the session goes there
 * with all bytes so far. Muted when there is none
 */
ssize_t srv_fall_back(struct session *s, struct greet *g,
		      const struct srv_conf *c);
/*
 * s->in, with @used bytes of the greeting spent, carries packets from now on.
 * @to: their fixed target; NULL: they have their own. The session is over.
 * For return from a step
 */
ssize_t srv_packets(struct session *s, struct greet *g,
		    const struct tube_ops *ops, size_t used,
		    const struct addr *to);

#endif
