/*
 * head.c - A head before the first bytes of a stream, each way
 *
 *   written:  head | payload ...	together, in one call below
 *   read:     answer | payload ...	the answer may come as late as it likes
 *
 * Each direction is passed through as soon as its head is done: the upload may
 * be spliced while the answer is awaited. When both are done the layer sheds.
 * It reads no byte behind an answer whose size is known.
 */
#include "proxy/layer/head.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/compat.h"
#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "proxy/layer/keep.h"
#include "proxy/layer/pass.h"

#define ANSWER_FIRST 512
#define ANSWER_MAX   (16u << 10)

/**
 * struct head - The layer
 * @out:	Bytes of the head not sent yet; NULL: sent
 * @in:		Bytes of the answer, later those behind it; NULL: none
 * @answered:	Nothing of the answer is awaited
 * @finished:	The end was passed down: the other side may end in silence
 * @err:	Final -errno; 0 while it goes on. @tx_err: of writing the head, which
 *		reading tells when no answer is there
 */
struct head {
	struct stream s;
	const struct head_ops *ops;
	struct buf *out, *in;
	void *arg;
	uint32_t id;
	bool answered, finished;
	int err, tx_err;
};

static const struct stream_ops head_stream_ops, head_lends_ops;

static struct head *head_of(struct stream *s)
{
	return container_of(s, struct head, s);
}

/* Heads carry passwords */
static void buf_wipe(struct buf **b)
{
	if (*b)
		wipe((*b)->data, (*b)->cap);
	buf_free(*b);
	*b = NULL;
}

static int head_fail(struct head *h, int err)
{
	if (err != -EAGAIN)
		h->err = err;
	return err;
}

/* Nothing can be written any more; what was received still counts */
static int write_fail(struct head *h, int err)
{
	if (err != -EAGAIN)
		h->tx_err = err;
	return err;
}

static int write_err(const struct head *h)
{
	return h->err ? h->err : h->tx_err;
}

/* @n bytes of the head went out */
static void head_sent(struct head *h, size_t n)
{
	buf_drop(h->out, n);
	if (!h->out->len)
		buf_wipe(&h->out);
}

/* The head that only a connection tells. 0, -EAGAIN, -errno */
static int head_fill(struct head *h)
{
	struct stream *b = h->s.below;
	ssize_t n;

	if (!h->out || h->out->len)
		return 0;
	if (!b->ops->up(b)) {
		n = b->ops->writev(b, NULL, 0); /* tells how it stands */
		if (n < 0)
			return write_fail(h, (int)n);
	}
	stream_shed(&h->s.below);
	h->out->len = (uint32_t)h->ops->fill(h->arg, h->s.below, h->out->data);
	return 0;
}

/* The head alone. 0, -EAGAIN, -errno */
static int head_flush(struct head *h)
{
	ssize_t n = h->tx_err ? h->tx_err : head_fill(h);

	if (n < 0)
		return (int)n;
	while (h->out) {
		n = stream_write(h->s.below, buf_head(h->out), h->out->len);
		if (n < 0)
			return write_fail(h, (int)n);
		head_sent(h, (size_t)n);
	}
	return 0;
}

/* Room for what is to be read next, at least one byte. 0 or -errno */
static int answer_room(struct head *h)
{
	struct buf *b;

	if (h->in && buf_space(h->in))
		return 0;
	if (h->in && h->in->cap >= ANSWER_MAX)
		return -EPROTO;
	b = buf_new(h->in ? h->in->cap * 4u : ANSWER_FIRST);
	if (!b)
		return -ENOMEM;
	if (h->in)
		buf_put(b, buf_head(h->in), h->in->len);
	buf_free(h->in);
	h->in = b;
	return 0;
}

