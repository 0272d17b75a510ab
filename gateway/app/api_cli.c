/*
 * api_cli.c - `culvert api COMMAND`: what `xray api` offers, with its flags
 *
 * Source: Xray main/commands/all/api (names of commands and flags)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/app/api_call.h"
#include "gateway/app/app.h"
#include "gateway/base/compat.h"

#define STATS   "/xray.app.stats.command.StatsService/"
#define HANDLER "/xray.app.proxyman.command.HandlerService/"
#define ROUTING "/xray.app.router.command.RoutingService/"
#define LOGGER  "/xray.app.log.command.LoggerService/"

/**
 * struct args - What was given
 * @rest, @count:	Arguments that are no flags
 */
struct args {
	bool reset, only_tags, remove;
	struct api_server to;
	const char *pattern, *name, *email, *tag, *balancer;
	char **rest;
	int count;
};

/* --- shapes of answers ------------------------------------------------------------------ */

#define END \
	{ \
		0, NULL, API_TEXT, false, NULL \
	}

static const struct api_shape stat_fields[] = {
	{ 1, "name", API_TEXT, false, NULL },
	{ 2, "value", API_NUMBER, false, NULL },
	END,
};

static const struct api_shape one_stat[] = {
	{ 1, "stat", API_MESSAGE, false, stat_fields },
	END,
};

static const struct api_shape all_stats[] = {
	{ 1, "stat", API_MESSAGE, true, stat_fields },
	END,
};

static const struct api_shape sys_stats[] = {
	{ 1, "NumGoroutine", API_NUMBER, false, NULL },
	{ 2, "NumGC", API_NUMBER, false, NULL },
	{ 3, "Alloc", API_NUMBER, false, NULL },
	{ 4, "TotalAlloc", API_NUMBER, false, NULL },
	{ 5, "Sys", API_NUMBER, false, NULL },
	{ 6, "Mallocs", API_NUMBER, false, NULL },
	{ 7, "Frees", API_NUMBER, false, NULL },
	{ 8, "LiveObjects", API_NUMBER, false, NULL },
	{ 9, "PauseTotalNs", API_NUMBER, false, NULL },
	{ 10, "Uptime", API_NUMBER, false, NULL },
	END,
};

static const struct api_shape online_ips[] = {
	{ 1, "name", API_TEXT, false, NULL },
	{ 2, "ips", API_MAP, false, NULL },
	END,
};

static const struct api_shape online_users[] = {
	{ 1, "users", API_TEXT, true, NULL },
	END,
};

static const struct api_shape bound[] = {
	{ 1, "tag", API_TEXT, false, NULL },
	{ 2, "receiverSettings", API_TYPED, false, NULL },
	END,
};

static const struct api_shape inbounds[] = {
	{ 1, "inbounds", API_MESSAGE, true, bound },
	END,
};

static const struct api_shape outbound_tag[] = {
	{ 1, "tag", API_TEXT, false, NULL },
	END,
};

static const struct api_shape outbounds[] = {
	{ 1, "outbounds", API_MESSAGE, true, outbound_tag },
	END,
};

static const struct api_shape user_fields[] = {
	{ 1, "level", API_NUMBER, false, NULL },
	{ 2, "email", API_TEXT, false, NULL },
	{ 3, "account", API_TYPED, false, NULL },
	END,
};

static const struct api_shape users[] = {
	{ 1, "users", API_MESSAGE, true, user_fields },
	END,
};

static const struct api_shape user_count[] = {
	{ 1, "count", API_NUMBER, false, NULL },
	END,
};

static const struct api_shape rule_fields[] = {
	{ 1, "tag", API_TEXT, false, NULL },
	{ 2, "ruleTag", API_TEXT, false, NULL },
	END,
};

static const struct api_shape rules[] = {
	{ 1, "rules", API_MESSAGE, true, rule_fields },
	END,
};

static const struct api_shape override[] = {
	{ 2, "target", API_TEXT, false, NULL },
	END,
};

static const struct api_shape principle[] = {
	{ 1, "tag", API_TEXT, true, NULL },
	END,
};

static const struct api_shape balancer_fields[] = {
	{ 5, "override", API_MESSAGE, false, override },
	{ 6, "principleTarget", API_MESSAGE, false, principle },
	END,
};

static const struct api_shape balancer[] = {
	{ 1, "balancer", API_MESSAGE, false, balancer_fields },
	END,
};

