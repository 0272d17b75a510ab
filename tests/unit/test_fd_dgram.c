/* test_fd_dgram.c - Kernel sockets as datagram ends, over loopback */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/session.h"
#include "gateway/core/stream.h"
#include "gateway/core/udp.h"
#include "gateway/core/worker.h"
#include "tests/unit/emulated.h"

void udp_reap(struct worker *w)
{
	(void)w;
}

int udp_worker_start(struct worker *w)
{
	(void)w;
	return 0;
}

void udp_worker_stop(struct worker *w)
{
	(void)w;
}

void ses_reap(struct worker *w)
{
	(void)w;
}

static struct worker w;
static unsigned int runs;
static uint8_t payload[65536];

static void run(struct job *j)
{
	(void)j;
	runs++;
}

static struct job job = { .run = run };

static int set_up(void **state)
{
	(void)state;
	runs = 0;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + (i >> 7));
	assert_int_equal(worker_init(&w, 0, NULL), 0);
	job = (struct job){ .run = run, .worker = &w };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	job_forget(&job);
	worker_fini(&w);
	return 0;
}

/* A socket bound to loopback; *@at is its address */
static int bound(int family, struct addr *at)
{
	uint8_t lo4[4] = { 127, 0, 0, 1 };
	uint8_t lo6[16] = { [15] = 1 };
	struct sockaddr_storage ss;
	int big = 4 << 20, off = 0;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len;

	assert_true(fd >= 0);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	*at = family == AF_INET ? addr_v4(lo4, 0) : addr_v6(lo6, 0);
	len = addr_to_sockaddr(at, family, &ss);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*at = addr_from_sockaddr(&ss);
	return fd;
}

/* A dual-stack socket bound to the wildcard address */
static struct dgram *dual(uint16_t *port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct dgram *d;
	int big = 4 << 20, off = 0;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(in6);

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	assert_int_equal(bind(fd, (struct sockaddr *)&in6, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in6, &len), 0);
	*port = ntohs(in6.sin6_port);
	d = fd_dgram_new(&w, fd, AF_INET6, &job);
	assert_non_null(d);
	return d;
}

static int recv_some(struct dgram *d, struct pkt *v, int max)
{
	int i, n = -EAGAIN;

	for (i = 0; i < 100 && n == -EAGAIN; i++) {
		d->ops->want(d, ST_READ);
		worker_tick(&w, 10);
		n = d->ops->recv(d, v, max);
	}
	return n;
}

static void all_sizes_pass_both_families(void **state)
{
	static const size_t sizes[] = { 0, 1, 1472, 1473, 5000, 30000, 65507 };
	struct pkt v[DGRAM_BATCH], p;
	struct addr to4, to6;
	struct dgram *a, *b4, *b6;
	uint16_t port;

	(void)state;
	a = dual(&port);
	b4 = fd_dgram_new(&w, bound(AF_INET, &to4), AF_INET, &job);
	b6 = fd_dgram_new(&w, bound(AF_INET6, &to6), AF_INET6, &job);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		struct dgram *b = i & 1 ? b6 : b4;

		p = (struct pkt){ i & 1 ? to6 : to4, payload, sizes[i / 2] };
		assert_int_equal(a->ops->send(a, &p, 1), 1);
		assert_int_equal(recv_some(b, v, DGRAM_BATCH), 1);
		assert_int_equal(v[0].len, sizes[i / 2]);
		assert_memory_equal(v[0].data, payload, v[0].len);
		assert_int_equal(v[0].peer.port, port);
		/* and back, to where it came from */
		assert_int_equal(b->ops->send(b, v, 1), 1);
		assert_int_equal(recv_some(a, v, DGRAM_BATCH), 1);
		assert_true(addr_eq(&v[0].peer, &p.peer));
		assert_int_equal(v[0].len, sizes[i / 2]);
	}
	assert_int_equal(w.drops[DROP_UDP_SEND], 0);
	a->ops->close(a);
	b4->ops->close(b4);
	b6->ops->close(b6);
}

