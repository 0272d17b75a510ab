/* test_dns_pick.c - What a lookup does next; which servers are down */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/dns/health.h"
#include "gateway/dns/pick.h"

/*
 * One letter a candidate: i idle, l later, a asked, n no, y yes; capital: soft.
 * '|' starts a new group. Result: "ask 1", "take 0", "wait", "hold", "none"
 */
static const char *picked(const char *text, bool parallel, bool told,
			  bool hurry)
{
	static const char letters[] = "ilany";
	static const char *const words[] = { "ask", "wait", "hold", "take",
					     "none" };
	static char out[16];
	struct cand c[8] = { 0 };
	unsigned int n = 0;
	uint8_t group = 0;
	struct pick p;

	for (; *text; text++) {
		char low = (char)(*text | 0x20);

		if (*text == '|') {
			group++;
			continue;
		}
		c[n].state = (uint8_t)(strchr(letters, low) - letters);
		c[n].soft = *text != low;
		c[n++].group = group;
	}
	p = pick(c, n, parallel, told, hurry);
	if (p.what == PICK_ASK || p.what == PICK_TAKE)
		snprintf(out, sizeof(out), "%s %u", words[p.what], p.at);
	else
		snprintf(out, sizeof(out), "%s", words[p.what]);
	return out;
}

#define IS(want, text, parallel, told, hurry) \
	assert_string_equal(picked(text, parallel, told, hurry), want)

static void serial_asks_one_after_the_other(void **state)
{
	(void)state;
	IS("ask 0", "i|i|i", false, false, false);
	IS("wait", "a|i|i", false, false, false);
	IS("ask 1", "n|i|i", false, false, false);
	IS("ask 1", "n|i|i", false, true, false);
	IS("take 1", "n|y|i", false, false, false);
	IS("none", "n|n|n", false, true, false);
	IS("none", "", false, false, false);
}

static void a_server_that_is_down_is_not_waited_for(void **state)
{
	(void)state;
	IS("ask 1", "A|i", false, false, false);
	IS("ask 1", "l|i", false, false, false);
	IS("wait", "A|a", false, false, false);
	IS("take 1", "A|y", false, false, false);
	IS("take 0", "Y|a", false, false, false);
	/* the other knows no such name: perhaps this one does */
	IS("hold", "A|n", false, true, false);
	IS("none", "A|n", false, true, true);
	IS("none", "l|n", false, true, false);
}

static void when_nobody_else_is_left_those_that_are_down_count(void **state)
{
	(void)state;
	IS("wait", "A|n", false, false, false); /* it failed too */
	IS("wait", "A|n", false, false, true);
	IS("ask 0", "l|n", false, false, false);
	IS("ask 1", "A|l", false, false, false);
	IS("wait", "A|A", false, false, false);
	/* both are down; the first one goes before for a moment */
	IS("hold", "A|Y", false, false, false);
	IS("take 1", "A|Y", false, false, true);
	IS("take 1", "N|Y", false, false, false);
}

static void parallel_asks_all_and_keeps_the_order_of_groups(void **state)
{
	(void)state;
	IS("ask 0", "ii|i", true, false, false);
	IS("ask 1", "ai|i", true, false, false);
	IS("ask 2", "yy|i", true, false, false);
	IS("take 1", "ay|a", true, false, false);
	IS("take 0", "yy|a", true, false, false);
	IS("wait", "aa|y", true, false, false);
	IS("wait", "an|y", true, false, false);
	IS("take 2", "nn|y", true, false, false);
	IS("take 2", "An|y", true, false, false);
	IS("none", "nn|n", true, true, false);
}

static void health_needs_silence_since_the_query(void **state)
{
	struct dns_health h = { 0 };

	(void)state;
	assert_false(health_down(&h));
	assert_true(health_fail(&h, 1000, -ETIMEDOUT));
	assert_true(health_down(&h));
	assert_false(health_fail(&h, 1000, -ETIMEDOUT)); /* already */
	assert_true(health_answer(&h, 2000));
	assert_false(health_answer(&h, 2001));
	assert_false(health_down(&h));
	assert_false(health_fail(&h, 1500, -ETIMEDOUT)); /* it spoke since */
	assert_false(health_down(&h));
	assert_true(health_fail(&h, 2002, -ECONNREFUSED));
}

static void errors_of_our_own_do_not_count(void **state)
{
	static const int own[] = { -ENOMEM, -ENOBUFS, -EMFILE, -ENFILE,
				   -ECANCELED };
	struct dns_health h = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(own) / sizeof(*own); i++)
		assert_false(health_fail(&h, 1, own[i]));
	assert_false(health_down(&h));
}

static void probes_are_few(void **state)
{
	struct dns_health h = { 0 };
	int i;

	(void)state;
	for (i = 0; i < HEALTH_PROBES; i++)
		assert_true(health_probe(&h));
	assert_false(health_probe(&h));
	health_probed(&h);
	assert_true(health_probe(&h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serial_asks_one_after_the_other),
		cmocka_unit_test(a_server_that_is_down_is_not_waited_for),
		cmocka_unit_test(
			when_nobody_else_is_left_those_that_are_down_count),
		cmocka_unit_test(
			parallel_asks_all_and_keeps_the_order_of_groups),
		cmocka_unit_test(health_needs_silence_since_the_query),
		cmocka_unit_test(errors_of_our_own_do_not_count),
		cmocka_unit_test(probes_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
