/*
 * xhttp_flow.c - A server's flows of several requests
 *
 *   GET base SESSION		the way down: a session is born
 *   POST base SESSION		the way up (stream-up); padding is its answer
 *   POST base SESSION/SEQ	a piece of the way up (packet-up)
 *
 * They come in any order, by any of the worker's connections; a flow without its
 * GET lives for a while. Pieces: xhttp_piece.c.
 *
 * Limits: pieces (scMaxBufferedPosts), bytes of one, flows without a GET, time
 * for the piece whose turn it is.
 *
 * Source: docs/wire/xhttp.md
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/transport/xhttp_flow.h"

#define UNBORN_MAX 256u /* flows of one worker without a GET */
#define UNBORN_PIECES \
	256u /* of all these: a stream's window of each may wait */
#define UNBORN_MS      30000u
#define GAP_MS         30000u /* later pieces wait, and nothing comes */
#define PAD_FIRST_BYTE 'X'

static struct xhttp_flow *flow_of(struct stream *s)
{
	return container_of(s, struct xhttp_flow, s);
}

static void flow_free(struct xhttp_flow *f, int why);

static void room_free(void *room)
{
	struct xhttp_room *r = room;
	struct list *p, *n;

	list_for_each_safe (p, n, &r->unborn)
		flow_free(container_of(p, struct xhttp_flow, unborn),
			  -ECANCELED);
	free(r);
}

static struct xhttp_room *room_get(struct worker *w)
{
	struct xhttp_room *r = w->rooms[ROOM_XHTTP];

	if (r)
		return r;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	for (unsigned int i = 0; i < XHTTP_SLOTS; i++)
		list_init(&r->slots[i]);
	list_init(&r->unborn);
	r->unborn_count = r->unborn_pieces = 0;
	w->rooms[ROOM_XHTTP] = r;
	w->room_free[ROOM_XHTTP] = room_free;
	return r;
}

/* --- life --- */

static void flow_free(struct xhttp_flow *f, int why)
{
	struct list *p, *n;

	list_for_each_safe (p, n, &f->pieces)
		xhttp_piece_free(f, container_of(p, struct xhttp_piece, node),
				 why ? why : -ECONNRESET);
	stream_close(&f->down, why); /* what it said comes before this end */
	stream_close(&f->up, why);
	if (!list_empty(&f->unborn))
		f->room->unborn_count--;
	list_del(&f->unborn);
	list_del(&f->node);
	timer_cancel(&f->timer);
	job_forget(&f->job);
	config_unref(f->cfg);
	free(f);
}

static void set_timer(struct xhttp_flow *f)
{
	uint32_t now = xhttp_flow_worker(f)->now_ms, ms = 0;
	int32_t left;

	if (f->pads && f->up) {
		left = (int32_t)(f->pad_ms - now);
		ms = left > 0 ? (uint32_t)left : 1;
	} else if (xhttp_piece_missing(f)) {
		left = (int32_t)(f->heard_ms + GAP_MS - now);
		ms = left > 0 ? (uint32_t)left : 1;
	}
	if (ms && !timer_armed(&f->timer))
		timer_set(&xhttp_flow_worker(f)->wheel, &f->timer, ms);
}

/* Xray does the same: an answer without bytes is cut by some on the way */
static void pad(struct xhttp_flow *f)
{
	uint8_t text[4096];
	uint32_t n = xhttp_draw(f->conf->padding);

	if (n > sizeof(text))
		n = sizeof(text);
	memset(text, PAD_FIRST_BYTE, n);
	(void)stream_write(f->up, text, n);
	f->pad_ms = xhttp_flow_worker(f)->now_ms +
		    1000u * xhttp_draw(f->conf->padding_secs);
}

static void on_timer(struct timer *t)
{
	struct xhttp_flow *f = container_of(t, struct xhttp_flow, timer);
	uint32_t now = xhttp_flow_worker(f)->now_ms;

	if (!f->down) {
		if (!f->err)
			log_info("xhttp: no GET for a session in time");
		flow_free(f, f->err ? f->err : -ETIMEDOUT);
		return;
	}
	if (f->pads && f->up && (int32_t)(f->pad_ms - now) <= 0)
		pad(f);
	if (xhttp_piece_missing(f) && now - f->heard_ms >= GAP_MS) {
		log_info("xhttp: a piece of the upload is missing");
		xhttp_flow_fail(f, -ETIMEDOUT);
		job_ready(f->s.job);
	}
	set_timer(f);
}

