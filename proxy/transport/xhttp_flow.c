/*
 * xhttp_flow.c - A server's flows of several requests
 *
 *   GET base SESSION		the way down: a session is born
 *   POST base SESSION		the way up (stream-up); padding is its answer
 *   POST base SESSION/SEQ	a piece of the way up (packet-up)
 *
 * They come in any order, by any of the worker's connections; a flow without its
 * GET lives for a while. Pieces: the one whose turn it is is read as it comes and
 * wanted, later ones as far as HOLD_BYTES allow: what is not read is the
 * back-pressure. Each is answered when it is whole.
 *
 * An empty piece is the end of the way up: our own clients say so.
 *
 * Limits: pieces (scMaxBufferedPosts), bytes of one, flows without a GET, time
 * for the piece whose turn it is.
 *
 * Source: docs/wire/xhttp.md
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/transport/xhttp_int.h"

#define TABLE_SLOTS 1024u
#define UNBORN_MAX  256u /* flows of one worker without a GET */
#define UNBORN_PIECES \
	256u /* of all these: a stream's window of each may wait */
#define UNBORN_MS      30000u
#define GAP_MS         30000u /* later pieces wait, and nothing comes */
#define HOLD_BYTES     (1u << 20) /* of later pieces of one flow */
#define HOLD_UNBORN    65536u
#define PIECE_FIRST    4096u
#define PAD_FIRST_BYTE 'X'

/**
 * struct xhttp_room - Flows of one worker; ROOM_XHTTP
 * @unborn:	struct flow without a GET, the oldest first; @unborn_pieces: of them
 */
struct xhttp_room {
	struct list slots[TABLE_SLOTS];
	struct list unborn;
	unsigned int unborn_count, unborn_pieces;
};

/**
 * struct piece - A POST with a number
 * @s:		NULL: it is whole, and answered
 * @body:	What was read of it and not taken; NULL nothing
 * @got:	Bytes of it so far
 */
struct piece {
	struct list node;
	struct stream *s;
	int (*answer)(struct stream *s, unsigned int status, const char *lines,
		      bool body);
	uint64_t seq;
	struct buf *body;
	size_t got;
	bool whole;
};

/**
 * struct flow - A session's requests
 * @s:		For the session
 * @job:	Until it is born
 * @node:	In a slot; @unborn in the list of these
 * @tag, @port:	Which inbound: names of sessions are theirs
 * @down, @up:	The GET; the POST of stream-up
 * @pieces:	struct piece by number, @piece_count of them, @held bytes in them
 * @next:	Number whose turn it is
 * @timer:	Its GET, the piece whose turn it is, padding
 * @heard_ms:	Something of @pieces came
 * @pads:	The answer to @up gets padding
 */
struct flow {
	struct stream s; /* must be first */
	struct job job;
	struct list node, unborn;
	struct xhttp_room *room;
	struct config *cfg;
	const struct xhttp_conf *conf;
	const char *tag;
	uint16_t port;
	struct stream *down, *up;
	struct list pieces;
	unsigned int piece_count;
	size_t held;
	uint64_t next;
	struct timer timer;
	uint32_t heard_ms, born_ms, pad_ms;
	bool eof, pads;
	int err;
	uint8_t name_len;
	char name[XHTTP_SESSION_MAX];
};

static struct flow *flow_of(struct stream *s)
{
	return container_of(s, struct flow, s);
}

static struct worker *worker_of(const struct flow *f)
{
	return f->job.worker;
}

static void flow_free(struct flow *f, int why);

static void room_free(void *room)
{
	struct xhttp_room *r = room;
	struct list *p, *n;

	list_for_each_safe (p, n, &r->unborn)
		flow_free(container_of(p, struct flow, unborn), -ECANCELED);
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
	for (unsigned int i = 0; i < TABLE_SLOTS; i++)
		list_init(&r->slots[i]);
	list_init(&r->unborn);
	r->unborn_count = r->unborn_pieces = 0;
	w->rooms[ROOM_XHTTP] = r;
	w->room_free[ROOM_XHTTP] = room_free;
	return r;
}

