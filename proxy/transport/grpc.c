/*
 * grpc.c - Settings of the gRPC transport ("gun"), both modes
 *
 *	/serviceName/Tun	serviceName escaped as a path segment
 *	/serviceName/TunMulti	multiMode
 *	serviceName "/a/b/Tun|Multi": service a/b, the two methods named
 *
 * A server takes both modes.
 * Source: xray.md sections L and 2.14
 */
#include <errno.h>
#include <string.h>

#include "gateway/core/config.h"
#include "proxy/transport/h2_carrier.h"
#include "proxy/transport/transports.h"

#define PATH_MAX_BYTES 1024

static const char agent_default[] =
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
	"(KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";

/* As Go's url.PathEscape() */
static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-_.~$&+:=@", c));
}

/* Append @n bytes of @s, escaped; '/' stays when @slashes. False: too long */
static bool put_escaped(char *out, const char *s, size_t n, bool slashes)
{
	size_t at = strlen(out);

	for (size_t i = 0; i < n; i++) {
		bool as_is = plain(s[i]) || (slashes && s[i] == '/');

		if (at + 4 > PATH_MAX_BYTES)
			return false;
		at += (size_t)snprintf(out + at, PATH_MAX_BYTES - at,
				       as_is ? "%c" : "%%%02X",
				       (unsigned char)s[i]);
	}
	return true;
}

/* The path of one mode. NULL: too long */
static const char *path_of(const char *name, bool multi, struct arena *a)
{
	const char *last = strrchr(name, '/'), *bar, *method = NULL;
	char path[PATH_MAX_BYTES] = "/";
	bool ok, custom = name[0] == '/';
	size_t n;

	if (!custom) {
		ok = put_escaped(path, name, strlen(name), false);
		method = multi ? "TunMulti" : "Tun";
		n = strlen(method);
	} else {
		ok = last == name ||
		     put_escaped(path, name + 1, (size_t)(last - name - 1),
				 true);
		method = last + 1;
		bar = strchr(method, '|');
		n = bar ? (size_t)(bar - method) : strlen(method);
		if (multi && bar) {
			method = bar + 1;
			n = strcspn(method, "|");
		}
	}
	ok = ok && put_escaped(path, "/", 1, true) &&
	     put_escaped(path, method, n, false);
	return ok ? arena_strdup(a, path) : NULL;
}

static uint32_t seconds(struct jobj *o, const char *key, int def)
{
	return 1000u * (uint32_t)j_int(o, key, def, 0, 86400);
}

static int grpc_parse(struct transport *t, struct jobj *o, struct config *cfg)
{
	struct h2_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	const char *name = j_str(o, "serviceName", "");
	const char *authority = j_str(o, "authority", "");
	const char *agent = j_str(o, "user_agent", "");
	bool multi = j_bool(o, "multiMode", false);

	if (!c)
		return -ENOMEM;
	t->settings = c;
	c->name = "grpc";
	c->scheme = "http"; /* as Xray, whatever is below */
	c->paths[0] = path_of(name, false, &cfg->arena);
	c->paths[1] = path_of(name, true, &cfg->arena);
	c->path = c->paths[multi];
	if (!c->paths[0] || !c->paths[1])
		diag_error(o->d, j_get(o, "serviceName"), NULL, "is too long");
	if (authority[0])
		c->authority = arena_strdup(&cfg->arena, authority);
	c->agent = agent[0] ? arena_strdup(&cfg->arena, agent) : agent_default;
	c->keepalive_ms = seconds(o, "idle_timeout", 0);
	if (c->keepalive_ms && c->keepalive_ms < 10000)
		c->keepalive_ms = 10000; /* grpc-go's least */
	c->answer_ms = seconds(o, "health_check_timeout", 20);
	if (!c->answer_ms)
		c->answer_ms = 20000;
	c->ping_idle = j_bool(o, "permit_without_stream", false);
	c->window = (uint32_t)j_int(o, "initial_windows_size", 0, 0, INT32_MAX);
	if (c->window && c->window < 65535)
		c->window = 0; /* grpc-go ignores less than the standard's */
	if (c->window > (16u << 20))
		c->window = 16u << 20; /* memory of a stalled stream */
	return 0;
}

static int grpc_dial(const struct transport *t, const struct dial *d,
		     const struct addr *to, struct stream **out)
{
	return h2_open(t, t->settings, d, to, out);
}

static int grpc_serve(const struct transport *t, struct worker *w,
		      struct stream *below, const struct birth *b)
{
	return h2_serve(t, t->settings, w, below, b, NULL);
}

const struct transport_ops transport_grpc_ops = {
	.name = "grpc",
	.alias = "gun",
	.key = "grpcSettings",
	.alpn = "h2",
	.parse = grpc_parse,
	.dial = grpc_dial,
	.serve = grpc_serve,
};