/* Before its GET came */
static void flow_run(struct job *j)
{
	struct xhttp_flow *f = container_of(j, struct xhttp_flow, job);

	if (f->s.job)
		return;
	xhttp_pieces_pump(f);
	if (f->err) /* freed by the timer: never inside its own turn */
		timer_set(&xhttp_flow_worker(f)->wheel, &f->timer, 0);
	else
		xhttp_pieces_want(f, &f->job);
}

/* --- the session's stream --- */

/* Did the client take its GET back? */
static void look_down(struct xhttp_flow *f)
{
	uint8_t byte;
	ssize_t n = stream_read(f->down, &byte, 1);

	if (n < 0 && n != -EAGAIN)
		xhttp_flow_fail(f, (int)n);
}

static ssize_t flow_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct xhttp_flow *f = flow_of(s);

	look_down(f);
	if (f->up && !f->err)
		return f->up->ops->readv(f->up, iov, cnt);
	return xhttp_pieces_read(f, iov, cnt);
}

static ssize_t flow_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct stream *down = flow_of(s)->down;

	return down->ops->writev(down, iov, cnt);
}

static void flow_want(struct stream *s, unsigned int events)
{
	struct xhttp_flow *f = flow_of(s);
	bool ended = f->eof;

	stream_set_job(f->down, s->job);
	f->down->ops->want(f->down, ST_READ | (events & ST_WRITE));
	if (f->up) {
		stream_set_job(f->up, s->job);
		f->up->ops->want(f->up, events & ST_READ);
	} else {
		xhttp_pieces_pump(f);
		xhttp_pieces_want(f, s->job);
		/* the end is told once: afterwards only a break is */
		if (events & ST_READ &&
		    (xhttp_pieces_ready(f) || (f->eof && !ended)))
			job_ready(s->job);
	}
	set_timer(f);
}

static bool flow_up(const struct stream *s)
{
	const struct xhttp_flow *f = (const struct xhttp_flow *)(const void *)s;

	return !f->err;
}

static int flow_finish(struct stream *s)
{
	struct stream *down = flow_of(s)->down;

	return down->ops->finish(down);
}

static void flow_close(struct stream *s, int why)
{
	struct xhttp_flow *f = flow_of(s);

	if (f->up && !why)
		(void)f->up->ops->finish(f->up);
	flow_free(f, why);
}

static const struct stream_ops flow_ops = {
	.name = "xhttp",
	.readv = flow_readv,
	.writev = flow_writev,
	.want = flow_want,
	.up = flow_up,
	.finish = flow_finish,
	.close = flow_close,
};

/* --- requests --- */

static struct list *slot_of(struct xhttp_room *r, const struct http1_text *name)
{
	return &r->slots[hash_bytes(rand_key(), name->p, name->n) %
			 XHTTP_SLOTS];
}

static struct xhttp_flow *flow_find(struct xhttp_room *r,
				    const struct http_rq *rq,
				    const struct http1_text *name)
{
	const char *tag = rq->b->ib ? rq->b->ib->tag : "";
	struct list *p, *slot = slot_of(r, name);

	list_for_each (p, slot) {
		struct xhttp_flow *f = container_of(p, struct xhttp_flow, node);

		if (f->name_len == name->n &&
		    !memcmp(f->name, name->p, name->n) &&
		    f->port == rq->b->local.port && !strcmp(f->tag, tag))
			return f;
	}
	return NULL;
}

static uint32_t unborn_ms(const struct http_rq *rq)
{
	const struct policy *p = rq->b->ib ? rq->b->ib->policy : NULL;

	return p && p->handshake_ms < UNBORN_MS ? p->handshake_ms : UNBORN_MS;
}

static struct xhttp_flow *flow_new(struct xhttp_room *r,
				   const struct http_rq *rq,
				   const struct http1_text *name)
{
	struct xhttp_flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->s = (struct stream){ .ops = &flow_ops };
	f->job = (struct job){ .run = flow_run, .worker = rq->worker };
	f->room = r;
	f->cfg = config_ref(rq->b->cfg);
	f->conf = rq->t->settings;
	f->tag = rq->b->ib ? rq->b->ib->tag : "";
	f->port = rq->b->local.port;
	f->heard_ms = f->born_ms = rq->worker->now_ms;
	f->name_len = (uint8_t)name->n;
	memcpy(f->name, name->p, name->n);
	list_init(&f->pieces);
	timer_init(&f->timer, on_timer);
	timer_set(&rq->worker->wheel, &f->timer, unborn_ms(rq));
	list_add(slot_of(r, name), &f->node);
	if (r->unborn_count >= UNBORN_MAX)
		flow_free(list_first(&r->unborn, struct xhttp_flow, unborn),
			  -ECONNRESET);
	list_add_tail(&r->unborn, &f->unborn);
	r->unborn_count++;
	return f;
}