static const struct api_shape nothing[] = { END };

/* --- requests --------------------------------------------------------------------------- */

static void ask_pattern(struct pb_out *o, const struct args *a)
{
	pb_put_text(o, 1, a->pattern);
	pb_put_number(o, 2, a->reset);
}

static void ask_name(struct pb_out *o, const struct args *a)
{
	pb_put_text(o, 1, a->name);
	pb_put_number(o, 2, a->reset);
}

static void ask_online(struct pb_out *o, const struct args *a)
{
	char name[512];

	snprintf(name, sizeof(name), "user>>>%s>>>online", a->email);
	pb_put_text(o, 1, name);
}

static void ask_tags(struct pb_out *o, const struct args *a)
{
	pb_put_number(o, 1, a->only_tags);
}

static void ask_user(struct pb_out *o, const struct args *a)
{
	pb_put_text(o, 1, a->tag);
	pb_put_text(o, 2, a->email);
}

static void ask_balancer(struct pb_out *o, const struct args *a)
{
	pb_put_text(o, 1, a->count ? a->rest[0] : "");
}

static void ask_override(struct pb_out *o, const struct args *a)
{
	pb_put_text(o, 1, a->balancer);
	pb_put_text(o, 2, a->remove ? "" : a->rest[0]);
}

static const struct command {
	const char *name, *path, *args;
	const struct api_shape *shape;
	void (*ask)(struct pb_out *o, const struct args *a);
} commands[] = {
	{ "statsquery", STATS "QueryStats", "[-pattern TEXT] [-reset]",
	  all_stats, ask_pattern },
	{ "stats", STATS "GetStats", "-name NAME [-reset]", one_stat,
	  ask_name },
	{ "statssys", STATS "GetSysStats", "", sys_stats, NULL },
	{ "statsonline", STATS "GetStatsOnline", "-email EMAIL", one_stat,
	  ask_online },
	{ "statsonlineiplist", STATS "GetStatsOnlineIpList", "-email EMAIL",
	  online_ips, ask_online },
	{ "statsgetallonlineusers", STATS "GetAllOnlineUsers", "", online_users,
	  NULL },
	{ "lsi", HANDLER "ListInbounds", "[-isOnlyTags=true]", inbounds,
	  ask_tags },
	{ "lso", HANDLER "ListOutbounds", "", outbounds, NULL },
	{ "inbounduser", HANDLER "GetInboundUsers", "-tag TAG [-email EMAIL]",
	  users, ask_user },
	{ "inboundusercount", HANDLER "GetInboundUsersCount", "-tag TAG",
	  user_count, ask_user },
	{ "adu", NULL, "FILE ...", NULL, NULL },
	{ "rmu", NULL, "-tag TAG EMAIL ...", NULL, NULL },
	{ "lsrules", ROUTING "ListRule", "", rules, NULL },
	{ "bi", ROUTING "GetBalancerInfo", "TAG", balancer, ask_balancer },
	{ "bo", ROUTING "OverrideBalancerTarget", "-b TAG OUTBOUND | -b TAG -r",
	  nothing, ask_override },
	{ "restartlogger", LOGGER "RestartLogger", "", nothing, NULL },
};

static void usage(FILE *f)
{
	fputs("culvert api COMMAND: ask a running culvert (or Xray) by its "
	      "api\n\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-22s %s\n", commands[i].name, commands[i].args);
	fputs("\n  -s, -server HOST:PORT   of \"api\"; 127.0.0.1:8080\n"
	      "  -t, -timeout SECONDS    3\n"
	      "\n"
	      "adu reads configurations: the users of their inbounds are "
	      "added to the inbounds with\nthe same tags.\n",
	      f);
}

/* Is this flag @name or its @other? */
static bool is(const char *flag, size_t n, const char *name, const char *other)
{
	return (strlen(name) == n && !memcmp(flag, name, n)) ||
	       (other && strlen(other) == n && !memcmp(flag, other, n));
}

static bool is_true(const char *value)
{
	return !value || !strcmp(value, "true") || !strcmp(value, "1");
}

/* Seconds, 0: none */
static uint32_t seconds(const char *value)
{
	char *end;
	unsigned long s = strtoul(value, &end, 10);

	return *end || s > 3600 ? 0 : (uint32_t)s;
}

