/* main.c - culvert: commands */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/app/app.h"
#include "gateway/core/host.h"

/* Where `up` leaves its pid for `confirm`; gone with it */
#define RUN_FILE "/run/culvert.pid"

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

static void run_file_write(void)
{
	FILE *f = fopen(RUN_FILE, "we");

	if (!f)
		return; /* only `confirm` needs it */
	fprintf(f, "%d\n", getpid());
	fclose(f);
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
	if (full)
		run_file_write();
	code = process_run(cli, cfg, full);
	if (full)
		unlink(RUN_FILE);
	return code;
}

static int confirm(void)
{
	FILE *f = fopen(RUN_FILE, "re");
	int pid = 0;

	if (!f || fscanf(f, "%d", &pid) != 1 || pid <= 1 ||
	    kill(pid, SIGUSR2) < 0) {
		fprintf(stderr, "culvert: no `culvert up` is running\n");
		if (f)
			fclose(f);
		return EXIT_FAIL;
	}
	fclose(f);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct cli cli;
	int code = cli_parse(&cli, argc, argv);

	if (code)
		return code;
	if (!strcmp(cli.command, "run"))
		return run(&cli, false);
	if (!strcmp(cli.command, "up"))
		return run(&cli, true);
	if (!strcmp(cli.command, "confirm"))
		return confirm();
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
