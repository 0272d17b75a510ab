/* main.c - culvert: commands */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/app/api_call.h"
#include "gateway/app/app.h"
#include "gateway/core/host.h"

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

static int explain(const struct cli *cli)
{
	struct config *cfg;
	int code = load(cli, true, &cfg);

	if (code != EXIT_OK)
		return code;
	code = route_test(cli, cfg);
	config_unref(cfg);
	return code;
}

/* `up LINK|FILE`: the configuration is made of it */
static int up(struct cli *cli)
{
	char *text = cli->rest[0] ? import_config(cli->rest[0]) : NULL;
	int code;

	if (cli->rest[0] && !text)
		return EXIT_CONFIG;
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
	fprintf(stderr, "culvert: %s wants one argument\n\n", cli->command);
	cli_usage(stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct cli cli;
	int code;

	if (argc > 1 && !strcmp(argv[1], "api"))
		return api_main(argc - 2, argv + 2);
	code = cli_parse(&cli, argc, argv);
	if (code)
		return code;
	if (!strcmp(cli.command, "run"))
		return run(&cli, false);
	if (!strcmp(cli.command, "up"))
		return up(&cli);
	if (!strcmp(cli.command, "import") || !strcmp(cli.command, "export"))
		return links(&cli);
	if (!strcmp(cli.command, "down"))
		return host_cleanup(stdout) < 0 ? EXIT_FAIL : EXIT_OK;
	if (!strcmp(cli.command, "check"))
		return host_check(stdout) ? EXIT_FAIL : EXIT_OK;
	if (!strcmp(cli.command, "confirm"))
		return confirm();
	if (!strcmp(cli.command, "rules"))
		return rules(&cli);
	if (!strcmp(cli.command, "route-test"))
		return explain(&cli);
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
	if (!strcmp(cli.command, "help")) {
		cli_usage(stdout);
		return EXIT_OK;
	}
	fprintf(stderr, "culvert: unknown command %s\n\n", cli.command);
	cli_usage(stderr);
	return EXIT_USAGE;
}
