/*
 * ws.c - WebSocket as a layer, client and server
 *
 *   ASK    client: dialed, request on its way; server: request awaited
 *   OPEN   binary frames; the caller's reads and writes become payload
 *
 * Early data (client, path with ?ed=N): nothing is dialed before the first
 * write; up to N bytes of it go base64 in Sec-WebSocket-Protocol and are not
 * sent again. A server takes them as the first payload and echoes the header.
 *
 * Over a level that lends, payload is lent (ws_lend.c), else it is read into the
 * caller's memory (ws_read.c). Writing: one frame a call, head and payload in one
 * call below. A server's payload is not copied; a client's is masked on its way into
 * the worker's memory.
 *
 * The end: RFC 6455 has no half close, and Xray's peers drop everything at a
 * Close frame. So a server says Close when its direction ends; a client says
 * it by a ping with words of our own, which only a culvert server understands
 * (others answer it), and Close when all is over. docs/wire/websocket.md
 *
 * Source: RFC 6455; xray.md sections L and 2.12
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/cursor.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/room.h"
#include "proxy/transport/transports.h"
#include "proxy/transport/ws_int.h"

#define SHAKE_MS  8000u
#define DIAL_MS   16000u /* the dial below ends by itself */
#define FRAME_MAX 65472u /* with its head four full TLS records at most */
#define CLOSE_OK  1000

static struct ws *ws_of(struct stream *s)
{
	return container_of(s, struct ws, s);
}

/* --- down --- */

int ws_fail(struct ws *w, int err)
{
	if (err != -EAGAIN)
		w->err = err;
	return err;
}

int ws_write_fail(struct ws *w, int err)
{
	if (err == -EAGAIN)
		return err;
	w->tx_err = err;
	buf_free(w->out);
	w->out = NULL;
	return err;
}

static int write_err(const struct ws *w)
{
	return w->err ? w->err : w->tx_err;
}

int ws_keep(struct ws *w, const void *p, size_t n)
{
	int rc = w->tx_err ? w->tx_err : keep_append(&w->out, p, n);

	return rc ? ws_write_fail(w, rc) : 0;
}

int ws_flush(struct ws *w)
{
	int rc = w->tx_err ? w->tx_err : keep_flush(&w->out, w->s.below);

	return rc ? ws_write_fail(w, rc) : 0;
}

static struct ws_head head_for(const struct ws *w, enum ws_opcode op, size_t n)
{
	struct ws_head h = {
		.fin = true, .masked = !w->server, .opcode = op, .len = n
	};

	if (h.masked)
		rand_bytes(h.mask, sizeof(h.mask));
	return h;
}

/* Between two frames: a control frame into @out */
static int put_control(struct ws *w, enum ws_opcode op, const void *p, size_t n)
{
	struct ws_head h = head_for(w, op, n);
	uint8_t f[WS_HEAD_MAX + WS_CONTROL_MAX];
	ssize_t k = ws_head_encode(&h, f, sizeof(f));

	if (k < 0)
		return (int)k;
	if (n)
		memcpy(f + k, p, n);
	if (h.masked)
		ws_mask(f + k, n, h.mask, 0);
	return ws_keep(w, f, (size_t)k + n);
}

static int put_close(struct ws *w)
{
	uint8_t code[2];

	if (w->closed)
		return 0;
	w->closed = true;
	put_be16(code, CLOSE_OK);
	return put_control(w, WS_CLOSE, code, sizeof(code));
}

/* What we owe, if a frame may begin now. 0, -EAGAIN, -errno */
int ws_settle(struct ws *w)
{
	int rc = 0;

	if (w->put_left || w->closed || w->tx_err)
		return ws_flush(w);
	if (w->pong_due) {
		w->pong_due = false;
		rc = put_control(w, WS_PONG, w->pong, w->pong_len);
	}
	if (!rc && w->ping_due) {
		w->ping_due = false;
		rc = put_control(w, WS_PING, NULL, 0);
	}
	return rc ? rc : ws_flush(w);
}

