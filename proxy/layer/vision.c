/*
 * vision.c - A stream that pads its beginning, then leaves TLS to the one within
 *
 *   writev: frames until the stream within is known, then
 *	     VISION_DIRECT: bytes go outside of the TLS below (op bare), or
 *	     VISION_END: they go through it as they are
 *   readv:  the same, as the other side decides
 *
 * The first frames of a flow go through memory of the worker; what the
 * connection does not take waits in a buffer. When both directions have ended
 * their frames the layer sheds, and so may the TLS below: then the relay is
 * between bare sockets.
 *
 * Source: docs/wire/vision.md; docs/decisions/017-bare.md
 */
#include "proxy/layer/vision.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/pass.h"
#include "proxy/layer/room.h"
#include "proxy/wire/vision.h"

/**
 * struct vision - The layer
 * @out:	Frames below did not take yet; NULL none
 * @early:	Frames that were read before the layer was made; NULL none
 * @rest:	Read behind the last frame; NULL none
 * @rx_bare, @tx_bare:	That direction is past its frames, and below knows
 * @told:	Below was told that bare() will be asked for
 * @err:	Final -errno; 0. @tx_err: of writing, which reading tells when nothing
 *		more is there
 */
struct vision {
	struct stream s;
	struct worker *worker;
	uint32_t id;
	bool server, told, rx_bare, tx_bare;
	int err, tx_err;
	struct buf *out, *early, *rest;
	struct vision_look look;
	struct vision_rx rx;
	struct vision_tx tx;
};

static const struct stream_ops vision_ops, vision_lends_ops;

static struct vision *vision_of(struct stream *s)
{
	return container_of(s, struct vision, s);
}

static int vision_fail(struct vision *v, int err)
{
	if (err != -EAGAIN)
		v->err = err;
	return err;
}

/* Nothing can be written any more: what waits is lost. What was received is not */
static int write_fail(struct vision *v, int err)
{
	if (err == -EAGAIN)
		return err;
	v->tx_err = err;
	buf_free(v->out);
	v->out = NULL;
	return err;
}

static int write_err(const struct vision *v)
{
	return v->err ? v->err : v->tx_err;
}

/* The TLS below shall not read ahead of what it is asked for. 0 or -errno */
static int tell_below(struct vision *v)
{
	struct stream *b;
	int rc;

	stream_shed(&v->s.below);
	if (v->told)
		return 0;
	b = v->s.below;
	rc = b->ops->bare ? b->ops->bare(b, 0) : -EPROTONOSUPPORT;
	if (rc < 0 && rc != -EAGAIN) {
		log_warning("s%x vision: the connection is no TLS 1.3", v->id);
		return vision_fail(v, rc);
	}
	v->told = !rc;
	return 0;
}

/* @dir is past its frames. 0, -EAGAIN, -errno */
static int leave(struct vision *v, unsigned int dir, int how, bool *done)
{
	struct stream *b;
	int rc = 0;

	if (*done)
		return 0;
	stream_shed(&v->s.below);
	b = v->s.below;
	if (how == VISION_DIRECT)
		rc = b->ops->bare ? b->ops->bare(b, dir) : -EPROTONOSUPPORT;
	else if (dir == ST_READ && b->ops->bare)
		rc = b->ops->bare(b, ST_STAY);
	*done = !rc;
	if (!rc)
		return 0;
	return dir == ST_WRITE ? write_fail(v, rc) : vision_fail(v, rc);
}

/* --- writing ------------------------------------------------------------------ */

/* 0, -EAGAIN, -errno */
static int flush_out(struct vision *v)
{
	int rc = keep_flush(&v->out, v->s.below);

	return rc ? write_fail(v, rc) : 0;
}

/* @n bytes of frames go out, or wait. 0 or -errno */
static int put_frames(struct vision *v, const uint8_t *p, size_t n)
{
	int rc = keep_put(&v->out, v->s.below, p, n);

	return rc ? write_fail(v, rc) : 0;
}

/* Content of the caller to one frame at @out. Bytes of content, or -errno */
static ssize_t one_frame(struct vision *v, const uint8_t *p, size_t n,
			 uint8_t *out, size_t room, size_t *used)
{
	struct vision_piece f = { .p = p, .dice = rand_u32() };
	ssize_t put;

	if (n > VISION_CONTENT_MAX)
		n = VISION_CONTENT_MAX;
	vision_look_at(&v->look, p, n);
	f.n = vision_plan(&v->tx, &v->look, p, n, &f.command);
	f.longer = v->look.tls && f.command == VISION_CONTINUE && !v->tx.data;
	put = vision_frame(&v->tx, &f, out, room);
	if (put < 0)
		return put;
	*used += (size_t)put;
	return (ssize_t)f.n;
}

