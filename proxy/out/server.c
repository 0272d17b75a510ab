/*
 * server.c - Settings that all proxy protocols have: a server, a user
 *
 * Source: xray.md section K
 */
#include "proxy/out/server.h"

#include <errno.h>
#include <string.h>

#include "gateway/core/session.h"

static int parse_address(struct jobj *o, struct server_conf *conf,
			 struct arena *a)
{
	struct addr server = { .kind = ADDR_NONE };
	const char *copy;
	char name[256];
	int len;

	if (!j_addr(o, "address", &server)) {
		diag_error(o->d, o->node, "address",
			   "must be the server's address or name");
		return 0;
	}
	server.port = (uint16_t)j_int(o, "port", 0, 1, 65535);
	if (!server.port)
		diag_error(o->d, o->node, "port", "must be 1 to 65535");
	if (server.kind == ADDR_NAME) {
		len = addr_clean_name(server.name, server.len, name);
		if (len <= 0) {
			diag_error(o->d, o->node, "address", "is no name");
			return 0;
		}
		copy = arena_strndup(a, name, (size_t)len);
		if (!copy)
			return -ENOMEM;
		server = addr_name(copy, (size_t)len, server.port);
	}
	conf->server = server;
	return 0;
}

static int parse_user(struct jobj *u, server_user user,
		      struct server_conf *conf, struct arena *a)
{
	conf->level = (uint32_t)j_int(u, "level", 0, 0, UINT32_MAX);
	(void)j_str(u, "email", NULL);
	return user(u, conf, a);
}

/* The user's members are in users[0], or beside the address */
static int parse_entry(struct jobj *o, bool need_user, server_user user,
		       struct server_conf *conf, struct arena *a)
{
	const cJSON *users = j_array(o, "users");
	struct jobj u;
	int rc;

	if (!users && !need_user)
		return parse_user(o, user, conf, a);
	if (cJSON_GetArraySize(users) > 1 ||
	    (need_user && cJSON_GetArraySize(users) != 1)) {
		diag_error(o->d, o->node, "users", "must hold one user");
		return 0;
	}
	if (!j_open(&u, o->d, cJSON_GetArrayItem(users, 0)))
		return 0;
	rc = parse_user(&u, user, conf, a);
	j_close(&u);
	return rc;
}

int server_parse(struct jobj *settings, const char *list, bool need_user,
		 server_user user, struct server_conf *conf, struct arena *a)
{
	const cJSON *entries;
	struct jobj o;
	int rc;

	if (j_get(settings, "address") || !j_get(settings, list)) {
		rc = parse_address(settings, conf, a);
		return rc ? rc : parse_user(settings, user, conf, a);
	}
	entries = j_array(settings, list);
	if (cJSON_GetArraySize(entries) != 1) {
		diag_error(settings->d, settings->node, list,
			   "must hold exactly one server");
		return 0;
	}
	if (!j_open(&o, settings->d, cJSON_GetArrayItem(entries, 0)))
		return 0;
	rc = parse_address(&o, conf, a);
	if (!rc)
		rc = parse_entry(&o, need_user, user, conf, a);
	j_close(&o);
	return rc;
}

void server_need_tls(const struct outbound *ob, struct jobj *settings,
		     const struct server_conf *conf)
{
	if (!addr_is_ip(&conf->server) || addr_is_private(&conf->server) ||
	    transport_secure(ob->transport))
		return;
	diag_error(settings->d, settings->node, NULL,
		   "%s to a public address needs streamSettings.security tls",
		   ob->ops->name);
	diag_help(settings->d,
		  "without it everybody on the way can read what passes");
}

const char *server_need_text(struct jobj *u, const char *key, struct arena *a)
{
	const char *s = j_need_str(u, key);

	return *s ? arena_strdup(a, s) : NULL;
}

struct dial server_dial(const struct outbound *ob, struct session *s)
{
	return (struct dial){ .worker = s->job.worker,
			      .job = &s->job,
			      .cfg = s->cfg,
			      .ob = ob,
			      .s = s };
}
