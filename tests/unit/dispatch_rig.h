/*
 * dispatch_rig.h - One session between two ends in memory, with a loopback or without;
 * for test_dispatch.c and test_loopback.c
 */
#ifndef TESTS_UNIT_DISPATCH_RIG_H
#define TESTS_UNIT_DISPATCH_RIG_H

#include "tests/unit/cm.h"

#include <stdlib.h>

#include "gateway/core/dns.h"
#include "gateway/core/route.h"
#include "tests/unit/fake_ends.h"
#include "tests/unit/loop.h"

#define HELLO "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n"

/**
 * struct rig - One session and everything around it
 * @greet_rc:	What the inbound says; @open_rc: what the outbound says
 * @opened:	How often an outbound was opened; @target: for what
 * @again:	The first loopback sniffs by this; NULL: none does
 */
static struct rig {
	struct loop l;
	struct diag d;
	struct policy policy;
	struct inbound ib;
	struct outbound ob;
	struct outbound *obs[1];
	struct fake in, out;
	struct session *s;
	int greet_rc, open_rc;
	unsigned int opened, rerouted;
	const struct sniffing *again;
	char target[ADDR_TEXT_MAX];
} r;

static int greet(struct session *s)
{
	(void)s;
	return r.greet_rc;
}

static int open_fake(const struct outbound *ob, struct session *s,
		     struct stream **out)
{
	(void)ob;
	addr_format(&s->target, r.target, sizeof(r.target));
	if (r.open_rc)
		return r.open_rc;
	r.opened++;
	stream_set_job(&r.out.s, &s->job);
	*out = &r.out.s;
	return 0;
}

static int reroute_fake(const struct outbound *ob, struct session *s);

static const struct inbound_ops in_plain = { .name = "plain" };
static const struct inbound_ops in_greets = { .name = "greets",
					      .greet = greet };
static const struct outbound_ops out_fake = { .name = "fake",
					      .open = open_fake };
static const struct outbound_ops out_loop = { .name = "loop",
					      .open = open_fake,
					      .reroute = reroute_fake };

static int reroute_fake(const struct outbound *ob, struct session *s)
{
	(void)ob;
	r.rerouted++;
	if (!r.again)
		return 0;
	r.ob.ops = &out_fake;
	return ses_sniff_again(s, r.again);
}

static int begin(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	loop_init(&r.l);
	diag_init(&r.d);
	r.policy = (struct policy){ .handshake_ms = 5000,
				    .idle_ms = 5000,
				    .uplink_only_ms = 5000,
				    .downlink_only_ms = 5000 };
	r.ib = (struct inbound){ .ops = &in_plain,
				 .tag = "in",
				 .policy = &r.policy };
	r.ob = (struct outbound){ .ops = &out_fake, .tag = "out" };
	r.obs[0] = &r.ob;
	r.l.cfg.outbounds = r.obs;
	r.l.cfg.outbound_count = 1;
	r.l.cfg.router = router_parse(&r.d, NULL, &r.l.cfg);
	assert_non_null(r.l.cfg.router);
	r.in.s.ops = &fake_ops;
	r.out.s.ops = &fake_ops;
	r.in.up = r.out.up = true;
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (r.s)
		ses_kill(r.s, 0, 2);
	ses_reap(&r.l.w);
	router_free(r.l.cfg.router);
	fakedns_unref(r.l.cfg.fakedns);
	diag_free(&r.d);
	loop_fini(&r.l);
	return 0;
}

static struct session *born(const char *ip)
{
	struct session *s = ses_new(&r.l.w, &r.ib, NET_TCP, &r.in.s);

	r.s = s;
	if (!s)
		return NULL;
	s->source = addr_of("10.0.0.1", 1234);
	s->orig = addr_of(ip, 443);
	s->local = s->target = s->orig;
	ses_start(s);
	return s;
}

static void turns(int n)
{
	for (int i = 0; i < n; i++) {
		worker_tick(&r.l.w, 0);
		if (r.in.closed)
			r.s = NULL; /* reaped */
	}
}

/* Ticks until the session was reaped; how many ms that took */
static inline uint32_t until_end(uint32_t most_ms)
{
	uint32_t t0 = clock_ms();

	while (!r.in.closed && clock_ms() - t0 < most_ms)
		worker_tick(&r.l.w, 10);
	if (r.in.closed)
		r.s = NULL;
	assert_true(r.in.closed);
	return clock_ms() - t0;
}

#define SAY(f, text) fake_say(f, text, sizeof(text) - 1)
#define SEES(f, text) \
	do { \
		assert_int_equal((f)->tx_len, sizeof(text) - 1); \
		assert_memory_equal((f)->tx, text, sizeof(text) - 1); \
	} while (0)

/* The inbound looks at first bytes; its stream shows them, or they are read */
static inline void sniffing_on(bool lends)
{
	r.ib.sniffing.enabled = true;
	r.ib.sniffing.override = OVERRIDE_HTTP | OVERRIDE_TLS;
	r.in.s.ops = lends ? &fake_lend_ops : &fake_ops;
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif
