/*
 * link.c - Share links: which form, and lists of them (subscriptions)
 *
 * Source: ecosystem.md 3.4; the proposal in Xray's tracker (#716); SIP002, SIP008
 */
#include "proxy/wire/link.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/base64.h"
#include "gateway/base/compat.h"
#include "gateway/base/text.h"

static const struct scheme {
	const char *name;
	enum link_kind kind;
	int (*parse)(struct link *l, struct arena *a, const char *text,
		     size_t n, const char **why);
} schemes[] = {
	{ "ss://", LINK_SS, link_parse_ss },
	{ "vless://", LINK_VLESS, link_parse_url },
	{ "vmess://", LINK_VMESS, link_parse_vmess },
	{ "trojan://", LINK_TROJAN, link_parse_url },
	{ "socks://", LINK_SOCKS, link_parse_url },
	{ "socks5://", LINK_SOCKS, link_parse_url },
	{ "http://", LINK_HTTP, link_parse_url },
	{ "https://", LINK_HTTP, link_parse_url },
	{ "wireguard://", LINK_WIREGUARD, link_parse_url },
	{ "wg://", LINK_WIREGUARD, link_parse_url },
};

static const struct {
	const char *name, *why;
} unsupported[] = {
	{ "hysteria2://", "Hysteria 2 is not supported" },
	{ "hy2://", "Hysteria 2 is not supported" },
	{ "hysteria://", "Hysteria is not supported" },
	{ "tuic://", "TUIC is not supported" },
	{ "anytls://", "AnyTLS is not supported" },
	{ "ssr://", "ShadowsocksR is not supported" },
};

static bool starts(const char *text, size_t n, const char *with)
{
	size_t k = strlen(with);

	return n >= k && !strncasecmp(text, with, k);
}

const char *link_text(struct arena *a, const char *p, size_t n)
{
	char *out = arena_alloc(a, n + 1);
	size_t k = 0;

	for (size_t i = 0; out && i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '%') {
			int hi = n - i > 2 ? hex_digit(p[i + 1]) : -1;
			int lo = hi >= 0 ? hex_digit(p[i + 2]) : -1;

			if (lo < 0)
				return NULL;
			c = (unsigned char)(hi << 4 | lo);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return NULL;
		out[k++] = (char)c;
	}
	return out;
}

const char *link_get(const struct link *l, const char *key)
{
	for (unsigned int i = 0; i < l->key_count; i++)
		if (!strcasecmp(l->key[i].key, key))
			return l->key[i].value;
	return NULL;
}

int link_add(struct link *l, const char *key, const char *value,
	     const char **why)
{
	const char *is = link_get(l, key);

	if (l->key_count == LINK_KEYS) {
		*why = "too many parameters";
		return -EPROTO;
	}
	if (is) {
		*why = "a parameter is given twice";
		return strcmp(is, value) != 0 ? -EPROTO : 0;
	}
	l->key[l->key_count++] = (struct link_key){ key, value };
	return 0;
}

/* An address, or what may be a name */
static bool host_fits(const char *host)
{
	struct addr a = { 0 };
	char name[256];

	return addr_parse_ip(&a, host) == 0 ||
	       addr_clean_name(host, strlen(host), name) > 0;
}

/* What providers write where they only want the link's name to be read */
static bool is_nowhere(const char *host)
{
	static const uint8_t zero[16];
	struct addr a = { 0 };

	return addr_parse_ip(&a, host) == 0 &&
	       !memcmp(a.ip, zero, addr_ip_len(&a));
}

int link_host_port(struct link *l, struct arena *a, const char *p, size_t n,
		   const char **why)
{
	const char *end = NULL, *host = p;
	size_t len;

	*why = "no server address and port";
	if (n && p[0] == '[') {
		end = memchr(p, ']', n);
		if (!end || end + 1 == p + n || end[1] != ':')
			return -EPROTO;
		host = p + 1;
		len = (size_t)(end - host);
		end++;
	} else {
		end = memrchr(p, ':', n);
		if (!end)
			return -EPROTO;
		len = (size_t)(end - p);
	}
	if (text_port(end + 1, (size_t)(p + n - end - 1), &l->port) < 0 ||
	    !l->port)
		return -EPROTO;
	l->host = link_text(a, host, len);
	if (!l->host || !host_fits(l->host)) {
		*why = "the server is no address and no name";
		return -EPROTO;
	}
	*why = "0.0.0.0 is no server: its name is a word of the provider";
	return is_nowhere(l->host) ? -EPROTO : 0;
}

int link_parse(struct link *l, struct arena *a, const char *text, size_t n,
	       const char **why)
{
	int rc;

	*why = "no link of a kind that is known";
	memset(l, 0, sizeof(*l));
	l->name = "";
	if (n > LINK_MAX_BYTES) {
		*why = "too long";
		return -EPROTO;
	}
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
		if (starts(text, n, unsupported[i].name)) {
			*why = unsupported[i].why;
			return -EPROTO;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t k = strlen(schemes[i].name);

		if (!starts(text, n, schemes[i].name))
			continue;
		l->kind = schemes[i].kind;
		rc = schemes[i].parse(l, a, text + k, n - k, why);
		if (rc == 0 && !strncasecmp(text, "https", 5) &&
		    !link_get(l, "security"))
			rc = link_add(l, "security", "tls", why);
		return a->failed ? -ENOMEM : rc;
	}
	return -EPROTO;
}

/* --- lists --- */

