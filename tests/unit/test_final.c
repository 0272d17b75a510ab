/* test_final.c - finalRules: the first that holds decides; datagrams pass or not */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/arena.h"
#include "gateway/base/compat.h"
#include "gateway/base/jdoc.h"
#include "gateway/core/outbound.h"
#include "gateway/core/sniff.h"
#include "gateway/core/worker.h"
#include "proxy/out/final.h"

struct rules {
	struct arena a;
	struct jdoc *doc;
	struct diag d;
	struct final_rules f;
};

static void load(struct rules *r, const char *json, unsigned int errors)
{
	struct jobj o;

	memset(r, 0, sizeof(*r));
	diag_init(&r->d);
	r->doc = jdoc_parse(&r->d, "test", json, strlen(json));
	assert_non_null(r->doc);
	assert_true(j_open(&o, &r->d, r->doc->root));
	assert_int_equal(final_parse(&o, &r->f, &r->a), 0);
	assert_int_equal(r->d.errors, errors);
}

static void unload(struct rules *r)
{
	final_drop(&r->f);
	diag_free(&r->d);
	arena_free(&r->a);
}

static struct addr at(const char *ip, uint16_t port)
{
	struct addr a = { .port = port };

	assert_int_equal(addr_parse_ip(&a, ip), 0);
	a.port = port;
	return a;
}

static void the_first_rule_that_holds_decides(void **state)
{
	static const struct {
		const char *ip;
		uint16_t port;
		bool udp, allowed;
	} cases[] = {
		{ "10.0.0.1", 80, false, true },
		{ "10.0.0.1", 80, true, false }, /* allowed for tcp only */
		{ "10.0.0.1", 81, false, false },
		{ "10.0.0.2", 80, false, false },
		{ "192.0.2.1", 81, true, true },
		{ "192.0.2.1", 25, false, false },
		{ "192.0.2.1", 26, false, true },
		{ "fd00::1", 80, false, false },
		{ "2001:db8::1", 80, false, true },
	};
	struct rules r;

	(void)state;
	load(&r,
	     "{\"finalRules\":[{\"action\":\"allow\",\"network\":\"tcp\","
	     "\"port\":\"80\",\"ip\":[\"10.0.0.1\"]},"
	     "{\"action\":\"Block\",\"ip\":[\"10.0.0.0/8\",\"fd00::/8\"]},"
	     "{\"action\":\"block\",\"port\":25,\"blockDelay\":\"1-2\"}]}",
	     0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr a = at(cases[i].ip, cases[i].port);

		struct reach how = { .net = cases[i].udp ? NET_UDP : NET_TCP };

		assert_int_equal(final_allows(&r.f, &how, &a, NULL),
				 cases[i].allowed);
	}
	unload(&r);
}

static void wrong_rules_are_told(void **state)
{
	struct rules r;

	(void)state;
	load(&r, "{\"finalRules\":[{\"ip\":\"10.0.0.1\"}]}", 1);
	unload(&r);
	load(&r, "{\"finalRules\":[{\"action\":\"drop\"}]}", 1);
	unload(&r);
	load(&r,
	     "{\"finalRules\":[{\"action\":\"block\",\"network\":\"icmp\"}]}",
	     1);
	unload(&r);
	load(&r, "{\"finalRules\":[{\"action\":\"block\",\"ip\":\"x\"}]}", 1);
	unload(&r);
}

/* What a client of a server gets: @json's rules, then the implied one */
static void stranger(const char *json, uint8_t net, const char *ip,
		     uint16_t port, uint32_t want)
{
	struct reach how = { .net = net, .stranger = true };
	struct addr a = at(ip, port);
	uint32_t rule = 99;
	struct rules r;

	load(&r, json, 0);
	assert_true(final_any(&r.f, true));
	assert_int_equal(final_any(&r.f, false), r.f.count > 0);
	final_allows(&r.f, &how, &a, &rule);
	if (rule != want)
		fail_msg("%s for %s: rule %u", json, ip, rule);
	unload(&r);
}

static void strangers_do_not_reach_what_is_private(void **state)
{
	/* bounds of the ranges too */
	static const char *const private[] = {
		"0.0.0.0",
		"10.0.0.1",
		"10.255.255.255",
		"100.64.0.1",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.1",
		"192.168.1.1",
		"198.18.0.1",
		"203.0.113.1",
		"224.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::ffff:127.0.0.1",
		"::ffff:10.1.2.3",
		"fc00::1",
		"fd00:ec2::254",
		"fe80::1",
		"febf::1",
		"ff02::1",
	};
	static const char *const public[] = {
		"1.1.1.1",        "9.255.255.255",   "11.0.0.0",
		"100.63.255.255", "100.128.0.0",     "126.255.255.255",
		"128.0.0.0",      "169.253.255.255", "172.15.255.255",
		"172.32.0.0",     "192.167.255.255", "223.255.255.255",
		"2001:db8::1",    "fbff::1",         "::2",
		"::ffff:8.8.8.8",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(private); i++) {
		stranger("{}", NET_TCP, private[i], 80, FINAL_IMPLIED);
		stranger("{}", NET_UDP, private[i], 53, FINAL_IMPLIED);
	}
	for (size_t i = 0; i < ARRAY_SIZE(public); i++) {
		stranger("{}", NET_TCP, public[i], 80, 99);
		stranger("{}", NET_UDP, public[i], 53, 99);
	}
}

