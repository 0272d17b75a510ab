/*
 * chunk.c - A stream as sealed chunks
 *
 *   writev:  seal out of the caller's memory, all of one copy -> one write below
 *   lend:    one read below (pace.h) -> open in place -> lent as they lie
 *
 * Sealing happens in the worker's memory; only what the connection below does
 * not take is copied to the flow. Buffers for reading come from the worker's
 * pool and go back when all is consumed; less than a chunk that waits for the
 * rest is moved to a buffer of its size.
 *
 * One writev of at most @max bytes in one piece makes one chunk, and each
 * iovec lent is one chunk: packets can be carried so (tube.c).
 */
#include "proxy/layer/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "proxy/layer/cursor.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/room.h"

static const struct stream_ops
	bare_stream_ops; /* once reading passes through */

static struct chunk *chunk_of(struct stream *s)
{
	return container_of(s, struct chunk, s);
}

static int chunk_fail(struct chunk *c, int err)
{
	if (err != -EAGAIN)
		c->err = err;
	return err;
}

/* --- writing ----------------------------------------------------------------- */

/* Nothing can be written any more: what waits is lost. What was received is not */
static int write_fail(struct chunk *c, int err)
{
	if (err == -EAGAIN)
		return err;
	c->tx_err = err;
	buf_free(c->out);
	c->out = NULL;
	return err;
}

static int write_err(const struct chunk *c)
{
	return c->err ? c->err : c->tx_err;
}

/* What was sealed before. 0, -EAGAIN, -errno */
static int flush_out(struct chunk *c)
{
	int rc = keep_flush(&c->out, c->s.below);

	c->head_out |= c->started && !c->out;
	return rc ? write_fail(c, rc) : 0;
}

/* @n sealed bytes go out, or wait. 0 or -errno */
static int put_sealed(struct chunk *c, const uint8_t *p, size_t n)
{
	int rc = keep_put(&c->out, c->s.below, p, n);

	c->head_out |= c->started && !c->out;
	return rc ? write_fail(c, rc) : 0;
}

/*
 * Nothing is sealed before there is a connection: what the client sends until
 * then shall wait on its side. 0, -EAGAIN, -errno
 */
static int below_up(struct chunk *c)
{
	struct stream *b;
	ssize_t n;

	stream_shed(&c->s.below);
	b = c->s.below;
	if (b->ops->up(b))
		return 0;
	n = b->ops->writev(b, NULL, 0);
	if (n < 0)
		return write_fail(c, (int)n);
	return b->ops->up(b) ? 0 : -EAGAIN;
}

/* Memory to seal in; NULL: out of memory */
static uint8_t *lend_out(struct chunk *c)
{
	struct layer_room *r = layer_room(c->worker);

	return r ? pool_get(&r->out) : NULL;
}

static void give_back(struct chunk *c, uint8_t *out)
{
	if (out)
		pool_put(&layer_room(c->worker)->out, out);
}

/* Seal as much as one call takes. *@taken: bytes of payload. 0 or -errno */
static int seal_some(struct chunk *c, uint8_t *out, struct cursor *k,
		     size_t *taken, size_t *used)
{
	struct layer_room *r = layer_room(c->worker);
	ssize_t put;
	size_t n, most;

	if (!c->started) {
		n = cursor_copy(k, r->plain,
				c->first < sizeof(r->plain) ? c->first :
							      sizeof(r->plain));
		put = c->ops->start(c, r->plain, n, out, r->out_bytes);
		if (put < 0)
			return write_fail(c, (int)put);
		c->started = true;
		*taken += n;
		*used += (size_t)put;
	}
	while ((n = cursor_left(k)) > 0) {
		uint8_t *at = out + *used;
		size_t room = r->out_bytes - *used;

		most = c->ops->size ? c->ops->size(c) : c->max;
		if (n > most)
			n = most;
		if (n + c->extra > room)
			break;
		put = c->ops->seal(c, cursor_next(k, at + c->lead, n), n, at,
				   room);
		if (put < 0)
			return write_fail(c, (int)put);
		*taken += n;
		*used += (size_t)put;
	}
	return 0;
}

