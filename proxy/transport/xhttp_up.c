/*
 * xhttp_up.c - A client's stream of one or several requests
 *
 *   stream-one   one request is both ways
 *   stream-up    a GET is the way down, a POST the way up; what its answer says
 *	          (padding) is read and thrown away
 *   packet-up    a GET, and POSTs: what is written waits until the gap since the
 *	          last one has passed, then it is the next POST's body. One is
 *	          written at a time. HTTP/1 waits for each answer, and asks again
 *	          when the connection had been closed meanwhile; HTTP/2 does not
 *
 * The end of a packet upload is an empty POST: Xray's server takes it for
 * nothing. It is told when all POSTs are answered.
 *
 * Source: docs/wire/xhttp.md
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/core/session.h"
#include "proxy/transport/xhttp_int.h"

#define POSTS_MAX  64 /* without an answer, HTTP/2 */
#define WAIT_FIRST 4096u
#define TRIES_MAX  3
#define REST_MS    500u /* what the way down still says when the upload broke */

/**
 * struct post - A piece of the upload
 * @body:	@sent bytes of it are written; NULL: all are, and need not be again
 * @told:	Its end too
 */
struct post {
	struct list node;
	struct stream *s;
	struct buf *body;
	size_t sent;
	uint64_t seq;
	unsigned int tries;
	bool told;
};

/**
 * struct split - The layer
 * @flow, @down_flow:	What the requests go by; the latter of another way down
 * @down, @up:	The same of stream-one; @up NULL of packet-up
 * @wait:	What the next POST says; NULL nothing
 * @most:	Bytes of one
 * @posts:	struct post, @post_count of them
 * @gap:	Until the next one may go; until a broken upload is told
 * @full:	A write was told to wait
 * @fin:	finish() was called; @ended: the last POST is under way
 * @down_eof:	The other side said all: how the upload ends is no matter
 * @said:	The end of @up was told; @up_over: and its connection is gone
 * @err:	Of the upload
 */
struct split {
	struct stream s; /* must be first */
	const struct transport *t;
	const struct xhttp_conf *conf;
	struct dial d;
	struct addr to;
	struct h2_flow flow, down_flow;
	struct stream *down, *up;
	struct buf *wait;
	uint32_t most;
	struct list posts;
	unsigned int post_count;
	uint64_t seq;
	struct timer gap;
	bool full, fin, ended, down_eof, said, up_over;
	int err;
	char session[XHTTP_SESSION_MAX + 1];
	char name[256];
};

static struct split *split_of(struct stream *s)
{
	return container_of(s, struct split, s);
}

static bool is_packets(const struct split *x)
{
	return !x->up;
}

/* A request; the way down may have an address and a stack of its own */
static int ask(struct split *x, struct xhttp_ask *a, struct stream **out)
{
	const struct transport_other *other = a->up ? NULL : x->t->other;
	struct dial d = x->d;

	x->d.job = d.job = x->s.job;
	if (x->session[0])
		a->session = x->session;
	if (!other) {
		a->flow = &x->flow;
		return xhttp_send(x->t, &d, &x->to, a, out);
	}
	d.ob = other->ob;
	a->flow = &x->down_flow;
	return xhttp_send(other->top, &d, &other->to, a, out);
}

/* --- posts --- */

static void post_free(struct split *x, struct post *p, int why)
{
	stream_close(&p->s, why);
	buf_free(p->body);
	list_del(&p->node);
	x->post_count--;
	free(p);
}

static int post_ask(struct split *x, struct post *p)
{
	bool head = xhttp_data_in_head(x->conf);
	size_t n = p->body ? p->body->len : 0;
	struct xhttp_ask a = { .has_seq = true,
			       .keep = true,
			       .up = true,
			       .seq = p->seq,
			       .length = head ? 0 : n,
			       .body = HTTP_LENGTH };
	union {
		const uint8_t *u;
		const char *c;
	} data = { .u = n ? buf_head(p->body) : NULL };

	if (head)
		a.data = (struct http1_text){ data.c, n };
	if (head && !strcmp(x->conf->method, "GET"))
		a.body = HTTP_NO_BODY;
	p->sent = head ? n : 0;
	p->told = false;
	p->tries++;
	return ask(x, &a, &p->s);
}

