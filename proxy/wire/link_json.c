/*
 * link_json.c - vmess://BASE64 of JSON, as v2rayN writes it
 *
 * Its members become the parameters of the URL form, so that one piece of code
 * knows what they mean: net -> type, type -> headerType, tls -> security ...
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "proxy/wire/link.h"

static const struct {
	const char *json, *key;
} names[] = {
	{ "net", "type" },  { "host", "host" },
	{ "path", "path" }, { "tls", "security" },
	{ "sni", "sni" },   { "alpn", "alpn" },
	{ "fp", "fp" },     { "insecure", "allowInsecure" },
	{ "pcs", "pcs" },   { "vcn", "vcn" },
	{ "mode", "mode" }, { "authority", "authority" },
};

/* A text, without blanks around it, or a number as text; NULL: neither, or controls */
static const char *text_of(struct arena *a, const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
	char number[32];
	const char *text;
	size_t n;

	if (cJSON_IsNumber(v) && v->valuedouble >= 0 &&
	    v->valuedouble <= 65535) {
		snprintf(number, sizeof(number), "%d", v->valueint);
		return arena_strdup(a, number);
	}
	if (cJSON_IsTrue(v))
		return "1";
	if (!cJSON_IsString(v))
		return NULL;
	for (const char *p = v->valuestring; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return NULL;
	text = v->valuestring + strspn(v->valuestring, " ");
	for (n = strlen(text); n && text[n - 1] == ' ';)
		n--;
	return arena_strndup(a, text, n);
}

/* What @type says: the header of raw and kcp, the mode of grpc and xhttp */
static const char *key_of_type(const char *net)
{
	if (net && (!strcasecmp(net, "grpc") || !strcasecmp(net, "xhttp") ||
		    !strcasecmp(net, "splithttp")))
		return "mode";
	return "headerType";
}

/*
 * "type" means another thing for each network. Panels have the mode in a member of its
 * own, and "none" as the type of what has no header
 */
static int add_type(struct link *l, struct arena *a, const cJSON *o,
		    const char **why)
{
	const char *net = link_get(l, "type"), *type = text_of(a, o, "type");
	const char *path = link_get(l, "path"), *key = key_of_type(net);
	bool grpc = net && !strcasecmp(net, "grpc");

	if (grpc && path && link_add(l, "serviceName", path, why) < 0)
		return -EPROTO;
	if (net && strstr(net, "kcp") && path &&
	    link_add(l, "seed", path, why) < 0)
		return -EPROTO;
	if (!type || !*type || link_get(l, key) ||
	    (!strcmp(key, "mode") && !strcasecmp(type, "none")))
		return 0;
	return link_add(l, key, type, why);
}

/* More of XHTTP: an object, or its text */
static int add_extra(struct link *l, struct arena *a, const cJSON *o,
		     const char **why)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, "extra");
	char *flat = cJSON_IsObject(v) ? cJSON_PrintUnformatted(v) : NULL;
	const char *text =
		flat ? arena_strdup(a, flat) : text_of(a, o, "extra");

	cJSON_free(flat);
	return text && *text ? link_add(l, "extra", text, why) : 0;
}

static int from_json(struct link *l, struct arena *a, const cJSON *o,
		     const char **why)
{
	const char *host = text_of(a, o, "add"), *port = text_of(a, o, "port");
	const char *name = text_of(a, o, "ps");
	char both[300];
	int n;

	l->name = name ? name : "";
	l->user = text_of(a, o, "id");
	l->method = text_of(a, o, "scy");
	*why = "add, port or id is missing";
	if (!host || !port || !l->user || !*l->user)
		return -EPROTO;
	n = snprintf(both, sizeof(both),
		     strchr(host, ':') && *host != '[' ? "[%s]:%s" : "%s:%s",
		     host, port);
	if (n < 0 || n >= (int)sizeof(both) ||
	    link_host_port(l, a, both, (size_t)n, why) < 0)
		return -EPROTO;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *v = text_of(a, o, names[i].json);

		if (v && *v && link_add(l, names[i].key, v, why) < 0)
			return -EPROTO;
	}
	return add_type(l, a, o, why) < 0 ? -EPROTO : add_extra(l, a, o, why);
}

int link_parse_vmess(struct link *l, struct arena *a, const char *text,
		     size_t n, const char **why)
{
	const char *hash;
	char *plain;
	ssize_t len;
	cJSON *o;
	int rc;

	if (memchr(text, '@', n))
		return link_parse_url(l, a, text, n, why);
	hash = memchr(text, '#', n);
	n = hash ? (size_t)(hash - text) : n;
	plain = arena_alloc(a, n + 1);
	len = plain ? base64_decode(text, n, (uint8_t *)plain, n) : -ENOMEM;
	*why = "neither base64 of JSON nor user@host:port";
	if (len <= 0)
		return -EPROTO;
	o = cJSON_ParseWithLength(plain, (size_t)len);
	rc = cJSON_IsObject(o) ? from_json(l, a, o, why) : -EPROTO;
	cJSON_Delete(o);
	return rc;
}
