/* test_dns_pair.c - Our end of a session: back-pressure, both ends, refusals */
#include "tests/unit/cm.h"

#include <errno.h>

#include "gateway/core/pair.h"
#include "gateway/dns/conf.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/dns_rig.h"

#define ONE   "{\"servers\":[{\"address\":\"127.0.0.1\",\"port\":PORT1}]}"
#define BYTES 200000u

/**
 * struct far - A session through a pair to a listener of ours
 * @ours:	Our end
 * @lfd, @fd:	Where it arrives
 * @sent, @got, @full:	Of our end; how often it would not take more
 * @end:	What the last read said, -EAGAIN excepted
 */
struct far {
	struct rig r;
	struct stream *ours;
	int lfd, fd;
	uint16_t port;
	size_t sent, got;
	unsigned int full;
	ssize_t end;
	bool ended, bad;
};

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void far_init(struct far *f)
{
	struct addr to;

	memset(f, 0, sizeof(*f));
	rig_init(&f->r, ONE, NULL);
	f->fd = -1;
	f->lfd = bound("127.0.0.1", &f->port, 1);
	assert_int_equal(fcntl(f->lfd, F_SETFL, O_NONBLOCK), 0);
	to = addr_of("127.0.0.1", f->port);
	assert_int_equal(pair_open(&f->r.l.w, &f->r.l.job,
				   f->r.l.cfg.dns->system.inbound, &to,
				   &f->ours),
			 0);
}

static void far_fini(struct far *f)
{
	stream_close(&f->ours, 0);
	worker_tick(&f->r.l.w, 0);
	if (f->fd >= 0)
		close(f->fd);
	if (f->lfd >= 0)
		close(f->lfd);
	rig_fini(&f->r);
}

static void far_accept(struct far *f)
{
	if (f->fd < 0)
		f->fd = accept4(f->lfd, NULL, NULL,
				SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Our end: put what it takes, read what is there */
static void ours_move(struct far *f, size_t all)
{
	uint8_t b[5000];
	ssize_t n = 0;

	while (f->sent < all) {
		size_t k =
			all - f->sent < sizeof(b) ? all - f->sent : sizeof(b);

		for (size_t i = 0; i < k; i++)
			b[i] = byte_at(f->sent + i);
		n = stream_write(f->ours, b, k);
		if (n <= 0)
			break;
		f->sent += (size_t)n;
	}
	f->full += n == -EAGAIN;
	while (!f->ended && (n = stream_read(f->ours, b, sizeof(b))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			f->bad |= b[i] != byte_at(f->got + (size_t)i);
		f->got += (size_t)n;
	}
	if (!f->ended && n != -EAGAIN) {
		f->ended = true;
		f->end = n;
	}
	f->ours->ops->want(f->ours, ST_READ | (f->sent < all ? ST_WRITE : 0u));
}

static bool echoed(void *arg)
{
	struct far *f = arg;
	uint8_t b[8192];
	ssize_t n;

	far_accept(f);
	while (f->fd >= 0 && (n = recv(f->fd, b, sizeof(b), 0)) > 0)
		assert_int_equal(send(f->fd, b, (size_t)n, 0), n);
	ours_move(f, BYTES);
	return f->got == BYTES || f->ended;
}

static bool ended(void *arg)
{
	struct far *f = arg;
	char c;

	far_accept(f);
	if (f->fd >= 0 && recv(f->fd, &c, 1, 0) == 0)
		shutdown(f->fd, SHUT_WR);
	ours_move(f, 0);
	return f->ended;
}

static void bytes_pass_both_ways_with_back_pressure(void **state)
{
	struct far f;

	(void)state;
	far_init(&f);
	assert_true(loop_until(&f.r.l, echoed, &f, 5000));
	assert_int_equal(f.got, BYTES);
	assert_false(f.bad);
	assert_true(f.full > 0);
	assert_int_equal(f.ours->ops->finish(f.ours), 0);
	assert_true(loop_until(&f.r.l, ended, &f, 5000));
	assert_int_equal(f.end, 0);
	far_fini(&f);
}

static bool nobody_left(void *arg)
{
	struct far *f = arg;

	return list_empty(&f->r.l.w.sessions) && list_empty(&f->r.l.w.dying);
}

static bool accepted(void *arg)
{
	struct far *f = arg;

	far_accept(f);
	return f->fd >= 0;
}

static bool hung_up(void *arg)
{
	struct far *f = arg;
	char c;

	return recv(f->fd, &c, 1, 0) == 0;
}

static void closing_our_end_ends_the_session(void **state)
{
	struct far f;

	(void)state;
	far_init(&f);
	assert_true(loop_until(&f.r.l, accepted, &f, 5000));
	stream_close(&f.ours, 0);
	assert_true(loop_until(&f.r.l, nobody_left, &f, 1000));
	assert_true(loop_until(&f.r.l, hung_up, &f, 1000));
	far_fini(&f);
	far_init(&f); /* before anything was done */
	far_fini(&f);
}

static void a_refused_session_is_told(void **state)
{
	struct far f;

	(void)state;
	far_init(&f);
	close(f.lfd);
	f.lfd = -1;
	while (!f.ended) {
		worker_tick(&f.r.l.w, 5);
		ours_move(&f, 10);
	}
	assert_true(f.end < 0);
	assert_true(stream_write(f.ours, "x", 1) < 0);
	assert_true(loop_until(&f.r.l, nobody_left, &f, 1000));
	far_fini(&f);
}

static void out_of_memory_leaves_nothing(void **state)
{
	struct stream *s = NULL;
	struct addr to = addr_of("127.0.0.1", 1);
	unsigned int n;
	struct rig r;
	int rc;

	(void)state;
	rig_init(&r, ONE, NULL);
	for (n = 1; n < 20; n++) {
		alloc_fail_at(n);
		rc = pair_open(&r.l.w, &r.l.job, r.l.cfg.dns->system.inbound,
			       &to, &s);
		if (!rc) {
			rc = (int)stream_write(s, "abc", 3);
			stream_close(&s, 0);
		}
		if (!alloc_fail_hit())
			break;
		assert_true(rc == -ENOMEM || rc == -ENOBUFS);
		worker_tick(&r.l.w, 0);
	}
	assert_in_range(n, 3, 6);
	assert_int_equal(rc, 3);
	worker_tick(&r.l.w, 0);
	assert_true(list_empty(&r.l.w.sessions));
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_both_ways_with_back_pressure),
		cmocka_unit_test(closing_our_end_ends_the_session),
		cmocka_unit_test(a_refused_session_is_told),
		cmocka_unit_test(out_of_memory_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
