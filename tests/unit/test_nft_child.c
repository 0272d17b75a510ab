/* test_nft_child.c - Children that do not do as they are told; `nft` is a script */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "netstack/nft_child.h"

static char dir[] = "/tmp/test_nft_child.XXXXXX";
static char path[512];

static void wait_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* What `nft` does from now on */
static void nft_is(const char *script)
{
	char file[sizeof(dir) + 8];
	FILE *f;

	snprintf(file, sizeof(file), "%s/nft", dir);
	f = fopen(file, "we");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(file, 0755), 0);
}

static char *in_dir(const char *name)
{
	static char file[sizeof(dir) + 32];

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	return file;
}

static bool appears(const char *name, int limit_ms)
{
	for (int ms = 0; ms < limit_ms; ms += 5) {
		if (access(in_dir(name), F_OK) == 0)
			return true;
		wait_ms(5);
	}
	return false;
}

static int tell(struct nft_child *c, const char *text, int limit_ms)
{
	return nft_child_tell(c, text, strlen(text), limit_ms);
}

/* It has stopped, and not only been told to */
static void stop(const struct nft_child *c)
{
	int status;

	assert_int_equal(kill(c->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(c->pid, &status, WUNTRACED), c->pid);
	assert_true(WIFSTOPPED(status));
}

static void who_reads_is_told(void **state)
{
	struct nft_child c = NFT_CHILD_NONE;
	char *much = calloc(1, 300001);

	(void)state;
	assert_non_null(much);
	memset(much, 'x', 300000);
	nft_is("[ \"$1\" = -i ] && exec cat >/dev/null");
	assert_int_equal(nft_child_start(&c, false), 0);
	assert_int_equal(tell(&c, "one\n", 5000), 0);
	assert_int_equal(tell(&c, much, 5000), 0); /* more than a pipe holds */
	assert_true(nft_child_lives(&c));
	assert_false(nft_child_complains(&c));
	nft_child_end(&c);
	assert_int_equal(c.pid, 0);
	assert_int_equal(c.in, -1);
	free(much);
}

/* What we held of its input is closed, as when we are killed */
static void only_one_that_outlives_us_goes_on(void **state)
{
	(void)state;
	nft_is("exec cat >/dev/null");
	for (int outlives = 0; outlives < 2; outlives++) {
		struct nft_child c = NFT_CHILD_NONE;

		assert_int_equal(nft_child_start(&c, outlives), 0);
		assert_int_equal(tell(&c, "one\n", 5000), 0);
		close(c.in);
		c.in = -1;
		for (int i = 0; i < 100 && nft_child_lives(&c); i++)
			usleep(outlives ? 500 : 20000);
		assert_int_equal(nft_child_lives(&c), outlives);
		nft_child_end(&c);
	}
}

static void who_is_stopped_blocks_nobody(void **state)
{
	static const size_t sizes[] = { 10, 300000 };

	(void)state;
	nft_is("exec cat >/dev/null");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct nft_child c = NFT_CHILD_NONE;
		char *text = calloc(1, sizes[i] + 1);
		uint32_t began;

		assert_non_null(text);
		memset(text, 'x', sizes[i]);
		assert_int_equal(nft_child_start(&c, false), 0);
		assert_int_equal(tell(&c, "one\n", 5000), 0);
		stop(&c);
		began = clock_ms();
		assert_int_equal(tell(&c, text, 200), -ETIMEDOUT);
		assert_true(clock_ms() - began < 4000);
		for (int ms = 0; nft_child_lives(&c) && ms < 2000; ms += 5)
			wait_ms(5);
		assert_false(nft_child_lives(&c)); /* it was killed */
		nft_child_end(&c);
		free(text);
	}
}

static void the_end_does_not_wait_for_who_is_stopped(void **state)
{
	struct nft_child c = NFT_CHILD_NONE;
	uint32_t began;

	(void)state;
	nft_is("exec cat >/dev/null");
	assert_int_equal(nft_child_start(&c, false), 0);
	stop(&c);
	began = clock_ms();
	nft_child_end(&c);
	assert_true(clock_ms() - began < 1000);
}

static void errors_are_heard_and_nothing_else(void **state)
{
	struct nft_child c = NFT_CHILD_NONE;
	int ms = 0;

	(void)state;
	nft_is("echo 'No entry for terminal type' >&2\n"
	       "read -r x\n"
	       "echo '<cmdline>:1:1-3: Error: syntax error' >&2\n"
	       "echo \"$x\" >&2; echo '^^^' >&2\n"
	       "exec cat >/dev/null");
	assert_int_equal(nft_child_start(&c, false), 0);
	wait_ms(50);
	assert_false(nft_child_complains(&c));
	assert_int_equal(tell(&c, "bad\n", 5000), 0);
	while (!nft_child_complains(&c) && ms < 3000) {
		wait_ms(5);
		ms += 5;
	}
	assert_true(ms < 3000);
	assert_false(nft_child_complains(&c)); /* each once */
	nft_child_end(&c);
}

