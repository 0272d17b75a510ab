/*
 * reality_in.c - REALITY as server: who is known goes on, others get the target
 *
 *   HELLO   client -> target as it comes; a whole ClientHello is judged
 *   FLIGHT  known: the target's answer is gathered as a mould
 *   ANSWER  our flight of the same form goes out
 *   FINISH  the client's Finished is awaited; the target is still there
 *   WAIT    for what targets say behind it, when that is not known yet
 *   RELAY   not known, or not as expected: bytes both ways, as they are
 *   OVER    to be freed
 *
 * Nothing of ours is sent before ANSWER, so everything before can become RELAY:
 * whoever does not know the key meets the target itself, its certificate and its
 * errors. FINISH can, too: who said an overheard hello again has no Finished, and
 * the target, which awaits one as well, shall say what it thinks of what comes
 * instead. From the accept to the client's Finished one absolute deadline holds. Who
 * misses it is shown the target, too: how long that waits for who says nothing is known
 * to everybody. A relay ends when it is idle. A connection that is met is no session;
 * it counts as one for the limit of sessions.
 *
 * Source: docs/wire/reality.md; XTLS/REALITY tls.go (facts)
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/policy.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/transport/reality_guest.h"
#include "proxy/wire/proxy_head.h"

void guest_say(const struct guest *g, const char *what, const char *more)
{
	char from[ADDR_TEXT_MAX];
	enum log_level level = conf_of(g)->show ? LOG_INFO : LOG_DEBUG;

	if (!log_on(level))
		return;
	addr_format(&g->birth.source, from, sizeof(from));
	log_at(level, "s%x reality: %s [%s] %s%s", g->id, from,
	       g->birth.ib->tag, what, more);
}

/* --- the end -------------------------------------------------------------------- */

static void relay_end(struct guest *g)
{
	struct half *h = g->half;

	if (!h[UP].src)
		return;
	link_free(g->job.worker, h);
	log_debug("s%x reality: relayed up %llu (%s) down %llu (%s): %s", g->id,
		  (unsigned long long)h[UP].total, way_name(h[UP].way),
		  (unsigned long long)h[DOWN].total, way_name(h[DOWN].way),
		  g->why ? strerror(-g->why) : "done");
}

static void guest_free(struct guest *g)
{
	struct worker *w = g->job.worker;

	relay_end(g);
	job_forget(&g->job);
	timer_cancel(&g->timer);
	list_del(&g->node);
	stream_close(&g->target, g->half[UP].finished ? 0 : g->why);
	stream_close(&g->client, g->half[DOWN].finished ? 0 : g->why);
	buf_end(&g->from_client);
	buf_end(&g->from_target);
	buf_end(&g->to_client);
	reality_keys_drop(&g->keys);
	wipe(&g->claim, sizeof(g->claim));
	config_unref(g->birth.cfg);
	worker_sessions(w, -1);
	worker_tidy_later(w);
	free(g);
}

/* Nothing is freed during a turn's jobs */
int guest_over(struct guest *g, int why)
{
	g->state = GUEST_OVER;
	g->why = why;
	timer_set(&g->job.worker->wheel, &g->timer, 0);
	return -EAGAIN;
}

static void idle_check(struct guest *g)
{
	uint32_t limit = g->birth.ib->policy->idle_ms;
	uint32_t idle = g->job.worker->now_ms - g->active_ms;

	if (idle < limit) {
		timer_set(&g->job.worker->wheel, &g->timer, limit - idle);
		return;
	}
	g->why = -ETIMEDOUT;
	guest_free(g);
}

/* --- relaying ------------------------------------------------------------------- */

static void half_set(struct half *h, struct stream **src, struct stream **dst,
		     struct buf **early)
{
	h->src = src;
	h->dst = dst;
	h->early = *early;
	*early = NULL;
	if (h->early && !h->early->len)
		buf_end(&h->early);
}

int guest_relay(struct guest *g, const char *why)
{
	const struct reality_in_conf *c = conf_of(g);
	struct worker *w = g->job.worker;

	guest_say(g, "is shown the target: ", why);
	if (g->from_client)
		buf_drop(g->from_client, g->sent);
	half_set(&g->half[UP], &g->client, &g->target, &g->from_client);
	half_set(&g->half[DOWN], &g->target, &g->client, &g->from_target);
	wipe(&g->claim, sizeof(g->claim));
	reality_keys_drop(&g->keys);
	if (reality_slow_down(w, &c->up, &g->client) < 0 ||
	    reality_slow_down(w, &c->down, &g->target) < 0)
		return guest_over(g, -ENOMEM);
	g->state = GUEST_RELAY;
	g->active_ms = w->now_ms;
	timer_set(&w->wheel, &g->timer, g->birth.ib->policy->idle_ms);
	return 0;
}

