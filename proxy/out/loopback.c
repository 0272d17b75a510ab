/*
 * loopback.c - Send a session through routing again, under another inbound tag
 *
 * And through sniffing, when it has settings for that: what was sniffed before is
 * forgotten then, but for the name it led to.
 * Source: xray.md section J; Xray proxy/loopback. Dispatch limits how often.
 */
#include <errno.h>

#include "gateway/core/config.h"
#include "gateway/core/session.h"
#include "proxy/out/out.h"

struct loopback_conf {
	const char *tag; /* config arena */
	struct sniffing sniffing;
};

static int loopback_reroute(const struct outbound *ob, struct session *s)
{
	const struct loopback_conf *conf = ob->settings;

	s->inbound_tag = conf->tag;
	s->skip_dns = true;
	return conf->sniffing.enabled ? ses_sniff_again(s, &conf->sniffing) : 0;
}

static int loopback_parse(struct outbound *ob, struct jobj *settings,
			  struct config *cfg)
{
	struct loopback_conf *conf = arena_alloc(&cfg->arena, sizeof(*conf));

	if (!conf)
		return -ENOMEM;
	conf->tag =
		arena_strdup(&cfg->arena, j_str(settings, "inboundTag", ""));
	if (!conf->tag)
		return -ENOMEM;
	ob->settings = conf;
	sniffing_parse(settings->d, j_get(settings, "sniffing"),
		       &conf->sniffing);
	return 0;
}

static void loopback_drop(struct outbound *ob)
{
	struct loopback_conf *conf = ob->settings;

	if (conf)
		sniffing_drop(&conf->sniffing);
}

const struct outbound_ops out_loopback = {
	.name = "loopback",
	.parse = loopback_parse,
	.reroute = loopback_reroute,
	.drop = loopback_drop,
};
