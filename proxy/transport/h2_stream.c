/*
 * h2_stream.c - A stream inside an HTTP/2 carrier, with gRPC messages or without
 *
 *   writev   (message head,) payload -> DATA frames in the carrier's batch, at
 *	      once; what the windows do not allow -> @out
 *   lend     DATA frames -> payload in @in -> the caller; then window is given
 *
 * Back-pressure: @out holds one message; @in at most the stream's window, which
 * grows while it is what limits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/worker.h"
#include "proxy/layer/cursor.h"
#include "proxy/transport/h2_int.h"

#define IN_SMALL       2048u
#define WINDOW_FAST_MS 1000u

static struct h2_sub *sub_of(struct stream *s)
{
	return container_of(s, struct h2_sub, s);
}

void h2_sub_wake(struct h2_sub *u)
{
	if (u->s.job)
		job_ready(u->s.job);
}

void h2_sub_fail(struct h2_sub *u, int err)
{
	if (!u->err)
		u->err = err;
	h2_sub_wake(u);
}

/* --- receiving --- */

/* Much comes in buffers of the pool, told by their size; little in small ones */
static struct buf *in_new(struct h2_room *r, size_t need)
{
	struct buf *b;

	if (need <= IN_SMALL)
		return buf_new(IN_SMALL);
	if (need > r->in_bytes) /* nobody reads: up to the stream's window */
		return buf_new(need + need / 2);
	b = pool_get(&r->in);
	if (b) {
		b->off = b->len = 0;
		b->cap = r->in_bytes;
	}
	return b;
}

static void in_free(struct h2_room *r, struct buf *b)
{
	if (b && b->cap == r->in_bytes)
		pool_put(&r->in, b);
	else
		buf_free(b);
}

void h2_sub_drop_in(struct h2_sub *u)
{
	in_free(u->room, u->in);
	u->in = NULL;
}

void h2_sub_unborn(struct h2_sub *u)
{
	h2_sub_drop_in(u);
	buf_free(u->text);
	free(u);
}

/* Room for @n more bytes. 0 or -ENOMEM */
static int in_room(struct h2_sub *u, size_t n)
{
	struct buf *b = u->in, *more;

	if (b && buf_space(b) >= n)
		return 0;
	if (b && b->cap - b->len >= n) {
		memmove(b->data, buf_head(b), b->len);
		b->off = 0;
		return 0;
	}
	more = in_new(u->room, n + (b ? b->len : 0));
	if (!more)
		return -ENOMEM;
	if (b)
		buf_put(more, buf_head(b), b->len);
	in_free(u->room, b);
	u->in = more;
	return 0;
}

int h2_sub_data(struct h2_sub *u, const uint8_t *p, size_t n)
{
	ssize_t got;

	if (in_room(u, n) < 0)
		return -ENOMEM;
	if (u->raw) {
		memcpy(buf_tail(u->in), p, n);
		got = (ssize_t)n;
	} else {
		got = grpc_read(&u->rd, p, n, buf_tail(u->in));
	}
	if (got < 0) {
		log_info("s%x grpc: malformed message", u->log_id);
		return -EPROTO;
	}
	u->in->len += (uint32_t)got;
	u->unread += n;
	h2_sub_wake(u);
	return 0;
}

/*
 * A window that is used up within a second by somebody who reads it is what limits
 * a long way: it doubles. One that a setting gives stays.
 */
static void grow_window(struct h2_sub *u, size_t n)
{
	uint32_t now = u->h->job.worker->now_ms;
	bool fast;

	u->given += (uint32_t)n;
	if (u->given < u->window)
		return;
	fast = now - u->since_ms < WINDOW_FAST_MS;
	u->given = 0;
	u->since_ms = now;
	if (!fast || u->h->conf->window || u->window >= H2_WINDOW_MAX)
		return;
	u->window *= 2;
	nghttp2_session_set_local_window_size(u->h->ng, NGHTTP2_FLAG_NONE,
					      u->id, (int32_t)u->window);
	log_debug("s%x grpc: window %u KiB", u->log_id, u->window >> 10);
}

/* The caller took @n bytes of payload: as much window goes back */
static void give_window(struct h2_sub *u, size_t n)
{
	if (!u->in || u->unread < n)
		n = u->unread; /* all: message heads are part of the window */
	if (!n || !u->h)
		return;
	u->unread -= n;
	nghttp2_session_consume_stream(u->h->ng, u->id, n);
	grow_window(u, n);
	h2_flush_soon(u->h);
}

