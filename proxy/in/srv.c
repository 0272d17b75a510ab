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

int srv_parse(struct inbound *ib, struct jobj *o, struct config *cfg,
	      const struct srv_form *form)
{
	struct srv_conf *c = arena_alloc(
		&cfg->arena, form->conf_bytes ? form->conf_bytes : sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	ib->settings = c;
	rc = srv_table_init(&c->users, form);
	if (!rc)
		rc = in_need_port(o, ib);
	if (!rc)
		rc = srv_parse_users(o, c);
	if (!rc && form->fallbacks)
		rc = srv_parse_fallbacks(o, c, &cfg->arena);
	return rc;
}

void srv_drop(struct inbound *ib)
{
	struct srv_conf *c = ib->settings;

	if (c)
		srv_table_drop(&c->users);
}

int srv_find_key(const struct srv_users *us, const uint8_t *key)
{
	int found = -1;

	for (unsigned int i = 0; i < us->count; i++)
		if (ct_equal(srv_key(us, i), key, us->match_bytes))
			found = (int)i;
	return found;
}

struct addr srv_mux_target(void)
{
	return addr_name(SES_MUX_NAME, sizeof(SES_MUX_NAME) - 1, 9527);
}

void srv_set_user(struct session *s, const struct srv_users *us, unsigned int i)
{
	if (*us->v[i]->email)
		s->user = us->v[i]->email;
	s->user_id = us->v[i]->id;
	s->policy = config_policy(s->cfg, us->v[i]->level);
}

ssize_t srv_mute(struct greet *g)
{
	g->step = GREET_STEP_MUTE;
	return (ssize_t)g->len;
}

ssize_t srv_run_step(struct session *s, struct greet *g, srv_step step)
{
	struct srv_conf *c = s->inbound->settings;
	struct srv_users *us;
	ssize_t n;

	if (g->step == GREET_STEP_MUTE)
		return srv_mute(g);
	us = srv_users_get(&c->users);
	n = step(s, g, us);
	srv_users_put(us);
	return n;
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
	/* a reload may have come since the accept */
	udp_map_set_cfg(m, s->cfg);
	udp_map_set(m, s->user, false);
	udp_map_set_policy(m, s->policy);
	udp_map_set_vless_route(m, s->vless_route);
	s->in = NULL;
	return (ssize_t)g->len;
}