/* Send runs of several sizes, read with room for @max: order and bytes stay */
static void exchange_runs(int max)
{
	struct pkt v[DGRAM_BATCH];
	struct addr to;
	uint16_t port;
	struct dgram *a = dual(&port);
	struct dgram *b = fd_dgram_new(&w, bound(AF_INET, &to), AF_INET, &job);
	size_t len[200];
	int i, n, sent = 0, got = 0;

	for (i = 0; i < 200; i++)
		len[i] = i < 100 ? 1200 : (size_t)(i % 7) * 300;
	while (sent < 200) {
		n = 200 - sent < DGRAM_BATCH ? 200 - sent : DGRAM_BATCH;
		for (i = 0; i < n; i++)
			v[i] = (struct pkt){ to, payload + sent + i,
					     len[sent + i] };
		n = a->ops->send(a, v, n);
		assert_true(n > 0);
		sent += n;
	}
	while (got < 200) {
		n = recv_some(b, v, max);
		assert_true(n > 0 && n <= max);
		for (i = 0; i < n; i++, got++) {
			assert_int_equal(v[i].len, len[got]);
			assert_memory_equal(v[i].data, payload + got, len[got]);
			assert_int_equal(v[i].peer.port, port);
		}
	}
	assert_int_equal(b->ops->recv(b, v, max), -EAGAIN);
	a->ops->close(a);
	b->ops->close(b);
}

static void runs_of_equal_size_keep_order_and_bytes(void **state)
{
	(void)state;
	if (htons(1) == 1)
		skip_emulated("UDP_SEGMENT keeps the wrong byte order");
	exchange_runs(DGRAM_BATCH);
	exchange_runs(7);
	exchange_runs(1);
}

static void spilled_packets_wake_the_job(void **state)
{
	struct pkt v[DGRAM_BATCH];
	struct addr to;
	uint16_t port;
	struct dgram *a = dual(&port);
	struct dgram *b = fd_dgram_new(&w, bound(AF_INET, &to), AF_INET, &job);
	int i;

	(void)state;
	if (htons(1) == 1)
		skip_emulated("UDP_SEGMENT keeps the wrong byte order");
	for (i = 0; i < 20; i++)
		v[i] = (struct pkt){ to, payload, 1000 };
	assert_int_equal(a->ops->send(a, v, 20), 20);
	assert_int_equal(recv_some(b, v, 3), 3);
	for (i = 3; i < 20; i++) {
		runs = 0;
		b->ops->want(b, ST_READ);
		worker_tick(&w, 0);
		assert_int_equal(runs, 1);
		assert_int_equal(b->ops->recv(b, v, 1), 1);
	}
	a->ops->close(a);
	b->ops->close(b);
}

/* The kernel is not asked whether there are more: it tells of them */
static void fewer_than_asked_for_are_all(void **state)
{
	struct pkt v[DGRAM_BATCH], p = { .data = payload, .len = 10 };
	uint16_t port;
	struct dgram *a = dual(&port);
	struct dgram *b =
		fd_dgram_new(&w, bound(AF_INET, &p.peer), AF_INET, &job);

	(void)state;
	assert_int_equal(a->ops->send(a, &p, 1), 1);
	assert_int_equal(recv_some(b, v, DGRAM_BATCH), 1);
	assert_int_equal(a->ops->send(a, &p, 1), 1);
	assert_int_equal(b->ops->recv(b, v, DGRAM_BATCH), -EAGAIN);
	assert_int_equal(recv_some(b, v, DGRAM_BATCH), 1);
	a->ops->close(a);
	b->ops->close(b);
}