static ssize_t chunk_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct chunk *c = chunk_of(s);
	struct cursor k = { .iov = iov, .cnt = cnt };
	size_t taken = 0, used = 0;
	uint8_t *out = NULL;
	int rc = write_err(c);

	if (!rc && c->ended)
		rc = -EPIPE;
	if (!rc)
		rc = below_up(c);
	if (!rc)
		rc = flush_out(c);
	if (!rc && c->bare_out)
		return s->below->ops->writev(s->below, iov, cnt);
	if (!rc && !(out = lend_out(c)))
		rc = -ENOMEM;
	if (!rc && (cnt || !c->lazy))
		rc = seal_some(c, out, &k, &taken, &used);
	if (!rc && used)
		rc = put_sealed(c, out, used);
	give_back(c, out);
	if (rc < 0)
		return rc;
	return taken || cnt == 0 ? (ssize_t)taken : -EAGAIN;
}

/* A client's head goes without payload when there is none. 0, -EAGAIN, -errno */
static int chunk_start(struct chunk *c)
{
	struct cursor k = { .cnt = 0 };
	size_t taken = 0, used = 0;
	int rc = write_err(c);
	uint8_t *out;

	if (!rc && (!c->started || c->out))
		rc = below_up(c);
	if (!rc && !c->started && !c->lazy) {
		out = lend_out(c);
		rc = out ? seal_some(c, out, &k, &taken, &used) : -ENOMEM;
		if (!rc)
			rc = put_sealed(c, out, used);
		give_back(c, out);
	}
	return rc ? rc : flush_out(c);
}

/* What @say makes goes out, or waits. Bytes or -errno */
static ssize_t put_word(struct chunk *c,
			ssize_t (*say)(struct chunk *c, uint8_t *out,
				       size_t room))
{
	uint8_t *out = lend_out(c);
	ssize_t n = out ? say(c, out, LAYER_CALL_BYTES) : -ENOMEM;
	int rc = n < 0 ? write_fail(c, (int)n) : put_sealed(c, out, (size_t)n);

	give_back(c, out);
	return rc < 0 ? rc : n;
}

/* The last chunk, once. 0 or -errno */
static int seal_end(struct chunk *c)
{
	ssize_t n;

	if (!c->ops->end || !c->started || c->end_sealed || c->bare_out)
		return 0;
	c->end_sealed = true;
	n = put_word(c, c->ops->end);
	c->end_told = n > 0;
	return n < 0 ? (int)n : 0;
}

/*
 * An end that the body tells is not told again to a layer below: who reads no
 * further (as v2ray and Xray do) would close with TLS's close_notify unread, and
 * that is a RST which takes the last answer with it. Only nothing may wait there.
 */
static int end_below(struct chunk *c)
{
	struct stream *b = c->s.below;

	if (!c->end_told || c->security || !b->below)
		return b->ops->finish(b);
	return stream_settled(b);
}

static int chunk_finish(struct stream *s)
{
	struct chunk *c = chunk_of(s);
	int rc = chunk_start(c);

	c->ended = true;
	if (rc < 0)
		return rc;
	rc = seal_end(c);
	if (!rc)
		rc = flush_out(c);
	if (!rc)
		rc = end_below(c);
	c->finished = !rc;
	return rc;
}

/* --- reading ----------------------------------------------------------------- */

/* Back to the pool; what is left of it is kept in a buffer of its size */
static void park(struct chunk *c)
{
	struct chunk_in *in = c->in;

	if (keep_copy(&c->part, in->data + in->off, in->len - in->off) < 0)
		return; /* then it stays */
	pool_put(&layer_room(c->worker)->in, in);
	c->in = NULL;
}

static int unpark(struct chunk *c)
{
	struct layer_room *r = layer_room(c->worker);

	if (c->in)
		return 0;
	c->in = r ? pool_get(&r->in) : NULL;
	if (!c->in)
		return -ENOMEM;
	c->in->off = c->in->len = 0;
	c->in->seg_at = c->in->seg_count = 0;
	if (c->part) {
		c->in->len = c->part->len;
		memcpy(c->in->data, buf_head(c->part), c->part->len);
		buf_free(c->part);
		c->part = NULL;
	}
	return 0;
}

int chunk_unread(struct chunk *c, const uint8_t *p, size_t n)
{
	c->more = n > 0;
	return keep_copy(&c->part, p, n);
}

/* Open what is whole. 0 or -errno */
static int open_some(struct chunk *c)
{
	struct chunk_in *in = c->in;
	uint32_t most = c->single ? 1 : LAYER_SEGS;
	uint8_t *data = NULL;
	size_t len = 0;
	ssize_t n;

	if (in->seg_at == in->seg_count)
		in->seg_at = in->seg_count = 0;
	c->more = false;
	while (!c->eof && in->off < in->len && in->seg_count < most) {
		n = c->ops->open(c, in->data + in->off, in->len - in->off,
				 &data, &len);
		if (n == -EPIPE) {
			c->eof = true;
			in->off = in->len;
		} else if (n <= 0) {
			return (int)n;
		} else {
			in->off += (uint32_t)n;
			c->opened = true;
		}
		if (n <= 0 || !len)
			continue;
		in->seg[in->seg_count].off = (uint32_t)(data - in->data);
		in->seg[in->seg_count++].len = (uint32_t)len;
	}
	c->more = !c->eof && in->off < in->len;
	return 0;
}

