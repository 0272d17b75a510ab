/* test_chain.c - A stream through another outbound: what it sees, what it owns */
#include <errno.h>

#include "loop.h"

#include "alloc_fail.h"
#include "fake_ends.h"
#include "gateway/core/dns.h"
#include "gateway/core/transport.h"
#include "proxy/transport/chain.h"

static struct session seen; /* as the other outbound saw it */
static struct session *inner;
static struct fake below;
static int open_rc;

/* The resolver of this test: @asked is answered by hand */
static struct dns_req *asked;

/* NOLINTNEXTLINE(readability-function-size): the contract has 7 parameters */
int dns_ask(struct worker *w, struct config *cfg, struct dns_req *r,
	    struct job *job, const char *name, unsigned int families,
	    unsigned int flags)
{
	(void)w;
	(void)cfg;
	(void)families;
	(void)flags;
	assert_string_equal(name, "web.test");
	memset(r, 0, sizeof(*r));
	r->job = job;
	r->rc = -EAGAIN;
	asked = r;
	return r->rc;
}

void dns_cancel(struct dns_req *r)
{
	if (asked == r)
		asked = NULL;
}

static void answered(const char *ip)
{
	struct addr a = addr_of(ip, 0);

	assert_non_null(asked);
	asked->ips[0].kind = a.kind;
	memcpy(asked->ips[0].ip, a.ip, 16);
	asked->count = 1;
	asked->rc = 0;
}

static int other_open(const struct outbound *ob, struct session *s,
		      struct stream **out)
{
	(void)ob;
	if (open_rc)
		return open_rc;
	seen = *s;
	inner = s;
	memset(&below, 0, sizeof(below));
	below.s = (struct stream){ .ops = &fake_ops, .job = &s->job };
	*out = &below.s;
	return 0;
}

static const struct outbound_ops other_ops = { .name = "other",
					       .open = other_open };
static const struct outbound_ops deaf_ops = { .name = "deaf" };

/**
 * struct ends - An outbound that dials through another, and a session of it
 */
struct ends {
	struct loop l;
	struct outbound other, ob;
	struct session s;
	struct dial d;
	struct addr server;
	struct stream *st;
};

static void begin(struct ends *e)
{
	memset(e, 0, sizeof(*e));
	memset(&seen, 0, sizeof(seen));
	open_rc = 0;
	loop_init(&e->l);
	worker_tick(&e->l.w, 0);
	e->other.ops = &other_ops;
	e->ob.dialer = &e->other;
	e->s.job = e->l.job;
	e->s.cfg = &e->l.cfg;
	e->s.id = 77;
	e->s.user = "u";
	e->s.outbound = &e->ob;
	e->s.source = addr_of("10.0.0.9", 4000);
	e->s.target = e->s.orig = addr_name("web.test", 8, 443);
	e->server = addr_of("192.0.2.1", 1080);
	e->d = (struct dial){ .worker = &e->l.w,
			      .job = &e->l.job,
			      .cfg = &e->l.cfg,
			      .ob = &e->ob,
			      .s = &e->s };
}

static void end(struct ends *e)
{
	stream_close(&e->st, 0);
	loop_fini(&e->l);
}

static void the_other_outbound_sees_the_server_as_target(void **state)
{
	struct ends e;

	(void)state;
	begin(&e);
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	assert_true(addr_eq(&seen.target, &e.server));
	assert_true(addr_eq(&seen.orig, &e.server));
	assert_ptr_equal(seen.outbound, &e.other);
	assert_int_equal(seen.id, 77); /* its messages name the session */
	assert_true(addr_eq(&seen.source, &e.s.source));
	/* the session served is as before */
	assert_int_equal(e.s.target.kind, ADDR_NAME);
	assert_ptr_equal(e.s.outbound, &e.ob);
	end(&e);
}

/* That a session carries others is said to its own server, to nobody on the way */
static void what_comes_back_is_not_asked_of_the_other_one(void **state)
{
	struct ends e;

	(void)state;
	begin(&e);
	e.s.reverse = true;
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	assert_false(seen.reverse);
	assert_true(e.s.reverse);
	end(&e);
}

/* What the session holds is freed by the session alone */
static void nothing_owned_is_in_the_copy(void **state)
{
	static struct fake in, out;
	static char head[] = "GET", name[] = "web.test";
	struct ends e;

	(void)state;
	begin(&e);
	e.s.in = &in.s;
	e.s.out = &out.s;
	e.s.domain = name;
	e.s.http_head = head;
	e.s.greet_state = head;
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	assert_null(seen.in);
	assert_null(seen.out);
	assert_null(seen.domain);
	assert_null(seen.http_head);
	assert_null(seen.greet_state);
	assert_null(seen.half[UP].early);
	end(&e);
}

static void carriers_and_probes_have_no_session(void **state)
{
	struct ends e;

	(void)state;
	begin(&e);
	e.d.s = NULL;
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	assert_true(addr_eq(&seen.target, &e.server));
	assert_ptr_equal(seen.cfg, &e.l.cfg);
	end(&e);
}

