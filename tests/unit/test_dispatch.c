/* test_dispatch.c - A session from birth to end, between two ends in memory */
#include "tests/unit/dispatch_rig.h"

#include "gateway/core/dns.h"
#include "tests/unit/alloc_fail.h"

/* --- the ordinary life ------------------------------------------------------ */

static void bytes_and_ends_go_both_ways(void **state)
{
	(void)state;
	born("10.9.9.9");
	turns(3);
	assert_int_equal(r.s->state, SES_RELAY);
	assert_string_equal(r.target, "10.9.9.9:443");
	SAY(&r.in, "up");
	SAY(&r.out, "down");
	turns(2);
	SEES(&r.out, "up");
	SEES(&r.in, "down");
	fake_end(&r.in);
	turns(2);
	assert_true(r.out.fin);
	assert_false(r.in.fin || r.in.closed);
	SAY(&r.out, "!"); /* the other half still lives */
	turns(2);
	SEES(&r.in, "down!");
	fake_end(&r.out);
	turns(2);
	assert_true(r.in.fin && r.in.closed && r.out.closed);
	assert_int_equal(r.in.why, 0);
	assert_int_equal(r.out.why, 0);
	assert_int_equal(r.l.w.session_count, 0);
}

/* The sessions in it are, each for itself */
static void who_carries_others_is_not_counted(void **state)
{
	static struct counter counted[2];

	(void)state;
	for (int reverse = 0; reverse < 2; reverse++) {
		r.ob.stat_up = &counted[reverse];
		born("10.9.9.9")->reverse = reverse;
		turns(3);
		SAY(&r.in, "up");
		SAY(&r.out, "down");
		turns(2);
		SEES(&r.out, "up");
		SEES(&r.in, "down");
		assert_int_equal(counted[reverse].cell[0], reverse ? 0 : 2);
		assert_int_equal(r.l.w.moved[UP], 2);
		assert_int_equal(r.l.w.moved[DOWN], 4);
		ses_kill(r.s, 0, 2);
		ses_reap(&r.l.w);
		r.s = NULL;
		r.in.tx_len = r.out.tx_len = 0;
		r.in.closed = r.out.closed = false;
	}
}

static void an_end_waits_for_what_is_pending(void **state)
{
	(void)state;
	born("10.9.9.9");
	turns(3);
	r.out.tx_full = true;
	SAY(&r.in, "kept");
	fake_end(&r.in);
	turns(3);
	assert_false(r.out.fin);
	r.out.tx_full = false;
	r.out.finish_rc = -EAGAIN;
	fake_wake(&r.out);
	turns(3);
	SEES(&r.out, "kept");
	assert_false(r.out.fin);
	r.out.finish_rc = 0;
	fake_wake(&r.out);
	turns(3);
	assert_true(r.out.fin);
}

static void a_session_that_waits_costs_no_turns(void **state)
{
	(void)state;
	born("10.9.9.9");
	turns(4);
	assert_false(r.s->job.queued);
}

/* --- greeting --------------------------------------------------------------- */

static void greeting_waits_then_goes_on(void **state)
{
	(void)state;
	r.ib.ops = &in_greets;
	r.greet_rc = -EAGAIN;
	born("10.9.9.9");
	turns(3);
	assert_int_equal(r.s->state, SES_GREET);
	assert_int_equal(r.opened, 0);
	r.greet_rc = 0;
	job_ready(&r.s->job);
	turns(2);
	assert_int_equal(r.opened, 1);
}

static void a_bad_greeting_ends_it(void **state)
{
	(void)state;
	r.ib.ops = &in_greets;
	r.greet_rc = -EPROTO;
	born("10.9.9.9");
	turns(2);
	assert_true(r.in.closed);
	assert_int_equal(r.in.why, -EPROTO);
	assert_int_equal(r.opened, 0);
}

static void a_silent_greeting_times_out(void **state)
{
	(void)state;
	r.ib.ops = &in_greets;
	r.greet_rc = -EAGAIN;
	r.policy.handshake_ms = 60;
	born("10.9.9.9");
	assert_in_range(until_end(3000), 50, 2900);
	assert_int_equal(r.in.why, -ETIMEDOUT);
}

/* --- sniffing --------------------------------------------------------------- */