/* One read below. Bytes, 0 end, -EAGAIN, -errno */
static ssize_t read_some(struct chunk *c)
{
	struct chunk_in *in = c->in;
	size_t most, want;
	ssize_t n;

	if (in->off) {
		memmove(in->data, in->data + in->off, in->len - in->off);
		in->len -= in->off;
		in->off = 0;
	}
	if (in->len >= PACE_LEAST)
		return -EPROTO; /* no chunk is so long */
	most = c->most + LAYER_IN_MORE - in->len;
	want = c->edge ? c->ops->missing(in->data, in->len) : most;
	n = stream_read(c->s.below, in->data + in->len,
			want < most ? want : most);
	if (n > 0)
		in->len += (uint32_t)n;
	return n;
}

/* The connection ended: in order, or in the middle? 0 or -errno */
static int below_ended(struct chunk *c)
{
	c->below_eof = true;
	if (c->tx_err)
		return c->tx_err; /* it did not end, it broke */
	if (!c->security && c->in->len == c->in->off && !c->ops->within(c) &&
	    (c->opened || c->finished)) {
		c->eof = true;
		return 0;
	}
	log_info("s%x %s: the connection ended %s", c->id, c->ops->name,
		 c->security ? "without close_notify" :
		 c->opened   ? "within a chunk" :
			       "before an answer");
	return -ECONNRESET;
}

static bool has_segs(const struct chunk *c)
{
	return c->in && c->in->seg_at < c->in->seg_count;
}

bool chunk_rests(struct chunk *c)
{
	struct chunk_in *in = c->in;

	if (c->part || has_segs(c) || (in && in->off < in->len))
		return false;
	if (in)
		pool_put(&layer_room(c->worker)->in, in);
	c->in = NULL;
	return true;
}

/*
 * The end of a security level is read once, whatever became of the connection
 * behind it; then only its break is of interest
 */
static int past_end(struct chunk *c)
{
	uint8_t junk[256];
	ssize_t n;

	if (!c->end_read) {
		c->end_read = true;
		return 0;
	}
	do {
		n = stream_read(c->s.below, junk, sizeof(junk));
	} while (n > 0);
	c->below_eof = n == 0;
	return n < 0 && n != -EAGAIN ? chunk_fail(c, (int)n) : 0;
}

/* What does not open was the other side's fault: say so, as far as it goes */
static int open_failed(struct chunk *c, int err)
{
	if (err == -EPROTO && c->ops->fault && c->started && !c->bare_out &&
	    !c->end_sealed && !c->out && !c->tx_err)
		(void)put_word(c, c->ops->fault);
	return chunk_fail(c, err);
}

/* Open, read, open, until there is payload or an end. 0, -EAGAIN, -errno */
static int open_more(struct chunk *c)
{
	int rc = unpark(c);

	while (!rc) {
		ssize_t n;

		rc = open_some(c);
		if (rc || has_segs(c) || (c->eof && !c->below_eof))
			break;
		n = read_some(c);
		if (n < 0)
			rc = (int)n;
		else if (n == 0 && c->eof)
			break;
		else if (n == 0)
			rc = below_ended(c);
	}
	c->end_read |= !rc && !has_segs(c);
	return rc;
}

/* Until some payload is opened: 1, 0 end, -EAGAIN, -errno */
static int fill(struct chunk *c)
{
	int rc = c->err;

	if (rc < 0 || has_segs(c))
		return rc < 0 ? rc : 1;
	if (c->eof && !c->below_eof) {
		if (c->in) /* the end came with the last payload */
			park(c);
		return c->security ? past_end(c) : 0;
	}
	if (c->edge && chunk_rests(c)) {
		c->edge = false;
		job_ready(c->s.job);
		return -EAGAIN;
	}
	rc = c->lazy ? 0 : chunk_start(c);
	if (rc < 0 && !c->started)
		return rc;
	rc = open_more(c);
	if (!rc && has_segs(c))
		return 1;
	if (rc == -EAGAIN && c->tx_err)
		rc = c->tx_err; /* nothing more will come */
	if (c->in)
		park(c);
	return open_failed(c, rc);
}

