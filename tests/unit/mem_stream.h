/*
 * mem_stream.h - Two ends of a stream in memory, and a transport that dials one
 *
 * Every call moves at most @step bytes, and with @flaky every other call says
 * -EAGAIN first: each cut of a message is met. With @room a direction holds no
 * more than so many bytes. What @deaf writes fails, what it reads does not.
 */
#ifndef TESTS_UNIT_MEM_STREAM_H
#define TESTS_UNIT_MEM_STREAM_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/core/transport.h"

#define MEM_BYTES 65536u

/* One direction: a ring, its end, its break */
struct mem_way {
	uint8_t data[MEM_BYTES];
	size_t head, len;
	bool fin, cut;
};

struct mem_end;

struct mem {
	struct mem_way way[2];
	struct mem_end *end[2];
	size_t step, room;
	struct mem_end *deaf;
	int dials; /* 0: the next dial succeeds; else its -errno */
	bool flaky;
};

struct mem_end {
	struct stream s;
	struct mem *m;
	int side; /* reads way[side], writes way[!side] */
	bool turn;
	unsigned int want;
};

static inline bool mem_not_now(struct mem_end *e)
{
	e->turn = !e->turn;
	return e->m->flaky && e->turn;
}

static inline size_t mem_room(const struct mem *m)
{
	return m->room ? m->room : MEM_BYTES;
}

/* What @e wants, if it holds now, marks its job. Flaky: it may always be tried */
static inline void mem_tell(struct mem_end *e)
{
	const struct mem_way *in, *out;

	if (!e || !e->s.job)
		return;
	in = &e->m->way[e->side];
	out = &e->m->way[!e->side];
	if ((e->want && e->m->flaky) ||
	    (e->want & ST_READ && (in->len || in->fin || in->cut)) ||
	    (e->want & ST_WRITE && (out->len < mem_room(e->m) || out->fin)))
		job_ready(e->s.job);
}

static inline ssize_t mem_readv(struct stream *s, const struct iovec *iov,
				int cnt)
{
	struct mem_end *e = container_of(s, struct mem_end, s);
	struct mem_way *w = &e->m->way[e->side];
	size_t n = cnt > 0 ? iov->iov_len : 0;

	if (w->cut)
		return -ECONNRESET;
	if (!w->len)
		return w->fin ? 0 : -EAGAIN;
	if (mem_not_now(e))
		return -EAGAIN;
	if (n > w->len)
		n = w->len;
	if (n > e->m->step)
		n = e->m->step;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)iov->iov_base)[i] =
			w->data[(w->head + i) % MEM_BYTES];
	w->head = (w->head + n) % MEM_BYTES;
	w->len -= n;
	mem_tell(e->m->end[!e->side]);
	return (ssize_t)n;
}

static inline ssize_t mem_writev(struct stream *s, const struct iovec *iov,
				 int cnt)
{
	struct mem_end *e = container_of(s, struct mem_end, s);
	struct mem_way *w = &e->m->way[!e->side];
	size_t done = 0, room = mem_room(e->m);

	if (w->cut || w->fin || e->m->deaf == e)
		return -EPIPE;
	if (mem_not_now(e))
		return -EAGAIN;
	for (int i = 0; i < cnt; i++)
		for (size_t k = 0; k < iov[i].iov_len; k++) {
			if (w->len >= room || done == e->m->step) {
				if (done)
					mem_tell(e->m->end[!e->side]);
				return done ? (ssize_t)done : -EAGAIN;
			}
			w->data[(w->head + w->len++) % MEM_BYTES] =
				((uint8_t *)iov[i].iov_base)[k];
			done++;
		}
	mem_tell(e->m->end[!e->side]);
	return (ssize_t)done;
}

static inline void mem_want(struct stream *s, unsigned int events)
{
	struct mem_end *e = container_of(s, struct mem_end, s);

	e->want = events;
	mem_tell(e);
}

static inline bool mem_up(const struct stream *s)
{
	(void)s;
	return true;
}

static inline int mem_finish(struct stream *s)
{
	struct mem_end *e = container_of(s, struct mem_end, s);

	e->m->way[!e->side].fin = true;
	mem_tell(e->m->end[!e->side]);
	return 0;
}

static inline void mem_close(struct stream *s, int why)
{
	struct mem_end *e = container_of(s, struct mem_end, s);
	struct mem *m = e->m;

	if (why < 0)
		m->way[0].cut = m->way[1].cut = true;
	m->way[!e->side].fin = true;
	m->end[e->side] = NULL;
	mem_tell(m->end[!e->side]);
	free(e);
}

static const struct stream_ops mem_ops = {
	.name = "mem",
	.readv = mem_readv,
	.writev = mem_writev,
	.want = mem_want,
	.up = mem_up,
	.finish = mem_finish,
	.close = mem_close,
};

static inline struct stream *mem_new(struct mem *m, int side, struct job *j)
{
	struct mem_end *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->s = (struct stream){ .ops = &mem_ops, .job = j };
	e->m = m;
	e->side = side;
	m->end[side] = e;
	return &e->s;
}

/* A transport whose settings are the struct mem: side 0 is the dialed one */
static inline int mem_dial(const struct transport *t, const struct dial *d,
			   const struct addr *to, struct stream **out)
{
	struct mem *m = t->settings;

	(void)to;
	if (m->dials)
		return m->dials;
	*out = mem_new(m, 0, d->job);
	return 0;
}

static inline int mem_accept(const struct transport *t, struct worker *w,
			     struct stream *below, struct stream **out)
{
	(void)t;
	(void)w;
	*out = below;
	return 0;
}

static const struct transport_ops mem_transport = { .name = "mem",
						    .dial = mem_dial,
						    .accept = mem_accept };

#endif
