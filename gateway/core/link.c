/*
 * link.c - The relay between two streams
 *
 * Each turn and direction: peel spent layers, put what was kept, then move by
 * the cheapest way both ends offer (architecture, section 5), until one side
 * blocks or the budget is used up. Not reading is the back-pressure.
 */
#include "gateway/core/link.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/core/fd_stream.h"
#include "gateway/core/link_way.h"
#include "gateway/core/worker.h"

const char *way_name(enum way way)
{
	static const char *const names[] = { "none", "splice", "lend", "room",
					     "copy" };

	return (unsigned int)way < ARRAY_SIZE(names) ? names[way] : "?";
}

static struct moved half_lend(struct half *h)
{
	struct stream *src = *h->src, *dst = *h->dst;
	struct iovec iov[STREAM_IOV];
	int cnt = STREAM_IOV;
	ssize_t n = src->ops->lend(src, iov, &cnt);

	if (n == -EAGAIN)
		return half_blocked(h, false);
	if (n <= 0)
		return moved(n, false);
	n = dst->ops->writev(dst, iov, cnt);
	if (n == -EAGAIN)
		return half_blocked(h, true);
	if (n < 0)
		return moved(n, true);
	src->ops->took(src, (size_t)n);
	h->way = WAY_LEND;
	return moved(n, true);
}

static struct moved half_room(struct half *h)
{
	struct stream *src = *h->src, *dst = *h->dst;
	struct iovec iov[STREAM_IOV];
	int cnt = STREAM_IOV, err;
	ssize_t n = dst->ops->room(dst, iov, &cnt);

	if (n == -EAGAIN)
		return half_blocked(h, true);
	if (n < 0)
		return moved(n, true);
	n = src->ops->readv(src, iov, cnt);
	err = dst->ops->filled(dst, n > 0 ? (size_t)n : 0);
	if (n == -EAGAIN)
		return half_blocked(h, false);
	if (n <= 0)
		return moved(n, false);
	if (err < 0)
		return moved(err, true);
	h->way = WAY_ROOM;
	return moved(n, true);
}

/* A record of TLS, a chunk of Shadowsocks or VMess: whole ones leave no crumb */
#define COPY_PIECE 16284
#define COPY_BYTES (PACE_LEAST / (16u << 10) * COPY_PIECE)
static_assert(COPY_BYTES <= WORKER_SCRATCH_BYTES, "it is read there");

/* What one copy reads */
static size_t copy_bytes(const struct worker *w, const struct half *h)
{
	size_t most = pace_bytes(w, &h->pace) / (16u << 10) * COPY_PIECE;

	return h->most && h->most < most ? h->most : most;
}

/* Keep what @dst did not take of @n bytes at @p. 0 or -ENOMEM */
static int half_keep(struct half *h, const uint8_t *p, size_t n)
{
	h->early = buf_new(n);
	if (!h->early)
		return -ENOMEM;
	return buf_put(h->early, p, n);
}

/* Put @n bytes of the worker's scratch memory; what @dst does not take is kept */
static struct moved half_put(struct worker *w, struct half *h, ssize_t n)
{
	struct stream *dst = *h->dst;
	ssize_t put = 0, more = 0;

	/* a layer takes what fits its memory, a socket says no the second time */
	do {
		more = stream_write(dst, w->scratch + put, (size_t)(n - put));
		put += more > 0 ? more : 0;
	} while (more > 0 && put < n);
	if (more < 0 && more != -EAGAIN)
		return moved(more, true);
	h->way = WAY_COPY;
	pace_moved(&h->pace, (size_t)n, put == n);
	if (put < n) {
		h->dst_blocked = true;
		if (half_keep(h, w->scratch + put, (size_t)(n - put)) < 0)
			return moved(-ENOMEM, true);
	}
	return put > 0 ? moved(put, true) : moved(-EAGAIN, true);
}

struct moved half_copy(struct worker *w, struct half *h)
{
	ssize_t n = stream_read(*h->src, w->scratch, copy_bytes(w, h));

	if (n == -EAGAIN)
		return half_blocked(h, false);
	if (n <= 0)
		return moved(n, false);
	return half_put(w, h, n);
}

/*
 * A layer wants its bytes by writev again (kernel TLS that takes another key):
 * those in the pipe go before what is not read yet
 */
static struct moved half_unpipe(struct worker *w, struct half *h)
{
	ssize_t n = pipe_read(w, h, w->scratch, COPY_BYTES);

	return n > 0 ? half_put(w, h, n) : moved(n ? n : -EPIPE, true);
}

/* Both ends are bare sockets: the bytes need not come up here */
static bool half_can_splice(struct half *h, struct watch **from,
			    struct watch **to)
{
	struct stream *src = *h->src, *dst = *h->dst;

	*from = src->ops->watch ? src->ops->watch(src, ST_READ) : NULL;
	*to = *from && dst->ops->watch ? dst->ops->watch(dst, ST_WRITE) : NULL;
	return *to;
}

