/* registry.c - Every kind of inbound and outbound: one line adds one */
#include <string.h>
#include <strings.h>

#include "gateway/app/app.h"
#include "gateway/base/text.h"
#include "proxy/in/in.h"
#include "proxy/out/out.h"
#include "proxy/transport/transports.h"

static const struct inbound_ops *const inbounds[] = {
	&in_tun,    &in_dokodemo, &in_socks, &in_http,      &in_shadowsocks,
	&in_trojan, &in_vless,    &in_vmess, &in_wireguard,
};

static const struct outbound_ops *const outbounds[] = {
	&out_freedom, &out_blackhole, &out_dns,         &out_loopback,
	&out_socks,   &out_http,      &out_shadowsocks, &out_trojan,
	&out_vless,   &out_vmess,     &out_wireguard,
};

static const struct transport_ops *const networks[] = {
	&transport_raw_ops,  &transport_ws_ops,    &transport_httpupgrade_ops,
	&transport_grpc_ops, &transport_xhttp_ops, &transport_kcp_ops,
};

static const struct transport_ops *const securities[] = {
	&transport_tls_ops,
	&transport_reality_ops,
};

/* Xray has them, culvert does not */
static const struct {
	const char *protocol, *why;
} not_yet[] = {
	{ "hysteria", "not yet" },
};

const struct inbound_ops *registry_inbound(const char *protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(inbounds); i++) {
		const struct inbound_ops *ops = inbounds[i];

		if (!strcasecmp(ops->name, protocol) ||
		    (ops->alias && !strcasecmp(ops->alias, protocol)))
			return ops;
	}
	return NULL;
}

const struct outbound_ops *registry_outbound(const char *protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(outbounds); i++) {
		const struct outbound_ops *ops = outbounds[i];

		if (!strcasecmp(ops->name, protocol) ||
		    (ops->alias && !strcasecmp(ops->alias, protocol)))
			return ops;
	}
	return NULL;
}

static bool is_named(const struct transport_ops *ops, const char *name)
{
	return !strcasecmp(ops->name, name) ||
	       (ops->alias && !strcasecmp(ops->alias, name));
}

const struct transport_ops *registry_network(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		if (is_named(networks[i], name))
			return networks[i];
	return NULL;
}

const struct transport_ops *registry_mask(const char *name)
{
	return !strcasecmp(name, transport_fragment_ops.name) ?
		       &transport_fragment_ops :
		       NULL;
}

const struct transport_ops *registry_security(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(securities); i++)
		if (is_named(securities[i], name))
			return securities[i];
	return NULL;
}

const struct transport_ops *registry_tcp(void)
{
	return &transport_tcp_ops;
}

const struct transport_ops *registry_raw_head(void)
{
	return &transport_raw_head_ops;
}

static void names_add(char *text, size_t size, const char *name)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
}

/* The word of "a, b, c" that is next to @word; NULL: none is near */
const char *registry_near(const char *names, const char *word)
{
	static char found[32];
	unsigned int best = TEXT_FAR;
	char one[32];

	found[0] = '\0';
	for (size_t n; *names; names += n + strspn(names + n, ", ")) {
		n = strcspn(names, ", ");
		snprintf(one, sizeof(one), "%.*s", (int)(n < 31 ? n : 31),
			 names);
		if (text_nearer(word, one, &best))
			memcpy(found, one, sizeof(found));
	}
	return found[0] ? found : NULL;
}

const char *registry_inbound_names(void)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(inbounds); i++)
		names_add(text, sizeof(text), inbounds[i]->name);
	return text;
}

const char *registry_outbound_names(void)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(outbounds); i++)
		names_add(text, sizeof(text), outbounds[i]->name);
	return text;
}

const char *registry_network_names(void)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		names_add(text, sizeof(text), networks[i]->name);
	return text;
}

const char *registry_not_yet(const char *protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(not_yet); i++)
		if (!strcasecmp(not_yet[i].protocol, protocol))
			return not_yet[i].why;
	return NULL;
}