/* The answer, or a part of it, was added to @in. 0 done, -EAGAIN, -errno */
static int answer_take(struct head *h)
{
	ssize_t used = h->ops->take(h->arg, h->id, buf_head(h->in), h->in->len);

	if (used <= 0)
		return used ? (int)used : -EAGAIN;
	buf_drop(h->in, (size_t)used);
	if (!h->in->len) {
		buf_free(h->in);
		h->in = NULL;
	}
	h->answered = true;
	return 0;
}

/* One read. Bytes, 0 end, -EAGAIN, -errno */
static ssize_t answer_read(struct head *h)
{
	size_t have = h->in ? h->in->len : 0, want;
	ssize_t n;
	int rc = answer_room(h);

	if (rc < 0)
		return rc;
	want = h->ops->size ? h->ops->size(buf_head(h->in), have) : SIZE_MAX;
	want -= have;
	if (want > buf_space(h->in))
		want = buf_space(h->in);
	n = stream_read(h->s.below, buf_tail(h->in), want);
	if (n > 0)
		h->in->len += (uint32_t)n;
	if (n < 0 && !h->in->len) { /* waiting costs no buffer */
		buf_free(h->in);
		h->in = NULL;
	}
	return n;
}

/* 0 answered; 1 it ended in silence; -EAGAIN, -errno */
static int head_answer(struct head *h)
{
	ssize_t n;
	int rc = -EAGAIN;

	while (!h->answered && rc == -EAGAIN) {
		n = answer_read(h);
		if ((n == -EAGAIN || n == 0) && h->tx_err) /* none will come */
			return head_fail(h, h->tx_err);
		if (n < 0)
			return head_fail(h, (int)n);
		if (n == 0 && h->finished && !h->in->len)
			return 1;
		if (n == 0) {
			log_info("s%x %s: server ended before its answer",
				 h->id, h->ops->name);
			return head_fail(h, -ECONNRESET);
		}
		rc = answer_take(h);
	}
	return h->answered ? 0 : head_fail(h, rc);
}

/* What must be before reading. 0, 1 (end), -EAGAIN, -errno */
static int head_step(struct head *h)
{
	int rc = h->err;

	if (rc < 0)
		return rc;
	if (h->out && !h->ops->lazy && !h->ops->after)
		rc = head_flush(h);
	if (h->tx_err)
		rc = 0;
	if (!rc && !h->answered)
		rc = head_answer(h);
	if (!rc && h->out && h->ops->after && !h->tx_err)
		rc = head_flush(h);
	return rc;
}

static ssize_t head_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct head *h = head_of(s);
	int rc;

	stream_shed(&s->below);
	rc = head_step(h);
	if (rc)
		return rc == 1 ? 0 : rc;
	if (h->in) /* read behind the answer */
		return (ssize_t)keep_take(&h->in, iov, cnt);
	if (pass_can(s))
		s->ops = &head_lends_ops;
	return s->below->ops->readv(s->below, iov, cnt);
}

static ssize_t head_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	int rc = head_step(head_of(s));

	if (rc)
		return rc == 1 ? 0 : rc;
	return pass_lend(s, &head_stream_ops, iov, cnt);
}

/* Head and payload in one call */
static ssize_t write_both(struct head *h, const struct iovec *iov, int cnt)
{
	struct iovec v[STREAM_IOV];
	ssize_t n = head_fill(h);
	size_t head = h->out->len;

	if (n < 0)
		return n;
	if (cnt > STREAM_IOV - 1)
		cnt = STREAM_IOV - 1;
	v[0] = (struct iovec){ buf_head(h->out), head };
	if (cnt > 0)
		memcpy(v + 1, iov, (size_t)cnt * sizeof(*v));
	n = h->s.below->ops->writev(h->s.below, v, cnt + 1);
	if (n < 0)
		return write_fail(h, (int)n);
	head_sent(h, (size_t)n < head ? (size_t)n : head);
	return (size_t)n > head ? n - (ssize_t)head : -EAGAIN;
}

