/*
 * portal.c - Sessions go out by connections that clients made for them (VLESS reverse)
 *
 *   client --> session (reverse): in ==relay==> out = struct server
 *   session, routed to the tag ------------------------> a sub of it
 *
 * An outbound without a server: whoever may serve its tag calls (proxy/in/vless.c).
 * The connection with the fewest sessions gets the next one. Every ten seconds each
 * is told that it lives; after 256 sessions, that it shall take no more, upon which
 * the client makes another one. Until that is there the old one is used: it ends when
 * it has no session and there is another.
 *
 * Source: Xray-core proxy/vless/inbound, app/reverse (facts); docs/wire/mux.md
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/udp.h"
#include "proxy/mux/mux.h"
#include "proxy/mux/room.h"
#include "proxy/mux/server.h"

#define LOOK_MS       2000u
#define BEAT_LOOKS    5 /* looks until it is told again that it lives */
#define SESSIONS      256u /* of one connection, before another one shall be made */
#define CONTROL_ID    1
#define CONTROL_EXTRA 64 /* bytes of padding, at most */

static struct server *of_trunk(struct trunk *t)
{
	return container_of(t, struct server, trunk);
}

static void portal_kick(struct trunk *t)
{
	job_ready(of_trunk(t)->s.job);
}

/* Can sessions go out by it? Its generation may be older than theirs */
static bool serves(const struct server *v, const char *tag)
{
	return !v->ended && !v->trunk.err && v->ses->state != SES_DYING &&
	       v->total < UINT16_MAX && !strcmp(v->ses->outbound->tag, tag);
}

/* The next session has a better one than those that shall take no more */
static bool has_fresh(const struct mux_room *r, const char *tag)
{
	struct list *l;

	list_for_each (l, &r->portals) {
		const struct server *v = container_of(l, struct server, node);

		if (!v->drain && serves(v, tag))
			return true;
	}
	return false;
}

/* Those that shall take no more end, if they carry nothing */
static void end_spent(const struct mux_room *r, const char *tag)
{
	struct list *l;

	if (!has_fresh(r, tag))
		return;
	list_for_each (l, &r->portals) {
		struct server *v = container_of(l, struct server, node);

		if (!v->drain || v->trunk.live || v->ended ||
		    strcmp(v->ses->outbound->tag, tag) != 0)
			continue;
		v->ended = true;
		job_ready(v->s.job);
	}
}

/* One that shall take no more ends with its last session */
static void portal_left(struct trunk *t)
{
	struct server *v = of_trunk(t);
	const struct mux_room *r = t->worker->rooms[ROOM_MUX];

	if (r && v->drain && !t->live)
		end_spent(r, v->ses->outbound->tag);
	job_ready(v->s.job);
}

static const struct trunk_ops portal_ops = { .kick = portal_kick,
					     .left = portal_left };

/* State and padding, as protobuf; the first one opens the session. 0 or -ENOMEM */
static int tell(struct server *v, bool first)
{
	uint8_t m[2 + 3 + CONTROL_EXTRA], *p = m;
	size_t pad = 1 + rand_below(CONTROL_EXTRA);
	struct mux_frame f = { .session = CONTROL_ID,
			       .status = first ? MUX_NEW : MUX_KEEP,
			       .network = first ? MUX_UDP : 0,
			       .to = addr_name("reverse", 7, 0) };
	struct iovec iov = { m, 0 };

	if (v->drain) {
		*p++ = 1 << 3; /* field 1, a number */
		*p++ = 1;
	}
	*p++ = 0x9a; /* field 99, bytes */
	*p++ = 0x06;
	*p++ = (uint8_t)pad;
	rand_bytes(p, pad);
	iov.iov_len = (size_t)(p - m) + pad;
	return trunk_put(&v->trunk, &f, &iov, 1, iov.iov_len);
}

/* Its user may have no sessions any more, as the API or a new configuration says */
static bool is_held(const struct server *v)
{
	const struct config *cfg = v->trunk.worker->cfg;

	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];

		if (ib->ops->holds && ib->ops->holds(ib, v->ses))
			return true;
	}
	return false;
}

