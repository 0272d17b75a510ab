/* test_wg_route.c - Whose an address is: against a walk over all prefixes */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "proxy/layer/wg_int.h"
#include "tests/unit/alloc_fail.h"

#define PEERS 5

static struct wg_peer peers[PEERS];
static struct wg_peer_conf confs[PEERS];
static struct cidr v[PEERS][WG_ALLOWED_MAX];
static struct wg_conf conf = { .peer_count = PEERS, .peers = confs };
static struct wg_routes routes;

static int up(void **state)
{
	(void)state;
	memset(confs, 0, sizeof(confs));
	for (int i = 0; i < PEERS; i++)
		confs[i].allowed = v[i];
	return 0;
}

static void allow(int peer, const char *text)
{
	struct cidr *c = &v[peer][confs[peer].allowed_count++];

	assert_int_equal(cidr_parse(c, text), 0);
}

/* -1: nobody */
static int whose(const char *ip)
{
	struct wg_peer *p;
	struct addr a;

	assert_int_equal(addr_parse_ip(&a, ip), 0);
	a.port = 77; /* does not matter */
	p = wg_routes_find(&routes, &a);
	return p ? (int)(p - peers) : -1;
}

static void the_longest_prefix_decides(void **state)
{
	struct addr name = addr_name("a.test", 6, 1);

	(void)state;
	allow(0, "0.0.0.0/0");
	allow(1, "10.0.0.0/8");
	allow(2, "10.1.2.0/23");
	allow(3, "10.1.2.3/32");
	allow(3, "fd00::3/128");
	allow(4, "fd00::/61");
	assert_int_equal(wg_routes_set(&routes, peers, &conf), 0);
	assert_int_equal(whose("192.0.2.1"), 0);
	assert_int_equal(whose("10.9.9.9"), 1);
	assert_int_equal(whose("10.1.3.255"), 2);
	assert_int_equal(whose("10.1.4.0"), 1);
	assert_int_equal(whose("10.1.2.3"), 3);
	assert_int_equal(whose("fd00::3"), 3);
	assert_int_equal(whose("fd00::7:ffff:ffff:ffff:ffff"), 4);
	assert_int_equal(whose("fd00:0:0:8::1"), -1);
	assert_null(wg_routes_find(&routes, &name));
	wg_routes_drop(&routes);
}

/* As wireguard-go: the prefix moves */
static void the_last_of_equal_ones_counts(void **state)
{
	(void)state;
	allow(0, "10.0.0.0/24");
	allow(2, "10.0.0.9/24");
	allow(1, "10.0.1.0/24");
	assert_int_equal(wg_routes_set(&routes, peers, &conf), 0);
	assert_int_equal(routes.count, 2);
	assert_int_equal(whose("10.0.0.1"), 2);
	assert_int_equal(whose("10.0.1.1"), 1);
	wg_routes_drop(&routes);
	memset(confs, 0, sizeof(confs)); /* of nobody at all */
	assert_int_equal(wg_routes_set(&routes, peers, &conf), 0);
	assert_int_equal(whose("10.0.0.1"), -1);
	wg_routes_drop(&routes);
}

static int walk(const struct addr *a)
{
	int best = -1, bits = -1;

	for (int i = 0; i < PEERS; i++)
		for (int k = 0; k < confs[i].allowed_count; k++)
			if (v[i][k].bits >= bits && cidr_has(&v[i][k], a)) {
				bits = v[i][k].bits;
				best = i;
			}
	return best;
}

static void many_as_by_a_walk(void **state)
{
	char text[64];
	struct addr a;

	(void)state;
	srand(7);
	for (int i = 0; i < PEERS; i++)
		for (int k = 0; k < WG_ALLOWED_MAX; k++) {
			snprintf(text, sizeof(text),
				 k & 1 ? "10.%d.%d.%d/%d" : "fd00:%x:%x::%x/%d",
				 rand() % 4, rand() % 4, rand() % 4,
				 rand() % (k & 1 ? 33 : 129));
			allow(i, text);
		}
	assert_int_equal(wg_routes_set(&routes, peers, &conf), 0);
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text),
			 i & 1 ? "10.%d.%d.%d" : "fd00:%x:%x::%x", rand() % 5,
			 rand() % 5, rand() % 5);
		assert_int_equal(addr_parse_ip(&a, text), 0);
		assert_int_equal(whose(text), walk(&a));
	}
	wg_routes_drop(&routes);
}

static void without_memory(void **state)
{
	(void)state;
	allow(0, "0.0.0.0/0");
	for (unsigned int n = 1; n <= 2; n++) {
		alloc_fail_at(n);
		assert_int_equal(wg_routes_set(&routes, peers, &conf), -ENOMEM);
		assert_true(alloc_fail_hit());
		wg_routes_drop(&routes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_longest_prefix_decides, up),
		cmocka_unit_test_setup(the_last_of_equal_ones_counts, up),
		cmocka_unit_test_setup(many_as_by_a_walk, up),
		cmocka_unit_test_setup(without_memory, up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
