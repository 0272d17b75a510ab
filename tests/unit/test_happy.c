/* test_happy.c - Dialing: races, strategies, errors, guards; over loopback */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/core/dns.h"
#include "gateway/core/session.h"
#include "gateway/core/transport.h"
#include "loop.h"
#include "tests/unit/emulated.h"

/* --- the resolver of these tests: a script --- */

/**
 * struct answer - What one dns_ask() gives
 * @ip:		Up to three addresses; NULL ends. None: -ENOENT
 * @late_ms:	The addresses come that much later; @pending until then
 */
struct answer {
	const char *ip[3];
	uint32_t late_ms;
};

static struct {
	struct answer script[4];
	unsigned int asked;
	unsigned int families[4], flags[4];
	struct dns_req *req;
	struct timer timer;
	uint32_t due;
} dns;

static void give(struct dns_req *r, const struct answer *a)
{
	for (int i = 0; i < 3 && a->ip[i]; i++) {
		struct addr ip = addr_of(a->ip[i], 0);

		r->ips[r->count].kind = ip.kind;
		memcpy(r->ips[r->count++].ip, ip.ip, 16);
	}
	r->rc = r->count ? 0 : -ENOENT;
	r->pending = 0;
}

static void dns_due(struct timer *t)
{
	(void)t;
	give(dns.req, &dns.script[dns.asked - 1]);
	job_ready(dns.req->job);
}

/* NOLINTNEXTLINE(readability-function-size): the contract has 7 parameters */
int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags)
{
	struct answer *a = &dns.script[dns.asked];

	(void)cfg;
	assert_string_equal(name, "name.test");
	assert_true(dns.asked < ARRAY_SIZE(dns.script));
	dns.families[dns.asked] = families;
	dns.flags[dns.asked++] = flags;
	memset(r, 0, sizeof(*r));
	r->job = job;
	if (!a->late_ms) {
		give(r, a);
		return r->rc;
	}
	r->rc = -EAGAIN;
	r->pending = (uint8_t)families;
	dns.req = r;
	timer_init(&dns.timer, dns_due);
	timer_set(&w->wheel, &dns.timer, a->late_ms);
	return r->rc;
}

void dns_cancel(struct dns_req *r)
{
	if (dns.req == r && r->rc == -EAGAIN)
		timer_cancel(&dns.timer);
	dns.req = NULL;
}

/* --- helpers --- */

static const struct outbound_ops direct_ops = { .name = "t", .local = true };

/**
 * struct dialing - One dial and how it ended
 * @rc:		-EAGAIN until it is decided; 0 connected
 */
struct dialing {
	struct loop l;
	struct outbound ob;
	struct session s;
	struct stream *st;
	int rc;
	uint32_t took_ms;
	bool stranger;
};

static void begin(struct dialing *t)
{
	memset(t, 0, sizeof(*t));
	memset(&dns, 0, sizeof(dns));
	loop_init(&t->l);
	t->ob.ops = &direct_ops;
	t->ob.sockopt = SOCKOPT_DEFAULT;
	t->s.job.worker = &t->l.w;
}

static bool decided(void *arg)
{
	struct dialing *t = arg;

	stream_shed(&t->st);
	if (t->st->ops->up(t->st))
		t->rc = 0;
	else
		t->rc = (int)t->st->ops->writev(t->st, NULL, 0);
	return t->rc != -EAGAIN;
}

static int dial(struct dialing *t, struct addr to, enum domain_strategy ds)
{
	struct dial d = { .worker = &t->l.w,
			  .job = &t->l.job,
			  .cfg = &t->l.cfg,
			  .ob = &t->ob,
			  .s = &t->s,
			  .stranger = t->stranger };
	uint32_t t0 = clock_ms();

	t->s.target = to;
	worker_tick(&t->l.w, 0);
	assert_int_equal(raw_dial(&d, &to, &t->ob.sockopt, ds, &t->st), 0);
	assert_true(loop_until(&t->l, decided, t, 10000));
	t->took_ms = clock_ms() - t0;
	return t->rc;
}

static void finish(struct dialing *t)
{
	stream_close(&t->st, 0);
	loop_fini(&t->l);
}

/* Whom did we connect to? */
static struct addr peer_of(const struct dialing *t)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct watch *w = t->st->ops->watch(t->st, ST_READ);

	assert_non_null(w);
	assert_int_equal(getpeername(w->fd, (struct sockaddr *)&ss, &len), 0);
	return addr_from_sockaddr(&ss);
}

static void assert_peer(const struct dialing *t, const char *ip)
{
	struct addr want = addr_of(ip, 0), got = peer_of(t);

	assert_true(addr_eq_host(&want, &got));
}

static struct addr name_at(uint16_t port)
{
	return addr_name("name.test", 9, port);
}

