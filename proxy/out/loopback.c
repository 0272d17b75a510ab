/*
 * loopback.c - Send a session through routing again, under another inbound tag
 *
 * Source: xray.md section J. Dispatch limits how often.
 */
#include <errno.h>

#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/out/out.h"

struct loopback_conf {
	const char *tag; /* config arena */
};

static int loopback_reroute(const struct outbound *ob, struct session *s)
{
	const struct loopback_conf *conf = ob->settings;

	s->inbound_tag = conf->tag;
	s->skip_dns = true;
	return 0;
}

static int loopback_parse(struct outbound *ob, struct jobj *settings,
			  struct config *cfg)
{
	struct loopback_conf *conf = arena_alloc(&cfg->arena, sizeof(*conf));
	struct jobj sn;

	if (!conf)
		return -ENOMEM;
	conf->tag =
		arena_strdup(&cfg->arena, j_str(settings, "inboundTag", ""));
	if (!conf->tag)
		return -ENOMEM;
	if (j_open(&sn, settings->d, j_get(settings, "sniffing")) &&
	    j_bool(&sn, "enabled", false))
		j_not_yet(settings, "sniffing",
			  "what the first inbound's sniffing found is kept");
	ob->settings = conf;
	return 0;
}

const struct outbound_ops out_loopback = {
	.name = "loopback",
	.parse = loopback_parse,
	.reroute = loopback_reroute,
};
