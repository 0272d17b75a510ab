/* conf.h - What the settings of several inbounds have in common */
#ifndef PROXY_IN_CONF_H
#define PROXY_IN_CONF_H

#include <stdbool.h>

#include "gateway/base/arena.h"
#include "gateway/core/inbound.h"

#define IN_ACCOUNTS 1024

/**
 * struct in_account - A user of an inbound
 * @user:	Name, also the session's user for rules; never NULL
 * @pass_key:	Never logged
 * @id:		struct session's user_id: of both
 */
struct in_account {
	const char *user, *pass_key;
	uint64_t id;
};

struct in_accounts {
	struct in_account *v;
	unsigned int count;
};

/* "listen" and "port" say a place for its transport. 0, or -EINVAL after diag */
int in_need_port(struct jobj *o, const struct inbound *ib);
/* An inbound that takes datagrams beside streams can. 0, or -EINVAL after diag */
int in_check_udp(struct jobj *o, const struct inbound *ib);
/* "accounts" or "users": [{"user", "pass"}]. 0 or -errno after diag */
int in_parse_accounts(struct jobj *o, struct in_accounts *out, struct arena *a);
/* The account of this name and password, compared in constant time; or NULL */
const struct in_account *in_account_find(const struct in_accounts *a,
					 const char *user, const char *pass);
/*
 * For struct session's user_id: a number that stands for the @n bytes at @key as long as
 * this process runs, and tells nothing of them. Never 0
 */
uint64_t in_user_id(const void *key, size_t n);
/* Same accounts in the same order? */
bool in_accounts_eq(const struct in_accounts *a, const struct in_accounts *b);

#endif
