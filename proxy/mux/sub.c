/*
 * sub.c - A TCP session of a Mux.cool connection, as a stream
 *
 * Client: New leaves with the first bytes, or alone when the owner has none
 * and starts to wait. There is no wait for a first payload (Xray: 100 ms).
 *
 * Half close: End would make Xray's server cut the download too. So unless the
 * server has said that it keeps it (trunk.c), the client's End is held back
 * until the download has been quiet for SUB_QUIET_MS; a server that waits for
 * the end of its input still gets it.
 */
#include "proxy/mux/sub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/core/worker.h"

/* --- what both kinds have in common --- */

void sub_wake(struct sub *s, unsigned int events)
{
	if (s->want & events)
		s->ops->wake(s, events);
}

void sub_peer_end(struct sub *s, bool error)
{
	if (error || s->peer_end)
		s->err = s->err ? s->err : error ? -ECONNRESET : -EPIPE;
	s->peer_end = true;
	s->reset |= error;
	s->ops->wake(s, ST_READ | ST_WRITE);
}

void sub_lost(struct sub *s, int err)
{
	if (!s->err)
		s->err = err;
	trunk_detach(s);
	s->ops->wake(s, ST_READ | ST_WRITE);
}

bool sub_may_send(struct sub *s)
{
	struct trunk *t = s->trunk;

	if (t->tx.bytes < TRUNK_TX_HIGH)
		return true;
	if (list_empty(&s->in_waiting))
		list_add_tail(&t->waiting, &s->in_waiting);
	return false;
}

void sub_leave(struct sub *s, bool error)
{
	struct trunk *t = s->trunk;

	if (!t)
		return;
	if (s->opened && !(s->end_sent && s->peer_end))
		trunk_put_end(t, s->id, error);
	trunk_detach(s);
}

/* --- the stream --- */

static struct sub_stream *stream_of(struct stream *s)
{
	return container_of(s, struct sub_stream, s);
}

static struct sub_stream *of_sub(struct sub *s)
{
	return container_of(s, struct sub_stream, sub);
}

static bool stream_begin(struct sub *s, const struct mux_frame *f)
{
	(void)f;
	return !s->err;
}

static size_t stream_take(struct sub *s, const uint8_t *p, size_t n)
{
	struct sub_stream *ss = of_sub(s);
	size_t room = SUB_RX_MAX - ss->rx.bytes;

	n = n < room ? n : room;
	if (n && queue_put(&ss->rx, p, n) < 0) {
		s->err = -ENOMEM;
		s->ops->wake(s, ST_READ);
		return n; /* thrown away */
	}
	if (n) {
		ss->rx_ms = s->trunk->worker->now_ms;
		sub_wake(s, ST_READ);
	}
	return n;
}

static void stream_wake(struct sub *s, unsigned int events)
{
	(void)events;
	if (of_sub(s)->s.job)
		job_ready(of_sub(s)->s.job);
}

static const struct sub_ops stream_sub_ops = {
	.begin = stream_begin,
	.take = stream_take,
	.wake = stream_wake,
};

/* What a read says when nothing is left in the queue */
static ssize_t stream_end(struct sub *s)
{
	if (s->peer_end && !s->reset && !s->eof_told) {
		s->eof_told = true;
		return 0;
	}
	if (s->err)
		return s->err;
	return s->peer_end ? 0 : -EAGAIN;
}

static bool stream_readable(const struct sub_stream *ss)
{
	const struct sub *u = &ss->sub;

	return ss->rx.bytes || u->err || (u->peer_end && !u->eof_told);
}

static void stream_drained(struct sub_stream *ss)
{
	if (ss->sub.trunk && ss->rx.bytes <= SUB_RX_LOW)
		trunk_resume(ss->sub.trunk, &ss->sub);
}

static ssize_t sub_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct sub_stream *ss = stream_of(s);
	size_t n = queue_read(&ss->rx, iov, cnt);

	if (!n)
		return stream_end(&ss->sub);
	stream_drained(ss);
	return (ssize_t)n;
}

static ssize_t sub_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct sub_stream *ss = stream_of(s);
	ssize_t n = 0;

	if (!ss->rx.bytes)
		return stream_end(&ss->sub);
	*cnt = queue_show(&ss->rx, iov, *cnt);
	for (int i = 0; i < *cnt; i++)
		n += (ssize_t)iov[i].iov_len;
	return n;
}

static void sub_took(struct stream *s, size_t n)
{
	struct sub_stream *ss = stream_of(s);

	queue_drop(&ss->rx, n);
	stream_drained(ss);
}

/* The next frame: New as long as it was not sent */
static struct mux_frame next_frame(const struct sub_stream *ss)
{
	struct mux_frame f = { .session = ss->sub.id, .status = MUX_KEEP };

	if (!ss->sub.opened) {
		f.status = MUX_NEW;
		f.network = MUX_TCP;
		f.to = ss->target;
		f.from = ss->sub.from;
		f.at = ss->sub.at;
	}
	return f;
}

