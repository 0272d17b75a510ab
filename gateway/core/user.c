/*
 * user.c - Users of inbounds (contract: user.h)
 *
 * One lock for the table and all online lists: taken at birth and end of sessions
 * whose user is counted, never for bytes. Counters are found once a session.
 */
#include "gateway/core/user.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/htab.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/stats.h"

#define USER_SLOTS 64

/** struct online - An address of a user, and how many of his sessions have it */
struct online {
	struct online *next;
	struct user *user;
	struct addr ip;
	unsigned int sessions;
	int64_t seen_s;
};

/**
 * struct user - One email
 * @online:	Where from now; @tracked: it was asked for
 * @stat:	Up and down; NULL: no session was counted yet
 */
struct user {
	struct hnode by_email;
	struct user *next;
	struct online *online;
	unsigned int ips;
	bool tracked;
	struct counter *stat[2];
	char email[];
};

static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static struct htab users;
static struct user *users_all; /* never shrinks */

static uint32_t email_hash(const char *email)
{
	return (uint32_t)hash_bytes(rand_key(), email, strlen(email));
}

static struct user *find(const char *email)
{
	struct hnode *n;

	if (!users.slot)
		return NULL;
	htab_each(n, &users, email_hash(email))
	{
		struct user *u = container_of(n, struct user, by_email);

		if (!strcmp(u->email, email))
			return u;
	}
	return NULL;
}

/* Find or make; the lock is held */
static struct user *get(const char *email)
{
	size_t n = strlen(email) + 1;
	struct user *u = find(email);

	if (u || (!users.slot && htab_init(&users, USER_SLOTS) < 0))
		return u;
	u = calloc(1, sizeof(*u) + n);
	if (!u)
		return NULL;
	memcpy(u->email, email, n);
	u->next = users_all;
	users_all = u;
	htab_put(&users, &u->by_email, email_hash(email));
	return u;
}

const char *user_keep(const char *email)
{
	struct user *u;

	pthread_mutex_lock(&users_lock);
	u = get(email);
	pthread_mutex_unlock(&users_lock);
	return u ? u->email : NULL;
}

static struct counter *stat_of(struct user *u, int way)
{
	if (!u->stat[way])
		u->stat[way] = stat_traffic("user", u->email,
					    way == UP ? "uplink" : "downlink");
	return u->stat[way];
}

/* As Xray: these two, not all of 127.0.0.0/8 */
static bool is_own_host(const struct addr *a)
{
	static const uint8_t v4[4] = { 127, 0, 0, 1 };
	static const uint8_t v6[16] = { [15] = 1 };

	return !memcmp(a->ip, a->kind == ADDR_V4 ? v4 : v6, addr_ip_len(a));
}

/* One more session of @u from @ip; this host itself is not told, as in Xray */
static struct online *arrive(struct user *u, const struct addr *ip)
{
	struct online *o = u->online;

	u->tracked = true;
	if (!addr_is_ip(ip) || is_own_host(ip))
		return NULL;
	while (o && !addr_eq_host(&o->ip, ip))
		o = o->next;
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return NULL;
		o->ip = *ip;
		o->user = u;
		o->next = u->online;
		u->online = o;
		u->ips++;
	}
	o->sessions++;
	o->seen_s = clock_wall();
	return o;
}

void user_meter(struct session *s)
{
	const struct policy *p = s->policy ? s->policy : s->inbound->policy;
	struct user *u;

	if (!s->user || !*s->user || !p || !s->cfg->stats_on ||
	    !(p->user_up | p->user_down | p->user_online) || s->online)
		return;
	pthread_mutex_lock(&users_lock);
	u = get(s->user);
	if (u && p->user_up)
		s->stat_user[UP] = stat_of(u, UP);
	if (u && p->user_down)
		s->stat_user[DOWN] = stat_of(u, DOWN);
	if (u && p->user_online)
		s->online = arrive(u, &s->source);
	pthread_mutex_unlock(&users_lock);
}

static void leave(struct online *o)
{
	struct online **p = &o->user->online;

	if (--o->sessions)
		return;
	while (*p != o)
		p = &(*p)->next;
	*p = o->next;
	o->user->ips--;
	free(o);
}

void user_left(struct session *s)
{
	if (!s->online)
		return;
	pthread_mutex_lock(&users_lock);
	leave(s->online);
	pthread_mutex_unlock(&users_lock);
	s->online = NULL;
}

int user_online(const char *email, struct online_ip *v, unsigned int max)
{
	unsigned int n = 0;
	struct user *u;
	int rc = -ENOENT;

	pthread_mutex_lock(&users_lock);
	u = find(email);
	if (u && u->tracked) {
		for (const struct online *o = u->online; o && n < max;
		     o = o->next)
			v[n++] = (struct online_ip){ o->ip, o->seen_s };
		rc = (int)u->ips;
	}
	pthread_mutex_unlock(&users_lock);
	return rc;
}

void user_each(void (*fn)(const char *email, unsigned int ips, void *arg),
	       void *arg)
{
	pthread_mutex_lock(&users_lock);
	for (const struct user *u = users_all; u; u = u->next)
		if (u->tracked)
			fn(u->email, u->ips, arg);
	pthread_mutex_unlock(&users_lock);
}
