/*
 * fallback.c - Where connections go that are not of the protocol
 *
 *   fallbacks: [ { "name": "a.test", "alpn": "h2", "path": "/x", "dest": 80 } ]
 *
 * name and alpn are what the TLS level agreed on, path is the request line's,
 * without its query. The name is the one asked for, else the longest that is a
 * part of it, else ""; then the most special entry of
 *
 *	(name, alpn, path) (name, "", path) ("", alpn, path) ("", "", path)
 *
 * wins, and when no entry has the path the same four with "". Of equal entries
 * the last counts. All bytes so far go along. It is dialled from here, not by
 * routing: it belongs to this inbound.
 *
 * Source: xray.md, C6; Xray proxy/vless/inbound/inbound.go (facts)
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/sock.h"
#include "gateway/core/transport.h"
#include "proxy/in/srv.h"
#include "proxy/layer/head.h"
#include "proxy/wire/proxy_head.h"

#define PATH_MAX_BYTES 64 /* of a request line, looked at as Xray does */

/**
 * struct srv_fallback - One entry
 * @name, @alpn, @path:	"" any
 * @unix_path:	Of a socket; NULL: @to
 * @xver:	Version of the PROXY header that goes first; 0: none
 */
struct srv_fallback {
	const char *name, *alpn, *path, *unix_path;
	struct addr to;
	uint8_t xver;
};

/**
 * struct wanted - What a connection asked for; each may be ""
 */
struct wanted {
	struct stream_hello hello;
	char path[PATH_MAX_BYTES + 1];
};

/* The second word of the first line, up to a '?' */
static void read_path(const struct greet *g, char path[PATH_MAX_BYTES + 1])
{
	size_t end = g->len < PATH_MAX_BYTES ? g->len : PATH_MAX_BYTES;
	const uint8_t *p = memchr(g->in, ' ', end < 9 ? end : 9);
	size_t n = 0;

	path[0] = '\0';
	if (!p || p[1] != '/')
		return;
	for (p++; p + n < g->in + end; n++) {
		if (p[n] == ' ' || p[n] == '?') {
			memcpy(path, p, n);
			path[n] = '\0';
			return;
		}
		if (p[n] < ' ')
			return;
	}
}

/* The configured name for the one asked for */
static const char *known_name(const struct srv_conf *c, const char *asked)
{
	const char *best = "";

	for (unsigned int i = 0; i < c->fallbacks; i++) {
		const char *name = c->fallback[i].name;

		if (!strcmp(name, asked))
			return name;
		if (strlen(name) > strlen(best) && strstr(asked, name))
			best = name;
	}
	return best;
}

static const struct srv_fallback *entry(const struct srv_conf *c,
					const char *name, const char *alpn,
					const char *path)
{
	for (unsigned int i = c->fallbacks; i-- > 0;) {
		const struct srv_fallback *f = &c->fallback[i];

		if (!strcmp(f->name, name) && !strcmp(f->alpn, alpn) &&
		    !strcmp(f->path, path))
			return f;
	}
	return NULL;
}

static const struct srv_fallback *choose(const struct srv_conf *c,
					 const struct wanted *w)
{
	const char *name = known_name(c, w->hello.name);
	const char *alpn = w->hello.alpn;
	const struct srv_fallback *f = NULL;

	for (int i = 0; !f && i < 8; i++)
		f = entry(c, i & 2 ? "" : name, i & 1 ? "" : alpn,
			  i & 4 ? "" : w->path);
	return f;
}

static const struct srv_fallback *
pick(const struct srv_conf *c, const struct session *s, const struct greet *g)
{
	struct wanted w;

	stream_hello(s->in, &w.hello);
	read_path(g, w.path);
	return choose(c, &w);
}

static int dial_unix(struct session *s, const char *path)
{
	int fd = sock_dial_unix(path);

	if (fd < 0)
		return fd;
	s->out = fd_stream_new(s->job.worker, fd, &s->job, false);
	if (s->out)
		return 0;
	close(fd);
	return -ENOMEM;
}

/* Who the client is, before its bytes. On failure s->out is closed */
static int tell_client(struct session *s, unsigned int version)
{
	static const struct head_ops ops = { .name = "fallback" };
	uint8_t head[PROXY_HEAD_OUT_MAX];
	size_t n = proxy_head_encode(version, &s->source, &s->local, head);
	struct stream *st = head_new(&ops, s->out, head, n, NULL, s->id);

	if (!st) {
		stream_close(&s->out, -ENOMEM);
		return -ENOMEM;
	}
	s->out = st;
	return 0;
}

