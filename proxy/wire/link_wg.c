/*
 * link_wg.c - WireGuard: a wg-quick file as a link, and a link's settings
 *
 *   wireguard://SECRET@host:port?publickey=...&address=a,b&reserved=1,2,3&mtu=1280
 *
 * A wg-quick file becomes the same: keys of [Interface] and of the first [Peer].
 * What only concerns the host (DNS, Table, PostUp ...) is passed over.
 * Source: wg-quick(8), wg(8); links as v2rayN writes them
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "proxy/wire/link.h"

#define LIST_MAX 1024 /* bytes of "address", of "allowedips" */

/* Keys of a file, and the parameter that each becomes. A list may come in parts */
static const struct {
	const char *section, *key, *param;
	bool list;
} known[] = {
	{ "interface", "PrivateKey", "secret", false },
	{ "interface", "Address", "address", true },
	{ "interface", "MTU", "mtu", false },
	{ "interface", "Reserved", "reserved", true },
	{ "peer", "PublicKey", "publickey", false },
	{ "peer", "PresharedKey", "presharedkey", false },
	{ "peer", "Endpoint", "endpoint", false },
	{ "peer", "AllowedIPs", "allowedips", true },
	{ "peer", "PersistentKeepalive", "keepalive", false },
	{ "peer", "Reserved", "reserved", true },
};

/**
 * struct ini - A file being read
 * @section:	Where we are: "interface", "peer", or "" (not ours)
 * @value:	Of known[], without blanks
 */
struct ini {
	const char *section;
	unsigned int peers;
	char value[ARRAY_SIZE(known)][LIST_MAX];
};

static bool is(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !strncasecmp(p, word, n);
}

/* Without the blanks around it */
static const char *trim(const char *p, size_t *n)
{
	while (*n && isspace((unsigned char)*p)) {
		p++;
		(*n)--;
	}
	while (*n && isspace((unsigned char)p[*n - 1]))
		(*n)--;
	return p;
}

/* The next line, without comment and blanks; false: that was the last */
static bool next_line(const char **at, const char *end, const char **p,
		      size_t *n)
{
	const char *nl, *hash;

	if (*at >= end)
		return false;
	nl = memchr(*at, '\n', (size_t)(end - *at));
	*p = *at;
	*n = (size_t)((nl ? nl : end) - *at);
	*at = nl ? nl + 1 : end;
	hash = memchr(*p, '#', *n);
	if (hash)
		*n = (size_t)(hash - *p);
	*p = trim(*p, n);
	return true;
}

bool link_is_wg_conf(const char *text, size_t n)
{
	const char *at = text, *p;
	size_t len;

	while (next_line(&at, text + n, &p, &len))
		if (len)
			return is(p, len, "[Interface]") ||
			       is(p, len, "[Peer]");
	return false;
}

static void take_value(struct ini *ini, size_t i, const char *p, size_t n)
{
	char *to = ini->value[i];
	size_t used = strlen(to);

	if (used && !known[i].list)
		used = 0; /* the last one counts, as for wg */
	if (used && used < LIST_MAX - 1)
		to[used++] = ',';
	for (size_t k = 0; k < n && used < LIST_MAX - 1; k++)
		if (!isspace((unsigned char)p[k]))
			to[used++] = p[k];
	to[used] = '\0';
}

static void take_line(struct ini *ini, const char *p, size_t n)
{
	const char *eq = memchr(p, '=', n), *value;
	size_t key, len;

	if (n && *p == '[') {
		ini->peers += is(p, n, "[Peer]");
		ini->section = is(p, n, "[Interface]") ? "interface" :
			       is(p, n, "[Peer]") && ini->peers == 1 ? "peer" :
								       "";
		return;
	}
	if (!eq)
		return;
	key = (size_t)(eq - p);
	len = n - key - 1;
	value = trim(eq + 1, &len);
	p = trim(p, &key);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].section, ini->section) &&
		    is(p, key, known[i].key))
			take_value(ini, i, value, len);
}

/* What was read, as parameters */
static int put_all(struct link *l, struct arena *a, const struct ini *ini,
		   const char **why)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(known); i++) {
		const char *v = ini->value[i];
		const char *text = *v ? link_text(a, v, strlen(v)) : "";

		if (!text) {
			*why = "a value is not fit";
			return -EPROTO;
		}
		if (!*text || link_get(l, known[i].param))
			continue;
		if (!strcmp(known[i].param, "secret"))
			l->user = text;
		else if (!strcmp(known[i].param, "endpoint"))
			rc = link_host_port(l, a, v, strlen(v), why);
		else
			rc = link_add(l, known[i].param, text, why);
	}
	return rc;
}

int link_parse_wg_conf(struct link *l, struct arena *a, const char *text,
		       size_t n, const char **why)
{
	struct ini *ini = calloc(1, sizeof(*ini));
	const char *at = text, *p;
	size_t len;
	int rc;

	memset(l, 0, sizeof(*l));
	l->kind = LINK_WIREGUARD;
	l->name = "";
	if (!ini)
		return -ENOMEM;
	ini->section = "";
	while (next_line(&at, text + n, &p, &len))
		take_line(ini, p, len);
	rc = put_all(l, a, ini, why);
	if (!rc && (!l->user || !l->host || !link_get(l, "publickey"))) {
		*why = "PrivateKey, PublicKey or Endpoint is missing";
		rc = -EPROTO;
	}
	if (!rc && ini->peers > 1) {
		*why = "it has several peers: write it as an outbound";
		rc = -EPROTO;
	}
	free(ini);
	return a->failed ? -ENOMEM : rc;
}

/* --- settings ------------------------------------------------------------------------- */

static void put(cJSON *o, const char *key, const char *value)
{
	if (o && value && *value)
		cJSON_AddStringToObject(o, key, value);
}

static void put_number(cJSON *o, const char *key, const char *text)
{
	if (o && text && *text)
		cJSON_AddNumberToObject(o, key, (double)strtol(text, NULL, 10));
}

void link_wg_settings(const struct link *l, cJSON *ob)
{
	cJSON *o = cJSON_AddObjectToObject(ob, "settings"), *peer;
	const char *reserved = link_get(l, "reserved");
	char endpoint[300];

	put(o, "secretKey", l->user);
	link_put_list(o, "address", link_get(l, "address"), false);
	put_number(o, "mtu", link_get(l, "mtu"));
	if (reserved && strchr(reserved, ','))
		link_put_list(o, "reserved", reserved, true);
	else
		put(o, "reserved", reserved);
	peer = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "peers"), peer);
	put(peer, "publicKey", link_get(l, "publickey"));
	put(peer, "preSharedKey", link_get(l, "presharedkey"));
	snprintf(endpoint, sizeof(endpoint),
		 strchr(l->host, ':') ? "[%s]:%u" : "%s:%u", l->host, l->port);
	put(peer, "endpoint", endpoint);
	put_number(peer, "keepAlive", link_get(l, "keepalive"));
	link_put_list(peer, "allowedIPs", link_get(l, "allowedips"), false);
}
