/* test_listen.c - Accepting: bursts, ports, unix sockets, shortage of descriptors */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/loop.h"

#include "gateway/core/listen.h"
#include "gateway/core/session.h"

/* An inbound that keeps its sessions in GREET, and how many were born */
struct place {
	struct loop l;
	struct policy policy;
	struct inbound ib;
	struct tcp_listener tl;
	unsigned int want;
};

static int greet_never(struct session *s)
{
	s->in->ops->want(s->in, ST_READ);
	return -EAGAIN;
}

static int start_never(const struct inbound *ib, struct worker *w,
		       struct listener **out)
{
	(void)ib;
	(void)w;
	(void)out;
	return -ENOTSUP;
}

static const struct inbound_ops kind = { .name = "test",
					 .start = start_never,
					 .greet = greet_never };
/* What comes from ourselves, for those who are in */
static const struct inbound_ops own_kind = { .name = "dns" };

static void place_init(struct place *p, const char *ip, uint16_t port)
{
	memset(p, 0, sizeof(*p));
	loop_init(&p->l);
	p->policy = POLICY_DEFAULT;
	p->ib = (struct inbound){ .ops = &kind,
				  .tag = "t",
				  .policy = &p->policy,
				  .sockopt = SOCKOPT_DEFAULT,
				  .listen = addr_of(ip, 0),
				  .ports = { { port, port } },
				  .port_count = 1 };
}

static void place_fini(struct place *p)
{
	struct list *e, *n;

	listen_stop(&p->tl);
	list_for_each_safe (e, n, &p->l.w.sessions)
		ses_kill(container_of(e, struct session, node), -ECANCELED, 2);
	ses_reap(&p->l.w);
	loop_fini(&p->l);
}

static int dial(const char *ip, uint16_t port)
{
	struct addr a = addr_of(ip, port);
	struct sockaddr_storage ss;
	int family = a.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = addr_to_sockaddr(&a, family, &ss);

	assert_true(fd >= 0);
	(void)connect(fd, (struct sockaddr *)&ss, len);
	return fd;
}

static bool born(void *arg)
{
	struct place *p = arg;

	return p->l.w.session_count >= p->want;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void a_burst_is_taken_whole(void **state)
{
	enum { N = 200 };
	uint16_t port = port_unused("127.0.0.1");
	static struct place p;
	int fd[N];
	char text[ADDR_TEXT_MAX];

	(void)state;
	place_init(&p, "127.0.0.1", port);
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	for (int i = 0; i < N; i++)
		fd[i] = dial("127.0.0.1", port);
	p.want = N;
	assert_true(loop_until(&p.l, born, &p, 2000));
	{
		struct session *s =
			list_first(&p.l.w.sessions, struct session, node);

		assert_int_equal(s->local.port, port);
		assert_string_equal(
			addr_format_host(&s->source, text, sizeof(text)),
			"127.0.0.1");
		assert_int_equal(s->state, SES_GREET);
	}
	for (int i = 0; i < N; i++)
		close(fd[i]);
	place_fini(&p);
}

static void a_wildcard_takes_both_families(void **state)
{
	uint16_t port = port_unused("::1");
	static struct place p;
	struct session *s;
	int a, b;

	(void)state;
	place_init(&p, "::", port);
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	a = dial("127.0.0.1", port);
	p.want = 1;
	assert_true(loop_until(&p.l, born, &p, 2000));
	s = list_last(&p.l.w.sessions, struct session, node);
	assert_int_equal(s->source.kind, ADDR_V4);
	b = dial("::1", port);
	p.want = 2;
	assert_true(loop_until(&p.l, born, &p, 2000));
	s = list_last(&p.l.w.sessions, struct session, node);
	assert_int_equal(s->source.kind, ADDR_V6);
	close(a);
	close(b);
	place_fini(&p);
}

static void v6only_is_obeyed(void **state)
{
	uint16_t port = port_unused("::1");
	static struct place p;
	int a;

	(void)state;
	place_init(&p, "::", port);
	p.ib.sockopt.v6only = true;
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	a = dial("127.0.0.1", port);
	p.want = 1;
	assert_false(loop_until(&p.l, born, &p, 100));
	close(a);
	place_fini(&p);
}

/* Without descriptors: no spinning, nobody lost, and it goes on by itself */
static void a_shortage_is_waited_out(void **state)
{
	uint16_t port = port_unused("127.0.0.1");
	struct rlimit old, low;
	static struct place p;
	unsigned int ticks;
	int fd[4];

	(void)state;
	place_init(&p, "127.0.0.1", port);
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	for (int i = 0; i < 4; i++)
		fd[i] = dial("127.0.0.1", port);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)fd[3] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	p.want = 1;
	ticks = p.l.w.tick;
	(void)loop_until(&p.l, never, &p, 350);
	/* the loop turns each 5 ms by itself; a spin would be thousands */
	assert_true(p.l.w.tick - ticks < 150);
	assert_int_equal(p.l.w.session_count, 0);
	assert_in_range(p.l.w.drops[DROP_DESCRIPTORS], 2, 6);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	p.want = 4;
	assert_true(loop_until(&p.l, born, &p, 1000));
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	place_fini(&p);
}

