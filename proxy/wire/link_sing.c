/*
 * link_sing.c - Servers of a sing-box configuration, as links
 *
 *   { "outbounds": [ { "type": "vless", "tag", "server", "server_port", "uuid", "flow",
 *       "tls": { "enabled", "server_name", "alpn", "insecure", "utls", "reality" },
 *       "transport": { "type", "path", "headers", "service_name" } } ] }
 *
 * Its members become the parameters of the URL form, so that one piece of code knows
 * what they mean. Groups, "direct" and the like are no servers.
 * Source: sing-box's documentation, configuration/outbound and configuration/shared
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "proxy/wire/link.h"

static const struct {
	const char *type;
	enum link_kind kind;
	const char *user, *pass;
} kinds[] = {
	{ "shadowsocks", LINK_SS, NULL, "password" },
	{ "vmess", LINK_VMESS, "uuid", NULL },
	{ "vless", LINK_VLESS, "uuid", NULL },
	{ "trojan", LINK_TROJAN, "password", NULL },
	{ "socks", LINK_SOCKS, "username", "password" },
	{ "http", LINK_HTTP, "username", "password" },
};

/* What is no server, and needs no word */
static const char *const quiet[] = { "direct",   "block",   "dns",
				     "selector", "urltest", "" };

static const cJSON *get(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* A text without control characters; NULL: it is none */
static const char *plain(const cJSON *v)
{
	if (!cJSON_IsString(v))
		return NULL;
	for (const char *p = v->valuestring; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return NULL;
	return v->valuestring;
}

static const char *text(const cJSON *o, const char *key)
{
	return plain(get(o, key));
}

static int add(struct link *l, const char *key, const char *value,
	       const char **why)
{
	return value && *value ? link_add(l, key, value, why) : 0;
}

/* "alpn" as "a,b" */
static const char *joined(struct arena *a, const cJSON *list)
{
	char out[256] = "";
	const cJSON *v;
	size_t n = 0;

	cJSON_ArrayForEach(v, list)
	{
		if (!cJSON_IsString(v) ||
		    strlen(v->valuestring) > sizeof(out) - 2 - n)
			return NULL;
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s",
				      n ? "," : "", v->valuestring);
	}
	return arena_strdup(a, out);
}

static int take_tls(struct link *l, struct arena *a, const cJSON *tls,
		    const char **why)
{
	const cJSON *reality = get(tls, "reality");
	const char *name = text(tls, "server_name");
	struct addr ip = { 0 };
	bool real = cJSON_IsTrue(get(reality, "enabled"));

	if (!cJSON_IsTrue(get(tls, "enabled")))
		return 0;
	/* left out it is the server's, whatever the transport's Host is */
	if ((!name || !*name) && addr_parse_ip(&ip, l->host) < 0)
		name = l->host;
	if (add(l, "security", real ? "reality" : "tls", why) < 0 ||
	    add(l, "sni", name, why) < 0 ||
	    add(l, "fp", text(get(tls, "utls"), "fingerprint"), why) < 0)
		return -EPROTO;
	if (real)
		return add(l, "pbk", text(reality, "public_key"), why) < 0 ||
				       add(l, "sid", text(reality, "short_id"),
					   why) < 0 ?
			       -EPROTO :
			       0;
	if (cJSON_IsTrue(get(tls, "insecure")) &&
	    add(l, "allowInsecure", "1", why) < 0)
		return -EPROTO;
	return add(l, "alpn", joined(a, get(tls, "alpn")), why);
}

/* "Host" of "headers" is a text, or a list of one */
static const char *host_of(const cJSON *transport)
{
	const cJSON *h = cJSON_GetObjectItem(get(transport, "headers"), "Host");

	if (cJSON_IsArray(h))
		h = h->child;
	if (cJSON_IsString(h))
		return plain(h);
	return text(transport, "host");
}

/* WebSocket's early data is written behind the path */
static const char *path_of(struct arena *a, const cJSON *transport)
{
	const char *path = text(transport, "path");
	const cJSON *early = get(transport, "max_early_data");
	char out[512];

	if (!cJSON_IsNumber(early) || early->valuedouble < 1 ||
	    early->valuedouble > 65535 ||
	    !text(transport, "early_data_header_name"))
		return path;
	snprintf(out, sizeof(out), "%s?ed=%d", path && *path ? path : "/",
		 early->valueint);
	return arena_strdup(a, out);
}

static int take_transport(struct link *l, struct arena *a, const cJSON *t,
			  const char **why)
{
	const char *type = text(t, "type");

	if (!type || !*type)
		return 0;
	if (!strcmp(type, "http")) {
		*why = "the transport http of sing-box is not supported";
		return -EPROTO;
	}
	if (add(l, "type", type, why) < 0 ||
	    add(l, "path", path_of(a, t), why) < 0 ||
	    add(l, "host", host_of(t), why) < 0)
		return -EPROTO;
	return add(l, "serviceName", text(t, "service_name"), why);
}

/* Where the server @o is. 0 or -EPROTO with *@why */
static int take_place(struct link *l, struct arena *a, const cJSON *o,
		      const char **why)
{
	const cJSON *port = get(o, "server_port");
	const char *host = text(o, "server");
	char both[300];

	*why = "server or server_port is missing";
	if (!host || !cJSON_IsNumber(port))
		return -EPROTO;
	snprintf(both, sizeof(both),
		 strchr(host, ':') ? "[%.255s]:%d" : "%.255s:%d", host,
		 port->valueint);
	return link_host_port(l, a, both, strlen(both), why);
}

/* 0; -EPROTO with *@why; 1: it is no server */
static int take(struct link *l, struct arena *a, const cJSON *o,
		const char **why)
{
	const char *type = text(o, "type");
	size_t i = 0;

	*l = (struct link){ .name = text(o, "tag") ? text(o, "tag") : "" };
	for (size_t q = 0; q < ARRAY_SIZE(quiet); q++)
		if (!strcmp(type ? type : "", quiet[q]))
			return 1;
	while (i < ARRAY_SIZE(kinds) && strcmp(kinds[i].type, type) != 0)
		i++;
	*why = "a protocol that is not supported";
	if (i == ARRAY_SIZE(kinds))
		return -EPROTO;
	if (take_place(l, a, o, why) < 0)
		return -EPROTO;
	l->kind = kinds[i].kind;
	l->user = kinds[i].user ? text(o, kinds[i].user) : NULL;
	l->pass = kinds[i].pass ? text(o, kinds[i].pass) : NULL;
	l->method = text(o, l->kind == LINK_SS ? "method" : "security");
	*why = "uuid, method or password is missing";
	if (l->kind == LINK_SS ? !l->method || !l->pass :
				 l->kind < LINK_SOCKS && !l->user)
		return -EPROTO;
	*why = "plugins are not supported";
	if (text(o, "plugin") && *text(o, "plugin"))
		return -EPROTO;
	if (add(l, "flow", text(o, "flow"), why) < 0 ||
	    take_tls(l, a, get(o, "tls"), why) < 0)
		return -EPROTO;
	return take_transport(l, a, get(o, "transport"), why);
}

int link_sing_box(const cJSON *root, link_each each, void *arg)
{
	const cJSON *all = get(root, "outbounds"), *o;
	unsigned int i = 0;
	int good = 0;

	cJSON_ArrayForEach(o, all)
	{
		struct arena a = { 0 };
		const char *why = NULL;
		struct link l;
		int rc = good < (int)LINK_ALL_MAX ? take(&l, &a, o, &why) : 1;

		i++;
		if (a.failed)
			why = "out of memory";
		if (rc < 0)
			l = (struct link){ .name = l.name };
		if (rc <= 0)
			each(arg, i, &l, rc || a.failed ? why : NULL);
		good += !rc && !a.failed;
		arena_free(&a);
	}
	return good;
}
