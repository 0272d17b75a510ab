/* parse_in.c - The inbounds section: what all inbounds have in common */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/core/match.h"
#include "gateway/core/stats.h"
#include "proxy/wire/proxy_head.h"

static void parse_listen(struct jobj *o, struct inbound *ib, struct config *cfg)
{
	static const uint8_t any6[16];
	static const uint8_t loop4[4] = { 127, 0, 0, 1 };
	const char *text = j_str_env(o, "listen", "");

	ib->port_count = j_ports(o, "port", ib->ports, INBOUND_PORTS);
	if (!text[0] || !strcmp(text, "0.0.0.0") || !strcmp(text, "::") ||
	    !strcmp(text, "[::]")) {
		ib->listen = (struct addr){ .kind = ADDR_V6 };
		memcpy(ib->listen.ip, any6, sizeof(any6));
	} else if (!strcasecmp(text, "localhost")) {
		ib->listen = addr_v4(loop4, 0);
	} else if (text[0] == '/' || text[0] == '@') {
		const char *path = arena_strdup(&cfg->arena, text);

		ib->listen = addr_name(path, strlen(text), 0);
	} else if (addr_parse_literal(&ib->listen, text) < 0) {
		diag_error(o->d, j_get(o, "listen"), NULL,
			   "must be an IP address, localhost, a path or @name, "
			   "got \"%s\"",
			   text);
	}
}

static struct counter *bound_stat(struct config *cfg, bool on, const char *kind,
				  const char *tag, const char *way)
{
	if (!cfg->stats_on || !on || !tag[0])
		return NULL;
	return stat_traffic(kind, tag, way);
}

static bool tag_taken(const struct config *cfg, const char *tag)
{
	for (unsigned int i = 0; tag[0] && i < cfg->inbound_count; i++)
		if (!strcmp(cfg->inbounds[i]->tag, tag))
			return true;
	return false;
}

static const struct inbound_ops *inbound_kind(struct jobj *o)
{
	const char *protocol = j_need_str(o, "protocol"), *near;
	const struct inbound_ops *ops;

	if (!protocol[0])
		return NULL;
	ops = registry_inbound(protocol);
	if (ops)
		return ops;
	if (registry_not_yet(protocol))
		diag_error(o->d, j_get(o, "protocol"), NULL,
			   "inbound \"%s\" is not supported yet", protocol);
	else
		diag_error(o->d, j_get(o, "protocol"), NULL,
			   "unknown inbound \"%s\"; there are: %s", protocol,
			   registry_inbound_names());
	near = registry_near(registry_inbound_names(), protocol);
	if (near)
		diag_help(o->d, "did you mean \"%s\"?", near);
	return NULL;
}

static void parse_settings(struct jobj *o, struct inbound *ib,
			   struct config *cfg)
{
	struct jobj settings;

	if (!j_open(&settings, o->d, j_get(o, "settings"))) {
		o->d->around = o->node; /* what is missing is missing there */
		o->d->around_key = "settings";
	}
	ib->level = (uint32_t)j_int(&settings, "userLevel", 0, 0, UINT32_MAX);
	ib->policy = config_policy(cfg, ib->level);
	if (ib->ops->parse(ib, &settings, cfg) == 0 && settings.node)
		j_close(&settings);
	o->d->around = NULL;
}

void parse_inbound(struct diag *d, const cJSON *node, struct config *cfg)
{
	struct inbound *ib = arena_alloc(&cfg->arena, sizeof(*ib));
	struct jobj o;

	if (!ib || !j_open(&o, d, node))
		return;
	ib->node = node;
	ib->tag = arena_strdup(&cfg->arena, j_str(&o, "tag", ""));
	if (!ib->tag)
		return;
	if (tag_taken(cfg, ib->tag))
		diag_error(d, node, "tag",
			   "\"%s\" is the tag of another inbound", ib->tag);
	ib->ops = inbound_kind(&o);
	if (!ib->ops)
		return;
	ib->sockopt = SOCKOPT_DEFAULT;
	parse_listen(&o, ib, cfg);
	ib->transport = parse_stream(&o, &ib->sockopt, true, cfg);
	if (ib->sockopt.accept_proxy_protocol)
		ib->head = proxy_head_decode;
	sniffing_parse(d, j_get(&o, "sniffing"), &ib->sniffing);
	j_ignore(&o, "allocate", "every port of \"port\" is listened to");
	cfg->inbounds[cfg->inbound_count++] = ib;
	parse_settings(&o, ib, cfg);
	ib->stat_up =
		bound_stat(cfg, cfg->stat_in_up, "inbound", ib->tag, "uplink");
	ib->stat_down = bound_stat(cfg, cfg->stat_in_down, "inbound", ib->tag,
				   "downlink");
	j_close(&o);
}

void parse_inbounds(struct diag *d, const struct merged *m, struct config *cfg)
{
	size_t n = m->inbound_count + LISTENERS_OWN;

	cfg->inbounds = arena_alloc(&cfg->arena, n * sizeof(void *));
	for (unsigned int i = 0; cfg->inbounds && i < m->inbound_count; i++)
		parse_inbound(d, m->inbounds[i], cfg);
}
