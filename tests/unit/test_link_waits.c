/* test_link_waits.c - A side breaks; what a layer of the other holds goes first */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/core/link.h"
#include "gateway/core/worker.h"

#define DEPTH 4 /* layers of the side that is written to */

/**
 * struct fake - A layer, or (in front) the side that breaks
 * @says:	Bytes to be read before it breaks
 * @holds:	Something that was written has not gone on
 * @wanted:	What was asked for last
 */
struct fake {
	struct stream s;
	size_t says;
	bool holds;
	unsigned int wanted;
};

static struct fake *fake_of(struct stream *s)
{
	return container_of(s, struct fake, s);
}

static ssize_t breaks_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	struct fake *f = fake_of(s);
	size_t n = f->says;

	assert_in_range(n, 0, iov_bytes(iov, cnt));
	f->says = 0;
	memset(iov[0].iov_base, 'a', n);
	return n ? (ssize_t)n : -ECONNRESET;
}

static ssize_t quiet_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	(void)s, (void)iov, (void)cnt;
	return -EAGAIN;
}

/* Takes all it is given; of nothing, tells of itself alone */
static ssize_t fake_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	size_t n = iov_bytes(iov, cnt);

	return !n && fake_of(s)->holds ? -EAGAIN : (ssize_t)n;
}

static void fake_want(struct stream *s, unsigned int events)
{
	fake_of(s)->wanted = events;
}

static bool fake_up(const struct stream *s)
{
	(void)s;
	return true;
}

static int fake_finish(struct stream *s)
{
	(void)s;
	return 0;
}

static void fake_close(struct stream *s, int why)
{
	(void)s, (void)why;
}

static const struct stream_ops breaks_ops = { .name = "breaks",
					      .readv = breaks_readv,
					      .writev = fake_writev,
					      .want = fake_want,
					      .up = fake_up,
					      .finish = fake_finish,
					      .close = fake_close };
static const struct stream_ops layer_ops = { .name = "layer",
					     .readv = quiet_readv,
					     .writev = fake_writev,
					     .want = fake_want,
					     .up = fake_up,
					     .finish = fake_finish,
					     .close = fake_close };

static void layer_holds(int level)
{
	struct fake in = { .s.ops = &breaks_ops, .says = 10 };
	struct fake l[DEPTH] = { 0 };
	struct stream *a = &in.s, *b = &l[0].s;
	struct half h[2] = { { .src = &a, .dst = &b },
			     { .src = &b, .dst = &a } };
	struct worker w;
	bool again;
	int side = -1;

	for (int i = 0; i < DEPTH; i++) {
		l[i].s.ops = &layer_ops;
		l[i].s.below = i + 1 < DEPTH ? &l[i + 1].s : NULL;
	}
	assert_int_equal(worker_init(&w, 0, NULL), 0);
	l[level].holds = true;
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(link_pump(&w, h, 65536, &again, &side), 0);
		link_want(h);
		assert_int_equal(h[0].total, 10);
		assert_true(l[0].wanted & ST_WRITE);
	}
	l[level].holds = false;
	assert_int_equal(link_pump(&w, h, 65536, &again, &side), -ECONNRESET);
	assert_int_equal(side, 0);
	link_free(&w, h);
	worker_fini(&w);
}

static void what_any_level_holds_goes_first(void **state)
{
	(void)state;
	for (int i = 0; i < DEPTH; i++)
		layer_holds(i);
}

static void with_nothing_held_it_ends_at_once(void **state)
{
	struct fake in = { .s.ops = &breaks_ops, .says = 10 };
	struct fake out = { .s.ops = &layer_ops };
	struct stream *a = &in.s, *b = &out.s;
	struct half h[2] = { { .src = &a, .dst = &b },
			     { .src = &b, .dst = &a } };
	struct worker w;
	bool again;
	int side = -1;

	(void)state;
	assert_int_equal(worker_init(&w, 0, NULL), 0);
	assert_int_equal(link_pump(&w, h, 65536, &again, &side), -ECONNRESET);
	assert_int_equal(h[0].total, 10);
	assert_int_equal(side, 0);
	link_free(&w, h);
	worker_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_any_level_holds_goes_first),
		cmocka_unit_test(with_nothing_held_it_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
