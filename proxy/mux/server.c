/*
 * server.c - A session to v1.mux.cool is taken apart into the sessions in it
 *
 *   client --> carrier session: in ==relay==> out = this stream --> subs
 *
 * It is an outbound: what the relay writes into its stream are the client's
 * frames, what it reads are the frames for the client. So idle time, access
 * line, counters and back-pressure of the carrier are those of any session.
 * Each New frame gives birth to a session (TCP), or to a map with its inbound
 * end (UDP), with source and user of the carrier's. When the carrier ends,
 * they end; XUDP maps with a global id wait a minute for another carrier.
 *
 * Whom a reload or the API removes gets no new ones; the carrier ends with the last of
 * those that he has.
 *
 * Source: xray.md, 2.10, 2.11, section C; Xray common/mux/server.go (facts)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "proxy/mux/bridge.h"
#include "proxy/mux/mux.h"
#include "proxy/mux/room.h"
#include "proxy/mux/server.h"
#include "proxy/mux/sub.h"

#define SERVER_SESSIONS 256 /* at a time, of one carrier */
#define REMOVED_MS      2000u /* of a removed user's, to hang up */

/**
 * struct owner - What a UDP session of a client belongs to
 * @ib, @user:	Another user cannot take it over
 * @cfg:	One reference: @ib and @user are of it
 */
struct owner {
	struct udp_map *map;
	const struct inbound *ib;
	const char *user;
	struct config *cfg;
};

static struct server *server_of(struct stream *s)
{
	return container_of(s, struct server, s);
}

static struct server *of_trunk(struct trunk *t)
{
	return container_of(t, struct server, trunk);
}

/* --- births --- */

/* A session's target with a name of its own (freed with the session) */
static int set_target(struct session *s, const struct addr *to)
{
	s->orig = s->target = *to;
	if (to->kind != ADDR_NAME)
		return 0;
	s->greet_state = strndup(to->name, to->len);
	if (!s->greet_state)
		return -ENOMEM;
	s->orig.name = s->target.name = s->greet_state;
	return 0;
}

static struct sub *birth_tcp(struct server *v, const struct mux_frame *f)
{
	struct session *cs = v->ses, *s;
	struct sub_stream *ss = sub_stream_new(&v->trunk, f->session, NULL);
	struct stream *in = ss ? &ss->s : NULL;

	if (!ss)
		return NULL;
	s = ses_new(v->trunk.worker, cs->inbound, NET_TCP, in);
	if (!s) {
		stream_close(&in, -ENOBUFS);
		return NULL;
	}
	/* The carrier's generation: its inbound is the session's */
	config_unref(s->cfg);
	s->cfg = config_ref(cs->cfg);
	s->inbound_tag = cs->inbound_tag;
	s->source = addr_is_ip(&f->from) ? f->from : cs->source;
	s->local = addr_is_ip(&f->at) ? f->at : cs->local;
	s->user = cs->user;
	s->user_id = cs->user_id;
	s->policy = cs->policy;
	s->vless_route = cs->vless_route;
	s->greeted = true;
	if (set_target(s, &f->to) < 0) {
		ses_kill(s, -ENOMEM, 2);
		return NULL;
	}
	ses_start(s);
	return &ss->sub;
}

static uint32_t global_hash(const uint8_t global[8])
{
	return (uint32_t)hash_mix(get_be64(global) ^ rand_key());
}

static void owner_gone(struct sub_dgram *d)
{
	struct owner *o = d->owner;
	struct mux_room *r = d->worker->rooms[ROOM_MUX];

	if (r)
		htab_del(&r->theirs, &d->node);
	if (o)
		config_unref(o->cfg);
	free(o);
}

/* No other carrier came for it */
static void hold_due(struct timer *t)
{
	struct sub_dgram *d = container_of(t, struct sub_dgram, hold);
	struct owner *o = d->owner;

	udp_map_kill(o->map, 0);
}