static void close_all(int fd, const int fill[4])
{
	close(fd);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
}

/* --- tests --- */

static void a_literal_connects_and_sheds_to_the_bare_socket(void **state)
{
	struct dialing t;
	uint16_t port = 0;
	int l;

	(void)state;
	begin(&t);
	l = listen_on("127.0.0.1", &port);
	assert_int_equal(dial(&t, addr_of("127.0.0.1", port), DS_AS_IS), 0);
	assert_string_equal(t.st->ops->name, "fd");
	assert_int_equal(dns.asked, 0);
	close(l);
	finish(&t);
}

static void a_refused_port_is_told_at_once(void **state)
{
	struct dialing t;

	(void)state;
	skip_foreign_errno();
	begin(&t);
	assert_int_equal(dial(&t,
			      addr_of("127.0.0.1", port_unused("127.0.0.1")),
			      DS_AS_IS),
			 -ECONNREFUSED);
	assert_true(t.took_ms < 80);
	assert_string_equal(t.st->ops->name, "dial");
	/* and stays */
	assert_int_equal(t.st->ops->finish(t.st), -ECONNREFUSED);
	finish(&t);
}

static void a_dead_first_address_costs_one_step(void **state)
{
	struct dialing t;
	uint16_t port = 0;
	int fill[4], dead, l;

	(void)state;
	begin(&t);
	dead = listen_dead("127.0.0.1", &port, fill);
	l = listen_on("127.0.0.2", &port);
	dns.script[0] = (struct answer){ { "127.0.0.1", "127.0.0.2" }, 0 };
	assert_int_equal(dial(&t, name_at(port), DS_AS_IS), 0);
	assert_peer(&t, "127.0.0.2");
	assert_in_range(t.took_ms, 240, 600);
	assert_int_equal(dns.flags[0], DNS_SYSTEM);
	close_all(dead, fill);
	close(l);
	finish(&t); /* the loser's descriptor is gone, or this fails */
}

static void a_refused_first_address_costs_nothing(void **state)
{
	struct dialing t;
	uint16_t port = 0;
	int l;

	(void)state;
	begin(&t);
	l = listen_on("127.0.0.2", &port);
	dns.script[0] = (struct answer){ { "127.0.0.1", "127.0.0.2" }, 0 };
	assert_int_equal(dial(&t, name_at(port), DS_USE_IP), 0);
	assert_peer(&t, "127.0.0.2");
	assert_true(t.took_ms < 100);
	close(l);
	finish(&t);
}

static void families_alternate_and_the_preferred_is_first(void **state)
{
	struct dialing t;
	uint16_t port = 0;
	int fill[4], dead, l;

	(void)state;
	begin(&t);
	dead = listen_dead("127.0.0.1", &port, fill);
	l = listen_on("::1", &port);
	/* ::1 goes before 127.0.0.2, where nobody is */
	dns.script[0] =
		(struct answer){ { "127.0.0.1", "127.0.0.2", "::1" }, 0 };
	assert_int_equal(dial(&t, name_at(port), DS_USE_IP), 0);
	assert_peer(&t, "::1");
	assert_in_range(t.took_ms, 240, 480);
	stream_close(&t.st, 0);

	memset(&dns, 0, sizeof(dns));
	dns.script[0] = (struct answer){ { "127.0.0.1", "::1" }, 0 };
	t.ob.sockopt.happy_v6_first = true;
	assert_int_equal(dial(&t, name_at(port), DS_USE_IP), 0);
	assert_peer(&t, "::1");
	assert_true(t.took_ms < 100);
	close_all(dead, fill);
	close(l);
	finish(&t);
}

static void all_refused_is_refused(void **state)
{
	struct dialing t;

	(void)state;
	skip_foreign_errno();
	begin(&t);
	dns.script[0] = (struct answer){ { "127.0.0.1", "::1" }, 0 };
	assert_int_equal(dial(&t, name_at(port_unused("127.0.0.1")), DS_USE_IP),
			 -ECONNREFUSED);
	assert_true(t.took_ms < 100);
	finish(&t);
}

static void an_answer_that_comes_later_is_waited_for(void **state)
{
	struct dialing t;
	uint16_t port = 0;
	int l;

	(void)state;
	begin(&t);
	l = listen_on("127.0.0.1", &port);
	dns.script[0] = (struct answer){ { "127.0.0.1" }, 60 };
	assert_int_equal(dial(&t, name_at(port), DS_USE_IP), 0);
	assert_in_range(t.took_ms, 50, 200);
	close(l);
	finish(&t);
}

