/* test_cli.c - The command line */
#include "tests/unit/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/app/app.h"

#define ARGS 160

/* The words of @line as arguments; what is said goes nowhere */
static int parse(struct cli *cli, const char *line)
{
	static char words[4096];
	char *argv[ARGS] = { NULL }, *save = NULL;
	int argc = 1, rc, keep = dup(2), null = open("/dev/null", O_WRONLY);
	static char name[] = "culvert";

	argv[0] = name;
	snprintf(words, sizeof(words), "%s", line);
	for (char *w = strtok_r(words, " ", &save); w && argc < ARGS - 1;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	fflush(stderr);
	dup2(null, 2);
	rc = cli_parse(cli, argc, argv);
	dup2(keep, 2);
	close(keep);
	close(null);
	return rc;
}

static void commands_are_read(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, ""), 0);
	assert_string_equal(c.command, "run");
	assert_int_equal(c.file_count, 0);
	assert_int_equal(parse(&c, "up -c a.json"), 0);
	assert_string_equal(c.command, "up");
	assert_string_equal(c.files[0], "a.json");
	assert_int_equal(parse(&c, "version"), 0);
	assert_string_equal(c.command, "version");
	assert_int_equal(parse(&c, "-version"), 0);
	assert_string_equal(c.command, "version");
	assert_int_equal(parse(&c, "run --help"), 0);
	assert_string_equal(c.command, "help");
	assert_int_equal(parse(&c, "-h"), 0);
	assert_string_equal(c.command, "help");
}

static void xrays_flags_are_understood(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "-config a -c b --c c -format json -test"),
			 0);
	assert_string_equal(c.command, "run");
	assert_int_equal(c.file_count, 3);
	assert_string_equal(c.files[2], "c");
	assert_true(c.test);
	assert_false(c.dump || c.json);
	assert_int_equal(parse(&c, "run -c - -dump -json"), 0);
	assert_string_equal(c.files[0], "-");
	assert_true(c.dump && c.json);
	assert_int_equal(parse(&c, "run -config=a=b -c=d"), 0);
	assert_string_equal(c.files[0], "a=b");
	assert_string_equal(c.files[1], "d");
}

static void a_file_may_stand_alone(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "test a.json b.json"), 0);
	assert_string_equal(c.command, "run");
	assert_true(c.test);
	assert_int_equal(c.file_count, 2);
	assert_string_equal(c.files[1], "b.json");
	assert_int_equal(parse(&c, "check -c a.json"), 0);
	assert_string_equal(c.files[0], "a.json");
	assert_int_equal(parse(&c, "help up"), 0);
	assert_string_equal(c.rest[0], "up");
	assert_int_equal(parse(&c, "up LINK -h"), 0);
	assert_string_equal(c.command, "help");
	assert_string_equal(c.rest[0], "up");
}

static void seconds_are_checked(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "up --revert-after 60"), 0);
	assert_int_equal(c.revert_after_s, 60);
	assert_int_equal(parse(&c, "up --revert-after 0"), EXIT_USAGE);
	assert_int_equal(parse(&c, "up --revert-after 86401"), EXIT_USAGE);
	assert_int_equal(parse(&c, "up --revert-after 5m"), EXIT_USAGE);
	assert_int_equal(parse(&c, "up --revert-after -5"), EXIT_USAGE);
	assert_int_equal(parse(&c, "up --revert-after"), EXIT_USAGE);
}

static void mistakes_are_usage_errors(void **state)
{
	static const char *const bad[] = {
		"run -c",      "run -nope", "run -nope x",
		"down stray",  "logs",      "run --capture tun",
		"run -",       "run --",    "-confdir /no/such/folder",
		"run -test=1",
	};
	char many[4096] = "run";
	struct cli c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(&c, bad[i]) != EXIT_USAGE)
			fail_msg("taken: %s", bad[i]);
	for (int i = 0; i < CLI_FILES + 1; i++)
		strcat(many, " -c x");
	assert_int_equal(parse(&c, many), EXIT_USAGE);
}

static void a_folder_gives_its_files_by_name(void **state)
{
	static const char *const names[] = { "10_b.json",    "02_a.jsonc",
					     "readme.txt",   "99.json.bak",
					     "20_tail.json", "30.yaml" };
	char dir[] = "/tmp/culvert-cli.XXXXXX", path[128], line[128];
	struct cli c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	snprintf(line, sizeof(line), "run -confdir %s -c first", dir);
	assert_int_equal(parse(&c, line), 0);
	assert_int_equal(c.file_count, 5);
	assert_string_equal(c.files[0], "first");
	assert_non_null(strstr(c.files[1], "/02_a.jsonc"));
	assert_non_null(strstr(c.files[2], "/10_b.json"));
	assert_non_null(strstr(c.files[3], "/20_tail.json"));
	assert_non_null(strstr(c.files[4], "/30.yaml")); /* refused later */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	for (size_t i = 0; i < ARRAY_SIZE(c.made); i++)
		free(c.made[i]);
}

/* What @name's help, or with NULL all help, says; free() it */
static char *help_of(const char *name)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	if (name)
		cli_usage_of(f, name);
	else
		cli_usage(f);
	fclose(f);
	return text;
}

static void the_help_names_each_command(void **state)
{
	static const char *const words[] = { "run",     "up",      "down",
					     "confirm", "rules",   "check",
					     "status",  "test",    "route-test",
					     "import",  "-confdir" };
	char *text = help_of(NULL), *save = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_non_null(strstr(text, words[i]));
	for (char *l = strtok_r(text, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save))
		if (strlen(l) > 86)
			fail_msg("a long line: %s", l);
	free(text);
	text = help_of("up");
	assert_non_null(strstr(text, "-test"));
	assert_non_null(strstr(text, "--revert-after"));
	assert_null(strstr(text, "x25519"));
	free(text);
	assert_true(cli_knows("up") && cli_knows("help"));
	assert_false(cli_knows("") || cli_knows("u"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_read),
		cmocka_unit_test(xrays_flags_are_understood),
		cmocka_unit_test(a_file_may_stand_alone),
		cmocka_unit_test(seconds_are_checked),
		cmocka_unit_test(mistakes_are_usage_errors),
		cmocka_unit_test(a_folder_gives_its_files_by_name),
		cmocka_unit_test(the_help_names_each_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