static void a_name_found_is_the_target(void **state)
{
	(void)state;
	for (int lends = 0; lends < 2; lends++) {
		sniffing_on(lends);
		born("10.9.9.9");
		turns(2);
		assert_int_equal(r.opened, 0);
		SAY(&r.in, HELLO);
		turns(3);
		assert_string_equal(r.target, "www.test:443");
		SEES(&r.out, HELLO); /* looked at, not eaten */
		end(state);
		begin(state);
	}
}

static void route_only_keeps_the_target(void **state)
{
	(void)state;
	sniffing_on(true);
	r.ib.sniffing.route_only = true;
	born("10.9.9.9");
	SAY(&r.in, HELLO);
	turns(3);
	assert_string_equal(r.target, "10.9.9.9:443");
	assert_string_equal(ses_route_name(r.s), "www.test");
	assert_int_equal(r.s->proto, SNIFF_HTTP1);
}

static void metadata_only_reads_nothing(void **state)
{
	(void)state;
	sniffing_on(true);
	r.ib.sniffing.metadata_only = true;
	born("10.9.9.9");
	turns(2);
	assert_int_equal(r.opened, 1);
}

/* The head comes byte by byte; each end lends or is read into memory */
static void a_head_in_pieces_is_found(void **state)
{
	(void)state;
	for (int lends = 0; lends < 2; lends++) {
		sniffing_on(lends);
		born("10.9.9.9");
		for (size_t i = 0; i < sizeof(HELLO) - 1; i++) {
			fake_say(&r.in, &HELLO[i], 1);
			turns(2);
		}
		assert_string_equal(r.target, "www.test:443");
		turns(2);
		SEES(&r.out, HELLO);
		end(state);
		begin(state);
	}
}

static void half_a_head_does_not_spin(void **state)
{
	(void)state;
	for (int lends = 0; lends < 2; lends++) {
		sniffing_on(lends);
		born("10.9.9.9");
		SAY(&r.in, "GET / HT");
		turns(20);
		assert_int_equal(r.opened, 0);
		assert_false(r.s->job.queued);
		assert_true(r.in.reads < 6);
		SAY(&r.in, "TP/1.1\r\nHost: www.test\r\n\r\n");
		turns(3);
		assert_string_equal(r.target, "www.test:443");
		end(state);
		begin(state);
	}
}

static void an_end_while_sniffing_goes_through(void **state)
{
	(void)state;
	sniffing_on(true);
	born("10.9.9.9");
	turns(1);
	fake_end(&r.in);
	turns(3);
	assert_int_equal(r.opened, 1);
	assert_true(r.out.fin);
}

static void a_reset_while_sniffing_is_the_clients(void **state)
{
	(void)state;
	sniffing_on(true);
	born("10.9.9.9");
	turns(1);
	r.in.rx_err = -ECONNRESET;
	fake_wake(&r.in);
	turns(2);
	assert_true(r.in.closed);
	assert_int_equal(r.opened, 0);
}

static void until_open(void)
{
	uint32_t t0 = clock_ms();

	while (!r.opened && clock_ms() - t0 < 3000)
		worker_tick(&r.l.w, 10);
	assert_int_equal(r.opened, 1);
}

static void who_speaks_first_is_learned(void **state)
{
	uint32_t t0 = clock_ms();

	(void)state;
	sniffing_on(true);
	born("10.9.9.9");
	until_open();
	assert_true(clock_ms() - t0 >= SNIFF_WAIT_MS - 10);
	turns(1);
	SAY(&r.out, "220 hello");
	turns(2);
	ses_kill(r.s, 0, 2);
	turns(1);
	/* The same place again: no wait */
	r.in.closed = false;
	r.in.tx_len = 0;
	r.opened = 0;
	born("10.9.9.9");
	turns(2);
	assert_int_equal(r.opened, 1);
	ses_kill(r.s, 0, 2);
	turns(1);
	/* Another place: the whole wait */
	r.in.closed = false;
	r.opened = 0;
	born("10.9.9.8");
	turns(3);
	assert_int_equal(r.opened, 0);
}

