/*
 * http_fwd.c - Plain requests of an HTTP proxy's client, as a layer
 *
 *   client -> head -> rewritten -> server      client <- as it comes <- server
 *             body -> as it is  ->
 *
 *   HEAD  a request's head is awaited; without its hop-by-hop headers it is
 *         sent on
 *   BODY  its body passes; only where it ends is looked for
 *   LAST  it said "close": nothing more is sent on, the server ends it
 *   END   another host, another account, or no request at all: the server sees
 *         our end of stream, answers what it still has, and closes; the client
 *         sees the close and asks again by a new connection (RFC 9112, 9.3.1)
 *
 * One session is one connection to one host. When the server was never reached
 * the client gets 503. Answers are spliced once their first bytes have passed.
 */
#include "proxy/in/http_fwd.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/worker.h"
#include "proxy/wire/http_req.h"

#define DRAIN_READS 4 /* before a last answer, so that no reset overtakes it */

enum fwd_state { FWD_HEAD, FWD_BODY, FWD_LAST, FWD_END };

/**
 * struct fwd - The layer
 * @s:		s.below is the client's socket
 * @conf:	Of the session's configuration
 * @user:	Account of the first request; NULL none
 * @to:		Where all requests go; its name is in @name
 * @raw:	Read of the client, not yet looked at; NULL none
 * @out:	A rewritten head that waits to be read; NULL none
 * @more:	The last read left something that needs no socket
 * @answered:	Something of an answer has passed
 */
struct fwd {
	struct stream s; /* must be first */
	struct worker *worker;
	const struct proxy_conf *conf;
	const char *user;
	enum fwd_state state;
	bool keep, more, answered;
	struct http_body body;
	struct addr to;
	struct buf *raw, *out;
	char name[256];
};

static struct fwd *fwd_of(struct stream *s)
{
	return container_of(s, struct fwd, s);
}

static void drop_empty(struct buf **b)
{
	if (*b && !(*b)->len) {
		buf_free(*b);
		*b = NULL;
	}
}

/* More of the client into raw, up to a head's length. As readv */
static ssize_t raw_read(struct fwd *f)
{
	ssize_t n;

	if (!f->raw)
		f->raw = buf_new(HTTP1_HEAD_MAX);
	if (!f->raw)
		return -ENOMEM;
	if (!buf_space(f->raw) && f->raw->off) { /* move to the front */
		memmove(f->raw->data, buf_head(f->raw), f->raw->len);
		f->raw->off = 0;
	}
	if (!buf_space(f->raw))
		return -EPROTO;
	n = stream_read(f->s.below, buf_tail(f->raw), buf_space(f->raw));
	if (n > 0)
		f->raw->len += (uint32_t)n;
	else
		drop_empty(&f->raw);
	return n;
}

/* May this later request go the way of the first? */
static bool may_follow(const struct fwd *f, const struct http1_head *h,
		       const struct http_req *r)
{
	char user[256], pass[256];
	const struct in_account *a = NULL;
	bool same = !r->connect && addr_eq(&r->to, &f->to);

	if (!f->conf->need_auth || !same)
		return same;
	if (http_req_account(h, user, pass) == 0)
		a = in_account_find(&f->conf->accounts, user, pass);
	return a && f->user && !strcmp(a->user, f->user);
}

/* A head lies in raw, or part of one. 1 rewritten, 0 more needed, END: state */
static int next_head(struct fwd *f)
{
	struct http1_head h;
	struct http_req r;
	ssize_t n, len;

	while (f->raw && f->raw->len &&
	       (*buf_head(f->raw) == '\r' || *buf_head(f->raw) == '\n'))
		buf_drop(f->raw, 1); /* blank lines between requests */
	if (!f->raw || !f->raw->len)
		return 0;
	n = http1_request_decode(buf_head(f->raw), f->raw->len, &h);
	if (n == 0)
		return 0;
	if (n < 0 || http_req_read(&h, &r) || !may_follow(f, &h, &r)) {
		f->state = FWD_END;
		return 1;
	}
	f->out = buf_new(HTTP_REQ_OUT_MAX);
	if (!f->out)
		return -ENOMEM;
	len = http_req_rewrite(&h, &r, f->out->data, f->out->cap);
	if (len < 0)
		return (int)len;
	f->out->len = (uint32_t)len;
	buf_drop(f->raw, (size_t)n);
	drop_empty(&f->raw);
	http_body_init(&f->body, &r);
	f->keep = r.keep;
	f->state = FWD_BODY;
	return 1;
}

/* Copy up to @n bytes of @b out */
static ssize_t take_buf(struct buf **b, void *p, size_t n)
{
	if (n > (*b)->len)
		n = (*b)->len;
	memcpy(p, buf_head(*b), n);
	buf_drop(*b, n);
	drop_empty(b);
	return (ssize_t)n;
}

/* Keep what was read behind the body for the next head. 0 or -ENOMEM */
static int put_back(struct fwd *f, const uint8_t *p, size_t n)
{
	if (!n)
		return 0;
	f->raw = buf_new(n > HTTP1_HEAD_MAX ? n : HTTP1_HEAD_MAX);
	return f->raw ? buf_put(f->raw, p, n) : -ENOMEM;
}

