/* test_reply.c - Reply sockets: sources, the bound, descriptors, age */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/unit/emulated.h"
#include "tests/unit/loop.h"

#include "proxy/in/reply.h"

static const struct sockopt so = SOCKOPT_DEFAULT;

static struct addr source(unsigned int i)
{
	struct addr a = addr_of("203.0.113.1", (uint16_t)(20000 + i % 20000));

	a.ip[3] = (uint8_t)(1 + i / 20000);
	return a;
}

/* Addresses that are nobody's here take CAP_NET_ADMIN */
static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void an_answer_comes_from_its_source(void **state)
{
	struct addr a = addr_of("192.0.2.3", 5353), got;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct replies r;
	int before = fd_count(), fd;

	(void)state;
	skip_emulated("no IP_TRANSPARENT");
	need_root();
	assert_int_equal(replies_init(&r), 0);
	fd = replies_get(&r, &a, &so, 0);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	got = addr_from_sockaddr(&ss);
	assert_true(addr_eq(&got, &a));
	assert_int_equal(replies_get(&r, &a, &so, 5), fd); /* kept */
	assert_int_equal(r.count, 1);
	replies_fini(&r);
	assert_int_equal(fd_count(), before);
}

static void both_families_can_be_answered_from(void **state)
{
	struct addr a = addr_of("192.0.2.9", 53),
		    b = addr_of("2001:db8::9", 53);
	struct replies r;

	(void)state;
	skip_emulated("no IP_TRANSPARENT");
	need_root();
	assert_int_equal(replies_init(&r), 0);
	assert_true(replies_get(&r, &a, &so, 0) >= 0);
	assert_true(replies_get(&r, &b, &so, 0) >= 0);
	assert_int_equal(r.count, 2);
	replies_fini(&r);
}

/* A socket at a program's address would take its datagrams away */
static void this_hosts_addresses_get_no_socket(void **state)
{
	struct addr a = addr_of("127.0.0.1", 53), b = addr_of("::1", 53);
	struct replies r;
	int before = fd_count();

	(void)state;
	assert_int_equal(replies_init(&r), 0);
	assert_int_equal(replies_get(&r, &a, &so, 0), -EADDRINUSE);
	assert_int_equal(replies_get(&r, &a, &so, 0), -EADDRINUSE);
	assert_int_equal(replies_get(&r, &b, &so, 0), -EADDRINUSE);
	assert_int_equal(r.count, 2); /* remembered */
	assert_int_equal(fd_count(), before);
	assert_false(replies_sweep(&r, REPLY_IDLE_MS));
	replies_fini(&r);
}

static void many_sources_keep_descriptors_flat(void **state)
{
	struct addr a = source(0);
	struct replies r;
	int before = fd_count(), first, most = 0, refused = 0;

	(void)state;
	skip_emulated("no IP_TRANSPARENT");
	need_root();
	assert_int_equal(replies_init(&r), 0);
	first = replies_get(&r, &a, &so, 0);
	for (unsigned int i = 1; i < 100000; i++) {
		struct addr b = source(i);

		/* a program of this host may hold that port everywhere */
		if (replies_get(&r, &b, &so, i) < 0)
			refused++;
		if (i % 100 == 0) /* used all the time: never the oldest */
			assert_int_equal(replies_get(&r, &a, &so, i), first);
		if (i % 10000 == 0 && fd_count() > most)
			most = fd_count();
	}
	assert_int_equal(r.count, REPLY_MAX);
	assert_true(most <= before + REPLY_MAX);
	assert_true(refused < 1000);
	replies_fini(&r);
	assert_int_equal(fd_count(), before);
}

static void without_descriptors_the_oldest_is_given_up(void **state)
{
	struct addr a = source(1), b = source(2), c = source(3);
	struct rlimit old, low;
	struct replies r;
	int fd;

	(void)state;
	skip_emulated("no IP_TRANSPARENT");
	need_root();
	assert_int_equal(replies_init(&r), 0);
	assert_true(replies_get(&r, &a, &so, 0) >= 0);
	fd = replies_get(&r, &b, &so, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_true(replies_get(&r, &c, &so, 0) >= 0);
	assert_int_equal(r.count, 2);
	assert_int_equal(replies_get(&r, &b, &so, 0), fd);
	replies_fini(&r);
	assert_int_equal(replies_init(&r), 0);
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(replies_get(&r, &c, &so, 0), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	replies_fini(&r);
}

static void idle_ones_are_closed(void **state)
{
	struct addr a = source(1), b = source(2);
	uint32_t t = UINT32_MAX - 1000; /* the clock wraps */
	struct replies r;

	(void)state;
	skip_emulated("no IP_TRANSPARENT");
	need_root();
	assert_int_equal(replies_init(&r), 0);
	assert_true(replies_get(&r, &a, &so, t) >= 0);
	assert_true(replies_get(&r, &b, &so, t + 5000) >= 0);
	assert_true(replies_sweep(&r, t + REPLY_IDLE_MS - 1));
	assert_int_equal(r.count, 2);
	assert_true(replies_sweep(&r, t + REPLY_IDLE_MS));
	assert_int_equal(r.count, 1);
	assert_false(replies_sweep(&r, t + 5000 + REPLY_IDLE_MS));
	assert_int_equal(r.count, 0);
	replies_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_comes_from_its_source),
		cmocka_unit_test(both_families_can_be_answered_from),
		cmocka_unit_test(this_hosts_addresses_get_no_socket),
		cmocka_unit_test(many_sources_keep_descriptors_flat),
		cmocka_unit_test(without_descriptors_the_oldest_is_given_up),
		cmocka_unit_test(idle_ones_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
