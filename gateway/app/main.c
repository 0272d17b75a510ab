/* main.c - culvert: commands */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/app/api_call.h"
#include "gateway/app/app.h"
#include "gateway/assets/assets.h"
#include "gateway/core/host.h"
#include "gateway/route/geofile.h"

static int load(const struct cli *cli, bool full, struct config **out)
{
	struct diag d;

	diag_init(&d);
	*out = config_load(&d, cli, NULL, full);
	if (d.errors + d.warnings)
		diag_print(&d, cli->json ? stdout : stderr, cli->json);
	diag_free(&d);
	return *out ? EXIT_OK : EXIT_CONFIG;
}

static int run(const struct cli *cli, bool full)
{
	struct config *cfg;
	int code = load(cli, full, &cfg);

	if (code != EXIT_OK)
		return code;
	if (cli->test || cli->dump) {
		if (cli->test && !cli->json)
			puts("Configuration OK.");
		config_unref(cfg);
		return EXIT_OK;
	}
	return process_run(cli, cfg, full);
}

/* Whoever set this network namespace up is told that it may stay so */
static int confirm(void)
{
	pid_t pid = host_holder();

	if (pid > 1 && kill(pid, SIGUSR2) == 0)
		return EXIT_OK;
	fprintf(stderr, "culvert: no `culvert up` is running here\n");
	return EXIT_FAIL;
}

static int rules(const struct cli *cli)
{
	struct config *cfg;
	int code = load(cli, true, &cfg);

	if (code != EXIT_OK)
		return code;
	code = EXIT_OK;
	if (host_rules_text(cfg, stdout) < 0) {
		fprintf(stderr, "culvert: this configuration catches nothing: "
				"no tun inbound, or \"capture\": \"none\"\n");
		code = EXIT_FAIL;
	}
	config_unref(cfg);
	return code;
}

static int wants(const struct cli *cli, const char *what)
{
	fprintf(stderr, "culvert: %s wants %s\n", cli->command, what);
	cli_usage_of(stderr, cli->command);
	return EXIT_USAGE;
}

static int explain(const struct cli *cli)
{
	struct config *cfg;
	int code;

	if (!cli->rest_count)
		return wants(cli, "a connection to look at");
	code = load(cli, true, &cfg);
	if (code != EXIT_OK)
		return code;
	code = route_test(cli, cfg);
	config_unref(cfg);
	return code;
}

/* `geodata`: lists that are not there yet do not keep it from fetching them */
static int geodata(const struct cli *cli)
{
	struct config *cfg;
	int code;

	geo_pardon_missing(true);
	code = load(cli, false, &cfg);
	if (code != EXIT_OK)
		return code;
	if (cfg->assets && cfg->assets->count)
		return process_renew_once(cli, cfg);
	fprintf(stderr, "culvert: the configuration has no \"assets\" in "
			"\"geodata\"\n");
	config_unref(cfg);
	return EXIT_FAIL;
}

/* `up LINK|FILE`: the configuration is made of it, unless it is one */
static int up(struct cli *cli)
{
	const char *what = cli->rest[0];
	char *text = NULL;
	int code = EXIT_OK;

	if (cli->rest_count > 1)
		return wants(cli, "one link, file or address: quotes around a "
				  "link, as it holds & and #");
	if (what && cli->file_count < CLI_FILES && import_is_config(what)) {
		cli->files[cli->file_count++] = what;
		what = NULL;
	}
	if (what)
		code = import_config(what, &text);
	if (code != EXIT_OK)
		return code;
	cli->text = text;
	code = run(cli, true);
	cli->text = NULL;
	free(text);
	return code;
}

static int links(const struct cli *cli)
{
	if (cli->rest_count == 1 && !strcmp(cli->command, "import"))
		return import_run(cli->rest[0]);
	if (cli->rest_count == 1)
		return export_run(cli, cli->rest[0]);
	return wants(cli, "one argument");
}

/* What the host lacks; of a configuration that is given, too, what is wrong with it */
static int check(const struct cli *cli)
{
	struct config *cfg = NULL;
	int code = cli->file_count ? load(cli, true, &cfg) : EXIT_OK;
	int problems = host_check(stdout);

	if (cfg)
		config_unref(cfg);
	return code != EXIT_OK ? code : problems ? EXIT_FAIL : EXIT_OK;
}

static int help(const struct cli *cli)
{
	if (cli->rest[0] && !cli_knows(cli->rest[0])) {
		cli_unknown(cli->rest[0]);
		return EXIT_USAGE;
	}
	if (cli->rest[0])
		cli_usage_of(stdout, cli->rest[0]);
	else
		cli_usage(stdout);
	return EXIT_OK;
}

/* Before files are read and a subscription is fetched, which takes up to 30 s */
static void hold_signals(const char *command)
{
	if (!strcmp(command, "run") || !strcmp(command, "up"))
		process_hold_signals();
}

int main(int argc, char **argv)
{
	struct cli cli;
	int code;

	if (argc == 1) {
		cli_usage(stderr);
		return EXIT_USAGE;
	}
	if (argc > 1 && !strcmp(argv[1], "api"))
		return api_main(argc - 2, argv + 2);
	code = cli_parse(&cli, argc, argv);
	if (code)
		return code;
	hold_signals(cli.command);
	if (!strcmp(cli.command, "run"))
		return run(&cli, false);
	if (!strcmp(cli.command, "up"))
		return up(&cli);
	if (!strcmp(cli.command, "import") || !strcmp(cli.command, "export"))
		return links(&cli);
	if (!strcmp(cli.command, "down"))
		return host_cleanup(stdout) < 0 ? EXIT_FAIL : EXIT_OK;
	if (!strcmp(cli.command, "check"))
		return check(&cli);
	if (!strcmp(cli.command, "status"))
		return host_status(stdout) ? EXIT_FAIL : EXIT_OK;
	if (!strcmp(cli.command, "confirm"))
		return confirm();
	if (!strcmp(cli.command, "rules"))
		return rules(&cli);
	if (!strcmp(cli.command, "route-test"))
		return explain(&cli);
	if (!strcmp(cli.command, "geodata"))
		return geodata(&cli);
	if (!strcmp(cli.command, "x25519"))
		return keys_run(cli.key);
	if (!strcmp(cli.command, "mldsa65"))
		return keys_mldsa(cli.key);
	if (!strcmp(cli.command, "mlkem768"))
		return keys_mlkem(cli.key);
	if (!strcmp(cli.command, "vlessenc"))
		return keys_vlessenc();
	if (!strcmp(cli.command, "version"))
		return puts("culvert " CULVERT_VERSION) < 0;
	return help(&cli);
}
