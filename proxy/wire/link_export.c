/*
 * link_export.c - An outbound of the configuration as a link
 *
 * What link_conf.c makes comes back as the same link; members that no link can
 * say are left out. Both forms of settings are read: flat, and vnext/servers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "proxy/wire/link.h"

struct text {
	char b[LINK_MAX_BYTES];
	size_t len;
	bool full, query; /* a parameter has been written */
};

static void add(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (t->len + n >= sizeof(t->b)) {
		t->full = true;
		return;
	}
	memcpy(t->b + t->len, s, n + 1);
	t->len += n;
}

static void add_encoded(struct text *t, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	char c[4];

	for (; *s; s++) {
		if (strchr(plain, *s))
			snprintf(c, sizeof(c), "%c", *s);
		else
			snprintf(c, sizeof(c), "%%%02X", (unsigned char)*s);
		add(t, c);
	}
}

static void query(struct text *t, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	add(t, t->query ? "&" : "?");
	t->query = true;
	add(t, key);
	add(t, "=");
	add_encoded(t, value);
}

/* A member that is a text, or the first text of a list; NULL */
static const char *str(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItem(o, key);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

static void query_number(struct text *t, const char *key, const cJSON *v)
{
	char number[16];

	if (!cJSON_IsNumber(v))
		return;
	snprintf(number, sizeof(number), "%d", v->valueint);
	query(t, key, number);
}

static void query_list(struct text *t, const char *key, const cJSON *list)
{
	char all[1024] = "";
	const cJSON *v;
	size_t n = 0;

	if (cJSON_IsString(list)) {
		query(t, key, list->valuestring);
		return;
	}
	cJSON_ArrayForEach(v, list)
	{
		int k = cJSON_IsString(v) ?
				snprintf(all + n, sizeof(all) - n, "%s%s",
					 n ? "," : "", v->valuestring) :
				0;

		if (k < 0 || n + (size_t)k >= sizeof(all))
			return;
		n += (size_t)k;
	}
	query(t, key, all);
}

/* Settings in either form: where the address stands, and where the user */
static const cJSON *server_of(const cJSON *settings)
{
	const cJSON *list = cJSON_GetObjectItem(settings, "vnext");

	if (!list)
		list = cJSON_GetObjectItem(settings, "servers");
	return list ? cJSON_GetArrayItem(list, 0) : settings;
}

static const cJSON *user_of(const cJSON *server)
{
	const cJSON *list = cJSON_GetObjectItem(server, "users");

	return list ? cJSON_GetArrayItem(list, 0) : server;
}

static bool add_server(struct text *t, const cJSON *server)
{
	const char *host = str(server, "address");
	const cJSON *port = cJSON_GetObjectItem(server, "port");
	char number[16];

	if (!host || !cJSON_IsNumber(port))
		return false;
	add(t, strchr(host, ':') ? "[" : "");
	add(t, host);
	add(t, strchr(host, ':') ? "]:" : ":");
	snprintf(number, sizeof(number), "%d", port->valueint);
	add(t, number);
	return true;
}

/* @other: the name when none is given */
static void tls_query(struct text *t, const cJSON *o, const char *other)
{
	const char *name = str(o, "serverName");

	query(t, "sni", name && *name ? name : other);
	query_list(t, "alpn", cJSON_GetObjectItem(o, "alpn"));
	query(t, "fp", str(o, "fingerprint"));
	query(t, "ech", str(o, "echConfigList"));
	query(t, "pcs", str(o, "pinnedPeerCertSha256"));
	query(t, "vcn", str(o, "verifyPeerCertByName"));
	query(t, "pbk", str(o, "publicKey"));
	query(t, "sid", str(o, "shortId"));
	query(t, "spx", str(o, "spiderX"));
	query(t, "pqv", str(o, "mldsa65Verify"));
}

static bool is_kcp(const char *net)
{
	return !strcasecmp(net, "kcp") || !strcasecmp(net, "mkcp");
}

static const cJSON *net_settings(const cJSON *stream, const char *net)
{
	char key[64];
	const cJSON *o;

	snprintf(key, sizeof(key), "%sSettings", net);
	o = cJSON_GetObjectItem(stream, key);
	if (!o && is_kcp(net))
		o = cJSON_GetObjectItem(stream, "kcpSettings");
	if (!o && !strcasecmp(net, "tcp"))
		o = cJSON_GetObjectItem(stream, "rawSettings");
	if (!o && !strcasecmp(net, "raw"))
		o = cJSON_GetObjectItem(stream, "tcpSettings");
	if (!o && !strcasecmp(net, "xhttp"))
		o = cJSON_GetObjectItem(stream, "splithttpSettings");
	if (!o && !strcasecmp(net, "splithttp"))
		o = cJSON_GetObjectItem(stream, "xhttpSettings");
	return o;
}

/* A link has host, path and mode of xhttpSettings, and all else as "extra" */
static void extra_query(struct text *t, const cJSON *settings)
{
	const cJSON *extra = cJSON_GetObjectItem(settings, "extra");
	cJSON *rest = cJSON_Duplicate(extra ? extra : settings, true);
	char *text = NULL;

	if (!extra) {
		cJSON_DeleteItemFromObject(rest, "host");
		cJSON_DeleteItemFromObject(rest, "path");
		cJSON_DeleteItemFromObject(rest, "mode");
	}
	if (rest && (extra || rest->child))
		text = cJSON_PrintUnformatted(rest);
	query(t, "extra", text);
	cJSON_free(text);
	cJSON_Delete(rest);
}

/* The layers of both forms: seed and header, or finalmask */
static void kcp_query(struct text *t, const cJSON *stream, const cJSON *o)
{
	const cJSON *mask = cJSON_GetObjectItem(stream, "finalmask");
	char *text = cJSON_IsObject(mask) ? cJSON_PrintUnformatted(mask) : NULL;

	query(t, "seed", str(o, "seed"));
	query(t, "host", str(cJSON_GetObjectItem(o, "header"), "domain"));
	query_number(t, "mtu", cJSON_GetObjectItem(o, "mtu"));
	query_number(t, "tti", cJSON_GetObjectItem(o, "tti"));
	query(t, "fm", text);
	cJSON_free(text);
}

static void net_query(struct text *t, const cJSON *stream)
{
	const char *net = str(stream, "network");
	const cJSON *o, *header, *request;

	if (!net || !*net)
		return;
	query(t, "type",
	      !strcasecmp(net, "raw")       ? "tcp" :
	      !strcasecmp(net, "splithttp") ? "xhttp" :
	      is_kcp(net)                   ? "kcp" :
					      net);
	o = net_settings(stream, net);
	header = cJSON_GetObjectItem(o, "header");
	request = cJSON_GetObjectItem(header, "request");
	query(t, "headerType", str(header, "type"));
	query_list(t, "path",
		   cJSON_GetObjectItem(request ? request : o, "path"));
	query_list(t, "host",
		   request ? cJSON_GetObjectItem(
				     cJSON_GetObjectItem(request, "headers"),
				     "Host") :
			     cJSON_GetObjectItem(o, "host"));
	if (is_kcp(net))
		kcp_query(t, stream, o);
	query(t, "serviceName", str(o, "serviceName"));
	query(t, "authority", str(o, "authority"));
	query(t, "mode",
	      cJSON_IsTrue(cJSON_GetObjectItem(o, "multiMode")) ?
		      "multi" :
		      str(o, "mode"));
	if (!strcasecmp(net, "xhttp") || !strcasecmp(net, "splithttp"))
		extra_query(t, o);
}

/* Without "sni" who reads a link takes its host; here it is the server's @address */
static void stream_query(struct text *t, const cJSON *ob, const char *address)
{
	const cJSON *stream = cJSON_GetObjectItem(ob, "streamSettings");
	const char *security = str(stream, "security");
	const char *net = str(stream, "network");
	const char *host = net ? str(net_settings(stream, net), "host") : NULL;

	net_query(t, stream);
	query(t, "security", security);
	if (security && !strcasecmp(security, "tls"))
		tls_query(t, cJSON_GetObjectItem(stream, "tlsSettings"),
			  host && *host ? address : NULL);
	if (security && !strcasecmp(security, "reality"))
		tls_query(t, cJSON_GetObjectItem(stream, "realitySettings"),
			  NULL);
}

/* SIP002: base64, but the keys of 2022 ciphers percent-encoded */
static bool add_ss_user(struct text *t, const cJSON *user)
{
	const char *method = str(user, "method"), *pass = str(user, "password");
	char plain[512], coded[BASE64_LEN(sizeof(plain)) + 1];
	int n;

	if (!method || !pass)
		return false;
	n = snprintf(plain, sizeof(plain), "%s:%s", method, pass);
	if (n < 0 || n >= (int)sizeof(plain))
		return false;
	if (!strncmp(method, "2022-", 5)) {
		add(t, method);
		add(t, ":");
		add_encoded(t, pass);
	} else if (base64_encode(plain, (size_t)n, true, coded, sizeof(coded)) >
		   0) {
		add(t, coded);
	}
	return true;
}

static bool add_user(struct text *t, const char *protocol, const cJSON *user)
{
	const char *id;

	if (!strcmp(protocol, "shadowsocks"))
		return add_ss_user(t, user);
	id = str(user,
		 !strcmp(protocol, "trojan") ? "password" :
		 !strcmp(protocol, "vless") || !strcmp(protocol, "vmess") ?
					       "id" :
					       "user");
	if (id)
		add_encoded(t, id);
	if (id && str(user, "pass")) {
		add(t, ":");
		add_encoded(t, str(user, "pass"));
	}
	return id != NULL;
}

static const struct {
	const char *protocol, *scheme;
	bool user; /* must have one */
} kinds[] = {
	{ "shadowsocks", "ss://", true }, { "vless", "vless://", true },
	{ "vmess", "vmess://", true },    { "trojan", "trojan://", true },
	{ "socks", "socks://", false },   { "http", "http://", false },
	{ "wireguard", "", true },
};

static void add_name(struct text *t, const cJSON *ob)
{
	if (!str(ob, "tag"))
		return;
	add(t, "#");
	add_encoded(t, str(ob, "tag"));
}

static bool write_link(struct text *t, const cJSON *ob, size_t kind)
{
	const cJSON *server = server_of(cJSON_GetObjectItem(ob, "settings"));
	const cJSON *user = user_of(server);
	const char *protocol = kinds[kind].protocol;
	bool has;

	add(t, kinds[kind].scheme);
	has = add_user(t, protocol, user);
	if (!has && kinds[kind].user)
		return false;
	add(t, has ? "@" : "");
	if (!add_server(t, server))
		return false;
	if (!strcmp(protocol, "vless")) {
		query(t, "encryption", str(user, "encryption"));
		query(t, "flow", str(user, "flow"));
	}
	if (!strcmp(protocol, "vmess"))
		query(t, "encryption", str(user, "security"));
	stream_query(t, ob, str(server, "address"));
	return true;
}

/* "1,2,3", or what it is in base64 */
static void reserved_query(struct text *t, const cJSON *r)
{
	char all[64] = "";
	const cJSON *v;
	size_t n = 0;

	if (cJSON_IsString(r))
		query(t, "reserved", r->valuestring);
	cJSON_ArrayForEach(v, r)
	{
		int k = snprintf(all + n, sizeof(all) - n, "%s%d", n ? "," : "",
				 v->valueint);

		if (k < 0 || n + (size_t)k >= sizeof(all))
			return;
		n += (size_t)k;
	}
	query(t, "reserved", all);
}

/* The first peer */
static bool write_wg(struct text *t, const cJSON *ob)
{
	const cJSON *s = cJSON_GetObjectItem(ob, "settings");
	const cJSON *p = cJSON_GetArrayItem(cJSON_GetObjectItem(s, "peers"), 0);

	if (!str(s, "secretKey") || !str(p, "endpoint") || !str(p, "publicKey"))
		return false;
	add(t, "wireguard://");
	add_encoded(t, str(s, "secretKey"));
	add(t, "@");
	add(t, str(p, "endpoint"));
	query(t, "publickey", str(p, "publicKey"));
	query(t, "presharedkey", str(p, "preSharedKey"));
	query_list(t, "address", cJSON_GetObjectItem(s, "address"));
	query_list(t, "allowedips", cJSON_GetObjectItem(p, "allowedIPs"));
	reserved_query(t, cJSON_GetObjectItem(s, "reserved"));
	query_number(t, "mtu", cJSON_GetObjectItem(s, "mtu"));
	query_number(t, "keepalive", cJSON_GetObjectItem(p, "keepAlive"));
	return true;
}

char *link_from_outbound(const cJSON *ob, const char **why)
{
	const char *protocol = str(ob, "protocol");
	struct text *t;
	char *out = NULL;
	size_t i = 0;
	bool done;

	while (i < ARRAY_SIZE(kinds) &&
	       (!protocol || strcasecmp(kinds[i].protocol, protocol) != 0))
		i++;
	*why = "there are no links for this protocol";
	if (i == ARRAY_SIZE(kinds))
		return NULL;
	t = calloc(1, sizeof(*t));
	*why = "out of memory";
	if (!t)
		return NULL;
	done = *kinds[i].scheme ? write_link(t, ob, i) : write_wg(t, ob);
	if (done)
		add_name(t, ob);
	if (!done)
		*why = "its settings lack the server or the user";
	else if (t->full)
		*why = "too long for a link";
	else
		out = strdup(t->b);
	free(t);
	return out;
}
