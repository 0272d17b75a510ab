/* test_jdoc.c - Documents: places, duplicate keys, limits, files */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/jdoc.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/diag_text.h"
#include "tests/unit/emulated.h"
#include "tests/unit/mem_scan.h"

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

static struct jdoc *parse(const char *text)
{
	return jdoc_parse(&d, "f.json", text, strlen(text));
}

static void assert_says(const char *part)
{
	const char *s = diag_text(&d, false);

	if (!strstr(s, part))
		fail_msg("\"%s\" is not in:\n%s", part, s);
}

static void assert_place(const cJSON *node, uint32_t off, uint32_t key_off,
			 const char *want)
{
	const struct jdoc *doc;
	const struct jplace *p = jdoc_find(&d, node, &doc);
	char path[JDOC_PATH_MAX];

	assert_non_null(p);
	assert_int_equal(p->off, off);
	assert_int_equal(p->key_off, key_off);
	jdoc_path(doc, p, NULL, path);
	assert_string_equal(path, want);
}

static void each_node_knows_its_place_and_path(void **state)
{
	static const char text[] = "{ // outbounds: [\n"
				   "  \"outbounds\": [{}, /* [ */ "
				   "{\"settings\": {\"port\" : 0}}],\n"
				   "  \"hosts\": {\"a.com\": [\"x\"]}\n"
				   "}";
	const cJSON *out, *settings, *hosts;
	const struct jdoc *doc = parse(text);
	char path[JDOC_PATH_MAX];

	(void)state;
	assert_non_null(doc);
	assert_int_equal(d.errors + d.warnings, 0);
	out = cJSON_GetObjectItem(doc->root, "outbounds");
	settings = cJSON_GetObjectItem(cJSON_GetArrayItem(out, 1), "settings");
	hosts = cJSON_GetObjectItem(doc->root, "hosts");
	assert_place(doc->root, 0, JDOC_NO_PLACE, "");
	assert_place(out, (uint32_t)(strstr(text, "[{}") - text),
		     (uint32_t)(strstr(text, "\"outb") - text), "outbounds");
	assert_place(out->child->next,
		     (uint32_t)(strstr(text, "{\"set") - text), JDOC_NO_PLACE,
		     "outbounds[1]");
	assert_place(settings->child, (uint32_t)(strstr(text, "0}}") - text),
		     (uint32_t)(strstr(text, "\"port") - text),
		     "outbounds[1].settings.port");
	assert_place(hosts->child->child,
		     (uint32_t)(strstr(text, "\"x\"") - text), JDOC_NO_PLACE,
		     "hosts[\"a.com\"][0]");
	assert_string_equal(doc->text, text);
	jdoc_path(doc, jdoc_find(&d, settings, &doc), "id", path);
	assert_string_equal(path, "outbounds[1].settings.id");
}

static void a_node_of_no_document_has_no_place(void **state)
{
	cJSON *n = cJSON_CreateNull();
	const struct jdoc *doc;

	(void)state;
	assert_non_null(parse("{}"));
	assert_null(jdoc_find(&d, n, &doc));
	assert_null(doc);
	assert_null(jdoc_find(&d, NULL, &doc));
	cJSON_Delete(n);
}

static void paths_of_deep_long_keys_are_cut_not_overrun(void **state)
{
	char text[30000] = "", path[JDOC_PATH_MAX], key[301];
	const struct jdoc *doc;
	const cJSON *n;
	size_t len = 0;

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[300] = '\0';
	for (int i = 0; i < JDOC_MAX_DEPTH; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"{\"%s\":", key);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "1");
	memset(text + len, '}', JDOC_MAX_DEPTH);
	doc = jdoc_parse(&d, "f", text, len + JDOC_MAX_DEPTH);
	assert_non_null(doc);
	for (n = doc->root; n->child; n = n->child)
		;
	jdoc_path(doc, jdoc_find(&d, n, &doc), "more", path);
	assert_int_equal(strlen(path), JDOC_PATH_MAX - 1);
}

static void the_same_key_twice_is_an_error_with_both_places(void **state)
{
	(void)state;
	assert_non_null(parse("{\"log\":1,\n\"dns\":2,\n \"log\":3}"));
	assert_int_equal(d.errors, 1);
	assert_says("f.json:3:2: error: log: this key is already in line 1\n");
}