static void a_client_that_speaks_late_teaches_nothing(void **state)
{
	(void)state;
	sniffing_on(true);
	born("10.9.9.9");
	until_open();
	turns(1);
	SAY(&r.in, HELLO);
	turns(1);
	SAY(&r.out, "answer");
	turns(2);
	ses_kill(r.s, 0, 2);
	turns(1);
	r.in.closed = false;
	r.opened = 0;
	born("10.9.9.9");
	turns(3);
	assert_int_equal(r.opened, 0);
}

static void fake_addresses_become_names_or_nothing(void **state)
{
	static const char pool[] =
		"{\"ipPool\":\"198.18.0.0/16\",\"poolSize\":10}";
	struct jdoc *doc = jdoc_parse(&r.d, "p", pool, sizeof(pool) - 1);
	struct addr a;
	char ip[ADDR_TEXT_MAX];

	(void)state;
	assert_non_null(doc);
	r.l.cfg.fakedns = fakedns_parse(&r.d, doc->root, 0, NULL);
	assert_non_null(r.l.cfg.fakedns);
	assert_int_equal(
		fakedns_addr(r.l.cfg.fakedns, "name.test", ADDR_V4, &a), 0);
	born(addr_format_host(&a, ip, sizeof(ip)));
	turns(2);
	assert_string_equal(r.target, "name.test:443");
	ses_kill(r.s, 0, 2);
	turns(1);
	r.in.closed = false;
	r.opened = 0;
	born("198.18.99.99");
	turns(2);
	assert_true(r.in.closed);
	assert_int_equal(r.in.why, -EHOSTUNREACH);
	assert_int_equal(r.opened, 0);
	assert_int_equal(r.l.w.drops[DROP_FAKE_UNKNOWN], 1);
}

static void the_fake_address_of_a_live_flow_stays(void **state)
{
	static const char pool[] =
		"{\"ipPool\":\"198.18.0.0/16\",\"poolSize\":2}";
	struct jdoc *doc = jdoc_parse(&r.d, "p", pool, sizeof(pool) - 1);
	char ip[ADDR_TEXT_MAX], name[256];
	struct addr a, b, c;
	struct fakedns *f;

	(void)state;
	assert_non_null(doc);
	f = r.l.cfg.fakedns = fakedns_parse(&r.d, doc->root, 0, NULL);
	assert_non_null(f);
	assert_int_equal(fakedns_addr(f, "name.test", ADDR_V4, &a), 0);
	born(addr_format_host(&a, ip, sizeof(ip)));
	turns(2);
	assert_string_equal(r.target, "name.test:443");
	assert_int_equal(fakedns_addr(f, "other.test", ADDR_V4, &b), 0);
	assert_int_equal(fakedns_addr(f, "third.test", ADDR_V4, &c), -ENOSPC);
	usleep(2050000); /* until both could give way */
	ses_kill(r.s, 0, 2);
	turns(1);
	assert_int_equal(fakedns_addr(f, "third.test", ADDR_V4, &c), 0);
	assert_true(addr_eq_host(&c, &b));
	assert_true(fakedns_name(f, &a, name) > 0);
	assert_string_equal(name, "name.test");
}

/* --- routing and opening ---------------------------------------------------- */

static void no_outbound_is_an_end(void **state)
{
	(void)state;
	r.l.cfg.outbound_count = 0;
	born("10.9.9.9");
	turns(2);
	assert_true(r.in.closed);
	assert_int_equal(r.in.why, -ENOENT);
	assert_int_equal(r.l.w.drops[DROP_ROUTE], 1);
}

static void loopbacks_end_after_some_passes(void **state)
{
	(void)state;
	r.ob.ops = &out_loop;
	born("10.9.9.9");
	turns(2);
	assert_true(r.in.closed);
	assert_int_equal(r.in.why, -ELOOP);
	assert_int_equal(r.rerouted, 4);
}

static void a_block_resets_at_once(void **state)
{
	(void)state;
	r.open_rc = -EACCES;
	born("10.9.9.9");
	turns(2);
	assert_true(r.in.closed);
	assert_int_equal(r.in.why, -EACCES);
	assert_int_equal(r.l.w.drops[DROP_BLOCKED], 1);
}

static void a_failed_open_resets(void **state)
{
	(void)state;
	r.open_rc = -ENETUNREACH;
	born("10.9.9.9");
	turns(2);
	assert_true(r.in.closed);
	assert_int_equal(r.in.why, -ENETUNREACH);
	assert_int_equal(r.l.w.drops[DROP_BLOCKED], 0);
}