static struct moved half_move(struct worker *w, struct half *h)
{
	struct watch *from, *to;

	if (half_can_splice(h, &from, &to) && (h->pipe || pipe_borrow(w, h)))
		return half_splice(w, h, from, to);
	if (h->piped)
		return half_unpipe(w, h);
	if ((*h->src)->ops->lend)
		return half_lend(h);
	if ((*h->dst)->ops->room)
		return half_room(h);
	return half_copy(w, h);
}

/* Put what was kept. Bytes, 0 nothing kept, -EAGAIN, -errno */
static ssize_t half_flush(struct half *h)
{
	ssize_t n;

	if (!h->early)
		return 0;
	if (h->early->len > 0) {
		n = stream_write(*h->dst, buf_head(h->early), h->early->len);
		if (n == -EAGAIN)
			h->dst_blocked = true;
		if (n < 0)
			return n;
		buf_drop(h->early, (size_t)n);
		h->total += (uint64_t)n;
		if (h->early->len > 0) {
			h->dst_blocked = true;
			return -EAGAIN;
		}
	}
	buf_free(h->early);
	h->early = NULL;
	return 0;
}

/*
 * Pass the end on; of the second direction to a socket that tells close(). 0 told,
 * -EAGAIN, -errno
 */
static int half_finish(struct half *h, const struct half *other)
{
	int err = other->finished && fd_stream_is(*h->dst) ?
			  0 :
			  (*h->dst)->ops->finish(*h->dst);

	if (err == -EAGAIN)
		h->dst_blocked = true;
	else if (err == 0)
		h->finished = true;
	return err;
}

/* An ended source can still break: see whether it was reset. 0 or -errno */
static int half_probe(const struct half *h)
{
	uint8_t byte;
	ssize_t n = stream_read(*h->src, &byte, sizeof(byte));

	return n < 0 && n != -EAGAIN ? (int)n : 0;
}

/*
 * What @n bytes cost of the budget. Spliced ones are cheap, and come as a pipe
 * full: a turn that ends behind each would ask epoll in vain
 */
static size_t half_cost(const struct half *h, size_t n)
{
	return h->way == WAY_SPLICE ? n / 4 : n;
}

/*
 * One direction, one turn. 0, or -errno, of the destination if @h->dst_failed; sets
 * *@again when the budget ended it.
 */
static int half_pump(struct worker *w, struct half *h, const struct half *other,
		     size_t budget, bool *again)
{
	struct moved m = { 0, true };
	size_t used = 0;

	h->src_blocked = false;
	h->dst_blocked = false;
	if (h->err)
		return h->err;
	h->dst_failed = false;
	if (h->finished)
		return half_probe(h);
	m.n = half_flush(h);
	while (m.n >= 0 && !h->eof && !h->early && used < budget) {
		m = half_move(w, h);
		if (m.n > 0) {
			used += half_cost(h, (size_t)m.n);
			h->total += (uint64_t)m.n;
		} else if (m.n == 0) {
			h->eof = true;
		}
	}
	if (m.n >= 0 && h->eof && !h->early && !h->piped)
		m = moved(half_finish(h, other), true);
	else if (m.n >= 0 && !h->early)
		*again = true;
	h->dst_failed = m.dst_failed;
	return m.n == -EAGAIN || m.n >= 0 ? 0 : (int)m.n;
}

/*
 * Is there more of what a broken side had sent? It gets nothing new. What any
 * level of the other side has taken and holds counts as well
 */
static bool half_delivers(struct half *h)
{
	if (h->finished || (h->err && h->dst_failed))
		return false;
	if (!h->err && !h->src_blocked)
		return true;
	h->dst_blocked = h->total && stream_settled(*h->dst) == -EAGAIN;
	return h->dst_blocked;
}

int link_pump(struct worker *w, struct half h[2], size_t budget, bool *again,
	      int *side)
{
	stream_shed(h[0].src);
	stream_shed(h[0].dst);
	*again = false;
	for (int i = 0; i < 2; i++)
		h[i].err = half_pump(w, &h[i], &h[!i], budget, again);
	for (int i = 0; i < 2; i++) {
		if (!h[i].err)
			continue;
		if (half_delivers(&h[h[i].dst_failed ? !i : i]))
			return 0;
		*side = h[i].dst_failed ? !i : i;
		return h[i].err;
	}
	return h[0].finished && h[1].finished;
}

static unsigned int half_wants(const struct half *in, const struct half *out)
{
	return (in->src_blocked || in->eof ? ST_READ : 0u) |
	       (out->dst_blocked ? ST_WRITE : 0u);
}

void link_want(const struct half h[2])
{
	struct stream *a = *h[0].src, *b = *h[0].dst;

	a->ops->want(a, half_wants(&h[0], &h[1]));
	b->ops->want(b, half_wants(&h[1], &h[0]));
}

void link_free(struct worker *w, struct half h[2])
{
	for (int i = 0; i < 2; i++) {
		pipe_return(w, &h[i]);
		buf_free(h[i].early);
		h[i].early = NULL;
	}
}