static void who_complains_much_goes_on(void **state)
{
	struct nft_child c = NFT_CHILD_NONE;

	(void)state;
	nft_is("i=0; while [ $i -lt 3000 ]; do i=$((i + 1))\n"
	       "echo '0123456789012345678901234567890123456789 Error:' >&2\n"
	       "done\n"
	       "exec cat >/dev/null");
	assert_int_equal(nft_child_start(&c, false), 0);
	assert_int_equal(tell(&c, "one\n", 10000), 0);
	assert_true(nft_child_complains(&c));
	nft_child_end(&c);
}

static void who_ends_is_noticed(void **state)
{
	struct nft_child c = NFT_CHILD_NONE;

	(void)state;
	nft_is("exit 1"); /* OpenWrt's knows no -i */
	assert_int_equal(nft_child_start(&c, false), 0);
	for (int ms = 0; nft_child_lives(&c) && ms < 3000; ms += 5)
		wait_ms(5);
	assert_false(nft_child_lives(&c));
	assert_int_equal(tell(&c, "one\n", 5000), -EPIPE);
	nft_child_end(&c);
	assert_int_equal(tell(&c, "one\n", 5000), -EPIPE);
}

static void one_run_has_an_end(void **state)
{
	uint32_t began = clock_ms();

	(void)state;
	nft_is("[ \"$*\" = '-f -' ] && exec cat >/dev/null");
	assert_int_equal(nft_run("x\n", 5000), 0);
	nft_is("cat >/dev/null; exit 1");
	assert_int_equal(nft_run("x\n", 5000), -EPROTO);
	nft_is("sleep 20 </dev/null; exit 0");
	assert_int_equal(nft_run("x\n", 200), -ETIMEDOUT);
	assert_true(clock_ms() - began < 6000);
	assert_int_equal(unlink(in_dir("nft")), 0);
	setenv("PATH", dir, 1);
	assert_int_equal(nft_run("x\n", 5000), -ENOENT);
	setenv("PATH", path, 1);
}

/* What ends a service, or a terminal, is sent to all of it */
static void signals_to_all_are_not_for_children(void **state)
{
	static const int to_all[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct nft_child c = NFT_CHILD_NONE;

	(void)state;
	nft_is("exec cat >/dev/null");
	assert_int_equal(nft_child_start(&c, false), 0);
	assert_int_equal(tell(&c, "one\n", 5000), 0); /* it runs */
	for (size_t i = 0; i < ARRAY_SIZE(to_all); i++)
		assert_int_equal(kill(c.pid, to_all[i]), 0);
	wait_ms(50);
	assert_true(nft_child_lives(&c));
	assert_int_equal(tell(&c, "two\n", 5000), 0);
	nft_child_end(&c);
}

static void the_cleaner_works_whatever_signal_comes(void **state)
{
	struct nft_child c = NFT_CHILD_NONE;
	char script[256];

	(void)state;
	snprintf(script, sizeof(script), "echo \"$*\" >>%s", in_dir("did"));
	nft_is(script);
	assert_int_equal(nft_child_cleaner(&c, "direct", "all"), 0);
	wait_ms(100);
	kill(-c.pid, SIGTERM);
	kill(-c.pid, SIGHUP);
	wait_ms(50);
	assert_true(nft_child_lives(&c));
	assert_false(appears("did", 50));
	close(c.in); /* as when we die */
	c.in = -1;
	for (int ms = 0; nft_child_lives(&c) && ms < 3000; ms += 5)
		wait_ms(5);
	assert_true(appears("did", 1000));
	assert_int_equal(unlink(in_dir("did")), 0);
	nft_child_end(&c);
}

static void a_cleaner_that_is_ended_cleans_nothing(void **state)
{
	struct nft_child c = NFT_CHILD_NONE;
	char script[256];

	(void)state;
	snprintf(script, sizeof(script), "echo \"$*\" >>%s", in_dir("did"));
	nft_is(script);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(nft_child_cleaner(&c, "direct", NULL), 0);
		wait_ms(i * 30);
		nft_child_end(&c);
		assert_false(appears("did", 100));
	}
}

static int before_all(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s:%.400s", dir, getenv("PATH"));
	return setenv("PATH", path, 1);
}

static int after_all(void **state)
{
	(void)state;
	unlink(in_dir("nft"));
	unlink(in_dir("did"));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_reads_is_told),
		cmocka_unit_test(only_one_that_outlives_us_goes_on),
		cmocka_unit_test(who_is_stopped_blocks_nobody),
		cmocka_unit_test(the_end_does_not_wait_for_who_is_stopped),
		cmocka_unit_test(errors_are_heard_and_nothing_else),
		cmocka_unit_test(who_complains_much_goes_on),
		cmocka_unit_test(who_ends_is_noticed),
		cmocka_unit_test(one_run_has_an_end),
		cmocka_unit_test(signals_to_all_are_not_for_children),
		cmocka_unit_test(the_cleaner_works_whatever_signal_comes),
		cmocka_unit_test(a_cleaner_that_is_ended_cleans_nothing),
	};

	return cmocka_run_group_tests(tests, before_all, after_all);
}
