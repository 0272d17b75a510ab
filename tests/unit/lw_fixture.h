/*
 * lw_fixture.h - What the test_lw_*.c share: one stack, set up for each test
 *
 * A header, as lw_ops is only linked into those tests.
 */
#ifndef TESTS_UNIT_LW_FIXTURE_H
#define TESTS_UNIT_LW_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/compat.h"
#include "netstack/lw/lw_in.h"
#include "tests/unit/lw_peer.h"

static struct peer P;

UNUSED static int up4(void **state)
{
	(void)state;
	peer_up(&P, &lw_ops, true, false);
	return 0;
}

UNUSED static int up6(void **state)
{
	(void)state;
	peer_up(&P, &lw_ops, true, true);
	return 0;
}

UNUSED static int up_plain(void **state)
{
	(void)state;
	peer_up(&P, &lw_ops, false, false);
	return 0;
}

UNUSED static int down(void **state)
{
	(void)state;
	peer_down(&P);
	assert_int_equal(P.bufs_out, 0);
	return 0;
}

UNUSED static struct lw_stats stats(void)
{
	struct lw_stats s;

	lw_ops.stats(P.lw, &s);
	return s;
}

UNUSED static void pattern(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 8));
}

UNUSED static struct seg *last_seg(void)
{
	struct seg *s, *last = NULL;

	while ((s = peer_next(&P)))
		last = s;
	return last;
}

#define WITH(test, up) cmocka_unit_test_setup_teardown(test, up, down)
#define BOTH(test) \
	{ #test " v4", test, up4, down, NULL }, \
	{ \
#test " v6", test, up6, down, NULL \
	}

#endif
