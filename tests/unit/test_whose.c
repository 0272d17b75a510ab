/*
 * test_whose.c - Sockets of this process are found by their ends, and it by them;
 * what the kernel says is read with care
 */
#include "gateway/core/whose.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "gateway/core/session.h"
#include "gateway/route/sockdiag.h"
#include "tests/unit/emulated.h"
#include "tests/unit/loop.h"

/* --- answers of the kernel -------------------------------------------------- */

struct message_bytes {
	struct nlmsghdr h;
	struct inet_diag_msg m;
};

static struct message_bytes socket_message(void)
{
	return (struct message_bytes){
		.h = { .nlmsg_len = sizeof(struct message_bytes),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		.m = { .idiag_family = AF_INET6,
		       .id = { .idiag_sport = htons(1000),
			       .idiag_dport = htons(80),
			       .idiag_src = { 0, 0, htonl(0xffff),
					      htonl(0x7f000001) },
			       .idiag_dst = { htonl(0xfd000000), 0, 0,
					      htonl(1) } },
		       .idiag_uid = 33,
		       .idiag_inode = 4711 },
	};
}

static void a_socket_is_read_and_every_cut_refused(void **state)
{
	struct message_bytes b = socket_message();
	struct addr local = addr_of("127.0.0.1", 1000);
	struct sockdiag got = { .inode = 1 };

	(void)state;
	for (size_t n = 0; n < sizeof(b); n++)
		assert_int_equal(sockdiag_read((uint8_t *)&b, n, &got),
				 -EPROTO);
	assert_int_equal(got.inode, 1);
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got), 0);
	assert_int_equal(got.inode, 4711);
	assert_int_equal(got.uid, 33);
	assert_true(addr_eq(&got.local, &local));
	assert_int_equal(got.remote.kind, ADDR_V6);
	b.h.nlmsg_len = sizeof(b) - 1; /* it says less than is there */
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got),
			 -EPROTO);
	b.h.nlmsg_len = sizeof(b) + 1; /* more */
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got),
			 -EPROTO);
	b.h.nlmsg_len = 3;
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got),
			 -EPROTO);
	b = socket_message();
	b.h.nlmsg_type = RTM_NEWROUTE;
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got),
			 -EPROTO);
}

static void errors_of_the_kernel_come_through(void **state)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} b = { .h = { .nlmsg_len = sizeof(b), .nlmsg_type = NLMSG_ERROR },
		.e = { .error = -ENOENT } };
	struct sockdiag got;
	uint8_t type = 0;

	(void)state;
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got),
			 -ENOENT);
	assert_int_equal(sockdiag_read_route((uint8_t *)&b, sizeof(b), &type),
			 -ENOENT);
	b.e.error = 0; /* an acknowledgement: no answer */
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got),
			 -EPROTO);
	b.h.nlmsg_len = NLMSG_HDRLEN;
	assert_int_equal(sockdiag_read((uint8_t *)&b, sizeof(b), &got),
			 -EPROTO);
}

static void questions_fit_their_buffer(void **state)
{
	struct addr a = addr_of("fd00::1", 1), b = addr_of("fd00::2", 2);
	uint8_t buf[SOCKDIAG_BYTES];

	(void)state;
	assert_in_range(sockdiag_write(buf, NET_UDP, &a, &b), 1, sizeof(buf));
	assert_in_range(sockdiag_write_route(buf, &a), 1, sizeof(buf));
}

/* --- real sockets ------------------------------------------------------------ */

/* Two ends of this process */
struct pair {
	int listener, client, server;
	struct addr from, to;
};

static struct addr name_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	return addr_from_sockaddr(&ss);
}