/* More behind what is lent already, which stays where it is; failures wait */
static void top_up(struct chunk *c)
{
	struct chunk_in *in = c->in;
	size_t most = PACE_LEAST + LAYER_IN_MORE;
	ssize_t n = 0;

	if (c->single || c->edge || c->eof || in->seg_count == LAYER_SEGS)
		return;
	if (in->len < most)
		n = stream_read(c->s.below, in->data + in->len, most - in->len);
	if (n <= 0)
		return;
	in->len += (uint32_t)n;
	(void)open_some(c);
}

/* What is open, as it lies. Bytes */
static ssize_t show(const struct chunk *c, struct iovec *iov, int *cnt)
{
	struct chunk_in *in = c->in;
	ssize_t bytes = 0;
	int n = 0;

	for (uint32_t i = in->seg_at; i < in->seg_count && n < *cnt; i++) {
		iov[n].iov_base = in->data + in->seg[i].off;
		iov[n++].iov_len = in->seg[i].len;
		bytes += in->seg[i].len;
	}
	*cnt = n;
	return bytes;
}

/* @again: some was not taken the last time */
static ssize_t lend(struct chunk *c, struct iovec *iov, int *cnt, bool again)
{
	int rc;

	stream_shed(&c->s.below);
	if (!c->err && again)
		top_up(c);
	rc = fill(c);
	return rc > 0 && c->in ? show(c, iov, cnt) : rc;
}

static ssize_t chunk_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct chunk *c = chunk_of(s);
	bool again = has_segs(c);
	ssize_t n;

	c->most = again ? PACE_LEAST : pace_bytes(c->worker, &c->pace);
	n = lend(c, iov, cnt, again);
	if (n > 0)
		pace_moved(&c->pace, (size_t)n, !again);
	return n;
}

static void chunk_took(struct stream *s, size_t n)
{
	struct chunk_in *in = chunk_of(s)->in;

	while (n && in && in->seg_at < in->seg_count) {
		uint32_t len = in->seg[in->seg_at].len;
		uint32_t take = n < len ? (uint32_t)n : len;

		in->seg[in->seg_at].off += take;
		in->seg[in->seg_at].len -= take;
		n -= take;
		if (take == len)
			in->seg_at++;
	}
}

/* Who reads has memory for it: no more is read ahead than that */
static ssize_t chunk_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct chunk *c = chunk_of(s);
	struct iovec lent[STREAM_IOV];
	int lent_cnt = STREAM_IOV;
	ssize_t n;

	c->most = iov_bytes(iov, cnt);
	if (c->most < PACE_LEAST)
		c->most = PACE_LEAST;
	if (c->most > pace_most(c->worker))
		c->most = pace_most(c->worker);
	n = lend(c, lent, &lent_cnt, has_segs(c));
	if (n <= 0)
		return n;
	n = (ssize_t)cursor_spread(lent, lent_cnt, iov, cnt);
	chunk_took(s, (size_t)n);
	return n;
}

/* --- passing through ---------------------------------------------------------- */

/* Behind the last chunk: what was read of it, then what below has */
static ssize_t bare_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct chunk *c = chunk_of(s);

	if (c->err)
		return c->err;
	if (c->part)
		return (ssize_t)keep_take(&c->part, iov, cnt);
	return s->below->ops->readv(s->below, iov, cnt);
}

static struct watch *chunk_watch(struct stream *s, unsigned int dir)
{
	struct chunk *c = chunk_of(s);
	struct stream *b = s->below;

	if (c->err || !b->ops->watch)
		return NULL;
	if (dir == ST_READ ? !c->bare_in || c->part : !c->bare_out || c->out)
		return NULL;
	return b->ops->watch(b, dir);
}

/* The codec may have a better way, once the head is out */
static struct stream *chunk_change(struct stream *s)
{
	struct chunk *c = chunk_of(s);

	if (!c->ops->shed || write_err(c) || c->asked || !c->started ||
	    c->ended || c->eof || c->below_eof || c->out)
		return NULL;
	return c->ops->shed(c);
}

static struct stream *chunk_shed(struct stream *s)
{
	struct chunk *c = chunk_of(s);
	struct stream *below = s->below;

	if (c->err || !c->bare_in || !c->bare_out || c->part || c->out)
		return NULL;
	c->ops->drop(c);
	free(c);
	return below;
}

/* The codec may have a part in it. 0, -EAGAIN, -errno */
static int bare_codec(struct chunk *c, unsigned int dir)
{
	int rc = 0;

	if (!c->ops->bare)
		return 0;
	if (dir == ST_WRITE)
		rc = flush_out(c);
	return rc ? rc : c->ops->bare(c, dir);
}

