/*
 * parse_api.c - The sections api and metrics
 *
 * Each becomes an outbound with its tag, for routing rules, and with "listen" an
 * inbound of its own.
 * Source: Xray infra/conf/api.go, metrics.go
 */
#include <errno.h>
#include <string.h>

#include "gateway/api/api.h"
#include "gateway/app/app.h"
#include "gateway/app/errand.h"
#include "gateway/core/dest.h"
#include "gateway/core/sockopt.h"
#include "proxy/mux/mux.h"

static const struct jword service_words[] = {
	{ "StatsService", API_STATS },
	{ "HandlerService", API_HANDLER },
	{ "RoutingService", API_ROUTING },
	{ "LoggerService", API_LOGGER },
	{ "ObservatoryService", API_OBSERVATORY },
	{ "ReflectionService", API_REFLECTION },
};

static void parse_services(struct jobj *o, struct api_conf *c)
{
	struct jlist l;

	j_list(o, "services", &l);
	while (j_list_next(o, &l)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(service_words) &&
		       strcasecmp(service_words[i].word, l.text) != 0)
			i++;
		if (i == ARRAY_SIZE(service_words))
			diag_warning(o->d, l.node, NULL,
				     "there is no service \"%s\"", l.text);
		else if (service_words[i].value == API_REFLECTION)
			diag_warning(o->d, l.node, NULL,
				     "ReflectionService is not served");
		else
			c->services |= (uint32_t)service_words[i].value;
	}
}

/* "host:port", ":port", a port, "/path", "@name": to @ib. 0 or -EINVAL, -ENOMEM */
static int parse_place(const cJSON *node, struct inbound *ib, struct arena *a)
{
	static const uint8_t any6[16];
	struct dest to = { .unix_path = NULL };
	cJSON port = { .type = cJSON_String };
	const char *text = cJSON_IsString(node) ? node->valuestring : "";
	int rc;

	port.valuestring = cJSON_IsString(node) ? node->valuestring + 1 : NULL;
	rc = dest_parse(*text == ':' ? &port : node, &to, a);
	if (rc < 0)
		return rc;
	if (to.unix_path) {
		ib->listen = addr_name(to.unix_path, strlen(to.unix_path), 0);
		return 0;
	}
	if (to.to.kind == ADDR_NAME)
		return -EINVAL;
	ib->ports[0].lo = ib->ports[0].hi = to.to.port;
	ib->port_count = 1;
	ib->listen = *text == ':' ? addr_v6(any6, 0) : to.to;
	ib->listen.port = 0;
	return 0;
}

static bool is_loopback(const struct addr *a)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return a->kind == ADDR_NAME ||
	       (a->kind == ADDR_V4 && a->ip[0] == 127) ||
	       (a->kind == ADDR_V6 && !memcmp(a->ip, v6, sizeof(v6)));
}

/* A listener, kept until the other inbounds are read. NULL: none, or wrong */
static struct inbound *parse_listen(struct jobj *o, const char *tag,
				    const struct transport *t,
				    struct config *cfg)
{
	const cJSON *node = j_get(o, "listen");
	struct inbound *ib;
	int rc;

	if (!node || (cJSON_IsString(node) && !node->valuestring[0]))
		return NULL;
	ib = arena_alloc(&cfg->arena, sizeof(*ib));
	if (!ib)
		return NULL;
	ib->ops = &api_inbound;
	ib->tag = tag;
	ib->policy = config_policy(cfg, 0);
	ib->sockopt = SOCKOPT_DEFAULT;
	ib->transport = t;
	rc = parse_place(node, ib, &cfg->arena);
	if (rc == -EINVAL)
		diag_error(o->d, node, NULL,
			   "must be ADDRESS:PORT, a path or @name");
	else if (!rc && t != &clash_transport && !is_loopback(&ib->listen))
		diag_warning(o->d, node, NULL,
			     "whoever reaches this port needs no password");
	return rc ? NULL : ib;
}

/* What may not be replaced: the API's by metrics, or one that reverse needs */
static bool is_needed(const struct config *cfg, const struct outbound *ob)
{
	if (ob->ops == &api_outbound || ob->ops == &mux_portal)
		return true;
	for (const struct reverse *v = cfg->reverses; v; v = v->next)
		if (v->ob == ob)
			return true;
	return false;
}

/* The outbound @tag, which is not ours yet. NULL: there is none */
static struct outbound *find_replaced(struct jobj *o, const struct config *cfg,
				      const char *tag)
{
	for (unsigned int i = 0; i < cfg->outbound_count; i++) {
		struct outbound *ob = cfg->outbounds[i];

		if (strcmp(ob->tag, tag) != 0)
			continue;
		if (is_needed(cfg, ob))
			diag_error(o->d, o->node, "tag",
				   "\"%s\" is the tag of %s", tag,
				   ob->ops == &api_outbound ?
					   "\"api\"" :
				   ob->ops == &mux_portal ?
					   "a client's \"reverse\"" :
					   "an outbound with \"reverse\"");
		else
			diag_warning(o->d, o->node, "tag",
				     "the outbound \"%s\" is replaced, as in "
				     "Xray",
				     tag);
		return ob;
	}
	return NULL;
}