/* What is left of the body, and its end. 0 all told, -EAGAIN, -errno */
static int post_write(struct split *x, struct post *p)
{
	int rc;

	while (p->body && p->sent < p->body->len) {
		ssize_t n = stream_write(p->s, buf_head(p->body) + p->sent,
					 p->body->len - p->sent);

		if (n <= 0)
			return n ? (int)n : -EAGAIN;
		p->sent += (size_t)n;
	}
	rc = p->s->ops->finish(p->s);
	if (rc < 0)
		return rc;
	p->told = true;
	if (!x->conf->h1) {
		buf_free(p->body);
		p->body = NULL;
	}
	return 0;
}

/* The answer, as far as it is here. 1 it was whole, -EAGAIN, -errno */
static int post_answer(struct post *p)
{
	uint8_t byte[256];
	ssize_t n;

	do {
		n = stream_read(p->s, byte, sizeof(byte));
	} while (n > 0);
	return n ? (int)n : 1;
}

/* 1 done with it, -EAGAIN, -errno */
static int post_step(struct split *x, struct post *p)
{
	int rc = p->told ? 0 : post_write(x, p), answer = post_answer(p);

	if (answer == 1 && p->body && p->sent < p->body->len)
		return -EPIPE; /* answered before it was whole */
	if (answer == 1)
		return 1;
	if (answer == -EAGAIN && (rc == 0 || rc == -EAGAIN))
		return -EAGAIN;
	if (answer == -EAGAIN)
		answer = rc;
	if (!h1_is_stale(p->s) || p->tries >= TRIES_MAX)
		return answer;
	stream_close(&p->s, answer);
	rc = post_ask(x, p);
	return rc < 0 ? rc : -EAGAIN;
}

/*
 * The upload is over. A server that ends everything may have said something before,
 * on the other connection, which is read first; its refusal is final at once
 */
static void upload_over(struct split *x, int err)
{
	timer_cancel(&x->gap);
	if (!x->err && (err == -ECONNRESET || err == -EPIPE))
		timer_set(&x->d.worker->wheel, &x->gap, REST_MS);
	x->err = err;
}

/* It is over, and the way down had its time. 0: not so */
static int upload_err(const struct split *x)
{
	return timer_armed(&x->gap) ? 0 : x->err;
}

static void posts_drop(struct split *x, int err)
{
	struct list *p, *n;

	list_for_each_safe (p, n, &x->posts)
		post_free(x, container_of(p, struct post, node), err);
	buf_free(x->wait);
	x->wait = NULL;
}

/* May another one begin? The last must be written, HTTP/1's answered */
static bool may_begin(const struct split *x)
{
	const struct post *last;

	if (list_empty(&x->posts))
		return true;
	last = list_last(&x->posts, struct post, node);
	return last->told && !x->conf->h1 && x->post_count < POSTS_MAX;
}

static int begin(struct split *x)
{
	struct post *p = calloc(1, sizeof(*p));
	uint32_t gap = xhttp_draw(x->conf->post_gap_ms);
	int rc;

	if (!p)
		return -ENOMEM;
	p->seq = x->seq++;
	p->body = x->wait;
	x->wait = NULL;
	list_add_tail(&x->posts, &p->node);
	x->post_count++;
	x->ended = !p->body;
	rc = post_ask(x, p);
	if (rc < 0) {
		post_free(x, p, rc);
		return rc;
	}
	if (gap)
		timer_set(&x->d.worker->wheel, &x->gap, gap);
	x->most = xhttp_draw(x->conf->post_bytes);
	return 0;
}

static int posts_step(struct split *x)
{
	struct list *l, *n;

	list_for_each_safe (l, n, &x->posts) {
		struct post *p = container_of(l, struct post, node);
		int rc = post_step(x, p);

		if (rc == 1)
			post_free(x, p, 0);
		else if (rc < 0 && rc != -EAGAIN)
			return rc;
	}
	return 0;
}

/* What can go, goes */
static void pump(struct split *x)
{
	int rc = 0;

	if (!is_packets(x) || x->err)
		return;
	rc = posts_step(x);
	while (!rc && (x->wait || (x->fin && !x->ended)) && may_begin(x) &&
	       !timer_armed(&x->gap)) {
		rc = begin(x);
		if (!rc)
			rc = posts_step(x);
	}
	if (rc == 0)
		return;
	log_info("s%x xhttp: the upload ends with POST %llu: %s",
		 x->d.s ? x->d.s->id : 0, (unsigned long long)x->seq - 1,
		 strerror(-rc));
	posts_drop(x, rc);
	upload_over(x, rc);
}

