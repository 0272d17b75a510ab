/* parse_stream.c - streamSettings: network, security, sockopt */
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/core/sockopt.h"
#include "gateway/core/transport.h"

static const struct jword networks[] = {
	{ "raw", 0 },	      { "tcp", 0 },	    { "ws", 1 },
	{ "websocket", 1 },   { "httpupgrade", 1 }, { "grpc", 1 },
	{ "xhttp", 1 },	      { "splithttp", 1 },   { "kcp", 1 },
	{ "mkcp", 1 },	      { "hysteria", 1 },
};

static const struct jword securities[] = {
	{ "", 0 }, { "none", 0 }, { "tls", 1 }, { "reality", 1 },
};

static void parse_raw(struct jobj *o, const char *key)
{
	struct jobj raw, header;

	if (!j_open(&raw, o->d, j_get(o, key)))
		return;
	if (j_open(&header, o->d, j_get(&raw, "header"))) {
		const char *type = j_str(&header, "type", "none");

		if (strcasecmp(type, "none") != 0)
			diag_error(o->d, header.node, "type",
				   "must be none (http is not supported yet), got \"%s\"",
				   type);
		j_close(&header);
	}
	if (j_bool(&raw, "acceptProxyProtocol", false))
		diag_error(o->d, raw.node, "acceptProxyProtocol",
			   "not supported yet");
	j_close(&raw);
}

const struct transport *parse_stream(struct jobj *o, struct sockopt *so,
				     struct config *cfg)
{
	static const char *const later[] = {
		"tlsSettings",	"realitySettings", "wsSettings",
		"grpcSettings", "xhttpSettings",   "splithttpSettings",
		"kcpSettings",	"hysteriaSettings", "httpupgradeSettings",
		"finalmask",
	};
	struct jobj s, opt;
	const char *key;

	if (!j_open(&s, o->d, j_get(o, "streamSettings")))
		return NULL;
	key = j_get(&s, "method") ? "method" : "network";
	if (j_word(&s, key, networks, ARRAY_SIZE(networks), 0))
		diag_error(o->d, j_get(&s, key), NULL,
			   "only raw (tcp) is supported yet");
	if (j_word(&s, "security", securities, ARRAY_SIZE(securities), 0))
		diag_error(o->d, j_get(&s, "security"), NULL,
			   "only none is supported yet");
	parse_raw(&s, "rawSettings");
	parse_raw(&s, "tcpSettings");
	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		j_not_yet(&s, later[i], "not yet");
	j_open(&opt, o->d, j_get(&s, "sockopt"));
	sockopt_parse(&opt, so, &cfg->arena);
	if (opt.node)
		j_close(&opt);
	j_get(&s, "network");
	j_close(&s);
	return &transport_raw;
}
