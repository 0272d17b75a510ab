/* test_complete.c - What `up` adds to a file that catches nothing */
#include "tests/unit/cm.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"

#define SOCKS \
	"\"inbounds\":[{\"tag\":\"s\",\"protocol\":\"socks\",\"port\":1080}]"
#define PROXY \
	"\"outbounds\":[{\"tag\":\"p\",\"protocol\":\"socks\"},{\"protocol\":" \
	"\"freedom\"}]"
#define RULES "\"routing\":{\"rules\":[{\"port\":\"1\",\"outboundTag\":\"p\"}]}"

/* The whole that `up` makes of the texts, without blanks; free() it */
static char *completed(const char *const *texts, size_t n, const char *capture)
{
	struct cli cli = { .command = "up", .capture = capture };
	struct merged m;
	struct diag d;
	char *text, *out;
	cJSON *o;

	diag_init(&d);
	for (size_t i = 0; i < n; i++)
		assert_non_null(
			jdoc_parse(&d, "f", texts[i], strlen(texts[i])));
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	complete_up(&d, &m, &cli);
	text = merge_print(&m);
	o = cJSON_Parse(text);
	out = cJSON_PrintUnformatted(o);
	assert_int_equal(d.errors, 0);
	cJSON_Delete(o);
	free(text);
	merge_free(&m);
	diag_free(&d);
	return out;
}

static char *of(const char *text)
{
	return completed(&text, 1, NULL);
}

static void has(char *got, const char *part, bool yes)
{
	if (!strstr(got, part) == yes)
		fail_msg("%s%s in: %s", yes ? "not " : "", part, got);
}

static void a_client_gets_tun_dns_and_a_rule_in_front(void **state)
{
	char *got = of("{" SOCKS "," PROXY "," RULES "}");

	(void)state;
	has(got, "\"port\":1080},{\"tag\":\"culvert-tun\",\"protocol\":\"tun\"",
	    true);
	has(got, "{\"protocol\":\"freedom\"},{\"tag\":\"culvert-dns\"", true);
	has(got,
	    "\"rules\":[{\"ruleTag\":\"culvert-dns\",\"inboundTag\":["
	    "\"culvert-tun\"],\"port\":53,\"outboundTag\":\"culvert-dns\"},"
	    "{\"port\":\"1\"",
	    true);
	has(got, "\"domain:msftncsi.com\"]},\"fakedns\",\"localhost\"]}", true);
	free(got);
}

static void routing_may_be_absent_or_without_rules(void **state)
{
	static const char *const v[] = {
		"{" PROXY "}",
		"{" PROXY ",\"routing\":{\"domainStrategy\":\"AsIs\"}}",
		"{" PROXY ",\"Routing\":{\"Rules\":[]}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		char *got = of(v[i]);

		has(got, "[{\"ruleTag\":\"culvert-dns\"", true);
		free(got);
	}
}

static void what_is_there_stays(void **state)
{
	static const char own[] =
		"{\"outbounds\":[{\"protocol\":\"freedom\"},{\"tag\":\"d\","
		"\"protocol\":\"DNS\"}],\"dns\":{\"servers\":[\"9.9.9.9\"]}}";
	static const char *const none[] = {
		"{\"inbounds\":[{\"protocol\":\"tun\"}]," PROXY "}",
		"{\"culvert\":{\"capture\":\"none\"}," PROXY "}",
		"{\"culvert\":{\"capture\":\"tun\"}," PROXY "}",
	};
	char *got = of(own);

	(void)state;
	has(got, "culvert-tun", true);
	has(got, "culvert-dns", false);
	has(got, "\"servers\":[\"9.9.9.9\"]", true);
	free(got);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		got = of(none[i]);
		has(got, "culvert-tun", false);
		free(got);
	}
}

static void the_command_line_says_how(void **state)
{
	static const char *const text[] = {
		"{\"culvert\":{\"capture\":\"redirect\"}," PROXY "}", "{}",
		"{" RULES "}"
	};
	char *got = completed(text, 3, "tun");

	(void)state;
	has(got, "culvert-tun", true);
	has(got, "culvert-dns\"},{\"port\":\"1\"", true);
	free(got);
	got = completed(text, 3, "tproxy");
	has(got, "culvert-tun", false);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_gets_tun_dns_and_a_rule_in_front),
		cmocka_unit_test(routing_may_be_absent_or_without_rules),
		cmocka_unit_test(what_is_there_stays),
		cmocka_unit_test(the_command_line_says_how),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
