/* app.h - The parts of the program and how they call each other */
#ifndef GATEWAY_APP_APP_H
#define GATEWAY_APP_APP_H

#include <stdbool.h>
#include <stdio.h>

#include "gateway/core/config.h"
#include "gateway/core/transport.h"

/* Exit codes: 23 keeps service managers from restarting a broken config */
enum { EXIT_OK = 0, EXIT_FAIL = 1, EXIT_USAGE = 2, EXIT_CONFIG = 23 };

#define CLI_FILES 64

/**
 * struct cli - The command line
 * @files:	-c, in order, then those of -confdir
 */
struct cli {
	const char *command;
	const char *files[CLI_FILES];
	const char *confdir; /* of -confdir; NULL none */
	char *made[CLI_FILES]; /* paths of -confdir among them; to the end */
	unsigned int file_count;
	const char *text; /* `up LINK`: the configuration made of it; NULL */
	bool test, json, dump;
	unsigned int revert_after_s;
	const char *capture; /* --capture; NULL: as configured */
	const char
		*rest[CLI_FILES + 1]; /* arguments of the command, then NULL */
	unsigned int rest_count;
	const char *inbound, *source,
		*program; /* of route-test; NULL: not given */
	const char *key; /* of x25519, mlkem768; NULL: a new one */
};

/* 0, or EXIT_USAGE after saying why. Strings stay the caller's or leak to the end */
int cli_parse(struct cli *cli, int argc, char **argv);
/* help.c: all commands; more about one of them; is there one; that @word is none */
void cli_usage(FILE *f);
void cli_usage_of(FILE *f, const char *name);
bool cli_knows(const char *name);
void cli_unknown(const char *word);

/* Root sections of several documents, merged as Xray merges */
#define MERGE_MAX 4096

struct merged {
	const cJSON *log, *routing, *dns, *policy, *stats, *fakedns, *culvert;
	const cJSON *observatory, *burst_observatory, *api, *metrics, *geodata;
	cJSON *env; /* owned */
	const cJSON **inbounds, **outbounds;
	unsigned int inbound_count, outbound_count;
};

/* Order of @d's documents is the order of files. 0 or -ENOMEM; complaints to @d */
int merge_docs(struct diag *d, const struct jdoc *docs, struct merged *m);
void merge_free(struct merged *m);
/* complete.c: what `up` adds where nothing would be caught. Nodes go into @d's documents */
void complete_up(struct diag *d, struct merged *m, const struct cli *up);
/* The merged configuration as JSON text (malloc'ed), for -dump */
char *merge_print(const struct merged *m);

/**
 * config_load() - Read, merge and build a generation
 * @d:		Initialised; all complaints
 * @old:	Generation to keep FakeDNS mappings from; NULL
 * @up:		For `culvert up`: with its own listeners, and without files the
 *		built-in configuration
 *
 * Return: one reference, or NULL (see @d)
 */
struct config *config_load(struct diag *d, const struct cli *cli,
			   const struct config *old, bool up);
/* @up: the command line of `culvert up`; NULL: of `run` */
struct config *config_build(struct diag *d, const struct merged *m,
			    const struct config *old, const struct cli *up);

/* Sections; each adds complaints to @d and fills @cfg */
void parse_log(struct diag *d, const cJSON *node, struct config *cfg);
/* Open the log as @cfg says, or anew. 0 or -errno */
int app_log_setup(const struct config *cfg);
void parse_policy(struct diag *d, const cJSON *node, struct config *cfg);
void parse_host(struct diag *d, const cJSON *node, struct config *cfg);
/* Inbounds that `culvert up` (listeners.c), api and metrics add: at most so many */
#define LISTENERS_OWN 7
void listeners_add(struct diag *d, struct config *cfg);
void parse_inbound(struct diag *d, const cJSON *node, struct config *cfg);
/* enum capture of a word, or -EINVAL */
int parse_capture_word(const char *text);
void parse_inbounds(struct diag *d, const struct merged *m, struct config *cfg);
void parse_outbounds(struct diag *d, const struct merged *m,
		     struct config *cfg);
/* Their outbounds: after the others, before routing */
void parse_api(struct diag *d, const struct merged *m, struct config *cfg);
/* "clashApi" of the root object "culvert" */
void parse_clash(struct jobj *host, struct config *cfg);
/* And their listeners: after the inbounds */
void parse_api_listeners(struct config *cfg);
#define OUTBOUNDS_OWN 2 /* of api and metrics: there is room for them */
/* What goes with "reverse" of VLESS: the outbounds that servers' clients stand for
 * (@portals), and where sessions that come back come from */
