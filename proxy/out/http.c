/*
 * http.c - HTTP CONNECT client; TCP only
 *
 * The answer is awaited before the client's bytes go: a proxy that refuses
 * would take them for its next request. Bytes behind the answer's blank line
 * belong to the tunnel.
 *
 * Source: RFC 9110, 9.3.6; xray.md sections K and 2.2
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/out/out.h"
#include "proxy/out/server.h"
#include "proxy/wire/http1.h"
#include "proxy/wire/tmpl.h"

#define REQUEST_MAX 8192

/**
 * struct http_conf - Settings
 * @user, @pass:	NULL: no authentication. Never logged
 * @extra:		Header lines, each with CR LF; @filled: with templates in them
 */
struct http_conf {
	struct server_conf server; /* must be first */
	const char *user, *pass, *extra;
	bool filled;
};

static int status_errno(uint16_t status)
{
	switch (status) {
	case 407:
	case 401:
	case 403:
		return -EPERM;
	case 502:
	case 503:
		return -EHOSTUNREACH;
	case 504:
		return -ETIMEDOUT;
	default:
		return -EREMOTEIO;
	}
}

static ssize_t answer_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	struct http1_head h;
	ssize_t used = http1_response_decode(p, n, &h);

	(void)arg;
	if (used < 0)
		log_info("s%x http: malformed answer", id);
	if (used <= 0)
		return used;
	if (h.status / 100 == 2)
		return used;
	log_info("s%x http: server says %u", id, h.status);
	return status_errno(h.status);
}

static const struct head_ops http_head = { .name = "http",
					   .take = answer_take,
					   .wait = true };

static int http_open(const struct outbound *ob, struct session *s,
		     struct stream **out)
{
	const struct http_conf *conf = ob->settings;
	struct http1_connect c = { .to = &s->target,
				   .user = conf->user,
				   .pass = conf->pass,
				   .extra = conf->extra };
	struct dial d = server_dial(ob, s);
	uint8_t head[REQUEST_MAX];
	char lines[REQUEST_MAX];
	ssize_t n = 0;

	if (conf->filled) {
		n = tmpl_fill(conf->extra, &s->source, &s->target, lines,
			      sizeof(lines));
		c.extra = lines;
	}
	if (n >= 0)
		n = http1_connect_encode(&c, head, sizeof(head));
	if (n < 0)
		return (int)n;
	return server_open(&d, &http_head, head, n, out);
}

static int http_user(struct jobj *u, struct server_conf *server,
		     struct arena *a)
{
	struct http_conf *conf = container_of(server, struct http_conf, server);
	const char *user = j_str(u, "user", NULL);
	const char *pass = j_str(u, "pass", "");

	if (!user)
		return 0;
	if (strchr(user, ':'))
		diag_error(u->d, j_get(u, "user"), NULL,
			   "may not contain a colon");
	conf->user = arena_strdup(a, user);
	conf->pass = arena_strdup(a, pass);
	return conf->user && conf->pass ? 0 : -ENOMEM;
}

static bool is_header_name(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "0123456789!#$%&'*+-.^_`|~") == strlen(s);
}

static bool is_header_value(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' && *s != '\t')
			return false;
	return true;
}

/* "headers": { name: value } */
static int parse_headers(struct jobj *o, struct http_conf *conf,
			 struct arena *a)
{
	const cJSON *headers = j_get(o, "headers"), *h;
	char text[REQUEST_MAX / 2];
	size_t used = 0;
	int n;

	conf->extra = "";
	text[0] = '\0';
	if (headers && !cJSON_IsObject(headers))
		diag_error(o->d, headers, NULL, "must be an object");
	for (h = headers ? headers->child : NULL; h; h = h->next) {
		if (!cJSON_IsString(h) || !is_header_name(h->string) ||
		    !is_header_value(h->valuestring)) {
			diag_error(o->d, h, NULL, "must be a header's text");
			return 0;
		}
		if (!tmpl_known(h->valuestring))
			diag_error(o->d, h, NULL,
				   "only {{.Source}} and {{.Target}} are "
				   "filled in, and of both .NetAddr, .Address, "
				   ".Port, .Network");
		conf->filled |= strstr(h->valuestring, "{{") != NULL;
		n = snprintf(text + used, sizeof(text) - used, "%s: %s\r\n",
			     h->string, h->valuestring);
		if (n < 0 || (size_t)n >= sizeof(text) - used) {
			diag_error(o->d, headers, NULL, "are too long");
			return 0;
		}
		used += (size_t)n;
	}
	if (used)
		conf->extra = arena_strdup(a, text);
	return conf->extra ? 0 : -ENOMEM;
}

static int http_parse(struct outbound *ob, struct jobj *settings,
		      struct config *cfg)
{
	static const struct server_form form = {
		.list = "servers",
		.answers = true,
		.user = http_user,
		.conf_bytes = sizeof(struct http_conf),
	};
	int rc = server_parse(ob, settings, cfg, &form);

	return rc ? rc : parse_headers(settings, ob->settings, &cfg->arena);
}

const struct outbound_ops out_http = {
	.name = "http",
	.parse = http_parse,
	.open = http_open,
};
