/*
 * h2_carrier.c - One HTTP/2 connection that carries many streams (libnghttp2)
 *
 *   client   the first stream dials, the next ones find the carrier by level
 *	      and address; a full or ending one is left alone
 *   server   each request is born as a session of the listener
 *
 * The carrier has a job of its own: it reads below, hands data to the streams
 * and marks their jobs; what they want to send is written at the end of the
 * carrier's turn, all in one batch. A dead carrier gives each stream its reason,
 * and is freed by its timer, never inside a turn.
 *
 * Windows: the connection's is given back at once, so that a slow stream does
 * not hold up the others; the stream's when its owner has read.
 * Source: RFC 9113; nghttp2's API reference; xray.md section 2.14
 */
#include "proxy/transport/h2_carrier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "proxy/layer/keep.h"
#include "proxy/transport/h2_int.h"
#include "proxy/transport/http_conf.h"

#define IDLE_MS    60000u /* without a stream */
#define IN_KEEP    2 /* buffers kept for the next stream */
#define BATCH_KEEP 2 /* batches kept: of a carrier, and of one below it */
#define TELL_MS    200u /* behind a reload: all workers listen anew by then */

static void carrier_run(struct job *j);
static void on_timer(struct timer *t);

static struct worker *worker_of(const struct h2 *h)
{
	return h->job.worker;
}

static void carrier_free(struct h2 *h);

static void room_free(void *room)
{
	struct h2_room *r = room;
	struct list *p, *n;

	list_for_each_safe (p, n, &r->carriers)
		carrier_free(container_of(p, struct h2, node));
	pool_trim(&r->in);
	pool_trim(&r->batch);
	free(r);
}

static struct h2_room *room_get(struct worker *w)
{
	struct h2_room *r = w->rooms[ROOM_H2];

	if (r)
		return r;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	list_init(&r->carriers);
	r->in_bytes = (uint32_t)pace_most(w) + H2_IN_MORE;
	pool_init(&r->in, sizeof(struct buf) + r->in_bytes, IN_KEEP);
	pool_init(&r->batch, H2_BATCH_BYTES, BATCH_KEEP);
	w->rooms[ROOM_H2] = r;
	w->room_free[ROOM_H2] = room_free;
	return r;
}

/* --- life --- */

/* Nobody has it, and nothing new goes by it: a client's of an old configuration, too */
static bool is_over(struct h2 *h)
{
	if (h->count || h->flow_count)
		return false;
	if (h->server)
		return h->told;
	return !h2_takes_request(h) || !h->uses_left ||
	       h->cfg != worker_of(h)->cfg;
}

/* When the carrier is looked at: as soon as it was silent for too long */
void h2_set_timer(struct h2 *h)
{
	uint32_t now = worker_of(h)->now_ms, silent = now - h->heard_ms;
	uint32_t keep = h->conf->keepalive_ms, ms = IDLE_MS;
	uint32_t due = h->ping_ms + h->conf->answer_ms;

	if (h->dead || is_over(h))
		ms = h->dead || !h->server ? 0 : H2_LEAVE_MS;
	else if (h2_over_may_tell(h))
		ms = TELL_MS;
	else if (h->pinging) /* who comes and goes meanwhile changes nothing */
		ms = clock_before(now, due) ? due - now : 1;
	else if (keep && (h->count || h->conf->ping_idle))
		ms = keep > silent ? keep - silent : 1;
	timer_set(&worker_of(h)->wheel, &h->timer, ms);
}

/* Every stream gets the reason; those of requests that are not complete go */
static void subs_gone(struct h2 *h, int why)
{
	struct list *p, *n;

	list_for_each_safe (p, n, &h->subs) {
		struct h2_sub *u = container_of(p, struct h2_sub, node);

		h2_again_over(u);
		list_del(&u->node);
		u->h = NULL;
		if (u->s.job)
			h2_sub_fail(u, why);
		else
			h2_sub_unborn(u);
	}
	h->count = 0;
}

static void carrier_free(struct h2 *h)
{
	timer_cancel(&h->timer);
	subs_gone(h, -ECANCELED); /* the worker's end */
	h2_flows_gone(h);
	job_forget(&h->job);
	list_del(&h->node);
	nghttp2_session_del(h->ng);
	stream_close(&h->below, -ECANCELED);
	buf_free(h->out);
	buf_free(h->early);
	config_unref(h->cfg);
	free(h);
}

/* It ends now: every stream gets the reason; freed by the timer */
static void carrier_kill(struct h2 *h, int why)
{
	char text[ADDR_TEXT_MAX];

	if (h->dead)
		return;
	h->dead = true;
	log_info("%s: carrier %s %s ends with %u streams: %s", h->conf->name,
		 h->server ? "of" : "to",
		 addr_format(&h->to, text, sizeof(text)), h->count,
		 why ? strerror(-why) : "not needed");
	subs_gone(h, why ? why : -ECONNRESET);
	h2_flows_gone(h);
	stream_close(&h->below, why);
	h2_set_timer(h);
}