static ssize_t sub_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct h2_sub *u = sub_of(s);

	if (u->in && !u->in->len) /* heads of messages only */
		h2_sub_drop_in(u);
	if (!u->in && u->unread)
		give_window(u, 0);
	if (!u->in &&
	    u->eof) /* whole; a client may still take its request back */
		return u->server && u->err && u->err != -EPIPE ? u->err : 0;
	if (!u->in) /* What came is delivered before a failure is told */
		return u->err ? u->err : -EAGAIN;
	iov->iov_base = buf_head(u->in);
	iov->iov_len = u->in->len;
	*cnt = 1;
	return (ssize_t)u->in->len;
}

static void sub_took(struct stream *s, size_t n)
{
	struct h2_sub *u = sub_of(s);

	buf_drop(u->in, n);
	if (!u->in->len)
		h2_sub_drop_in(u);
	give_window(u, n);
}

/* --- sending --- */

/* Up to @n bytes that the caller of writev gave, its head first, to @to */
static size_t src_take(struct h2_sub *u, uint8_t *to, size_t n)
{
	size_t at = u->head_left < n ? u->head_left : n;

	if (at)
		memcpy(to, u->head + sizeof(u->head) - u->head_left, at);
	u->head_left = (uint8_t)(u->head_left - at);
	while (at < n && u->src_left) {
		size_t k = u->src->iov_len - u->src_off;

		if (k > u->src_left)
			k = u->src_left;
		if (k > n - at)
			k = n - at;
		if (k)
			memcpy(to + at,
			       (uint8_t *)u->src->iov_base + u->src_off, k);
		at += k;
		u->src_off += k;
		u->src_left -= k;
		if (u->src_off == u->src->iov_len) {
			u->src++;
			u->src_off = 0;
		}
	}
	return at;
}

static size_t out_bytes(const struct h2_sub *u)
{
	return (u->out ? u->out->len : 0) + u->head_left + u->src_left;
}

/* What did not go into frames waits in @out. 0 or -ENOMEM */
static int src_keep(struct h2_sub *u)
{
	size_t n = u->head_left + u->src_left;

	if (!n)
		return 0;
	u->out = buf_new(n);
	if (u->out) {
		u->out->len = (uint32_t)src_take(u, u->out->data, n);
		return 0;
	}
	u->head_left = 0;
	u->src_left = 0;
	return u->err = -ENOMEM;
}

static ssize_t sub_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct h2_sub *u = sub_of(s);
	size_t n = iov_bytes(iov, cnt), k;
	uint8_t head[GRPC_HEAD_MAX];

	if (u->err)
		return u->err;
	if (u->fin)
		return -EPIPE;
	if (u->out)
		return -EAGAIN;
	if (!n)
		return 0;
	if (n > H2_PUT_BYTES)
		n = H2_PUT_BYTES;
	k = u->raw ? 0 : grpc_head((uint32_t)n, head);
	memcpy(u->head + sizeof(u->head) - k, head, k);
	u->head_left = (uint8_t)k;
	u->src = iov;
	u->src_off = 0;
	u->src_left = n;
	h2_again_said(u, head, k, iov, n);
	nghttp2_session_resume_data(u->h->ng, u->id);
	h2_flush_now(u->h);
	return src_keep(u) < 0 ? u->err : (ssize_t)n;
}

/* grpc-status behind the last @n bytes of data. Flags of that frame */
static uint32_t put_status(nghttp2_session *ng, struct h2_sub *u, size_t n)
{
	uint8_t name[] = "grpc-status", zero[] = "0";
	nghttp2_nv ok = { name, zero, 11, 1, NGHTTP2_NV_FLAG_NONE };

	nghttp2_submit_trailer(ng, u->id, &ok, 1);
	if (!n) { /* the library makes no frame of that */
		u->fin_sent = true;
		h2_sub_wake(u);
	}
	return NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

/* nghttp2 asks how much goes into the next frame */
/* NOLINTNEXTLINE(readability-function-size,readability-non-const-parameter): nghttp2's callback */
static ssize_t source_read(nghttp2_session *ng, int32_t id, uint8_t *buf,
			   size_t room, uint32_t *flags,
			   nghttp2_data_source *source, void *arg)
{
	struct h2_sub *u = nghttp2_session_get_stream_user_data(ng, id);
	const struct h2 *h = arg;
	size_t n = u ? out_bytes(u) : 0;

	(void)buf;
	(void)source;
	if (!u || (!n && !u->fin))
		return NGHTTP2_ERR_DEFERRED;
	if (n > room)
		n = room;
	if (n > H2_DATA_BYTES)
		n = H2_DATA_BYTES;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (u->left != UINT64_MAX) { /* the last byte ends it: no frame more */
		u->left -= n;
		u->fin |= !u->left;
	}
	if (u->fin && n == out_bytes(u)) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		u->last = true;
		if (h->server && (!u->raw || h->conf->grpc_status))
			*flags |= put_status(ng, u, n);
	}
	return (ssize_t)n;
}

