/* test_loopback.c - Sessions that are sniffed and routed again */
#include "tests/unit/dispatch_rig.h"

/* With an inbound that did not sniff, or did for routing only; either kind of end */
static void a_loopback_sniffs_by_its_own_settings(void **state)
{
	static const struct sniffing both = { .enabled = true,
					      .override = OVERRIDE_HTTP };

	(void)state;
	for (int i = 0; i < 4; i++) {
		sniffing_on(i & 1);
		r.ib.sniffing.enabled = i & 2;
		r.ib.sniffing.route_only = true;
		r.ob.ops = &out_loop;
		r.again = &both;
		born("10.9.9.9");
		turns(2);
		SAY(&r.in, "GET / HT");
		turns(2);
		assert_int_equal(r.opened, 0);
		assert_false(r.s->job.queued);
		SAY(&r.in, "TP/1.1\r\nHost: www.test\r\n\r\n");
		turns(4);
		assert_int_equal(r.rerouted, 1);
		assert_string_equal(r.target, "www.test:443");
		assert_int_equal(r.s->proto, SNIFF_HTTP1);
		SEES(&r.out, HELLO);
		end(state);
		begin(state);
	}
}

/* What the inbound found does not stay, but for the name it led to */
static void a_loopback_that_finds_nothing_forgets(void **state)
{
	static const struct sniffing none = { .enabled = true,
					      .metadata_only = true };
	static const struct sniffing route = { .enabled = true,
					       .route_only = true,
					       .override = OVERRIDE_HTTP };

	(void)state;
	for (int i = 0; i < 2; i++) {
		sniffing_on(true);
		r.ob.ops = &out_loop;
		r.again = i ? &route : &none;
		born("10.9.9.9");
		SAY(&r.in, HELLO);
		turns(4);
		assert_int_equal(r.rerouted, 1);
		assert_string_equal(r.target, "www.test:443");
		assert_string_equal(ses_route_name(r.s), "www.test");
		assert_int_equal(r.s->proto, i ? SNIFF_HTTP1 : SNIFF_NONE);
		end(state);
		begin(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_loopback_sniffs_by_its_own_settings),
		T(a_loopback_that_finds_nothing_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
