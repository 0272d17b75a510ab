/*
 * test_wg_tunnel.c - WireGuard tunnels that two workers share, whose turns are made
 * by hand: packets that come before home has begun, and after its end
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/core/ipstack.h"
#include "gateway/core/stream.h"
#include "gateway/core/worker.h"
#include "netstack/lw.h"
#include "proxy/layer/wg.h"

static struct worker W[2];
static struct wg_conf conf;
static struct wg_peer_conf peer;
static struct cidr all;
static struct job job;

static void nothing(struct job *j)
{
	(void)j;
}

/* Sanitizers have one copy of the stack: nobody to share with */
static void need_two(void)
{
	if (lw_table_len < 2)
		skip();
}

static int up(void **state)
{
	struct wg_self_key theirs;
	uint8_t secret[WG_KEY_BYTES] = { 2 };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		if (worker_init(&W[i], i, NULL))
			return -1;
		workers_all[i] = &W[i];
	}
	workers_count = 2;
	assert_int_equal(wg_self_set(&theirs, secret), 0);
	memset(&peer, 0, sizeof(peer));
	memcpy(peer.public_key, theirs.public_key, WG_KEY_BYTES);
	peer.endpoint = addr_v4("\177\0\0\1", 9);
	peer.allowed = &all;
	peer.allowed_count = 1;
	assert_int_equal(cidr_parse(&all, "0.0.0.0/0"), 0);
	conf = (struct wg_conf){ .secret_key = { 1 },
				 .own = { addr_v4("\12\0\0\2", 0) },
				 .mtu = 1420,
				 .peer_count = 1,
				 .peers = &peer,
				 .sockopt = SOCKOPT_DEFAULT,
				 .tag = "test" };
	return 0;
}

static int down(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		worker_fini(&W[i]);
	workers_count = 0;
	return 0;
}

/* The stack of @w says something: the first packet of a connection */
static struct stream *say(struct worker *w, struct ipstack *st)
{
	struct addr to = addr_v4("\12\0\0\1", 80);
	struct stream *s;

	worker_self = w;
	job = (struct job){ .run = nothing, .worker = w };
	assert_int_equal(ipstack_ops.connect(st, &to, &job, &s), 0);
	worker_tick(w, 0); /* it is flushed */
	return s;
}

static uint64_t lost(const struct worker *w)
{
	return w->drops[DROP_UDP_SEND];
}

/* Home uses it before it has read the message that makes it home */
static void home_may_be_told_late(void **state)
{
	struct wg *wg;
	struct ipstack *st[2];
	struct stream *s[2];

	(void)state;
	need_two();
	wg = wg_get(&conf);
	assert_int_equal(wg_stack(wg, &W[1], &st[1]), 0);
	assert_int_equal(wg_stack(wg, &W[0], &st[0]), 0);
	s[0] = say(&W[0], st[0]);
	s[1] = say(&W[1], st[1]);
	worker_tick(&W[0], 0);
	assert_int_equal(lost(&W[0]) + lost(&W[1]), 0);
	stream_close(&s[0], 0);
	stream_close(&s[1], 0);
	wg_put(wg);
	worker_tick(&W[0], 0);
	worker_tick(&W[1], 0);
}

/* It ended, but another worker has not read that yet */
static void a_packet_after_the_end_is_dropped(void **state)
{
	struct wg *wg;
	struct ipstack *st;
	struct stream *s;

	(void)state;
	need_two();
	wg = wg_get(&conf);
	assert_int_equal(wg_stack(wg, &W[1], &st), 0);
	worker_tick(&W[0], 0);
	wg_put(wg);
	s = say(&W[1], st); /* posted behind the end of home */
	stream_close(&s, -ECANCELED);
	worker_tick(&W[0], 0);
	worker_tick(&W[0], 0);
	worker_tick(&W[1], 0);
}

/* No socket: another worker's packets were on their way */
static void a_home_that_cannot_begin_drops(void **state)
{
	struct ipstack *st, *none;
	struct stream *s;
	struct wg *wg;

	(void)state;
	need_two();
	conf.bind = addr_v4("\300\0\2\1", 0); /* nobody's */
	wg = wg_get(&conf);
	assert_int_equal(wg_stack(wg, &W[1], &st), 0);
	s = say(&W[1], st);
	worker_tick(&W[0], 0);
	assert_int_equal(lost(&W[0]), 1);
	assert_int_equal(wg_stack(wg, &W[0], &none), -ENETDOWN);
	stream_close(&s, -ECANCELED);
	wg_put(wg);
	worker_tick(&W[0], 0);
	worker_tick(&W[1], 0);
}

/* The process ends: each worker takes its part down, home first */
static void the_end_of_the_process(void **state)
{
	struct wg *wg;
	struct ipstack *st[2];
	struct stream *s;

	(void)state;
	need_two();
	wg = wg_get(&conf);
	assert_int_equal(wg_stack(wg, &W[1], &st[1]), 0);
	assert_int_equal(wg_stack(wg, &W[0], &st[0]), 0);
	s = say(&W[1], st[1]);
	stream_close(&s, -ECANCELED);
	worker_fini(&W[0]);
	worker_fini(&W[1]);
	wg_put(wg);
	assert_int_equal(up(NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(home_may_be_told_late),
		T(a_packet_after_the_end_is_dropped),
		T(a_home_that_cannot_begin_drops),
		T(the_end_of_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
