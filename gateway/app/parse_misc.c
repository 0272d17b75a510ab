/* parse_misc.c - The log and policy sections */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/core/stats.h"

static const struct jword log_words[] = {
	{ "debug", LOG_DEBUG },     { "info", LOG_INFO },
	{ "warning", LOG_WARNING }, { "error", LOG_ERROR },
	{ "none", LOG_NONE },
};

/* Another word is "warning", as in Xray: people write "warn" */
static enum log_level parse_loglevel(struct jobj *o)
{
	const char *word = j_str(o, "loglevel", "");
	size_t i = 0;

	while (i < ARRAY_SIZE(log_words) &&
	       strcasecmp(log_words[i].word, word) != 0)
		i++;
	if (i < ARRAY_SIZE(log_words))
		return (enum log_level)log_words[i].value;
	if (*word)
		diag_warning(o->d, j_get(o, "loglevel"), NULL,
			     "\"%.32s\" means warning; known are debug, info, "
			     "warning, error and none",
			     word);
	return LOG_WARNING;
}

static const char *keep(struct config *cfg, const char *text)
{
	return text ? arena_strdup(&cfg->arena, text) : NULL;
}

void parse_log(struct diag *d, const cJSON *node, struct config *cfg)
{
	struct log_conf *log = &cfg->log;
	const char *mask;
	struct jobj o;

	log->level = LOG_WARNING;
	log->mask = LOG_MASK_NONE;
	log->access = "none"; /* Xray: no log object, no access log */
	if (!j_open(&o, d, node))
		return;
	log->access = keep(cfg, j_str(&o, "access", NULL));
	if (log->access && !log->access[0])
		log->access = NULL; /* as Xray: the console */
	log->error = keep(cfg, j_str(&o, "error", NULL));
	if (log->error && !log->error[0])
		log->error = NULL;
	log->level = parse_loglevel(&o);
	log->dns_log = j_bool(&o, "dnsLog", false);
	mask = j_str(&o, "maskAddress", "");
	if (*mask && log_mask_parse(&log->mask, mask) < 0)
		diag_error(d, j_get(&o, "maskAddress"), NULL,
			   "must be half, quarter, full or bits like /16+/64 "
			   "(of IPv4 in steps of 8)");
	if (log->level == LOG_NONE)
		log->access = "none";
	j_close(&o);
}

int app_log_setup(const struct config *cfg)
{
	const struct log_conf *log = &cfg->log;

	log_mask_set(log->mask);
	return log_setup(log->level, log->error, log->access);
}

#define BUFFER_LEAST 4096 /* one page: less costs a call for each packet */

static uint32_t parse_seconds(struct jobj *o, const char *key, uint32_t def_ms)
{
	return (uint32_t)j_int(o, key, def_ms / 1000, 0, 86400) * 1000;
}

/* Xray's KiB of a connection; below 0 without limit, 0 as little as can be */
static uint32_t parse_buffer(struct jobj *o)
{
	int64_t kib = j_int(o, "bufferSize", -1, INT32_MIN, 1 << 20);

	if (kib < 0)
		return 0;
	return kib ? (uint32_t)kib << 10 : BUFFER_LEAST;
}

static void parse_level(struct diag *d, const cJSON *node, struct config *cfg)
{
	struct policy_level *l = &cfg->levels[cfg->level_count];
	struct policy p = POLICY_DEFAULT;
	struct jobj o;
	char *end;
	unsigned long long level = strtoull(node->string, &end, 10);

	/* strtoull() takes signs and blanks */
	if (*end || *node->string < '0' || *node->string > '9' ||
	    level > UINT32_MAX) {
		diag_error(d, node, NULL, "a level is a number, got \"%s\"",
			   node->string);
		return;
	}
	if (!j_open(&o, d, node))
		return;
	p.handshake_ms = parse_seconds(&o, "handshake", p.handshake_ms);
	p.idle_ms = parse_seconds(&o, "connIdle", p.idle_ms);
	p.uplink_only_ms = parse_seconds(&o, "uplinkOnly", p.uplink_only_ms);
	p.downlink_only_ms =
		parse_seconds(&o, "downlinkOnly", p.downlink_only_ms);
	p.buffer_bytes = parse_buffer(&o);
	p.user_up = j_bool(&o, "statsUserUplink", false);
	p.user_down = j_bool(&o, "statsUserDownlink", false);
	p.user_online = j_bool(&o, "statsUserOnline", false);
	j_close(&o);
	*l = (struct policy_level){ (uint32_t)level, p };
	cfg->level_count++;
}

static void parse_system(struct diag *d, const cJSON *node, struct config *cfg)
{
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	cfg->stat_in_up = j_bool(&o, "statsInboundUplink", false);
	cfg->stat_in_down = j_bool(&o, "statsInboundDownlink", false);
	cfg->stat_out_up = j_bool(&o, "statsOutboundUplink", false);
	cfg->stat_out_down = j_bool(&o, "statsOutboundDownlink", false);
	j_close(&o);
}

void parse_policy(struct diag *d, const cJSON *node, struct config *cfg)
{
	const cJSON *level;
	struct jobj o, levels;

	/* The last one is what a level without an entry gets */
	cfg->levels[CONFIG_LEVELS - 1].policy = POLICY_DEFAULT;
	if (!j_open(&o, d, node))
		return;
	j_open(&levels, d, j_get(&o, "levels"));
	cJSON_ArrayForEach(level, levels.node)
	{
		if (cfg->level_count == CONFIG_LEVELS - 1) {
			diag_error(d, level, NULL, "more than %d levels",
				   CONFIG_LEVELS - 1);
			break;
		}
		parse_level(d, level, cfg);
	}
	parse_system(d, j_get(&o, "system"), cfg);
	j_close(&o);
}

const struct policy *config_policy(const struct config *c, uint32_t level)
{
	for (unsigned int i = 0; i < c->level_count; i++)
		if (c->levels[i].level == level)
			return &c->levels[i].policy;
	return &c->levels[CONFIG_LEVELS - 1].policy;
}