/* --- pieces --- */

static struct piece *first_piece(struct flow *f)
{
	return list_empty(&f->pieces) ?
		       NULL :
		       list_first(&f->pieces, struct piece, node);
}

static void piece_free(struct flow *f, struct piece *p, int why)
{
	stream_close(&p->s, why);
	if (p->body)
		f->held -= p->body->len;
	buf_free(p->body);
	list_del(&p->node);
	f->piece_count--;
	f->room->unborn_pieces -= !f->down;
	free(p);
}

/* Answer @p; its connection is free for the next request */
static void piece_answer(const struct flow *f, struct piece *p,
			 unsigned int status)
{
	union {
		uint8_t u[HTTP_LINES_MAX];
		char c[HTTP_LINES_MAX];
	} lines;
	struct wr w = wr_init(lines.u, sizeof(lines.u));
	struct http1_head none = { 0 };
	struct http_rq rq = { .head = &none };
	int rc;

	xhttp_answer_lines(&rq, f->conf, false, &w);
	wr_u8(&w, 0);
	rc = p->answer(p->s, status, wr_ok(&w) ? lines.c : "", false);
	if (rc == 0)
		rc = p->s->ops->finish(p->s);
	stream_close(&p->s, rc == -EAGAIN ? 0 : rc);
}

/* Room for @n more bytes of @p, as they come */
static int piece_room(struct piece *p)
{
	struct buf *b = p->body, *more;

	if (b && b->cap - b->len >= PIECE_FIRST / 2)
		return 0;
	more = buf_new(b ? 2 * (size_t)b->cap : PIECE_FIRST);
	if (!more)
		return -ENOMEM;
	if (b)
		buf_put(more, buf_head(b), b->len);
	buf_free(b);
	p->body = more;
	return 0;
}

/* May more of @p be read? That whose turn it is: when all of it was taken */
static bool piece_may(const struct flow *f, const struct piece *p)
{
	size_t hold = f->down ? HOLD_BYTES : HOLD_UNBORN;

	if (p->seq == f->next && (!p->body || p->body->len < hold))
		return true;
	return f->held < hold;
}

/* Read of @p what comes and may. 0 or -errno: the flow's end */
static int piece_read(struct flow *f, struct piece *p)
{
	size_t most = (size_t)f->conf->post_bytes.hi + 1;

	while (p->s && piece_may(f, p)) {
		struct buf *b;
		ssize_t n;

		if (piece_room(p) < 0)
			return -ENOMEM;
		b = p->body;
		if (b->off) { /* all free space at the end */
			memmove(b->data, buf_head(b), b->len);
			b->off = 0;
		}
		n = stream_read(p->s, buf_tail(b),
				buf_space(b) < most - p->got ? buf_space(b) :
							       most - p->got);
		if (n > 0) {
			b->len += (uint32_t)n;
			f->held += (size_t)n;
			p->got += (size_t)n;
			f->heard_ms = worker_of(f)->now_ms;
		}
		if (!b->len) {
			buf_free(b);
			p->body = NULL;
		}
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		if (p->got == most) {
			log_info("xhttp: a POST above scMaxEachPostBytes");
			piece_answer(f, p, 413);
			return -EMSGSIZE;
		}
		if (n == 0) {
			p->whole = true;
			f->heard_ms = worker_of(f)->now_ms;
			piece_answer(f, p, 200);
		}
	}
	return 0;
}

/* Pieces that are done with; the turn goes to the next. An empty one is the end */
static void turn(struct flow *f)
{
	struct piece *p = first_piece(f);

	while (p && p->seq == f->next && p->whole && !p->body && !f->eof) {
		f->eof = !p->got;
		f->next++;
		piece_free(f, p, 0);
		p = first_piece(f);
	}
}

static void flow_fail(struct flow *f, int err)
{
	if (!f->err)
		f->err = err;
}

/* --- life --- */

