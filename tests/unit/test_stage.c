/* test_stage.c - New files beside old ones: nothing is left, nobody is disturbed */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/assets/stage.h"

static char dir[] = "/tmp/culvert-stage-XXXXXX";
static char path[64], temp[64], link_path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.dat", dir);
	snprintf(temp, sizeof(temp), "%s/.a.dat.new", dir);
	snprintf(link_path, sizeof(link_path), "%s/link.dat", dir);
	return 0;
}

static int drop_dir(void **state)
{
	(void)state;
	unlink(path);
	unlink(temp);
	unlink(link_path);
	return rmdir(dir);
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void holds(const char *where, const char *text)
{
	char have[64] = "";
	FILE *f = fopen(where, "r");

	assert_non_null(f);
	assert_true(fread(have, 1, sizeof(have) - 1, f) <= strlen(text));
	fclose(f);
	assert_string_equal(have, text);
}

static bool is_there(const char *where)
{
	struct stat st;

	return lstat(where, &st) == 0;
}

static void a_new_file_takes_the_old_ones_place(void **state)
{
	struct stage s;
	struct stat st;

	(void)state;
	put("old");
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(stage_open(&s, path), 0);
	assert_int_equal(stage_put(&s, "ne", 2), 0);
	assert_int_equal(stage_put(&s, "w", 1), 0);
	assert_int_equal(s.size, 3);
	assert_false(stage_same(&s));
	assert_int_equal(stage_sync(&s), 0);
	holds(path, "old");
	assert_int_equal(stage_commit(&s), 0);
	holds(path, "new");
	assert_false(is_there(temp));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	stage_drop(&s); /* there is none any more */
	holds(path, "new");
}

static void a_dropped_one_leaves_nothing(void **state)
{
	struct stage s;

	(void)state;
	put("old");
	assert_int_equal(stage_open(&s, path), 0);
	assert_int_equal(stage_put(&s, "old", 3), 0);
	assert_true(stage_same(&s));
	assert_true(is_there(temp));
	stage_drop(&s);
	assert_false(is_there(temp));
	holds(path, "old");
}

static void what_a_power_cut_left_is_written_anew(void **state)
{
	struct stage s;
	FILE *f = fopen(temp, "w");

	(void)state;
	put("old");
	assert_non_null(f);
	fputs("half of what was to come", f);
	fclose(f);
	assert_int_equal(stage_open(&s, path), 0);
	assert_int_equal(stage_put(&s, "new", 3), 0);
	assert_int_equal(stage_commit(&s), 0);
	holds(path, "new");
}

static void one_at_a_time_writes_it(void **state)
{
	struct stage a, b;

	(void)state;
	put("old");
	assert_int_equal(stage_open(&a, path), 0);
	assert_int_equal(stage_put(&a, "new", 3), 0);
	assert_int_equal(stage_open(&b, path), -EBUSY);
	assert_int_equal(stage_commit(&a), 0);
	holds(path, "new");
	assert_int_equal(stage_open(&b, path), 0);
	holds(path, "new");
	stage_drop(&b);
}

static void a_link_is_followed_and_stays(void **state)
{
	struct stage s;
	struct stat st;

	(void)state;
	put("old");
	assert_int_equal(symlink("a.dat", link_path), 0);
	assert_int_equal(stage_open(&s, link_path), 0);
	assert_int_equal(stage_put(&s, "new", 3), 0);
	assert_int_equal(stage_commit(&s), 0);
	holds(path, "new");
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void a_file_that_was_not_there_comes(void **state)
{
	struct stage s;
	struct stat st;

	(void)state;
	unlink(path);
	assert_int_equal(stage_open(&s, path), 0);
	assert_int_equal(stage_put(&s, "new", 3), 0);
	assert_false(stage_same(&s));
	assert_int_equal(stage_sync(&s), 0);
	assert_int_equal(stage_commit(&s), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(stage_open(&s, "/nowhere/at/all.dat"), -ENOENT);
	stage_drop(&s);
}

static void a_place_that_cannot_be_taken_is_told(void **state)
{
	struct stage s;

	(void)state;
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(stage_open(&s, path), 0);
	assert_int_equal(stage_put(&s, "new", 3), 0);
	assert_int_equal(stage_commit(&s), -EISDIR);
	assert_false(is_there(temp));
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file_takes_the_old_ones_place),
		cmocka_unit_test(a_dropped_one_leaves_nothing),
		cmocka_unit_test(what_a_power_cut_left_is_written_anew),
		cmocka_unit_test(one_at_a_time_writes_it),
		cmocka_unit_test(a_link_is_followed_and_stays),
		cmocka_unit_test(a_file_that_was_not_there_comes),
		cmocka_unit_test(a_place_that_cannot_be_taken_is_told),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
