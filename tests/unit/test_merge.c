/* test_merge.c - Several files into one, by Xray's rules */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/diag_text.h"

static struct diag d;
static struct merged m;

static int begin(void **state)
{
	(void)state;
	diag_init(&d);
	memset(&m, 0, sizeof(m));
	return 0;
}

static int end(void **state)
{
	(void)state;
	merge_free(&m);
	diag_free(&d);
	return 0;
}

static void add(const char *name, const char *text)
{
	assert_non_null(jdoc_parse(&d, name, text, strlen(text)));
}

/* Tags in order, "protocol" behind a colon: "a:x b:y" */
static const char *tags(const cJSON **list, unsigned int count)
{
	static char out[512];
	size_t n = 0;

	out[0] = '\0';
	for (unsigned int i = 0; i < count; i++) {
		const cJSON *t = cJSON_GetObjectItem(list[i], "tag");
		const cJSON *p = cJSON_GetObjectItem(list[i], "protocol");

		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s:%s",
				      i ? " " : "", t ? t->valuestring : "-",
				      p ? p->valuestring : "-");
	}
	return out;
}

static const char *merged_out(void)
{
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	return tags(m.outbounds, m.outbound_count);
}

#define OB(tag, p) "{\"tag\":\"" tag "\",\"protocol\":\"" p "\"}"

static void one_file_keeps_its_order(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[" OB("a", "1") "," OB("b", "2") "]}");
	assert_string_equal(merged_out(), "a:1 b:2");
}

static void new_outbounds_go_to_the_front_as_a_block(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[" OB("a", "1") "]}");
	add("b.json", "{\"outbounds\":[" OB("b", "2") "," OB("c", "3") "]}");
	add("c.json", "{\"outbounds\":[" OB("d", "4") "]}");
	assert_string_equal(merged_out(), "d:4 b:2 c:3 a:1");
}

static void a_tail_file_appends(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[" OB("a", "1") "]}");
	add("05_TAIL.json",
	    "{\"outbounds\":[" OB("b", "2") "," OB("c", "3") "]}");
	add("x.json", "{\"outbounds\":[" OB("d", "4") "]}");
	assert_string_equal(merged_out(), "d:4 a:1 b:2 c:3");
}

static void an_equal_tag_takes_the_place(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[" OB("a", "1") "," OB("b", "2") "]}");
	add("b.json", "{\"outbounds\":[" OB("b", "9") "," OB("n", "3") "]}");
	assert_string_equal(merged_out(), "n:3 a:1 b:9");
}

static void what_has_no_tag_is_always_new(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[{\"protocol\":\"1\"}]}");
	add("b.json", "{\"outbounds\":[{\"protocol\":\"2\"},"
		      "{\"tag\":\"\",\"protocol\":\"3\"}]}");
	assert_string_equal(merged_out(), "-:2 :3 -:1");
}

static void equal_tags_in_one_file_both_stay(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[" OB("a", "1") "," OB("a", "2") "]}");
	/* and are refused later, with their place */
	assert_string_equal(merged_out(), "a:1 a:2");
}

static void inbounds_are_appended(void **state)
{
	(void)state;
	add("a.json", "{\"inbounds\":[" OB("a", "1") "]}");
	add("b.json", "{\"INBOUNDS\":[" OB("b", "2") "," OB("a", "9") "]}");
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	assert_string_equal(tags(m.inbounds, m.inbound_count), "a:9 b:2");
}

static void objects_are_replaced_whole(void **state)
{
	char *text;

	(void)state;
	add("a.json", "{\"log\":{\"loglevel\":\"debug\",\"access\":\"x\"},"
		      "\"dns\":{\"tag\":\"one\"},\"stats\":{}}");
	add("b.json", "{\"log\":{\"loglevel\":\"error\"},\"dns\":null}");
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	assert_null(cJSON_GetObjectItem(m.log, "access"));
	assert_string_equal(cJSON_GetObjectItem(m.dns, "tag")->valuestring,
			    "one");
	assert_non_null(m.stats);
	text = merge_print(&m);
	assert_non_null(strstr(text, "\"error\""));
	assert_null(strstr(text, "debug"));
	free(text);
}

static void wrong_types_are_complaints(void **state)
{
	(void)state;
	add("a.json", "{\"inbounds\":{},\"outbounds\":\"x\"}");
	add("b.json", "[1]");
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	assert_int_equal(d.errors, 3);
	assert_non_null(strstr(diag_text(&d, false), "b.json:1:1"));
}

static void numbers_as_entries_do_not_hurt(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[1,null,\"x\",[]," OB("a", "1") "]}");
	add("b.json", "{\"outbounds\":[" OB("a", "2") ",{\"tag\":3}]}");
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	assert_int_equal(m.outbound_count, 6);
}

static void too_many_entries_are_an_error(void **state)
{
	size_t n = 0, size = MERGE_MAX * 3 + 64;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	n += (size_t)snprintf(text, size, "{\"inbounds\":[{}");
	for (int i = 0; i < MERGE_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, ",{}");
	snprintf(text + n, size - n, "]}");
	add("a.json", text);
	free(text);
	assert_int_equal(merge_docs(&d, d.docs, &m), 0);
	assert_int_equal(m.inbound_count, MERGE_MAX);
	assert_non_null(strstr(diag_text(&d, false), "more than 4096"));
}

static void memory_that_is_out_is_told(void **state)
{
	(void)state;
	add("a.json", "{\"outbounds\":[" OB("a", "1") "]}");
	for (unsigned int n = 1;; n++) {
		int err;

		alloc_fail_at(n);
		err = merge_docs(&d, d.docs, &m);
		if (!alloc_fail_hit()) {
			assert_int_equal(err, 0);
			assert_true(n > 2);
			break;
		}
		assert_true(err < 0);
		assert_null(m.outbounds);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_file_keeps_its_order),
		T(new_outbounds_go_to_the_front_as_a_block),
		T(a_tail_file_appends),
		T(an_equal_tag_takes_the_place),
		T(what_has_no_tag_is_always_new),
		T(equal_tags_in_one_file_both_stay),
		T(inbounds_are_appended),
		T(objects_are_replaced_whole),
		T(wrong_types_are_complaints),
		T(numbers_as_entries_do_not_hurt),
		T(too_many_entries_are_an_error),
		T(memory_that_is_out_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
