/* srv_users.c - Users of a server (contract: srv_users.h) */
#include "proxy/in/srv_users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/core/session.h"
#include "gateway/core/user.h"
#include "proxy/in/conf.h"
#include "proxy/in/srv.h"

/* --- users and lists ---------------------------------------------------------------- */

static void user_put(struct srv_user *x)
{
	if (!x || atomic_fetch_sub(&x->refs, 1) != 1)
		return;
	if (x->secret_key)
		wipe(x->secret_key, strlen(x->secret_key));
	free(x->secret_key);
	free(x);
}

/* With room for @n of them, empty. NULL: out of memory */
static struct srv_users *list_new(size_t n, const struct srv_form *form)
{
	struct srv_users *us = calloc(1, sizeof(*us));

	if (!us)
		return NULL;
	atomic_init(&us->refs, 1);
	us->key_bytes = form->key_bytes;
	us->match_bytes =
		form->match_bytes ? form->match_bytes : form->key_bytes;
	us->v = calloc(n + 1, sizeof(struct srv_user *));
	us->keys = calloc(n + 1, us->key_bytes);
	if (us->v && us->keys)
		return us;
	srv_users_put(us);
	return NULL;
}

struct srv_users *srv_users_ref(struct srv_users *us)
{
	atomic_fetch_add_explicit(&us->refs, 1, memory_order_relaxed);
	return us;
}

void srv_users_put(struct srv_users *us)
{
	if (!us || atomic_fetch_sub(&us->refs, 1) != 1)
		return;
	for (unsigned int i = 0; i < us->count; i++)
		user_put(us->v[i]);
	if (us->keys)
		wipe(us->keys, us->count * us->key_bytes);
	free(us->keys);
	free(us->v);
	free(us);
}

/* User @i of @from, too */
static void list_take(struct srv_users *us, const struct srv_users *from,
		      unsigned int i)
{
	atomic_fetch_add(&from->v[i]->refs, 1);
	memcpy(srv_key(us, us->count), srv_key(from, i), us->key_bytes);
	us->v[us->count++] = from->v[i];
}

static int find_email(const struct srv_users *us, const char *email)
{
	for (unsigned int i = 0; i < us->count; i++)
		if (!strcasecmp(us->v[i]->email, email))
			return (int)i;
	return -1;
}

/* --- the table ------------------------------------------------------------------------ */

int srv_table_init(struct srv_table *t, const struct srv_form *form)
{
	pthread_mutex_init(&t->lock, NULL);
	t->form = form;
	t->now = list_new(0, form);
	return t->now ? 0 : -ENOMEM;
}

void srv_table_drop(struct srv_table *t)
{
	srv_users_put(t->now);
	t->now = NULL;
}

struct srv_users *srv_users_get(struct srv_table *t)
{
	struct srv_users *us;

	pthread_mutex_lock(&t->lock);
	us = srv_users_ref(t->now);
	pthread_mutex_unlock(&t->lock);
	return us;
}

/* The lock is held */
static void put_in_force(struct srv_table *t, struct srv_users *us)
{
	struct srv_users *old = t->now;

	t->now = us;
	srv_users_put(old);
}

/* --- what the configuration and the API say ---------------------------------------------- */

/* The user that @u describes, at the end of @us. 0 or -errno after diag or not */
static int read_user(struct jobj *u, struct srv_conf *c, struct srv_users *us)
{
	const struct srv_form *form = c->users.form;
	struct srv_user *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return -ENOMEM;
	atomic_init(&x->refs, 1);
	us->v[us->count++] = x; /* whatever it is: the list frees it */
	x->email = user_keep(j_str(u, "email", ""));
	x->level = (uint32_t)j_int(u, "level", 0, 0, UINT32_MAX);
	x->secret_key = strdup(j_str(u, form->secret, ""));
	if (!x->email || !x->secret_key)
		return -ENOMEM;
	rc = form->user(u, c, x, srv_key(us, us->count - 1));
	if (!x->id)
		x->id = in_user_id(srv_key(us, us->count - 1), us->match_bytes);
	return rc;
}

int srv_parse_users(struct jobj *o, struct srv_conf *c)
{
	const cJSON *list = j_array(o, j_get(o, "users") ? "users" : "clients");
	int n = cJSON_GetArraySize(list), rc = 0;
	struct srv_users *us;
	struct jobj u;

	if (n > SRV_USERS) {
		diag_error(o->d, list, NULL, "at most %d users", SRV_USERS);
		n = SRV_USERS;
	}
	us = list_new((size_t)n, c->users.form);
	if (!us)
		return -ENOMEM;
	for (int i = 0; !rc && i < n; i++) {
		if (!j_open(&u, o->d, cJSON_GetArrayItem(list, i)))
			continue;
		rc = read_user(&u, c, us);
		j_close(&u);
	}
	put_in_force(&c->users, us);
	return rc;
}

int srv_parse_one(struct jobj *o, struct srv_conf *c)
{
	struct srv_users *us = list_new(1, c->users.form);
	int rc;

	if (!us)
		return -ENOMEM;
	rc = read_user(o, c, us);
	put_in_force(&c->users, us);
	return rc;
}

int srv_user_add(const struct inbound *ib, struct jobj *u)
{
	struct srv_conf *c = ib->settings;
	struct srv_table *t = &c->users;
	const char *email = j_str(u, "email", "");
	struct srv_users *us = NULL;
	int rc = -ENOMEM;

	pthread_mutex_lock(&t->lock);
	if (*email && find_email(t->now, email) >= 0)
		rc = -EEXIST;
	else if (t->now->count == SRV_USERS)
		rc = -ENOSPC;
	else
		us = list_new(t->now->count + 1, t->form);
	for (unsigned int i = 0; us && i < t->now->count; i++)
		list_take(us, t->now, i);
	if (us)
		rc = read_user(u, c, us);
	if (us && !rc && !u->d->errors)
		put_in_force(t, us);
	else
		srv_users_put(us);
	pthread_mutex_unlock(&t->lock);
	return !rc && u->d->errors ? -EINVAL : rc;
}

int srv_user_remove(const struct inbound *ib, const char *email)
{
	struct srv_conf *c = ib->settings;
	struct srv_table *t = &c->users;
	struct srv_users *us;
	int at, rc = -ENOENT;

	pthread_mutex_lock(&t->lock);
	at = *email ? find_email(t->now, email) : -1;
	us = at < 0 ? NULL : list_new(t->now->count, t->form);
	if (at >= 0)
		rc = us ? 0 : -ENOMEM;
	for (unsigned int i = 0; us && i < t->now->count; i++)
		if (i != (unsigned int)at)
			list_take(us, t->now, i);
	if (us)
		put_in_force(t, us);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

bool srv_knows(const struct inbound *ib, const struct session *s)
{
	struct srv_conf *c = ib->settings;
	struct srv_users *us = srv_users_get(&c->users);
	bool knows = false;

	for (unsigned int i = 0; i < us->count && !knows; i++)
		knows = us->v[i]->id == s->user_id;
	srv_users_put(us);
	return knows;
}

unsigned int srv_user_each(const struct inbound *ib,
			   void (*fn)(const struct inbound_user *u, void *arg),
			   void *arg)
{
	struct srv_conf *c = ib->settings;
	struct srv_users *us = srv_users_get(&c->users);
	unsigned int n = us->count;

	for (unsigned int i = 0; i < n; i++) {
		struct inbound_user u = { us->v[i]->email, us->v[i]->secret_key,
					  us->v[i]->level, us->v[i]->flags };

		fn(&u, arg);
	}
	srv_users_put(us);
	return n;
}