static bool same_user(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* The client's map of an earlier carrier: it goes on with this one */
static struct sub *resume_udp(struct server *v, const struct mux_frame *f)
{
	struct mux_room *r = mux_room(v->trunk.worker);
	struct hnode *n;

	if (!r)
		return NULL;
	htab_each(n, &r->theirs, global_hash(f->global))
	{
		struct sub_dgram *d = container_of(n, struct sub_dgram, node);
		struct owner *o = d->owner;

		if (memcmp(d->global, f->global, 8) ||
		    o->ib != v->ses->inbound ||
		    !same_user(o->user, v->ses->user))
			continue;
		sub_dgram_move(d, &v->trunk, f->session);
		return &d->sub;
	}
	return NULL;
}

static void hold_by_global(struct server *v, struct sub_dgram *d,
			   const struct mux_frame *f)
{
	static const uint8_t none[8];
	struct mux_room *r = mux_room(v->trunk.worker);

	if (!r || !f->has_global || !memcmp(f->global, none, 8))
		return;
	memcpy(d->global, f->global, 8);
	d->held = true;
	d->hold.fn = hold_due;
	htab_put(&r->theirs, &d->node, global_hash(d->global));
}

static struct sub *birth_udp(struct server *v, const struct mux_frame *f)
{
	struct session *cs = v->ses;
	struct sub *resumed = f->has_global ? resume_udp(v, f) : NULL;
	struct sub_dgram *d;
	struct owner *o;

	if (resumed)
		return resumed;
	d = sub_dgram_new(&v->trunk, f->session, &f->to, true);
	if (!d)
		return NULL;
	o = calloc(1, sizeof(*o));
	if (!o) {
		d->d.ops->close(&d->d);
		return NULL;
	}
	*o = (struct owner){ .ib = cs->inbound,
			     .user = cs->user,
			     .cfg = config_ref(cs->cfg) };
	d->owner = o;
	d->gone = owner_gone;
	o->map = udp_map_new(v->trunk.worker, cs->inbound,
			     addr_is_ip(&f->from) ? &f->from : &cs->source,
			     &d->d);
	if (!o->map) {
		d->d.ops->close(&d->d);
		return NULL;
	}
	udp_map_set(o->map, cs->user, false);
	udp_map_set_policy(o->map, cs->policy);
	udp_map_set_vless_route(o->map, cs->vless_route);
	hold_by_global(v, d, f);
	return &d->sub;
}

/*
 * A connection says once who it is, and may live for days: would its client still be
 * let in, by any inbound of that kind that there is now?
 */
static bool is_known(const struct session *s)
{
	const struct config *cfg = s->job.worker->cfg;

	if (!s->user_id)
		return true;
	for (unsigned int i = 0; i < cfg->inbound_count; i++) {
		const struct inbound *ib = cfg->inbounds[i];

		if (ib->ops == s->inbound->ops && ib->ops->knows &&
		    ib->ops->knows(ib, s))
			return true;
	}
	return false;
}

/* The client does not hang up */
static void removed_due(struct timer *t)
{
	struct server *v = container_of(t, struct server, beat);

	ses_kill(v->ses, -EACCES, 2);
}

/* A removed user's connection ends when it carries nothing, behind what is to be said */
static void end_removed(struct server *v)
{
	if (!v->removed || v->trunk.live || v->ended)
		return;
	v->ended = true;
	timer_init(&v->beat, removed_due);
	timer_set(&v->trunk.worker->wheel, &v->beat, REMOVED_MS);
	job_ready(v->s.job);
}

/* May it have another session? Those that there are go on to their ends */
static bool may_bear(struct server *v)
{
	bool known = is_known(v->ses);

	if (!known && !v->removed)
		log_info("s%x mux: the user is removed: no new sessions",
			 v->ses->id);
	v->removed = !known;
	end_removed(v);
	return known && !v->ended;
}

static struct sub *server_birth(struct trunk *t, const struct mux_frame *f)
{
	struct server *v = of_trunk(t);
	struct sub *s = NULL;

	if (!v->marked)
		trunk_put_half_mark(t);
	v->marked = true;
	/* No mux in mux: nobody needs it, and its depth would have no end */
	if (bridge_is_control(v, f))
		s = bridge_control(v, f);
	else if (t->live < SERVER_SESSIONS && !ses_to_mux(&f->to) &&
		 may_bear(v))
		s = f->network == MUX_TCP ? birth_tcp(v, f) : birth_udp(v, f);
	if (!s && !trunk_find(t, f->session))
		trunk_put_end(t, f->session, true);
	return s;
}

static void server_kick(struct trunk *t)
{
	job_ready(of_trunk(t)->s.job);
}

static void server_left(struct trunk *t)
{
	struct server *v = of_trunk(t);

	end_removed(v);
	if (v->ended)
		job_ready(v->s.job);
}

static const struct trunk_ops server_trunk_ops = {
	.kick = server_kick,
	.birth = server_birth,
	.left = server_left,
};

/* --- the stream: frames in, frames out --- */

static ssize_t server_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct server *v = server_of(s);
	size_t done = 0;

	for (int i = 0; i < cnt; i++) {
		ssize_t n =
			trunk_feed(&v->trunk, iov[i].iov_base, iov[i].iov_len);

		if (n < 0) {
			log_info("s%x mux: malformed frame", v->ses->id);
			return n;
		}
		done += (size_t)n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	if (done)
		v->heard_ms = v->trunk.worker->now_ms;
	return done || !cnt ? (ssize_t)done : -EAGAIN;
}

/* Nothing to send: is it the end? */
static ssize_t server_end(const struct server *v)
{
	return v->ended ? 0 : -EAGAIN;
}

static ssize_t server_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct server *v = server_of(s);
	size_t done;

	done = queue_read(&v->trunk.tx, iov, cnt);
	if (done)
		trunk_sent(&v->trunk, 0); /* whoever waits may go on */
	return done ? (ssize_t)done : server_end(v);
}

