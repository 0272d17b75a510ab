/*
 * bridge.c - A client that lets its server's sessions come back (VLESS reverse)
 *
 *   bridge (struct reverse) -- connection, connection ...	each a session:
 *	in = a connection made by the outbound, out = struct server
 *
 * Every two seconds a connection is made when there is none that takes sessions, or
 * when there are more than 16 sessions for each. The server's own session to the name
 * "reverse" says that a connection takes no more (docs/wire/mux.md).
 *
 * Source: Xray-core proxy/vless/outbound, app/reverse (facts)
 */
#include "proxy/mux/bridge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/mux/room.h"

#define LOOK_MS  2000u
#define SHARE    16 /* sessions of one connection, before another one is made */
#define CONTROL  "reverse"
#define DRAINING 1 /* value of the message's first field */

/**
 * struct bridge - One of them
 * @conf:	Of @cfg, one reference
 * @conns:	struct server
 */
struct bridge {
	struct list node;
	struct worker *worker;
	const struct reverse *conf;
	struct config *cfg;
	struct list conns;
	struct timer look;
};

static void dial(struct bridge *b)
{
	static const uint8_t none[4];
	struct session *s = ses_new(b->worker, &b->conf->ib, NET_TCP, NULL);
	const struct outbound *ob = b->conf->ob;
	int rc;

	if (!s)
		return;
	s->reverse = s->greeted = true;
	s->source = s->local = addr_v4(none, 0);
	s->outbound = ob;
	s->orig = s->target =
		addr_name(SES_REVERSE_NAME, sizeof(SES_REVERSE_NAME) - 1, 0);
	rc = ob->ops->open(ob, s, &s->in);
	s->outbound = NULL;
	s->orig = s->target = addr_name(SES_MUX_NAME, sizeof(SES_MUX_NAME) - 1,
					MUX_TARGET_PORT);
	if (rc < 0) {
		ses_kill(s, rc, 0);
		return;
	}
	log_debug("s%x reverse: [%s] calls its server", s->id, ob->tag);
	stream_set_job(s->in, &s->job);
	ses_start(s);
}

static void bridge_look(struct timer *t)
{
	struct bridge *b = container_of(t, struct bridge, look);
	unsigned int conns = 0, sessions = 0;
	struct list *l;

	list_for_each (l, &b->conns) {
		const struct server *v = container_of(l, struct server, node);

		if (v->drain || v->ended)
			continue;
		conns++;
		sessions += v->trunk.live;
	}
	if (!conns || sessions / conns > SHARE)
		dial(b);
	timer_set(&b->worker->wheel, &b->look, LOOK_MS);
}

void bridge_joined(struct server *v)
{
	struct mux_room *r = mux_room(v->trunk.worker);
	struct list *l;

	v->trunk.ends = true;
	if (!r)
		return;
	list_for_each (l, &r->bridges) {
		struct bridge *b = container_of(l, struct bridge, node);

		if (&b->conf->ib == v->ses->inbound)
			list_add_tail(&b->conns, &v->node);
	}
}

/* --- what the server tells: protobuf, 1: state, 99: padding -------------------- */

bool bridge_is_control(const struct server *v, const struct mux_frame *f)
{
	return v->ses->reverse && f->to.kind == ADDR_NAME &&
	       f->to.len == sizeof(CONTROL) - 1 &&
	       !memcmp(f->to.name, CONTROL, f->to.len);
}

static struct server *of_control(struct sub *s)
{
	return container_of(s, struct server, control);
}

/* A frame is a message */
static bool control_begin(struct sub *s, const struct mux_frame *f)
{
	(void)f;
	of_control(s)->control_at = 0;
	return true;
}

static size_t control_take(struct sub *s, const uint8_t *p, size_t n)
{
	static const uint8_t draining[2] = { 1 << 3, DRAINING };
	struct server *v = of_control(s);

	for (size_t i = 0; i < n && v->control_at < sizeof(draining); i++) {
		bool same = p[i] == draining[v->control_at];

		v->control_state = same && (!v->control_at || v->control_state);
		v->control_at++;
		if (v->control_at == sizeof(draining) && v->control_state)
			v->drain = true;
	}
	return n;
}

/* It is over, and not answered */
static void control_wake(struct sub *s, unsigned int events)
{
	(void)events;
	trunk_detach(s);
}

static const struct sub_ops control_ops = {
	.begin = control_begin,
	.take = control_take,
	.wake = control_wake,
};

struct sub *bridge_control(struct server *v, const struct mux_frame *f)
{
	if (v->control.trunk)
		return NULL;
	v->control = (struct sub){ .ops = &control_ops,
				   .opened = true,
				   .server = true };
	trunk_attach(&v->trunk, &v->control, f->session);
	return &v->control;
}

/* --- life ------------------------------------------------------------------------ */

static void bridge_start(struct mux_room *r, struct config *cfg,
			 const struct reverse *conf)
{
	struct bridge *b = calloc(1, sizeof(*b));

	if (!b) {
		log_error("reverse: out of memory");
		return;
	}
	b->worker = r->worker;
	b->conf = conf;
	b->cfg = config_ref(cfg);
	list_init(&b->conns);
	timer_init(&b->look, bridge_look);
	timer_set(&r->worker->wheel, &b->look, 1);
	list_add_tail(&r->bridges, &b->node);
}

static void bridge_stop(struct bridge *b)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &b->conns) {
		struct server *v = container_of(l, struct server, node);

		list_del(&v->node);
		ses_kill(v->ses, 0, 2);
	}
	timer_cancel(&b->look);
	list_del(&b->node);
	config_unref(b->cfg);
	free(b);
}

void bridges_stop(struct worker *w)
{
	struct mux_room *r = w->rooms[ROOM_MUX];

	while (r && !list_empty(&r->bridges))
		bridge_stop(list_first(&r->bridges, struct bridge, node));
}

void bridges_start(struct worker *w, struct config *cfg)
{
	struct mux_room *r = cfg->reverses ? mux_room(w) : NULL;

	bridges_stop(w);
	for (const struct reverse *v = cfg->reverses; v && r; v = v->next)
		bridge_start(r, cfg, v);
}
