/*
 * pair.c - Two ends of a byte pipe (contract: pair.h)
 *
 *   ours  writev -> @up   -> readv  near, the client of the session
 *         readv  <- @down <- writev
 *
 * Each direction holds PIPE_BYTES at most, and no buffer while it is empty. The
 * pair is freed when both ends are closed.
 */
#include "gateway/dns/pair.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/policy.h"
#include "gateway/core/session.h"

#define PIPE_BYTES 16384

/* Queries come for as long as names are asked for; we end it when it is idle */
static const struct policy pair_policy = { .handshake_ms = 10000,
					   .idle_ms = 120000,
					   .uplink_only_ms = 1000,
					   .downlink_only_ms = 1000 };

/** struct lane - One direction; @fin: no more will be written */
struct lane {
	struct buf *b;
	bool fin;
};

/**
 * struct end - One end
 * @in, @out:	What it reads and writes
 * @want:	ST_READ | ST_WRITE
 * @gone:	Closed
 * @why:	What the other end reads then
 */
struct end {
	struct stream s;
	struct pair *pair;
	struct end *other;
	struct lane *in, *out;
	unsigned int want;
	bool gone;
	int why;
};

struct pair {
	struct end near, ours;
	struct lane up, down;
	struct session *ses;
};

static struct end *end_of(struct stream *s)
{
	return container_of(s, struct end, s);
}

/* Something changed for @e in direction @dir */
static void end_wake(struct end *e, unsigned int dir)
{
	if (!e->gone && e->want & dir && e->s.job)
		job_ready(e->s.job);
}

static ssize_t end_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct end *e = end_of(s);
	struct buf *b = e->in->b;
	size_t did = 0, k;

	if (!b && e->in->fin)
		return 0;
	if (!b)
		return e->other->gone ? e->other->why : -EAGAIN;
	for (int i = 0; i < cnt && b->len; i++) {
		k = iov[i].iov_len < b->len ? iov[i].iov_len : b->len;
		if (k)
			memcpy(iov[i].iov_base, buf_head(b), k);
		buf_drop(b, k);
		did += k;
	}
	if (!b->len) {
		buf_free(b);
		e->in->b = NULL;
	}
	end_wake(e->other, ST_WRITE);
	return (ssize_t)did;
}

static ssize_t end_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct end *e = end_of(s);
	struct lane *w = e->out;
	size_t did = 0, k, room;

	if (e->other->gone)
		return e->other->why ? e->other->why : -EPIPE;
	if (w->fin)
		return -EPIPE;
	if (!w->b && !(w->b = buf_new(PIPE_BYTES)))
		return -ENOMEM;
	for (int i = 0; i < cnt; i++) {
		room = PIPE_BYTES - w->b->len;
		k = iov[i].iov_len < room ? iov[i].iov_len : room;
		if (k && buf_put(w->b, iov[i].iov_base, k) < 0)
			break;
		did += k;
	}
	if (!w->b->len) {
		buf_free(w->b);
		w->b = NULL;
		return 0;
	}
	end_wake(e->other, ST_READ);
	return did ? (ssize_t)did : -EAGAIN;
}

static bool can_read(const struct end *e)
{
	return e->in->b || e->in->fin || e->other->gone;
}

static bool can_write(const struct end *e)
{
	return !e->out->b || e->out->b->len < PIPE_BYTES || e->other->gone;
}

static void end_want(struct stream *s, unsigned int events)
{
	struct end *e = end_of(s);

	e->want = events;
	/* After the end was read, only a break is news */
	if ((events & ST_READ && can_read(e) &&
	     !(e->in->fin && !e->in->b && !e->other->gone)) ||
	    (events & ST_WRITE && can_write(e)))
		job_ready(s->job);
}

static bool end_up(const struct stream *s)
{
	(void)s;
	return true;
}

static int end_finish(struct stream *s)
{
	struct end *e = end_of(s);

	e->out->fin = true;
	end_wake(e->other, ST_READ);
	return 0;
}

static void end_close(struct stream *s, int why)
{
	struct end *e = end_of(s);
	struct pair *p = e->pair;

	e->gone = true;
	e->why = why;
	e->s.job = NULL;
	if (e == &p->ours && !p->near.gone)
		ses_kill(p->ses, why, 0);
	if (e == &p->near)
		end_wake(&p->ours, ST_READ | ST_WRITE);
	if (!e->other->gone)
		return;
	buf_free(p->up.b);
	buf_free(p->down.b);
	free(p);
}

static const struct stream_ops end_ops = {
	.name = "dns",
	.readv = end_readv,
	.writev = end_writev,
	.want = end_want,
	.up = end_up,
	.finish = end_finish,
	.close = end_close,
};

static void end_init(struct pair *p, struct end *e, struct end *other,
		     struct lane *in, struct lane *out)
{
	e->s.ops = &end_ops;
	e->pair = p;
	e->other = other;
	e->in = in;
	e->out = out;
}

struct addr own_client(void)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };

	return addr_v4(loopback, (uint16_t)(1024 + rand_below(64000)));
}

int pair_open(struct worker *w, struct job *job, const struct inbound *ib,
	      const struct addr *to, struct stream **out)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct session *s;

	if (!p)
		return -ENOMEM;
	end_init(p, &p->near, &p->ours, &p->up, &p->down);
	end_init(p, &p->ours, &p->near, &p->down, &p->up);
	p->ours.s.job = job;
	s = ses_new(w, ib, NET_TCP, &p->near.s);
	if (!s) {
		free(p);
		return -ENOBUFS;
	}
	p->ses = s;
	s->source = own_client();
	s->orig = *to;
	s->target = *to;
	s->policy = &pair_policy;
	s->skip_dns = true;
	ses_start(s);
	*out = &p->ours.s;
	return 0;
}
