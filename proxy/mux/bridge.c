/*
 * bridge.c - A client that lets its server's sessions come back (VLESS reverse)
 *
 *   bridge (struct reverse) -- connection, connection ...	each a session:
 *	in = a connection made by the outbound, out = struct server
 *
 * Every two seconds a connection is made when there is none that takes sessions, or
 * when there are more than 16 sessions for each; when the last one that did ends, or
 * takes no more, at once. As long as the server lets none in the pause grows to 16 s.
 *
 * The server's own session to the name "reverse" tells that it lives, every 10 s; a
 * connection without that ends. It says too that a connection takes no more sessions
 * (docs/wire/mux.md). So that a server of our own knows as well that we live, it gets a
 * KeepAlive as often.
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
#define BEAT_MS  10000u
#define FIRST_MS 16000u /* for the server's first word, with dialing */
#define TRIES    4 /* in vain; each but the first doubles the pause */
#define SHARE    16 /* sessions of one connection, before another one is made */
#define CONTROL  "reverse"
#define DRAINING 1 /* value of the message's first field */

/**
 * struct bridge - One of them
 * @conf:	Of @cfg, one reference
 * @conns:	struct server
 * @tries:	To make a connection, since the server said something
 */
struct bridge {
	struct list node;
	struct worker *worker;
	const struct reverse *conf;
	struct config *cfg;
	struct list conns;
	unsigned int tries;
	struct timer look;
};

static void look_after(struct bridge *b, uint32_t ms)
{
	timer_set(&b->worker->wheel, &b->look, ms);
}

static uint32_t pause_ms(const struct bridge *b)
{
	return b->tries ? LOOK_MS << (b->tries - 1) : LOOK_MS;
}

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
	/* what comes by it is the outbound's, in its directions (Xray does so) */
	s->stat_user[UP] = ob->stat_down;
	s->stat_user[DOWN] = ob->stat_up;
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
	look_after(b, pause_ms(b));
	if (conns && sessions / conns <= SHARE)
		return;
	if (b->tries < TRIES)
		b->tries++;
	look_after(b, pause_ms(b));
	dial(b);
}

/* Will words come by it? Not by one that shall take no more sessions */
static bool words_due(const struct server *v)
{
	return !v->told || (v->control.trunk && !v->drain);
}

/*
 * The server hears that we live. One that is gone without a word we would wait for as
 * long as for any idle connection
 */
static void bridge_beat(struct timer *t)
{
	struct server *v = container_of(t, struct server, beat);

	if (words_due(v) &&
	    !server_patience(v, v->told ? SERVER_SILENT_MS : FIRST_MS)) {
		log_info("s%x reverse: [%s] the server is silent", v->ses->id,
			 v->bridge->conf->ob->tag);
		ses_kill(v->ses, -ETIMEDOUT, 2);
		return;
	}
	if (v->told && v->trunk.tx.bytes < TRUNK_TX_HIGH)
		trunk_put_half_mark(&v->trunk);
	timer_set(&v->trunk.worker->wheel, t, BEAT_MS);
}

bool bridge_joined(struct server *v)
{
	struct mux_room *r = mux_room(v->trunk.worker);
	struct list *l;

	v->trunk.ends = true;
	if (!r)
		return false;
	list_for_each (l, &r->bridges) {
		struct bridge *b = container_of(l, struct bridge, node);

		if (&b->conf->ib != v->ses->inbound)
			continue;
		list_add_tail(&b->conns, &v->node);
		v->bridge = b;
		v->beat.fn = bridge_beat;
		timer_set(&r->worker->wheel, &v->beat, BEAT_MS);
	}
	return v->bridge != NULL;
}

void bridge_left(struct server *v)
{
	struct bridge *b = v->bridge;

	v->bridge = NULL;
	/* one that ends as soon as it was let in is no reason to hurry */
	if (v->told && v->trunk.worker->now_ms - v->ses->born_ms >= LOOK_MS)
		look_after(b, 1);
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
	struct server *v = of_control(s);

	(void)f;
	v->control_at = 0;
	if (!v->told) /* again: it may wait for more of them */
		trunk_put_half_mark(&v->trunk);
	v->told = true;
	if (v->bridge && v->bridge->tries) {
		v->bridge->tries = 0;
		look_after(v->bridge, LOOK_MS);
	}
	return true;
}

/* Another connection is needed, and no word will come by this one */
static void control_drain(struct server *v)
{
	v->drain = true;
	if (v->bridge)
		look_after(v->bridge, 1);
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
			control_drain(v);
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
		timer_cancel(&v->beat);
		v->bridge = NULL;
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