/* At the session limit a client is reset, not left hanging */
static void the_session_limit_sheds(void **state)
{
	uint16_t port = port_unused("127.0.0.1");
	static struct place p;
	int a, b;
	char c;

	(void)state;
	place_init(&p, "127.0.0.1", port);
	p.l.w.session_limit = 1;
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	a = dial("127.0.0.1", port);
	p.want = 1;
	assert_true(loop_until(&p.l, born, &p, 1000));
	b = dial("127.0.0.1", port);
	p.want = 2;
	assert_false(loop_until(&p.l, born, &p, 50));
	assert_int_equal(read(b, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(a);
	close(b);
	place_fini(&p);
}

/*
 * Each that is let in has a descriptor and will need another one: those who could not
 * have it are reset at once, not when they ask for it
 */
static void who_could_not_be_served_is_shed(void **state)
{
	enum { N = 40, LIMIT = 64 };
	uint16_t port = port_unused("127.0.0.1");
	static struct place p;
	struct inbound own = { .tag = "own" };
	unsigned int reset = 0;
	struct session *s;
	int fd[N];
	char c;

	(void)state;
	place_init(&p, "127.0.0.1", port);
	p.l.w.fd_limit = LIMIT;
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	for (int i = 0; i < N; i++)
		fd[i] = dial("127.0.0.1", port);
	p.want = N;
	assert_false(loop_until(&p.l, born, &p, 100));
	assert_in_range(p.l.w.session_count, LIMIT / 2 - 5, LIMIT / 2);
	for (int i = 0; i < N; i++)
		reset += read(fd[i], &c, 1) < 0 && errno == ECONNRESET;
	assert_int_equal(reset, N - p.l.w.session_count);
	assert_int_equal(p.l.w.drops[DROP_DESCRIPTORS], reset);
	/* what these ask of us is served */
	own.ops = &own_kind;
	s = ses_new(&p.l.w, &own, NET_TCP, NULL);
	assert_non_null(s);
	ses_kill(s, 0, 2);
	ses_reap(&p.l.w);
	/* who goes makes room */
	ses_kill(list_first(&p.l.w.sessions, struct session, node), 0, 2);
	p.want = p.l.w.session_count;
	fd[0] = (close(fd[0]), dial("127.0.0.1", port));
	assert_true(loop_until(&p.l, born, &p, 1000));
	assert_int_equal(p.l.w.drops[DROP_DESCRIPTORS], reset);
	for (int i = 0; i < N; i++)
		close(fd[i]);
	place_fini(&p);
	assert_int_equal(p.l.w.opening, 0);
}

static int dial_unix(const char *path, size_t n)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(un.sun_path, path, n);
	if (connect(fd, (struct sockaddr *)&un,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)))
		assert_int_equal(errno, 0);
	return fd;
}

