/*
 * layer_rig.h - A layer over one end of a socket pair, the test at the other
 *
 * Included by one file of each test program.
 */
#ifndef TESTS_UNIT_LAYER_RIG_H
#define TESTS_UNIT_LAYER_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/core/fd_stream.h"
#include "loop.h"

/**
 * struct rig - @far is the test's end; @below what a layer stands on
 */
struct rig {
	struct loop l;
	struct stream *below, *st;
	int far;
};

static inline void rig_begin(struct rig *r)
{
	int sv[2];

	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	r->below = fd_stream_new(&r->l.w, sv[0], &r->l.job, false);
	assert_non_null(r->below);
	r->far = sv[1];
	worker_tick(&r->l.w, 0);
}

static inline void rig_end(struct rig *r)
{
	stream_close(&r->st, 0);
	if (r->far >= 0)
		close(r->far);
	loop_fini(&r->l);
}

/* The far end says @n bytes, and the worker sees them */
static inline void far_say(struct rig *r, const void *p, size_t n)
{
	assert_int_equal(send(r->far, p, n, MSG_NOSIGNAL), (ssize_t)n);
	worker_tick(&r->l.w, 0);
}

/* What the far end has got; 0 at the end, -1 nothing */
static inline ssize_t far_hear(struct rig *r, void *p, size_t n)
{
	ssize_t k = recv(r->far, p, n, MSG_DONTWAIT);

	worker_tick(&r->l.w, 0);
	return k;
}

/* The far end is gone; the worker does not know yet, a write tells it */
static inline void far_gone(struct rig *r)
{
	close(r->far);
	r->far = -1;
	assert_int_equal(stream_write(r->st, "x", 1), -EPIPE);
}

static inline void far_end(struct rig *r)
{
	shutdown(r->far, SHUT_WR);
	worker_tick(&r->l.w, 0);
}

#endif
