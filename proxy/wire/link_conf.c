/*
 * link_conf.c - A link as an outbound of the configuration
 *
 * Source: ecosystem.md 3.4 (which parameter goes where)
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/compat.h"
#include "proxy/wire/link.h"

/* What is asked of the link, and to whom is said what cannot be kept */
struct conv {
	const struct link *l;
	void (*warn)(void *arg, const char *what);
	void *arg;
};

static const char *const protocols[] = {
	[LINK_SS] = "shadowsocks",      [LINK_VLESS] = "vless",
	[LINK_VMESS] = "vmess",         [LINK_TROJAN] = "trojan",
	[LINK_SOCKS] = "socks",         [LINK_HTTP] = "http",
	[LINK_WIREGUARD] = "wireguard",
};

static const struct {
	const char *type, *network, *key;
} networks[] = {
	{ "tcp", "raw", "rawSettings" },
	{ "raw", "raw", "rawSettings" },
	{ "ws", "ws", "wsSettings" },
	{ "websocket", "ws", "wsSettings" },
	{ "grpc", "grpc", "grpcSettings" },
	{ "gun", "grpc", "grpcSettings" },
	{ "httpupgrade", "httpupgrade", "httpupgradeSettings" },
	{ "xhttp", "xhttp", "xhttpSettings" },
	{ "splithttp", "xhttp", "xhttpSettings" },
	{ "http", "xhttp", "xhttpSettings" },
	{ "h2", "xhttp", "xhttpSettings" },
	{ "kcp", "kcp", "kcpSettings" },
	{ "mkcp", "kcp", "kcpSettings" },
};

static void warn(const struct conv *c, const char *what)
{
	if (c->warn)
		c->warn(c->arg, what);
}

static void put(cJSON *o, const char *key, const char *value)
{
	if (o && value && *value)
		cJSON_AddStringToObject(o, key, value);
}

/* The parameter @from as member @key */
static void copy(const struct conv *c, cJSON *o, const char *key,
		 const char *from)
{
	put(o, key, link_get(c->l, from));
}

void link_put_list(cJSON *o, const char *key, const char *p, bool numbers)
{
	cJSON *list = p && *p ? cJSON_AddArrayToObject(o, key) : NULL;
	char word[256];

	while (list && *p) {
		size_t n = strcspn(p, ",");

		if (n && n < sizeof(word)) {
			memcpy(word, p, n);
			word[n] = '\0';
			cJSON_AddItemToArray(
				list, numbers ?
					      cJSON_CreateNumber((double)strtol(
						      word, NULL, 10)) :
					      cJSON_CreateString(word));
		}
		p += n + (p[n] != '\0');
	}
}

static void copy_list(const struct conv *c, cJSON *o, const char *key,
		      const char *from)
{
	link_put_list(o, key, link_get(c->l, from), false);
}

/* The first of "host"'s names, where the network has a Host; "": it is none */
static void host_name(const struct conv *c, char out[256])
{
	const char *type = link_get(c->l, "type"), *host;
	struct addr a = { 0 };
	int n;

	out[0] = '\0';
	host = link_get(c->l, "host");
	if (!host || !type || !strcasecmp(type, "tcp") ||
	    !strcasecmp(type, "raw") || strcasestr(type, "kcp"))
		return;
	n = addr_clean_name(host, strcspn(host, ","), out);
	if (n > 0)
		out[n] = '\0';
	if (n <= 0 || addr_parse_ip(&a, out) == 0)
		out[0] = '\0';
}

/*
 * The name that the certificate must be for. Links of sites behind a CDN often have
 * it as "host" only, and some address or name of the CDN for the server: without a
 * "sni" v2rayN and v2rayNG, and so all who make links, take the host before the server
 */
static void server_name(const struct conv *c, cJSON *o)
{
	const char *name = link_get(c->l, "sni");
	char host[256];

	if (!name)
		name = link_get(c->l, "peer");
	host_name(c, host);
	put(o, "serverName", name ? name : host);
}

