/*
 * stats.c - StatsService: counters, users online, the process itself
 *
 * Source: Xray app/stats/command/command.proto (numbers and names)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/api/api_int.h"
#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/core/stats.h"
#include "gateway/core/user.h"

#define ONLINE_PREFIX "user>>>"
#define ONLINE_SUFFIX ">>>online"
#define IPS_MAX       4096u /* told of one user */

static void put_stat(struct pb_out *o, const char *name, uint64_t value)
{
	size_t m = pb_begin(o, 1);

	pb_put_text(o, 1, name);
	if (value)
		pb_put_number(o, 2, value);
	pb_end(o, m);
}

/* Both requests of stats: a text and "reset". 0, or a status */
static int read_request(struct call *c, const uint8_t *p, size_t n,
			char text[CALL_TEXT_MAX], bool *reset)
{
	uint64_t number;

	if (pb_text(p, n, 1, text, CALL_TEXT_MAX) < 0 ||
	    pb_number(p, n, 2, &number) < 0)
		return call_malformed(c);
	*reset = number != 0;
	return GRPC_OK;
}

static int not_found(struct call *c, const char *name)
{
	return call_fail(c, GRPC_NOT_FOUND, "%s not found.", name);
}

static int get_stats(struct call *c, const uint8_t *p, size_t n)
{
	char name[CALL_TEXT_MAX];
	uint64_t value = 0;
	bool reset = false;
	int rc = read_request(c, p, n, name, &reset);

	if (rc)
		return rc;
	if (stat_read(name, reset, &value) < 0)
		return not_found(c, name);
	put_stat(&c->out, name, value);
	return GRPC_OK;
}

/* False: the answer will not be sent, and nothing is reset */
static bool add_stat(const char *name, uint64_t value, void *arg)
{
	const struct pb_out *o = arg;

	put_stat(arg, name, value);
	return !o->bad;
}

static int query_stats(struct call *c, const uint8_t *p, size_t n)
{
	char pattern[CALL_TEXT_MAX];
	bool reset = false;
	int rc = read_request(c, p, n, pattern, &reset);

	if (rc)
		return rc;
	stat_each(pattern, reset, add_stat, &c->out);
	return GRPC_OK;
}

/* The email in "user>>>EMAIL>>>online", cut out in place; NULL: it is no such */
static const char *online_email(char *name)
{
	size_t n = strlen(name), a = strlen(ONLINE_PREFIX),
	       b = strlen(ONLINE_SUFFIX);

	if (n <= a + b || strncmp(name, ONLINE_PREFIX, a) != 0 ||
	    strcmp(name + n - b, ONLINE_SUFFIX) != 0)
		return NULL;
	name[n - b] = '\0';
	return name + a;
}

/* From where the user of the request's name is online. How many, or -1 */
static int online_of(const char *name, struct online_ip *v, unsigned int max)
{
	char copy[CALL_TEXT_MAX];
	const char *email;

	snprintf(copy, sizeof(copy), "%s", name);
	email = online_email(copy);
	return email ? user_online(email, v, max) : -1;
}

static int get_online(struct call *c, const uint8_t *p, size_t n)
{
	char name[CALL_TEXT_MAX];
	bool reset = false;
	int rc = read_request(c, p, n, name, &reset);

	if (rc)
		return rc;
	rc = online_of(name, NULL, 0);
	if (rc < 0)
		return not_found(c, name);
	put_stat(&c->out, name, (uint64_t)rc);
	return GRPC_OK;
}

static void put_ip(struct pb_out *o, const struct online_ip *v)
{
	char text[ADDR_TEXT_MAX];
	size_t m = pb_begin(o, 2);

	pb_put_text(o, 1, addr_format_host(&v->ip, text, sizeof(text)));
	pb_put_number(o, 2, (uint64_t)v->seen_s);
	pb_end(o, m);
}

static int get_online_ips(struct call *c, const uint8_t *p, size_t n)
{
	char name[CALL_TEXT_MAX];
	struct online_ip *v;
	bool reset = false;
	int rc = read_request(c, p, n, name, &reset);

	if (rc)
		return rc;
	v = calloc(IPS_MAX, sizeof(*v));
	if (!v)
		return call_fail(c, GRPC_EXHAUSTED, "out of memory");
	rc = online_of(name, v, IPS_MAX);
	if (rc >= 0)
		pb_put_text(&c->out, 1, name);
	for (unsigned int i = 0; rc > 0 && i < (unsigned int)rc && i < IPS_MAX;
	     i++)
		put_ip(&c->out, &v[i]);
	free(v);
	return rc < 0 ? not_found(c, name) : GRPC_OK;
}

static void add_online(const char *email, unsigned int ips, void *arg)
{
	static const char before[] = ONLINE_PREFIX, after[] = ONLINE_SUFFIX;
	struct pb_out *o = arg;
	size_t m;

	if (!ips)
		return;
	m = pb_begin(o, 1);
	pb_raw(o, before, sizeof(before) - 1);
	pb_raw(o, email, strlen(email));
	pb_raw(o, after, sizeof(after) - 1);
	pb_end(o, m);
}

