/*
 * trojan.c - Trojan client
 *
 *   TCP  key, command, target, then the stream as it is: the layer is spent
 *	  once its head is out; the server says nothing of its own
 *   UDP  one stream for all destinations: each packet carries its address
 *
 * Source: docs/wire/trojan.md; xray.md sections K and 2.5
 */
#include <errno.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/out/fan.h"
#include "proxy/out/out.h"
#include "proxy/out/server.h"
#include "proxy/wire/trojan.h"

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
	struct stream *below;
	int rc;

	if (n < 0)
		return (int)n;
	rc = transport_dial(d->ob->transport, d, &conf->server.server, &below);
	if (rc < 0)
		return rc;
	*out = head_new(&trojan_head, below, head, (size_t)n, NULL,
			d->s ? d->s->id : 0);
	if (!*out)
		stream_close(&below, -ENOMEM);
	wipe(head, sizeof(head));
	return *out ? 0 : -ENOMEM;
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
	struct trojan_conf *conf = arena_alloc(&cfg->arena, sizeof(*conf));
	int rc;

	if (!conf)
		return -ENOMEM;
	ob->settings = conf;
	rc = server_parse(settings, "servers", false, trojan_user,
			  &conf->server, &cfg->arena);
	if (!rc)
		server_need_tls(ob, settings, &conf->server);
	return rc;
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
