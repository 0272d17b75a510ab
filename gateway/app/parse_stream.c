/*
 * parse_stream.c - streamSettings: a stack of transports, and socket options
 *
 * network ws over security tls becomes ws -> tls -> raw. Levels read their own
 * settings; what belongs to a level that is not in the stack is ignored with a
 * warning, as people leave it in when they switch.
 */
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/core/sockopt.h"

/* Members of streamSettings that some network or security reads */
static const char *const settings_keys[] = {
	"rawSettings",   "tcpSettings",       "tlsSettings",
	"wsSettings",    "realitySettings",   "grpcSettings",
	"xhttpSettings", "splithttpSettings", "httpupgradeSettings",
	"kcpSettings",   "hysteriaSettings",
};

static bool key_is(const char *key, const char *name)
{
	return name && !strcasecmp(key, name);
}

static bool in_stack(const struct transport *t, const char *key)
{
	for (; t; t = t->below)
		if (key_is(key, t->ops->key) || key_is(key, t->ops->key_alias))
			return true;
	return false;
}

static void ignore_others(struct jobj *s, const struct transport *top)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings_keys); i++)
		if (!in_stack(top, settings_keys[i]))
			j_ignore(s, settings_keys[i],
				 "not for this network and security");
}

/* Note @t to be dropped with @cfg */
static int keep_level(struct config *cfg, struct transport *t)
{
	unsigned int n = cfg->transport_count;
	struct transport **all = cfg->transports;

	if (!(n &
	      (n - 1))) { /* full at powers of two; the arena keeps the old */
		all = arena_alloc(&cfg->arena, (n ? 2 * n : 1) * sizeof(*all));
		if (!all)
			return -ENOMEM;
		if (n)
			memcpy(all, cfg->transports, n * sizeof(*all));
		cfg->transports = all;
	}
	all[n] = t;
	cfg->transport_count++;
	return 0;
}

/* One level on top of @below. NULL after a complaint */
static struct transport *add_level(struct jobj *s,
				   const struct transport_ops *ops,
				   const struct transport *below, bool server,
				   const char *alpn, struct config *cfg)
{
	struct transport *t = arena_alloc(&cfg->arena, sizeof(*t));
	const cJSON *node = ops->key ? j_get(s, ops->key) : NULL;
	struct jobj settings;

	if (!t)
		return NULL;
	if (!node && ops->key_alias)
		node = j_get(s, ops->key_alias);
	*t = (struct transport){
		.ops = ops, .below = below, .server = server, .alpn = alpn
	};
	if (keep_level(cfg, t) < 0)
		return NULL;
	j_open(&settings, s->d, node);
	if (ops->parse && ops->parse(t, &settings, cfg) < 0)
		return NULL;
	if (settings.node)
		j_close(&settings);
	return t;
}

/* The word of @key as a kind, or NULL (reported unless it is @none) */
static const struct transport_ops *
pick(struct jobj *s, const char *key, const char *def,
     const struct transport_ops *(*find)(const char *name), const char *names)
{
	const char *word = j_str(s, key, def);
	const struct transport_ops *ops = find(word);

	if (ops || !word[0] || !strcasecmp(word, "none"))
		return ops;
	if (registry_not_yet(word))
		diag_error(s->d, j_get(s, key), NULL,
			   "\"%s\" is not supported yet", word);
	else
		diag_error(s->d, j_get(s, key), NULL,
			   "must be one of %s, got \"%s\"", names, word);
	return NULL;
}

/* The heads of raw are written inside of what @top encrypts: they move up */
static struct transport *lift_head(struct jobj *s, struct transport *raw,
				   struct transport *top, bool server,
				   struct config *cfg)
{
	struct transport *head =
		add_level(s, registry_raw_head(), top, server, NULL, cfg);

	if (head) {
		head->settings = raw->settings;
		raw->settings = NULL;
	}
	return head;
}

/* One of finalmask.tcp on @top; NULL after a complaint */
static struct transport *add_mask(struct jobj *mask, struct transport *top,
				  bool server, struct config *cfg)
{
	const char *type = j_need_str(mask, "type");
	const struct transport_ops *ops = registry_mask(type);

	if (!*type)
		return NULL;
	if (ops && !server && top->ops != ops)
		return add_level(mask, ops, top, server, NULL, cfg);
	j_get(mask, "settings");
	diag_error(mask->d, j_get(mask, "type"), NULL,
		   "not supported: there is one \"fragment\", of outbounds");
	return NULL;
}

/* finalmask: what stands right above the socket. @top when there is nothing */
static struct transport *add_masks(struct jobj *s, struct transport *top,
				   bool server, struct config *cfg)
{
	const cJSON *node;
	struct jobj o, mask;

	if (!j_open(&o, s->d, j_get(s, "finalmask")))
		return top;
	cJSON_ArrayForEach(node, j_array(&o, "tcp"))
	{
		if (!top || !j_open(&mask, s->d, node))
			continue;
		top = add_mask(&mask, top, server, cfg);
		j_close(&mask);
	}
	if (cJSON_GetArraySize(j_array(&o, "udp")) > 0)
		j_not_yet(&o, "udp", "only for kcp");
	j_ignore(&o, "quicParams", "nothing here is QUIC");
	j_close(&o);
	return top;
}