void parse_portals(struct diag *d, const struct merged *m, struct config *cfg);
void parse_reverses(struct diag *d, struct config *cfg);
/* After the outbounds, before routing */
void parse_observe(struct diag *d, const struct merged *m, struct config *cfg);
/* "geodata": after the outbounds */
void parse_geodata(struct diag *d, const cJSON *node, struct config *cfg);
/* streamSettings of an inbound (@server) or outbound. NULL: none */
const struct transport *parse_stream(struct jobj *o, struct sockopt *so,
				     bool server, struct config *cfg);

/* registry.c: the kinds there are */
const struct inbound_ops *registry_inbound(const char *protocol);
const struct outbound_ops *registry_outbound(const char *protocol);
const struct transport_ops *registry_network(const char *name);
const struct transport_ops *registry_security(const char *name);
/* Levels without a name of their own: below other networks than raw, and for
 * what raw's settings ask for above a security */
const struct transport_ops *registry_tcp(void);
const struct transport_ops *registry_raw_head(void);
/* Of finalmask.tcp */
const struct transport_ops *registry_mask(const char *name);
/* "a, b, c" of all names, for messages */
const char *registry_inbound_names(void);
const char *registry_outbound_names(void);
const char *registry_network_names(void);
/* The word of such a list that is next to @word, until the next call; NULL none */
const char *registry_near(const char *names, const char *word);
/* Why a protocol of Xray is not here (yet); NULL: unknown word */
const char *registry_not_yet(const char *protocol);

/* import.c: share links. The configuration of @what into *@text (malloc'ed), or NULL
 * and why is said: EXIT_FAIL when it could not be fetched, which may pass, else
 * EXIT_CONFIG. The commands, which return exit codes */
int import_config(const char *what, char **text);
/* @path is a file with a configuration of Xray's form: -c was forgotten */
bool import_is_config(const char *path);
int import_run(const char *what);
int export_run(const struct cli *cli, const char *tag);
/* `x25519`: prints a key pair; @given: the private key in base64, NULL a new one */
int keys_run(const char *given);
/* `mlkem768`: the same of ML-KEM-768; @given: a seed of 64 bytes */
int keys_mlkem(const char *given);
/* `mldsa65`: the same of ML-DSA-65; @given: a seed of 32 bytes */
int keys_mldsa(const char *given);
/* `vlessenc`: pairs of "decryption" and "encryption" */
int keys_vlessenc(void);

/* process.c: workers, signals, reload. What a running one is told by signals waits from
 * now on: before its files are read, which takes a moment */
void process_hold_signals(void);
/* Returns an exit code */
int process_run(const struct cli *cli, struct config *cfg, bool full);
/* The files of "geodata" are renewed, and that is all. Returns an exit code */
int process_renew_once(const struct cli *cli, struct config *cfg);
/* reload.c, in a worker: adopt @cfg (one reference handed over) */
int reload_listeners(struct worker *w, struct config *cfg, bool first);
void reload_stop_listeners(struct worker *w);
/*
 * Somebody deleted the device of an inbound: its listeners are closed. Once all
 * workers have done so, those that are missing are opened: 0 or -errno
 */
void reload_stop_lost(struct worker *w);
int reload_start_lost(struct worker *w);
/* report.c: counters, to the log */
void report_stats(bool always);

/* route_test.c: say where cli->rest would go. Returns an exit code */
int route_test(const struct cli *cli, const struct config *cfg);

/*
 * Names get fake addresses, but those of the LAN, which no server knows, and what Windows
 * compares with an address to see whether there is internet
 */
#define BUILTIN_DNS \
	"{ \"servers\": [\n" \
	"    { \"address\": \"localhost\", \"skipFallback\": true, " \
	"\"domains\": [\n" \
	"      \"dotless:\", \"domain:lan\", \"domain:local\", " \
	"\"domain:localdomain\",\n" \
	"      \"domain:home.arpa\", \"domain:internal\", " \
	"\"domain:msftncsi.com\" ] },\n" \
	"    \"fakedns\", \"localhost\" ] }"
/* The configuration of `culvert up` without a file */
extern const char builtin_config[];
/* The same without the TUN, for another capture */
extern const char builtin_listen[];

#endif
