/* test_diag.c - How complaints are kept, ordered and printed */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/jget.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/diag_text.h"

static struct diag d;

static int begin(void **state)
{
	(void)state;
	diag_init(&d);
	return 0;
}

static int end(void **state)
{
	(void)state;
	diag_free(&d);
	return 0;
}

static const cJSON *parse(const char *text)
{
	struct jdoc *doc = jdoc_parse(&d, "c.json", text, strlen(text));

	assert_non_null(doc);
	return doc->root;
}

static void a_complaint_shows_place_path_line_caret_and_help(void **state)
{
	const cJSON *root = parse("{\n\t\"outbounds\": [{\n"
				  "\t\t\"port\": 0 // here\n\t}]\n}\n");

	(void)state;
	diag_error(&d, cJSON_GetObjectItem(root, "outbounds")->child, "Port",
		   "must be 1 to 65535, got %d", 0);
	diag_help(&d, "ports are numbers");
	diag_help(&d, "only the first help is kept");
	assert_string_equal(diag_text(&d, false),
			    "c.json:3:11: error: outbounds[0].port: must be 1 "
			    "to 65535, got 0\n"
			    "      \"port\": 0 // here\n"
			    "              ^\n"
			    "help: ports are numbers\n"
			    "1 error, 0 warnings\n");
}

static void a_missing_member_is_placed_at_its_object(void **state)
{
	const cJSON *root = parse("{\"a\": {}}");

	(void)state;
	diag_error(&d, root->child, "id", "is missing");
	assert_string_equal(diag_text(&d, false),
			    "c.json:1:7: error: a.id: is missing\n"
			    "    {\"a\": {}}\n"
			    "          ^\n"
			    "1 error, 0 warnings\n");
}

static void without_a_node_there_is_no_place(void **state)
{
	(void)state;
	diag_error(&d, NULL, "routing", "is needed");
	diag_warning(&d, NULL, NULL, "odd");
	assert_string_equal(diag_text(&d, false),
			    "error: routing: is needed\nwarning: odd\n"
			    "1 error, 1 warning\n");
}

static void columns_count_characters(void **state)
{
	const cJSON *root = parse("{\"\xe4\xbd\xa0\xe5\xa5\xbd\": 1}");

	(void)state;
	diag_error(&d, root->child, NULL, "x");
	assert_string_equal(
		diag_text(&d, false),
		"c.json:1:8: error: [\"\xe4\xbd\xa0\xe5\xa5\xbd\"]: x\n"
		"    {\"\xe4\xbd\xa0\xe5\xa5\xbd\": 1}\n"
		"           ^\n"
		"1 error, 0 warnings\n");
}

static void of_a_long_line_the_part_around_the_place_is_shown(void **state)
{
	char text[5000];
	const char *s, *caret;
	const cJSON *root;
	int n = 0;

	(void)state;
	n += sprintf(text, "[");
	for (int i = 0; i < 500; i++)
		n += sprintf(text + n, "100%d,", i % 10);
	sprintf(text + n, "7,8]");
	root = parse(text);
	diag_error(&d, cJSON_GetArrayItem(root, 500), NULL, "x");
	s = diag_text(&d, false);
	caret = strchr(s, '^');
	assert_non_null(caret);
	assert_non_null(strstr(s, ",7,8]\n"));
	assert_true(strlen(s) < 300);
	/* the caret stands below the 7 */
	s = strchr(s, '\n') + 1;
	assert_int_equal(s[caret - (strchr(s, '\n') + 1)], '7');
}

static void errors_are_printed_in_order_of_place(void **state)
{
	const cJSON *root = parse("[1,\n2,\n3]");
	const char *s;

	(void)state;
	diag_error(&d, NULL, NULL, "nowhere");
	diag_error(&d, root->child->next->next, NULL, "third");
	diag_warning(&d, root->child, NULL, "first");
	diag_error(&d, root->child->next, NULL, "second");
	diag_error(&d, root->child, NULL, "first again");
	s = diag_text(&d, false);
	s = strstr(s, "first\n");
	assert_non_null(s);
	s = strstr(s, "first again\n");
	assert_non_null(s);
	s = strstr(s, "second\n");
	assert_non_null(s);
	s = strstr(s, "third\n");
	assert_non_null(s);
	assert_non_null(strstr(s, "nowhere\n"));
}

static unsigned int count(const char *s, const char *part)
{
	unsigned int n = 0;

	for (; (s = strstr(s, part)); s++)
		n++;
	return n;
}

static void twenty_errors_are_shown_and_the_rest_counted(void **state)
{
	const cJSON *root = parse("[1]");

	(void)state;
	for (int i = 0; i < 25; i++) {
		diag_error(&d, root->child, NULL, "e%d.", i);
		diag_help(&d, "h%d.", i);
	}
	for (int i = 0; i < 101; i++)
		diag_warning(&d, root->child, NULL, "w%d.", i);
	assert_int_equal(d.errors, 25);
	assert_int_equal(d.warnings, 101);
	diag_text(&d, false);
	assert_int_equal(count(diag_text(&d, false), " error: "), 20);
	assert_non_null(strstr(diag_text(&d, false), "e19."));
	assert_non_null(strstr(diag_text(&d, false), "help: h19."));
	assert_null(strstr(diag_text(&d, false), "e20."));
	assert_null(strstr(diag_text(&d, false), "h20."));
	assert_non_null(strstr(diag_text(&d, false),
			       "5 more errors not shown\n"
			       "1 more warning not shown\n"
			       "25 errors, 101 warnings\n"));
}