static int put_frame(struct sub_stream *ss, const struct iovec *iov, int cnt,
		     size_t n)
{
	struct mux_frame f = next_frame(ss);
	int rc = trunk_put(ss->sub.trunk, &f, iov, cnt, n);

	if (!rc)
		ss->sub.opened = true;
	return rc;
}

/* 0, or why nothing can be written any more */
static int stream_broken(const struct sub *s)
{
	if (s->err)
		return s->err;
	return s->trunk && !s->end_sent ? 0 : -EPIPE;
}

/* At most MUX_DATA_MAX of one piece, as often as there is room. Bytes, -errno */
static ssize_t put_piece(struct sub_stream *ss, const struct iovec *iov)
{
	size_t done = 0;

	while (done < iov->iov_len && sub_may_send(&ss->sub)) {
		struct iovec part = { (uint8_t *)iov->iov_base + done,
				      iov->iov_len - done };
		int rc;

		if (part.iov_len > MUX_DATA_MAX)
			part.iov_len = MUX_DATA_MAX;
		rc = put_frame(ss, &part, 1, part.iov_len);
		if (rc < 0)
			return done ? (ssize_t)done : rc;
		done += part.iov_len;
	}
	return (ssize_t)done;
}

static ssize_t sub_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct sub_stream *ss = stream_of(s);
	int rc = stream_broken(&ss->sub);
	size_t done = 0;

	if (rc < 0 || !cnt)
		return rc;
	for (int i = 0; i < cnt; i++) {
		ssize_t n = put_piece(ss, &iov[i]);

		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return done ? (ssize_t)done : -EAGAIN;
}

static void sub_want(struct stream *s, unsigned int events)
{
	struct sub_stream *ss = stream_of(s);
	struct sub *u = &ss->sub;
	bool now = false;

	u->want = (uint8_t)events;
	if (u->trunk && !u->opened && put_frame(ss, NULL, 0, 0) < 0)
		sub_lost(u, -ENOMEM);
	if (events & ST_READ)
		now = stream_readable(ss);
	if (events & ST_WRITE)
		now |= !u->trunk || u->err || sub_may_send(u);
	if (now)
		job_ready(s->job);
}

static bool sub_up(const struct stream *s)
{
	const struct sub_stream *ss =
		(const struct sub_stream *)(const void *)s;

	return !ss->sub.trunk || ss->sub.trunk->up;
}

static void send_end(struct sub *u)
{
	if (u->end_sent || !u->trunk)
		return;
	u->end_sent = true;
	trunk_put_end(u->trunk, u->id, false);
}

/* Quiet long enough: the peer learns that no more will come */
static void quiet_due(struct timer *t)
{
	struct sub_stream *ss = container_of(t, struct sub_stream, timer);
	struct trunk *tr = ss->sub.trunk;
	uint32_t quiet;

	if (!tr)
		return;
	quiet = tr->worker->now_ms - ss->rx_ms;
	if (!tr->half && !ss->sub.peer_end &&
	    (ss->rx.bytes || quiet < SUB_QUIET_MS))
		timer_set(&tr->worker->wheel, t,
			  ss->rx.bytes ? SUB_QUIET_MS : SUB_QUIET_MS - quiet);
	else
		send_end(&ss->sub);
}

static int sub_finish(struct stream *s)
{
	struct sub_stream *ss = stream_of(s);
	struct sub *u = &ss->sub;

	if (u->err && !u->peer_end)
		return u->err;
	if (!u->trunk || u->end_sent)
		return 0;
	if (!u->opened && put_frame(ss, NULL, 0, 0) < 0)
		return -ENOMEM;
	if (u->server || u->trunk->half || u->peer_end) {
		send_end(u);
		return 0;
	}
	ss->rx_ms = u->trunk->worker->now_ms;
	timer_set(&u->trunk->worker->wheel, &ss->timer, SUB_QUIET_MS);
	return 0;
}

static void sub_close(struct stream *s, int why)
{
	struct sub_stream *ss = stream_of(s);

	timer_cancel(&ss->timer);
	sub_leave(&ss->sub, why != 0);
	queue_free(&ss->rx);
	free(ss);
}

static const struct stream_ops sub_ops = {
	.name = "mux",
	.readv = sub_readv,
	.writev = sub_writev,
	.lend = sub_lend,
	.took = sub_took,
	.want = sub_want,
	.up = sub_up,
	.finish = sub_finish,
	.close = sub_close,
};

struct sub_stream *sub_stream_new(struct trunk *t, uint16_t id,
				  const struct addr *target)
{
	struct sub_stream *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return NULL;
	ss->s.ops = &sub_ops;
	ss->sub.ops = &stream_sub_ops;
	ss->sub.server = ss->sub.opened = !target;
	if (target)
		ss->target = *target;
	timer_init(&ss->timer, quiet_due);
	trunk_attach(t, &ss->sub, id);
	return ss;
}