static int bare_out(struct chunk *c)
{
	int rc;

	if (c->bare_out)
		return 0;
	rc = c->started ? bare_codec(c, ST_WRITE) : -EAGAIN;
	c->bare_out = !rc;
	return rc;
}

static int bare_in(struct chunk *c)
{
	int rc;

	if (c->bare_in)
		return 0;
	if (has_segs(c))
		return -EPROTO; /* it was to end with a chunk */
	if (c->in)
		park(c);
	rc = c->in ? -ENOMEM : bare_codec(c, ST_READ);
	if (rc < 0)
		return chunk_fail(c, rc);
	c->bare_in = true;
	c->s.ops = &bare_stream_ops;
	return 0;
}

static int chunk_bare(struct stream *s, unsigned int dir)
{
	struct chunk *c = chunk_of(s);
	int rc = 0;

	if (!c->security && !c->ops->bare)
		return -EPROTONOSUPPORT;
	c->asked = true;
	c->edge = false;
	c->single = !(dir & ST_STAY);
	if (dir & ST_WRITE)
		rc = bare_out(c);
	if (!rc && dir & ST_READ)
		rc = bare_in(c);
	return rc;
}

/* --- the rest ---------------------------------------------------------------- */

static void chunk_want(struct stream *s, unsigned int events)
{
	struct chunk *c = chunk_of(s);

	/* the owner may have no more to write, and never call for that again */
	if (c->out && flush_out(c) < 0 && c->tx_err)
		job_ready(s->job);
	/* below knows nothing of what waits here: no event would tell of it */
	if (events & ST_READ && (has_segs(c) || c->more))
		job_ready(s->job);
	if (events & ST_READ && c->bare_in && c->part)
		job_ready(s->job);
	if (c->eof && !c->below_eof && !c->security) /* nobody reads it */
		events &= ~(unsigned int)ST_READ;
	if (c->out || (!c->started && !c->lazy))
		events |= ST_WRITE;
	if (!s->below->ops->up(s->below))
		events |= ST_READ | ST_WRITE;
	s->below->ops->want(s->below, events);
}

static bool chunk_up(const struct stream *s)
{
	const struct chunk *c = (const struct chunk *)(const void *)s;

	return !c->err && !c->tx_err &&
	       (c->lazy || (c->started && (c->head_out || !c->out))) &&
	       s->below->ops->up(s->below);
}

static void chunk_hello(struct stream *s, struct stream_hello *out)
{
	struct chunk *c = chunk_of(s);

	if (c->ops->hello)
		c->ops->hello(c, out);
	else
		stream_hello(s->below, out);
}

static void chunk_close(struct stream *s, int why)
{
	struct chunk *c = chunk_of(s);

	/*
	 * Who closes in order need not have half-closed before. What finds no room
	 * shows as an end without close_notify; a reset would take along what the
	 * socket has not sent yet
	 */
	if (why == 0 && c->security && !write_err(c) && !c->bare_out &&
	    flush_out(c) == 0 && seal_end(c) == 0)
		(void)flush_out(c);
	stream_close(&s->below, why);
	if (c->in)
		pool_put(&layer_room(c->worker)->in, c->in);
	buf_free(c->part);
	buf_free(c->out);
	c->ops->drop(c);
	free(c);
}

static const struct stream_ops chunk_stream_ops = {
	.name = "chunk",
	.readv = chunk_readv,
	.writev = chunk_writev,
	.lend = chunk_lend,
	.took = chunk_took,
	.want = chunk_want,
	.up = chunk_up,
	.finish = chunk_finish,
	.close = chunk_close,
	.shed = chunk_change,
	.watch = chunk_watch,
	.hello = chunk_hello,
	.bare = chunk_bare,
};

static const struct stream_ops bare_stream_ops = {
	.name = "chunk",
	.readv = bare_readv,
	.writev = chunk_writev,
	.want = chunk_want,
	.up = chunk_up,
	.finish = chunk_finish,
	.close = chunk_close,
	.shed = chunk_shed,
	.watch = chunk_watch,
	.hello = chunk_hello,
	.bare = chunk_bare,
};

void chunk_init(struct chunk *c, const struct chunk_ops *ops, struct worker *w,
		struct stream *below, uint32_t id)
{
	c->s = (struct stream){ .ops = &chunk_stream_ops,
				.below = below,
				.job = below->job };
	c->ops = ops;
	c->worker = w;
	c->id = id;
}