static void unix_sockets_have_a_mode_and_leave_no_file(void **state)
{
	char dir[] = "/tmp/culvert-listen.XXXXXX", path[64], text[80];
	static struct place p;
	struct stat st;
	int a;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(text, sizeof(text), "%s,0640", path);
	place_init(&p, "::", 1);
	p.ib.listen = addr_name(text, strlen(text), 0);
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	a = dial_unix(path, strlen(path) + 1);
	p.want = 1;
	assert_true(loop_until(&p.l, born, &p, 1000));
	close(a);
	listen_stop(&p.tl);
	assert_int_equal(stat(path, &st), -1);
	place_fini(&p);
	assert_int_equal(rmdir(dir), 0);
}

static void abstract_sockets_have_no_file(void **state)
{
	char text[64], name[64];
	static struct place p;
	int a;

	(void)state;
	snprintf(text, sizeof(text), "@culvert-test-%d", (int)getpid());
	memcpy(name, text, sizeof(name));
	name[0] = '\0';
	place_init(&p, "::", 1);
	p.ib.listen = addr_name(text, strlen(text), 0);
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), 0);
	a = dial_unix(name, strlen(text));
	p.want = 1;
	assert_true(loop_until(&p.l, born, &p, 1000));
	close(a);
	place_fini(&p);
}

static void unix_addresses_that_are_none(void **state)
{
	static const char *const bad[] = { "/tmp/x,", "/tmp/x,9z",
					   "/no/such/folder/s" };
	static struct place p;
	char longest[200];

	(void)state;
	place_init(&p, "::", 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p.ib.listen = addr_name(bad[i], strlen(bad[i]), 0);
		assert_true(listen_start(&p.tl, &p.ib, &p.l.w) < 0);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[199] = '\0';
	p.ib.listen = addr_name(longest, 199, 0);
	assert_int_equal(listen_start(&p.tl, &p.ib, &p.l.w), -ENAMETOOLONG);
	place_fini(&p);
}

static void ports_are_walked_in_order_and_once(void **state)
{
	struct inbound ib = { .ports = { { 90, 91 },
					 { 10, 12 },
					 { 11, 13 },
					 { 65535, 65535 } },
			      .port_count = 4 };
	static const uint32_t want[] = { 10, 11, 12, 13, 90, 91, 65535 };
	uint32_t at = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(listen_next_port(&ib, &at));
		assert_int_equal(at, want[i]);
	}
	assert_false(listen_next_port(&ib, &at));
}

static void what_sockets_are_made_of_decides_sameness(void **state)
{
	struct inbound a = { .listen = addr_of("::", 0),
			     .ports = { { 1, 3 } },
			     .port_count = 1,
			     .sockopt = SOCKOPT_DEFAULT };
	struct inbound b = a;

	(void)state;
	b.ports[0] = (struct port_range){ 1, 1 };
	b.ports[1] = (struct port_range){ 2, 3 };
	b.port_count = 2;
	assert_true(listen_same(&a, &b)); /* the same ports, told otherwise */
	b.ports[1].hi = 4;
	assert_false(listen_same(&a, &b));
	b = a;
	b.sockopt.tproxy = 1;
	assert_false(listen_same(&a, &b));
	b = a;
	b.listen = addr_of("127.0.0.1", 0);
	assert_false(listen_same(&a, &b));
}

static void local_addresses_are_known(void **state)
{
	struct addr a = addr_of("127.0.0.1", 80), b = addr_of("192.0.2.1", 80);
	struct addr c = addr_of("::1", 80), d = addr_of("2001:db8::1", 80);

	(void)state;
	assert_true(listen_is_local(&a));
	assert_false(listen_is_local(&b));
	assert_true(listen_is_local(&c));
	assert_false(listen_is_local(&d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_taken_whole),
		cmocka_unit_test(a_wildcard_takes_both_families),
		cmocka_unit_test(v6only_is_obeyed),
		cmocka_unit_test(a_shortage_is_waited_out),
		cmocka_unit_test(the_session_limit_sheds),
		cmocka_unit_test(who_could_not_be_served_is_shed),
		cmocka_unit_test(unix_sockets_have_a_mode_and_leave_no_file),
		cmocka_unit_test(abstract_sockets_have_no_file),
		cmocka_unit_test(unix_addresses_that_are_none),
		cmocka_unit_test(ports_are_walked_in_order_and_once),
		cmocka_unit_test(what_sockets_are_made_of_decides_sameness),
		cmocka_unit_test(local_addresses_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