ssize_t srv_fall_back(struct session *s, struct greet *g,
		      const struct srv_conf *c)
{
	const struct srv_fallback *f = pick(c, s, g);
	struct dial d = {
		.worker = s->job.worker, .job = &s->job, .cfg = s->cfg, .s = s
	};
	int rc;

	if (!f)
		return srv_mute(g);
	rc = f->unix_path ? dial_unix(s, f->unix_path) :
			    transport_dial(&transport_raw, &d, &f->to, &s->out);
	if (!rc && f->xver)
		rc = tell_client(s, f->xver);
	if (rc < 0) {
		log_info("s%x fallback: %s", s->id, strerror(-rc));
		return srv_mute(g);
	}
	log_debug("s%x fallback: not of this protocol", s->id);
	greet_target(g, &f->to, 0);
	return 0;
}

/* @n bytes of an address, in brackets or not, or of a name */
static int parse_host(const char *text, size_t n, struct addr *out,
		      struct arena *a)
{
	char host[256], name[256];
	int len;

	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (!n || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (!strcmp(host, "localhost") || !addr_parse_ip(out, host))
		return 0;
	len = addr_clean_name(host, n, name);
	if (len <= 0)
		return -EINVAL;
	text = arena_strndup(a, name, (size_t)len);
	if (!text)
		return -ENOMEM;
	*out = addr_name(text, (size_t)len, 0);
	return 0;
}

/* 80, "80", "host:80", "/path", "@abstract", "@@padded" */
static int parse_dest(struct jobj *o, struct srv_fallback *f, struct arena *a)
{
	static const uint8_t loop4[4] = { 127, 0, 0, 1 };
	const cJSON *dest = j_get(o, "dest");
	const char *text = cJSON_IsString(dest) ? dest->valuestring : "";
	const char *colon = strrchr(text, ':');
	long port = strtol(colon ? colon + 1 : text, NULL, 10);
	int rc = 0;

	f->to = addr_v4(loop4, 0);
	if (sock_is_unix(text)) {
		f->unix_path = arena_strdup(a, text);
		return f->unix_path ? sock_check_unix(text) : -ENOMEM;
	}
	if (cJSON_IsNumber(dest))
		port = dest->valueint;
	if (port < 1 || port > UINT16_MAX)
		return -EINVAL;
	if (colon)
		rc = parse_host(text, (size_t)(colon - text), &f->to, a);
	f->to.port = (uint16_t)port;
	return rc;
}

/* A string in lower case; the arena's. NULL: no memory */
static const char *lower(struct jobj *o, const char *key, struct arena *a)
{
	char *text = arena_strdup(a, j_str(o, key, ""));

	for (char *p = text; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return text;
}

static int parse_entry(struct jobj *o, struct srv_fallback *f, struct arena *a)
{
	int rc;

	f->name = lower(o, "name", a);
	f->alpn = lower(o, "alpn", a);
	f->xver = (uint8_t)j_int(o, "xver", 0, 0, 2);
	(void)j_str(o, "type", NULL);
	f->path = arena_strdup(a, j_str(o, "path", ""));
	if (!f->path || !f->name || !f->alpn)
		return -ENOMEM;
	if (*f->path && *f->path != '/')
		diag_error(o->d, j_get(o, "path"), NULL,
			   "must start with a slash");
	rc = parse_dest(o, f, a);
	if (rc < 0 && rc != -ENOMEM)
		diag_error(o->d, o->node, "dest",
			   "must be a port, host:port, /path or @name");
	return rc == -ENOMEM ? rc : 0;
}

int srv_parse_fallbacks(struct jobj *o, struct srv_conf *c, struct arena *a)
{
	const cJSON *list = j_array(o, "fallbacks");
	int n = cJSON_GetArraySize(list), rc = 0;
	struct jobj f;

	if (n > SRV_FALLBACKS) {
		diag_error(o->d, list, NULL, "at most %d", SRV_FALLBACKS);
		return 0;
	}
	c->fallback = arena_alloc(a, (size_t)(n + 1) * sizeof(*c->fallback));
	if (!c->fallback)
		return -ENOMEM;
	for (int i = 0; !rc && i < n; i++) {
		if (!j_open(&f, o->d, cJSON_GetArrayItem(list, i)))
			continue;
		rc = parse_entry(&f, &c->fallback[c->fallbacks++], a);
		j_close(&f);
	}
	return rc;
}
