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

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dest.h"
#include "proxy/in/srv.h"
#include "proxy/layer/head.h"
#include "proxy/wire/proxy_head.h"

#define PATH_MAX_BYTES 64 /* of a request line, looked at as Xray does */

/**
 * struct srv_fallback - One entry
 * @name, @alpn, @path:	"" any
 * @xver:	Version of the PROXY header that goes first; 0: none
 */
struct srv_fallback {
	const char *name, *alpn, *path;
	struct dest dest;
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
	rc = dest_dial(&f->dest, &d, &s->out);
	if (!rc && f->xver)
		rc = tell_client(s, f->xver);
	if (rc < 0) {
		log_info("s%x fallback: %s", s->id, strerror(-rc));
		return srv_mute(g);
	}
	log_debug("s%x fallback: not of this protocol", s->id);
	greet_target(g, &f->dest.to, 0);
	return 0;
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
	rc = dest_parse(j_get(o, "dest"), &f->dest, a);
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
		j_close_strict(&f);
	}
	return rc;
}