/* --- ends ------------------------------------------------------------------- */

static void a_reset_is_a_reset_on_the_other_side(void **state)
{
	struct fake *ends[] = { &r.in, &r.out };

	(void)state;
	for (int i = 0; i < 2; i++) {
		born("10.9.9.9");
		turns(3);
		ends[i]->rx_err = -ECONNRESET;
		fake_wake(ends[i]);
		turns(2);
		assert_true(r.in.closed && r.out.closed);
		assert_int_equal(ends[!i]->why, -ECONNRESET);
		end(state);
		begin(state);
	}
}

static void a_reset_after_the_end_is_still_a_reset(void **state)
{
	struct fake *ends[] = { &r.in, &r.out };

	(void)state;
	for (int i = 0; i < 2; i++) {
		born("10.9.9.9");
		turns(3);
		fake_end(ends[i]);
		turns(2);
		assert_true(ends[!i]->fin);
		ends[i]->rx_end = false;
		ends[i]->rx_err = -ECONNRESET;
		fake_wake(ends[i]);
		turns(2);
		assert_true(r.in.closed && r.out.closed);
		end(state);
		begin(state);
	}
}

static void a_side_that_cannot_be_written_ends_it(void **state)
{
	struct fake *ends[] = { &r.in, &r.out };

	(void)state;
	for (int i = 0; i < 2; i++) {
		born("10.9.9.9");
		turns(3);
		ends[i]->tx_err = -EPIPE;
		SAY(ends[!i], "lost");
		turns(2);
		assert_true(r.in.closed && r.out.closed);
		assert_int_equal(ends[!i]->why, -EPIPE);
		end(state);
		begin(state);
	}
}

/* Bytes that flow do not move the deadline of the handshake */
static void the_handshake_has_an_absolute_deadline(void **state)
{
	uint32_t t0 = clock_ms(), last = t0;

	(void)state;
	r.policy.handshake_ms = 200;
	r.out.up = false;
	born("10.9.9.9");
	while (!r.in.closed && clock_ms() - t0 < 5000) {
		if (clock_ms() - last > 20) {
			last = clock_ms();
			SAY(&r.in, "x");
		}
		worker_tick(&r.l.w, 5);
	}
	r.s = NULL;
	assert_in_range(clock_ms() - t0, 190, 4900);
	assert_int_equal(r.out.why, -ETIMEDOUT);
	assert_true(r.out.tx_len > 2); /* early bytes went out meanwhile */
}

static void idle_ends_and_bytes_put_it_off(void **state)
{
	uint32_t t0 = clock_ms(), last = t0;

	(void)state;
	r.policy.idle_ms = 300;
	born("10.9.9.9");
	turns(2);
	while (clock_ms() - t0 < 700) {
		if (clock_ms() - last > 20) { /* well before the limit */
			last = clock_ms();
			SAY(&r.out, ".");
		}
		worker_tick(&r.l.w, 5);
		assert_false(r.in.closed);
	}
	until_end(3000);
	assert_true(clock_ms() - last >= 290);
	assert_int_equal(r.in.why, -ETIMEDOUT);
	assert_int_equal(r.out.why, -ETIMEDOUT);
}

static void a_half_that_is_left_has_its_own_limit(void **state)
{
	struct fake *ends[] = { &r.in, &r.out };

	(void)state;
	for (int i = 0; i < 2; i++) {
		r.policy.downlink_only_ms = i ? 5000 : 100;
		r.policy.uplink_only_ms = i ? 100 : 5000;
		born("10.9.9.9");
		turns(3);
		fake_end(ends[i]);
		turns(1);
		assert_in_range(until_end(4000), 80, 3900);
		/* The side that was told the end is closed in order */
		assert_int_equal(ends[!i]->why, 0);
		assert_int_equal(ends[i]->why, -ETIMEDOUT);
		end(state);
		begin(state);
	}
}