static void flow_free(struct flow *f, int why)
{
	struct list *p, *n;

	list_for_each_safe (p, n, &f->pieces)
		piece_free(f, container_of(p, struct piece, node),
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

static void set_timer(struct flow *f)
{
	uint32_t now = worker_of(f)->now_ms, ms = 0;
	const struct piece *p = first_piece(f);
	int32_t left;

	if (f->pads && f->up) {
		left = (int32_t)(f->pad_ms - now);
		ms = left > 0 ? (uint32_t)left : 1;
	} else if (p && p->seq != f->next) {
		left = (int32_t)(f->heard_ms + GAP_MS - now);
		ms = left > 0 ? (uint32_t)left : 1;
	}
	if (ms && !timer_armed(&f->timer))
		timer_set(&worker_of(f)->wheel, &f->timer, ms);
}

/* Xray does the same: an answer without bytes is cut by some on the way */
static void pad(struct flow *f)
{
	uint8_t text[4096];
	uint32_t n = xhttp_draw(f->conf->padding);

	if (n > sizeof(text))
		n = sizeof(text);
	memset(text, PAD_FIRST_BYTE, n);
	(void)stream_write(f->up, text, n);
	f->pad_ms = worker_of(f)->now_ms +
		    1000u * xhttp_draw(f->conf->padding_secs);
}

static void on_timer(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, timer);
	uint32_t now = worker_of(f)->now_ms;
	const struct piece *p = first_piece(f);

	if (!f->down) {
		if (!f->err)
			log_info("xhttp: no GET for a session in time");
		flow_free(f, f->err ? f->err : -ETIMEDOUT);
		return;
	}
	if (f->pads && f->up && (int32_t)(f->pad_ms - now) <= 0)
		pad(f);
	if (p && p->seq != f->next && now - f->heard_ms >= GAP_MS) {
		log_info("xhttp: a piece of the upload is missing");
		flow_fail(f, -ETIMEDOUT);
		job_ready(f->s.job);
	}
	set_timer(f);
}

/* Read what may be read */
static void pump(struct flow *f)
{
	struct list *l, *n;
	int rc = 0;

	turn(f);
	list_for_each_safe (l, n, &f->pieces) {
		rc = piece_read(f, container_of(l, struct piece, node));
		if (rc < 0)
			break;
	}
	if (rc < 0)
		flow_fail(f, rc);
	turn(f);
}

/* Somebody to be told when something comes */
static void want_pieces(struct flow *f, struct job *j)
{
	struct list *l;

	list_for_each (l, &f->pieces) {
		struct piece *p = container_of(l, struct piece, node);

		if (!p->s)
			continue;
		stream_set_job(p->s, j);
		p->s->ops->want(p->s, piece_may(f, p) ? ST_READ : 0);
	}
}

/* Before its GET came */
static void flow_run(struct job *j)
{
	struct flow *f = container_of(j, struct flow, job);

	if (f->s.job)
		return;
	pump(f);
	if (f->err) /* freed by the timer: never inside its own turn */
		timer_set(&worker_of(f)->wheel, &f->timer, 0);
	else
		want_pieces(f, &f->job);
}

/* --- the session's stream --- */

/* Of the pieces whose turn it is. Bytes, 0 end, -EAGAIN, -errno */
static ssize_t read_pieces(struct flow *f, const struct iovec *iov, int cnt)
{
	size_t did = 0;

	pump(f);
	for (int i = 0; i < cnt; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t room = iov[i].iov_len;
		struct piece *p;

		while (room && (p = first_piece(f)) && p->seq == f->next &&
		       p->body) {
			size_t n = p->body->len < room ? p->body->len : room;

			memcpy(to, buf_head(p->body), n);
			buf_drop(p->body, n);
			f->held -= n;
			if (!p->body->len) {
				buf_free(p->body);
				p->body = NULL;
			}
			to += n;
			room -= n;
			did += n;
			turn(f);
		}
	}
	if (did)
		return (ssize_t)did;
	return f->err ? f->err : f->eof ? 0 : -EAGAIN;
}

/* Did the client take its GET back? */
static void look_down(struct flow *f)
{
	uint8_t byte;
	ssize_t n = stream_read(f->down, &byte, 1);

	if (n < 0 && n != -EAGAIN)
		flow_fail(f, (int)n);
}

static ssize_t flow_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct flow *f = flow_of(s);

	look_down(f);
	if (f->up && !f->err)
		return f->up->ops->readv(f->up, iov, cnt);
	return read_pieces(f, iov, cnt);
}