static void one_family_waits_for_the_preferred_only_shortly(void **state)
{
	struct dialing t;
	struct dial d;
	struct addr to;
	uint16_t port = 0;
	uint32_t t0;
	int l;

	(void)state;
	begin(&t);
	l = listen_on("::1", &port);
	dns.script[0] = (struct answer){ { "127.0.0.1" }, 5000 };
	d = (struct dial){ .worker = &t.l.w,
			   .job = &t.l.job,
			   .cfg = &t.l.cfg,
			   .ob = &t.ob,
			   .s = &t.s };
	to = name_at(port);
	worker_tick(&t.l.w, 0);
	t0 = clock_ms();
	assert_int_equal(raw_dial(&d, &to, &t.ob.sockopt, DS_USE_IP, &t.st), 0);
	/* AAAA is here, A is not */
	dns.req->count = 1;
	dns.req->rc = 0;
	dns.req->pending = DNS_V4;
	dns.req->ips[0] =
		(struct dns_ip){ .kind = ADDR_V6, .ip = { [15] = 1 } };
	assert_true(loop_until(&t.l, decided, &t, 1000));
	assert_int_equal(t.rc, 0);
	assert_in_range(clock_ms() - t0, 45, 150);
	timer_cancel(&dns.timer);
	close(l);
	finish(&t);
}

static void force_fails_where_use_asks_the_system(void **state)
{
	struct dialing t;
	uint16_t port = 0;
	int l;

	(void)state;
	begin(&t);
	assert_int_equal(dial(&t, name_at(80), DS_FORCE_IPV4V6), -ENOENT);
	assert_int_equal(dns.asked, 2);
	assert_int_equal(dns.families[0], DNS_V4);
	assert_int_equal(dns.families[1], DNS_V6);
	assert_int_equal(dns.flags[0] | dns.flags[1], 0);
	stream_close(&t.st, 0);

	memset(&dns, 0, sizeof(dns));
	l = listen_on("127.0.0.1", &port);
	dns.script[2] = (struct answer){ { "127.0.0.1" }, 0 };
	assert_int_equal(dial(&t, name_at(port), DS_USE_IPV6V4), 0);
	assert_int_equal(dns.asked, 3);
	assert_int_equal(dns.families[0], DNS_V6);
	assert_int_equal(dns.families[1], DNS_V4);
	assert_int_equal(dns.families[2], DNS_V4 | DNS_V6);
	assert_int_equal(dns.flags[2], DNS_SYSTEM);
	close(l);
	finish(&t);
}

static void a_source_that_is_not_ours_is_tried_five_times(void **state)
{
	struct dialing t;

	(void)state;
	begin(&t);
	t.ob.send_through = addr_of("192.0.2.77", 0);
	assert_int_equal(dial(&t, addr_of("127.0.0.1", 9), DS_AS_IS),
			 -EADDRNOTAVAIL);
	/* 0 + 100 + 200 + 300 */
	assert_in_range(t.took_ms, 560, 1500);
	finish(&t);
}

static void a_source_of_the_other_family_fails_at_once(void **state)
{
	struct dialing t;

	(void)state;
	begin(&t);
	t.ob.send_through = addr_of("127.0.0.1", 0);
	assert_int_equal(dial(&t, addr_of("::1", 9), DS_AS_IS), -EAFNOSUPPORT);
	assert_true(t.took_ms < 80);
	finish(&t);
}

static void send_through_is_the_source(void **state)
{
	struct dialing t;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr from, want = addr_of("127.0.0.9", 0);
	uint16_t port = 0;
	int l, c;

	(void)state;
	begin(&t);
	l = listen_on("127.0.0.1", &port);
	t.ob.send_through = want;
	assert_int_equal(dial(&t, addr_of("127.0.0.1", port), DS_AS_IS), 0);
	c = accept(l, (struct sockaddr *)&ss, &len);
	from = addr_from_sockaddr(&ss);
	assert_true(addr_eq_host(&from, &want));
	close(c);
	close(l);
	finish(&t);
}

static void our_own_listener_is_not_a_target(void **state)
{
	struct inbound ib = { .port_count = 1 };
	struct inbound *list[1] = { &ib };
	struct dialing t;
	uint16_t port = 0;
	int l;

	(void)state;
	begin(&t);
	l = listen_on("127.0.0.1", &port);
	ib.listen = addr_of("::", 0);
	ib.ports[0] = (struct port_range){ port, port };
	t.l.cfg.inbounds = list;
	t.l.cfg.inbound_count = 1;
	assert_int_equal(dial(&t, addr_of("127.0.0.1", port), DS_AS_IS),
			 -ELOOP);
	stream_close(&t.st, 0);
	/* another host's port of that number is fine */
	ib.listen = addr_of("127.0.0.5", 0);
	assert_int_equal(dial(&t, addr_of("127.0.0.1", port), DS_AS_IS), 0);
	close(l);
	finish(&t);
}