/* It is looked at. False: it ends */
static bool portal_look(struct server *v)
{
	int why = 0;

	if (!is_held(v))
		why = -EACCES;
	else if (v->trunk.answers && !server_patience(v, SERVER_SILENT_MS))
		why = -ETIMEDOUT;
	if (!why)
		return true;
	log_info("s%x reverse: [%s] %s", v->ses->id, v->ses->outbound->tag,
		 why == -EACCES ? "the user is removed" :
				  "the client is silent");
	ses_kill(v->ses, why, 2);
	return false;
}

static void portal_beat(struct timer *t)
{
	struct server *v = container_of(t, struct server, beat);

	if (v->trunk.err || !portal_look(v))
		return;
	timer_set(&v->trunk.worker->wheel, t, LOOK_MS);
	if (v->drain)
		return;
	v->drain = v->total > SESSIONS;
	if (v->drain || ++v->looks % BEAT_LOOKS == 0)
		(void)tell(v, false);
	if (v->drain) {
		trunk_put_end(&v->trunk, CONTROL_ID, false);
		portal_left(&v->trunk);
	}
}

/* A client has called */
static int portal_join(struct session *s, struct stream **out)
{
	struct mux_room *r = mux_room(s->job.worker);
	struct server *v = r ? server_new(s, &portal_ops) : NULL;

	if (!v)
		return -ENOMEM;
	v->total = CONTROL_ID;
	timer_init(&v->beat, portal_beat);
	timer_set(&r->worker->wheel, &v->beat, LOOK_MS);
	list_add_tail(&r->portals, &v->node);
	*out = &v->s;
	if (tell(v, true) < 0) {
		stream_close(out, -ENOMEM);
		return -ENOMEM;
	}
	end_spent(r, s->outbound->tag);
	log_info("s%x reverse: [%s] a client has come", s->id,
		 s->outbound->tag);
	return 0;
}

/* The first of two: one that takes sessions, one that waits for nobody */
static bool better(const struct server *a, const struct server *b)
{
	bool stalls = trunk_stalled(&a->trunk);

	if (!b || a->drain != b->drain)
		return !b || b->drain;
	if (stalls != trunk_stalled(&b->trunk))
		return !stalls;
	return a->trunk.live < b->trunk.live;
}

/* Of those of @tag; NULL: nobody has called */
static struct server *portal_best(const struct mux_room *r, const char *tag)
{
	struct server *best = NULL;
	struct list *l;

	list_for_each (l, &r->portals) {
		struct server *v = container_of(l, struct server, node);

		if (serves(v, tag) && better(v, best))
			best = v;
	}
	return best;
}

/* The connection for the next session, and its place. NULL: there is none */
static struct server *portal_pick(const struct outbound *ob,
				  const struct session *s, uint16_t *id)
{
	const struct mux_room *r = mux_room(s->job.worker);
	struct server *v = r ? portal_best(r, ob->tag) : NULL;

	while (v && !portal_look(v))
		v = portal_best(r, ob->tag);
	if (v)
		*id = (uint16_t)++v->total;
	else
		log_info("s%x reverse: [%s] no client is there", s->id,
			 ob->tag);
	return v;
}

static int portal_open(const struct outbound *ob, struct session *s,
		       struct stream **out)
{
	struct sub_stream *ss;
	struct server *v;
	uint16_t id = 0;

	if (s->reverse)
		return portal_join(s, out);
	v = portal_pick(ob, s, &id);
	if (!v)
		return -ENETUNREACH;
	ss = sub_stream_new(&v->trunk, id, &s->target);
	if (!ss)
		return -ENOMEM;
	ss->sub.from = s->source;
	ss->sub.at = s->local;
	ss->s.job = &s->job;
	*out = &ss->s;
	return 0;
}

static int portal_open_dgram(const struct outbound *ob, struct udp_map *m,
			     struct session *s, struct dgram **out)
{
	struct sub_dgram *d;
	struct server *v;
	uint16_t id = 0;

	v = portal_pick(ob, s, &id);
	if (!v)
		return -ENETUNREACH;
	d = sub_dgram_new(&v->trunk, id, NULL, false);
	if (!d)
		return -ENOMEM;
	d->sub.from = *udp_map_client(m);
	d->sub.at = s->local;
	d->d.job = udp_map_job(m);
	*out = &d->d;
	return 0;
}

const struct outbound_ops mux_portal = {
	.name = "vless-reverse",
	.open = portal_open,
	.open_dgram = portal_open_dgram,
};
