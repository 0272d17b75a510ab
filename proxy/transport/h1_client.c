/*
 * h1_client.c - A request and its answer by HTTP/1, as one stream
 *
 * The head goes with the first flush; the answer's head is read before anything
 * else. A connection of a request that wants it (keep) waits for the next one to
 * the same level and address: it belongs to no session, so it keeps its
 * configuration and does not know whose it was.
 *
 * Source: RFC 9112, 9.3; docs/wire/xhttp.md
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "proxy/transport/h1.h"

#define IDLE_MAX 64 /* connections of one worker that wait */

/**
 * struct h1_idle - A connection between two requests
 * @job:	Marked when the server ends it
 */
struct h1_idle {
	struct job job; /* must be first */
	struct list node; /* h1_room.idle */
	struct timer timer;
	struct stream *below;
	const struct transport *t;
	struct config *cfg;
	struct addr to, from;
	char name[256];
	bool over; /* freed by the timer */
};

/**
 * struct h1_client - A request
 * @answered:	The answer's head came, and it is 200
 * @used:	The connection carried a request before this one
 * @heard:	Something was received
 * @cfg:	Kept with the connection; NULL: it is not used again
 * @from:	struct dial's, if it is
 */
struct h1_client {
	struct h1 h; /* must be first */
	const struct transport *t;
	struct config *cfg;
	struct addr to, from;
	char name[256];
	bool answered, used, heard;
};

static struct h1_client *client_of(struct stream *s)
{
	return container_of(s, struct h1_client, h.s);
}

/* --- connections that wait --- */

void h1_idle_free(struct list *node)
{
	struct h1_idle *i = container_of(node, struct h1_idle, node);
	struct h1_room *r = h1_room(i->job.worker);

	list_del(&i->node);
	if (r)
		r->idle_count--;
	timer_cancel(&i->timer);
	job_forget(&i->job);
	stream_close(&i->below, 0);
	config_unref(i->cfg);
	free(i);
}

static void idle_over(struct timer *t)
{
	h1_idle_free(&container_of(t, struct h1_idle, timer)->node);
}

/* Whatever happens on it, it is of no use any more */
static void idle_run(struct job *j)
{
	struct h1_idle *i = container_of(j, struct h1_idle, job);
	uint8_t byte;

	if (stream_read(i->below, &byte, 1) == -EAGAIN)
		i->below->ops->want(i->below, ST_READ);
	else
		i->over = true;
	if (i->over)
		timer_set(&j->worker->wheel, &i->timer, 0);
}

/* The connection of @c waits from now on. False: it does not */
static bool idle_put(struct h1_client *c)
{
	struct h1_room *r = h1_room(c->h.worker);
	struct h1_idle *i;

	if (!r || r->idle_count >= IDLE_MAX)
		return false;
	i = calloc(1, sizeof(*i));
	if (!i)
		return false;
	i->job = (struct job){ .run = idle_run, .worker = c->h.worker };
	i->below = c->h.s.below;
	i->t = c->t;
	i->cfg = c->cfg;
	i->to = c->to;
	i->from = c->from;
	if (i->to.kind == ADDR_NAME) {
		memcpy(i->name, c->name, sizeof(i->name));
		i->to.name = i->name;
	}
	c->cfg = NULL;
	c->h.s.below = NULL;
	timer_init(&i->timer, idle_over);
	timer_set(&c->h.worker->wheel, &i->timer, H1_IDLE_MS);
	list_add(&r->idle, &i->node);
	r->idle_count++;
	stream_set_job(i->below, &i->job);
	i->below->ops->want(i->below, ST_READ);
	return true;
}

/* One that waits, for @c. False: there is none */
static bool idle_take(struct h1_client *c)
{
	struct h1_room *r = h1_room(c->h.worker);
	struct list *p;

	if (!r)
		return false;
	list_for_each (p, &r->idle) {
		struct h1_idle *i = container_of(p, struct h1_idle, node);

		if (i->t != c->t || !addr_eq(&i->to, &c->to) ||
		    !addr_eq(&i->from, &c->from) || i->over)
			continue;
		c->h.s.below = i->below;
		c->cfg = i->cfg;
		i->below = NULL;
		i->cfg = NULL;
		h1_idle_free(&i->node);
		c->used = true;
		return true;
	}
	return false;
}

/* --- the stream --- */

/* A head is complete in @in, @used bytes. 0 answered, -EAGAIN (1xx), -errno */
static int take_head(struct h1_client *c, const struct http1_head *head,
		     size_t used)
{
	struct http_req r = { 0 };
	struct http1_text length;
	struct h1 *h = &c->h;

	if (head->status / 100 == 1 && head->status != 101) {
		buf_drop(h->in, used);
		return -EAGAIN;
	}
	if (head->status != 200) {
		log_info("s%x xhttp: server answers %u", h->id, head->status);
		return -EPROTO;
	}
	if (http_req_framing(head, &r) < 0)
		return -EPROTO;
	h->in_end =
		!r.chunked && !http1_header(head, "content-length", &length);
	h->keep = c->cfg && !h->in_end && head->minor &&
		  !http1_has_token(head, "connection", "close");
	http_body_init(&h->body, &r);
	buf_drop(h->in, used);
	return h1_sort(h);
}

/* The answer's head, if it did not come yet. 0, -EAGAIN, -errno */
static int answer(struct h1_client *c)
{
	struct h1 *h = &c->h;
	struct http1_head head;

	while (!c->answered) {
		ssize_t n = h1_fill(h, HTTP1_HEAD_MAX);

		if (n == 0)
			n = -ECONNRESET;
		if (n < 0)
			return (int)n;
		c->heard = true;
		do {
			n = http1_response_decode(buf_head(h->in), h->in->len,
						  &head);
			if (n < 0)
				log_info("s%x xhttp: no HTTP answer", h->id);
			if (n <= 0)
				break;
			n = take_head(c, &head, (size_t)n);
			c->answered = n == 0;
		} while (n == -EAGAIN && h->in->len);
		if (n < 0 && n != -EAGAIN)
			return (int)n;
	}
	return 0;
}

