/* test_dns_resolver.c - Questions to servers, over loopback (dns_rig.h) */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>

#include "gateway/dns/conf.h"
#include "tests/unit/dns_rig.h"

#define ONE "{\"servers\":[{\"address\":\"127.0.0.1\",\"port\":PORT1}]}"
#define TWO(a, b) \
	"{\"servers\":[{\"address\":\"127.0.0.1\",\"port\":PORT1" a "}," \
	"{\"address\":\"127.0.0.1\",\"port\":PORT2" b "}]}"

static uint8_t last4(const struct dns_req *q)
{
	return q->count && q->ips[0].kind == ADDR_V4 ? q->ips[0].ip[3] : 0;
}

static void both_families_are_answered(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, ONE, NULL);
	assert_int_equal(rig_ask(&r, &q, "a.example", DNS_V4 | DNS_V6), 0);
	assert_int_equal(q.count, 2);
	assert_int_equal(q.ttl, 60);
	assert_null(q.query);
	assert_int_equal(r.server[0].asked, 2);
	/* again: from the cache, at once */
	assert_int_equal(dns_ask(&r.l.w, &r.l.cfg, &q, &r.l.job, "a.example",
				 DNS_V4 | DNS_V6, 0),
			 0);
	assert_int_equal(q.count, 2);
	assert_int_equal(q.pending, 0);
	assert_int_equal(r.server[0].asked, 2);
	rig_fini(&r);
}

static void a_does_not_wait_for_aaaa(void **state)
{
	struct dns_req q;
	struct rig r;
	uint32_t t;

	(void)state;
	rig_init(&r, ONE, NULL);
	t = clock_ms();
	dns_ask(&r.l.w, &r.l.cfg, &q, &r.l.job, "slow6.example",
		DNS_V4 | DNS_V6, 0);
	assert_true(rig_until(&r, rig_req_done, &q, 1000));
	assert_true(clock_ms() - t < 500);
	assert_int_equal(q.rc, 0);
	assert_int_equal(q.pending, DNS_V6);
	assert_true(r.l.runs > 0);
	dns_cancel(&q);
	assert_int_equal(q.rc, 0);
	rig_fini(&r);
}

static void no_such_name_is_told_and_remembered(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, ONE, NULL);
	assert_int_equal(rig_ask(&r, &q, "nx.example", DNS_V4 | DNS_V6),
			 -ENOENT);
	assert_int_equal(rig_ask(&r, &q, "nodata.example", DNS_V4), -ENOENT);
	assert_int_equal(r.server[0].asked, 3);
	assert_int_equal(rig_ask(&r, &q, "nx.example", DNS_V4), -ENOENT);
	assert_int_equal(rig_ask(&r, &q, "nodata.example", DNS_V4), -ENOENT);
	assert_int_equal(r.server[0].asked, 3);
	rig_fini(&r);
}

static void truncated_answers_are_asked_by_tcp(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, ONE, NULL);
	assert_int_equal(rig_ask(&r, &q, "trunc.example", DNS_V4), 0);
	assert_int_equal(r.server[0].asked_tcp, 1);
	assert_int_equal(last4(&q), 1);
	rig_fini(&r);
}

static void tcp_servers_are_asked_by_tcp(void **state)
{
	static const char *const texts[] = {
		"{\"servers\":[\"tcp://127.0.0.1:PORT1\"]}",
		"{\"servers\":[\"tcp+local://127.0.0.1:PORT1\"]}",
	};
	struct dns_req q;
	struct rig r;

	(void)state;
	for (int i = 0; i < 2; i++) {
		char text[80];
		size_t n = strlen(texts[i]);

		memcpy(text, texts[i], n + 1);
		rig_init(&r, text, NULL);
		if (rig_ask(&r, &q, "a.example", DNS_V4))
			fail_msg("%s: %d", texts[i], q.rc);
		assert_int_equal(r.server[0].asked_tcp, 1);
		assert_int_equal(r.server[0].asked, 0);
		rig_fini(&r);
	}
}