const nghttp2_data_provider h2_sub_source = { .read_callback = source_read };

/* And the frame itself, into the batch */
int h2_sub_send_data(nghttp2_session *ng, nghttp2_frame *frame,
		     const uint8_t *head, size_t n, nghttp2_data_source *source,
		     void *arg)
{
	struct h2_sub *u =
		nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	struct h2 *h = arg;

	(void)source;
	if (H2_BATCH_BYTES - h->used < n + H2_FRAME_HEAD)
		return NGHTTP2_ERR_WOULDBLOCK;
	if (!u || n > out_bytes(u))
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	memcpy(h->batch + h->used, head, H2_FRAME_HEAD);
	h->used += H2_FRAME_HEAD;
	if (u->out) {
		memcpy(h->batch + h->used, buf_head(u->out), n);
		buf_drop(u->out, n);
	} else {
		src_take(u, h->batch + h->used, n);
	}
	h->used += n;
	/* not when it was asked for: there may have been no room */
	u->fin_sent |= u->last;
	if (u->out && !u->out->len) {
		buf_free(u->out);
		u->out = NULL;
		h2_sub_wake(u);
	} else if (u->fin_sent) {
		h2_sub_wake(u);
	}
	return 0;
}

/* --- the rest of the stream --- */

static void sub_want(struct stream *s, unsigned int events)
{
	struct h2_sub *u = sub_of(s);

	u->want = events;
	if ((events & ST_READ &&
	     (u->in || (u->err && (!u->eof || u->server)))) ||
	    (events & ST_WRITE &&
	     ((!u->out && u->fin == u->fin_sent) || u->err)))
		job_ready(s->job);
}

/* A client: the answer came whole, and the stream is over */
static bool all_heard(const struct h2_sub *u)
{
	return !u->server && u->eof && !u->h;
}

/*
 * Not only with the answer: who seals (vmess, shadowsocks) waits for this before
 * the first byte, and a server may wait for that byte
 */
static bool sub_up(const struct stream *s)
{
	const struct h2_sub *u = (const struct h2_sub *)(const void *)s;

	if (all_heard(u)) /* its end may have come with the answer */
		return true;
	return !u->err && u->h && u->h->below->ops->up(u->h->below);
}

static int sub_finish(struct stream *s)
{
	struct h2_sub *u = sub_of(s);

	if (u->fin_sent || (all_heard(u) && !u->out))
		return 0; /* or nobody waits for it any more */
	if (u->err)
		return u->err;
	if (!u->fin) {
		u->fin = true;
		nghttp2_session_resume_data(u->h->ng, u->id);
		h2_flush_soon(u->h);
	}
	return u->fin_sent ? 0 : -EAGAIN;
}

/*
 * Leave the carrier. The library forgets what waits when a reset is submitted, so
 * behind a server's whole answer on_sent() of h2_session.c does it
 */
static void leave(struct h2 *h, struct h2_sub *u, int why)
{
	bool said = u->server && u->fin_sent && !why &&
		    !nghttp2_session_get_stream_local_close(h->ng, u->id);
	bool whole = u->fin_sent && u->eof && !why;

	if (!u->server && why < 0)
		h2_doubt(h, u);
	nghttp2_session_set_stream_user_data(h->ng, u->id, NULL);
	if (!said && !whole)
		nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, u->id,
					  why < 0 ? NGHTTP2_CANCEL :
						    NGHTTP2_NO_ERROR);
	h2_sub_gone(h, u);
}

static void sub_close(struct stream *s, int why)
{
	struct h2_sub *u = sub_of(s);

	h2_again_over(u);
	if (u->h)
		leave(u->h, u, why);
	h2_sub_drop_in(u);
	buf_free(u->out);
	buf_free(u->text);
	free(u);
}

static const struct stream_ops sub_ops = {
	.name = "grpc",
	.readv = lent_readv,
	.writev = sub_writev,
	.lend = sub_lend,
	.took = sub_took,
	.want = sub_want,
	.up = sub_up,
	.finish = sub_finish,
	.close = sub_close,
};

struct h2_sub *h2_sub_new(struct h2 *h, struct job *j)
{
	struct h2_sub *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->s = (struct stream){ .ops = &sub_ops, .job = j };
	u->h = h;
	u->room = h->room;
	u->server = h->server;
	u->left = UINT64_MAX;
	u->born_ms = h->job.worker->now_ms;
	u->raw = h->conf->handler != NULL;
	u->window = h->conf->window ? h->conf->window : H2_WINDOW_MIN;
	u->since_ms = h->job.worker->now_ms;
	list_add_tail(&h->subs, &u->node);
	h->count++;
	return u;
}
