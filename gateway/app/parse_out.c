/* parse_out.c - The outbounds section: what all outbounds have in common */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/core/send_through.h"
#include "gateway/core/sockopt.h"
#include "gateway/core/stats.h"
#include "gateway/core/transport.h"
#include "proxy/mux/mux.h"

static const char *proxy_tag(struct jobj *o)
{
	struct jobj p;
	const char *tag = NULL;

	if (!j_open(&p, o->d, j_get(o, "proxySettings")))
		return NULL;
	tag = j_str(&p, "tag", NULL);
	j_ignore(&p, "transportLayer",
		 NULL); /* ours always keeps the transport */
	j_close(&p);
	return tag;
}

static void parse_send_through(struct jobj *o, struct outbound *ob)
{
	const char *text = j_str(o, "sendThrough", "");

	if (!text[0] || !strcmp(text, "0.0.0.0") || !strcmp(text, "::"))
		return;
	if (send_through_parse(ob, text) < 0)
		diag_error(o->d, j_get(o, "sendThrough"), NULL,
			   "must be an IP address, a prefix, \"origin\" or "
			   "\"srcip\", got \"%s\"",
			   text);
}

static void mux_settings(struct jobj *o, struct mux_conf *conf)
{
	static const struct jword words[] = {
		{ "reject", MUX443_REJECT },
		{ "allow", MUX443_ALLOW },
		{ "skip", MUX443_SKIP },
	};

	conf->enabled = j_bool(o, "enabled", false);
	conf->concurrency =
		(int)j_int(o, "concurrency", 0, INT16_MIN, MUX_CONCURRENCY_MAX);
	if (!conf->concurrency)
		conf->concurrency = MUX_CONCURRENCY;
	conf->xudp = (int)j_int(o, "xudpConcurrency", 0, INT16_MIN,
				MUX_CONCURRENCY_MAX);
	conf->udp443 = (enum mux_udp443)j_word(
		o, "xudpProxyUDP443", words, ARRAY_SIZE(words), MUX443_REJECT);
}

/* Mux goes around any outbound; XUDP without mux around some */
static void parse_mux(struct jobj *o, struct outbound *ob, struct config *cfg)
{
	struct mux_conf *conf;
	struct jobj mux;
	bool given = j_open(&mux, o->d, j_get(o, "mux"));

	if (!given && !ob->ops->xudp)
		return;
	conf = arena_alloc(&cfg->arena, sizeof(*conf));
	if (!conf)
		return;
	if (given) {
		mux_settings(&mux, conf);
		j_close(&mux);
	}
	conf->solo = ob->ops->xudp;
	if (conf->enabled && ob->xudp_only && conf->concurrency > 0) {
		diag_warning(o->d, j_get(o, "mux"), NULL,
			     "TCP is not muxed with a flow");
		conf->concurrency = -1;
	}
	if (conf->enabled && !ob->ops->open) {
		diag_error(o->d, j_get(o, "mux"), "enabled",
			   "there is nothing to mux in \"%s\"", ob->ops->name);
		return;
	}
	if (!conf->enabled && !conf->solo)
		return;
	ob->wrap = &mux_wrap;
	ob->wrap_conf = conf;
}

static const struct outbound_ops *outbound_kind(struct jobj *o)
{
	const char *protocol = j_need_str(o, "protocol"), *near;
	const struct outbound_ops *ops;

	if (!protocol[0])
		return NULL;
	ops = registry_outbound(protocol);
	if (ops)
		return ops;
	if (registry_not_yet(protocol))
		diag_error(o->d, j_get(o, "protocol"), NULL,
			   "outbound \"%s\" is not supported yet", protocol);
	else
		diag_error(o->d, j_get(o, "protocol"), NULL,
			   "unknown outbound \"%s\"; there are: %s", protocol,
			   registry_outbound_names());
	near = registry_near(registry_outbound_names(), protocol);
	if (near)
		diag_help(o->d, "did you mean \"%s\"?", near);
	return NULL;
}

static struct counter *bound_stat(struct config *cfg, bool on, const char *tag,
				  const char *way)
{
	if (!cfg->stats_on || !on || !tag[0])
		return NULL;
	return stat_traffic("outbound", tag, way);
}

static void parse_settings(struct jobj *o, struct outbound *ob,
			   struct config *cfg)
{
	struct jobj settings;

	if (!j_open(&settings, o->d, j_get(o, "settings"))) {
		o->d->around = o->node; /* what is missing is missing there */
		o->d->around_key = "settings";
	}
	if (ob->ops->parse(ob, &settings, cfg) == 0 && settings.node)
		j_close(&settings);
	o->d->around = NULL;
}

static const char *parse_tag(struct jobj *o, struct config *cfg)
{
	const char *tag = arena_strdup(&cfg->arena, j_str(o, "tag", ""));

	if (tag && tag[0] && config_outbound(cfg, tag))
		diag_error(o->d, o->node, "tag",
			   "\"%s\" is the tag of another outbound", tag);
	return tag ? tag : "";
}

static void parse_outbound(struct diag *d, const cJSON *node,
			   struct config *cfg)
{
	struct outbound *ob = arena_alloc(&cfg->arena, sizeof(*ob));
	const char *proxy;
	struct jobj o;

