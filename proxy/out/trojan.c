/*
 * trojan.c - Trojan client
 *
 *   TCP  key, command, target, then the stream as it is: the layer is spent
 *	  once its head is out; the server says nothing of its own
 *   UDP  one stream for all destinations: each packet carries its address
 *
 * Source: docs/wire/trojan.md; xray.md sections K and 2.5
 */
#include "proxy/wire/trojan.h"
#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/out/fan.h"
#include "proxy/out/out.h"
#include "proxy/out/server.h"

struct trojan_conf {
	struct server_conf server; /* must be first */
	uint8_t key[TROJAN_KEY_BYTES];
};

static const struct head_ops trojan_head = { .name = "trojan" };

/* A stream to the server that asks for @target */
static int trojan_dial(const struct dial *d, enum trojan_command command,
		       const struct addr *target, struct stream **out)
{
	const struct trojan_conf *conf = d->ob->settings;
	struct trojan_request rq = { .key = conf->key,
				     .command = command,
				     .to = *target };
	uint8_t head[TROJAN_HEAD_MAX];
	ssize_t n = trojan_request_encode(&rq, head, sizeof(head));

	return server_open(d, &trojan_head, head, n, out);
}

static int trojan_open(const struct outbound *ob, struct session *s,
		       struct stream **out)
{
	struct dial d = server_dial(ob, s);

	return trojan_dial(&d, TROJAN_TCP, &s->target, out);
}

static int trojan_dial_udp(const struct dial *d, const struct addr *peer,
			   struct stream **out)
{
	return trojan_dial(d, TROJAN_UDP, peer, out);
}

static const struct fan_ops trojan_fan = { .tube = &tube_trojan,
					   .dial = trojan_dial_udp };

static int trojan_open_dgram(const struct outbound *ob, struct udp_map *m,
			     struct session *s, struct dgram **out)
{
	return fan_open(&trojan_fan, ob, m, s, out);
}

static int trojan_user(struct jobj *u, struct server_conf *server,
		       struct arena *a)
{
	struct trojan_conf *conf =
		container_of(server, struct trojan_conf, server);
	const char *password = j_need_str(u, "password");

	(void)a;
	if (*j_str(u, "flow", ""))
		j_not_yet(u, "flow", "xtls flows");
	return *password ? trojan_key(password, conf->key) : 0;
}

static int trojan_parse(struct outbound *ob, struct jobj *settings,
			struct config *cfg)
{
	static const struct server_form form = {
		.list = "servers",
		.need_tls = true,
		.user = trojan_user,
		.conf_bytes = sizeof(struct trojan_conf),
	};

	return server_parse(ob, settings, cfg, &form);
}

static void trojan_drop(struct outbound *ob)
{
	struct trojan_conf *conf = ob->settings;

	if (conf)
		wipe(conf->key, sizeof(conf->key));
}

const struct outbound_ops out_trojan = {
	.name = "trojan",
	.parse = trojan_parse,
	.open = trojan_open,
	.open_dgram = trojan_open_dgram,
	.drop = trojan_drop,
};
