/*
 * server.c - Settings that all proxy protocols have: a server, a user
 *
 * Source: xray.md section K
 */
#include "proxy/out/server.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/trouble.h"
#include "proxy/out/ahead.h"

/* "/path" or "@name"; 1: it is none */
static int parse_unix(struct jobj *o, struct addr *out, struct arena *a)
{
	const cJSON *m = j_get(o, "address");
	const char *text = cJSON_IsString(m) ? m->valuestring : "", *copy;

	if (!sock_is_unix(text))
		return 1;
	(void)j_int(o, "port", 0, 0, UINT16_MAX);
	if (strlen(text) > ADDR_NAME_MAX || sock_check_unix(text) < 0) {
		diag_error(o->d, m, NULL, "is too long for a unix socket");
		return 0;
	}
	copy = arena_strdup(a, text);
	if (!copy)
		return -ENOMEM;
	*out = addr_name(copy, strlen(copy), 0);
	return 0;
}

int server_parse_address(struct jobj *o, struct addr *out, struct arena *a)
{
	struct addr server = { .kind = ADDR_NONE };
	const char *copy;
	char name[256];
	int len = parse_unix(o, out, a);
	uint16_t port;

	if (len <= 0)
		return len;
	port = (uint16_t)j_int(o, "port", 0, 1, 65535);
	if (!port && !j_get(o, "port"))
		diag_error(o->d, o->node, "port", "must be 1 to 65535");
	if (!j_get(o, "address"))
		diag_error(o->d, o->node, "address",
			   "must be the server's address or name");
	if (!j_addr(o, "address", &server))
		return 0;
	server.port = port;
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
	*out = server;
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
static int parse_entry(struct jobj *o, const struct server_form *form,
		       struct server_conf *conf, struct arena *a)
{
	const cJSON *users = j_array(o, "users");
	struct jobj u;
	int rc;

	if (!users && !form->need_user)
		return parse_user(o, form->user, conf, a);
	if (cJSON_GetArraySize(users) > 1 ||
	    (form->need_user && cJSON_GetArraySize(users) != 1)) {
		diag_error(o->d, o->node, "users", "must hold one user");
		return 0;
	}
	if (!j_open(&u, o->d, cJSON_GetArrayItem(users, 0)))
		return 0;
	rc = parse_user(&u, form->user, conf, a);
	j_close(&u);
	return rc;
}

static int parse_forms(struct jobj *settings, const struct server_form *form,
		       struct server_conf *conf, struct arena *a)
{
	const cJSON *entries;
	struct jobj o;
	int rc;

	if (j_get(settings, "address") || !j_get(settings, form->list)) {
		rc = server_parse_address(settings, &conf->server, a);
		return rc ? rc : parse_user(settings, form->user, conf, a);
	}
	entries = j_array(settings, form->list);
	if (cJSON_GetArraySize(entries) != 1) {
		diag_error(settings->d, settings->node, form->list,
			   "must hold exactly one server");
		return 0;
	}
	if (!j_open(&o, settings->d, cJSON_GetArrayItem(entries, 0)))
		return 0;
	rc = server_parse_address(&o, &conf->server, a);
	if (!rc)
		rc = parse_entry(&o, form, conf, a);
	j_close(&o);
	return rc;
}

void server_check_tls(const struct outbound *ob, struct jobj *settings,
		      const char *also)
{
	const struct server_conf *conf = ob->settings;
	const cJSON *flat = j_get(settings, "address"), *at = flat;

	if (!addr_is_ip(&conf->server) || addr_is_private(&conf->server) ||
	    transport_secure(ob->transport))
		return;
	if (!at)
		at = j_get(settings, "vnext");
	if (!at)
		at = j_get(settings, "servers");
	/* in the older form Xray lets it pass, and there are such files */
	(flat ? diag_error : diag_warning)(
		settings->d, at, NULL,
		"%s to a public address needs streamSettings.security tls "
		"or reality%s",
		ob->ops->name, also);
	diag_help(settings->d,
		  "without it everybody on the way can read what passes");
}

int server_parse(struct outbound *ob, struct jobj *settings, struct config *cfg,
		 const struct server_form *form)
{
	struct server_conf *conf = arena_alloc(&cfg->arena, form->conf_bytes);
	int rc;

	if (!conf)
		return -ENOMEM;
	ob->settings = conf;
	ob->trouble = arena_alloc(&cfg->arena, sizeof(*ob->trouble));
	if (!ob->trouble)
		return -ENOMEM;
	ob->trouble->server = &conf->server;
	ob->trouble->answers = form->answers;
	rc = parse_forms(settings, form, conf, &cfg->arena);
	if (!rc && form->need_tls)
		server_check_tls(ob, settings, "");
	return rc;
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

static int dial(const struct dial *d, const struct server_conf *conf,
		struct stream **out)
{
	if (conf->ahead)
		return ahead_dial(d, &conf->server, conf->ahead, out);
	return transport_dial(d->ob->transport, d, &conf->server, out);
}

int server_open_on(const struct dial *d, const struct head_ops *ops,
		   uint8_t *head, ssize_t n,
		   int (*wrap)(const struct dial *d, struct stream **s),
		   struct stream **out)
{
	const struct server_conf *conf = d->ob->settings;
	struct stream *below = NULL, *top = NULL;
	int rc = n < 0 ? (int)n : dial(d, conf, &below);

	if (rc >= 0 && wrap)
		rc = wrap(d, &below);
	if (rc >= 0) {
		top = head_new(ops, below, head, (size_t)n, NULL,
			       d->s ? d->s->id : 0);
		rc = top ? 0 : -ENOMEM;
	}
	if (top)
		*out = top;
	else
		stream_close(&below, rc);
	if (n > 0)
		wipe(head, (size_t)n);
	return rc;
}

int server_open(const struct dial *d, const struct head_ops *ops, uint8_t *head,
		ssize_t n, struct stream **out)
{
	return server_open_on(d, ops, head, n, NULL, out);
}