/* Frames for as much as fits at @out. Bytes of content, or -errno */
static ssize_t frames(struct vision *v, const struct iovec *iov, int cnt,
		      uint8_t *out, size_t *used)
{
	size_t taken = 0;

	for (int i = 0; i < cnt; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left && !v->tx.done &&
		       *used + VISION_FRAME_MAX <= LAYER_CALL_BYTES) {
			ssize_t n = one_frame(v, p, left, out + *used,
					      LAYER_CALL_BYTES - *used, used);

			if (n < 0)
				return n;
			p += n;
			left -= (size_t)n;
			taken += (size_t)n;
		}
		if (left)
			break;
	}
	return (ssize_t)taken;
}

static ssize_t write_frames(struct vision *v, const struct iovec *iov, int cnt)
{
	struct layer_room *r = layer_room(v->worker);
	uint8_t *out = r ? pool_get(&r->out) : NULL;
	size_t used = 0;
	ssize_t taken;
	int rc;

	if (!out)
		return write_fail(v, -ENOMEM);
	taken = frames(v, iov, cnt, out, &used);
	rc = taken < 0 ? write_fail(v, (int)taken) : put_frames(v, out, used);
	pool_put(&r->out, out);
	return rc < 0 ? rc : taken;
}

/* Somebody to write to? 0, -EAGAIN, -errno */
static int below_up(struct vision *v)
{
	struct stream *b = v->s.below;
	ssize_t n;

	if (b->ops->up(b) || v->server)
		return 0;
	n = b->ops->writev(b, NULL, 0);
	return n < 0 ? write_fail(v, (int)n) : 0;
}

static ssize_t vision_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct vision *v = vision_of(s);
	int rc = write_err(v) ? write_err(v) : tell_below(v);
	ssize_t n = 0;

	if (!rc)
		rc = flush_out(v);
	if (!rc && !v->tx.done && cnt)
		n = write_frames(v, iov, cnt);
	else if (!rc && !v->tx.done)
		rc = below_up(v);
	else if (!rc)
		rc = leave(v, ST_WRITE, v->tx.done, &v->tx_bare);
	if (rc < 0)
		return rc;
	if (!v->tx_bare)
		return n || !cnt ? n : -EAGAIN;
	s = v->s.below;
	return s->ops->writev(s, iov, cnt);
}

/* A client that has nothing to say yet hides its head in padding. 0, -EAGAIN, ... */
static int first_frame(struct vision *v)
{
	const struct vision_piece empty = { .longer = true,
					    .dice = rand_u32() };
	uint8_t out[VISION_FRAME_MAX];
	ssize_t n;

	if (v->server || !v->tx.first)
		return flush_out(v);
	n = vision_frame(&v->tx, &empty, out, sizeof(out));
	return n < 0 ? write_fail(v, (int)n) : put_frames(v, out, (size_t)n);
}

static int vision_finish(struct stream *s)
{
	struct vision *v = vision_of(s);
	int rc = write_err(v) ? write_err(v) : tell_below(v);

	if (!rc)
		rc = first_frame(v);
	if (!rc)
		rc = flush_out(v);
	if (!rc && v->tx.done)
		rc = leave(v, ST_WRITE, v->tx.done, &v->tx_bare);
	return rc ? rc : v->s.below->ops->finish(v->s.below);
}

/* --- reading ------------------------------------------------------------------ */

static ssize_t next_bytes(struct vision *v, uint8_t *p, size_t room)
{
	struct iovec iov = { p, room };

	if (v->early)
		return (ssize_t)keep_take(&v->early, &iov, 1);
	return stream_read(v->s.below, p, room);
}

/* One read below, its frames taken off. Content, 0 end, -EAGAIN, -errno */
static ssize_t read_frames(struct vision *v, uint8_t *p, size_t room)
{
	size_t used;
	ssize_t n, content;

	while (!v->rx.done) {
		n = next_bytes(v, p, room);
		if (n <= 0)
			return n;
		content = vision_unframe(&v->rx, p, (size_t)n, &used);
		if (content < 0)
			log_info(
				"s%x vision: the other side's frames are wrong",
				v->id);
		if (content < 0)
			return content;
		if (keep_copy(&v->rest, p + used, (size_t)n - used) < 0)
			return -ENOMEM;
		vision_look_at(&v->look, p, (size_t)content);
		if (content)
			return content;
	}
	return -EAGAIN;
}

