/*
 * freedom.c - Direct: to the target itself
 *
 * TCP: transport's raw dial (names raced, marked, bound). UDP: one unconnected
 * dual-stack socket a client address:port, so that any remote may answer; the
 * core resolves names before they come here (ops->local).
 * Source: xray.md section I
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "gateway/core/sockopt.h"
#include "gateway/core/transport.h"
#include "gateway/core/udp.h"
#include "proxy/layer/fragment.h"
#include "proxy/layer/head.h"
#include "proxy/out/final.h"
#include "proxy/out/noise.h"
#include "proxy/out/out.h"
#include "proxy/out/redirect.h"
#include "proxy/out/swallow.h"
#include "proxy/wire/proxy_head.h"

/**
 * struct freedom_conf - Settings
 * @strategy:	Its own domainStrategy; the outbound's targetStrategy wins
 * @redirect:	kind NONE keeps the host, port 0 keeps the port
 * @proxy_version:	Of the PROXY header that goes first; 0: none
 */
struct freedom_conf {
	enum domain_strategy strategy;
	bool redirects;
	uint8_t proxy_version;
	struct addr redirect;
	struct final_rules final;
	struct noises noises;
	const struct fragment_conf *fragment; /* NULL: none */
};

/* What a PROXY header tells. @peer: the connected address is asked for */
struct proxy_ends {
	uint8_t version;
	bool peer;
	struct addr from, to;
};

static enum domain_strategy strategy_of(const struct outbound *ob)
{
	const struct freedom_conf *conf = ob->settings;

	return ob->target_strategy != DS_AS_IS ?
		       (enum domain_strategy)ob->target_strategy :
		       conf->strategy;
}

static size_t proxy_fill(void *arg, struct stream *below, uint8_t *out)
{
	const struct proxy_ends *e = arg;
	const struct watch *w = e->peer && below->ops->watch ?
					below->ops->watch(below, ST_WRITE) :
					NULL;
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct addr to = e->to;

	_Static_assert(PROXY_HEAD_OUT_MAX <= HEAD_FILL_MAX, "it fits");
	if (w && !getpeername(w->fd, (struct sockaddr *)&ss, &len))
		to = addr_from_sockaddr(&ss);
	return proxy_head_encode(e->version, &e->from, &to, out);
}

/* A PROXY header before everything. On failure *@out is closed */
static int put_proxy_head(const struct outbound *ob, const struct session *s,
			  const struct addr *to, struct stream **out)
{
	static const struct head_ops ops = { .name = "proxy",
					     .fill = proxy_fill };
	const struct freedom_conf *conf = ob->settings;
	struct proxy_ends *e = malloc(sizeof(*e));
	struct stream *st = NULL;

	if (e) {
		*e = (struct proxy_ends){ .version = conf->proxy_version,
					  .peer = !ob->dialer,
					  .from = s->source };
		if (addr_is_ip(to))
			e->to = *to;
		st = head_new(&ops, *out, NULL, 0, e, s->id);
	}
	if (!st) {
		stream_close(out, -ENOMEM);
		return -ENOMEM;
	}
	*out = st;
	return 0;
}

/* On failure *@out is closed */
static int put_fragment(const struct freedom_conf *conf, struct session *s,
			struct stream **out)
{
	struct stream *st = fragment_new(conf->fragment, *out, s->job.worker);

	if (!st) {
		stream_close(out, -ENOMEM);
		return -ENOMEM;
	}
	*out = st;
	return 0;
}

