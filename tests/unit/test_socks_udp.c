/* test_socks_udp.c - An association: its generation, its control connection */
#include "tests/unit/loop.h"

#include "gateway/core/udp.h"
#include "gateway/core/udp_int.h"
#include "proxy/in/socks_udp.h"
#include "tests/unit/endless.h"

struct rig {
	struct loop l;
	struct config old;
	struct policy policy;
	struct inbound ib;
	struct endless control;
	struct session s;
};

static void begin(struct rig *r)
{
	struct addr none = { .kind = ADDR_NONE };

	memset(r, 0, sizeof(*r));
	loop_init(&r->l);
	atomic_init(&r->old.refs, 1);
	r->old.free = loop_keep;
	r->policy = POLICY_DEFAULT;
	r->ib = (struct inbound){ .tag = "t",
				  .policy = &r->policy,
				  .sockopt = SOCKOPT_DEFAULT };
	endless_init(&r->control, &r->l.job);
	r->s.job.worker = &r->l.w;
	r->s.inbound = &r->ib;
	r->s.cfg = &r->old;
	r->s.source = addr_of("127.0.0.1", 1000);
	r->s.local = addr_of("127.0.0.1", 1080);
	r->s.in = &r->control.s;
	assert_int_equal(assoc_open(&r->s, &none), 0);
	assert_null(r->s.in);
}

static void end(struct rig *r)
{
	udp_map_kill(list_first(&r->l.w.maps, struct udp_map, node), 0);
	udp_reap(&r->l.w);
	assert_true(r->control.closed);
	assert_int_equal(r->old.refs, 1);
	loop_fini(&r->l);
}

/* A reload came after the accept: it goes on with what its inbound belongs to */
static void an_older_generation_is_kept(void **state)
{
	struct udp_map *m;
	struct rig r;

	(void)state;
	begin(&r);
	assert_ptr_not_equal(r.s.cfg, r.l.w.cfg);
	m = list_first(&r.l.w.maps, struct udp_map, node);
	assert_ptr_equal(udp_map_cfg(m), &r.old);
	assert_int_equal(r.old.refs, 2);
	end(&r);
}

/* Nothing that is said there matters; others have their turn all the same */
static void a_control_connection_that_talks_costs_a_turns_worth(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	for (size_t i = 1; i <= 3; i++) {
		worker_tick(&r.l.w, 0);
		assert_in_range(r.control.taken, i * WORKER_BUDGET_BYTES,
				i * 2 * WORKER_BUDGET_BYTES);
	}
	assert_int_equal(r.control.wants, 3);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_older_generation_is_kept),
		cmocka_unit_test(
			a_control_connection_that_talks_costs_a_turns_worth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
