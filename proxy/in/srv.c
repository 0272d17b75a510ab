/*
 * srv.c - What the servers of proxy protocols share: users, silence, packets
 *
 * Silence: a client that shows no valid key learns nothing, neither from an
 * answer nor from the time of the end. Its bytes are swallowed until the
 * handshake's deadline, and then the connection ends as that of a client who
 * sent nothing.
 */
#include "proxy/in/srv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/udp.h"
#include "proxy/in/conf.h"

static const cJSON *user_list(struct jobj *o)
{
	return j_array(o, j_get(o, "users") ? "users" : "clients");
}

int srv_make_users(struct jobj *o, struct srv_conf *c, size_t size, void **keys,
		   struct arena *a)
{
	const cJSON *list = user_list(o);
	int n = cJSON_GetArraySize(list);

	if (n > SRV_USERS) {
		diag_error(o->d, list, NULL, "at most %d users", SRV_USERS);
		n = SRV_USERS;
	}
	c->users = (unsigned int)n;
	c->email = arena_alloc(a, (size_t)(n + 1) * sizeof(*c->email));
	c->level = arena_alloc(a, (size_t)(n + 1) * sizeof(*c->level));
	c->flags = arena_alloc(a, (size_t)(n + 1) * sizeof(*c->flags));
	*keys = arena_alloc(a, (size_t)(n + 1) * size);
	return c->email && c->level && c->flags && *keys ? 0 : -ENOMEM;
}

int srv_parse_users(struct jobj *o, struct srv_conf *c, srv_user user,
		    struct arena *a)
{
	const cJSON *list = user_list(o);
	struct jobj u;
	int rc = 0;

	for (unsigned int i = 0; !rc && i < c->users; i++) {
		if (!j_open(&u, o->d, cJSON_GetArrayItem(list, (int)i)))
			continue;
		c->email[i] = arena_strdup(a, j_str(&u, "email", ""));
		c->level[i] = (uint32_t)j_int(&u, "level", 0, 0, UINT32_MAX);
		rc = c->email[i] ? user(&u, c, i, a) : -ENOMEM;
		j_close(&u);
	}
	return rc;
}

int srv_parse(struct inbound *ib, struct jobj *o, struct config *cfg,
	      const struct srv_form *form)
{
	struct srv_conf *c = arena_alloc(
		&cfg->arena, form->conf_bytes ? form->conf_bytes : sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	c->key_bytes = form->key_bytes;
	rc = in_need_port(o, ib);
	if (!rc)
		rc = srv_make_users(o, c, c->key_bytes, &c->keys, &cfg->arena);
	if (!rc)
		rc = srv_parse_users(o, c, form->user, &cfg->arena);
	if (!rc && form->fallbacks)
		rc = srv_parse_fallbacks(o, c, &cfg->arena);
	return rc;
}

void srv_drop(struct inbound *ib)
{
	struct srv_conf *c = ib->settings;

	if (c && c->keys)
		wipe(c->keys, c->users * c->key_bytes);
}

int srv_find_key(const struct srv_conf *c, const uint8_t *key)
{
	int found = -1;

	for (unsigned int i = 0; i < c->users; i++)
		if (ct_equal(srv_key(c, i), key, c->key_bytes))
			found = (int)i;
	return found;
}

struct addr srv_mux_target(void)
{
	return addr_name(SES_MUX_NAME, sizeof(SES_MUX_NAME) - 1, 9527);
}

void srv_set_user(struct session *s, const struct srv_conf *c, unsigned int i)
{
	if (c->email[i] && *c->email[i])
		s->user = c->email[i];
	s->policy = config_policy(s->cfg, c->level[i]);
}

ssize_t srv_mute(struct greet *g)
{
	g->step = GREET_STEP_MUTE;
	return (ssize_t)g->len;
}

/* --- packets in a stream -------------------------------------------------------- */

/**
 * struct srv_udp - A client's end of a map
 * @name:	Backs t.peer.name
 */
struct srv_udp {
	struct dgram d;
	struct tube t;
	char name[256];
};

static int srv_recv(struct dgram *d, struct pkt *v, int max)
{
	struct srv_udp *u = container_of(d, struct srv_udp, d);

	tube_flush(&u->t);
	return tube_recv(&u->t, v, max);
}

static int srv_send(struct dgram *d, const struct pkt *v, int n)
{
	struct srv_udp *u = container_of(d, struct srv_udp, d);

	tube_send(&u->t, v, n);
	return n;
}

static void srv_want(struct dgram *d, unsigned int events)
{
	(void)events;
	tube_want(&container_of(d, struct srv_udp, d)->t, d->job);
}

static void srv_close(struct dgram *d)
{
	struct srv_udp *u = container_of(d, struct srv_udp, d);

	tube_close(&u->t, 0);
	free(u);
}

static const struct dgram_ops srv_dgram_ops = {
	.name = "tube",
	.recv = srv_recv,
	.send = srv_send,
	.want = srv_want,
	.close = srv_close,
};

/* The part of the first packets that came with the request. 0 or -ENOMEM */
static int srv_first(struct srv_udp *u, const struct greet *g, size_t used)
{
	size_t n = g->len - used;

	if (!n)
		return 0;
	u->t.rx = buf_new(n);
	return u->t.rx ? buf_put(u->t.rx, g->in + used, n) : -ENOMEM;
}

ssize_t srv_packets(struct session *s, struct greet *g,
		    const struct tube_ops *ops, size_t used,
		    const struct addr *to)
{
	struct worker *w = s->job.worker;
	struct srv_udp *u = calloc(1, sizeof(*u));
	struct udp_map *m;

	if (!u)
		return -ENOMEM;
	tube_init(&u->t, ops, w, s->in);
	u->d.ops = &srv_dgram_ops;
	if (to)
		u->t.peer = *to;
	if (to && to->kind == ADDR_NAME) {
		memcpy(u->name, to->name, to->len);
		u->t.peer.name = u->name;
	}
	m = srv_first(u, g, used) ?
		    NULL :
		    udp_map_new(w, s->inbound, &s->source, &u->d);
	if (!m) { /* the session keeps its stream */
		buf_free(u->t.rx);
		free(u);
		return -ENOMEM;
	}
	udp_map_set(m, s->user, false);
	udp_map_set_policy(m, s->policy);
	udp_map_set_vless_route(m, s->vless_route);
	s->in = NULL;
	return (ssize_t)g->len;
}