static void another_case_is_a_warning_and_the_last_counts(void **state)
{
	struct jdoc *doc = parse("{\"fakedns\":1,\n\"fakeDns\":2}");

	(void)state;
	assert_non_null(doc);
	assert_int_equal(d.errors, 0);
	assert_says("f.json:2:1: warning: fakeDns: differs from \"fakedns\" in "
		    "line 1 in case only: the last one counts");
	assert_int_equal(jdoc_member(doc->root, "FAKEDNS")->valueint, 2);
	assert_null(jdoc_member(doc->root, "fake"));
	assert_null(jdoc_member(doc->root->child, "x"));
}

static void many_keys_are_compared_quickly(void **state)
{
	size_t cap = 4u << 20, n = 1;
	char *text = malloc(cap);
	uint32_t start = clock_ms();

	(void)state;
	assert_non_null(text);
	text[0] = '{';
	for (int i = 0; i < 100000; i++)
		n += (size_t)snprintf(text + n, cap - n, "\"k%d\":%d,\n", i, i);
	n += (size_t)snprintf(text + n, cap - n, "\"k77\":0}");
	assert_non_null(jdoc_parse(&d, "f.json", text, n));
	assert_int_equal(d.errors, 1);
	assert_says("f.json:100001:1: error: k77: this key is already in line "
		    "78\n");
	assert_true(clock_ms() - start < 5000);
	free(text);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	(void)state;
	assert_null(jdoc_parse(&d, "f.json", "{\n\"a\0\":1}", 9));
	assert_says("f.json:2:3: error: a zero byte");
}

static void a_byte_order_mark_is_skipped(void **state)
{
	(void)state;
	assert_non_null(parse("\xef\xbb\xbf{}"));
	assert_int_equal(d.errors + d.warnings, 0);
}

static void what_follows_the_first_value_is_a_warning(void **state)
{
	(void)state;
	assert_non_null(parse("{\"a\":1} // ok\n# ok\n"));
	assert_int_equal(d.warnings, 0);
	assert_non_null(parse("{\"a\":1}\n}, \"b"));
	assert_int_equal(d.errors, 0);
	assert_says("f.json:2:1: warning: text after the end");
	assert_non_null(parse("{} /* open"));
	assert_int_equal(d.errors, 0);
}

static void a_comment_without_end_is_the_error_when_it_hides_the_rest(void **s)
{
	(void)s;
	assert_null(parse("{\"a\":1\n /* x }"));
	assert_int_equal(d.errors, 1);
	assert_says("f.json:2:2: error: the comment that begins here");
	assert_says("help: close it with */");
}

static void an_error_before_an_open_comment_keeps_its_own_place(void **state)
{
	(void)state;
	assert_null(parse("{\"a\":tru}\n /* x"));
	assert_says("f.json:1:6: error: expected a value, got 'tru'");
}

static void depth_and_size_have_limits(void **state)
{
	char deep[200];
	char *big = calloc(1, JDOC_MAX_BYTES + 1);

	(void)state;
	memset(deep, '[', 65);
	memset(deep + 65, ']', 65);
	assert_null(jdoc_parse(&d, "f", deep, 130));
	assert_says("f:1:65: error: nested deeper than 64 levels");
	assert_non_null(jdoc_parse(&d, "f", deep + 1, 128));
	assert_non_null(big);
	memset(big, ' ', JDOC_MAX_BYTES + 1);
	big[0] = '1';
	assert_non_null(jdoc_parse(&d, "g", big, JDOC_MAX_BYTES));
	assert_null(jdoc_parse(&d, "h", big, JDOC_MAX_BYTES + 1));
	assert_says("h: error: larger than 8 MiB");
	free(big);
}

static void files_are_read_whole(void **state)
{
	char path[] = "/tmp/culvert-jdoc-XXXXXX";
	struct jdoc *doc;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	(void)state;
	assert_non_null(f);
	fputs("[", f);
	for (int i = 0; i < 50000; i++)
		fprintf(f, "%d,\n", i);
	fputs("50000]\n", f);
	fclose(f);
	doc = jdoc_load(&d, path);
	assert_non_null(doc);
	assert_string_equal(doc->name, path);
	assert_int_equal(cJSON_GetArraySize(doc->root), 50001);
	unlink(path);
	assert_null(jdoc_load(&d, path));
	assert_null(jdoc_load(&d, "/"));
	assert_null(jdoc_load(&d, "x.YAML"));
	assert_says("error: cannot be read: No such file");
	assert_says("/: error: cannot be read: Is a directory");
	assert_says("x.YAML: error: cannot be read: No such file");
	assert_null(jdoc_load(&d, "/dev/zero"));
	assert_says("/dev/zero: error: larger than 8 MiB");
}

