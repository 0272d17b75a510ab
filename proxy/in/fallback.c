/*
 * fallback.c - Where connections go that are not of the protocol
 *
 *   fallbacks: [ { "path": "/x", "dest": 80 }, { "dest": "/run/web.sock" } ]
 *
 * The first entry whose path the request line has, else the first without a
 * path. All bytes so far go along. It is dialled from here, not by routing:
 * it belongs to this inbound. Matching by name and alpn waits for transports
 * that tell them.
 *
 * Source: xray.md, C6; Xray proxy/vless/inbound (facts)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/transport.h"
#include "proxy/in/srv.h"

/**
 * struct srv_fallback - One entry
 * @path:	"" any
 * @unix_path:	Of a socket; NULL: @to
 */
struct srv_fallback {
	const char *path, *unix_path;
	struct addr to;
};

/* The second word of the first line, up to a '?' */
static bool path_is(const struct greet *g, const char *path)
{
	const uint8_t *p = memchr(g->in, ' ', g->len < 20 ? g->len : 20);
	size_t n = strlen(path), left;

	if (!p)
		return false;
	p++;
	left = (size_t)(g->in + g->len - p);
	return left > n && !memcmp(p, path, n) && (p[n] == ' ' || p[n] == '?');
}

static const struct srv_fallback *pick(const struct srv_conf *c,
				       const struct greet *g)
{
	const struct srv_fallback *any = NULL;

	for (unsigned int i = 0; i < c->fallbacks; i++) {
		const struct srv_fallback *f = &c->fallback[i];

		if (*f->path && path_is(g, f->path))
			return f;
		if (!*f->path && !any)
			any = f;
	}
	return any;
}

static int dial_unix(struct session *s, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(a.sun_path, path, n); /* n was checked by parse */
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	if (connect(fd, (struct sockaddr *)&a,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n +
				(path[0] != '@'))) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	s->out = fd_stream_new(s->job.worker, fd, &s->job, false);
	if (s->out)
		return 0;
	close(fd);
	return -ENOMEM;
}

ssize_t srv_fall_back(struct session *s, struct greet *g,
		      const struct srv_conf *c)
{
	const struct srv_fallback *f = pick(c, g);
	struct dial d = {
		.worker = s->job.worker, .job = &s->job, .cfg = s->cfg, .s = s
	};
	int rc;

	if (!f)
		return srv_mute(g);
	rc = f->unix_path ? dial_unix(s, f->unix_path) :
			    transport_dial(&transport_raw, &d, &f->to, &s->out);
	if (rc < 0) {
		log_info("s%x fallback: %s", s->id, strerror(-rc));
		return srv_mute(g);
	}
	log_debug("s%x fallback: not of this protocol", s->id);
	greet_target(g, &f->to, 0);
	return 0;
}

/* @n bytes of an address, in brackets or not; "localhost" too */
static int parse_host(const char *text, size_t n, struct addr *out)
{
	char host[256];

	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (!n || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (!strcmp(host, "localhost"))
		return 0; /* as it stands */
	return addr_parse_ip(out, host);
}

static int parse_unix(const char *text, struct srv_fallback *f, struct arena *a)
{
	if (strlen(text) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -EINVAL;
	f->unix_path = arena_strdup(a, text);
	return f->unix_path ? 0 : -ENOMEM;
}

/* 80, "80", "IP:80", "/path", "@abstract" */
static int parse_dest(struct jobj *o, struct srv_fallback *f, struct arena *a)
{
	static const uint8_t loop4[4] = { 127, 0, 0, 1 };
	const cJSON *dest = j_get(o, "dest");
	const char *text = cJSON_IsString(dest) ? dest->valuestring : "";
	const char *colon = strrchr(text, ':');
	long port = strtol(colon ? colon + 1 : text, NULL, 10);

	f->to = addr_v4(loop4, 0);
	if (text[0] == '/' || text[0] == '@')
		return parse_unix(text, f, a);
	if (cJSON_IsNumber(dest))
		port = dest->valueint;
	if (port < 1 || port > UINT16_MAX ||
	    (colon && parse_host(text, (size_t)(colon - text), &f->to) < 0))
		return -EINVAL;
	f->to.port = (uint16_t)port;
	return 0;
}

static int parse_entry(struct jobj *o, struct srv_fallback *f, struct arena *a)
{
	int rc;

	if (*j_str(o, "name", "") || *j_str(o, "alpn", ""))
		diag_error(o->d, o->node, NULL,
			   "name and alpn of fallbacks are not supported yet");
	if (j_int(o, "xver", 0, 0, 2))
		j_not_yet(o, "xver", "PROXY headers to fallbacks");
	(void)j_str(o, "type", NULL);
	f->path = arena_strdup(a, j_str(o, "path", ""));
	if (!f->path)
		return -ENOMEM;
	if (*f->path && *f->path != '/')
		diag_error(o->d, j_get(o, "path"), NULL,
			   "must start with a slash");
	rc = parse_dest(o, f, a);
	if (rc == -EINVAL)
		diag_error(o->d, o->node, "dest",
			   "must be a port, IP:port, /path or @name");
	return rc == -EINVAL ? 0 : rc;
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