/* Of what is no link the name that it would have */
static void keep_name(struct link *l, struct arena *a, const char *p, size_t n)
{
	const char *hash = memrchr(p, '#', n), *name = l->name;

	if ((!name || !*name) && hash && n <= LINK_MAX_BYTES)
		name = link_text(a, hash + 1, (size_t)(p + n - hash - 1));
	*l = (struct link){ .name = name ? name : "" };
}

static void one_line(unsigned int line, const char *p, size_t n, link_each each,
		     void *arg, int *good)
{
	struct arena a = { 0 };
	const char *why = "";
	struct link l;

	if (*good >= LINK_ALL_MAX)
		return;
	if (link_parse(&l, &a, p, n, &why) == 0) {
		(*good)++;
		each(arg, line, &l, NULL);
	} else {
		keep_name(&l, &a, p, n);
		each(arg, line, &l, a.failed ? "out of memory" : why);
	}
	arena_free(&a);
}

static int wg_conf(const char *text, size_t n, link_each each, void *arg)
{
	struct arena a = { 0 };
	const char *why = "out of memory";
	struct link l;
	int rc = link_parse_wg_conf(&l, &a, text, n, &why);

	if (rc)
		l = (struct link){ .name = "" };
	each(arg, 1, &l, rc ? why : NULL);
	arena_free(&a);
	return !rc;
}

static int lines(const char *text, size_t n, link_each each, void *arg)
{
	const char *p = text, *end = text + n;
	unsigned int line = 0, tries = 0;
	int good = 0;

	while (p < end && tries < 2 * LINK_ALL_MAX) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *next = nl ? nl + 1 : end, *stop = nl ? nl : end;

		line++;
		while (p < stop && isspace((unsigned char)*p))
			p++;
		while (stop > p && isspace((unsigned char)stop[-1]))
			stop--;
		if (p < stop && *p != '#') {
			one_line(line, p, (size_t)(stop - p), each, arg, &good);
			tries++;
		}
		p = next;
	}
	return good;
}

static const char *member(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

/* A server of SIP008 into @l. NULL, or what is wrong with it */
static const char *sip008_server(struct link *l, const cJSON *o)
{
	const cJSON *port = cJSON_GetObjectItemCaseSensitive(o, "server_port");
	const char *plugin = member(o, "plugin");

	memset(l, 0, sizeof(*l));
	l->kind = LINK_SS;
	l->name = member(o, "remarks") ? member(o, "remarks") : "";
	l->host = member(o, "server");
	l->method = member(o, "method");
	l->pass = member(o, "password");
	if (!l->host || !host_fits(l->host) || !l->method || !l->pass)
		return "server, method or password is missing";
	if (!cJSON_IsNumber(port) || port->valuedouble < 1 ||
	    port->valuedouble > 65535)
		return "server_port is not 1 to 65535";
	l->port = (uint16_t)port->valuedouble;
	return plugin && *plugin ? "plugins are not supported" : NULL;
}

static int sip008(const cJSON *all, link_each each, void *arg)
{
	const cJSON *o;
	unsigned int i = 0;
	int good = 0;

	cJSON_ArrayForEach(o, all)
	{
		struct link l;
		const char *why = sip008_server(&l, o);

		if (++i > LINK_ALL_MAX)
			break;
		good += !why;
		if (why)
			l = (struct link){ .name = l.name };
		each(arg, i, &l, why);
	}
	return good;
}

/* SIP008, or a configuration of sing-box */
static int json(const char *text, size_t n, link_each each, void *arg)
{
	cJSON *root = cJSON_ParseWithLength(text, n);
	const cJSON *all = cJSON_GetObjectItemCaseSensitive(root, "servers");
	int good = -EPROTO;

	if (cJSON_IsArray(all))
		good = sip008(all, each, arg);
	else if (cJSON_GetObjectItemCaseSensitive(root, "outbounds"))
		good = link_sing_box(root, each, arg);
	cJSON_Delete(root);
	return good;
}

/* Base64 with line breaks, as subscriptions have it. Bytes, or -EPROTO */
static ssize_t unbase64(const char *text, size_t n, uint8_t **out)
{
	char *flat = malloc(n + 1);
	ssize_t len = -ENOMEM;
	size_t k = 0;

	*out = malloc(n + 1);
	if (flat && *out) {
		for (size_t i = 0; i < n; i++)
			if (!isspace((unsigned char)text[i]))
				flat[k++] = text[i];
		len = base64_decode(flat, k, *out, n);
	}
	free(flat);
	if (len <= 0) {
		free(*out);
		*out = NULL;
		return -EPROTO;
	}
	return len;
}

int link_parse_all(const char *text, size_t n, link_each each, void *arg)
{
	uint8_t *plain;
	ssize_t len;
	int rc;

	if (n > LINK_LIST_MAX)
		return -EPROTO;
	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* of an editor */
		text += 3;
		n -= 3;
	}
	while (n && isspace((unsigned char)*text)) {
		text++;
		n--;
	}
	if (n && *text == '{')
		return json(text, n, each, arg);
	if (link_is_wg_conf(text, n))
		return wg_conf(text, n, each, arg);
	if (memmem(text, n, "://", 3))
		return lines(text, n, each, arg);
	len = unbase64(text, n, &plain);
	if (len < 0)
		return -EPROTO;
	rc = memmem(plain, (size_t)len, "://", 3) ?
		     lines((const char *)plain, (size_t)len, each, arg) :
		     -EPROTO;
	free(plain);
	return rc;
}