#define ALLOW(more) "{\"finalRules\":[{\"action\":\"allow\"" more "}]}"

static void rules_go_before_the_implied_one(void **state)
{
	(void)state;
	stranger(ALLOW(""), NET_TCP, "127.0.0.1", 22, 99);
	stranger(ALLOW(""), NET_UDP, "fe80::1", 53, 99);
	stranger(ALLOW(",\"network\":\"udp\""), NET_UDP, "127.0.0.1", 1, 99);
	stranger(ALLOW(",\"network\":\"udp\""), NET_TCP, "127.0.0.1", 1,
		 FINAL_IMPLIED);
	stranger(ALLOW(",\"port\":\"80,443\""), NET_TCP, "10.0.0.1", 443, 99);
	stranger(ALLOW(",\"port\":\"80,443\""), NET_TCP, "10.0.0.1", 444,
		 FINAL_IMPLIED);
	stranger(ALLOW(",\"ip\":\"10.0.0.0/24\""), NET_TCP, "10.0.0.1", 1, 99);
	stranger(ALLOW(",\"ip\":\"10.0.0.0/24\""), NET_TCP, "10.0.1.1", 1,
		 FINAL_IMPLIED);
	stranger("{\"finalRules\":[{\"action\":\"block\",\"port\":25},"
		 "{\"action\":\"allow\"}]}",
		 NET_TCP, "10.0.0.1", 25, 0);
	stranger("{\"finalRules\":[{\"action\":\"allow\",\"port\":1},"
		 "{\"action\":\"block\",\"ip\":[\"!10.0.0.0/8\"]}]}",
		 NET_TCP, "1.1.1.1", 25, 1);
	/* an empty list of rules is none */
	stranger("{\"finalRules\":[]}", NET_TCP, "10.0.0.1", 25, FINAL_IMPLIED);
}

/* How long is swallowed what @json's first rule, or the implied one, blocks */
static void delays(const char *json, bool implied, uint32_t lo, uint32_t hi)
{
	struct addr a = at("127.0.0.1", 1);
	struct rules r;

	load(&r, json, 0);
	for (int i = 0; i < 50; i++) {
		struct reach how = { .net = NET_TCP, .stranger = implied };

		assert_false(final_allows(&r.f, &how, &a, NULL));
		assert_in_range(how.block_ms, 1000 * lo, 1000 * hi);
		assert_int_equal(how.block_ms % 1000, 0);
	}
	unload(&r);
}

static void what_is_blocked_has_its_delay(void **state)
{
#define BLOCK(more) "{\"finalRules\":[{\"action\":\"block\"" more "}]}"
	(void)state;
	delays("{}", true, 30, 90);
	delays(BLOCK(""), false, 30, 90);
	delays(BLOCK(",\"blockDelay\":0"), false, 0, 0);
	delays(BLOCK(",\"blockDelay\":\"2-3\""), true, 2, 3);
	delays(BLOCK(",\"blockDelay\":\"7-5\""), false, 5, 7);
}

static void wrong_values_are_told(void **state)
{
	static const char *const wrong[] = {
		"\"blockDelay\":-1",
		"\"blockDelay\":86401",
		"\"blockDelay\":\"1-x\"",
		"\"blockDelay\":\"1-\"",
		"\"blockDelay\":[1]",
		"\"port\":\"x\"",
		"\"port\":70000",
		"\"port\":\"1-\"",
		"\"network\":\"tcp,ip\"",
		"\"network\":7",
		"\"ip\":\"10.0.0.0/33\"",
		"\"ip\":\"geoip:\"",
		"\"ip\":[\"10.0.0.1\",\"\"]",
		"\"ip\":7",
	};
	char text[256];
	struct rules r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text), BLOCK(",%s"), wrong[i]);
		load(&r, text, 1);
		unload(&r);
	}
	load(&r, "{\"finalRules\":[7]}", 1);
	unload(&r);
	load(&r, "{\"finalRules\":{\"action\":\"block\"}}", 1);
	unload(&r);
}

/* A socket that takes all it is given, and gives back what it took */
static struct pkt kept[8];
static int kept_count;

static int keep_send(struct dgram *d, const struct pkt *v, int n)
{
	(void)d;
	memcpy(kept + kept_count, v, (size_t)n * sizeof(*v));
	kept_count += n;
	return n;
}