static ssize_t server_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct server *v = server_of(s);
	ssize_t n = 0;

	if (!v->trunk.tx.bytes)
		return server_end(v);
	*cnt = queue_show(&v->trunk.tx, iov, *cnt);
	for (int i = 0; i < *cnt; i++)
		n += (ssize_t)iov[i].iov_len;
	return n;
}

static void server_took(struct stream *s, size_t n)
{
	trunk_sent(&server_of(s)->trunk, n);
}

static void server_want(struct stream *s, unsigned int events)
{
	struct server *v = server_of(s);

	v->want = (uint8_t)events;
	if (((events & ST_READ) && v->trunk.tx.bytes) ||
	    ((events & ST_WRITE) && !trunk_stalled(&v->trunk)))
		job_ready(s->job);
}

static bool server_up(const struct stream *s)
{
	(void)s;
	return true;
}

/* The client has closed the carrier: its sessions have nobody to answer to */
static int server_finish(struct stream *s)
{
	struct server *v = server_of(s);

	v->ended = true;
	trunk_kill(&v->trunk, -ECONNRESET);
	job_ready(s->job);
	return 0;
}

static void server_close(struct stream *s, int why)
{
	struct server *v = server_of(s);

	v->ended = true; /* none of those that end now begins that */
	timer_cancel(&v->beat);
	list_del(&v->node);
	if (v->bridge)
		bridge_left(v);
	trunk_kill(&v->trunk, why ? why : -ECONNRESET);
	free(v);
}

static const struct stream_ops server_ops = {
	.name = "mux",
	.readv = server_readv,
	.writev = server_writev,
	.lend = server_lend,
	.took = server_took,
	.want = server_want,
	.up = server_up,
	.finish = server_finish,
	.close = server_close,
};

struct server *server_new(struct session *s, const struct trunk_ops *ops)
{
	struct server *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->s = (struct stream){ .ops = &server_ops, .job = &s->job };
	v->ses = s;
	list_init(&v->node);
	timer_init(&v->beat, NULL);
	trunk_init(&v->trunk, ops, s->job.worker);
	v->trunk.up = true;
	v->heard_ms = s->job.worker->now_ms;
	return v;
}

uint32_t server_patience(struct server *v, uint32_t limit)
{
	uint32_t now = v->trunk.worker->now_ms, quiet;

	if (trunk_stalled(&v->trunk))
		v->heard_ms = now;
	quiet = now - v->heard_ms;
	return quiet < limit ? limit - quiet : 0;
}

static int server_open(const struct outbound *ob, struct session *s,
		       struct stream **out)
{
	struct server *v = server_new(s, &server_trunk_ops);

	(void)ob;
	if (!v)
		return -ENOMEM;
	*out = &v->s;
	if (!s->reverse || bridge_joined(v))
		return 0;
	stream_close(out, -ECANCELED);
	return -ECANCELED;
}

static const struct outbound_ops server_kind = {
	.name = "mux-server",
	.open = server_open,
};

const struct outbound mux_server = {
	.ops = &server_kind,
	.tag = "mux",
};