static void forged_answers_are_ignored(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, ONE, NULL);
	assert_int_equal(rig_ask(&r, &q, "badid.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 1);
	rig_fini(&r);
}

static void servers_without_edns_are_asked_again(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, ONE, NULL);
	assert_int_equal(rig_ask(&r, &q, "noedns.example", DNS_V4), 0);
	assert_int_equal(r.server[0].asked, 2);
	rig_fini(&r);
}

/* Old servers do so, and Unbound to whom it does not serve */
static void an_error_without_the_question_counts(void **state)
{
	uint32_t t = clock_ms();
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":600", ""), NULL);
	assert_int_equal(rig_ask(&r, &q, "oldbare.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 1);
	assert_int_equal(r.server[0].asked, 2);
	assert_int_equal(rig_ask(&r, &q, "bare.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 2);
	assert_true(clock_ms() - t < 200); /* nobody waited */
	rig_fini(&r);
}

static void a_lost_query_is_sent_again(void **state)
{
	struct dns_req q;
	struct rig r;
	uint32_t t = clock_ms();

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":600", ""), NULL);
	assert_int_equal(rig_ask(&r, &q, "lost.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 1);
	assert_int_equal(r.server[0].asked, 2);
	assert_true(clock_ms() - t < 550);
	rig_fini(&r);
}

static void a_dead_or_failing_server_gives_way(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":150", ""), NULL);
	assert_int_equal(rig_ask(&r, &q, "fail.example", DNS_V4), -EIO);
	assert_int_equal(r.server[0].asked, 1);
	assert_int_equal(r.server[1].asked, 1);
	assert_int_equal(rig_ask(&r, &q, "nx.example", DNS_V4), -ENOENT);
	assert_int_equal(r.server[1].asked, 2);
	rig_fini(&r);
}

static uint32_t ask_ms(struct rig *r, const char *name, uint8_t want)
{
	uint32_t t = clock_ms();
	struct dns_req q;

	if (rig_ask(r, &q, name, DNS_V4) || last4(&q) != want)
		fail_msg("%s: rc %d, from %u, want %u", name, q.rc, last4(&q),
			 want);
	return clock_ms() - t;
}

static void a_silent_server_is_waited_for_once(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":600", ""), NULL);
	r.server[0].silent = true;
	assert_true(ask_ms(&r, "a.example", 2) >= 550);
	assert_true(ask_ms(&r, "b.example", 2) < 200);
	assert_true(ask_ms(&r, "c.example", 2) < 200);
	/* it is asked all the same, so that it can come back */
	assert_true(r.server[0].asked >= 3);
	r.server[0].silent = false;
	assert_int_equal(rig_ask(&r, &q, "d.example", DNS_V4), 0);
	rig_turns(&r, 50); /* one of the two; now it is up */
	ask_ms(&r, "e.example", 1);
	/* what only the first one knows is found while it is thought down */
	r.server[0].silent = true;
	assert_true(ask_ms(&r, "f.example", 2) >= 550);
	r.server[0].silent = false;
	r.server[1].silent = true;
	assert_int_equal(rig_ask(&r, &q, "g.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 1);
	rig_fini(&r);
}

static void who_waits_when_a_server_is_found_down_goes_on(void **state)
{
	struct dns_req q[2];
	struct rig r;
	uint32_t t;

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":900", ""), NULL);
	r.server[0].silent = true;
	dns_ask(&r.l.w, &r.l.cfg, &q[0], &r.l.job, "a.example", DNS_V4, 0);
	rig_turns(&r, 600);
	t = clock_ms();
	dns_ask(&r.l.w, &r.l.cfg, &q[1], &r.l.job, "b.example", DNS_V4, 0);
	assert_true(rig_until(&r, rig_req_all, &q[1], 2000));
	assert_true(clock_ms() - t <
		    700); /* 300 left of the first one's wait */
	assert_int_equal(q[1].rc, 0);
	assert_int_equal(last4(&q[1]), 2);
	rig_fini(&r);
}