static void tls(const struct conv *c, cJSON *stream)
{
	cJSON *o = cJSON_AddObjectToObject(stream, "tlsSettings");
	const char *insecure = link_get(c->l, "allowInsecure");

	if (!insecure)
		insecure = link_get(c->l, "insecure");
	server_name(c, o);
	copy_list(c, o, "alpn", "alpn");
	copy(c, o, "fingerprint", "fp");
	copy(c, o, "echConfigList", "ech");
	copy(c, o, "pinnedPeerCertSha256", "pcs");
	copy(c, o, "verifyPeerCertByName", "vcn");
	if (insecure && strcmp(insecure, "0") != 0 &&
	    strcasecmp(insecure, "false") != 0)
		warn(c, "asks not to check the server's certificate: it is "
			"checked");
}

static void reality(const struct conv *c, cJSON *stream)
{
	cJSON *o = cJSON_AddObjectToObject(stream, "realitySettings");

	copy(c, o, "serverName", "sni");
	copy(c, o, "fingerprint", "fp");
	copy(c, o, "publicKey", "pbk");
	copy(c, o, "shortId", "sid");
	copy(c, o, "spiderX", "spx");
	copy(c, o, "mldsa65Verify", "pqv");
}

/* Raw TCP behind a made-up HTTP request */
static void http_header(const struct conv *c, cJSON *o)
{
	cJSON *header = cJSON_AddObjectToObject(o, "header"), *request, *h;

	put(header, "type", "http");
	request = cJSON_AddObjectToObject(header, "request");
	copy_list(c, request, "path", "path");
	h = link_get(c->l, "host") ?
		    cJSON_AddObjectToObject(request, "headers") :
		    NULL;
	if (h)
		copy_list(c, h, "Host", "host");
}

/* The parameter @from, JSON, as member @key. Is it there? */
static bool copy_object(const struct conv *c, cJSON *o, const char *key,
			const char *from, const char *what)
{
	const char *text = link_get(c->l, from);
	cJSON *e = text && *text ? cJSON_Parse(text) : NULL;

	if (cJSON_IsObject(e) && cJSON_AddItemToObject(o, key, e))
		return true;
	cJSON_Delete(e);
	if (text && *text)
		warn(c, what);
	return false;
}

/* A parameter of the same name that is a number of @lo to @hi */
static void copy_number(const struct conv *c, cJSON *o, const char *key,
			long lo, long hi, const char *what)
{
	const char *text = link_get(c->l, key);
	char *end = NULL;
	long n;

	if (!o || !text || !*text)
		return;
	n = strtol(text, &end, 10);
	if (*end || n < lo || n > hi)
		warn(c, what);
	else
		cJSON_AddNumberToObject(o, key, (double)n);
}

/* What @fm says of layers goes before the old words for them */
static void kcp(const struct conv *c, cJSON *stream, cJSON *o)
{
	const char *type = link_get(c->l, "headerType");
	cJSON *header;

	copy_number(c, o, "mtu", 128, 4096,
		    "\"mtu\" is none of 128 to 4096: left out");
	copy_number(c, o, "tti", 10, 1000,
		    "\"tti\" is none of 10 to 1000: left out");
	if (copy_object(c, stream, "finalmask", "fm",
			"\"fm\" is no JSON object: left out"))
		return;
	copy(c, o, "seed", "seed");
	if (!type || !*type)
		return;
	header = cJSON_AddObjectToObject(o, "header");
	put(header, "type", type);
	if (!strcasecmp(type, "dns"))
		copy(c, header, "domain", "host");
}

