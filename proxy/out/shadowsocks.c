/*
 * shadowsocks.c - Shadowsocks client: AEAD, 2022, none
 *
 * A stream is sealed in chunks by proxy/layer/ss_stream.c; method "none" is a
 * head (the target) and then the stream as it is. Datagrams: ss_udp.c.
 *
 * Source: docs/wire/shadowsocks.md, shadowsocks2022.md; xray.md section K
 */
#include "proxy/out/shadowsocks.h"

#include <errno.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/head.h"
#include "proxy/out/out.h"

static const struct head_ops none_head = { .name = "shadowsocks" };

/* Method "none" */
static struct stream *plain_client(const struct addr *to, struct stream *below,
				   uint32_t id)
{
	uint8_t head[ADDR_WIRE_MAX];
	ssize_t n = addr_wire_encode(ADDR_SS, to, head, sizeof(head));

	return n < 0 ? NULL :
		       head_new(&none_head, below, head, (size_t)n, NULL, id);
}

static int ss_open_stream(const struct outbound *ob, struct session *s,
			  struct stream **out)
{
	const struct ss_conf *conf = ob->settings;
	struct dial d = server_dial(ob, s);
	struct stream *below, *top;
	int rc =
		transport_dial(ob->transport, &d, &conf->server.server, &below);

	if (rc < 0)
		return rc;
	top = conf->key.method->aead == AEAD_NONE ?
		      plain_client(&s->target, below, s->id) :
		      ss_client(&conf->key, &s->target, d.worker, below, s->id);
	if (!top) {
		stream_close(&below, -ENOMEM);
		return -ENOMEM;
	}
	*out = top;
	return 0;
}

static int ss_user(struct jobj *u, struct server_conf *server, struct arena *a)
{
	struct ss_conf *conf = container_of(server, struct ss_conf, server);
	const char *method = j_need_str(u, "method");
	const char *password = j_str(u, "password", "");
	const struct ss_method *m = ss_method_find(method);
	int rc;

	(void)a;
	j_ignore(u, "uot", "UDP goes as datagrams");
	j_ignore(u, "uotVersion", NULL);
	(void)j_bool(u, "ivCheck", false);
	if (!*method)
		return 0;
	if (!m) {
		diag_error(u->d, j_get(u, "method"), NULL,
			   "unknown method \"%s\"", method);
		diag_help(u->d, "aes-128-gcm, aes-256-gcm, "
				"chacha20-ietf-poly1305, "
				"xchacha20-ietf-poly1305, none, and "
				"2022-blake3-{aes-128-gcm, aes-256-gcm, "
				"chacha20-poly1305}");
		return 0;
	}
	if (!*password && m->aead != AEAD_NONE) {
		diag_error(u->d, u->node, "password", "must not be empty");
		return 0;
	}
	rc = ss_secret_set(&conf->key, m, password);
	if (rc == -EINVAL) {
		diag_error(u->d, u->node, "password",
			   "must be base64 of %u bytes for this method",
			   m->key_len);
		return 0;
	}
	return rc;
}

static int ss_parse(struct outbound *ob, struct jobj *settings,
		    struct config *cfg)
{
	static const struct server_form form = {
		.list = "servers",
		.user = ss_user,
		.conf_bytes = sizeof(struct ss_conf),
	};

	return server_parse(ob, settings, cfg, &form);
}

static void ss_drop(struct outbound *ob)
{
	struct ss_conf *conf = ob->settings;

	if (conf)
		wipe(&conf->key, sizeof(conf->key));
}

const struct outbound_ops out_shadowsocks = {
	.name = "shadowsocks",
	.parse = ss_parse,
	.open = ss_open_stream,
	.open_dgram = ss_open_dgram,
	.drop = ss_drop,
};