static const struct transport *parse_levels(struct jobj *s, bool server,
					    struct config *cfg)
{
	const char *key = j_get(s, "method") ? "method" : "network";
	const struct transport_ops *network =
		pick(s, key, "raw", registry_network, registry_network_names());
	const struct transport_ops *security = pick(
		s, "security", "none", registry_security, "none, tls, reality");
	const struct transport_ops *raw = registry_network("raw");
	const struct transport_ops *lowest = network;
	struct transport *top, *low;
	bool bottom = network && network->listen;

	j_get(s, "network"); /* known also when method is there */
	if (bottom && security && security != registry_security("tls"))
		diag_error(s->d, j_get(s, "security"), NULL,
			   "%s cannot have it: \"tls\" or \"none\"",
			   network->name);
	if (!bottom)
		lowest = !network || network == raw ? raw : registry_tcp();
	low = add_level(s, lowest, NULL, server, NULL, cfg);
	top = low;
	if (top && !bottom)
		top = add_masks(s, top, server, cfg);
	if (top && security)
		top = add_level(s, security, top, server,
				network ? network->alpn : NULL, cfg);
	if (top && network && network != raw && !bottom)
		top = add_level(s, network, top, server, NULL, cfg);
	else if (top && top != low && !bottom && low->settings)
		top = lift_head(s, low, top, server, cfg);
	ignore_others(s, top);
	return top;
}

/* Its own address and port; a name is kept in the arena. False after a complaint */
static bool parse_to(struct jobj *s, struct addr *to, struct config *cfg)
{
	struct addr a;

	if (!j_addr(s, "address", &a))
		return false;
	a.port = (uint16_t)j_int(s, "port", 0, 1, UINT16_MAX);
	if (!a.port) {
		if (!j_get(s, "port"))
			diag_error(s->d, s->node, "port", "is missing");
		return false;
	}
	if (a.kind == ADDR_NAME)
		a.name = arena_strndup(&cfg->arena, a.name, a.len);
	*to = a;
	return a.kind != ADDR_NAME || a.name;
}

static void parse_sockopt(struct jobj *s, struct sockopt *so,
			  struct config *cfg)
{
	struct jobj opt;

	j_open(&opt, s->d, j_get(s, "sockopt"));
	sockopt_parse(&opt, so, &cfg->arena);
	if (opt.node)
		j_close(&opt);
}

/* The second way that @t wants: as another outbound's streamSettings, of its kind */
static void parse_other(struct diag *d, const struct transport *t,
			const struct sockopt *so, struct config *cfg)
{
	struct transport_other *w = t->other;
	const struct transport *top;
	struct jobj s;

	if (!j_open(&s, d, w->node))
		return;
	top = parse_levels(&s, false, cfg);
	w->sockopt = SOCKOPT_DEFAULT;
	parse_sockopt(&s, &w->sockopt, cfg);
	if (so->penetrate)
		w->sockopt = *so;
	if (parse_to(&s, &w->to, cfg))
		w->top = top;
	if (top && top->ops != t->ops)
		diag_error(d, w->node, NULL, "must have network \"%s\"",
			   t->ops->name);
	if (top && top->other)
		diag_warning(d, top->other->node, NULL,
			     "has no effect inside of another one");
	j_close(&s);
}

/* Layers around datagrams, for a transport that sends some */
static void parse_masks(struct jobj *s, const struct transport *top,
			struct config *cfg)
{
	const struct transport *bottom = transport_bottom(top);
	struct jobj o;

	if (bottom && bottom->ops->masks &&
	    j_open(&o, s->d, j_get(s, "finalmask"))) {
		(void)bottom->ops->masks(bottom, &o, cfg);
		j_close(&o);
	}
}

/* A PROXY head stands before a stream of TCP */
static void check_head(struct jobj *s, struct sockopt *so,
		       const struct transport *top)
{
	const struct transport *bottom = transport_bottom(top);

	if (!so->accept_proxy_protocol || !bottom || !bottom->ops->listen)
		return;
	diag_warning(s->d, j_get(s, "sockopt"), "acceptProxyProtocol",
		     "has no effect: there is no head without TCP");
	so->accept_proxy_protocol = false;
}

const struct transport *parse_stream(struct jobj *o, struct sockopt *so,
				     bool server, struct config *cfg)
{
	const struct transport *top;
	struct jobj s;

	if (!j_open(&s, o->d, j_get(o, "streamSettings")))
		return NULL;
	top = parse_levels(&s, server, cfg);
	parse_masks(&s, top, cfg);
	parse_sockopt(&s, so, cfg);
	if (!server && so->accept_proxy_protocol)
		diag_warning(s.d, j_get(&s, "sockopt"), "acceptProxyProtocol",
			     "has no effect: only listeners read a PROXY "
			     "header");
	if (!server && so->trusted)
		diag_warning(s.d, j_get(&s, "sockopt"), "trustedXForwardedFor",
			     "has no effect: only listeners read it");
	check_head(&s, so, top);
	for (const struct transport *t = top; t; t = t->below) {
		so->accept_proxy_protocol |= t->proxy_head;
		if (t->other)
			parse_other(s.d, t, so, cfg);
	}
	j_ignore(&s, "address", "only for xhttp downloads");
	j_ignore(&s, "port", "only for xhttp downloads");
	j_close(&s);
	return top;
}
