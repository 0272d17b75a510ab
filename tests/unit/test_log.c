/* test_log.c - Lines, limits, and targets that are full or gone */
#include "tests/unit/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#define STAMP \
	"^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6} "

static char dir[] = "/tmp/culvert-log-XXXXXX";
static char text[256 << 10];

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned int turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void empty(const char *name)
{
	assert_int_equal(truncate(in_dir(name), 0), 0);
}

static const char *content(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static unsigned int lines(const char *s)
{
	unsigned int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static void assert_matches(const char *s, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE), 0);
	if (regexec(&re, s, 0, NULL, 0))
		fail_msg("\"%s\" does not match %s", s, pattern);
	regfree(&re);
}

/* A new second of the monotonic clock begins: limits start afresh */
static void next_second(void)
{
	usleep(1000 * (1005 - clock_ms() % 1000));
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = {
		"e", "a", "e.1", "sock", "r", "m"
	};

	(void)state;
	log_setup(LOG_WARNING, NULL, "none");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(in_dir(names[i]));
	return rmdir(dir);
}

static void lines_look_like_those_of_xray(void **state)
{
	(void)state;
	assert_int_equal(log_setup(LOG_INFO, in_dir("e"), in_dir("a")), 0);
	log_error("s%xf%d broke", 0x1f, 3);
	log_warning("careful");
	log_info("by the way");
	log_debug("never seen");
	log_access("from 1.2.3.4:5 accepted tcp:a:443 [in -> out]");
	content(in_dir("e"));
	assert_int_equal(lines(text), 3);
	assert_matches(text, STAMP "\\[Error\\] s1ff3 broke$");
	assert_matches(text, STAMP "\\[Warning\\] careful$");
	assert_matches(text, STAMP "\\[Info\\] by the way$");
	content(in_dir("a"));
	assert_matches(text, STAMP "from 1[.]2[.]3[.]4:5 accepted tcp:a:443 "
				   "\\[in -> out\\]$");
	assert_int_equal(lines(text), 1);
}

static void control_characters_of_strangers_are_escaped(void **state)
{
	(void)state;
	empty("e");
	empty("a");
	log_error("%s",
		  "a\nb\r\x1b[31m\x7f \xc3\xa9 \xe4\xbd\xa0 \xf0\x9f\x98\x80"
		  " \xff \xc2\x9b \xed\xa0\x80 \xc3");
	log_access("x\ny");
	content(in_dir("e"));
	assert_int_equal(lines(text), 1);
	assert_non_null(strstr(text, "a\\x0ab\\x0d\\x1b[31m\\x7f \xc3\xa9 "
				     "\xe4\xbd\xa0 \xf0\x9f\x98\x80 \\xff "
				     "\\xc2\\x9b \\xed\\xa0\\x80 \\xc3\n"));
	assert_non_null(strstr(content(in_dir("a")), "x\\x0ay\n"));
}

static void long_lines_are_cut(void **state)
{
	char big[5000];

	(void)state;
	memset(big, '\n', sizeof(big)); /* four bytes each when escaped */
	big[sizeof(big) - 1] = '\0';
	empty("e");
	empty("a");
	log_error("%s", big);
	log_access(big);
	assert_in_range(strlen(content(in_dir("e"))), 2000, 2048);
	assert_non_null(strstr(text, "...\n"));
	assert_int_equal(lines(text), 1);
	assert_in_range(strlen(content(in_dir("a"))), 2000, 2048);
}

static void shout(int n)
{
	for (int i = 0; i < n; i++)
		log_warning("again");
}

static void a_call_site_prints_20_a_second_and_the_sum(void **state)
{
	(void)state;
	empty("e");
	next_second();
	shout(100);
	log_warning("another site is not hit");
	assert_int_equal(lines(content(in_dir("e"))), LOG_BURST + 1);
	next_second();
	empty("e");
	shout(2);
	content(in_dir("e"));
	assert_int_equal(lines(text), 2);
	assert_matches(text,
		       STAMP "\\[Warning\\] \\(80 more dropped\\) again$");
	assert_matches(text, STAMP "\\[Warning\\] again$");
}

static void what_is_due_is_due_once(void **state)
{
	atomic_uint last = 0;

	(void)state;
	assert_true(log_due(&last, 60000));
	assert_false(log_due(&last, 60000));
	assert_true(log_due(&last, 0));
}

static void debug_hides_nothing(void **state)
{
	(void)state;
	assert_int_equal(log_setup(LOG_DEBUG, in_dir("e"), "none"), 0);
	empty("e");
	next_second();
	shout(100);
	content(in_dir("e"));
	assert_int_equal(lines(text), 100);
}

static void set_up_again_reopens_and_a_bad_path_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(rename(in_dir("e"), in_dir("e.1")), 0);
	assert_int_equal(log_setup(LOG_ERROR, in_dir("e"), "none"), 0);
	assert_false(log_access_on());
	log_error("new file");
	log_warning("too low");
	assert_non_null(strstr(content(in_dir("e")), "new file\n"));
	assert_int_equal(log_setup(LOG_DEBUG, in_dir("no/dir"), "none"),
			 -ENOENT);
	assert_int_equal(log_setup(LOG_DEBUG, in_dir("e"), in_dir("no/dir")),
			 -ENOENT);
	log_warning("still too low");
	log_error("still here");
	content(in_dir("e"));
	assert_int_equal(lines(text), 2);
	assert_non_null(strstr(text, "still here\n"));
}