static ssize_t vision_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct vision *v = vision_of(s);
	int rc = v->err ? v->err : tell_below(v);
	ssize_t n;

	if (rc < 0 && rc != -EAGAIN)
		return rc;
	if (!rc && !v->tx_err)
		(void)first_frame(v); /* a failure is read behind the rest */
	if (!v->rx.done) {
		n = read_frames(v, iov->iov_base, iov->iov_len);
		if (n == -EAGAIN && !v->rx.done && v->tx_err)
			n = v->tx_err;
		if (n != -EAGAIN || !v->rx.done)
			return n < 0 ? vision_fail(v, (int)n) : n;
	}
	if (v->rest)
		return (ssize_t)keep_take(&v->rest, iov, cnt);
	rc = leave(v, ST_READ, v->rx.done, &v->rx_bare);
	if (rc < 0)
		return rc;
	n = s->below->ops->readv(s->below, iov, cnt);
	if (n == -EAGAIN && v->tx_err)
		n = v->tx_err;
	if (n > 0 && v->look.left > 0)
		vision_look_at(&v->look, iov->iov_base,
			       (size_t)n < iov->iov_len ? (size_t)n :
							  iov->iov_len);
	if (v->look.left <= 0 && pass_can(s))
		s->ops = &vision_lends_ops;
	return n;
}

static ssize_t vision_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct vision *v = vision_of(s);
	ssize_t n = v->err ? v->err : pass_lend(s, &vision_ops, iov, cnt);

	if (n == -EAGAIN && v->tx_err && s->ops->lend)
		n = v->tx_err;
	return n;
}

/* --- the rest ------------------------------------------------------------------ */

static void vision_want(struct stream *s, unsigned int events)
{
	struct vision *v = vision_of(s);

	if (events & ST_READ && (v->early || v->rest))
		job_ready(s->job);
	if (v->out || (!v->server && v->tx.first && !v->tx_err))
		events |= ST_WRITE;
	s->below->ops->want(s->below, events);
}

static bool vision_up(const struct stream *s)
{
	const struct vision *v = (const struct vision *)(const void *)s;

	return !write_err(v) && s->below->ops->up(s->below);
}

static void vision_free(struct vision *v)
{
	buf_free(v->out);
	buf_free(v->early);
	buf_free(v->rest);
	wipe(&v->rx, sizeof(v->rx));
	wipe(&v->tx, sizeof(v->tx));
	free(v);
}

static void vision_close(struct stream *s, int why)
{
	stream_close(&s->below, why);
	vision_free(vision_of(s));
}

static struct stream *vision_shed(struct stream *s)
{
	struct vision *v = vision_of(s);
	struct stream *below = s->below;

	if (v->err || v->out || v->rest || !v->rx_bare || !v->tx_bare)
		return NULL;
	vision_free(v);
	return below;
}

static struct watch *vision_watch(struct stream *s, unsigned int dir)
{
	struct vision *v = vision_of(s);
	struct stream *b = s->below;

	if (v->err || v->look.left > 0 || !b->ops->watch)
		return NULL;
	if (dir == ST_READ ? !v->rx_bare || v->rest : !v->tx_bare || v->out)
		return NULL;
	return b->ops->watch(b, dir);
}

#define VISION_OPS \
	.name = "vision", .readv = vision_readv, .writev = vision_writev, \
	.want = vision_want, .up = vision_up, .finish = vision_finish, \
	.close = vision_close, .shed = vision_shed, .watch = vision_watch

static const struct stream_ops vision_ops = { VISION_OPS };
static const struct stream_ops vision_lends_ops = { VISION_OPS,
						    .lend = vision_lend,
						    .took = pass_took };

struct stream *vision_new(struct worker *w, struct stream *below,
			  const uint8_t id[16], uint32_t session, bool server)
{
	struct vision *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->s = (struct stream){ .ops = &vision_ops,
				.below = below,
				.job = below->job };
	v->worker = w;
	v->id = session;
	v->server = server;
	vision_look_init(&v->look);
	vision_rx_init(&v->rx, id);
	vision_tx_init(&v->tx, id);
	return &v->s;
}

void vision_pad(struct stream *s, const struct vision_seed *seed)
{
	vision_of(s)->tx.seed = *seed;
}

int vision_unread(struct stream *s, const uint8_t *p, size_t n)
{
	return keep_copy(&vision_of(s)->early, p, n);
}