/* Somebody runs the flow: its session, or itself */
static void wake(struct xhttp_flow *f)
{
	job_ready(f->s.job ? f->s.job : &f->job);
}

static void take_get(struct xhttp_flow *f, const struct http_rq *rq)
{
	int rc;

	if (f->down) {
		xhttp_refuse(rq, 409, "a second GET of a session");
		return;
	}
	rc = xhttp_answer_stream(rq, f->conf, !f->conf->no_sse);
	f->down = rq->s;
	f->room->unborn_pieces -= f->piece_count;
	timer_cancel(&f->timer);
	list_del(&f->unborn);
	f->room->unborn_count--;
	if (rc == 0)
		rc = forwarded_born(rq->b, rq->worker, &f->s, rq->head);
	if (rc < 0) {
		flow_free(f, rc);
		return;
	}
	stream_set_job(f->down, f->s.job);
	job_forget(&f->job);
	wake(f);
}

static void take_up(struct xhttp_flow *f, const struct http_rq *rq, bool marked)
{
	int rc;

	if (f->conf->mode != XHTTP_AUTO && f->conf->mode != XHTTP_STREAM_UP) {
		xhttp_refuse(rq, 400, "stream-up is not this inbound's mode");
		return;
	}
	if (f->up || f->piece_count || f->next) {
		xhttp_refuse(rq, 409, "a second upload of a session");
		return;
	}
	rc = xhttp_answer_stream(rq, f->conf, false);
	if (rc < 0) {
		rq->s->ops->close(rq->s, rc);
		return;
	}
	f->up = rq->s;
	stream_set_job(f->up, f->s.job ? f->s.job : &f->job);
	f->pads = marked && f->conf->padding_secs.hi > 0;
	if (f->pads)
		pad(f);
	wake(f);
}

/* Room for a piece of @f, which has no GET: the oldest go. False: that is @f */
static bool make_room(struct xhttp_flow *f)
{
	struct xhttp_room *r = f->room;

	while (!f->down && r->unborn_pieces >= UNBORN_PIECES) {
		struct xhttp_flow *old =
			list_first(&r->unborn, struct xhttp_flow, unborn);

		if (old == f)
			return false;
		flow_free(old, -ECONNRESET);
	}
	return true;
}

static void take_piece(struct xhttp_flow *f, const struct http_rq *rq,
		       uint64_t seq)
{
	struct xhttp_piece *p, *old = xhttp_piece_cut(f, seq);
	bool large;

	if (f->conf->mode != XHTTP_AUTO && f->conf->mode != XHTTP_PACKET_UP) {
		xhttp_refuse(rq, 400, "packet-up is not this inbound's mode");
		return;
	}
	if (f->up || f->eof) {
		xhttp_refuse(rq, 409, "a piece after the end");
		return;
	}
	if (!old && (f->piece_count >= f->conf->buffered || !make_room(f))) {
		xhttp_refuse(rq, 503, "more than scMaxBufferedPosts wait");
		xhttp_flow_fail(f, -ENOBUFS);
		wake(f);
		return;
	}
	p = xhttp_piece_new(rq, seq, f->conf);
	if (!p)
		return;
	large = xhttp_piece_too_large(f, p, rq);
	if (old) {
		xhttp_piece_again(old, p);
		p = old;
	} else if (!xhttp_piece_place(f, p)) { /* as Xray: of no effect */
		xhttp_piece_answer(f, p, 200);
		buf_free(p->body);
		free(p);
		return;
	}
	if (!old)
		f->held += p->got;
	if (large) {
		log_info("xhttp: a POST above scMaxEachPostBytes");
		xhttp_piece_answer(f, p, 413);
		xhttp_flow_fail(f, -EMSGSIZE);
	} else {
		stream_set_job(p->s, f->s.job ? f->s.job : &f->job);
	}
	f->heard_ms = xhttp_flow_worker(f)->now_ms;
	wake(f);
}

void xhttp_flow_request(const struct http_rq *rq,
			const struct xhttp_place *place, bool marked)
{
	struct xhttp_room *r = room_get(rq->worker);
	bool get = http1_is(&rq->head->method, "GET") && !place->has_seq;
	struct xhttp_flow *f;

	if (get && rq->refuse) {
		rq->refuse(rq->s);
		return;
	}
	f = r ? flow_find(r, rq, &place->session) : NULL;
	if (r && !f)
		f = flow_new(r, rq, &place->session);
	if (!f)
		xhttp_refuse(rq, 503, "no memory");
	else if (get)
		take_get(f, rq);
	else if (place->has_seq)
		take_piece(f, rq, place->seq);
	else
		take_up(f, rq, marked);
}
