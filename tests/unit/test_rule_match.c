/* test_rule_match.c - Rules by the program that a session comes from, and odd ones */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/route.h"
#include "gateway/core/session.h"
#include "tests/unit/diag_text.h"
#include "tests/unit/emulated.h"
#include "tests/unit/router_bench.h"

/* The next session, that comes from the program at @path */
static const char *pick_program(struct bench *b, const char *path)
{
	whose_free(b->s.whose);
	b->s.whose = NULL;
	program.path = path;
	program.rc = path ? 0 : -ENOENT;
	return pick_to(b, "a.com", 80);
}

static void programs_match_by_name_path_or_folder(void **state)
{
	char self[512];
	struct bench b;
	ssize_t n;

	(void)state;
	skip_emulated("sock_diag");
	bench_rule(&b, "\"process\":[\"curl\",\"wget.exe\",\"/opt/a/bin\","
		       "\"/opt/b/\",\"xray/\"]");
	assert_string_equal(pick_program(&b, "/usr/bin/curl"), "block");
	assert_string_equal(pick_program(&b, "/usr/bin/wget"), "block");
	assert_string_equal(pick_program(&b, "/opt/a/bin"), "block");
	assert_string_equal(pick_program(&b, "/opt/b/c/d"), "block");
	assert_string_equal(pick_program(&b, "/usr/bin/curly"), "first");
	assert_string_equal(pick_program(&b, "/opt/a/bin/x"), "first");
	assert_string_equal(pick_program(&b, "/opt/bc"), "first");
	assert_string_equal(pick_program(&b, NULL), "first");
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(n > 0);
	self[n] = '\0';
	assert_string_equal(pick_program(&b, self), "block");
	b.s.whose->pid = getpid(); /* that is self/, which no rule names */
	free(b.s.whose->path);
	b.s.whose->path = strdup("/x");
	assert_string_equal(pick(&b), "first");
	bench_close(&b);
	bench_rule(&b, "\"process\":\"self/\"");
	assert_string_equal(pick_program(&b, "/x"), "first");
	b.s.whose->pid = getpid();
	assert_string_equal(pick(&b), "block");
	bench_close(&b);
}

static void programs_are_looked_for_only_when_nothing_else_decides(void **state)
{
	struct bench b;

	(void)state;
	skip_emulated("sock_diag");
	bench_rule(&b, "\"port\":\"80\",\"ip\":\"10.0.0.0/8\","
		       "\"process\":[\"curl\"]");
	PASSED(&b, "10.1.1.1", 81);
	PASSED(&b, "11.1.1.1", 80);
	assert_int_equal(program.asked, 0);
	program.rc = -EAGAIN;
	assert_string_equal(pick_to(&b, "10.1.1.1", 80), "again");
	assert_string_equal(pick(&b), "again");
	assert_int_equal(program.asked, 1);
	b.s.whose->rc = 0;
	b.s.whose->path = strdup("/usr/bin/curl");
	assert_string_equal(pick(&b), "block");
	assert_string_equal(pick(&b), "block");
	assert_int_equal(program.asked, 1);
	bench_close(&b);
}

static void a_program_and_an_address_are_both_waited_for(void **state)
{
	struct bench b;

	(void)state;
	skip_emulated("sock_diag");
	bench_open(&b, "{\"domainStrategy\":\"IPOnDemand\",\"rules\":[{"
		       "\"ip\":\"10.0.0.0/8\",\"process\":\"curl\","
		       "\"outboundTag\":\"block\"}]}");
	dns.rc = -EAGAIN;
	program.rc = -EAGAIN;
	assert_string_equal(pick_to(&b, "x.net", 80), "again");
	assert_int_equal(program.asked, 0);
	dns_answer(b.s.dns, "10.0.0.1");
	b.s.dns->pending = 0;
	assert_string_equal(pick(&b), "again");
	assert_int_equal(program.asked, 1);
	b.s.whose->rc = 0;
	b.s.whose->path = strdup("/bin/curl");
	assert_string_equal(pick(&b), "block");
	assert_int_equal(dns.asked, 1);
	bench_close(&b);
}

static void domains_take_the_place_of_domain(void **state)
{
	struct bench b;

	(void)state;
	/* the latter takes the place of the former; an empty list is none */
	bench_open(&b, "{\"rules\":[{\"domain\":[\"full:a.com\"],"
		       "\"domains\":[\"full:b.com\"],"
		       "\"outboundTag\":\"block\"}]}");
	assert_int_equal(b.d.errors, 0);
	assert_non_null(strstr(diag_text(&b.d, false), "domains is used"));
	BLOCKED(&b, "b.com", 80);
	PASSED(&b, "a.com", 80);
	bench_close(&b);
	bench_rule(&b, "\"domain\":[\"full:a.com\"],\"domains\":[]");
	BLOCKED(&b, "a.com", 80);
	PASSED(&b, "b.com", 80);
	bench_close(&b);
}

/* Panels leave such rules behind */
static void a_rule_for_an_api_that_is_not_there_refuses(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, "{\"rules\":[{\"inboundTag\":[\"in\"],"
		       "\"outboundTag\":\"api\"}]}");
	assert_int_equal(b.d.errors, 0);
	assert_non_null(strstr(diag_text(&b.d, false), "there is no \"api\""));
	assert_string_equal(pick_to(&b, "a.com", 80), "none");
	assert_string_equal(b.s.rule, "rules[0]");
	b.s.inbound_tag = "other";
	assert_string_equal(pick_to(&b, "a.com", 80), "first");
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_match_by_name_path_or_folder),
		cmocka_unit_test(
			programs_are_looked_for_only_when_nothing_else_decides),
		cmocka_unit_test(a_program_and_an_address_are_both_waited_for),
		cmocka_unit_test(domains_take_the_place_of_domain),
		cmocka_unit_test(a_rule_for_an_api_that_is_not_there_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