/* What must be before reading. 0, -EAGAIN, -errno */
static int step(struct h1_client *c)
{
	int rc = c->h.err;

	if (rc < 0 && !c->h.ready)
		return rc;
	(void)h1_flush(&c->h);
	if (!c->answered) {
		rc = answer(c);
		if (rc < 0 && rc != -EAGAIN)
			c->h.err = rc;
		return rc;
	}
	return 0;
}

static ssize_t client_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct h1_client *c = client_of(s);
	int rc = step(c);

	return rc < 0 ? rc : h1_lend(&c->h, iov, cnt);
}

static void client_took(struct stream *s, size_t n)
{
	h1_took(&client_of(s)->h, n);
}

static ssize_t client_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct h1_client *c = client_of(s);
	int rc = step(c);

	return rc < 0 ? rc : h1_readv(&c->h, iov, cnt);
}

static ssize_t client_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	return h1_writev(&client_of(s)->h, iov, cnt);
}

static void client_want(struct stream *s, unsigned int events)
{
	struct h1_client *c = client_of(s);

	h1_want(&c->h, events | (c->answered ? 0u : ST_READ));
}

/* As over HTTP/2: the first byte goes up before the answer comes down */
static bool client_up(const struct stream *s)
{
	const struct h1_client *c = (const struct h1_client *)(const void *)s;

	return !h1_write_err(&c->h) && s->below->ops->up(s->below);
}

static int client_finish(struct stream *s)
{
	return h1_finish(&client_of(s)->h);
}

/* Both messages went whole, and the connection can carry another */
static bool is_clean(const struct h1_client *c)
{
	const struct h1 *h = &c->h;

	return c->answered && h->keep && h->eof && h->fin_sent &&
	       !h1_write_err(h) && !h->below_eof && !(h->in && h->in->len) &&
	       !h->out;
}

static void client_close(struct stream *s, int why)
{
	struct h1_client *c = client_of(s);

	if (why || !is_clean(c) || !idle_put(c))
		stream_close(&s->below, why);
	h1_drop_buffers(&c->h);
	config_unref(c->cfg);
	free(c);
}

static const struct stream_ops client_ops = {
	.name = "http1",
	.readv = client_readv,
	.writev = client_writev,
	.lend = client_lend,
	.took = client_took,
	.want = client_want,
	.up = client_up,
	.finish = client_finish,
	.close = client_close,
};

bool h1_is_stale(const struct stream *s)
{
	const struct h1_client *c = (const struct h1_client *)(const void *)s;

	return s->ops == &client_ops && c->used && !c->heard;
}

/* --- asking --- */

/* The request's head waits in @out. 0 or -errno */
static int put_head(struct h1_client *c, const struct http_ask *a)
{
	static const enum h1_framing how[] = {
		[HTTP_NO_BODY] = H1_NOTHING,
		[HTTP_LENGTH] = H1_LENGTH,
		[HTTP_OPEN_END] = H1_CHUNKED,
	};
	char text[HTTP_LINES_MAX + HTTP_PATH_MAX + 512], framing[64] = "";
	int n;

	c->h.how = how[a->body];
	c->h.left = a->length;
	if (a->body == HTTP_LENGTH)
		snprintf(framing, sizeof(framing), "Content-Length: %llu\r\n",
			 (unsigned long long)a->length);
	else if (a->body == HTTP_OPEN_END)
		snprintf(framing, sizeof(framing),
			 "Transfer-Encoding: chunked\r\n");
	n = snprintf(text, sizeof(text),
		     "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", a->method,
		     a->path, a->authority, a->lines, framing,
		     a->keep ? "" : "Connection: close\r\n");
	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENOBUFS;
	c->h.fin = c->h.fin_sent = a->body == HTTP_NO_BODY;
	return h1_say(&c->h, text, (size_t)n);
}

static int dial(struct h1_client *c, const struct dial *d, bool keep)
{
	struct dial own = *d;

	if (keep) {
		c->cfg = config_ref(d->cfg);
		own.from = c->from;
		own.s = NULL;
	}
	return transport_dial(c->t->below, &own, &c->to, &c->h.s.below);
}

int h1_ask(const struct transport *t, const struct dial *d,
	   const struct addr *to, const struct http_ask *ask,
	   struct stream **out)
{
	struct h1_client *c = calloc(1, sizeof(*c));
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->h.s = (struct stream){ .ops = &client_ops, .job = d->job };
	c->h.worker = d->worker;
	c->h.id = d->s ? d->s->id : 0;
	c->t = t;
	c->to = *to;
	if (to->kind == ADDR_NAME) { /* the session's name dies with it */
		snprintf(c->name, sizeof(c->name), "%s", to->name);
		c->to.name = c->name;
	}
	if (ask->keep)
		c->from = d->s ? send_through_own(d->ob, d->s) : d->from;
	if (!ask->keep || !idle_take(c))
		rc = dial(c, d, ask->keep);
	if (rc == 0)
		rc = put_head(c, ask);
	if (rc < 0) {
		stream_close(&c->h.s.below, rc);
		h1_drop_buffers(&c->h);
		config_unref(c->cfg);
		free(c);
		return rc;
	}
	stream_set_job(&c->h.s, d->job);
	job_ready(d->job);
	*out = &c->h.s;
	return 0;
}
