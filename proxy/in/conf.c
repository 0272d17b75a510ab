/* conf.c - What the settings of several inbounds have in common */
#include "proxy/in/conf.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/rand.h"
#include "gateway/base/siphash.h"
#include "gateway/core/transport.h"

/* Its transport when that is not over TCP, else NULL */
static const struct transport *over_udp(const struct inbound *ib)
{
	const struct transport *t = transport_bottom(ib->transport);

	return t && t->ops->listen ? t : NULL;
}

static int no_unix(struct jobj *o, const struct inbound *ib)
{
	diag_error(o->d, ib->node, "listen", "a unix socket carries tcp only");
	return -EINVAL;
}

int in_need_port(struct jobj *o, const struct inbound *ib)
{
	if (ib->listen.kind == ADDR_NAME)
		return over_udp(ib) ? no_unix(o, ib) : 0;
	if (ib->port_count)
		return 0;
	diag_error(o->d, ib->node, "port", "is needed: where to listen");
	return -EINVAL;
}

int in_check_udp(struct jobj *o, const struct inbound *ib)
{
	const struct transport *t = over_udp(ib);

	if (ib->listen.kind == ADDR_NAME)
		return no_unix(o, ib);
	if (!t)
		return 0;
	diag_error(o->d, o->node, "network",
		   "udp is not possible: %s has that port", t->ops->name);
	return -EINVAL;
}

uint64_t in_user_id(const void *key, size_t n)
{
	const uint64_t own[2] = { rand_key(), ~rand_key() };
	uint64_t id = siphash(own, key, n);

	return id ? id : 1;
}

/* Both of name and password: where one ends counts */
static uint64_t account_id(const struct in_account *a)
{
	uint64_t half[2] = { in_user_id(a->user, strlen(a->user)),
			     in_user_id(a->pass_key, strlen(a->pass_key)) };

	return in_user_id(half, sizeof(half));
}

static int parse_account(struct diag *d, const cJSON *node,
			 struct in_account *out, struct arena *a)
{
	struct jobj o;

	if (!j_open(&o, d, node))
		return -EINVAL;
	out->user = arena_strdup(a, j_need_str(&o, "user"));
	out->pass_key = arena_strdup(a, j_str(&o, "pass", ""));
	j_ignore(&o, "email", NULL);
	j_ignore(&o, "level", NULL);
	j_close(&o);
	if (!out->user || !out->pass_key)
		return -ENOMEM;
	out->id = account_id(out);
	return 0;
}

int in_parse_accounts(struct jobj *o, struct in_accounts *out, struct arena *a)
{
	const cJSON *users = j_array(o, "users");
	const cJSON *list = j_array(o, "accounts"), *node;
	int n, err = 0;

	if (users)
		list = users;
	n = cJSON_GetArraySize(list);
	if (n > IN_ACCOUNTS) {
		diag_error(o->d, list, NULL, "at most %d accounts",
			   IN_ACCOUNTS);
		return -EINVAL;
	}
	out->v = n ? arena_alloc(a, (size_t)n * sizeof(*out->v)) : NULL;
	if (n && !out->v)
		return -ENOMEM;
	for (node = n ? list->child : NULL; node && !err; node = node->next)
		err = parse_account(o->d, node, &out->v[out->count++], a);
	return err;
}

static bool same_secret(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && ct_equal(a, b, n);
}

const struct in_account *in_account_find(const struct in_accounts *a,
					 const char *user, const char *pass)
{
	const struct in_account *found = NULL;

	for (unsigned int i = 0; i < a->count; i++)
		if (same_secret(a->v[i].user, user) &&
		    same_secret(a->v[i].pass_key, pass))
			found = &a->v[i];
	return found;
}

bool in_accounts_eq(const struct in_accounts *a, const struct in_accounts *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned int i = 0; i < a->count; i++)
		if (strcmp(a->v[i].user, b->v[i].user) != 0 ||
		    !same_secret(a->v[i].pass_key, b->v[i].pass_key))
			return false;
	return true;
}
