/*
 * xhttp_piece.c - The pieces of a server's upload, in any order
 *
 * The one whose turn it is is read as it comes and wanted, later ones as far as
 * HOLD_BYTES allow: what is not read is the back-pressure. Each is answered when it
 * is whole. What its head carries comes before its body.
 *
 * An empty piece is the end of the way up: our own clients say so.
 *
 * A request that breaks costs its piece alone, as in Xray: the same number may come
 * again, with the same bytes. Those that were taken already are skipped then.
 *
 * Source: docs/wire/xhttp.md
 */
#include "proxy/transport/xhttp_flow.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"

#define HOLD_BYTES  (1u << 20) /* of later pieces of one flow */
#define HOLD_UNBORN 65536u
#define PIECE_FIRST 4096u

struct xhttp_piece *xhttp_piece_first(struct xhttp_flow *f)
{
	return list_empty(&f->pieces) ?
		       NULL :
		       list_first(&f->pieces, struct xhttp_piece, node);
}

void xhttp_piece_free(struct xhttp_flow *f, struct xhttp_piece *p, int why)
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

void xhttp_piece_answer(const struct xhttp_flow *f, struct xhttp_piece *p,
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
	if (p->bare) /* what has no body is easily cached */
		http_conf_text(&w, "Cache-Control: no-store\r\n");
	wr_u8(&w, 0);
	rc = p->answer(p->s, status, wr_ok(&w) ? lines.c : "", false);
	if (rc == 0)
		rc = p->s->ops->finish(p->s);
	stream_close(&p->s, rc == -EAGAIN ? 0 : rc);
}

/* Room for @n more bytes of @p, as they come */
static int piece_room(struct xhttp_piece *p)
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
static bool piece_may(const struct xhttp_flow *f, const struct xhttp_piece *p)
{
	size_t hold = f->down ? HOLD_BYTES : HOLD_UNBORN;

	if (p->skip) /* nothing of that is held */
		return true;
	if (p->seq == f->next && (!p->body || p->body->len < hold))
		return true;
	return f->held < hold;
}

/* Its request broke. What was in its head is all of it */
static void piece_broke(struct xhttp_flow *f, struct xhttp_piece *p, int why)
{
	stream_close(&p->s, why);
	p->whole = p->bare;
	p->cut = !p->bare;
	f->heard_ms = xhttp_flow_worker(f)->now_ms;
	if (p->cut)
		log_info("xhttp: POST %llu of an upload broke: %s",
			 (unsigned long long)p->seq, strerror(-why));
}

/* What was here before. 0 all of it came, -EAGAIN, -errno */
static int piece_skip(struct xhttp_flow *f, struct xhttp_piece *p)
{
	struct worker *w = xhttp_flow_worker(f);

	while (p->skip) {
		size_t most = p->skip < WORKER_SCRATCH_BYTES ?
				      p->skip :
				      WORKER_SCRATCH_BYTES;
		ssize_t n = stream_read(p->s, w->scratch, most);

		if (n == 0) {
			log_info("xhttp: a repeated POST is another one");
			xhttp_piece_answer(f, p, 400);
			return -EPROTO;
		}
		if (n < 0)
			return (int)n;
		p->skip -= (size_t)n;
		f->heard_ms = w->now_ms;
	}
	return 0;
}

/* Reading said @err. 0, or that when it is the flow's end */
static int piece_err(struct xhttp_flow *f, struct xhttp_piece *p, int err)
{
	if (err == -EAGAIN || !p->s) /* answered: it was wrong */
		return p->s ? 0 : err;
	piece_broke(f, p, err);
	return 0;
}

/* Read of @p what comes and may. 0 or -errno: the flow's end */
static int piece_read(struct xhttp_flow *f, struct xhttp_piece *p)
{
	size_t most = (size_t)f->conf->post_bytes.hi + 1;

	while (p->s && piece_may(f, p)) {
		struct buf *b;
		ssize_t n = piece_skip(f, p);

		if (n < 0)
			return piece_err(f, p, (int)n);
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
			f->heard_ms = xhttp_flow_worker(f)->now_ms;
		}
		if (!b->len) {
			buf_free(b);
			p->body = NULL;
		}
		if (n < 0)
			return piece_err(f, p, (int)n);
		if (p->got == most) {
			log_info("xhttp: a POST above scMaxEachPostBytes");
			xhttp_piece_answer(f, p, 413);
			return -EMSGSIZE;
		}
		if (n == 0) {
			p->whole = true;
			f->heard_ms = xhttp_flow_worker(f)->now_ms;
			xhttp_piece_answer(f, p, 200);
		}
	}
	return 0;
}

