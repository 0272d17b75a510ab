/*
 * h1_server.c - A client's connection by HTTP/1: its requests, one after another
 *
 *   head -> handler, which owns the connection as a stream until it closes it
 *   closed clean, and both want to go on -> the next head
 *
 * Between requests it has a job of its own, and a deadline. It is freed by its
 * timer, never inside a call of its own.
 *
 * Source: RFC 9112, 9.3
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "proxy/transport/h1.h"
#include "proxy/transport/http_conf.h"

#define SERVE_IDLE_MS 60000u /* longer than our own client would wait */

/**
 * struct h1_conn - A connection of a client
 * @owned:	A handler has it as a stream
 * @minor:	Of the request's version
 * @to_h2:	NULL: something else came first
 * @over:	Freed by the timer
 * @gone:	As birth_inbound(): no session is born of its requests
 */
struct h1_conn {
	struct h1 h; /* must be first */
	struct job job;
	struct list node; /* h1_room.serving */
	struct timer timer;
	const struct transport *t;
	http_handler handler;
	http_switch to_h2;
	struct birth birth;
	uint8_t minor;
	bool owned, over, gone;
};

static const struct stream_ops conn_ops;

static struct h1_conn *conn_of(struct stream *s)
{
	return container_of(s, struct h1_conn, h.s);
}

void h1_conn_free(struct list *node)
{
	struct h1_conn *c = container_of(node, struct h1_conn, node);

	list_del(&c->node);
	timer_cancel(&c->timer);
	job_forget(&c->job);
	stream_close(&c->h.s.below, -ECONNRESET);
	h1_drop_buffers(&c->h);
	config_unref(c->birth.cfg);
	free(c);
}

static void conn_end(struct h1_conn *c, int why)
{
	stream_close(&c->h.s.below, why);
	c->over = true;
	timer_set(&c->job.worker->wheel, &c->timer, 0);
}

static void on_timer(struct timer *t)
{
	struct h1_conn *c = container_of(t, struct h1_conn, timer);

	if (c->over)
		h1_conn_free(&c->node);
	else if (!c->owned) /* no request in time */
		conn_end(c, 0);
}

/* --- a request --- */

static int conn_answer(struct stream *s, unsigned int status, const char *lines,
		       bool body)
{
	struct h1_conn *c = conn_of(s);
	char text[HTTP_LINES_MAX + 256];
	const char *framing = "Content-Length: 0\r\n";
	int n;

	c->h.how = H1_NOTHING;
	if (status == 101 || status == 204)
		framing = ""; /* RFC 9110, 8.6 */
	if (status == 101) {
		c->h.how = H1_UNTIL_END;
		c->h.keep = false;
	} else if (body && status != 204) {
		c->h.how = c->minor ? H1_CHUNKED : H1_UNTIL_END;
		c->h.keep = false; /* the connection was the flow's */
		framing = c->minor ? "Transfer-Encoding: chunked\r\n" : "";
	}
	if (status / 100 > 2)
		c->h.keep = false;
	n = snprintf(text, sizeof(text), "HTTP/1.1 %u %s\r\n%s%s%s\r\n", status,
		     status / 100 < 3 ? "OK" : "No", lines, framing,
		     c->h.keep || status == 101 ? "" : "Connection: close\r\n");
	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENOBUFS;
	return h1_say(&c->h, text, (size_t)n);
}

/* It is told so, and the connection ends behind that */
static void conn_refuse(struct stream *s)
{
	struct h1_conn *c = conn_of(s);
	int rc;

	log_info("xhttp: refused: its listener is gone");
	c->h.keep = false;
	rc = conn_answer(s, 503, "", false);
	if (rc == 0)
		rc = h1_flush(&c->h);
	s->ops->close(s, rc == -EAGAIN ? 0 : rc);
}

/* A head of @used bytes is in @in: the handler's turn */
static void request(struct h1_conn *c, const struct http1_head *head,
		    size_t used)
{
	struct h1 *h = &c->h;
	struct http_req r = { 0 };
	struct buf *in = h->in; /* @head points into it */
	struct http_rq rq = { .s = &h->s,
			      .head = head,
			      .answer = conn_answer,
			      .refuse = c->gone ? conn_refuse : NULL,
			      .worker = h->worker,
			      .b = &c->birth,
			      .t = c->t };

	h->in = NULL;
	h->eof = h->in_end = h->fin = h->fin_sent = false;
	c->minor = head->minor;
	h->keep = head->minor && !http1_has_token(head, "connection", "close");
	h->err = http_req_framing(head, &r);
	http_body_init(&h->body, &r);
	rq.no_body = !r.chunked && !r.length;
	rq.length = r.chunked ? UINT64_MAX : r.length;
	if (in->len > used) {
		h->in = buf_new(in->len - used);
		if (h->in)
			buf_put(h->in, buf_head(in) + used, in->len - used);
		else
			h->err = -ENOMEM;
	}
	c->owned = true;
	timer_cancel(&c->timer);
	if (!h->err && h1_sort(h) == 0) {
		if (http1_has_token(head, "expect", "100-continue"))
			h1_say(h, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		c->handler(&rq);
	} else {
		conn_answer(&h->s, 400, "", false);
		(void)h1_flush(h);
		h->s.ops->close(&h->s, 0);
	}
	buf_free(in);
}

/*
 * Do the first bytes begin as HTTP/2 does? 1: it was handed over, 0 no, -EAGAIN:
 * more must come, -errno
 */
static int try_h2(struct h1_conn *c)
{
	static const char preface[] = "PRI * HTTP/2.0";
	struct buf *in = c->h.in;
	size_t n = in->len < strlen(preface) ? in->len : strlen(preface);
	struct iovec early;
	int rc;

	if (!c->to_h2)
		return 0;
	if (memcmp(buf_head(in), preface, n) != 0) {
		c->to_h2 = NULL;
		return 0;
	}
	if (n < strlen(preface))
		return -EAGAIN;
	early = (struct iovec){ buf_head(in), in->len };
	rc = c->to_h2(c->t, c->h.worker, c->h.s.below, &c->birth, &early);
	if (rc < 0)
		return rc;
	c->h.s.below = NULL; /* the other's now */
	return 1;
}

/* 0 a request was handed over, 1 the connection was, -EAGAIN, -errno */
static int next_request(struct h1_conn *c)
{
	struct http1_head head;
	ssize_t n = 0;

	for (;;) {
		int h2 = c->h.in ? try_h2(c) : -EAGAIN;

		n = 0;
		if (h2 && h2 != -EAGAIN)
			return h2;
		if (!h2)
			n = http1_request_decode(buf_head(c->h.in),
						 c->h.in->len, &head);
		if (n)
			break;
		n = h1_fill(&c->h, HTTP1_HEAD_MAX);
		if (n <= 0)
			return n ? (int)n : -ENODATA;
	}
	if (n < 0) {
		log_info("xhttp: no HTTP request");
		return (int)n;
	}
	request(c, &head, (size_t)n);
	return 0;
}

static void conn_run(struct job *j)
{
	struct h1_conn *c = container_of(j, struct h1_conn, job);
	int rc;

	if (c->over || c->owned)
		return;
	rc = h1_flush(&c->h);
	if (rc == 0)
		rc = next_request(c);
	if (rc == -EAGAIN)
		h1_want(&c->h, ST_READ);
	else if (rc)
		conn_end(c, rc < 0 && rc != -ENODATA ? rc : 0);
}

/* --- as the stream of a request --- */

static ssize_t conn_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct h1 *h = &conn_of(s)->h;

	if (h->out)
		(void)h1_flush(h);
	return h1_lend(h, iov, cnt);
}

