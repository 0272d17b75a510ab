/*
 * http_conf.c - Path, host and headers of the levels that begin with HTTP
 *
 * Host is the configured one, else a header of that name, else the TLS
 * level's serverName, else the address dialed.
 * Source: xray.md sections L, 2.12, 2.13
 */
#include "proxy/transport/http_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/core/config.h"
#include "proxy/transport/tls.h"

#define ED_MAX 8192

/* What a browser would say; a CDN may want one */
static const char agent_line[] =
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
	"(KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36\r\n";

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* Take "ed=N" out of the query. Bytes of early data */
static uint32_t cut_ed(char *path)
{
	char *at = strchr(path, '?'), *end;
	unsigned long n;

	for (; at; at = strchr(at + 1, '&'))
		if (!strncmp(at + 1, "ed=", 3))
			break;
	if (!at)
		return 0;
	n = strtoul(at + 4, &end, 10);
	if (*end && *end != '&')
		return 0;
	if (*end) /* what follows moves to its place */
		memmove(at + 1, end + 1, strlen(end + 1) + 1);
	else
		*at = '\0';
	return n > ED_MAX ? ED_MAX : (uint32_t)n;
}

static void parse_path(struct http_conf *h, struct jobj *o, struct config *cfg)
{
	const char *path = j_str(o, "path", "/");
	size_t size = strlen(path) + 2;
	char *copy = arena_alloc(&cfg->arena, size);

	if (!copy)
		return;
	if (!printable(path) || strchr(path, ' ')) {
		diag_error(
			o->d, j_get(o, "path"), NULL,
			"spaces and control characters must be escaped (%%20)");
		path = "/";
	}
	snprintf(copy, size, "%s%s", path[0] == '/' ? "" : "/", path);
	h->ed = cut_ed(copy);
	h->path = copy;
}

/* About the connection or the body: HTTP/2 has none, and Go's client leaves them out */
static bool is_framing(const char *name)
{
	static const char *const own[] = {
		"connection", "proxy-connection", "keep-alive",
		"upgrade",    "trailer",          "transfer-encoding",
		"te",         "content-length",
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (!strcasecmp(name, own[i]))
			return true;
	return false;
}

static void add_header(struct diag *d, const cJSON *node, struct http_conf *h,
		       struct wr *w, struct config *cfg)
{
	const char *name = node->string, *value = cJSON_GetStringValue(node);

	if (!name || !value || !printable(value) || !name[0] ||
	    strpbrk(name, " :\r\n\t") || !printable(name)) {
		diag_error(d, node, NULL,
			   "must be a header name with a text of one line");
		return;
	}
	if (!strcasecmp(name, "host")) {
		if (!h->host)
			h->host = arena_strdup(&cfg->arena, value);
		return;
	}
	if (h->framed && is_framing(name)) {
		diag_warning(d, node, NULL,
			     "is not sent: it is about the connection, not "
			     "the request");
		return;
	}
	h->agent |= !strcasecmp(name, "user-agent");
	http_conf_text(w, name);
	http_conf_text(w, ": ");
	http_conf_text(w, value);
	http_conf_text(w, "\r\n");
}

const char *http_conf_headers(struct diag *d, const cJSON *node,
			      struct http_conf *h, struct config *cfg)
{
	uint8_t text[HTTP_CONF_HEAD_MAX / 2];
	struct wr w = wr_init(text, sizeof(text) - 1);
	const cJSON *one;
	union {
		uint8_t *u;
		char *c;
	} p = { .u = text };

	cJSON_ArrayForEach(one, node)
	{
		const cJSON *value;

		if (!cJSON_IsArray(one)) {
			add_header(d, one, h, &w, cfg);
			continue;
		}
		/* Xray picks one of a list; the first is as good */
		value = cJSON_GetArrayItem(one, 0);
		if (value) {
			cJSON named = *value;

			named.string = one->string;
			add_header(d, &named, h, &w, cfg);
		}
	}
	if (!wr_ok(&w)) {
		diag_error(d, node, NULL, "too long: %d bytes at most",
			   HTTP_CONF_HEAD_MAX / 2);
		return "";
	}
	return arena_strndup(&cfg->arena, p.c, wr_len(&w));
}

int http_conf_parse(struct http_conf *h, struct jobj *o, struct config *cfg)
{
	const char *host = j_str(o, "host", "");
	const cJSON *headers = j_get(o, "headers");

	parse_path(h, o, cfg);
	if (host[0] && printable(host))
		h->host = arena_strdup(&cfg->arena, host);
	h->extra = "";
	if (headers && !cJSON_IsObject(headers))
		diag_error(o->d, headers, NULL, "must be an object");
	else
		h->extra = http_conf_headers(o->d, headers, h, cfg);
	return h->path && h->extra ? 0 : -ENOMEM;
}

void http_conf_text(struct wr *w, const char *text)
{
	wr_bytes(w, text, strlen(text));
}

void http_conf_request(const struct http_conf *h, const struct transport *t,
		       const struct addr *to, struct wr *w)
{
	char text[ADDR_TEXT_MAX];
	const char *host = h->host ? h->host : tls_server_name(t->below);

	if (!host)
		host = addr_format_host(to, text, sizeof(text));
	http_conf_text(w, "GET ");
	http_conf_text(w, h->path);
	http_conf_text(w, " HTTP/1.1\r\nHost: ");
	http_conf_text(w, host);
	http_conf_text(w, "\r\n");
	if (!h->agent)
		http_conf_text(w, agent_line);
	http_conf_text(w, h->extra);
}

/* Host names are compared without case and port */
static bool host_fits(const char *want, const struct http1_text *got)
{
	size_t n = got->n;

	for (size_t i = n; i > 0; i--) {
		if (got->p[i - 1] == ':') {
			n = i - 1;
			break;
		}
		if (got->p[i - 1] < '0' || got->p[i - 1] > '9')
			break;
	}
	return (strlen(want) == n && !strncasecmp(want, got->p, n)) ||
	       http1_is(got, want);
}

bool http_conf_host_fits(const struct http_conf *h, const struct http1_head *rq)
{
	struct http1_text host;

	return !h->host ||
	       (http1_header(rq, "host", &host) && host_fits(h->host, &host));
}

bool http_conf_fits(const struct http_conf *h, const struct http1_head *rq)
{
	size_t n = strcspn(h->path, "?"), got;
	const char *query = memchr(rq->target.p, '?', rq->target.n);

	got = query ? (size_t)(query - rq->target.p) : rq->target.n;
	if (got != n || memcmp(h->path, rq->target.p, n) != 0)
		return false;
	return http_conf_host_fits(h, rq);
}