/* Before reading: 0 open, -EAGAIN, -errno */
int ws_step(struct ws *w)
{
	int rc;

	stream_shed(&w->s.below);
	if (w->err)
		return w->err;
	if (w->timed_out) {
		log_info("s%x ws: no handshake within %u s", w->id,
			 SHAKE_MS / 1000);
		return ws_fail(w, -ETIMEDOUT);
	}
	if (w->state == WS_UNDIALED)
		return -EAGAIN;
	rc = ws_settle(w);
	if (w->state == WS_OPEN)
		return 0;
	if (rc == -EAGAIN)
		return rc;
	rc = ws_read_head(w);
	if (rc == 0)
		(void)ws_flush(w);
	return rc;
}

/* The same before writing */
static int step_write(struct ws *w)
{
	int rc = ws_step(w);

	return rc ? rc : w->tx_err;
}

static void on_timer(struct timer *t)
{
	struct ws *w = container_of(t, struct ws, timer);

	if (w->state != WS_OPEN)
		w->timed_out = true;
	else
		w->ping_due = true;
	if (w->state == WS_OPEN)
		timer_set(&w->worker->wheel, t, w->conf->heartbeat_ms);
	job_ready(w->s.job);
}

/* --- reading --- */

static const struct stream_ops ws_ops, ws_lend_ops;

/* Lend when below does */
static void pick_ops(struct ws *w)
{
	if (w->state == WS_OPEN && !w->in && w->s.below->ops->lend)
		w->s.ops = &ws_lend_ops;
}

static ssize_t ws_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct ws *w = ws_of(s);
	int rc = ws_step(w);

	if (rc < 0)
		return rc;
	pick_ops(w);
	return s->ops == &ws_lend_ops ? lent_readv(s, iov, cnt) :
					ws_read(w, iov, cnt);
}

/* --- writing --- */

static int dial_below(struct ws *w)
{
	int rc;

	w->dial.job = w->s.job;
	rc = transport_dial(w->t->below, &w->dial, &w->to, &w->s.below);
	if (rc < 0)
		return ws_fail(w, rc);
	w->state = WS_ASK;
	timer_set(&w->worker->wheel, &w->timer, DIAL_MS + SHAKE_MS);
	return 0;
}

