/* cli.c - The command line, with Xray's flags */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/base/compat.h"

/* What is wrong is the last thing on the screen, not all commands */
static int usage_error(const struct cli *cli, const char *what, const char *arg)
{
	fprintf(stderr, "culvert: %s%s%s\nhelp: culvert %s -h\n", what,
		arg ? " " : "", arg ? arg : "", cli->command);
	return EXIT_USAGE;
}

static int add_file(struct cli *cli, const char *path)
{
	if (cli->file_count == CLI_FILES)
		return usage_error(cli, "too many configuration files", NULL);
	cli->files[cli->file_count++] = path;
	return 0;
}

static bool one_of(const char *word, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, v[i]))
			return true;
	return false;
}

/* Arguments that are no options: some commands take them, others mean -c */
static int add_rest(struct cli *cli, const char *arg)
{
	static const char *const takers[] = { "route-test", "import", "export",
					      "up", "help" };
	static const char *const readers[] = { "run", "rules", "check" };

	if (one_of(cli->command, readers, ARRAY_SIZE(readers)) && arg[0] != '-')
		return add_file(cli, arg);
	if (!one_of(cli->command, takers, ARRAY_SIZE(takers)))
		return usage_error(cli, "unexpected argument", arg);
	if (cli->rest_count == CLI_FILES)
		return usage_error(cli, "too many arguments", NULL);
	cli->rest[cli->rest_count++] = arg;
	return 0;
}

static int keep(const char **into, const char *value)
{
	*into = value;
	return 0;
}

static int is_config(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	static const char *const ends[] = { ".json", ".jsonc", ".yaml", ".yml",
					    ".toml" };
	size_t i = 0;

	/* what Xray would read, and we cannot, is refused when it is loaded */
	while (dot && i < ARRAY_SIZE(ends) && strcmp(dot, ends[i]) != 0)
		i++;
	return dot && i < ARRAY_SIZE(ends);
}

static int add_dir(struct cli *cli, const char *dir)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_config, alphasort);
	int err = 0;

	if (n < 0) {
		fprintf(stderr, "culvert: %s: %s\n", dir, strerror(errno));
		return EXIT_USAGE;
	}
	for (int i = 0; i < n; i++) {
		char **path = &cli->made[cli->file_count % CLI_FILES];

		if (!err && asprintf(path, "%s/%s", dir, list[i]->d_name) > 0)
			err = add_file(cli, *path);
		free(list[i]);
	}
	free(list);
	return err;
}

static int parse_how(struct cli *cli, const char *text)
{
	if (strcmp(cli->command, "up") != 0 &&
	    strcmp(cli->command, "rules") != 0)
		return usage_error(cli, "--capture is for `up` and `rules`",
				   NULL);
	if (parse_capture_word(text) < 0)
		return usage_error(cli,
				   "--capture wants tun, redirect, tproxy, "
				   "mixed or none, not",
				   text);
	cli->capture = text;
	return 0;
}

static int parse_revert(struct cli *cli, const char *text)
{
	char *end;
	unsigned long s = strtoul(text, &end, 10);

	if (*end || end == text || s == 0 || s > 86400)
		return usage_error(
			cli, "--revert-after wants 1 to 86400 seconds, not",
			text);
	cli->revert_after_s = (unsigned int)s;
	return 0;
}

static bool parse_switch(struct cli *cli, const char *name)
{
	if (!strcmp(name, "test"))
		cli->test = true;
	else if (!strcmp(name, "json"))
		cli->json = true;
	else if (!strcmp(name, "dump"))
		cli->dump = true;
	else
		return false;
	return true;
}

static int parse_value(struct cli *cli, const char *name, const char *value)
{
	if (!strcmp(name, "c") || !strcmp(name, "config"))
		return add_file(cli, value);
	if (!strcmp(name, "confdir"))
		return keep(&cli->confdir, value);
	if (!strcmp(name, "capture"))
		return parse_how(cli, value);
	if (!strcmp(name, "revert-after"))
		return parse_revert(cli, value);
	if (!strcmp(name, "inbound"))
		return keep(&cli->inbound, value);
	if (!strcmp(name, "source"))
		return keep(&cli->source, value);
	if (!strcmp(name, "process"))
		return keep(&cli->program, value);
	if (!strcmp(name, "i"))
		return keep(&cli->key, value);
	return 0; /* format: JSON is what there is */
}

/*
 * One option without its dashes, "name" or "name=value"; *@used: the argument behind
 * it, @value, was taken
 */
static int parse_option(struct cli *cli, const char *arg, const char *value,
			bool *used)
{
	static const char *const valued[] = {
		"c",      "config",  "confdir", "capture", "revert-after",
		"format", "inbound", "source",  "process", "i",
	};
	size_t n = strcspn(arg, "=");
	char name[32];

	if (parse_switch(cli, arg))
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(n < 31 ? n : 31), arg);
	if (!one_of(name, valued, ARRAY_SIZE(valued)))
		return usage_error(cli, "unknown option", arg);
	if (arg[n])
		return parse_value(cli, name, arg + n + 1);
	if (!value)
		return usage_error(cli, "an option without its value:", name);
	*used = true;
	return parse_value(cli, name, value);
}

/* -h, -version: they take the place of the command, whatever follows. true: it was one */
static bool parse_ask(struct cli *cli, const char *name, const char *command)
{
	if (!strcmp(name, "h") || !strcmp(name, "help")) {
		cli->rest[0] = command;
		cli->command = "help";
		return true;
	}
	if (!strcmp(name, "version")) {
		cli->command = "version";
		return true;
	}
	return false;
}

/* The command, if one is named, into @cli. EXIT_USAGE: there is none like that */
static int parse_command(struct cli *cli, const char *command)
{
	*cli = (struct cli){ .command = command ? command : "run" };
	if (!cli_knows(cli->command)) {
		cli_unknown(cli->command);
		return EXIT_USAGE;
	}
	if (!strcmp(cli->command, "test")) {
		cli->command = "run";
		cli->test = true;
	}
	return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
	const char *command = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
	int err = parse_command(cli, command);

	for (int i = command ? 2 : 1; !err && i < argc; i++) {
		const char *name = argv[i];
		bool used = false;

		if (name[0] != '-' || !name[1]) {
			err = add_rest(cli, name);
			continue;
		}
		name += name[1] == '-' ? 2 : 1;
		if (parse_ask(cli, name, command))
			return 0;
		err = parse_option(cli, name, i + 1 < argc ? argv[i + 1] : NULL,
				   &used);
		i += used;
	}
	/* behind all -c, as in Xray */
	return !err && cli->confdir ? add_dir(cli, cli->confdir) : err;
}