/* A flag with a text. False: it is none of these */
static bool read_text(struct args *a, const char *flag, size_t n,
		      const char *value)
{
	if (is(flag, n, "s", "server"))
		a->to.place = value;
	else if (is(flag, n, "pattern", NULL))
		a->pattern = value;
	else if (is(flag, n, "name", NULL))
		a->name = value;
	else if (is(flag, n, "email", NULL))
		a->email = value;
	else if (is(flag, n, "tag", NULL))
		a->tag = value;
	else if (is(flag, n, "b", "balancer"))
		a->balancer = value;
	else
		return false;
	return true;
}

/* A flag without a need of a value. False: it is none of these */
static bool read_switch(struct args *a, const char *flag, size_t n,
			const char *value)
{
	if (is(flag, n, "reset", NULL))
		a->reset = is_true(value);
	else if (is(flag, n, "isOnlyTags", NULL))
		a->only_tags = is_true(value);
	else if (is(flag, n, "r", "remove"))
		a->remove = is_true(value);
	else
		return is(flag, n, "json", NULL);
	return true;
}

/* "-x", "-x=v", or "-x" and then @next. Arguments used, or -EINVAL */
static int read_flag(struct args *a, const char *arg, const char *next)
{
	const char *flag = arg + (arg[1] == '-' ? 2 : 1);
	size_t n = strcspn(flag, "=");
	const char *value = flag[n] ? flag + n + 1 : NULL;
	int used = value ? 1 : 2;

	if (read_switch(a, flag, n, value))
		return 1;
	value = value ? value : next;
	if (!value)
		return -EINVAL;
	if (read_text(a, flag, n, value))
		return used;
	if (!is(flag, n, "t", "timeout"))
		return -EINVAL;
	a->to.timeout_s = seconds(value);
	return a->to.timeout_s ? used : -EINVAL;
}

static int read_args(struct args *a, int argc, char **argv)
{
	for (int i = 0; i < argc;) {
		const char *arg = argv[i];
		int used = 1;

		if (arg[0] == '-' && arg[1])
			used = read_flag(a, arg,
					 i + 1 < argc ? argv[i + 1] : NULL);
		else
			a->rest[a->count++] = argv[i];
		if (used < 0) {
			fprintf(stderr, "culvert api: wrong flag: %s\n", arg);
			return used;
		}
		i += used;
	}
	return 0;
}

static int ask(const struct command *c, const struct args *a)
{
	struct pb_out message = { .most = 65536 }, answer = { .p = NULL };
	char why[API_WHY_MAX];
	int rc;

	if (c->ask)
		c->ask(&message, a);
	rc = api_call(&a->to, c->path, &message, &answer, why);
	if (rc < 0)
		fprintf(stderr, "culvert api %s: %s\n", c->name, why);
	else
		api_print(&answer, c->shape);
	pb_free(&message);
	pb_free(&answer);
	return rc < 0 ? EXIT_FAIL : EXIT_OK;
}

/* Which balancer, and to what */
static bool lacks_override(const struct command *c, const struct args *a)
{
	return c->ask == ask_override &&
	       (!*a->balancer || (!a->remove && !a->count));
}

static int run(const struct command *c, const struct args *a)
{
	if (lacks_override(c, a)) {
		fprintf(stderr, "culvert api %s %s\n", c->name, c->args);
		return EXIT_USAGE;
	}
	if (c->path)
		return ask(c, a);
	if (!strcmp(c->name, "adu"))
		return api_add_users(&a->to, a->rest, a->count);
	if (!*a->tag) {
		fprintf(stderr, "culvert api: inbound tag not specified\n");
		return EXIT_USAGE;
	}
	return api_remove_users(&a->to, a->tag, a->rest, a->count);
}

int api_main(int argc, char **argv)
{
	struct args a = { .to = { "127.0.0.1:8080", 3 },
			  .pattern = "",
			  .name = "",
			  .email = "",
			  .tag = "",
			  .balancer = "" };
	const struct command *c = NULL;
	int code = EXIT_USAGE;

	if (argc > 0 && (!strcmp(argv[0], "-h") || strstr(argv[0], "help"))) {
		usage(stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			c = &commands[i];
	if (!c) {
		usage(stderr);
		return code;
	}
	a.rest = calloc((size_t)argc, sizeof(*a.rest));
	if (a.rest && read_args(&a, argc - 1, argv + 1) == 0)
		code = run(c, &a);
	free(a.rest);
	return code;
}