static void conn_took(struct stream *s, size_t n)
{
	h1_took(&conn_of(s)->h, n);
}

static ssize_t conn_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct h1 *h = &conn_of(s)->h;

	if (h->out)
		(void)h1_flush(h);
	return h1_readv(h, iov, cnt);
}

static ssize_t conn_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	return h1_writev(&conn_of(s)->h, iov, cnt);
}

static void conn_want(struct stream *s, unsigned int events)
{
	h1_want(&conn_of(s)->h, events);
}

static bool conn_up(const struct stream *s)
{
	return !h1_write_err(&((const struct h1_conn *)(const void *)s)->h);
}

static int conn_finish(struct stream *s)
{
	return h1_finish(&conn_of(s)->h);
}

/* The handler is done with the request: the next one, or the end */
static void conn_close(struct stream *s, int why)
{
	struct h1_conn *c = conn_of(s);
	struct h1 *h = &c->h;

	c->owned = false;
	stream_set_job(s, &c->job);
	if (!why && h->keep && h->eof && h->fin && !h1_write_err(h) &&
	    !h->below_eof && !h->ready) {
		h->eof = false;
		timer_set(&c->job.worker->wheel, &c->timer, SERVE_IDLE_MS);
		job_ready(&c->job);
	} else if (!c->over) {
		conn_end(c, h->out && !why ? -ECONNRESET : why);
	}
}

static const struct stream_ops conn_ops = {
	.name = "http1",
	.readv = conn_readv,
	.writev = conn_writev,
	.lend = conn_lend,
	.took = conn_took,
	.want = conn_want,
	.up = conn_up,
	.finish = conn_finish,
	.close = conn_close,
};

void h1_make_room(struct worker *w, const struct transport *t,
		  unsigned int most)
{
	struct h1_room *r = h1_room(w);
	struct h1_conn *oldest = NULL;
	unsigned int n = 0;
	struct list *p;

	if (!r)
		return;
	list_for_each (p, &r->serving) {
		struct h1_conn *c = container_of(p, struct h1_conn, node);

		if (c->t != t || c->over)
			continue;
		n++;
		if (!oldest && !c->owned)
			oldest = c;
	}
	if (n >= most && oldest)
		conn_end(oldest, -ECONNRESET);
}

static bool is_gone(const struct birth *b, const struct worker *w)
{
	return b->ib && !birth_inbound(b, w);
}

/*
 * A connection stays that waits for its next request: clients (Xray) that write the next
 * piece of a flow there do not see that it was closed, and lose that piece
 */
void h1_reloaded(struct worker *w)
{
	struct h1_room *r = w->rooms[ROOM_H1];
	struct list *p;

	if (!r)
		return;
	list_for_each (p, &r->serving) {
		struct h1_conn *c = container_of(p, struct h1_conn, node);

		c->gone = is_gone(&c->birth, w);
	}
}

int h1_serve(const struct transport *t, struct worker *w, struct stream *below,
	     const struct birth *b, http_handler handler, http_switch to_h2)
{
	struct h1_room *r = h1_room(w);
	struct h1_conn *c = r ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return -ENOMEM;
	c->h.s = (struct stream){ .ops = &conn_ops, .below = below };
	c->h.worker = w;
	c->h.server = true;
	c->job = (struct job){ .run = conn_run, .worker = w };
	c->t = t;
	c->handler = handler;
	c->to_h2 = to_h2;
	c->birth = *b;
	c->gone = is_gone(b, w);
	config_ref(b->cfg);
	list_add_tail(&r->serving, &c->node);
	timer_init(&c->timer, on_timer);
	timer_set(&w->wheel, &c->timer,
		  b->ib && b->ib->policy ? b->ib->policy->handshake_ms :
					   SERVE_IDLE_MS);
	stream_set_job(&c->h.s, &c->job);
	job_ready(&c->job);
	return 0;
}
