/*
 * help.c - What the command line says of itself: all commands, one of them, and what
 * is near a word that is none
 */
#include <stdio.h>
#include <string.h>

#include "gateway/app/app.h"
#include "gateway/base/compat.h"
#include "gateway/base/text.h"

#define COLUMN 31 /* where the list of commands has its words */

#define CONFIGS \
	"  -c, -config FILE    configuration; may be repeated; - is stdin\n" \
	"  -confdir DIR        all *.json and *.jsonc of a folder, by name\n"
#define CHECKS \
	"  -test               check the configuration and exit (0, or 23)\n" \
	"  -json               complaints as JSON (with -test)\n" \
	"  -dump               print the merged configuration\n"
#define CAPTURE \
	"  --capture HOW       tun, redirect, tproxy, mixed, none: how " \
	"traffic " \
	"gets here\n"

/**
 * struct command - One of them
 * @form:	Behind its name
 * @what:	In the list of all
 * @more:	What `culvert COMMAND -h` has besides; NULL: nothing
 */
static const struct command {
	const char *name, *form, *what, *more;
} commands[] = {
	{ "up", "LINK|FILE|URL",
	  "all traffic of this host (and of a router's LAN)\n"
	  "through the server of a share link, or the\n"
	  "quickest one of a list or a subscription",
	  NULL },
	{ "up", "[-c FILE ...]",
	  "the same by a configuration of Xray's form; undone\n"
	  "at the end (Ctrl-C, `culvert down`)",
	  CONFIGS CHECKS CAPTURE
	  "  --revert-after S    undo everything after S seconds unless "
	  "confirmed\n"
	  "\n"
	  "  culvert up 'vless://...'      a link stands in quotes: it holds "
	  "&\n"
	  "  culvert up -c config.json --revert-after 60\n" },
	{ "run", "-c FILE ...", "only what the configuration asks for, as Xray",
	  CONFIGS CHECKS },
	{ "test", "-c FILE ...", "is the configuration right? (run -test)",
	  CONFIGS "  -json               complaints as JSON\n" },
	{ "route-test", "-c FILE tcp:NAME:PORT ...",
	  "which rule and outbound a connection would get",
	  CONFIGS "  -inbound TAG, -source IP, -process PATH   who asks\n" },
	{ "check", "[-c FILE ...]", "what this host lacks, and what to do",
	  CONFIGS },
	{ "status", "", "is it up, since when, with which rules", NULL },
	{ "down", "", "end `up`, remove what a killed one left", NULL },
	{ "confirm", "", "keep what `up --revert-after` set up", NULL },
	{ "rules", "[-c FILE ...]", "print what `up` sets up, for nft -f",
	  CONFIGS CAPTURE },
	{ "import", "LINK|FILE|URL|-", "print a configuration made of links",
	  NULL },
	{ "export", "TAG -c FILE ...", "print the share link of an outbound",
	  CONFIGS },
	{ "geodata", "-c FILE ...", "fetch the files of \"geodata\" now",
	  CONFIGS },
	{ "x25519", "[-i KEY]", "keys for realitySettings", NULL },
	{ "vlessenc", "", "a pair of decryption and encryption", NULL },
	{ "mldsa65", "[-i SEED]", "a key of ML-DSA-65 for reality", NULL },
	{ "mlkem768", "[-i SEED]", "keys of ML-KEM-768 for vlessenc", NULL },
	{ "api", "COMMAND", "ask a running one: counters, users (api -h)",
	  NULL },
	{ "version", "", "print the version", NULL },
	{ "help", "[COMMAND]", "this, or more about one", NULL },
};

/* Words that other programs have for it, or that people try */
static const struct {
	const char *word, *hint;
} elsewhere[] = {
	{ "start", "culvert up" },
	{ "stop", "culvert down" },
	{ "restart", "culvert down, then culvert up" },
	{ "reload", "kill -HUP PID (culvert status shows it)" },
	{ "log", "it logs to its terminal; journalctl -u culvert of the "
		 "service, logread -e culvert on OpenWrt" },
	{ "logs", "it logs to its terminal; journalctl -u culvert of the "
		  "service, logread -e culvert on OpenWrt" },
	{ "uuid", "cat /proc/sys/kernel/random/uuid" },
	{ "convert", "culvert import LINK|FILE|URL" },
	{ "wg", "wg genkey" },
	{ "tls", "openssl" },
};

/* @what of several lines, each in its column; the first one is at @at */
static void put_column(FILE *f, const char *what, int at)
{
	if (at >= COLUMN) {
		fputc('\n', f);
		at = 0;
	}
	for (;; at = 0) {
		size_t n = strcspn(what, "\n");

		fprintf(f, "%*s%.*s\n", COLUMN - at, "", (int)n, what);
		if (!what[n])
			return;
		what += n + 1;
	}
}

static void put_command(FILE *f, const struct command *c)
{
	int at = fprintf(f, "  culvert %s %s", c->name, c->form);

	put_column(f, c->what, at > 0 ? at : 0);
}

void cli_usage(FILE *f)
{
	fputs("culvert " CULVERT_VERSION " - transparent proxy gateway\n\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		put_command(f, &commands[i]);
	fputs("\n" CONFIGS
	      "  -h                  behind a command: its options\n"
	      "\nBegin with:  culvert up 'LINK'    (as root; Ctrl-C undoes "
	      "it)\n",
	      f);
}

void cli_usage_of(FILE *f, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			put_command(f, &commands[i]);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name) && commands[i].more)
			fprintf(f, "\n%s", commands[i].more);
}

bool cli_knows(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return true;
	return false;
}

/* The nearest command to @word; NULL: none is near */
static const char *nearest(const char *word)
{
	unsigned int best = TEXT_FAR;
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (text_nearer(word, commands[i].name, &best))
			found = commands[i].name;
	return found;
}

void cli_unknown(const char *word)
{
	const char *near = nearest(word);

	fprintf(stderr, "culvert: unknown command %s\n", word);
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		if (strcmp(elsewhere[i].word, word) != 0)
			continue;
		fprintf(stderr, "help: %s\n", elsewhere[i].hint);
		return;
	}
	if (strstr(word, "://"))
		fprintf(stderr, "help: culvert up '%.8s...'\n", word);
	else if (strchr(word, '.') || strchr(word, '/'))
		fprintf(stderr, "help: culvert up -c %s, or run -c %s\n", word,
			word);
	else if (near)
		fprintf(stderr, "help: did you mean \"%s\"?\n", near);
	else
		fprintf(stderr, "help: `culvert help` lists the commands\n");
}