	if (!ob || !j_open(&o, d, node))
		return;
	ob->node = node;
	ob->tag = parse_tag(&o, cfg);
	ob->ops = outbound_kind(&o);
	if (!ob->ops)
		return;
	ob->sockopt = SOCKOPT_DEFAULT;
	ob->transport = parse_stream(&o, &ob->sockopt, false, cfg);
	if (!ob->transport)
		ob->transport = &transport_raw;
	proxy = proxy_tag(&o);
	if (proxy && !ob->sockopt.dialer_proxy)
		ob->sockopt.dialer_proxy = arena_strdup(&cfg->arena, proxy);
	parse_send_through(&o, ob);
	ob->target_strategy = (uint8_t)ds_parse(&o, "targetStrategy");
	parse_mux(&o, ob, cfg);
	cfg->outbounds[cfg->outbound_count++] = ob;
	parse_settings(&o, ob, cfg);
	ob->stat_up = bound_stat(cfg, cfg->stat_out_up, ob->tag, "uplink");
	ob->stat_down =
		bound_stat(cfg, cfg->stat_out_down, ob->tag, "downlink");
	j_close(&o);
}

const struct outbound *config_outbound(const struct config *c, const char *tag)
{
	for (unsigned int i = 0; tag && i < c->outbound_count; i++)
		if (!strcmp(c->outbounds[i]->tag, tag))
			return c->outbounds[i];
	return NULL;
}

/* Where the tag of the dialer stands, for messages */
static const cJSON *dialer_node(const struct outbound *ob)
{
	const cJSON *at = cJSON_GetObjectItem(ob->node, "streamSettings");

	at = cJSON_GetObjectItem(cJSON_GetObjectItem(at, "sockopt"),
				 "dialerProxy");
	if (!at)
		at = cJSON_GetObjectItem(
			cJSON_GetObjectItem(ob->node, "proxySettings"), "tag");
	return at ? at : ob->node;
}

/* Chains are checked once: each link must exist and none may lead back */
static void link_dialer(struct diag *d, struct config *cfg, struct outbound *ob)
{
	const char *tag = ob->sockopt.dialer_proxy;
	const struct outbound *to = config_outbound(cfg, tag);
	const struct transport *bottom = transport_bottom(ob->transport);

	if (!tag || !tag[0])
		return;
	if (!to)
		diag_error(d, dialer_node(ob), NULL,
			   "no outbound has the tag \"%s\"", tag);
	else if (bottom && bottom->ops->listen)
		diag_error(d, dialer_node(ob), NULL,
			   "%s through another outbound is not supported",
			   bottom->ops->name);
	else
		ob->dialer = to;
}

/* The second way of a level dials as the outbound, but for sockopt and dialer */
static void link_others(struct diag *d, struct config *cfg,
			const struct outbound *ob)
{
	for (const struct transport *t = ob->transport; t; t = t->below) {
		struct transport_other *w = t->other;

		if (!w || !w->top)
			continue;
		w->ob = arena_alloc(&cfg->arena, sizeof(*w->ob));
		if (!w->ob)
			return;
		*w->ob = *ob;
		w->ob->sockopt = w->sockopt;
		w->ob->dialer = NULL;
		link_dialer(d, cfg, w->ob);
	}
}

/**
 * struct walk - Looking for a way of dialers back to @to
 * @seen:	By index: no need to look there again
 */
struct walk {
	const struct config *cfg;
	const struct outbound *to;
	bool *seen;
};

static bool leads_back(struct walk *w, const struct outbound *from);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as there are outbounds */
static bool step(struct walk *w, const struct outbound *next)
{
	if (!next)
		return false;
	if (next == w->to)
		return true;
	for (unsigned int i = 0; i < w->cfg->outbound_count; i++) {
		if (w->cfg->outbounds[i] != next)
			continue;
		if (w->seen[i])
			return false;
		w->seen[i] = true;
	}
	return leads_back(w, next);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as there are outbounds */
static bool leads_back(struct walk *w, const struct outbound *from)
{
	if (step(w, from->dialer))
		return true;
	for (const struct transport *t = from->transport; t; t = t->below)
		if (t->other && t->other->ob && step(w, t->other->ob->dialer))
			return true;
	return false;
}

static void check_chains(struct diag *d, struct config *cfg)
{
	size_t n = (cfg->outbound_count + 1) * sizeof(bool);
	struct walk w = { .cfg = cfg, .seen = arena_alloc(&cfg->arena, n) };

	for (unsigned int i = 0; w.seen && i < cfg->outbound_count; i++) {
		w.to = cfg->outbounds[i];
		memset(w.seen, 0, n);
		if (leads_back(&w, w.to))
			diag_error(d, dialer_node(w.to), NULL,
				   "dialerProxy leads back to \"%s\"",
				   w.to->tag);
	}
}

void parse_outbounds(struct diag *d, const struct merged *m, struct config *cfg)
{
	cfg->outbounds =
		arena_alloc(&cfg->arena, (m->outbound_count + OUTBOUNDS_OWN) *
						 sizeof(*cfg->outbounds));
	if (!cfg->outbounds)
		return; /* the arena remembers, and the build fails */
	for (unsigned int i = 0; i < m->outbound_count; i++)
		parse_outbound(d, m->outbounds[i], cfg);
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		link_dialer(d, cfg, cfg->outbounds[i]);
	for (unsigned int i = 0; i < cfg->outbound_count; i++)
		link_others(d, cfg, cfg->outbounds[i]);
	check_chains(d, cfg);
	if (m->outbound_count == 0)
		diag_error(d, NULL, "outbounds",
			   "there must be at least one outbound");
}