static void refused_port_does_not_end_the_socket(void **state)
{
	struct sockaddr_storage ss;
	struct pkt v[DGRAM_BATCH], p;
	struct addr nobody, at, to;
	int fd = bound(AF_INET, &nobody), c, i;
	struct dgram *d;
	socklen_t len;

	(void)state;
	close(fd);
	/* connected: only such a socket is told */
	c = bound(AF_INET, &at);
	len = addr_to_sockaddr(&nobody, AF_INET, &ss);
	assert_int_equal(connect(c, (struct sockaddr *)&ss, len), 0);
	d = fd_dgram_new(&w, c, AF_INET, &job);
	p = (struct pkt){ nobody, payload, 10 };
	for (i = 0; i < 5; i++)
		assert_int_equal(d->ops->send(d, &p, 1), 1);
	d->ops->want(d, ST_READ);
	worker_tick(&w, 20);
	assert_int_equal(d->ops->recv(d, v, DGRAM_BATCH), -EAGAIN);
	/* it goes on */
	fd = bound(AF_INET, &to);
	p.peer = to;
	assert_int_equal(d->ops->send(d, &p, 1), 1);
	usleep(1000);
	assert_int_equal(recv(fd, payload + 100, 100, 0), 10);
	close(fd);
	d->ops->close(d);
}

static void what_cannot_be_sent_is_counted_and_skipped(void **state)
{
	struct pkt v[4];
	struct addr to;
	int fd = bound(AF_INET, &to);
	uint8_t ip6[16] = { 0x20, 1, [15] = 1 };
	uint8_t buf[100];
	struct addr at;
	struct dgram *d;

	(void)state;
	d = fd_dgram_new(&w, bound(AF_INET, &at), AF_INET, &job);
	v[0] = (struct pkt){ addr_v6(ip6, 1), payload, 10 };
	v[1] = (struct pkt){ addr_name("a.example", 9, 1), payload, 10 };
	v[2] = (struct pkt){ to, payload, 65536 }; /* EMSGSIZE */
	v[3] = (struct pkt){ to, payload, 11 };
	assert_int_equal(d->ops->send(d, v, 4), 4);
	assert_int_equal(w.drops[DROP_UDP_SEND], 3);
	usleep(1000);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 11);
	close(fd);
	d->ops->close(d);
}

static void segments_the_device_refuses_go_one_by_one(void **state)
{
	struct pkt v[4];
	struct addr to, at;
	int fd = bound(AF_INET, &to), i, one = 1;
	uint8_t buf[2000];
	struct dgram *d;
	int s = bound(AF_INET, &at);

	(void)state;
	/* without checksums the kernel takes no segments (EIO) */
	assert_int_equal(
		setsockopt(s, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)), 0);
	d = fd_dgram_new(&w, s, AF_INET, &job);
	for (i = 0; i < 4; i++)
		v[i] = (struct pkt){ to, payload + i, 1000 };
	assert_int_equal(d->ops->send(d, v, 4), 4);
	assert_int_equal(w.drops[DROP_UDP_SEND], 0);
	usleep(1000);
	for (i = 0; i < 4; i++) {
		assert_int_equal(recv(fd, buf, sizeof(buf), 0), 1000);
		assert_memory_equal(buf, payload + i, 1000);
	}
	close(fd);
	d->ops->close(d);
}

static void the_owner_of_the_job_may_change(void **state)
{
	struct job other = { .run = run, .worker = &w };
	struct pkt p = { .data = payload, .len = 1 };
	struct addr at;
	uint16_t port;
	struct dgram *a = dual(&port);
	struct dgram *b =
		fd_dgram_new(&w, bound(AF_INET, &p.peer), AF_INET, NULL);

	(void)state;
	(void)at;
	dgram_set_job(b, &other);
	b->ops->want(b, ST_READ);
	assert_int_equal(a->ops->send(a, &p, 1), 1);
	worker_tick(&w, 100);
	assert_int_equal(runs, 1);
	a->ops->close(a);
	b->ops->close(b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_sizes_pass_both_families),
		T(runs_of_equal_size_keep_order_and_bytes),
		T(spilled_packets_wake_the_job),
		T(fewer_than_asked_for_are_all),
		T(refused_port_does_not_end_the_socket),
		T(what_cannot_be_sent_is_counted_and_skipped),
		T(segments_the_device_refuses_go_one_by_one),
		T(the_owner_of_the_job_may_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
