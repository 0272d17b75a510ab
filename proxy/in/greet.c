/*
 * greet.c - Reading a header from a client and answering, as far as bytes allow
 *
 *   flush the answer -> ended? close in order -> done? hand over -> step -> read
 *
 * The state is one block that grows with the header and shrinks to the target's
 * name (or to nothing) when the greeting is over.
 */
#include "proxy/in/greet.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/core/sniff.h"

#define GREET_FIRST 512 /* bytes of the first buffer */

static struct greet *greet_grow(struct session *s, struct greet *g)
{
	uint32_t cap = g ? g->cap * 4 : GREET_FIRST;
	struct greet *n;

	if (cap > GREET_FULL)
		cap = GREET_FULL;
	n = realloc(g, sizeof(*n) + cap);
	if (!n)
		return NULL;
	if (!g)
		memset(n, 0, sizeof(*n));
	n->cap = cap;
	s->greet_state = n;
	return n;
}

int greet_answer(struct greet *g, const void *p, size_t n)
{
	if (n > sizeof(g->out) - g->out_len)
		return -ENOBUFS;
	memcpy(g->out + g->out_len, p, n);
	g->out_len = (uint16_t)(g->out_len + n);
	return 0;
}

void greet_target(struct greet *g, const struct addr *to, size_t used)
{
	g->to = *to;
	if (to->kind == ADDR_NAME) {
		memmove(g->name, to->name, (size_t)to->len + 1);
		g->to.name = g->name;
	}
	g->used = (uint32_t)used;
	g->done = true;
}

/* 0 all written, -EAGAIN, -errno */
static int greet_flush(struct session *s, struct greet *g)
{
	while (g->out_off < g->out_len) {
		ssize_t n = stream_write(s->in, g->out + g->out_off,
					 (size_t)(g->out_len - g->out_off));

		if (n == -EAGAIN)
			s->in->ops->want(s->in, ST_WRITE);
		if (n < 0)
			return (int)n;
		g->out_off = (uint16_t)(g->out_off + n);
	}
	g->out_off = g->out_len = 0;
	return 0;
}

/* Bytes read, -EAGAIN, -errno; an end of stream is one too */
static ssize_t greet_read(struct session *s, struct greet **g)
{
	ssize_t n;

	if ((*g)->len == (*g)->cap) {
		struct greet *bigger;

		if ((*g)->cap == GREET_FULL)
			return -EPROTO;
		bigger = greet_grow(s, *g);
		if (!bigger)
			return -ENOMEM;
		*g = bigger;
	}
	n = stream_read(s->in, (*g)->in + (*g)->len, (*g)->cap - (*g)->len);
	if (n == -EAGAIN)
		s->in->ops->want(s->in, ST_READ);
	if (n == 0)
		return -ECONNRESET;
	if (n > 0)
		(*g)->len += (uint32_t)n;
	return n;
}

/* The client shall get the answer, and then a FIN: a reset might overtake it */
static int greet_over(struct session *s, int err)
{
	stream_close(&s->in, 0);
	return err;
}

/* Target, name and what was read ahead become the session's. 0 or -ENOMEM */
static int greet_hand_over(struct session *s, struct greet *g)
{
	size_t left = g->len - g->used;
	char *name = NULL;

	if (left) {
		struct buf *b = buf_new(
			left > SNIFF_MAX_BYTES ? left : SNIFF_MAX_BYTES);

		if (!b)
			return -ENOMEM;
		buf_put(b, g->in + g->used, left);
		s->half[UP].early = b;
	}
	if (g->to.kind == ADDR_NAME) {
		name = strdup(g->name);
		if (!name)
			return -ENOMEM;
		g->to.name = name;
	}
	s->orig = s->target = g->to;
	free(g);
	s->greet_state = name;
	return 0;
}

int greet_run(struct session *s, greet_step step)
{
	struct greet *g = s->greet_state ? s->greet_state : greet_grow(s, NULL);
	size_t used = 0;
	ssize_t n;

	while (g) {
		n = greet_flush(s, g);
		if (n < 0)
			return (int)n;
		if (g->end)
			return greet_over(s, g->end);
		if (g->done)
			return greet_hand_over(s, g);
		n = g->len ? step(s, g) : 0;
		if (!s->in) { /* it has another owner now */
			ses_kill(s, 0, 0);
			return -ECANCELED;
		}
		if (n < 0) {
			g->end = (int)n;
		} else if (n > 0) {
			g->len -= (uint32_t)n;
			memmove(g->in, g->in + n, g->len);
		} else if (!g->done) {
			if (used >= WORKER_MUTE_BYTES) {
				job_ready(s->in->job);
				return -EAGAIN;
			}
			n = greet_read(s, &g);
			if (n < 0)
				return (int)n;
			used += (size_t)n;
		}
	}
	return -ENOMEM;
}