/* @mapped: the client's is an IPv6 socket that speaks to an IPv4 address */
static void pair_open(struct pair *p, const char *ip, bool mapped)
{
	uint16_t port = 0;
	struct sockaddr_storage ss;
	socklen_t len;
	int family;

	p->listener = listen_on(ip, &port);
	p->to = addr_of(ip, port);
	family = mapped || p->to.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	p->client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	len = addr_to_sockaddr(&p->to, family, &ss);
	assert_int_equal(connect(p->client, (struct sockaddr *)&ss, len), 0);
	p->server = accept(p->listener, NULL, NULL);
	assert_true(p->server >= 0);
	p->from = name_of(p->client);
}

static void pair_close(const struct pair *p)
{
	close(p->server);
	close(p->client);
	close(p->listener);
}

static void a_socket_is_found_by_both_ends(void **state)
{
	static const char *const ips[] = { "127.0.0.1", "127.0.0.1", "::1" };
	struct sockdiag got;
	struct addr other;
	struct pair p;

	(void)state;
	skip_emulated("sock_diag");
	assert_true(sockdiag_works());
	for (int i = 0; i < 3; i++) {
		pair_open(&p, ips[i], i == 1);
		assert_int_equal(sockdiag_find(NET_TCP, &p.from, &p.to, &got),
				 0);
		assert_true(got.inode);
		assert_int_equal(got.uid, getuid());
		other = p.to;
		other.port++;
		assert_int_equal(sockdiag_find(NET_TCP, &p.from, &other, &got),
				 -ENOENT);
		/* A listener takes anybody: that says nothing */
		assert_int_equal(sockdiag_find(NET_TCP, &p.to, &other, &got),
				 -ENOENT);
		assert_true(sockdiag_is_local(&p.from));
		pair_close(&p);
	}
	other = addr_of("198.51.100.77", 1);
	assert_false(sockdiag_is_local(&other));
	other = addr_name("a.test", 6, 1);
	assert_false(sockdiag_is_local(&other));
	assert_int_equal(sockdiag_find(NET_TCP, &other, &other, &got), -ENOENT);
}

static int udp_on(int family, const char *ip, uint16_t *port)
{
	struct addr a = addr_of(ip, 0);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&a, family, &ss);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	*port = name_of(fd).port;
	return fd;
}

static void datagram_sockets_are_found_bound_to_anything(void **state)
{
	static const struct {
		int family;
		const char *bound, *local, *remote;
	} t[] = {
		{ AF_INET, "127.0.0.1", "127.0.0.1", "198.51.100.1" },
		{ AF_INET, "0.0.0.0", "127.0.0.1", "198.51.100.1" },
		{ AF_INET6, "::", "127.0.0.1", "198.51.100.1" },
		{ AF_INET6, "::", "::1", "2001:db8::1" },
		{ AF_INET6, "::1", "::1", "2001:db8::1" },
	};
	struct addr local, remote;
	struct sockdiag got;
	uint16_t port;
	int fd;

	(void)state;
	skip_emulated("sock_diag");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		fd = udp_on(t[i].family, t[i].bound, &port);
		local = addr_of(t[i].local, port);
		remote = addr_of(t[i].remote, 53);
		assert_int_equal(sockdiag_find(NET_UDP, &local, &remote, &got),
				 0);
		assert_true(got.inode);
		close(fd);
		assert_int_equal(sockdiag_find(NET_UDP, &local, &remote, &got),
				 -ENOENT);
	}
}

/* --- whose ------------------------------------------------------------------- */

static struct session session_of(struct loop *l, const struct pair *p)
{
	return (struct session){ .job = { .run = loop_job, .worker = &l->w },
				 .net = NET_TCP,
				 .source = p->from,
				 .orig = addr_of("198.51.100.1", 443),
				 .local = p->to };
}

static bool answered(void *arg)
{
	const struct session *s = arg;

	return s->whose->rc != -EAGAIN;
}

static void loop_of(struct loop *l)
{
	memset(l, 0, sizeof(*l));
	l->job = (struct job){ .run = loop_job, .worker = &l->w };
	assert_int_equal(worker_init(&l->w, 0, NULL), 0);
}