void h2_sub_gone(struct h2 *h, struct h2_sub *u)
{
	list_del(&u->node);
	h->count--;
	h2_flush_soon(h);
	if (!h->count)
		h2_set_timer(h);
}

/* --- down --- */

void h2_flush_soon(struct h2 *h)
{
	if (!h->dead)
		job_ready(&h->job);
}

static int put_batch(struct h2 *h)
{
	size_t done = 0;

	while (done < h->used) {
		ssize_t n =
			stream_write(h->below, h->batch + done, h->used - done);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	if (done == h->used)
		return 0;
	h->out = buf_new(h->used - done);
	if (!h->out)
		return -ENOMEM;
	return buf_put(h->out, h->batch + done, h->used - done);
}

/* Frames into the batch. More to come? -errno */
static int fill_batch(struct h2 *h)
{

	h->used = 0;
	/* Room for the largest frame that is no DATA of ours */
	while (H2_BATCH_BYTES - h->used >= H2_FRAME_BYTES + H2_FRAME_HEAD) {
		const uint8_t *p;
		size_t before = h->used;
		ssize_t n = nghttp2_session_mem_send(h->ng, &p);

		if (n < 0)
			return -EPROTO;
		if ((size_t)n > H2_BATCH_BYTES - h->used)
			return -ENOBUFS;
		if (n > 0)
			memcpy(h->batch + h->used, p, (size_t)n);
		h->used += (size_t)n;
		if (h->used == before)
			return 0;
	}
	return 1;
}

/* 0 all is down, -EAGAIN, -errno */
static int flush(struct h2 *h)
{
	int more = 1, rc = 0;

	while (h->out) {
		ssize_t n =
			stream_write(h->below, buf_head(h->out), h->out->len);

		if (n < 0)
			return (int)n;
		buf_drop(h->out, (size_t)n);
		if (!h->out->len) {
			buf_free(h->out);
			h->out = NULL;
		}
	}
	h->batch = pool_get(&h->room->batch);
	if (!h->batch)
		return -ENOMEM;
	while (more > 0 && !rc && !h->out) {
		more = fill_batch(h);
		rc = more < 0 ? more : h->used ? put_batch(h) : 0;
	}
	pool_put(&h->room->batch, h->batch);
	h->batch = NULL;
	return rc ? rc : h->out ? -EAGAIN : 0;
}

/* Also for what TLS below keeps: want() makes it go on */
static void carrier_want(struct h2 *h)
{
	h->below->ops->want(h->below, ST_READ | (h->out ? ST_WRITE : 0u));
}

void h2_flush_now(struct h2 *h)
{
	int rc;

	if (h->dead || h->err)
		return;
	if (h->hearing) { /* a handler writes: nghttp2 allows no other call */
		h2_flush_soon(h);
		return;
	}
	rc = flush(h);
	if (rc < 0 && rc != -EAGAIN)
		h->err = rc;
	if (h->err)
		h2_flush_soon(h); /* its own turn ends it */
	else
		carrier_want(h);
}

/* --- up --- */

static int hear(struct h2 *h, const uint8_t *p, size_t n)
{
	ssize_t used;

	h->hearing = true;
	used = nghttp2_session_mem_recv(h->ng, p, n);
	h->hearing = false;
	h->heard_ms = worker_of(h)->now_ms;
	h->pinging = false;
	if (used >= 0)
		return 0;
	log_info("%s: %s", h->conf->name, nghttp2_strerror((int)used));
	return -EPROTO;
}

/* What came before there was a carrier */
static int hear_early(struct h2 *h)
{
	struct buf *b = h->early;
	int rc = b ? hear(h, buf_head(b), b->len) : 0;

	h->early = NULL;
	buf_free(b);
	return rc;
}

/* What came: where it lies if below lends, else in the worker's memory */
static ssize_t take_in(struct h2 *h, struct iovec *iov, int *cnt)
{
	struct stream *b = h->below;

	if (b->ops->lend)
		return b->ops->lend(b, iov, cnt);
	iov[0] = (struct iovec){ h->room->rx, sizeof(h->room->rx) };
	*cnt = 1;
	return b->ops->readv(b, iov, 1);
}

/* @n bytes at @iov, lent or not. 0 or -EPROTO */
static int hear_all(struct h2 *h, const struct iovec *iov, int cnt, size_t n)
{
	int rc = 0;

	for (int i = 0; i < cnt && n && !rc; i++) {
		size_t some = iov[i].iov_len < n ? iov[i].iov_len : n;

		rc = hear(h, iov[i].iov_base, some);
		if (h->below->ops->lend)
			h->below->ops->took(h->below, some);
		n -= some;
	}
	return rc;
}

/* 0 more may be there, the job is marked; -EAGAIN all was heard, -errno */
static int receive(struct h2 *h)
{
	size_t budget = H2_TURN_BYTES;
	int rc = hear_early(h);

	while (budget && rc == 0) {
		struct iovec iov[STREAM_IOV];
		int cnt = STREAM_IOV;
		ssize_t n = take_in(h, iov, &cnt);

		if (n <= 0)
			return n ? (int)n : -ECONNRESET;
		rc = hear_all(h, iov, cnt, (size_t)n);
		budget -= (size_t)n < budget ? (size_t)n : budget;
	}
	job_ready(&h->job);
	return rc;
}

/*
 * Hear, then say. That nothing can be said any more ends it when all that came was
 * heard. 0 or -errno
 */
static int turn(struct h2 *h)
{
	int rc = receive(h), said;

	if (rc && rc != -EAGAIN)
		return rc;
	if (h->err)
		return rc ? h->err : 0;
	said = flush(h);
	if (said < 0 && said != -EAGAIN) {
		h->err = said;
		job_ready(&h->job);
	}
	return 0;
}

static void carrier_run(struct job *j)
{
	struct h2 *h = container_of(j, struct h2, job);
	bool was_up;
	int rc;

	if (h->dead)
		return;
	stream_shed(&h->below);
	was_up = h->below->ops->up(h->below);
	rc = turn(h);
	if (rc < 0) {
		carrier_kill(h, h->count ? rc : 0);
		return;
	}
	if (!nghttp2_session_want_read(h->ng) &&
	    !nghttp2_session_want_write(h->ng)) {
		carrier_kill(h, h->count ? -ECONNRESET : 0);
		return;
	}
	if (!was_up && h->below->ops->up(h->below)) {
		struct list *p;

		list_for_each (p, &h->subs)
			h2_sub_wake(container_of(p, struct h2_sub, node));
	}
	carrier_want(h);
}

static void on_timer(struct timer *t)
{
	struct h2 *h = container_of(t, struct h2, timer);
	const struct h2_conf *c = h->conf;
	uint32_t silent = worker_of(h)->now_ms - h->heard_ms;

	if (h->dead) {
		carrier_free(h);
		return;
	}
	if (is_over(h)) {
		carrier_kill(h, 0);
		return;
	}
	if (h2_over_may_tell(h)) {
		h2_over_tell(h);
		h2_set_timer(h);
		return;
	}
	if (h->pinging) {
		carrier_kill(h, -ETIMEDOUT);
		return;
	}
	if (c->keepalive_ms && silent >= c->keepalive_ms &&
	    (h->count || c->ping_idle)) {
		h->pinging = true;
		h->ping_ms = worker_of(h)->now_ms;
		nghttp2_submit_ping(h->ng, NGHTTP2_FLAG_NONE, NULL);
		h2_flush_soon(h);
	} else if (!h->count && !c->ping_idle && silent >= IDLE_MS) {
		carrier_kill(h, 0);
		return;
	}
	h2_set_timer(h);
}

/* --- birth --- */

static struct h2 *carrier_new(const struct h2_conf *conf, struct worker *w,
			      struct config *cfg, bool server)
{
	struct h2_room *room = room_get(w);
	struct h2 *h = room ? calloc(1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	h->job = (struct job){ .run = carrier_run, .worker = w };
	h->room = room;
	h->conf = conf;
	h->cfg = config_ref(cfg);
	h->server = server;
	h->heard_ms = w->now_ms;
	list_add_tail(&room->carriers, &h->node);
	list_init(&h->subs);
	list_init(&h->flows);
	h2_reuse_init(h);
	timer_init(&h->timer, on_timer);
	if (h2_session_new(h) < 0) {
		carrier_free(h);
		return NULL;
	}
	h2_set_timer(h);
	return h;
}

bool h2_make_room(struct worker *w, const struct transport *t,
		  unsigned int most)
{
	struct h2_room *r = room_get(w);
	struct h2 *idle = NULL;
	unsigned int n = 0;
	struct list *p;

	if (!r)
		return false;
	list_for_each (p, &r->carriers) {
		struct h2 *h = container_of(p, struct h2, node);

		if (!h->server || h->dead || h->t != t)
			continue;
		n++;
		if (!idle && !h->count)
			idle = h;
	}
	if (n < most)
		return true;
	if (idle)
		carrier_kill(idle, 0);
	return idle != NULL;
}

void h2_reloaded(struct worker *w)
{
	struct h2_room *r = w->rooms[ROOM_H2];
	struct list *p;

	if (!r)
		return;
	list_for_each (p, &r->carriers) {
		struct h2 *h = container_of(p, struct h2, node);

		if (!h->server || h->dead)
			continue;
		h->over = birth_is_over(&h->birth, w);
		if (h->over)
			h2_set_timer(h);
	}
}

int h2_serve(const struct transport *t, const struct h2_conf *conf,
	     struct worker *w, struct stream *below, const struct birth *b,
	     const struct iovec *early)
{
	struct h2 *h = carrier_new(conf, w, b->cfg, true);

	if (!h)
		return -ENOMEM;
	if (early &&
	    keep_copy(&h->early, early->iov_base, early->iov_len) < 0) {
		carrier_free(h);
		return -ENOMEM;
	}
	h->birth = *b;
	h->over = birth_is_over(b, w); /* a reload came meanwhile */
	h->t = t;
	h->to = b->source;
	h->below = below;
	stream_set_job(below, &h->job);
	job_ready(&h->job);
	if (h->over)
		h2_set_timer(h);
	return 0;
}

/* --- clients --- */

static struct h2 *dial_new(const struct transport *t,
			   const struct h2_conf *conf, const struct dial *d,
			   const struct addr *to, int *rc)
{
	struct h2 *h = carrier_new(conf, d->worker, d->cfg, false);

	*rc = -ENOMEM;
	if (!h)
		return NULL;
	h->t = t;
	h->d = *d;
	h->d.job = &h->job;
	h->to = *to;
	if (to->kind == ADDR_NAME) { /* the session's name dies with it */
		snprintf(h->name, sizeof(h->name), "%s", to->name);
		h->to.name = h->name;
	}
	*rc = transport_dial(t->below, &h->d, &h->to, &h->below);
	if (*rc < 0) {
		carrier_free(h);
		return NULL;
	}
	job_ready(&h->job);
	return h;
}

/* A stream of @h, with this request (NULL: gRPC's). 0 or -errno */
static int open_sub(struct h2 *h, const struct dial *d,
		    const struct http_ask *ask, struct stream **out)
{
	const struct h2_conf *conf = h->conf;
	struct h2_sub *u = h2_sub_new(h, d->job);

	if (!u)
		return -ENOMEM;
	u->log_id = d->s ? d->s->id : 0;
	u->raw = ask != NULL;
	u->flow = ask ? ask->flow : NULL;
	h2_again_may(u, ask);
	if ((ask ? h2_submit(h, u, ask) : h2_session_request(h, u)) < 0) {
		h2_again_over(u);
		h2_sub_gone(h, u);
		free(u);
		return -ENOMEM;
	}
	if (h->count == 1 && conf->keepalive_ms && !h->pinging)
		h2_set_timer(h); /* it was set for a carrier without streams */
	h2_flush_soon(h);
	*out = &u->s;
	return 0;
}

/* One of those there are, or a new one. NULL with *@rc */
static struct h2 *carrier_for(const struct transport *t,
			      const struct h2_conf *conf, const struct dial *d,
			      const struct addr *to, int *rc)
{
	struct h2_room *r = room_get(d->worker);
	struct dial own = *d;
	struct h2 *h;

	if (d->s)
		own.from = send_through_own(d->ob, d->s);
	own.s = NULL; /* the carrier outlives it */
	h = r ? h2_pick(r, t, conf, &own.from, to, NULL) : NULL;
	*rc = -ENOMEM;
	return !r || h ? h : dial_new(t, conf, &own, to, rc);
}

struct h2 *h2_another(struct h2 *h)
{
	struct h2 *to = h2_pick(h->room, h->t, h->conf, &h->d.from, &h->to, h);
	int rc;

	return to ? to : dial_new(h->t, h->conf, &h->d, &h->to, &rc);
}

int h2_open(const struct transport *t, const struct h2_conf *conf,
	    const struct dial *d, const struct addr *to, struct stream **out)
{
	int rc;
	struct h2 *h = carrier_for(t, conf, d, to, &rc);

	return h ? open_sub(h, d, NULL, out) : rc;
}

int h2_ask(const struct transport *t, const struct h2_conf *conf,
	   const struct dial *d, const struct addr *to,
	   const struct http_ask *ask, struct stream **out)
{
	struct h2_flow *f = ask->flow;
	struct h2 *h = f->carrier;
	int rc;

	if (!h || !h2_takes_request(h)) {
		h2_flow_leave(f);
		h = carrier_for(t, conf, d, to, &rc);
		if (!h)
			return rc;
		h2_flow_join(f, h);
	}
	if (h->requests_left != UINT32_MAX)
		h->requests_left--;
	return open_sub(h, d, ask, out);
}

void h2_flow_leave(struct h2_flow *f)
{
	struct h2 *h = f->carrier;

	if (!h)
		return;
	list_del(&f->node);
	f->carrier = NULL;
	h->flow_count--;
	if (!h->flow_count && !h->count)
		h2_set_timer(h);
}
