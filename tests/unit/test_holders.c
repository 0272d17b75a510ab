/* test_holders.c - A walk through a /proc of our own making, step by step */
#include "gateway/route/holders.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/alloc_fail.h"

/**
 * struct found - What the walk told
 * @sum:	Of all inode numbers; @count: how many
 * @want:	It ends behind this one; 0: never
 * @user:	Only processes of this one; UINT32_MAX: all
 */
struct found {
	struct holders h;
	unsigned long sum;
	unsigned int count, looks;
	int pid;
	uint32_t want, user;
	char root[64];
};

static void made(int rc)
{
	assert_int_equal(rc, 0);
}

static void put_link(const char *root, int pid, const char *name,
		     const char *to)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d", root, pid);
	if (mkdir(path, 0755) < 0)
		assert_int_equal(errno, EEXIST);
	snprintf(path, sizeof(path), "%s/%d/fd", root, pid);
	if (mkdir(path, 0755) < 0)
		assert_int_equal(errno, EEXIST);
	snprintf(path, sizeof(path), "%s/%d/%s", root, pid, name);
	made(symlink(to, path));
}

static bool look(void *ctx, uint32_t uid)
{
	struct found *f = ctx;

	f->looks++;
	return f->user == UINT32_MAX || uid == f->user;
}

static void holds(void *ctx, int pid, uint32_t inode)
{
	struct found *f = ctx;

	f->sum += inode;
	f->count++;
	f->pid = pid;
	f->h.enough = inode == f->want;
}

static void open_proc(struct found *f)
{
	memset(f, 0, sizeof(*f));
	f->user = UINT32_MAX;
	snprintf(f->root, sizeof(f->root), "/tmp/culvert-proc-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	f->h.look = look;
	f->h.holds = holds;
	f->h.ctx = f;
	made(holders_open(&f->h, f->root));
}

static void close_proc(struct found *f)
{
	char cmd[96];

	holders_close(&f->h);
	snprintf(cmd, sizeof(cmd), "rm -r %s", f->root);
	made(system(cmd)); /* NOLINT(cert-env33-c) */
}

static void every_socket_is_told_of_whatever_the_budget(void **state)
{
	static const unsigned int budgets[] = { 1, 3, 50, 100000 };
	char name[32], to[64];
	struct found f;

	(void)state;
	for (size_t b = 0; b < 4; b++) {
		unsigned int steps = 1;

		open_proc(&f);
		for (int pid = 1; pid <= 60; pid++) {
			snprintf(name, sizeof(name), "fd/%d", pid % 7);
			snprintf(to, sizeof(to), "socket:[%d]", 1000 + pid);
			put_link(f.root, pid, name, to);
			put_link(f.root, pid, "fd/9", "pipe:[5]");
			put_link(f.root, pid, "fd/10", "/socket:[5]");
		}
		while (holders_step(&f.h, budgets[b]))
			steps++;
		assert_int_equal(f.count, 60);
		assert_int_equal(f.sum, 60 * 1000 + 60 * 61 / 2);
		assert_int_equal(f.looks, 60);
		if (budgets[b] < 100)
			assert_in_range(steps, 240 / budgets[b], 1000);
		assert_false(holders_step(&f.h, 10));
		close_proc(&f);
	}
}

static void what_was_named_first_is_looked_into_first(void **state)
{
	struct found f;

	(void)state;
	open_proc(&f);
	put_link(f.root, 5, "fd/0", "socket:[55]");
	put_link(f.root, 7, "fd/0", "socket:[77]");
	put_link(f.root, 9, "fd/0", "socket:[99]");
	holders_first(&f.h, 5);
	holders_first(&f.h, 4); /* there is none */
	holders_first(&f.h, 7);
	f.want = 55;
	while (holders_step(&f.h, 1))
		;
	assert_int_equal(f.sum, 77 + 55);
	assert_int_equal(f.pid, 5);
	close_proc(&f);
}

static void processes_of_others_are_passed_over(void **state)
{
	struct found f;

	(void)state;
	open_proc(&f);
	put_link(f.root, 5, "fd/0", "socket:[55]");
	f.user = getuid() + 1;
	while (holders_step(&f.h, 10))
		;
	assert_int_equal(f.looks, 1);
	assert_int_equal(f.count, 0);
	close_proc(&f);
}

static void programs_have_a_clean_path(void **state)
{
	static const char *const is[][2] = {
		{ "/usr/bin/curl", "/usr/bin/curl" },
		{ "/usr/bin/curl (deleted)", "/usr/bin/curl" },
		{ " (deleted)", " (deleted)" },
		{ "/a\nb\x1b", "/a?b?" },
	};
	struct found f;
	char *got;

	(void)state;
	open_proc(&f);
	for (int i = 0; i < 4; i++) {
		put_link(f.root, i + 1, "exe", is[i][0]);
		got = holders_program(&f.h, i + 1);
		assert_non_null(got);
		assert_string_equal(got, is[i][1]);
		free(got);
	}
	assert_null(holders_program(&f.h, 8));
	close_proc(&f);
}

static void no_memory_makes_a_walk_shorter(void **state)
{
	struct found f;
	char to[64];

	(void)state;
	open_proc(&f);
	for (int pid = 1; pid <= 300; pid++) {
		snprintf(to, sizeof(to), "socket:[%d]", pid);
		put_link(f.root, pid, "fd/1", to);
	}
	alloc_fail_at(2);
	while (holders_step(&f.h, 10))
		;
	assert_true(alloc_fail_hit());
	assert_in_range(f.count, 256, 300);
	close_proc(&f);
	assert_int_equal(holders_open(&f.h, "/nowhere/at/all"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_socket_is_told_of_whatever_the_budget),
		cmocka_unit_test(what_was_named_first_is_looked_into_first),
		cmocka_unit_test(processes_of_others_are_passed_over),
		cmocka_unit_test(programs_have_a_clean_path),
		cmocka_unit_test(no_memory_makes_a_walk_shorter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