static void a_fake_address_is_never_dialed(void **state)
{
	struct dialing t;
	struct diag d;
	uint16_t port = 0;
	int l;

	(void)state;
	begin(&t);
	diag_init(&d);
	l = listen_on("127.0.0.1", &port);
	t.l.cfg.fakedns = fakedns_parse(&d, NULL, DNS_V4, NULL);
	assert_non_null(t.l.cfg.fakedns);
	assert_int_equal(dial(&t, addr_of("198.18.0.7", port), DS_AS_IS),
			 -EADDRNOTAVAIL);
	fakedns_unref(t.l.cfg.fakedns);
	diag_free(&d);
	close(l);
	finish(&t);
}

/* Rules that forbid 127.0.0.1 and .3; to strangers .2 as well */
static bool forbid_some(const struct outbound *ob, struct reach *r,
			const struct addr *to)
{
	(void)ob;
	assert_int_equal(r->net, NET_TCP);
	r->block_ms = 1000u * to->ip[3];
	return to->ip[3] == 2 ? !r->stranger : to->ip[3] != 1 && to->ip[3] != 3;
}

static void what_rules_forbid_is_never_dialed(void **state)
{
	static const struct outbound_ops rules_ops = {
		.name = "t", .local = true, .may_reach = forbid_some
	};
	int l1, l2;
	struct dialing t;
	uint16_t port = 0;

	(void)state;
	begin(&t);
	t.ob.ops = &rules_ops;
	l1 = listen_on("127.0.0.1", &port);
	l2 = listen_on("127.0.0.2", &port);
	assert_int_equal(dial(&t, addr_of("127.0.0.1", port), DS_AS_IS),
			 -EFORBIDDEN);
	assert_int_equal(t.s.block_ms, 1000);
	stream_close(&t.st, 0);
	/* of a name, what is allowed is dialed */
	dns.script[0] = (struct answer){ { "127.0.0.1", "127.0.0.2" }, 0 };
	assert_int_equal(dial(&t, name_at(port), DS_AS_IS), 0);
	assert_peer(&t, "127.0.0.2");
	stream_close(&t.st, 0);
	/* also when the answer comes later */
	dns.script[1] = (struct answer){ { "127.0.0.1", "127.0.0.3" }, 20 };
	assert_int_equal(dial(&t, name_at(port), DS_AS_IS), -EFORBIDDEN);
	assert_int_equal(t.s.block_ms, 3000);
	stream_close(&t.st, 0);
	t.stranger = true;
	assert_int_equal(dial(&t, addr_of("127.0.0.2", port), DS_AS_IS),
			 -EFORBIDDEN);
	assert_int_equal(t.s.block_ms, 2000);
	close(l1);
	close(l2);
	finish(&t);
}

static void sixteen_seconds_are_the_end(void **state)
{
	struct dialing t;
	struct dial d;
	struct addr to;
	uint16_t port = 0;
	int fill[4], dead;

	(void)state;
	begin(&t);
	dead = listen_dead("127.0.0.1", &port, fill);
	d = (struct dial){ .worker = &t.l.w,
			   .job = &t.l.job,
			   .cfg = &t.l.cfg,
			   .ob = &t.ob,
			   .s = &t.s };
	to = addr_of("127.0.0.1", port);
	worker_tick(&t.l.w, 0);
	assert_int_equal(raw_dial(&d, &to, &t.ob.sockopt, DS_AS_IS, &t.st), 0);
	t.l.w.now_ms += 15900;
	assert_int_equal(t.st->ops->writev(t.st, NULL, 0), -EAGAIN);
	t.l.w.now_ms += 200;
	assert_int_equal(t.st->ops->writev(t.st, NULL, 0), -ETIMEDOUT);
	close_all(dead, fill);
	finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_literal_connects_and_sheds_to_the_bare_socket),
		cmocka_unit_test(a_refused_port_is_told_at_once),
		cmocka_unit_test(a_dead_first_address_costs_one_step),
		cmocka_unit_test(a_refused_first_address_costs_nothing),
		cmocka_unit_test(families_alternate_and_the_preferred_is_first),
		cmocka_unit_test(all_refused_is_refused),
		cmocka_unit_test(an_answer_that_comes_later_is_waited_for),
		cmocka_unit_test(
			one_family_waits_for_the_preferred_only_shortly),
		cmocka_unit_test(force_fails_where_use_asks_the_system),
		cmocka_unit_test(a_source_that_is_not_ours_is_tried_five_times),
		cmocka_unit_test(a_source_of_the_other_family_fails_at_once),
		cmocka_unit_test(send_through_is_the_source),
		cmocka_unit_test(our_own_listener_is_not_a_target),
		cmocka_unit_test(a_fake_address_is_never_dialed),
		cmocka_unit_test(what_rules_forbid_is_never_dialed),
		cmocka_unit_test(sixteen_seconds_are_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
