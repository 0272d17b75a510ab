/*
 * vmess.c - VMess client, AEAD heads
 *
 *   TCP  a stream of chunks
 *   mux  command 3, no address: a connection to v1.mux.cool (proxy/mux)
 *   UDP  command 2 (ports 53 and 443; others come as XUDP in such a one):
 *	  a stream for each destination, a packet a chunk
 *
 * Source: docs/wire/vmess.md; xray.md sections K and 2.9
 */
#include <string.h>
#include <strings.h>

#include "gateway/base/crypto.h"
#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/layer/vmess_stream.h"
#include "proxy/out/fan.h"
#include "proxy/out/out.h"
#include "proxy/out/server.h"
#include "proxy/wire/uuid.h"

/**
 * struct vmess_conf - Settings
 * @security:	enum vmess_security
 * @auth_len, @no_end:	Experiments
 */
struct vmess_conf {
	struct server_conf server; /* must be first */
	struct vmess_user_key user;
	uint8_t security;
	bool auth_len, no_end;
};

static int vmess_dial(const struct dial *d, enum vmess_command command,
		      const struct addr *target, struct stream **out)
{
	const struct vmess_conf *conf = d->ob->settings;
	struct vmess_want v = { .command = command,
				.security = conf->security,
				.no_end = conf->no_end,
				.to = *target };
	struct stream *below;
	int rc = transport_dial(d->ob->transport, d, &conf->server.server,
				&below);

	if (rc < 0)
		return rc;
	vmess_want_options(&v, conf->auth_len);
	rc = vmess_client(&conf->user, &v, d->worker, below,
			  d->s ? d->s->id : 0, out);
	if (rc < 0)
		stream_close(&below, rc);
	return rc;
}

static int vmess_open(const struct outbound *ob, struct session *s,
		      struct stream **out)
{
	struct dial d = server_dial(ob, s);

	return vmess_dial(&d, ses_to_mux(&s->target) ? VMESS_MUX : VMESS_TCP,
			  &s->target, out);
}

static int vmess_dial_udp(const struct dial *d, const struct addr *peer,
			  struct stream **out)
{
	return vmess_dial(d, VMESS_UDP, peer, out);
}

static const struct fan_ops vmess_fan = { .tube = &tube_vmess,
					  .per_peer = true,
					  .dial = vmess_dial_udp };

static int vmess_open_dgram(const struct outbound *ob, struct udp_map *m,
			    struct session *s, struct dgram **out)
{
	return fan_open(&vmess_fan, ob, m, s, out);
}

/* Anything but the two ciphers is auto. Servers refuse what is in the clear
 * since Xray 26.7 */
static void parse_security(struct jobj *u, struct vmess_conf *conf)
{
	const char *word = j_str(u, "security", "");

	conf->security =
		compat_has_aes() ? VMESS_AES_128_GCM : VMESS_CHACHA20_POLY1305;
	if (!strcasecmp(word, "aes-128-gcm"))
		conf->security = VMESS_AES_128_GCM;
	else if (!strcasecmp(word, "chacha20-poly1305"))
		conf->security = VMESS_CHACHA20_POLY1305;
	else if (*word && strcasecmp(word, "auto") != 0)
		diag_warning(u->d, j_get(u, "security"), NULL,
			     "\"%s\" is sent as \"auto\"", word);
}

/* "A|B" */
static void parse_experiments(struct jobj *u, struct vmess_conf *conf)
{
	const char *s = j_str(u, "experiments", "");

	conf->auth_len = strstr(s, "AuthenticatedLength");
	conf->no_end = strstr(s, "NoTerminationSignal");
}

static int vmess_user(struct jobj *u, struct server_conf *server,
		      struct arena *a)
{
	struct vmess_conf *conf =
		container_of(server, struct vmess_conf, server);
	const char *id = j_need_str(u, "id");
	uint8_t uuid[16];
	int rc;

	(void)a;
	j_ignore_not0(u, "alterId", "heads are always AEAD");
	parse_security(u, conf);
	parse_experiments(u, conf);
	if (!*id)
		return 0;
	if (uuid_parse(id, uuid) < 0) {
		diag_error(u->d, j_get(u, "id"), NULL,
			   "must be a UUID or a text of at most 30 bytes");
		return 0;
	}
	rc = vmess_user_set(&conf->user, uuid);
	wipe(uuid, sizeof(uuid));
	return rc;
}

static int vmess_parse(struct outbound *ob, struct jobj *settings,
		       struct config *cfg)
{
	static const struct server_form form = {
		.list = "vnext",
		.need_user = true,
		.user = vmess_user,
		.conf_bytes = sizeof(struct vmess_conf),
	};

	return server_parse(ob, settings, cfg, &form);
}

static void vmess_drop(struct outbound *ob)
{
	struct vmess_conf *conf = ob->settings;

	if (conf)
		wipe(&conf->user, sizeof(conf->user));
}

const struct outbound_ops out_vmess = {
	.name = "vmess",
	.xudp = true,
	.parse = vmess_parse,
	.open = vmess_open,
	.open_dgram = vmess_open_dgram,
	.drop = vmess_drop,
};