/* Body bytes into @p. As readv; 0 bytes only when the client ended */
static ssize_t read_body(struct fwd *f, uint8_t *p, size_t n)
{
	ssize_t got, used;

	if (f->raw) {
		size_t have = f->raw->len < n ? f->raw->len : n;

		used = http_body_take(&f->body, buf_head(f->raw), have);
		return used < 0 ? used : take_buf(&f->raw, p, (size_t)used);
	}
	got = stream_read(f->s.below, p, n);
	if (got <= 0)
		return got;
	used = http_body_take(&f->body, p, (size_t)got);
	if (used >= 0 && put_back(f, p + used, (size_t)(got - used)))
		return -ENOMEM;
	return used;
}

/*
 * Nothing of it is sent on; its end is the end. 0, -EAGAIN (also when there is more
 * than a turn may read: it makes the session ready again), -errno
 */
static ssize_t discard(struct fwd *f)
{
	uint8_t *p = f->worker->scratch;
	ssize_t n = 0;

	for (size_t got = 0; got < WORKER_BUDGET_BYTES; got += (size_t)n) {
		n = stream_read(f->s.below, p, WORKER_SCRATCH_BYTES);
		if (n <= 0)
			return n;
	}
	return -EAGAIN;
}

static void body_over(struct fwd *f)
{
	if (f->state == FWD_BODY && f->body.state == BODY_DONE)
		f->state = f->keep ? FWD_HEAD : FWD_LAST;
}

/* Await a head. 1 go on, else as readv */
static ssize_t read_head(struct fwd *f)
{
	int r = next_head(f);
	ssize_t n;

	if (r != 0)
		return r;
	n = raw_read(f);
	return n > 0 ? 1 : n;
}

static ssize_t fwd_read(struct fwd *f, uint8_t *p, size_t n)
{
	ssize_t r = 1;

	while (r > 0) {
		if (f->out)
			return take_buf(&f->out, p, n);
		body_over(f);
		switch (f->state) {
		case FWD_HEAD:
			r = read_head(f);
			break;
		case FWD_BODY:
			return read_body(f, p, n);
		case FWD_LAST:
			return discard(f);
		case FWD_END: /* what still comes must not keep us awake */
			r = discard(f);
			return r == -EAGAIN ? 0 : r;
		}
	}
	return r;
}

static ssize_t fwd_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct fwd *f = fwd_of(s);
	ssize_t n = cnt ? fwd_read(f, iov->iov_base, iov->iov_len) : -EINVAL;

	f->more = n > 0 && (f->out || f->raw);
	return n;
}

static ssize_t fwd_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	ssize_t n = s->below->ops->writev(s->below, iov, cnt);

	if (n > 0)
		fwd_of(s)->answered = true;
	return n;
}

static void fwd_want(struct stream *s, unsigned int events)
{
	if (fwd_of(s)->more && events & ST_READ)
		job_ready(s->job);
	s->below->ops->want(s->below, events);
}

static bool fwd_up(const struct stream *s)
{
	return s->below->ops->up(s->below);
}

static int fwd_finish(struct stream *s)
{
	return s->below->ops->finish(s->below);
}

/* Never reached, or never answered: say so in HTTP */
static void sorry(struct fwd *f)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
				   "Connection: close\r\n"
				   "Proxy-Connection: close\r\n"
				   "Content-Length: 0\r\n\r\n";

	for (int i = 0; i < DRAIN_READS; i++)
		if (stream_read(f->s.below, f->worker->scratch,
				WORKER_SCRATCH_BYTES) <= 0)
			break;
	/* a socket buffer without an answer in it has room */
	(void)stream_write(f->s.below, text, sizeof(text) - 1);
}

static void fwd_close(struct stream *s, int why)
{
	struct fwd *f = fwd_of(s);

	if (why < 0 && !f->answered)
		sorry(f);
	if (!f->answered || f->state == FWD_END)
		why = 0;
	stream_close(&s->below, why);
	buf_free(f->raw);
	buf_free(f->out);
	free(f);
}

/* Answers need no looking at; the first bytes are seen, for sorry() */
static struct watch *fwd_watch(struct stream *s, unsigned int dir)
{
	struct stream *b = s->below;

	if (dir != ST_WRITE || !fwd_of(s)->answered || !b->ops->watch)
		return NULL;
	return b->ops->watch(b, dir);
}

static const struct stream_ops fwd_ops = {
	.name = "http",
	.readv = fwd_readv,
	.writev = fwd_writev,
	.want = fwd_want,
	.up = fwd_up,
	.finish = fwd_finish,
	.close = fwd_close,
	.watch = fwd_watch,
};

int http_fwd_push(struct session *s, const uint8_t *p, size_t n,
		  const struct addr *to)
{
	struct fwd *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->s = (struct stream){ .ops = &fwd_ops, .job = s->in->job };
	f->worker = s->job.worker;
	f->conf = s->inbound->settings;
	f->user = s->user;
	f->to = *to;
	if (to->kind == ADDR_NAME) {
		memcpy(f->name, to->name, (size_t)to->len + 1);
		f->to.name = f->name;
	}
	if (put_back(f, p, n)) {
		free(f);
		return -ENOMEM;
	}
	f->more = true;
	f->s.below = s->in;
	s->in = &f->s;
	return 0;
}