/* finalRules; in the log once for each address that is asked about */
static bool freedom_may_reach(const struct outbound *ob, struct reach *r,
			      const struct addr *to)
{
	const struct freedom_conf *conf = ob->settings;
	char text[ADDR_TEXT_MAX], which[32];
	struct addr a = *to;
	uint32_t rule;

	if (r->net == NET_UDP && conf->redirects)
		redirect_apply(&conf->redirect, &a);
	/* datagrams of a redirect to a name: the filter sees its address */
	if (!addr_is_ip(&a))
		return r->net == NET_UDP ||
		       !final_any(&conf->final, r->stranger);
	if (final_allows(&conf->final, r, &a, &rule))
		return true;
	snprintf(which, sizeof(which), "finalRules[%u]", rule);
	log_info("s%x freedom: [%s] %s:%s blocked by final rule (%s)", r->id,
		 ob->tag, r->net == NET_UDP ? "udp" : "tcp",
		 addr_format(&a, text, sizeof(text)),
		 rule != FINAL_IMPLIED     ? which :
		 r->stranger == REACH_BACK ? "none allows what comes back" :
					     "private, from outside");
	return false;
}

static int dial_target(const struct outbound *ob, struct session *s,
		       const struct addr *to, struct stream **out)
{
	struct reach r = ses_reach(s);
	struct dial d = { .worker = s->job.worker,
			  .job = &s->job,
			  .cfg = s->cfg,
			  .ob = ob,
			  .s = s,
			  .stranger = r.stranger };

	if (ob->transport->below || ob->transport->settings) /* tls, ws ... */
		return transport_dial(ob->transport, &d, to, out);
	return raw_dial(&d, to, &ob->sockopt, strategy_of(ob), out);
}

/* Dial, if rules let us; what they forbid is swallowed */
static int dial_by_rules(const struct outbound *ob, struct session *s,
			 const struct addr *to, struct stream **out)
{
	const struct freedom_conf *conf = ob->settings;
	struct reach r = ses_reach(s);
	struct stream *below = NULL;
	int rc;

	if (!final_any(&conf->final, r.stranger))
		return dial_target(ob, s, to, out);
	if (addr_is_ip(to)) {
		if (freedom_may_reach(ob, &r, to))
			return dial_target(ob, s, to, out);
		s->block_ms = r.block_ms;
		rc = -EFORBIDDEN;
	} else { /* forbidden by what its name becomes, now or later */
		rc = dial_target(ob, s, to, &below);
	}
	if (rc < 0 && (rc != -EFORBIDDEN || !s->block_ms))
		return rc;
	return swallow_new(s, below, out);
}

static int freedom_open(const struct outbound *ob, struct session *s,
			struct stream **out)
{
	const struct freedom_conf *conf = ob->settings;
	struct addr to = s->target;
	int rc;

	if (conf->redirects)
		redirect_apply(&conf->redirect, &to);
	rc = dial_by_rules(ob, s, &to, out);
	if (!rc && conf->proxy_version)
		rc = put_proxy_head(ob, s, &to, out);
	if (!rc && conf->fragment)
		rc = put_fragment(conf, s, out);
	return rc;
}