/* An outbound with this tag; one that has it already is replaced, as in Xray */
static void add_outbound(struct jobj *o, struct config *cfg, const char *tag,
			 const struct outbound_ops *ops)
{
	struct outbound *ob = find_replaced(o, cfg, tag);

	if (!ob) {
		ob = arena_alloc(&cfg->arena, sizeof(*ob));
		if (!ob || !cfg->outbounds)
			return;
		cfg->outbounds[cfg->outbound_count++] = ob;
	}
	if (ob->ops && ob->ops->drop)
		ob->ops->drop(ob);
	*ob = (struct outbound){ .ops = ops,
				 .tag = tag,
				 .transport = &transport_raw,
				 .sockopt = SOCKOPT_DEFAULT };
}

static void setup_logs(const struct config *cfg)
{
	(void)app_log_setup(cfg);
}

static int reopen_logs(struct worker *w, struct message *back)
{
	return errand_give(setup_logs, w, back);
}

static void parse_api_object(struct diag *d, const cJSON *node,
			     struct config *cfg)
{
	struct api_conf *c;
	const char *tag;
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	c = arena_alloc(&cfg->arena, sizeof(*c));
	tag = arena_strdup(&cfg->arena, j_need_str(&o, "tag"));
	if (!c || !tag)
		return;
	c->reopen_logs = reopen_logs;
	parse_services(&o, c);
	cfg->own_listeners[0] = parse_listen(&o, tag, &api_transport, cfg);
	add_outbound(&o, cfg, tag, &api_outbound);
	cfg->api = c;
	j_close(&o);
}

static void parse_metrics(struct diag *d, const cJSON *node, struct config *cfg)
{
	const char *tag;
	struct jobj o;

	if (!j_open(&o, d, node))
		return;
	tag = arena_strdup(&cfg->arena, j_str(&o, "tag", ""));
	if (!tag)
		return;
	if (!*tag && !*j_str(&o, "listen", ""))
		diag_error(d, node, NULL, "must have \"tag\" or \"listen\"");
	if (!*tag)
		tag = "Metrics";
	cfg->own_listeners[1] = parse_listen(&o, tag, &metrics_transport, cfg);
	add_outbound(&o, cfg, tag, &metrics_outbound);
	j_close(&o);
}

/* Without a secret nobody from outside may come */
static void check_clash(const struct clash_conf *c, const struct inbound *ib,
			struct jobj *o)
{
	if (ib && !c->secret[0] && !is_loopback(&ib->listen)) {
		diag_error(o->d, o->node, "secret",
			   "is needed where others than this host can come");
		diag_help(o->d, "whoever comes sees all connections, and may "
				"end them");
	}
}

void parse_clash(struct jobj *host, struct config *cfg)
{
	const cJSON *node = j_get(host, "clashApi");
	struct clash_conf *c;
	const char *ui;
	struct jobj o;

	if (!node || !j_open(&o, host->d, node))
		return;
	c = arena_alloc(&cfg->arena, sizeof(*c));
	if (!c)
		return;
	c->secret = arena_strdup(&cfg->arena, j_str(&o, "secret", ""));
	if (c->secret && strlen(c->secret) > CLASH_SECRET_MAX)
		diag_error(o.d, j_get(&o, "secret"), NULL, "at most %d bytes",
			   CLASH_SECRET_MAX);
	ui = j_str(&o, "ui", "");
	if (*ui)
		c->ui = arena_strdup(&cfg->arena, ui);
	if (!j_get(&o, "listen"))
		diag_error(o.d, node, "listen", "is missing: 127.0.0.1:9090");
	cfg->own_listeners[2] =
		parse_listen(&o, "clash-api", &clash_transport, cfg);
	if (c->secret) {
		check_clash(c, cfg->own_listeners[2], &o);
		cfg->clash = c;
	}
	j_close(&o);
}

void parse_api(struct diag *d, const struct merged *m, struct config *cfg)
{
	parse_api_object(d, m->api, cfg);
	parse_metrics(d, m->metrics, cfg);
}

void parse_api_listeners(struct config *cfg)
{
	for (size_t i = 0; i < ARRAY_SIZE(cfg->own_listeners); i++)
		if (cfg->own_listeners[i] && cfg->inbounds)
			cfg->inbounds[cfg->inbound_count++] =
				cfg->own_listeners[i];
}
