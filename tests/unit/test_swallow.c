/* test_swallow.c - What is forbidden is swallowed for a while; the rest passes */
#include <errno.h>

#include "loop.h"

#include "alloc_fail.h"
#include "gateway/core/session.h"
#include "proxy/out/swallow.h"

#define DELAY_MS 60

/**
 * struct below - A stream that connects, or is found to be forbidden
 * @rc:		What every call says; 0: works
 */
struct below {
	struct stream s;
	ssize_t rc;
	bool up;
	unsigned int closed, wants;
	size_t written;
};

struct rig {
	struct loop l;
	struct session s;
	struct below b;
	struct stream *st;
	ssize_t rc;
};

static struct below *below_of(struct stream *s)
{
	return container_of(s, struct below, s);
}

static ssize_t below_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	(void)iov;
	(void)cnt;
	return below_of(s)->rc ? below_of(s)->rc : -EAGAIN;
}

static ssize_t below_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	struct below *b = below_of(s);
	size_t n = 0;

	for (int i = 0; i < cnt; i++)
		n += iov[i].iov_len;
	if (!b->rc)
		b->written += n;
	return b->rc ? b->rc : (ssize_t)n;
}

static void below_want(struct stream *s, unsigned int events)
{
	(void)events;
	below_of(s)->wants++;
}

static bool below_up(const struct stream *s)
{
	return ((const struct below *)(const void *)s)->up;
}

static int below_finish(struct stream *s)
{
	return (int)below_of(s)->rc;
}

static void below_close(struct stream *s, int why)
{
	(void)why;
	below_of(s)->closed++;
}

static const struct stream_ops below_ops = {
	.name = "below",
	.readv = below_readv,
	.writev = below_writev,
	.want = below_want,
	.up = below_up,
	.finish = below_finish,
	.close = below_close,
};

/* @below: something is, and says @rc */
static void begin(struct rig *r, bool below, ssize_t rc)
{
	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	worker_tick(&r->l.w, 0);
	r->s.job = r->l.job;
	r->s.block_ms = DELAY_MS;
	r->b = (struct below){ .s = { .ops = &below_ops }, .rc = rc };
	assert_int_equal(swallow_new(&r->s, below ? &r->b.s : NULL, &r->st), 0);
}

static void end(struct rig *r)
{
	stream_close(&r->st, 0);
	job_forget(&r->s.job);
	loop_fini(&r->l);
}

static bool ended(void *arg)
{
	struct rig *r = arg;
	char c;

	r->rc = stream_read(r->st, &c, 1);
	return r->rc != -EAGAIN;
}

/* It takes all, says nothing, and ends by itself, not before the delay */
static void is_a_hole(struct rig *r)
{
	static char p[100000];
	uint32_t since = clock_ms();

	assert_true(r->st->ops->up(r->st));
	for (int i = 0; i < 20; i++)
		assert_int_equal(stream_write(r->st, p, sizeof(p)), sizeof(p));
	assert_int_equal(stream_write(r->st, p, 0), 0);
	assert_false(ended(r));
	assert_true(loop_until(&r->l, ended, r, 5000));
	assert_int_equal(r->rc, -EFORBIDDEN);
	assert_in_range(clock_ms() - since + 2, DELAY_MS, 4000);
	assert_int_equal(stream_write(r->st, p, 1), -EFORBIDDEN);
	assert_int_equal(r->l.w.drops[DROP_BLOCKED], 1);
}

static void what_is_forbidden_already_is_swallowed(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, false, 0);
	is_a_hole(&r);
	end(&r);
}

/* Whatever call finds out */
static void what_is_found_forbidden_is_swallowed(void **state)
{
	struct rig r;
	char c = 0;

	(void)state;
	begin(&r, true, -EFORBIDDEN);
	assert_int_equal(stream_read(r.st, &c, 1), -EAGAIN);
	assert_int_equal(r.b.closed, 1);
	is_a_hole(&r);
	end(&r);
	begin(&r, true, -EFORBIDDEN);
	assert_int_equal(stream_write(r.st, &c, 1), 1);
	assert_int_equal(r.b.closed, 1);
	is_a_hole(&r);
	end(&r);
	assert_int_equal(r.b.closed, 1);
}

static void a_client_that_ends_ends_it(void **state)
{
	struct rig r;

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(&r, i, -EFORBIDDEN);
		r.s.block_ms = 600000;
		assert_int_equal(r.st->ops->finish(r.st), 0);
		assert_true(ended(&r));
		assert_int_equal(r.rc, -EFORBIDDEN);
		end(&r);
	}
}

static void no_delay_is_an_end_at_once(void **state)
{
	struct rig r;
	char c = 0;

	(void)state;
	begin(&r, true, -EFORBIDDEN);
	r.s.block_ms = 0;
	assert_int_equal(stream_write(r.st, &c, 1), -EFORBIDDEN);
	assert_int_equal(stream_read(r.st, &c, 1), -EFORBIDDEN);
	assert_int_equal(r.b.closed, 1);
	end(&r);
}

static void another_failure_passes(void **state)
{
	struct rig r;
	char c = 0;

	(void)state;
	begin(&r, true, -ECONNREFUSED);
	assert_int_equal(stream_read(r.st, &c, 1), -ECONNREFUSED);
	assert_int_equal(stream_write(r.st, &c, 1), -ECONNREFUSED);
	assert_int_equal(r.st->ops->finish(r.st), -ECONNREFUSED);
	assert_false(r.st->ops->up(r.st));
	end(&r);
	assert_int_equal(r.b.closed, 1);
}

static void what_connects_is_left_alone(void **state)
{
	struct rig r;
	char c = 0;

	(void)state;
	begin(&r, true, 0);
	assert_int_equal(stream_write(r.st, &c, 1), 1);
	assert_int_equal(r.b.written, 1);
	r.st->ops->want(r.st, ST_READ);
	assert_int_equal(r.b.wants, 1);
	stream_shed(&r.st);
	assert_ptr_not_equal(r.st, &r.b.s); /* not yet */
	r.b.up = true;
	assert_true(r.st->ops->up(r.st));
	stream_shed(&r.st);
	assert_ptr_equal(r.st, &r.b.s);
	end(&r);
	assert_int_equal(r.b.closed, 1);
}

static void without_memory_nothing_is_left(void **state)
{
	struct rig r;
	struct below b = { .s = { .ops = &below_ops } };
	struct stream *st = NULL;

	(void)state;
	begin(&r, false, 0);
	alloc_fail_at(1);
	assert_int_equal(swallow_new(&r.s, &b.s, &st), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_int_equal(b.closed, 1);
	assert_null(st);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_forbidden_already_is_swallowed),
		cmocka_unit_test(what_is_found_forbidden_is_swallowed),
		cmocka_unit_test(a_client_that_ends_ends_it),
		cmocka_unit_test(no_delay_is_an_end_at_once),
		cmocka_unit_test(another_failure_passes),
		cmocka_unit_test(what_connects_is_left_alone),
		cmocka_unit_test(without_memory_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