static void gap_over(struct timer *t)
{
	struct split *x = container_of(t, struct split, gap);

	job_ready(x->s.job);
}

/* --- the answer to an upload in one body --- */

static void drain(struct split *x)
{
	uint8_t byte[1024];
	ssize_t n;

	if (is_packets(x) || x->up == x->down || x->err || x->up_over)
		return;
	do {
		n = stream_read(x->up, byte, sizeof(byte));
	} while (n > 0);
	/* a server that has heard all may be done before we are: the way down tells */
	if (n == -ECONNRESET && x->said)
		x->up_over = true;
	else if (n < 0 && n != -EAGAIN)
		upload_over(x, (int)n);
}

/* --- the stream --- */

/* Nobody reads or writes before this is up: its connection and its request go on */
static void meet(struct split *x)
{
	if (!x->down->ops->up(x->down))
		(void)x->down->ops->writev(x->down, NULL, 0);
}

static void move_on(struct split *x)
{
	meet(x);
	pump(x);
	drain(x);
}

/* What reading says: an upload that failed is the end of all, if not all is said */
static ssize_t told(struct split *x, ssize_t n)
{
	x->down_eof |= n == 0;
	return n == -EAGAIN && upload_err(x) ? upload_err(x) : n;
}

static ssize_t split_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct split *x = split_of(s);

	move_on(x);
	return told(x, x->down->ops->lend(x->down, iov, cnt));
}

static void split_took(struct stream *s, size_t n)
{
	struct stream *down = split_of(s)->down;

	down->ops->took(down, n);
}

static ssize_t split_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct split *x = split_of(s);

	move_on(x);
	return told(x, x->down->ops->readv(x->down, iov, cnt));
}

/* Room for more in @wait, up to @most. Bytes, -ENOMEM */
static ssize_t wait_room(struct split *x, size_t n)
{
	size_t have = x->wait ? x->wait->len : 0, size = WAIT_FIRST;
	struct buf *more;

	if (n > x->most - have)
		n = x->most - have;
	if (!n || (x->wait && buf_space(x->wait) >= n))
		return (ssize_t)n;
	while (size < have + n)
		size *= 4;
	more = buf_new(size < x->most ? size : x->most);
	if (!more)
		return -ENOMEM;
	if (have)
		buf_put(more, buf_head(x->wait), have);
	buf_free(x->wait);
	x->wait = more;
	return (ssize_t)n;
}

static ssize_t packets_writev(struct split *x, const struct iovec *iov, int cnt)
{
	size_t n = 0, did = 0;
	ssize_t room;

	for (int i = 0; i < cnt; i++)
		n += iov[i].iov_len;
	if (!n)
		return x->wait || x->post_count ? -EAGAIN : 0;
	if (x->fin)
		return -EPIPE;
	x->full = x->wait && x->wait->len >= x->most;
	if (x->full)
		return -EAGAIN;
	room = wait_room(x, n);
	if (room < 0)
		return room;
	for (int i = 0; i < cnt && did < (size_t)room; i++) {
		size_t k = iov[i].iov_len;

		if (k > (size_t)room - did)
			k = (size_t)room - did;
		buf_put(x->wait, iov[i].iov_base, k);
		did += k;
	}
	pump(x);
	return (ssize_t)did; /* the next call tells */
}

static ssize_t split_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct split *x = split_of(s);
	ssize_t n;

	move_on(x);
	if (x->err)
		return upload_err(x) ? upload_err(x) : -EAGAIN;
	if (is_packets(x))
		return packets_writev(x, iov, cnt);
	n = x->up->ops->writev(x->up, iov, cnt);
	if (n >= 0 || n == -EAGAIN || x->up == x->down)
		return n;
	upload_over(x, (int)n);
	return upload_err(x) ? upload_err(x) : -EAGAIN;
}

static void want_up(struct split *x, unsigned int events)
{
	struct list *l;

	if (x->up_over || x->err)
		return;
	if (x->up) {
		stream_set_job(x->up, x->s.job);
		x->up->ops->want(x->up, ST_READ | (events & ST_WRITE));
		return;
	}
	list_for_each (l, &x->posts) {
		struct post *p = container_of(l, struct post, node);

		stream_set_job(p->s, x->s.job);
		p->s->ops->want(p->s, ST_READ | (p->told ? 0u : ST_WRITE));
	}
	if (events & ST_WRITE && x->full &&
	    (!x->wait || x->wait->len < x->most))
		job_ready(x->s.job);
}

