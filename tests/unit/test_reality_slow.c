/* test_reality_slow.c - A layer that is read at a limited rate */
#include <sys/socket.h>

#include "gateway/core/fd_stream.h"
#include "loop.h"
#include "proxy/transport/reality_in.h"

/* What is read of 200000 bytes in one go; the clock stands still */
static size_t read_all(struct stream *s)
{
	uint8_t buf[70000];
	size_t total = 0;
	ssize_t n;

	while ((n = stream_read(s, buf, sizeof(buf))) > 0)
		total += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	return total;
}

static void a_limit_is_a_rate(void **state)
{
	static uint8_t data[200000];
	const struct reality_limit none = { .after = 5 };
	const struct reality_limit limit = { .after = 1000,
					     .rate = 20000,
					     .burst = 30000 };
	struct stream *s, *below;
	struct loop l;
	int sv[2], big = 1 << 20;

	(void)state;
	loop_init(&l);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	s = below = fd_stream_new(&l.w, sv[0], &l.job, false);
	assert_int_equal(reality_slow_down(&l.w, &none, &s), 0);
	assert_ptr_equal(s, below);
	assert_int_equal(reality_slow_down(&l.w, &limit, &s), 0);
	assert_ptr_not_equal(s, below);
	assert_true(send(sv[1], data, sizeof(data), 0) > 100000);
	worker_tick(&l.w, 0);
	assert_int_equal(read_all(s), 31000);
	l.w.now_ms += 19; /* not worth it yet */
	assert_int_equal(read_all(s), 0);
	l.w.now_ms += 1;
	assert_int_equal(read_all(s), 400);
	l.w.now_ms += 500;
	assert_int_equal(read_all(s), 10000);
	l.w.now_ms += 100000;
	assert_int_equal(read_all(s), 30000);
	s->ops->want(s, ST_READ); /* a timer marks the job */
	l.runs = 0;
	for (int i = 0; i < 200 && !l.runs; i++)
		worker_tick(&l.w, 5);
	assert_int_equal(l.runs, 1);
	stream_close(&s, 0);
	close(sv[1]);
	loop_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_a_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