static ssize_t head_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct head *h = head_of(s);
	int rc;

	stream_shed(&s->below);
	rc = h->ops->wait ? head_step(h) : 0;
	if (!rc)
		rc = write_err(h);
	if (rc)
		return rc == 1 ? -EPIPE : rc;
	if (h->out)
		return write_both(h, iov, cnt);
	return s->below->ops->writev(s->below, iov, cnt);
}

static void head_want(struct stream *s, unsigned int events)
{
	struct head *h = head_of(s);

	if (h->ops->wait && !h->answered)
		events = ST_READ;
	if (h->in && h->answered && events & ST_READ)
		job_ready(s->job);
	if (h->out && !h->tx_err && !h->ops->lazy &&
	    (!h->ops->after || h->answered))
		events |= ST_WRITE;
	s->below->ops->want(s->below, events);
}

static bool head_up(const struct stream *s)
{
	const struct head *h = (const struct head *)(const void *)s;

	if (write_err(h) || (h->ops->wait && !h->answered))
		return false;
	return (!h->out || h->ops->lazy) && s->below->ops->up(s->below);
}

static int head_finish(struct stream *s)
{
	struct head *h = head_of(s);
	int rc = h->ops->wait ? head_step(h) : write_err(h);

	if (!rc && !h->ops->lazy)
		rc = head_flush(h);
	if (rc < 0)
		return rc;
	rc = s->below->ops->finish(s->below);
	h->finished = !rc;
	return rc;
}

static void head_free(struct head *h)
{
	buf_wipe(&h->out);
	buf_free(h->in);
	free(h->arg);
	free(h);
}

static void head_close(struct stream *s, int why)
{
	stream_close(&s->below, why);
	head_free(head_of(s));
}

static struct stream *head_shed(struct stream *s)
{
	struct head *h = head_of(s);
	struct stream *below = s->below;

	if (h->err || h->out || !h->answered || h->in)
		return NULL;
	head_free(h);
	return below;
}

static struct watch *head_watch(struct stream *s, unsigned int dir)
{
	struct head *h = head_of(s);
	struct stream *b = s->below;

	if (h->err || !b->ops->watch)
		return NULL;
	if (dir == ST_WRITE && (h->out || (h->ops->wait && !h->answered)))
		return NULL;
	if (dir == ST_READ &&
	    (!h->answered || h->in || (h->out && !h->ops->lazy)))
		return NULL;
	return b->ops->watch(b, dir);
}

/* Only what is below a spent head can be left */
static int head_bare(struct stream *s, unsigned int dir)
{
	struct stream *b = s->below;

	if (!b->ops->bare)
		return -EPROTONOSUPPORT;
	return dir & (ST_READ | ST_WRITE) ? -EAGAIN : b->ops->bare(b, dir);
}

#define HEAD_OPS \
	.name = "head", .readv = head_readv, .writev = head_writev, \
	.want = head_want, .up = head_up, .finish = head_finish, \
	.close = head_close, .shed = head_shed, .watch = head_watch, \
	.bare = head_bare

static const struct stream_ops head_stream_ops = { HEAD_OPS };
static const struct stream_ops head_lends_ops = { HEAD_OPS, .lend = head_lend,
						  .took = pass_took };

struct stream *head_new(const struct head_ops *ops, struct stream *below,
			const uint8_t *p, size_t n, void *arg, uint32_t id)
{
	struct head *h = calloc(1, sizeof(*h));

	if (h)
		h->out = buf_new(ops->fill ? HEAD_FILL_MAX : n);
	if (!h || !h->out) {
		free(h);
		free(arg);
		return NULL;
	}
	if (n)
		buf_put(h->out, p, n);
	h->s = (struct stream){ .ops = &head_stream_ops,
				.below = below,
				.job = below->job };
	h->ops = ops;
	h->arg = arg;
	h->id = id;
	h->answered = !ops->take;
	return &h->s;
}