static void no_such_name_of_another_waits_a_moment_for_the_first(void **state)
{
	struct dns_req q;
	struct rig r;
	uint32_t t;

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":600", ""), NULL);
	r.server[0].silent = true;
	ask_ms(&r, "a.example", 2);
	t = clock_ms();
	assert_int_equal(rig_ask(&r, &q, "nx.example", DNS_V4), -ENOENT);
	t = clock_ms() - t;
	assert_true(t >= 250 && t < 550);
	rig_fini(&r);
}

static void servers_all_down_are_asked_at_once(void **state)
{
	struct dns_req q;
	struct rig r;
	uint32_t t;

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":500", ",\"timeoutMs\":500"), NULL);
	r.server[0].silent = r.server[1].silent = true;
	assert_int_equal(rig_ask(&r, &q, "a.example", DNS_V4), -ETIMEDOUT);
	t = clock_ms();
	assert_int_equal(rig_ask(&r, &q, "b.example", DNS_V4), -ETIMEDOUT);
	assert_true(clock_ms() - t < 800);
	r.server[0].silent = r.server[1].silent = false;
	ask_ms(&r, "c.example", 1);
	rig_fini(&r);
}

static void parallel_servers_race_or_keep_their_order(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r,
		 "{\"enableParallelQuery\":true,\"servers\":["
		 "\"udp://127.0.0.1:PORT1\",\"udp://127.0.0.1:PORT2\"]}",
		 NULL);
	ask_ms(&r, "a.example", 1);
	rig_turns(&r, 20);
	assert_int_equal(r.server[1].asked, 1);
	r.server[0].silent = true; /* not known to be down: all the same */
	assert_true(ask_ms(&r, "b.example", 2) < 500);
	rig_fini(&r);
	rig_init(&r,
		 "{\"enableParallelQuery\":true,\"servers\":["
		 "{\"address\":\"127.0.0.1\",\"port\":PORT1,\"timeoutMs\":600,"
		 "\"domains\":[\"domain:example\"]},"
		 "{\"address\":\"127.0.0.1\",\"port\":PORT2}]}",
		 NULL);
	r.server[0].silent = true; /* another policy: it goes before */
	assert_true(ask_ms(&r, "c.example", 2) >= 550);
	assert_int_equal(r.server[1].asked, 1);
	rig_fini(&r);
}

static void all_dead_is_a_timeout(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, TWO(",\"timeoutMs\":150", ",\"timeoutMs\":150"), NULL);
	assert_int_equal(rig_ask(&r, &q, "dead.example", DNS_V4), -ETIMEDOUT);
	rig_turns(&r, 20);
	assert_int_equal(r.l.w.session_count, 0);
	rig_fini(&r);
}