static int run_relay(struct guest *g)
{
	uint64_t before = g->half[UP].total + g->half[DOWN].total;
	bool again;
	int side = 2;
	int rc = link_pump(g->job.worker, g->half, WORKER_BUDGET_BYTES, &again,
			   &side);

	if (g->half[UP].total + g->half[DOWN].total != before)
		g->active_ms = g->job.worker->now_ms;
	if (rc)
		return guest_over(g, rc < 0 ? rc : 0);
	link_want(g->half);
	if (again)
		job_ready(&g->job);
	return -EAGAIN;
}

static void guest_due(struct timer *t)
{
	struct guest *g = container_of(t, struct guest, timer);

	switch (g->state) {
	case GUEST_HELLO:
	case GUEST_FLIGHT:
	case GUEST_FINISH:
		/* the rest of a flight is not for who has got another one */
		if (!g->flight_left) {
			(void)guest_relay(g, "it has not shaken hands in time");
			job_ready(&g->job);
			return;
		}
		break;
	case GUEST_RELAY:
		idle_check(g);
		return;
	case GUEST_WAIT:
		job_ready(&g->job);
		return;
	case GUEST_ANSWER:
	case GUEST_OVER:
		break;
	}
	if (g->state != GUEST_OVER)
		guest_say(g, "has not shaken hands in time", "");
	guest_free(g);
}

/* --- birth ---------------------------------------------------------------------- */

static int guest_step(struct guest *g)
{
	if (g->state == GUEST_OVER)
		return -EAGAIN;
	return g->state == GUEST_RELAY ? run_relay(g) : guest_shake(g);
}

static void guest_run(struct job *j)
{
	struct guest *g = container_of(j, struct guest, job);

	while (guest_step(g) == 0)
		;
}

static void room_free(void *room)
{
	struct reality_room *r = room;

	while (!list_empty(&r->guests)) {
		struct guest *g = list_first(&r->guests, struct guest, node);

		g->why = -ECANCELED;
		guest_free(g);
	}
	reality_probes_stop(r->probes);
	free(r);
}

static struct reality_room *room_get(struct worker *w)
{
	struct reality_room *r = w->rooms[ROOM_REALITY];

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (r)
			list_init(&r->guests);
		w->rooms[ROOM_REALITY] = r;
		w->room_free[ROOM_REALITY] = room_free;
	}
	return r;
}

/* Who the client is, before its bytes. 0 or -ENOMEM */
static int tell_client(struct guest *g, unsigned int version)
{
	static const struct head_ops ops = { .name = "reality" };
	uint8_t head[PROXY_HEAD_OUT_MAX];
	size_t n = proxy_head_encode(version, &g->birth.source, &g->birth.local,
				     head);
	struct stream *st = head_new(&ops, g->target, head, n, NULL, g->id);

	if (!st)
		return -ENOMEM;
	g->target = st;
	return 0;
}

static int dial_target(struct guest *g)
{
	const struct reality_in_conf *c = conf_of(g);
	struct dial d = { .worker = g->job.worker,
			  .job = &g->job,
			  .cfg = g->birth.cfg };
	int rc = dest_dial(&c->target, &d, &g->target);

	if (!rc && c->xver)
		rc = tell_client(g, c->xver);
	return rc;
}

int reality_meet(const struct transport *t, const struct transport *top,
		 struct worker *w, struct stream *below, const struct birth *b)
{
	struct reality_room *r = room_get(w);
	struct guest *g = NULL;
	int rc;

	if (worker_admits(w, true) && r)
		g = calloc(1, sizeof(*g));
	if (!g) {
		stream_close(&below, -ENOBUFS);
		return -ENOBUFS;
	}
	g->job = (struct job){ .run = guest_run, .worker = w };
	g->t = t;
	g->top = top;
	g->birth = *b;
	config_ref(b->cfg);
	g->client = below;
	stream_set_job(below, &g->job);
	g->id = w->next_id;
	w->next_id += WORKERS_MAX;
	worker_sessions(w, 1);
	list_add_tail(&r->guests, &g->node);
	timer_init(&g->timer, guest_due);
	timer_set(&w->wheel, &g->timer, b->ib->policy->handshake_ms);
	rc = dial_target(g);
	if (rc < 0) {
		guest_say(g, "the target cannot be reached: ", strerror(-rc));
		g->why = rc;
		guest_free(g);
		return rc;
	}
	job_ready(&g->job);
	return 0;
}