static int keep_recv(struct dgram *d, struct pkt *v, int max)
{
	int n = kept_count < max ? kept_count : max;

	(void)d;
	memcpy(v, kept, (size_t)n * sizeof(*v));
	kept_count = 0;
	return n ? n : -EAGAIN;
}

static void keep_close(struct dgram *d)
{
	(void)d;
}

static const struct dgram_ops keep_ops = { .name = "keep",
					   .send = keep_send,
					   .recv = keep_recv,
					   .close = keep_close };

static void datagrams_of_blocked_ones_are_dropped(void **state)
{
	struct dgram below = { .ops = &keep_ops }, *d;
	struct pkt v[4], back[8];
	struct rules r;
	int sent = 0;

	(void)state;
	load(&r,
	     "{\"finalRules\":[{\"action\":\"block\",\"ip\":\"10.0.0.0/8\"}]}",
	     0);
	assert_int_equal(final_dgram(&r.f, false, &below, &d), 0);
	v[0] = (struct pkt){ .peer = at("10.0.0.1", 1) };
	v[1] = (struct pkt){ .peer = at("192.0.2.1", 2) };
	v[2] = (struct pkt){ .peer = at("10.0.0.1", 3) };
	v[3] = (struct pkt){ .peer = at("192.0.2.1", 4) };
	while (sent < 4) {
		int n = d->ops->send(d, v + sent, 4 - sent);

		assert_in_range(n, 1, 4);
		sent += n;
	}
	assert_int_equal(kept_count, 2);
	assert_int_equal(kept[0].peer.port, 2);
	assert_int_equal(kept[1].peer.port, 4);
	kept[0].peer = v[0].peer; /* an answer of a blocked one */
	assert_int_equal(d->ops->recv(d, back, 8), 1);
	assert_int_equal(back[0].peer.port, 4);
	assert_int_equal(d->ops->recv(d, back, 8), -EAGAIN);
	d->ops->close(d);
	unload(&r);
}

static unsigned int floods;

static int flood_recv(struct dgram *d, struct pkt *v, int max)
{
	(void)d;
	assert_true(++floods < 1000);
	for (int i = 0; i < max; i++)
		v[i] = (struct pkt){ .peer = at("10.0.0.1", 1) };
	return max;
}

/* They come as fast as they are read: others shall have their turn */
static void a_flood_of_blocked_ones_ends_the_turn(void **state)
{
	static const struct dgram_ops ops = { .name = "flood",
					      .recv = flood_recv,
					      .close = keep_close };
	struct worker w = { .tick = 1 };
	struct job job = { .worker = &w };
	struct dgram below = { .ops = &ops, .job = &job }, *d;
	struct pkt v[8];
	struct rules r;

	(void)state;
	w.ready_tail = &w.ready_head;
	load(&r,
	     "{\"finalRules\":[{\"action\":\"block\",\"ip\":\"10.0.0.0/8\"}]}",
	     0);
	assert_int_equal(final_dgram(&r.f, false, &below, &d), 0);
	assert_int_equal(d->ops->recv(d, v, 8), -EAGAIN);
	assert_true(job.queued);
	d->ops->close(d);
	unload(&r);
}

static void datagrams_of_strangers_pass_by_the_implied_rule(void **state)
{
	struct dgram below = { .ops = &keep_ops }, *d;
	struct pkt v[3], back[8];
	struct rules r;
	int sent = 0;

	(void)state;
	load(&r, ALLOW(",\"ip\":\"10.0.0.1\""), 0);
	assert_int_equal(final_dgram(&r.f, true, &below, &d), 0);
	v[0] = (struct pkt){ .peer = at("127.0.0.1", 1) };
	v[1] = (struct pkt){ .peer = at("10.0.0.1", 2) };
	v[2] = (struct pkt){ .peer = at("1.1.1.1", 3) };
	while (sent < 3) {
		int n = d->ops->send(d, v + sent, 3 - sent);

		assert_in_range(n, 1, 3);
		sent += n;
	}
	assert_int_equal(kept_count, 2);
	assert_int_equal(kept[0].peer.port, 2);
	kept[0].peer = at("fe80::1", 9); /* nobody asked this one */
	assert_int_equal(d->ops->recv(d, back, 8), 1);
	assert_int_equal(back[0].peer.port, 3);
	d->ops->close(d);
	unload(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_rule_that_holds_decides),
		cmocka_unit_test(wrong_rules_are_told),
		cmocka_unit_test(wrong_values_are_told),
		cmocka_unit_test(strangers_do_not_reach_what_is_private),
		cmocka_unit_test(rules_go_before_the_implied_one),
		cmocka_unit_test(what_is_blocked_has_its_delay),
		cmocka_unit_test(datagrams_of_blocked_ones_are_dropped),
		cmocka_unit_test(a_flood_of_blocked_ones_ends_the_turn),
		cmocka_unit_test(
			datagrams_of_strangers_pass_by_the_implied_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