static void a_kill_in_each_state_frees_all(void **state)
{
	(void)state;
	for (int at = SES_GREET; at <= SES_RELAY; at++) {
		r.ib.ops = at == SES_GREET ? &in_greets : &in_plain;
		r.greet_rc = -EAGAIN;
		r.out.up = at == SES_RELAY;
		if (at == SES_SNIFF)
			sniffing_on(false);
		born("10.9.9.9");
		if (at != SES_ROUTE) {
			turns(2);
			assert_int_equal(r.s->state, at);
		}
		SAY(&r.in, "G");
		ses_kill(r.s, -ENOBUFS, 1);
		assert_int_equal(r.s->state, SES_DYING);
		ses_kill(r.s, -EPIPE, 0); /* the first reason stays */
		assert_int_equal(r.s->why, -ENOBUFS);
		turns(1);
		assert_true(r.in.closed);
		assert_int_equal(r.in.why, -ENOBUFS);
		assert_int_equal(r.l.w.session_count, 0);
		assert_int_equal(atomic_load(&r.l.cfg.refs), 2);
		end(state);
		begin(state);
	}
}

static void too_many_sessions_are_shed(void **state)
{
	(void)state;
	r.l.w.session_limit = 1;
	assert_non_null(born("10.9.9.9"));
	assert_null(ses_new(&r.l.w, &r.ib, NET_TCP, &r.out.s));
	assert_int_equal(r.l.w.drops[DROP_SESSIONS], 1);
	assert_false(r.out.closed); /* still the caller's */
}

static void reasons_have_words(void **state)
{
	struct session s = { .why = 0 };
	char b[96], want[96];

	(void)state;
	assert_string_equal(ses_why_text(&s, b), "done");
	s.why = -EACCES;
	assert_string_equal(ses_why_text(&s, b), "blocked");
	s.why = -ETIMEDOUT;
	s.why_side = 2;
	assert_string_equal(ses_why_text(&s, b), "timeout");
	s.why_side = 1;
	snprintf(want, sizeof(want), "server: %s", strerror(ETIMEDOUT));
	assert_string_equal(ses_why_text(&s, b), want);
	s.why = -ECONNRESET;
	s.why_side = 0;
	assert_string_equal(ses_why_text(&s, b),
			    "client: Connection reset by peer");
}

/* A whole life with each allocation failing once: an end, never a crash */
static void memory_that_is_out_ends_one_session(void **state)
{
	bool hit = true;

	(void)state;
	for (unsigned int n = 1; hit; n++) {
		sniffing_on(false);
		alloc_fail_at(n);
		if (born("10.9.9.9")) {
			SAY(&r.in, HELLO);
			r.out.tx_full = true;
			turns(4);
			r.out.tx_full = false;
			SAY(&r.out, "bytes");
			turns(4);
		}
		hit = alloc_fail_hit();
		if (!hit)
			SEES(&r.in, "bytes");
		end(state);
		begin(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bytes_and_ends_go_both_ways),
		T(who_carries_others_is_not_counted),
		T(an_end_waits_for_what_is_pending),
		T(a_session_that_waits_costs_no_turns),
		T(greeting_waits_then_goes_on),
		T(a_bad_greeting_ends_it),
		T(a_silent_greeting_times_out),
		T(a_name_found_is_the_target),
		T(route_only_keeps_the_target),
		T(metadata_only_reads_nothing),
		T(a_head_in_pieces_is_found),
		T(half_a_head_does_not_spin),
		T(an_end_while_sniffing_goes_through),
		T(a_reset_while_sniffing_is_the_clients),
		T(who_speaks_first_is_learned),
		T(a_client_that_speaks_late_teaches_nothing),
		T(fake_addresses_become_names_or_nothing),
		T(the_fake_address_of_a_live_flow_stays),
		T(no_outbound_is_an_end),
		T(loopbacks_end_after_some_passes),
		T(a_block_resets_at_once),
		T(a_failed_open_resets),
		T(a_reset_is_a_reset_on_the_other_side),
		T(a_reset_after_the_end_is_still_a_reset),
		T(a_side_that_cannot_be_written_ends_it),
		T(the_handshake_has_an_absolute_deadline),
		T(idle_ends_and_bytes_put_it_off),
		T(a_half_that_is_left_has_its_own_limit),
		T(a_kill_in_each_state_frees_all),
		T(too_many_sessions_are_shed),
		T(reasons_have_words),
		T(memory_that_is_out_ends_one_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
