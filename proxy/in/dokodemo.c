/*
 * dokodemo.c - "dokodemo-door", alias "tunnel": the destination is known
 *
 *   followRedirect, sockopt.tproxy "redirect" or off   what DNAT replaced
 *   followRedirect, sockopt.tproxy "tproxy"            the socket's own address
 *   else                                               address, port, portMap
 *
 * A client that addresses the listener itself would be sent back to us for
 * ever: it is closed.
 * Source: xray.md, C2 and C3
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/core/config.h"
#include "gateway/core/listen.h"
#include "gateway/core/session.h"
#include "proxy/in/conf.h"
#include "proxy/in/in.h"
#include "proxy/in/origdst.h"
#include "proxy/in/udp_in.h"

#define PORT_MAP_MAX 256

/* One entry of portMap; @to: kind NONE keeps the host, port 0 the port */
struct port_map {
	uint16_t port;
	struct addr to;
};

/**
 * struct doko_conf - Settings
 * @to:		Fixed destination; kind NONE: this host, port 0: the listener's
 */
struct doko_conf {
	bool tcp, udp, follow;
	struct addr to;
	struct port_map *map;
	unsigned int map_count;
};

/* A running inbound on one worker; @udp is NULL without UDP */
struct doko {
	struct tcp_listener tcp; /* must be first */
	struct udp_in *udp;
};

/* --- where to --- */

static void replace(struct addr *a, const struct addr *by)
{
	uint16_t port = by->port ? by->port : a->port;

	if (by->kind != ADDR_NONE)
		*a = *by;
	a->port = port;
}

/* The configured destination of a client of @local */
static struct addr fixed(const struct doko_conf *c, const struct addr *local)
{
	static const uint8_t loop4[4] = { 127, 0, 0, 1 };
	static const uint8_t loop6[16] = { [15] = 1 };
	struct addr a = local->kind == ADDR_V6 ? addr_v6(loop6, local->port) :
						 addr_v4(loop4, local->port);

	replace(&a, &c->to);
	for (unsigned int i = 0; i < c->map_count; i++)
		if (c->map[i].port == local->port)
			replace(&a, &c->map[i].to);
	return a;
}

/* Is @orig the listener itself, @at? */
static bool is_loop(const struct addr *orig, const struct addr *at)
{
	return orig->port == at->port &&
	       (addr_eq_host(orig, at) || listen_is_local(orig));
}

/* 0, -ELOOP, or -EDESTADDRREQ: logged and counted */
static int check_orig(struct worker *w, const struct inbound *ib,
		      const struct addr *orig, const struct addr *at,
		      const struct addr *client)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

	if (!addr_is_ip(orig) || !orig->port) {
		worker_drop(w, DROP_ORIGDST);
		log_info("inbound [%s]: no original destination of %s", ib->tag,
			 addr_format(client, from, sizeof(from)));
		return -EDESTADDRREQ;
	}
	if (!is_loop(orig, at))
		return 0;
	worker_drop(w, DROP_LOOP);
	log_warning("inbound [%s]: loop: %s wants %s, which is this listener",
		    ib->tag, addr_format(client, from, sizeof(from)),
		    addr_format(orig, to, sizeof(to)));
	return -ELOOP;
}

static int doko_tcp(const struct acceptor *a, int fd, struct session *s)
{
	const struct doko_conf *c = s->inbound->settings;
	struct addr orig = s->local;
	int err = 0;

	if (!c->follow) {
		s->orig = s->target = fixed(c, &s->local);
		return 0;
	}
	if (s->inbound->sockopt.tproxy != 1)
		err = origdst_redirect(fd, &s->local, &orig);
	if (err < 0 && c->to.kind != ADDR_NONE && c->to.port) {
		s->orig = s->target = c->to;
		return 0;
	}
	if (err < 0)
		orig.kind = ADDR_NONE;
	err = check_orig(s->job.worker, s->inbound, &orig, &a->at, &s->source);
	if (err == 0)
		s->orig = s->target = orig;
	return err;
}

static int doko_udp(const struct inbound *ib, struct worker *w,
		    const struct addr *at, const struct addr *client,
		    struct addr *dst)
{
	const struct doko_conf *c = ib->settings;

	if (c->follow)
		return check_orig(w, ib, dst, at, client);
	if (dst->kind == ADDR_NONE)
		*dst = *at;
	*dst = fixed(c, dst);
	return 0;
}

/* --- life --- */

static int doko_start(const struct inbound *ib, struct worker *w,
		      struct listener **out)
{
	const struct doko_conf *c = ib->settings;
	struct doko *d = calloc(1, sizeof(*d));
	int err = 0;

	if (!d)
		return -ENOMEM;
	d->tcp.target = doko_tcp;
	d->tcp.l.ib = ib;
	d->tcp.l.worker = w;
	if (c->tcp)
		err = listen_start(&d->tcp, ib, w);
	if (!err && c->udp)
		err = udp_in_start(&d->tcp.l, doko_udp, c->follow, &d->udp);
	if (err) {
		listen_stop(&d->tcp);
		free(d);
		return err;
	}
	*out = &d->tcp.l;
	return 0;
}