/* What is no configuration of Xray's is named, by its text or by its name */
static void other_files_are_named(void **state)
{
	char path[] = "/tmp/culvert-jdoc-XXXXXX.yml";
	FILE *f = fdopen(mkstemps(path, 4), "w");
	struct jdoc *doc;

	(void)state;
	assert_non_null(f);
	fputs("a: 1\n", f);
	fclose(f);
	assert_null(jdoc_load(&d, path));
	assert_says(".yml: error: this is YAML; only Xray's JSON is read\n"
		    "help: convert it once: yq -o json /tmp/culvert-jdoc-");
	unlink(path);
	assert_null(jdoc_parse(&d, "m", "mixed-port: 1\n", 14));
	assert_says("m: error: this is a configuration of Clash or mihomo; ");
	doc = jdoc_parse(&d, "s", "{\"route\":{}}", 12);
	assert_non_null(doc);
	assert_true(jdoc_foreign(&d, doc));
	assert_says("s: error: this is a configuration of sing-box; ");
	doc = jdoc_parse(&d, "x", "{\"routing\":{}}", 14);
	assert_non_null(doc);
	assert_false(jdoc_foreign(&d, doc));
	assert_null(jdoc_load(&d, "vless://a@b:1"));
	assert_says("error: a link or an address is no file\n"
		    "help: it goes without -c");
}

static void stdin_is_a_file_too(void **state)
{
	int fd[2], saved = dup(STDIN_FILENO);
	struct jdoc *doc;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "{}", 2), 2);
	close(fd[1]);
	dup2(fd[0], STDIN_FILENO);
	close(fd[0]);
	doc = jdoc_load(&d, "stdin:");
	dup2(saved, STDIN_FILENO);
	close(saved);
	assert_non_null(doc);
	assert_string_equal(doc->name, "stdin");
}

static void several_documents_live_side_by_side(void **state)
{
	struct jdoc *a = jdoc_parse(&d, "a.json", "{\"x\":1}", 7);
	struct jdoc *b = jdoc_parse(&d, "b.json", "{\n\"y\":2}", 8);

	(void)state;
	diag_error(&d, b->root->child, NULL, "second");
	diag_error(&d, a->root->child, NULL, "first");
	assert_says("a.json:1:6: error: x: first\n");
	assert_says("b.json:2:5: error: y: second\n");
	assert_true(strstr(diag_text(&d, false), "first") <
		    strstr(diag_text(&d, false), "second"));
}

static void out_of_memory_is_an_error_and_leaks_nothing(void **state)
{
	unsigned int n;
	struct jdoc *doc;

	(void)state;
	for (n = 1; n < 100; n++) {
		diag_free(&d);
		alloc_fail_at(n);
		doc = parse("{\"a\":[1,{\"b\":2,\"c\":3}],\"d\":4}");
		if (!alloc_fail_hit())
			break;
		assert_null(doc);
		assert_int_equal(d.errors, 1);
	}
	assert_non_null(doc);
	assert_in_range(n, 5, 99);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

/* Neither of the file, which is longer than the first buffer, nor of the tree */
static void no_text_stays_when_a_document_goes(void **state)
{
	static const char secret[] = "a-key-that-is-to-be-found-nowhere";
	char path[] = "/tmp/culvert-jdoc-XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	(void)state;
	skip_emulated("its memory is another one");
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0); /* no copy of its own */
	fputs("{\"key\":\"and before it so much that an allocator takes less ",
	      f);
	fputs(secret, f);
	fputs("\"}", f);
	for (int i = 0; i < 70; i++)
		fprintf(f, "%1000s\n", "");
	fclose(f);
	assert_non_null(jdoc_load(&d, path));
	unlink(path);
	if (mem_count(secret) < 0)
		skip();
	assert_int_equal(mem_count(secret), 2); /* source and tree */
	diag_free(&d);
	assert_int_equal(mem_count(secret), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_node_knows_its_place_and_path),
		T(a_node_of_no_document_has_no_place),
		T(paths_of_deep_long_keys_are_cut_not_overrun),
		T(the_same_key_twice_is_an_error_with_both_places),
		T(another_case_is_a_warning_and_the_last_counts),
		T(many_keys_are_compared_quickly),
		T(bytes_that_are_no_text_are_refused),
		T(a_byte_order_mark_is_skipped),
		T(what_follows_the_first_value_is_a_warning),
		T(a_comment_without_end_is_the_error_when_it_hides_the_rest),
		T(an_error_before_an_open_comment_keeps_its_own_place),
		T(depth_and_size_have_limits),
		T(files_are_read_whole),
		T(other_files_are_named),
		T(stdin_is_a_file_too),
		T(several_documents_live_side_by_side),
		T(no_text_stays_when_a_document_goes),
		T(out_of_memory_is_an_error_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