static int get_all_online(struct call *c, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	user_each(add_online, &c->out);
	return GRPC_OK;
}

/* --- users online, with all of theirs ---------------------------------------------- */

/** struct told_user - One of them; @email: user_keep()'s; @moved: of counters */
struct told_user {
	const char *email;
	uint64_t moved[2];
};

/** struct told_users - All of them; @bad: out of memory */
struct told_users {
	struct told_user *v;
	size_t count, cap;
	bool bad;
};

static void note_online(const char *email, unsigned int ips, void *arg)
{
	struct told_users *all = arg;
	size_t cap = all->cap ? all->cap * 2 : 64;
	struct told_user *more = all->v;

	if (!ips || all->bad)
		return;
	if (all->count == all->cap) {
		more = realloc(all->v, cap * sizeof(*more));
		all->bad = !more;
		if (!more)
			return;
		all->v = more;
		all->cap = cap;
	}
	more[all->count++] = (struct told_user){ .email = email };
}

/* What @u moved: read, or (@take) taken away from the counters as it was read */
static int meter_user(struct told_user *u, bool take)
{
	static const char *const way[2] = { "uplink", "downlink" };
	static const char form[] = "user>>>%s>>>traffic>>>%s";
	size_t room = sizeof(form) + strlen(u->email) + strlen(way[1]);
	char *name = malloc(room);

	for (int i = 0; name && i < 2; i++) {
		snprintf(name, room, form, u->email, way[i]);
		if (take)
			stat_take(name, u->moved[i]);
		else if (stat_read(name, false, &u->moved[i]) < 0)
			u->moved[i] = 0;
	}
	free(name);
	return name ? 0 : -ENOMEM;
}

static void put_traffic(struct pb_out *o, const struct told_user *u)
{
	size_t m = pb_begin(o, 3);

	for (uint32_t i = 0; i < 2; i++)
		if (u->moved[i])
			pb_put_number(o, i + 1, u->moved[i]);
	pb_end(o, m);
}

/* @v: room for IPS_MAX addresses. Who left meanwhile is left out, with what he moved */
static void put_user(struct pb_out *o, struct told_user *u, bool traffic,
		     struct online_ip *v)
{
	int n = user_online(u->email, v, IPS_MAX);
	size_t m;

	if (n <= 0) {
		u->moved[0] = u->moved[1] = 0;
		return;
	}
	m = pb_begin(o, 1);
	pb_put_text(o, 1, u->email);
	for (unsigned int i = 0; i < (unsigned int)n && i < IPS_MAX; i++)
		put_ip(o, &v[i]);
	if (traffic)
		put_traffic(o, u);
	pb_end(o, m);
}

/* Nothing is reset by an answer that will not be sent. 0 or -ENOMEM */
static int put_users(struct pb_out *o, struct told_users *all, bool traffic,
		     bool reset)
{
	struct online_ip *v = calloc(IPS_MAX, sizeof(*v));
	int rc = v ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < all->count; i++) {
		if (traffic)
			rc = meter_user(&all->v[i], false);
		put_user(o, &all->v[i], traffic, v);
	}
	for (size_t i = 0; !rc && !o->bad && traffic && reset && i < all->count;
	     i++)
		rc = meter_user(&all->v[i], true);
	free(v);
	return rc;
}

static int get_users(struct call *c, const uint8_t *p, size_t n)
{
	struct told_users all = { .v = NULL };
	uint64_t traffic, reset;
	int rc;

	if (pb_number(p, n, 1, &traffic) < 0 || pb_number(p, n, 2, &reset) < 0)
		return call_malformed(c);
	user_each(note_online, &all);
	rc = all.bad ? -ENOMEM :
		       put_users(&c->out, &all, traffic != 0, reset != 0);
	free(all.v);
	return rc < 0 ? call_fail(c, GRPC_EXHAUSTED, "out of memory") : GRPC_OK;
}

/* --- the process -------------------------------------------------------------------- */

/* Resident bytes of this process; 0: not known */
static uint64_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re"); /* no disk behind it */
	char line[128] = "", *second = line;

	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f))
		strtoull(line, &second, 10);
	fclose(f);
	return strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int get_sys(struct call *c, const uint8_t *p, size_t n)
{
	struct pb_out *o = &c->out;
	uint64_t bytes = resident();

	(void)p;
	(void)n;
	pb_put_number(o, 1, workers_count);
	pb_put_number(o, 3, bytes);
	pb_put_number(o, 5, bytes);
	pb_put_number(o, 10, (clock_us() - c->worker->born_us) / 1000000);
	return GRPC_OK;
}

static const struct method methods[] = {
	{ "GetStats", get_stats },
	{ "GetStatsOnline", get_online },
	{ "QueryStats", query_stats },
	{ "GetSysStats", get_sys },
	{ "GetStatsOnlineIpList", get_online_ips },
	{ "GetAllOnlineUsers", get_all_online },
	{ "GetUsersStats", get_users },
};

const struct service service_stats = {
	.bit = API_STATS,
	.name = "StatsService",
	.packages = { "xray.app.stats.command",
		      "v2ray.core.app.stats.command" },
	.methods = methods,
	.count = ARRAY_SIZE(methods),
};