static void bytes_ends_and_errors_pass(void **state)
{
	struct ends e;
	char got[8];

	(void)state;
	begin(&e);
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	assert_false(e.st->ops->up(e.st));
	below.up = true;
	assert_true(e.st->ops->up(e.st));
	fake_say(&below, "down", 4);
	assert_int_equal(stream_read(e.st, got, sizeof(got)), 4);
	assert_int_equal(stream_write(e.st, "up", 2), 2);
	assert_memory_equal(below.tx, "up", 2);
	assert_int_equal(e.st->ops->finish(e.st), 0);
	assert_true(below.fin);
	below.rx_err = -ECONNRESET;
	assert_int_equal(stream_read(e.st, got, sizeof(got)), -ECONNRESET);
	below.tx_err = -EPIPE;
	assert_int_equal(stream_write(e.st, "x", 1), -EPIPE);
	end(&e);
}

static void readiness_reaches_the_owner(void **state)
{
	struct ends e;

	(void)state;
	begin(&e);
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	e.st->ops->want(e.st, ST_READ);
	fake_say(&below, "x", 1);
	worker_tick(&e.l.w, 0);
	assert_int_equal(e.l.runs, 1);
	/* a question of the other outbound marks the job it was given */
	job_ready(&inner->job);
	worker_tick(&e.l.w, 0);
	worker_tick(&e.l.w, 0);
	assert_int_equal(e.l.runs, 2);
	end(&e);
}

/* The stream below may look at the inner session until it is closed */
static void the_end_tells_why(void **state)
{
	struct ends e;

	(void)state;
	begin(&e);
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	job_ready(&inner->job); /* marked, and then gone */
	stream_close(&e.st, -ETIMEDOUT);
	assert_true(below.closed);
	assert_int_equal(below.why, -ETIMEDOUT);
	worker_tick(&e.l.w, 0);
	end(&e);
}

static void a_refusal_is_told(void **state)
{
	struct ends e;

	(void)state;
	begin(&e);
	open_rc = -EHOSTUNREACH;
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st),
			 -EHOSTUNREACH);
	assert_null(e.st);
	end(&e);
}

/* Rules that let nothing but 192.0.2.1 go, and no name */
static bool only_one(const struct outbound *ob, struct reach *r,
		     const struct addr *to)
{
	(void)ob;
	assert_true(r->stranger);
	r->block_ms = 5000;
	return to->kind == ADDR_V4 && to->ip[3] == 1;
}

static void rules_are_asked_before_the_other_outbound(void **state)
{
	static const struct outbound_ops rules_ops = { .name = "rules",
						       .may_reach = only_one };
	struct addr forbidden = addr_of("192.0.2.2", 80);
	struct addr name = addr_name("web.test", 8, 443);
	char byte;
	struct ends e;

	(void)state;
	begin(&e);
	e.ob.ops = &rules_ops;
	e.d.stranger = true;
	assert_int_equal(chain_dial(&e.d, &forbidden, DS_AS_IS, &e.st),
			 -EFORBIDDEN);
	assert_null(seen.outbound); /* it was not even opened */
	assert_int_equal(e.s.block_ms, 5000);
	/* a name is looked up here first, though nothing asks for that */
	e.s.block_ms = 0;
	assert_int_equal(chain_dial(&e.d, &name, DS_AS_IS, &e.st), 0);
	assert_null(seen.outbound);
	answered("192.0.2.2");
	assert_int_equal(stream_read(e.st, &byte, 1), -EFORBIDDEN);
	assert_null(seen.outbound);
	assert_int_equal(e.s.block_ms, 5000);
	stream_close(&e.st, 0);
	assert_int_equal(chain_dial(&e.d, &name, DS_AS_IS, &e.st), 0);
	asked->rc = -ENOENT;
	assert_int_equal(stream_read(e.st, &byte, 1), -ENOENT);
	stream_close(&e.st, 0);
	assert_null(seen.outbound);
	assert_int_equal(chain_dial(&e.d, &name, DS_AS_IS, &e.st), 0);
	answered("192.0.2.1");
	(void)stream_read(e.st, &byte, 1);
	assert_int_equal(seen.target.ip[3], 1);
	stream_close(&e.st, 0);
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), 0);
	assert_true(addr_eq(&seen.target, &e.server));
	end(&e);
}

static void what_opens_no_streams_cannot_be_dialled_through(void **state)
{
	const struct outbound_ops *ops;
	struct ends e;

	(void)state;
	begin(&e);
	ops = e.other.ops;
	e.other.ops = &deaf_ops;
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st),
			 -EPROTONOSUPPORT);
	e.other.ops = ops;
	alloc_fail_at(1);
	assert_int_equal(chain_dial(&e.d, &e.server, DS_AS_IS, &e.st), -ENOMEM);
	assert_true(alloc_fail_hit());
	assert_null(e.st);
	end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_other_outbound_sees_the_server_as_target),
		cmocka_unit_test(what_comes_back_is_not_asked_of_the_other_one),
		cmocka_unit_test(nothing_owned_is_in_the_copy),
		cmocka_unit_test(carriers_and_probes_have_no_session),
		cmocka_unit_test(bytes_ends_and_errors_pass),
		cmocka_unit_test(readiness_reaches_the_owner),
		cmocka_unit_test(the_end_tells_why),
		cmocka_unit_test(a_refusal_is_told),
		cmocka_unit_test(rules_are_asked_before_the_other_outbound),
		cmocka_unit_test(
			what_opens_no_streams_cannot_be_dialled_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