/* A socket for all destinations of a client; *@family says which it is */
static int open_udp(const struct outbound *ob, const struct session *s,
		    int *family)
{
	struct addr src = send_through_pick(ob, s);
	int fd, rc;

	*family = AF_INET6;
	fd = sock_open(&ob->sockopt, AF_INET6, SOCK_DGRAM);
	if (fd == -EAFNOSUPPORT) {
		*family = AF_INET;
		fd = sock_open(&ob->sockopt, AF_INET, SOCK_DGRAM);
	}
	if (fd < 0 || src.kind == ADDR_NONE)
		return fd;
	rc = send_through_bind(ob, fd, &src);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

/* What datagrams pass: noises, redirect, rules, socket. Owns @d */
static int wrap_dgram(const struct freedom_conf *conf, const struct session *s,
		      struct worker *w, struct dgram *d, struct dgram **out)
{
	uint8_t stranger = ses_reach(s).stranger;
	int rc = 0;

	if (final_any(&conf->final, stranger))
		rc = final_dgram(&conf->final, stranger, d, &d);
	if (!rc && conf->redirects)
		rc = redirect_dgram(w, s->cfg, &conf->redirect, d, &d);
	if (!rc && conf->noises.count)
		rc = noise_dgram(w, &conf->noises, d, &d);
	if (!rc)
		*out = d;
	return rc;
}

/* A socket, or a leg of the dialer. 0 with *@out, or -errno */
static int open_below(const struct outbound *ob, struct udp_map *m,
		      struct session *s, struct dgram **out)
{
	int family, fd;

	if (ob->dialer)
		return outbound_dial_dgram(ob, m, s, out);
	fd = open_udp(ob, s, &family);
	if (fd < 0) {
		log_info("s%x freedom: udp socket: %s", s->id, strerror(-fd));
		return fd;
	}
	*out = fd_dgram_new(udp_map_worker(m), fd, family, udp_map_job(m));
	if (*out)
		return 0;
	close(fd);
	return -ENOMEM;
}

static int freedom_open_dgram(const struct outbound *ob, struct udp_map *m,
			      struct session *s, struct dgram **out)
{
	struct dgram *d;
	int rc = open_below(ob, m, s, &d);

	return rc < 0 ? rc :
			wrap_dgram(ob->settings, s, udp_map_worker(m), d, out);
}

static int parse_fragment(struct jobj *settings, struct freedom_conf *conf,
			  struct arena *a)
{
	struct fragment_conf *f;
	struct jobj o;
	int rc;

	if (!j_open(&o, settings->d, j_get(settings, "fragment")))
		return 0;
	f = arena_alloc(a, sizeof(*f));
	if (!f)
		return -ENOMEM;
	rc = fragment_parse(&o, false, f, a);
	j_close(&o);
	conf->fragment = f;
	return rc;
}

/* Keys of Xray's freedom that are not done here */
static void parse_later(struct jobj *o)
{
	if (j_get(o, "noise"))
		diag_error(o->d, o->node, "noise",
			   "was replaced by noises in Xray");
	j_ignore(o, "ipsBlocked", "Xray has replaced it by finalRules");
	j_ignore(o, "timeout", "policy connIdle is used");
	(void)j_int(o, "userLevel", 0, 0, UINT32_MAX);
}

static int freedom_parse(struct outbound *ob, struct jobj *settings,
			 struct config *cfg)
{
	struct freedom_conf *conf = arena_alloc(&cfg->arena, sizeof(*conf));
	enum domain_strategy own, target;
	const char *text;
	int rc;

	if (!conf)
		return -ENOMEM;
	own = ds_parse(settings, "domainStrategy");
	target = ds_parse(settings, "targetStrategy");
	conf->strategy = target != DS_AS_IS ? target : own;
	/* UDP targets are resolved by the core, which looks there */
	if (ob->target_strategy == DS_AS_IS)
		ob->target_strategy = (uint8_t)conf->strategy;
	text = j_str(settings, "redirect", "");
	if (*text) {
		rc = redirect_parse(text, &cfg->arena, &conf->redirect);
		if (rc == -ENOMEM)
			return rc;
		if (rc < 0)
			diag_error(settings->d, settings->node, "redirect",
				   "\"%s\" is not host:port, :port or host:0",
				   text);
		conf->redirects = !rc;
	}
	conf->proxy_version =
		(uint8_t)j_int(settings, "proxyProtocol", 0, 0, 2);
	parse_later(settings);
	ob->settings = conf;
	rc = parse_fragment(settings, conf, &cfg->arena);
	if (!rc)
		rc = noises_parse(settings, &conf->noises, &cfg->arena);
	return rc ? rc : final_parse(settings, &conf->final, &cfg->arena);
}

static void freedom_drop(struct outbound *ob)
{
	struct freedom_conf *conf = ob->settings;

	if (conf)
		final_drop(&conf->final);
}

const struct outbound_ops out_freedom = {
	.name = "freedom",
	.alias = "direct",
	.local = true,
	.parse = freedom_parse,
	.open = freedom_open,
	.open_dgram = freedom_open_dgram,
	.may_reach = freedom_may_reach,
	.drop = freedom_drop,
};