static void network(const struct conv *c, cJSON *stream, const char *name,
		    const char *key)
{
	const char *type = link_get(c->l, "headerType");
	cJSON *o;

	put(stream, "network", name);
	if (strcmp(name, "kcp") != 0 && link_get(c->l, "fm"))
		warn(c, "\"fm\" is for kcp only: left out");
	if (!strcmp(name, "raw")) {
		if (type && !strcasecmp(type, "http"))
			http_header(c, cJSON_AddObjectToObject(stream, key));
		return;
	}
	o = cJSON_AddObjectToObject(stream, key);
	if (!strcmp(name, "grpc")) {
		const char *mode = link_get(c->l, "mode");

		copy(c, o, "serviceName",
		     link_get(c->l, "serviceName") ? "serviceName" : "path");
		copy(c, o, "authority", "authority");
		if (o && mode && !strcasecmp(mode, "multi"))
			cJSON_AddTrueToObject(o, "multiMode");
		return;
	}
	if (!strcmp(name, "kcp")) {
		kcp(c, stream, o);
		return;
	}
	copy(c, o, "path", "path");
	copy(c, o, "host", "host");
	if (!strcmp(name, "xhttp")) {
		copy(c, o, "mode", "mode");
		copy_object(c, o, "extra", "extra",
			    "\"extra\" is no JSON object: left out");
	}
}

static void stream(const struct conv *c, cJSON *ob)
{
	const char *type = link_get(c->l, "type");
	const char *security = link_get(c->l, "security");
	size_t i = 0;
	cJSON *o;

	if (!security && c->l->kind == LINK_TROJAN)
		security = "tls";
	if (!type && !security)
		return;
	o = cJSON_AddObjectToObject(ob, "streamSettings");
	while (type && i < ARRAY_SIZE(networks) &&
	       strcasecmp(networks[i].type, type) != 0)
		i++;
	if (type && i < ARRAY_SIZE(networks))
		network(c, o, networks[i].network, networks[i].key);
	else
		put(o, "network", type); /* the configuration will name it */
	if (!security || !strcasecmp(security, "none"))
		return;
	put(o, "security", security);
	if (!strcasecmp(security, "tls"))
		tls(c, o);
	else if (!strcasecmp(security, "reality"))
		reality(c, o);
}

static void settings(const struct conv *c, cJSON *ob)
{
	const struct link *l = c->l;
	cJSON *o = cJSON_AddObjectToObject(ob, "settings");

	put(o, "address", l->host);
	if (o)
		cJSON_AddNumberToObject(o, "port", l->port);
	switch (l->kind) {
	case LINK_SS:
		put(o, "method", l->method);
		put(o, "password", l->pass);
		break;
	case LINK_VLESS:
		put(o, "id", l->user);
		put(o, "encryption",
		    link_get(l, "encryption") ? link_get(l, "encryption") :
						"none");
		copy(c, o, "flow", "flow");
		break;
	case LINK_VMESS:
		put(o, "id", l->user);
		put(o, "security",
		    l->method && *l->method   ? l->method :
		    link_get(l, "encryption") ? link_get(l, "encryption") :
						"auto");
		break;
	case LINK_TROJAN:
		put(o, "password", l->user);
		copy(c, o, "flow", "flow");
		break;
	case LINK_SOCKS:
	case LINK_HTTP:
		put(o, "user", l->user);
		put(o, "pass", l->pass);
		break;
	case LINK_WIREGUARD:
		break; /* link_wg.c */
	}
}

cJSON *link_to_outbound(const struct link *l, const char *tag,
			void (*warn_fn)(void *arg, const char *what), void *arg)
{
	const struct conv c = { .l = l, .warn = warn_fn, .arg = arg };
	cJSON *ob = cJSON_CreateObject();

	if (!ob)
		return NULL;
	put(ob, "tag", tag);
	put(ob, "protocol", protocols[l->kind]);
	if (l->kind == LINK_WIREGUARD) {
		link_wg_settings(l, ob);
		return ob;
	}
	settings(&c, ob);
	stream(&c, ob);
	return ob;
}