/* Pieces that are done with; the turn goes to the next. An empty one is the end */
static void turn(struct xhttp_flow *f)
{
	struct xhttp_piece *p = xhttp_piece_first(f);

	while (p && p->seq == f->next && p->whole && !p->body && !f->eof) {
		f->eof = !p->got;
		f->next++;
		xhttp_piece_free(f, p, 0);
		p = xhttp_piece_first(f);
	}
}

void xhttp_pieces_pump(struct xhttp_flow *f)
{
	struct list *l, *n;
	int rc = 0;

	turn(f);
	list_for_each_safe (l, n, &f->pieces) {
		rc = piece_read(f, container_of(l, struct xhttp_piece, node));
		if (rc < 0)
			break;
	}
	if (rc < 0)
		xhttp_flow_fail(f, rc);
	turn(f);
}

void xhttp_pieces_want(struct xhttp_flow *f, struct job *j)
{
	struct list *l;

	list_for_each (l, &f->pieces) {
		struct xhttp_piece *p =
			container_of(l, struct xhttp_piece, node);

		if (!p->s)
			continue;
		stream_set_job(p->s, j);
		p->s->ops->want(p->s, piece_may(f, p) ? ST_READ : 0);
	}
}

ssize_t xhttp_pieces_read(struct xhttp_flow *f, const struct iovec *iov,
			  int cnt)
{
	size_t did = 0;

	xhttp_pieces_pump(f);
	for (int i = 0; i < cnt; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t room = iov[i].iov_len;
		struct xhttp_piece *p;

		while (room && (p = xhttp_piece_first(f)) &&
		       p->seq == f->next && p->body) {
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

bool xhttp_pieces_ready(struct xhttp_flow *f)
{
	const struct xhttp_piece *p = xhttp_piece_first(f);

	return f->err || (p && p->seq == f->next && p->body);
}

struct xhttp_piece *xhttp_piece_cut(struct xhttp_flow *f, uint64_t seq)
{
	struct list *l;

	list_for_each (l, &f->pieces) {
		struct xhttp_piece *p =
			container_of(l, struct xhttp_piece, node);

		if (p->seq == seq)
			return p->cut ? p : NULL;
	}
	return NULL;
}

/* Data in heads is never cut, so @p has none */
void xhttp_piece_again(struct xhttp_piece *old, struct xhttp_piece *p)
{
	old->s = p->s;
	old->answer = p->answer;
	old->bare = p->bare;
	old->skip = old->got;
	old->cut = false;
	free(p);
}

bool xhttp_piece_missing(struct xhttp_flow *f)
{
	const struct xhttp_piece *p = xhttp_piece_first(f);

	return p && (p->seq != f->next || p->cut);
}

bool xhttp_piece_place(struct xhttp_flow *f, struct xhttp_piece *p)
{
	struct list *l = f->pieces.prev;

	if (p->seq < f->next)
		return false;
	for (; l != &f->pieces; l = l->prev) {
		const struct xhttp_piece *q =
			container_of(l, struct xhttp_piece, node);

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

/* What its head carries comes before its body. 0 or -errno */
static int piece_head(struct xhttp_piece *p, const struct http_rq *rq,
		      const struct xhttp_conf *c)
{
	uint8_t data[HTTP1_HEAD_MAX];
	ssize_t n = xhttp_data(rq->head, &c->layout, data, sizeof(data));

	if (n <= 0)
		return (int)n;
	p->body = buf_new((size_t)n);
	if (!p->body)
		return -ENOMEM;
	buf_put(p->body, data, (size_t)n);
	p->got = (size_t)n;
	return 0;
}

struct xhttp_piece *xhttp_piece_new(const struct http_rq *rq, uint64_t seq,
				    const struct xhttp_conf *c)
{
	struct xhttp_piece *p = calloc(1, sizeof(*p));
	int rc = p ? piece_head(p, rq, c) : -ENOMEM;

	if (rc == 0 && !rq->no_body && xhttp_data_in_head(c))
		rc = -EPROTO;
	if (rc < 0) {
		xhttp_refuse(rq, rc == -ENOMEM ? 503 : 400,
			     rc == -ENOMEM ? "no memory" :
					     "no data where it should be");
		buf_free(p ? p->body : NULL);
		free(p);
		return NULL;
	}
	p->s = rq->s;
	p->answer = rq->answer;
	p->seq = seq;
	p->bare = rq->no_body;
	return p;
}

bool xhttp_piece_too_large(const struct xhttp_flow *f,
			   const struct xhttp_piece *p,
			   const struct http_rq *rq)
{
	uint64_t most = (uint64_t)f->conf->post_bytes.hi;

	return p->got > most ||
	       (rq->length != UINT64_MAX && rq->length > most - p->got);
}
