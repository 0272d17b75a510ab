/* test_kcp_port.c - An mKCP server's socket: what is left when it is closed */
#include <errno.h>
#include <sys/socket.h>

#include "tests/unit/loop.h"

#include "gateway/core/listen.h"
#include "gateway/core/session.h"
#include "proxy/transport/kcp_int.h"
#include "proxy/transport/transports.h"

/**
 * struct place - A server of mKCP without layers around it
 * @rc:		What the sessions' greet gives
 * @stop:	It stops the listener first
 * @fd:		A client's
 */
struct place {
	struct loop l;
	struct policy policy;
	struct kcp_conf conf;
	struct transport t;
	struct inbound ib;
	struct tcp_listener tl;
	struct addr at;
	unsigned int greeted, want;
	bool stop;
	int rc, fd;
	ssize_t read;
};

static struct place p;

static int greet(struct session *s)
{
	uint8_t b[4000];

	p.greeted++;
	if (p.stop)
		listen_stop(&p.tl);
	p.stop = false;
	p.read = stream_read(s->in, b, sizeof(b));
	s->in->ops->want(s->in, ST_READ);
	return p.rc;
}

static const struct inbound_ops kind = { .name = "test", .greet = greet };

static int setup(void **state)
{
	struct sockaddr_storage ss;
	socklen_t len;

	(void)state;
	memset(&p, 0, sizeof(p));
	loop_init(&p.l);
	p.at = addr_of("127.0.0.1", 0);
	p.at.port = port_unused("127.0.0.1");
	p.policy = POLICY_DEFAULT;
	p.rc = -EAGAIN;
	p.conf.mtu = 1350;
	p.conf.rules = (struct kcp_rules){ .mss = 1300,
					   .tti_ms = 1000,
					   .rate = 100,
					   .window = 100,
					   .queue = 100 };
	p.t = (struct transport){ .ops = &transport_kcp_ops,
				  .server = true,
				  .settings = &p.conf };
	p.ib = (struct inbound){ .ops = &kind,
				 .tag = "t",
				 .policy = &p.policy,
				 .sockopt = SOCKOPT_DEFAULT,
				 .transport = &p.t,
				 .listen = addr_of("127.0.0.1", 0),
				 .ports = { { p.at.port, p.at.port } },
				 .port_count = 1 };
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	p.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	len = addr_to_sockaddr(&p.at, AF_INET, &ss);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&ss, len), 0);
	return 0;
}

static int teardown(void **state)
{
	struct list *e, *n;

	(void)state;
	listen_stop(&p.tl);
	list_for_each_safe (e, n, &p.l.w.sessions)
		ses_kill(container_of(e, struct session, node), -ECANCELED, 2);
	ses_reap(&p.l.w);
	close(p.fd);
	loop_fini(&p.l);
	return 0;
}

static void say(uint16_t conv, uint32_t number)
{
	const struct kcp_seg s = { .conv = conv,
				   .cmd = KCP_DATA,
				   .number = number,
				   .data = (const uint8_t *)"hello",
				   .len = 5 };
	uint8_t b[64];
	ssize_t n = kcp_encode(&s, b, sizeof(b));

	assert_int_equal(send(p.fd, b, (size_t)n, 0), n);
}

static bool greeted(void *arg)
{
	(void)arg;
	return p.greeted >= p.want;
}

/*
 * A reload takes the listener away in the turn that a connection is served in: what
 * the connection does then marks no job of a socket that is gone with it.
 */
static void kcp_port_closed_is_not_marked(void **state)
{
	(void)state;
	p.want = 1;
	say(7, 0);
	assert_true(loop_until(&p.l, greeted, NULL, 2000));
	p.stop = true;
	p.rc = -EPROTO;
	p.want = 2;
	say(7, 1); /* to be acknowledged with the next step */
	assert_true(loop_until(&p.l, greeted, NULL, 2000));
	assert_int_equal(p.read, -ECONNRESET);
	assert_int_equal(p.l.w.session_count, 0);
	assert_null(p.l.w.later_head);
	assert_null(p.l.w.ready_head);
	worker_tick(&p.l.w, 0);
}

/* Those of other connections are told, too, and end */
static void kcp_port_closed_ends_all(void **state)
{
	(void)state;
	for (uint16_t conv = 1; conv <= 5; conv++)
		say(conv, 0);
	p.want = 5;
	assert_true(loop_until(&p.l, greeted, NULL, 2000));
	assert_int_equal(p.l.w.session_count, 5);
	listen_stop(&p.tl);
	p.rc = -ECONNRESET;
	p.want = 10;
	assert_true(loop_until(&p.l, greeted, NULL, 1000));
	assert_int_equal(p.read, -ECONNRESET);
	assert_int_equal(p.l.w.session_count, 0);
}

/* Who was answered is no longer young; who is killed young is gone at once */
static void kcp_port_counts_who_is_young(void **state)
{
	struct kcp_port *port = p.tl.acceptors->bottom;
	struct session *s;

	(void)state;
	for (uint16_t conv = 1; conv <= 5; conv++)
		say(conv, 0);
	p.want = 5;
	assert_true(loop_until(&p.l, greeted, NULL, 2000));
	assert_int_equal(port->young, 5);
	s = list_first(&p.l.w.sessions, struct session, node);
	assert_int_equal(stream_write(s->in, (const uint8_t *)"hi", 2), 2);
	assert_int_equal(port->young, 4);
	assert_int_equal(stream_write(s->in, (const uint8_t *)"hi", 2), 2);
	assert_int_equal(port->young, 4);
	ses_kill(s, -EPROTO, 2);
	ses_kill(list_first(&p.l.w.sessions, struct session, node), -EPROTO, 2);
	ses_reap(&p.l.w);
	assert_int_equal(port->young, 3);
	assert_int_equal(port->conns.count, 4); /* the answered one lingers */
}

/* v2ray takes an empty data segment alone for a cut one: see put_segment() */
static void kcp_port_end_does_not_go_alone(void **state)
{
	struct kcp_seg s = { .cmd = KCP_ACK };
	struct session *ses;
	uint8_t b[2000];
	ssize_t n = 0, used = 0;

	(void)state;
	say(1, 0);
	p.want = 1;
	assert_true(loop_until(&p.l, greeted, NULL, 2000));
	ses = list_first(&p.l.w.sessions, struct session, node);
	assert_int_equal(ses->in->ops->finish(ses->in), 0);
	worker_tick(&p.l.w, 0);
	while (s.cmd != KCP_DATA) {
		n = recv(p.fd, b, sizeof(b), 0);
		assert_true(n > 0);
		used = kcp_decode(b, (size_t)n, &s);
		assert_true(used > 0);
	}
	assert_int_equal(s.len, 0);
	assert_int_equal(s.opt, KCP_END);
	assert_true(n - used >= 1);
	assert_int_equal(kcp_decode(b + used, (size_t)(n - used), &s),
			 n - used);
	assert_int_equal(s.cmd, KCP_PING);
	assert_int_equal(s.next, 1);
}

#define PORT_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(kcp_port_closed_is_not_marked),
		PORT_TEST(kcp_port_closed_ends_all),
		PORT_TEST(kcp_port_counts_who_is_young),
		PORT_TEST(kcp_port_end_does_not_go_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