static ssize_t flow_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct stream *down = flow_of(s)->down;

	return down->ops->writev(down, iov, cnt);
}

/* Something can be read now */
static bool has_some(struct flow *f)
{
	const struct piece *p = first_piece(f);

	return f->err || (p && p->seq == f->next && p->body);
}

static void flow_want(struct stream *s, unsigned int events)
{
	struct flow *f = flow_of(s);

	stream_set_job(f->down, s->job);
	f->down->ops->want(f->down, ST_READ | (events & ST_WRITE));
	if (f->up) {
		stream_set_job(f->up, s->job);
		f->up->ops->want(f->up, events & ST_READ);
	} else {
		pump(f);
		want_pieces(f, s->job);
		if (events & ST_READ && has_some(f))
			job_ready(s->job);
	}
	set_timer(f);
}

static bool flow_up(const struct stream *s)
{
	const struct flow *f = (const struct flow *)(const void *)s;

	return !f->err;
}

static int flow_finish(struct stream *s)
{
	struct stream *down = flow_of(s)->down;

	return down->ops->finish(down);
}

static void flow_close(struct stream *s, int why)
{
	struct flow *f = flow_of(s);

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
			 TABLE_SLOTS];
}

static struct flow *flow_find(struct xhttp_room *r, const struct http_rq *rq,
			      const struct http1_text *name)
{
	const char *tag = rq->b->ib ? rq->b->ib->tag : "";
	struct list *p, *slot = slot_of(r, name);

	list_for_each (p, slot) {
		struct flow *f = container_of(p, struct flow, node);

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

static struct flow *flow_new(struct xhttp_room *r, const struct http_rq *rq,
			     const struct http1_text *name)
{
	struct flow *f = calloc(1, sizeof(*f));

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
		flow_free(list_first(&r->unborn, struct flow, unborn),
			  -ECONNRESET);
	list_add_tail(&r->unborn, &f->unborn);
	r->unborn_count++;
	return f;
}

/* Header lines of an answer with a body, "\0" behind. False: too long */
static bool stream_lines(const struct http_rq *rq, const struct xhttp_conf *c,
			 bool sse, char text[HTTP_LINES_MAX])
{
	uint8_t u[HTTP_LINES_MAX];
	struct wr w = wr_init(u, sizeof(u));

	xhttp_answer_lines(rq, c, true, &w);
	if (sse)
		http_conf_text(&w, "Content-Type: text/event-stream\r\n");
	wr_u8(&w, 0);
	if (wr_ok(&w))
		memcpy(text, u, wr_len(&w));
	return wr_ok(&w);
}

/* Somebody runs the flow: its session, or itself */
static void wake(struct flow *f)
{
	job_ready(f->s.job ? f->s.job : &f->job);
}

static void take_get(struct flow *f, const struct http_rq *rq)
{
	char lines[HTTP_LINES_MAX];
	int rc;

	if (f->down) {
		xhttp_refuse(rq, 409, "a second GET of a session");
		return;
	}
	rc = stream_lines(rq, f->conf, !f->conf->no_sse, lines) ?
		     rq->answer(rq->s, 200, lines, true) :
		     -ENOBUFS;
	f->down = rq->s;
	f->room->unborn_pieces -= f->piece_count;
	timer_cancel(&f->timer);
	list_del(&f->unborn);
	f->room->unborn_count--;
	if (rc == 0)
		rc = rq->b->born(rq->b, rq->worker, &f->s);
	if (rc < 0) {
		flow_free(f, rc);
		return;
	}
	stream_set_job(f->down, f->s.job);
	job_forget(&f->job);
	wake(f);
}

static void take_up(struct flow *f, const struct http_rq *rq, bool referer)
{
	char lines[HTTP_LINES_MAX];
	int rc;

	if (f->conf->mode != XHTTP_AUTO && f->conf->mode != XHTTP_STREAM_UP) {
		xhttp_refuse(rq, 400, "stream-up is not this inbound's mode");
		return;
	}
	if (f->up || f->piece_count || f->next) {
		xhttp_refuse(rq, 409, "a second upload of a session");
		return;
	}
	rc = stream_lines(rq, f->conf, false, lines) ?
		     rq->answer(rq->s, 200, lines, true) :
		     -ENOBUFS;
	if (rc < 0) {
		rq->s->ops->close(rq->s, rc);
		return;
	}
	f->up = rq->s;
	stream_set_job(f->up, f->s.job ? f->s.job : &f->job);
	f->pads = referer && f->conf->padding_secs.hi > 0;
	if (f->pads)
		pad(f);
	wake(f);
}

/* In its place by number; false: it is there, or was */
static bool piece_place(struct flow *f, struct piece *p)
{
	struct list *l = f->pieces.prev;

	if (p->seq < f->next)
		return false;
	for (; l != &f->pieces; l = l->prev) {
		const struct piece *q = container_of(l, struct piece, node);

		if (q->seq == p->seq)
			return false;
		if (q->seq < p->seq)
			break;
	}
	list_add(l, &p->node);
	f->piece_count++;
	f->room->unborn_pieces += !f->down;
	return true;
}

/* Room for a piece of @f, which has no GET: the oldest go. False: that is @f */
static bool make_room(struct flow *f)
{
	struct xhttp_room *r = f->room;

	while (!f->down && r->unborn_pieces >= UNBORN_PIECES) {
		struct flow *old = list_first(&r->unborn, struct flow, unborn);

		if (old == f)
			return false;
		flow_free(old, -ECONNRESET);
	}
	return true;
}

static void take_piece(struct flow *f, const struct http_rq *rq, uint64_t seq)
{
	struct piece *p;

	if (f->conf->mode != XHTTP_AUTO && f->conf->mode != XHTTP_PACKET_UP) {
		xhttp_refuse(rq, 400, "packet-up is not this inbound's mode");
		return;
	}
	if (f->up || f->eof) {
		xhttp_refuse(rq, 409, "a piece after the end");
		return;
	}
	if (f->piece_count >= f->conf->buffered || !make_room(f)) {
		xhttp_refuse(rq, 503, "more than scMaxBufferedPosts wait");
		flow_fail(f, -ENOBUFS);
		wake(f);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		xhttp_refuse(rq, 503, "no memory");
		return;
	}
	p->s = rq->s;
	p->answer = rq->answer;
	p->seq = seq;
	if (!piece_place(f, p)) { /* as Xray: taken, and of no effect */
		piece_answer(f, p, 200);
		free(p);
		return;
	}
	if (rq->length != UINT64_MAX &&
	    rq->length > (uint64_t)f->conf->post_bytes.hi) {
		log_info("xhttp: a POST above scMaxEachPostBytes");
		piece_answer(f, p, 413);
		flow_fail(f, -EMSGSIZE);
	} else {
		stream_set_job(p->s, f->s.job ? f->s.job : &f->job);
	}
	f->heard_ms = worker_of(f)->now_ms;
	wake(f);
}

void xhttp_flow_request(const struct http_rq *rq,
			const struct xhttp_place *place, bool referer)
{
	struct xhttp_room *r = room_get(rq->worker);
	struct flow *f = r ? flow_find(r, rq, &place->session) : NULL;

	if (r && !f)
		f = flow_new(r, rq, &place->session);
	if (!f)
		xhttp_refuse(rq, 503, "no memory");
	else if (http1_is(&rq->head->method, "GET") && !place->has_seq)
		take_get(f, rq);
	else if (place->has_seq)
		take_piece(f, rq, place->seq);
	else
		take_up(f, rq, referer);
}
