/*
 * srv_users.h - Users of a server, which the API may change while it runs
 *
 * All users at a time are one immutable list, counted: a greeting takes the list that
 * is in force, and gives it back. A change makes a new one and puts it in force for
 * all workers at once; who came in before goes on.
 */
#ifndef PROXY_IN_SRV_USERS_H
#define PROXY_IN_SRV_USERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/core/inbound.h"

#define SRV_USERS 1024

/**
 * struct srv_user - A user, counted: lists share him
 * @email:	user_keep()'s; "" none
 * @secret_key:	Password or id as the configuration has it, for the API; wiped
 * @flags:	The protocol's own
 * @id:		struct session's user_id: of his key
 */
struct srv_user {
	atomic_uint refs;
	const char *email;
	char *secret_key;
	uint32_t level;
	uint8_t flags;
	uint64_t id;
};

/**
 * struct srv_users - All of them
 * @match_bytes:	What srv_find_key() compares
 * @v:		@count of them; the key of v[i] is srv_key(.., i), wiped at the end
 */
struct srv_users {
	atomic_uint refs;
	unsigned int count;
	size_t key_bytes, match_bytes;
	struct srv_user **v;
	uint8_t *keys;
};

struct srv_conf;

/* Reads the members of a user from @u: @x->flags, and his key; @x->id if that is not of
 * the key's bytes. 0 or -errno */
typedef int (*srv_user)(struct jobj *u, struct srv_conf *c, struct srv_user *x,
			void *key);

/**
 * struct srv_form - What the settings of a protocol look like
 * @user:	Reads a user
 * @secret:	The member that is his key in text
 * @key_bytes:	Of a user's key; @match_bytes: of its beginning tell whose it is, 0: all
 * @fallbacks:	It has them
 * @conf_bytes:	Of the settings, which begin with a struct srv_conf; 0: only that
 */
struct srv_form {
	srv_user user;
	const char *secret;
	size_t key_bytes, match_bytes;
	bool fallbacks;
	size_t conf_bytes;
};

/**
 * struct srv_table - The list in force
 * @lock:	Of @now; held for a moment by each greeting, and by changes
 */
struct srv_table {
	pthread_mutex_t lock;
	struct srv_users *now;
	const struct srv_form *form;
};

static inline void *srv_key(const struct srv_users *us, unsigned int i)
{
	return us->keys + i * us->key_bytes;
}

/* Empty. 0 or -ENOMEM */
int srv_table_init(struct srv_table *t, const struct srv_form *form);
void srv_table_drop(struct srv_table *t);
/* The list in force, counted */
struct srv_users *srv_users_get(struct srv_table *t);
struct srv_users *srv_users_ref(struct srv_users *us);
void srv_users_put(struct srv_users *us);
/* "users" or "clients" of @o, in force. 0 or -ENOMEM, after diag or not */
int srv_parse_users(struct jobj *o, struct srv_conf *c);
/* The same of one: all that @o says */
int srv_parse_one(struct jobj *o, struct srv_conf *c);
/* For inbound_users: settings are a srv_conf */
int srv_user_add(const struct inbound *ib, struct jobj *u);
int srv_user_remove(const struct inbound *ib, const char *email);
/* For inbound_ops: settings are a srv_conf */
bool srv_knows(const struct inbound *ib, const struct session *s);
unsigned int srv_user_each(const struct inbound *ib,
			   void (*fn)(const struct inbound_user *u, void *arg),
			   void *arg);

#endif