static void split_want(struct stream *s, unsigned int events)
{
	struct split *x = split_of(s);

	move_on(x);
	stream_set_job(x->down, s->job);
	if (x->up == x->down) {
		x->down->ops->want(x->down, events);
		return;
	}
	x->down->ops->want(x->down, events & ST_READ);
	want_up(x, events);
	if (events && upload_err(x) && !x->down_eof)
		job_ready(s->job);
}

static bool split_up(const struct stream *s)
{
	const struct split *x = (const struct split *)(const void *)s;

	return !x->err && x->down->ops->up(x->down);
}

/* Nobody is left who would miss what an upload failed to say */
static int split_finish(struct stream *s)
{
	struct split *x = split_of(s);
	int rc;

	x->fin = true;
	move_on(x);
	if (x->err && !x->down_eof)
		return upload_err(x) ? upload_err(x) : -EAGAIN;
	if (x->err)
		return 0;
	if (x->up && !x->said)
		rc = x->up->ops->finish(x->up);
	else if (x->up)
		rc = 0;
	else
		rc = x->ended && list_empty(&x->posts) ? 0 : -EAGAIN;
	x->said |= rc == 0;
	return rc < 0 && rc != -EAGAIN && x->down_eof ? 0 : rc;
}

static void split_close(struct stream *s, int why)
{
	struct split *x = split_of(s);

	posts_drop(x, why ? why : -ECANCELED);
	timer_cancel(&x->gap);
	if (x->up != x->down)
		stream_close(&x->up, why);
	stream_close(&x->down, why);
	h2_flow_leave(&x->flow);
	h2_flow_leave(&x->down_flow);
	free(x);
}

static const struct stream_ops split_ops = {
	.name = "xhttp",
	.readv = split_readv,
	.writev = split_writev,
	.lend = split_lend,
	.took = split_took,
	.want = split_want,
	.up = split_up,
	.finish = split_finish,
	.close = split_close,
};

/* --- birth --- */

static void name_session(struct split *x)
{
	const struct xhttp_conf *c = x->conf;
	uint32_t n = xhttp_draw(c->name_len);

	if (!c->table || !n) {
		xhttp_uuid(x->session);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		x->session[i] =
			c->table[rand_below((uint32_t)strlen(c->table))];
}

/* The requests there are from the beginning. 0 or -errno */
static int first_requests(struct split *x)
{
	struct xhttp_ask down = { .body = HTTP_NO_BODY };
	struct xhttp_ask up = { .up = true, .body = HTTP_OPEN_END };
	int rc;

	if (x->conf->mode == XHTTP_STREAM_ONE) {
		rc = ask(x, &up, &x->down);
		x->up = x->down;
		return rc;
	}
	name_session(x);
	rc = ask(x, &down, &x->down);
	if (rc == 0 && x->conf->mode == XHTTP_STREAM_UP)
		rc = ask(x, &up, &x->up);
	return rc;
}

int xhttp_split(const struct transport *t, const struct dial *d,
		const struct addr *to, struct stream **out)
{
	struct split *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return -ENOMEM;
	x->s = (struct stream){ .ops = &split_ops, .job = d->job };
	x->t = t;
	x->conf = t->settings;
	x->d = *d;
	x->to = *to;
	if (to->kind == ADDR_NAME) {
		snprintf(x->name, sizeof(x->name), "%s", to->name);
		x->to.name = x->name;
	}
	x->most = xhttp_draw(x->conf->post_bytes);
	list_init(&x->posts);
	timer_init(&x->gap, gap_over);
	rc = first_requests(x);
	if (rc < 0) {
		split_close(&x->s, rc);
		return rc;
	}
	log_debug("s%x xhttp: %s, HTTP/%s%s", d->s ? d->s->id : 0,
		  x->up == x->down ? "stream-one" :
		  x->up            ? "stream-up" :
				     "packet-up",
		  x->conf->h1 ? "1.1" : "2",
		  t->other ? ", another way down" : "");
	*out = &x->s;
	return 0;
}
