/* test_beneath.c - What of a folder is served: links that lead out of it are not */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/api/beneath.h"

static char top[] = "/tmp/culvert-beneath.XXXXXX";

static void at(char out[128], const char *name)
{
	snprintf(out, 128, "%s/%s", top, name);
}

static void put(const char *name)
{
	char path[128];
	FILE *f;

	at(path, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "%s", name);
	fclose(f);
}

static void put_link(const char *to, const char *name)
{
	char path[128];

	at(path, name);
	assert_int_equal(symlink(to, path), 0);
}

static int set_up(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(top));
	at(path, "ui");
	assert_int_equal(mkdir(path, 0700), 0);
	at(path, "ui/sub");
	assert_int_equal(mkdir(path, 0700), 0);
	put("secret");
	put("ui/index.html");
	put("ui/sub/a.js");
	put_link("../secret", "ui/out");
	put_link("..", "ui/up");
	put_link("/etc/passwd", "ui/far");
	put_link("sub/a.js", "ui/in");
	put_link("ui", "link");
	return 0;
}

static int tear_down(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), "rm -r %s", top);
	return system(line);
}

static void is_there(const char *root, const char *path, bool yes)
{
	char folder[128];
	int fd;

	at(folder, root);
	fd = beneath_open(folder, path);
	if (yes)
		assert_true(fd >= 0);
	else
		assert_true(fd < 0);
	if (fd >= 0)
		close(fd);
}

static void links_that_lead_out_are_refused(void **state)
{
	(void)state;
	is_there("ui", "index.html", true);
	is_there("ui", "sub/a.js", true);
	is_there("ui", "none", false);
	is_there("ui", "out", false);
	is_there("ui", "up/secret", false);
	is_there("ui", "far", false);
	is_there("ui", "../secret", false);
	is_there("ui", "", false);
	/* the folder itself may be one */
	is_there("link", "sub/a.js", true);
	is_there("none", "index.html", false);
}

/* An old kernel: no links, and nothing above */
static void step_by_step_there_are_no_links(void **state)
{
	static const char *const good[] = { "index.html", "sub/a.js" };
	static const char *const bad[] = { "none",      "out",  "far",
					   "up/secret", "in",   "../secret",
					   "sub/..",    "/etc", "sub//a.js",
					   "",          "sub/" };
	char path[128];
	int dir, fd;

	(void)state;
	at(path, "ui");
	dir = open(path, O_PATH | O_CLOEXEC);
	assert_true(dir >= 0);
	for (size_t i = 0; i < 2; i++) {
		fd = beneath_walk(dir, good[i]);
		assert_true(fd >= 0);
		close(fd);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(beneath_walk(dir, bad[i]) < 0);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_that_lead_out_are_refused),
		cmocka_unit_test(step_by_step_there_are_no_links),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