static void our_own_socket_is_ours(void **state)
{
	struct session s[2];
	struct loop l;
	struct pair p;
	char self[512];
	ssize_t n;

	(void)state;
	skip_emulated("sock_diag");
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	loop_of(&l);
	pair_open(&p, "127.0.0.1", true);
	s[0] = session_of(&l, &p);
	s[1] = session_of(&l, &p);
	assert_int_equal(whose_ask(&s[0]), -EAGAIN);
	assert_int_equal(whose_ask(&s[1]), -EAGAIN);
	assert_true(loop_until(&l, answered, &s[0], 5000));
	assert_int_equal(s[0].whose->rc, 0);
	assert_string_equal(s[0].whose->path, self);
	assert_int_equal(s[0].whose->pid, getpid());
	assert_int_equal(s[1].whose->rc, 0); /* by the same walk */
	whose_free(s[0].whose);
	assert_int_equal(whose_ask(&s[0]), 0); /* known by now */
	assert_string_equal(s[0].whose->path, self);
	whose_free(s[0].whose);
	whose_free(s[1].whose);
	job_forget(&s[0].job);
	job_forget(&s[1].job);
	pair_close(&p);
	worker_fini(&l.w);
}

static void strangers_and_the_dead_are_nobody_s(void **state)
{
	struct session s;
	struct loop l;
	struct pair p;

	(void)state;
	skip_emulated("sock_diag");
	loop_of(&l);
	pair_open(&p, "127.0.0.1", false);
	s = session_of(&l, &p);
	s.source = addr_of("198.51.100.77", p.from.port);
	assert_int_equal(whose_ask(&s), -ENOENT); /* forwarded */
	whose_free(s.whose);
	s.source = p.from;
	s.local = addr_of("127.0.0.1", 1);
	assert_int_equal(whose_ask(&s), -ENOENT);
	whose_free(s.whose);
	s.local = p.to;
	assert_int_equal(whose_ask(&s), -EAGAIN);
	close(p.client); /* before the walk comes by */
	p.client = dup(0);
	assert_true(loop_until(&l, answered, &s, 5000));
	assert_int_equal(s.whose->rc, -ENOENT);
	assert_null(s.whose->path);
	whose_free(s.whose);
	whose_free(NULL);
	job_forget(&s.job);
	pair_close(&p);
	worker_fini(&l.w);
}

static void a_session_may_end_while_it_is_asked_for(void **state)
{
	struct session s[2];
	struct loop l;
	struct pair p;

	(void)state;
	skip_emulated("sock_diag");
	loop_of(&l);
	pair_open(&p, "127.0.0.1", false);
	s[0] = session_of(&l, &p);
	s[1] = session_of(&l, &p);
	assert_int_equal(whose_ask(&s[0]), -EAGAIN);
	worker_tick(&l.w, 0);
	assert_int_equal(whose_ask(&s[1]), s[0].whose->rc);
	whose_free(s[0].whose);
	whose_free(s[1].whose);
	job_forget(&s[0].job);
	job_forget(&s[1].job);
	for (int i = 0; i < 3; i++)
		worker_tick(&l.w, 0);
	s[0].whose = s[1].whose = NULL;
	whose_ask(&s[0]);
	whose_free(s[0].whose); /* and the worker ends before the walk */
	job_forget(&s[0].job);
	pair_close(&p);
	worker_fini(&l.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_read_and_every_cut_refused),
		cmocka_unit_test(errors_of_the_kernel_come_through),
		cmocka_unit_test(questions_fit_their_buffer),
		cmocka_unit_test(a_socket_is_found_by_both_ends),
		cmocka_unit_test(datagram_sockets_are_found_bound_to_anything),
		cmocka_unit_test(our_own_socket_is_ours),
		cmocka_unit_test(strangers_and_the_dead_are_nobody_s),
		cmocka_unit_test(a_session_may_end_while_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