static void those_shown_are_the_first_of_the_file(void **state)
{
	const cJSON *root = parse("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,"
				  "18,19,20,21,22,23,24,25]");

	(void)state;
	for (int i = 24; i >= 0; i--)
		diag_error(&d, cJSON_GetArrayItem(root, i), NULL, "e%d.", i);
	assert_int_equal(count(diag_text(&d, false), " error: "), 20);
	assert_non_null(strstr(diag_text(&d, false), "e0."));
	assert_non_null(strstr(diag_text(&d, false), "e19."));
	assert_null(strstr(diag_text(&d, false), "e20."));
	assert_non_null(strstr(diag_text(&d, false), "5 more errors"));
}

static void json_form_is_json(void **state)
{
	const cJSON *root = parse("{\"a\\n\\\"\": 1}"), *first;
	cJSON *out;

	(void)state;
	diag_error(&d, root->child, NULL, "say \"%s\"\x01 \xff", "\\");
	diag_help(&d, "help");
	for (int i = 0; i < 30; i++)
		diag_error(&d, NULL, NULL, "more");
	out = cJSON_Parse(diag_text(&d, true));
	assert_non_null(out);
	assert_int_equal(cJSON_GetArraySize(out), 21);
	first = out->child;
	assert_string_equal(cJSON_GetObjectItem(first, "severity")->valuestring,
			    "error");
	assert_string_equal(cJSON_GetObjectItem(first, "file")->valuestring,
			    "c.json");
	assert_int_equal(cJSON_GetObjectItem(first, "line")->valueint, 1);
	assert_int_equal(cJSON_GetObjectItem(first, "column")->valueint, 11);
	assert_string_equal(cJSON_GetObjectItem(first, "path")->valuestring,
			    "[\"a\n\"\"]");
	assert_string_equal(cJSON_GetObjectItem(first, "message")->valuestring,
			    "say \"\\\"\x01 \xef\xbf\xbd");
	assert_string_equal(cJSON_GetObjectItem(first, "help")->valuestring,
			    "help");
	assert_null(cJSON_GetObjectItem(first->next, "line"));
	cJSON_Delete(out);
}

static void no_complaint_prints_nothing_or_an_empty_array(void **state)
{
	(void)state;
	assert_string_equal(diag_text(&d, false), "");
	assert_string_equal(diag_text(&d, true), "[]\n");
}

static void secrets_are_starred_in_the_source_line(void **state)
{
	const cJSON *root = parse("{\"id\" : \"deadbeef\", \"PassWord\":\"hun\\"
				  "\"ter2\", \"address\": \"1.2.3.4\", "
				  "\"port\": 0}");

	(void)state;
	diag_error(&d, root, "port", "bad");
	diag_text(&d, false);
	assert_null(strstr(diag_text(&d, false), "deadbeef"));
	assert_null(strstr(diag_text(&d, false), "hun"));
	assert_null(strstr(diag_text(&d, false), "ter2"));
	assert_non_null(strstr(diag_text(&d, false),
			       "{\"id\" : \"********\", \"PassWord\":"
			       "\"*********\", \"address\": \"1.2.3.4\""));
}

static void control_characters_are_not_printed(void **state)
{
	const cJSON *root = parse("[ \"\x7f\xff\" ]");

	(void)state;
	diag_error(&d, root->child, NULL, "a\x1b[31m\n%s", "\xff");
	assert_string_equal(diag_text(&d, false),
			    "c.json:1:3: error: [0]: a?[31m??\n"
			    "    [ \"\?\?\" ]\n"
			    "      ^\n"
			    "1 error, 0 warnings\n");
}

static void out_of_memory_still_counts(void **state)
{
	const cJSON *root = parse("[1]");

	(void)state;
	for (unsigned int n = 1; n < 4; n++) {
		alloc_fail_at(n);
		diag_error(&d, root->child, NULL, "text");
		diag_help(&d, "help");
		alloc_fail_at(0);
		assert_int_equal(d.errors, n);
	}
	assert_int_equal(count(diag_text(&d, false), "error: "), 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_complaint_shows_place_path_line_caret_and_help),
		T(a_missing_member_is_placed_at_its_object),
		T(without_a_node_there_is_no_place),
		T(columns_count_characters),
		T(of_a_long_line_the_part_around_the_place_is_shown),
		T(errors_are_printed_in_order_of_place),
		T(twenty_errors_are_shown_and_the_rest_counted),
		T(those_shown_are_the_first_of_the_file),
		T(json_form_is_json),
		T(no_complaint_prints_nothing_or_an_empty_array),
		T(secrets_are_starred_in_the_source_line),
		T(control_characters_are_not_printed),
		T(out_of_memory_still_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