static void domains_choose_the_server(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, TWO("", ",\"domains\":[\"domain:second.example\"]"), NULL);
	assert_int_equal(rig_ask(&r, &q, "x.second.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 2);
	assert_int_equal(rig_ask(&r, &q, "x.first.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 1);
	rig_fini(&r);
}

static void unexpected_answers_go_to_the_next_server(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, TWO(",\"expectedIPs\":[\"192.0.2.0/24\"]", ""), NULL);
	assert_int_equal(rig_ask(&r, &q, "priv.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 2);
	assert_int_equal(rig_ask(&r, &q, "a.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 1);
	rig_fini(&r);
	rig_init(&r, TWO(",\"unexpectedIPs\":[\"10.0.0.0/8\"]", ""), NULL);
	assert_int_equal(rig_ask(&r, &q, "priv.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 2);
	rig_fini(&r);
	rig_init(&r, TWO(",\"expectedIPs\":[\"192.0.2.0/24\",\"*\"]", ""),
		 NULL);
	assert_int_equal(rig_ask(&r, &q, "priv.example", DNS_V4), 0);
	assert_int_equal(r.server[1].asked, 0); /* only a preference */
	rig_fini(&r);
}

static void names_without_aaaa_do_not_leak_to_the_next_server(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, TWO("", ""), NULL);
	assert_int_equal(rig_ask(&r, &q, "v4only.example", DNS_V4 | DNS_V6), 0);
	assert_int_equal(q.count, 1);
	assert_int_equal(r.server[1].asked, 0);
	rig_fini(&r);
}

static void equal_questions_share_one_query(void **state)
{
	struct dns_req q[50];
	struct rig r;

	(void)state;
	rig_init(&r, ONE, NULL);
	for (int i = 0; i < 50; i++)
		dns_ask(&r.l.w, &r.l.cfg, &q[i], &r.l.job, "same.example",
			DNS_V4, 0);
	dns_cancel(&q[0]);
	assert_int_equal(q[0].rc, -ECANCELED);
	assert_true(rig_until(&r, rig_req_done, &q[49], 1000));
	for (int i = 1; i < 50; i++)
		assert_int_equal(q[i].rc, 0);
	assert_int_equal(r.server[0].asked, 1);
	rig_fini(&r);
}

static void ids_and_ports_are_random(void **state)
{
	struct dns_req q;
	struct rig r;
	unsigned int same_port = 0, close_id = 0;
	char name[32];

	(void)state;
	rig_init(&r, ONE, NULL);
	for (int i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		assert_int_equal(rig_ask(&r, &q, name, DNS_V4), 0);
	}
	for (int i = 1; i < 32; i++) {
		int step = r.server[0].ids[i] - r.server[0].ids[i - 1];

		same_port += r.server[0].ports[i] == r.server[0].ports[i - 1];
		close_id += step >= -16 && step <= 16;
	}
	assert_true(same_port <= 2);
	assert_true(close_id <= 3);
	rig_fini(&r);
}

static void query_strategy_narrows(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r,
		 "{\"queryStrategy\":\"UseIPv4\",\"servers\":["
		 "{\"address\":\"127.0.0.1\",\"port\":PORT1}]}",
		 NULL);
	assert_int_equal(rig_ask(&r, &q, "a.example", DNS_V4 | DNS_V6), 0);
	assert_int_equal(r.server[0].asked6, 0);
	assert_int_equal(rig_ask(&r, &q, "a.example", DNS_V6), -ENOENT);
	rig_fini(&r);
}

static void stale_answers_are_served_and_refreshed(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r,
		 "{\"serveStale\":true,\"servers\":["
		 "{\"address\":\"127.0.0.1\",\"port\":PORT1}]}",
		 NULL);
	assert_int_equal(rig_ask(&r, &q, "short.example", DNS_V4), 0);
	usleep(2100000);
	assert_int_equal(dns_ask(&r.l.w, &r.l.cfg, &q, &r.l.job,
				 "short.example", DNS_V4, 0),
			 0);
	assert_int_equal(q.ttl, 1);
	assert_int_equal(r.server[0].asked, 1);
	rig_turns(&r, 50);
	assert_int_equal(r.server[0].asked, 2); /* in the background */
	rig_fini(&r);
}

static void hosts_need_no_server(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r,
		 "{\"hosts\":{\"h.example\":\"10.0.0.7\",\"domain:d.example\":"
		 "[\"10.0.0.8\",\"fd00::8\"],\"al.example\":\"be.example\","
		 "\"be.example\":\"10.0.0.9\",\"no.example\":\"#3\","
		 "\"far.example\":\"a.example\",\"o.example\":\"p.example\","
		 "\"p.example\":\"o.example\",\"full:ads.d.example\":\"#3\","
		 "\"domain:m.example\":\"a.example\","
		 "\"full:x.m.example\":\"10.0.0.6\"},\"servers\":["
		 "{\"address\":\"127.0.0.1\",\"port\":PORT1}]}",
		 NULL);
	assert_int_equal(rig_ask(&r, &q, "h.example", DNS_V4 | DNS_V6), 0);
	assert_int_equal(last4(&q), 7);
	assert_int_equal(q.ttl, 10);
	assert_int_equal(rig_ask(&r, &q, "x.d.example", DNS_V4 | DNS_V6), 0);
	assert_int_equal(q.count, 2);
	assert_int_equal(rig_ask(&r, &q, "al.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 9);
	assert_int_equal(rig_ask(&r, &q, "no.example", DNS_V4), -ENOENT);
	assert_int_equal(rig_ask(&r, &q, "o.example", DNS_V4), -EIO);
	/* of all keys that match: a code, then addresses, then another name */
	assert_int_equal(rig_ask(&r, &q, "ads.d.example", DNS_V4), -ENOENT);
	assert_int_equal(q.count, 0);
	assert_int_equal(rig_ask(&r, &q, "x.m.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 6);
	assert_int_equal(r.server[0].asked, 0);
	assert_int_equal(rig_ask(&r, &q, "far.example", DNS_V4), 0);
	assert_int_equal(last4(&q), 1);
	assert_int_equal(r.server[0].asked, 1);
	rig_fini(&r);
}

static void an_address_is_its_own_answer(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r, ONE, NULL);
	assert_int_equal(rig_ask(&r, &q, "192.0.2.9", DNS_V4 | DNS_V6), 0);
	assert_int_equal(last4(&q), 9);
	assert_int_equal(rig_ask(&r, &q, "192.0.2.9", DNS_V6), -ENOENT);
	rig_fini(&r);
}

static void the_end_comes_with_questions_open(void **state)
{
	struct dns_req q[3];
	struct rig r;

	(void)state;
	rig_init(&r, "{\"servers\":[\"tcp://127.0.0.1:PORT1\"]}", NULL);
	for (int i = 0; i < 3; i++)
		dns_ask(&r.l.w, &r.l.cfg, &q[i], &r.l.job,
			i ? "dead.example" : "a.example", DNS_V4 | DNS_V6, 0);
	worker_tick(&r.l.w, 1);
	rig_fini(&r);
	for (int i = 0; i < 3; i++)
		assert_int_equal(q[i].rc, -ECANCELED);
}

/* Afterwards nobody would end what a question begins */
static void nothing_is_asked_after_the_end(void **state)
{
	struct dns_req q;
	struct rig r;

	(void)state;
	rig_init(&r,
		 "{\"servers\":[{\"address\":\"127.0.0.1\",\"port\":PORT1}]}",
		 NULL);
	dns_worker_stop(&r.l.w);
	assert_int_equal(dns_ask(&r.l.w, &r.l.cfg, &q, &r.l.job, "a.example",
				 DNS_V4 | DNS_V6, 0),
			 -ECANCELED);
	assert_int_equal(q.pending, 0);
	assert_null(r.l.w.rooms[ROOM_DNS]);
	worker_tick(&r.l.w, 1);
	assert_int_equal(r.server[0].asked, 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_are_answered),
		cmocka_unit_test(a_does_not_wait_for_aaaa),
		cmocka_unit_test(no_such_name_is_told_and_remembered),
		cmocka_unit_test(truncated_answers_are_asked_by_tcp),
		cmocka_unit_test(tcp_servers_are_asked_by_tcp),
		cmocka_unit_test(forged_answers_are_ignored),
		cmocka_unit_test(servers_without_edns_are_asked_again),
		cmocka_unit_test(an_error_without_the_question_counts),
		cmocka_unit_test(a_lost_query_is_sent_again),
		cmocka_unit_test(a_dead_or_failing_server_gives_way),
		cmocka_unit_test(a_silent_server_is_waited_for_once),
		cmocka_unit_test(who_waits_when_a_server_is_found_down_goes_on),
		cmocka_unit_test(
			no_such_name_of_another_waits_a_moment_for_the_first),
		cmocka_unit_test(servers_all_down_are_asked_at_once),
		cmocka_unit_test(parallel_servers_race_or_keep_their_order),
		cmocka_unit_test(all_dead_is_a_timeout),
		cmocka_unit_test(domains_choose_the_server),
		cmocka_unit_test(unexpected_answers_go_to_the_next_server),
		cmocka_unit_test(
			names_without_aaaa_do_not_leak_to_the_next_server),
		cmocka_unit_test(equal_questions_share_one_query),
		cmocka_unit_test(ids_and_ports_are_random),
		cmocka_unit_test(query_strategy_narrows),
		cmocka_unit_test(stale_answers_are_served_and_refreshed),
		cmocka_unit_test(hosts_need_no_server),
		cmocka_unit_test(an_address_is_its_own_answer),
		cmocka_unit_test(the_end_comes_with_questions_open),
		cmocka_unit_test(nothing_is_asked_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