static void doko_stop(struct listener *l)
{
	struct doko *d = container_of(l, struct doko, tcp.l);

	listen_stop(&d->tcp);
	udp_in_stop(d->udp);
	free(d);
}

/* Only what the sockets are made of: destinations are looked up each time */
static bool doko_same(const struct inbound *a, const struct inbound *b)
{
	const struct doko_conf *x = a->settings, *y = b->settings;

	return listen_same(a, b) && x->tcp == y->tcp && x->udp == y->udp &&
	       x->follow == y->follow;
}

/* --- settings --- */

static int parse_network(struct jobj *o, struct doko_conf *c)
{
	const char *key =
		j_get(o, "allowedNetwork") ? "allowedNetwork" : "network";
	struct jlist l;

	j_list(o, key, &l);
	while (j_list_next(o, &l)) {
		if (!strcasecmp(l.text, "tcp")) {
			c->tcp = true;
		} else if (!strcasecmp(l.text, "udp")) {
			c->udp = true;
		} else {
			diag_error(o->d, l.node, NULL,
				   "must be tcp or udp, got \"%s\"", l.text);
			return -EINVAL;
		}
	}
	if (!c->tcp && !c->udp)
		c->tcp = true;
	return 0;
}

/* "host:port", ":port", "host:", "[v6]:port" */
static int parse_place(struct addr *out, const char *text, struct arena *a)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	*out = (struct addr){ .kind = ADDR_NONE };
	if (!colon)
		return -EINVAL;
	if (colon[1] &&
	    (text_port(colon + 1, strlen(colon + 1), &out->port) < 0 ||
	     !out->port))
		return -EINVAL;
	if (!n)
		return out->port ? 0 : -EINVAL;
	return addr_parse_host(out, text, n, a);
}

static int parse_map_entry(struct jobj *o, const cJSON *node,
			   struct port_map *m, struct arena *a)
{
	int err = -EINVAL;

	if (text_port(node->string, strlen(node->string), &m->port) < 0 ||
	    !m->port) {
		diag_error(o->d, node, NULL, "\"%s\" is no port", node->string);
		return err;
	}
	if (cJSON_IsString(node))
		err = parse_place(&m->to, node->valuestring, a);
	if (err == -EINVAL)
		diag_error(o->d, node, NULL,
			   "must be host:port, :port or host:");
	return err;
}

static int parse_map(struct jobj *o, struct doko_conf *c, struct arena *a)
{
	const cJSON *map = j_get(o, "portMap"), *node;
	int n = map ? cJSON_GetArraySize(map) : 0, err = 0;

	if (map && !cJSON_IsObject(map)) {
		diag_error(o->d, map, NULL, "must be an object");
		return -EINVAL;
	}
	if (n > PORT_MAP_MAX) {
		diag_error(o->d, map, NULL, "at most %d ports", PORT_MAP_MAX);
		return -EINVAL;
	}
	if (n && c->follow)
		diag_warning(o->d, map, NULL,
			     "is not used with followRedirect");
	c->map = n ? arena_alloc(a, (size_t)n * sizeof(*c->map)) : NULL;
	if (n && !c->map)
		return -ENOMEM;
	for (node = n ? map->child : NULL; node && !err; node = node->next)
		err = parse_map_entry(o, node, &c->map[c->map_count++], a);
	return err;
}

static int parse_to(struct jobj *o, struct doko_conf *c, struct arena *a)
{
	const char *host =
		j_get(o, "rewriteAddress") ? "rewriteAddress" : "address";
	const char *port = j_get(o, "rewritePort") ? "rewritePort" : "port";
	struct addr to = { .kind = ADDR_NONE };

	if (j_get(o, host) && !j_addr(o, host, &to))
		return -EINVAL;
	if (to.kind == ADDR_NAME) {
		const char *copy = arena_strdup(a, to.name);

		if (!copy)
			return -ENOMEM;
		to.name = copy;
	}
	to.port = (uint16_t)j_int(o, port, 0, 0, UINT16_MAX);
	c->to = to;
	return 0;
}

static int doko_parse(struct inbound *ib, struct jobj *o, struct config *cfg)
{
	struct doko_conf *c = arena_alloc(&cfg->arena, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	c->follow = j_bool(o, "followRedirect", false);
	j_ignore(o, "timeout", "policy connIdle is used");
	err = in_need_port(o, ib);
	if (!err)
		err = parse_network(o, c);
	if (!err)
		err = parse_to(o, c, &cfg->arena);
	if (!err)
		err = parse_map(o, c, &cfg->arena);
	if (!err && c->udp)
		err = in_check_udp(o, ib);
	return err;
}

const struct inbound_ops in_dokodemo = {
	.name = "dokodemo-door",
	.alias = "tunnel",
	.parse = doko_parse,
	.start = doko_start,
	.stop = doko_stop,
	.same = doko_same,
};