/* First write with early data: dial, and what goes with the request */
static int dial_late(struct ws *w, const struct iovec *iov, int cnt,
		     size_t *used)
{
	size_t n = iov_bytes(iov, cnt), at = 0;
	uint8_t early[EARLY_MAX];
	int rc = dial_below(w);

	*used = 0;
	if (rc < 0)
		return rc;
	if (n > w->conf->http.ed)
		return ws_put_request(w, NULL, 0);
	for (int i = 0; i < cnt; i++) {
		memcpy(early + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	*used = n;
	return ws_put_request(w, early, n);
}

/* One frame of the first @n bytes at @iov into @out. Its bytes */
static size_t mask_frame(struct ws *w, const struct iovec *iov, int cnt,
			 size_t n, uint8_t *out)
{
	struct ws_head h = head_for(w, WS_BINARY, n);
	size_t at = 0, k = (size_t)ws_head_encode(&h, out, WS_HEAD_MAX);

	for (int i = 0; i < cnt && at < n; i++) {
		size_t some = iov[i].iov_len < n - at ? iov[i].iov_len : n - at;

		ws_mask_copy(out + k + at, iov[i].iov_base, some, h.mask, at);
		at += some;
	}
	return k + n;
}

/* Client: one frame, masked in the worker's memory. Payload bytes taken */
static ssize_t write_masked(struct ws *w, const struct iovec *iov, int cnt)
{
	struct layer_room *r = layer_room(w->worker);
	/* not where the layer above has put what it gives us */
	uint8_t *out = r ? pool_get(&r->out) : NULL;
	size_t n = iov_bytes(iov, cnt), total;
	ssize_t put;

	if (!out)
		return ws_write_fail(w, -ENOMEM);
	if (n > FRAME_MAX)
		n = FRAME_MAX;
	total = mask_frame(w, iov, cnt, n, out);
	put = stream_write(w->s.below, out, total);
	/* -EAGAIN: nothing went out, another frame next time */
	if (put < 0)
		ws_write_fail(w, (int)put);
	else if (ws_keep(w, out + put, total - (size_t)put) < 0)
		put = w->tx_err;
	else
		(void)ws_flush(w);
	pool_put(&r->out, out);
	return put < 0 ? put : (ssize_t)n;
}

/* Server: the rest of a frame, or a new one, from the caller's memory */
static ssize_t write_plain(struct ws *w, const struct iovec *iov, int cnt)
{
	struct iovec v[STREAM_IOV];
	uint8_t head[WS_HEAD_MAX];
	size_t n = iov_bytes(iov, cnt), k = 0, at = 0;
	int used = 0;
	ssize_t put;

	if (n > FRAME_MAX)
		n = FRAME_MAX;
	if (!w->put_left) {
		struct ws_head h = head_for(w, WS_BINARY, n);

		k = (size_t)ws_head_encode(&h, head, sizeof(head));
		v[used++] = (struct iovec){ head, k };
	} else if (n > w->put_left) {
		n = (size_t)w->put_left;
	}
	for (int i = 0; i < cnt && at < n && used < STREAM_IOV; i++) {
		v[used] = iov[i];
		if (v[used].iov_len > n - at)
			v[used].iov_len = n - at;
		at += v[used++].iov_len;
	}
	put = w->s.below->ops->writev(w->s.below, v, used);
	if (put < 0)
		return ws_write_fail(w, (int)put);
	if (!w->put_left)
		w->put_left = n;
	if ((size_t)put < k) {
		if (ws_keep(w, head + put, k - (size_t)put) < 0)
			return w->tx_err;
		return -EAGAIN;
	}
	w->put_left -= (size_t)put - k;
	return put == (ssize_t)k ? -EAGAIN : put - (ssize_t)k;
}

static ssize_t ws_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct ws *w = ws_of(s);
	size_t early = 0;
	int rc;

	if (w->state == WS_UNDIALED && !w->err && iov_bytes(iov, cnt)) {
		rc = dial_late(w, iov, cnt, &early);
		if (rc < 0)
			return rc;
		rc = ws_step(w);
		if (rc < 0 && rc != -EAGAIN)
			return rc;
		if (early)
			return (ssize_t)early;
	}
	rc = step_write(w);
	if (rc < 0)
		return rc;
	if (w->out)
		return -EAGAIN;
	if (w->closed || w->told)
		return -EPIPE;
	if (!iov_bytes(iov, cnt)) /* does something wait further down? */
		return s->below->ops->writev(s->below, NULL, 0);
	return w->server ? write_plain(w, iov, cnt) : write_masked(w, iov, cnt);
}

/* --- the rest of the stream --- */

static void ws_want(struct stream *s, unsigned int events)
{
	struct ws *w = ws_of(s);
	unsigned int down = events;

	/* A write is waited for; but who waits until we are up never writes */
	if (w->state == WS_UNDIALED && !w->err && events & ST_WRITE &&
	    dial_below(w) == 0)
		(void)ws_put_request(w, NULL, 0);
	if (w->err || (events && w->tx_err))
		job_ready(s->job);
	if (!s->below)
		return;
	if (w->state == WS_OPEN && !w->err) {
		(void)ws_settle(w);
		pick_ops(w);
	}
	if (w->err || (events && w->tx_err) ||
	    (events & ST_READ && w->in && w->state == WS_OPEN))
		job_ready(s->job);
	if (w->state != WS_OPEN)
		down = ST_READ;
	if (w->out)
		down |= ST_WRITE;
	s->below->ops->want(s->below, down);
}

static bool ws_up(const struct stream *s)
{
	const struct ws *w = (const struct ws *)(const void *)s;

	/* undialed: it is the first bytes that it waits for, with no end */
	return (w->state == WS_OPEN || w->state == WS_UNDIALED) &&
	       !write_err(w);
}

/*
 * Our owner may close as soon as the end is told: so nothing of it may wait
 * below (TLS keeps what its socket does not take). With both ends told the level
 * below ends too; before, it must not: who drops everything at a Close would
 * close with its end unread, which is a RST
 */
static int end_below(struct ws *w)
{
	struct stream *b = w->s.below;

	if (w->closed && w->eof)
		return b->ops->finish(b);
	return stream_settled(b);
}

static int ws_finish(struct stream *s)
{
	struct ws *w = ws_of(s);
	int rc = write_err(w);

	if (w->state == WS_UNDIALED && !rc) { /* nothing to send at all */
		rc = dial_below(w);
		if (!rc)
			rc = ws_put_request(w, NULL, 0);
	}
	if (!rc)
		rc = step_write(w);
	if (rc < 0)
		return rc;
	if (w->put_left)
		return ws_fail(w, -EPROTO); /* a promise was not kept */
	if (!w->told && (w->server || w->eof))
		rc = put_close(w);
	else if (!w->told)
		rc = put_control(w, WS_PING, ws_end_words, WS_END_BYTES);
	w->told = true;
	if (!rc)
		rc = ws_flush(w);
	return rc < 0 ? rc : end_below(w);
}

static void ws_close(struct stream *s, int why)
{
	struct ws *w = ws_of(s);

	timer_cancel(&w->timer);
	if (why == 0 && s->below && ws_up(s) && !w->put_left) {
		if (ws_flush(w) < 0)
			why = -ECANCELED; /* something is lost: no clean end */
		else if (put_close(w) == 0)
			(void)ws_flush(w); /* a Close without room is no loss */
	}
	stream_close(&s->below, why);
	buf_free(w->in);
	buf_free(w->out);
	free(w);
}

static const struct stream_ops ws_ops = {
	.name = "ws",
	.readv = ws_readv,
	.writev = ws_writev,
	.want = ws_want,
	.up = ws_up,
	.finish = ws_finish,
	.close = ws_close,
};

static const struct stream_ops ws_lend_ops = {
	.name = "ws",
	.readv = lent_readv,
	.writev = ws_writev,
	.lend = ws_lend,
	.took = ws_took,
	.want = ws_want,
	.up = ws_up,
	.finish = ws_finish,
	.close = ws_close,
};

/* --- birth --- */

static int ws_parse(struct transport *t, struct jobj *o, struct config *cfg)
{
	struct ws_conf *c = arena_alloc(&cfg->arena, sizeof(*c));

	if (!c)
		return -ENOMEM;
	t->settings = c;
	parse_proxy_head(t, o);
	c->heartbeat_ms =
		1000u * (uint32_t)j_int(o, "heartbeatPeriod", 0, 0, 86400);
	return http_conf_parse(&c->http, o, cfg);
}

static struct ws *ws_new(const struct transport *t, struct worker *worker)
{
	struct ws *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->s.ops = &ws_ops;
	w->t = t;
	w->conf = t->settings;
	w->worker = worker;
	timer_init(&w->timer, on_timer);
	return w;
}

static int ws_dial(const struct transport *t, const struct dial *d,
		   const struct addr *to, struct stream **out)
{
	struct ws *w = ws_new(t, d->worker);
	int rc = 0;

	if (!w)
		return -ENOMEM;
	w->dial = *d;
	w->to = *to;
	w->s.job = d->job;
	w->id = d->s ? d->s->id : 0;
	if (!w->conf->http.ed)
		rc = ws_put_request(w, NULL, 0);
	if (!rc && !w->conf->http.ed)
		rc = dial_below(w);
	if (rc < 0) {
		buf_free(w->out);
		free(w);
		return rc;
	}
	*out = &w->s;
	return 0;
}

static int ws_accept_stream(const struct transport *t, struct worker *worker,
			    struct stream *below, struct stream **out)
{
	struct ws *w = ws_new(t, worker);

	if (!w)
		return -ENOMEM;
	w->server = true;
	w->state = WS_ASK;
	w->s.below = below;
	w->s.job = below->job;
	timer_set(&worker->wheel, &w->timer, SHAKE_MS);
	*out = &w->s;
	return 0;
}

const struct transport_ops transport_ws_ops = {
	.name = "ws",
	.alias = "websocket",
	.key = "wsSettings",
	.alpn = "http/1.1",
	.parse = ws_parse,
	.dial = ws_dial,
	.accept = ws_accept_stream,
};