static void none_silences_both(void **state)
{
	(void)state;
	assert_int_equal(log_setup(LOG_NONE, "none", "none"), 0);
	log_error("nobody hears");
	log_access("nobody hears");
	assert_false(log_access_on());
	assert_int_equal(log_lost(), 0);
}

/* Call @fn with stderr being @fd */
static void with_stderr(int fd, void (*fn)(void))
{
	int saved = dup(STDERR_FILENO);

	assert_true(saved >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	fn();
	log_setup(LOG_NONE, "none", "none");
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
}

static void log_much(void)
{
	uint32_t before = log_lost();
	uint32_t start = clock_ms();
	char line[1001];

	log_setup(LOG_INFO, NULL, "none");
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 200; i++) {
		static struct log_site fresh;

		fresh = (struct log_site){ 0 };
		log_print(&fresh, LOG_INFO, "%s", line);
	}
	assert_true(log_lost() > before);
	assert_true(clock_ms() - start < 1000);
}

/* Lines may be missing, but none is torn */
static void drain_and_check(int fd)
{
	ssize_t n, got = 0;
	char *line, *save;

	while ((n = read(fd, text + got, sizeof(text) - 1 - (size_t)got)) > 0)
		got += n;
	text[got] = '\0';
	assert_true(lines(text) > 5);
	assert_int_equal(text[got - 1], '\n');
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (!strstr(line, "lines of the error log were lost"))
			assert_int_equal(strlen(line), 27 + 7 + 1000);
}

static void a_full_pipe_loses_lines_and_never_blocks(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	with_stderr(fd[1], log_much);
	close(fd[1]);
	drain_and_check(fd[0]);
	close(fd[0]);
}

static void a_full_socket_loses_lines_and_never_blocks(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	with_stderr(fd[1], log_much);
	close(fd[1]);
	drain_and_check(fd[0]);
	close(fd[0]);
}

static void a_full_disk_loses_lines_and_says_so_later(void **state)
{
	uint32_t before = log_lost();

	(void)state;
	empty("e");
	assert_int_equal(log_setup(LOG_INFO, "/dev/full", "none"), 0);
	log_error("one");
	log_error("two");
	assert_int_equal(log_lost(), before + 2);
	assert_int_equal(log_setup(LOG_INFO, in_dir("e"), "none"), 0);
	log_error("three");
	content(in_dir("e"));
	assert_matches(text, "\\[Error\\] three$");
	assert_matches(text, "\\[Warning\\] log: [0-9]+ lines of the error log "
			     "were lost$");
	log_error("four");
	assert_int_equal(lines(content(in_dir("e"))), 3);
}

static int listen_at(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	unlink(path);
	strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static const char *next_message(int fd)
{
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void syslog_is_spoken_and_comes_back(void **state)
{
	char target[160];
	int fd = listen_at(in_dir("sock"));

	(void)state;
	snprintf(target, sizeof(target), "syslog:%s", in_dir("sock"));
	assert_int_equal(log_setup(LOG_INFO, target, target), 0);
	log_warning("hello %s", "there");
	assert_matches(next_message(fd), "^<28>culvert\\[[0-9]+\\]: "
					 "\\[Warning\\] hello there$");
	log_access("from x");
	assert_matches(next_message(fd), "^<30>culvert\\[[0-9]+\\]: from x$");
	close(fd);
	log_error("lost");
	next_second();
	log_error("lost too"); /* connects in vain */
	fd = listen_at(in_dir("sock"));
	next_second();
	log_error("back");
	assert_matches(next_message(fd), "^<27>.*\\[Error\\] back$");
	assert_matches(next_message(fd),
		       "^<28>.*[0-9]+ lines of the error log were lost");
	for (int i = 0; i < 2000; i++)
		log_access("from x"); /* nobody reads: must not block */
	close(fd);
	assert_int_equal(log_setup(LOG_INFO, "none", "none"), 0);
}

static void *talk(void *arg)
{
	for (int i = 0; i < 300; i++)
		log_access(arg);
	return NULL;
}

static void threads_do_not_mix_their_lines(void **state)
{
	static char a[] = "aaaaaaaaaaaaaaaa", b[] = "bbbbbbbbbbbbbbbb";
	pthread_t t[2];

	(void)state;
	assert_int_equal(log_setup(LOG_INFO, "none", in_dir("m")), 0);
	assert_int_equal(pthread_create(&t[0], NULL, talk, a), 0);
	assert_int_equal(pthread_create(&t[1], NULL, talk, b), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(log_setup(LOG_INFO, "none", in_dir("m")), 0);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	content(in_dir("m"));
	assert_int_equal(lines(text), 600);
	assert_int_equal(strlen(text), 600 * (27 + 16 + 1));
	assert_null(strstr(text, "ab"));
	assert_null(strstr(text, "ba"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_look_like_those_of_xray),
		cmocka_unit_test(control_characters_of_strangers_are_escaped),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(a_call_site_prints_20_a_second_and_the_sum),
		cmocka_unit_test(what_is_due_is_due_once),
		cmocka_unit_test(debug_hides_nothing),
		cmocka_unit_test(
			set_up_again_reopens_and_a_bad_path_changes_nothing),
		cmocka_unit_test(none_silences_both),
		cmocka_unit_test(a_full_pipe_loses_lines_and_never_blocks),
		cmocka_unit_test(a_full_socket_loses_lines_and_never_blocks),
		cmocka_unit_test(a_full_disk_loses_lines_and_says_so_later),
		cmocka_unit_test(syslog_is_spoken_and_comes_back),
		cmocka_unit_test(threads_do_not_mix_their_lines),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
