/* cli.c - The command line, with Xray's flags */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/base/compat.h"

void cli_usage(FILE *f)
{
	fputs("culvert " CULVERT_VERSION " - transparent proxy gateway\n"
	      "\n"
	      "  culvert run  -c FILE ...   run a configuration (Xray's JSON)\n"
	      "  culvert up  [-c FILE ...]  run and make this host a gateway: "
	      "TUN,\n"
	      "                             routes, DNS; undone at the end\n"
	      "  culvert up LINK|FILE|URL   the same through the server of a "
	      "share link,\n"
	      "                             or the quickest of a list or a "
	      "subscription\n"
	      "  culvert import LINK|FILE|URL|-  print a configuration made of "
	      "them\n"
	      "  culvert export TAG -c FILE  print the share link of an "
	      "outbound\n"
	      "  culvert down               end `up`, remove what a killed one "
	      "left\n"
	      "  culvert confirm            keep an `up --revert-after` "
	      "set-up\n"
	      "  culvert rules [-c FILE ..] print what `up` sets up, for nft "
	      "-f\n"
	      "  culvert check              say what this host lacks\n"
	      "  culvert route-test -c FILE [-inbound TAG] [-source IP] "
	      "[-process PATH]\n"
	      "                     tcp:NAME:PORT ...\n"
	      "                             say where a connection would go\n"
	      "  culvert x25519 [-i KEY]    make keys for realitySettings, or "
	      "the public key\n"
	      "                             of a private one\n"
	      "  culvert vlessenc           make a pair of decryption and "
	      "encryption\n"
	      "  culvert mldsa65 [-i SEED]  make a key of ML-DSA-65 for "
	      "reality\n"
	      "  culvert mlkem768 [-i SEED] make keys of ML-KEM-768 for them\n"
	      "  culvert api COMMAND        ask a running one: counters, "
	      "users; "
	      "-h says more\n"
	      "  culvert version\n"
	      "\n"
	      "  -c, -config FILE    configuration; may be repeated; - is "
	      "stdin\n"
	      "  -confdir DIR        all *.json and *.jsonc of a folder, by "
	      "name\n"
	      "  -test               check the configuration and exit (0, or "
	      "23)\n"
	      "  -json               complaints as JSON (with -test)\n"
	      "  -dump               print the merged configuration\n"
	      "  --capture HOW       (up, rules) tun, redirect, tproxy, mixed, "
	      "none\n"
	      "  --revert-after S    undo everything after S seconds unless "
	      "confirmed\n",
	      f);
}

static int usage_error(const char *what, const char *arg)
{
	fprintf(stderr, "culvert: %s%s%s\n\n", what, arg ? " " : "",
		arg ? arg : "");
	cli_usage(stderr);
	return EXIT_USAGE;
}

static int add_file(struct cli *cli, const char *path)
{
	if (cli->file_count == CLI_FILES)
		return usage_error("too many configuration files", NULL);
	cli->files[cli->file_count++] = path;
	return 0;
}

/* Arguments that are no options: only some commands take them */
static int add_rest(struct cli *cli, const char *arg)
{
	static const char *const takers[] = { "route-test", "import", "export",
					      "up" };
	size_t i = 0;

	while (i < ARRAY_SIZE(takers) && strcmp(cli->command, takers[i]) != 0)
		i++;
	if (i == ARRAY_SIZE(takers))
		return usage_error("unexpected argument", arg);
	if (cli->rest_count == CLI_FILES)
		return usage_error("too many arguments", NULL);
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
	if (parse_capture_word(text) < 0)
		return usage_error("--capture wants tun, redirect, tproxy, "
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
			"--revert-after wants 1 to 86400 seconds, not", text);
	cli->revert_after_s = (unsigned int)s;
	return 0;
}

/* One option without its dashes; *@used: its value was taken */
static int parse_option(struct cli *cli, const char *name, const char *value,
			bool *used)
{
	if (!strcmp(name, "test")) {
		cli->test = true;
	} else if (!strcmp(name, "json")) {
		cli->json = true;
	} else if (!strcmp(name, "dump")) {
		cli->dump = true;
	} else if (!value) {
		return usage_error("unknown option, or one without its value:",
				   name);
	} else {
		*used = true;
		if (!strcmp(name, "c") || !strcmp(name, "config"))
			return add_file(cli, value);
		if (!strcmp(name, "confdir"))
			return keep(&cli->confdir, value);
		if (!strcmp(name, "capture"))
			return parse_how(cli, value);
		if (!strcmp(name, "revert-after"))
			return parse_revert(cli, value);
		if (!strcmp(name, "format"))
			return 0; /* JSON is what there is */
		if (!strcmp(name, "inbound"))
			return keep(&cli->inbound, value);
		if (!strcmp(name, "source"))
			return keep(&cli->source, value);
		if (!strcmp(name, "process"))
			return keep(&cli->program, value);
		if (!strcmp(name, "i"))
			return keep(&cli->key, value);
		return usage_error("unknown option", name);
	}
	return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
	int i = 1;

	*cli = (struct cli){ .command = "run" };
	if (argc > 1 && argv[1][0] != '-')
		cli->command = argv[i++];
	for (; i < argc; i++) {
		const char *name = argv[i];
		bool used = false;
		int err;

		if (name[0] != '-' || !name[1]) {
			if (add_rest(cli, name))
				return EXIT_USAGE;
			continue;
		}
		name += name[1] == '-' ? 2 : 1;
		if (!strcmp(name, "h") || !strcmp(name, "help")) {
			cli->command = "help";
			return 0;
		}
		if (!strcmp(name, "version")) {
			cli->command = "version";
			return 0;
		}
		err = parse_option(cli, name, i + 1 < argc ? argv[i + 1] : NULL,
				   &used);
		if (err)
			return err;
		i += used;
	}
	/* behind all -c, as in Xray */
	return cli->confdir ? add_dir(cli, cli->confdir) : 0;
}
