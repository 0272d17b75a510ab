/*
 * vless.c - VLESS client, without encryption of its own
 *
 *   TCP  request head with the first bytes; the server's head comes before its
 *	  first bytes, however late. Each direction passes through when its
 *	  head is done
 *   mux  command 3, no address: a connection to v1.mux.cool (proxy/mux)
 *   UDP  command 2 (ports 53 and 443; others come as XUDP in such a one):
 *	  a stream for each destination, a length before each packet
 *
 * Source: docs/wire/vless.md; xray.md sections K and 2.6
 */
#include <string.h>

#include "gateway/base/crypto.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/out/fan.h"
#include "proxy/out/out.h"
#include "proxy/out/server.h"
#include "proxy/wire/uuid.h"
#include "proxy/wire/vless.h"

struct vless_conf {
	struct server_conf server; /* must be first */
	uint8_t id[16];
};

static size_t answer_size(const uint8_t *p, size_t n)
{
	return n < 2 ? 2 : 2u + p[1];
}

static ssize_t answer_take(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	ssize_t used = vless_response_decode(p, n);

	(void)arg;
	if (used < 0)
		log_info("s%x vless: response version %u, want 0", id, p[0]);
	return used;
}

static const struct head_ops vless_head = { .name = "vless",
					    .size = answer_size,
					    .take = answer_take };

static int vless_dial(const struct dial *d, enum vless_command command,
		      const struct addr *target, struct stream **out)
{
	const struct vless_conf *conf = d->ob->settings;
	struct vless_request rq = { .command = command, .to = *target };
	uint8_t head[VLESS_HEAD_MAX];
	ssize_t n;

	memcpy(rq.id, conf->id, sizeof(rq.id));
	n = vless_request_encode(&rq, head, sizeof(head));
	wipe(rq.id, sizeof(rq.id));
	return server_open(d, &vless_head, head, n, out);
}

static int vless_open(const struct outbound *ob, struct session *s,
		      struct stream **out)
{
	struct dial d = server_dial(ob, s);

	return vless_dial(&d, ses_to_mux(&s->target) ? VLESS_MUX : VLESS_TCP,
			  &s->target, out);
}

static int vless_dial_udp(const struct dial *d, const struct addr *peer,
			  struct stream **out)
{
	return vless_dial(d, VLESS_UDP, peer, out);
}

static const struct fan_ops vless_fan = { .tube = &tube_vless,
					  .per_peer = true,
					  .dial = vless_dial_udp };

static int vless_open_dgram(const struct outbound *ob, struct udp_map *m,
			    struct session *s, struct dgram **out)
{
	return fan_open(&vless_fan, ob, m, s, out);
}

static void parse_flow(struct jobj *u)
{
	const char *flow = j_str(u, "flow", "");

	if (!*flow)
		return;
	if (!strncmp(flow, "xtls-rprx-vision", 16))
		diag_error(u->d, j_get(u, "flow"), NULL,
			   "flow \"%s\" (Vision) is not supported yet", flow);
	else
		diag_error(u->d, j_get(u, "flow"), NULL, "unknown flow \"%s\"",
			   flow);
}

static int vless_user(struct jobj *u, struct server_conf *server,
		      struct arena *a)
{
	struct vless_conf *conf =
		container_of(server, struct vless_conf, server);
	const char *id = j_need_str(u, "id");
	const char *encryption = j_need_str(u, "encryption");

	(void)a;
	if (*id && uuid_parse(id, conf->id) < 0)
		diag_error(u->d, j_get(u, "id"), NULL,
			   "must be a UUID or a text of at most 30 bytes");
	if (*encryption && strcmp(encryption, "none") != 0)
		diag_error(u->d, j_get(u, "encryption"), NULL,
			   "must be \"none\"; others are not supported yet");
	parse_flow(u);
	j_not_yet(u, "reverse", "reverse proxies");
	j_ignore(u, "testpre", "no connections are made ahead");
	j_ignore(u, "testseed", "only for Vision");
	return 0;
}

static int vless_parse(struct outbound *ob, struct jobj *settings,
		       struct config *cfg)
{
	static const struct server_form form = {
		.list = "vnext",
		.need_user = true,
		.need_tls = true,
		.user = vless_user,
		.conf_bytes = sizeof(struct vless_conf),
	};

	return server_parse(ob, settings, cfg, &form);
}

static void vless_drop(struct outbound *ob)
{
	struct vless_conf *conf = ob->settings;

	if (conf)
		wipe(conf->id, sizeof(conf->id));
}

const struct outbound_ops out_vless = {
	.name = "vless",
	.xudp = true,
	.parse = vless_parse,
	.open = vless_open,
	.open_dgram = vless_open_dgram,
	.drop = vless_drop,
};
