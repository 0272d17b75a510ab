/*
 * raw.c - The bottom of every stack: kernel TCP, by itself or through a dialer
 *
 * Source: xray.md sections H and L
 */
#include <strings.h>
#include <unistd.h>

#include "gateway/core/dest.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/session.h"
#include "gateway/core/transport.h"
#include "proxy/transport/chain.h"
#include "proxy/transport/happy.h"
#include "proxy/transport/raw_http.h"
#include "proxy/transport/transports.h"

static const struct sockopt sockopt_default = SOCKOPT_DEFAULT;

void parse_proxy_head(struct transport *t, struct jobj *o)
{
	bool on = j_bool(o, "acceptProxyProtocol", false);

	if (on && !t->server)
		diag_warning(o->d, o->node, "acceptProxyProtocol",
			     "has no effect: only listeners read a PROXY "
			     "header");
	t->proxy_head = on && t->server;
}

/* tcpSettings, rawSettings: header.type "none" or "http" */
static int raw_parse(struct transport *t, struct jobj *settings,
		     struct config *cfg)
{
	const char *type;
	struct jobj h;

	parse_proxy_head(t, settings);
	if (!j_open(&h, settings->d, j_get(settings, "header")))
		return 0;
	type = j_str(&h, "type", "none");
	if (!strcasecmp(type, "http"))
		t->settings = raw_http_parse(&h, cfg);
	else if (strcasecmp(type, "none") != 0)
		diag_error(h.d, j_get(&h, "type"), NULL,
			   "must be \"none\" or \"http\"");
	j_ignore(&h, "request", NULL);
	j_ignore(&h, "response", NULL);
	j_close(&h);
	return 0;
}

/* A head before the first bytes, when one is configured. Owns *@s on success */
static int raw_wrap(const struct transport *t, uint32_t id, struct stream **s)
{
	return t->settings ? raw_http_wrap(t->settings, t->server, id, s) : 0;
}

/* The same of what was dialed; it is closed when it fails */
static int wrap_dialed(const struct transport *t, const struct dial *d,
		       struct stream **out)
{
	int rc = raw_wrap(t, d->s ? d->s->id : 0, out);

	if (rc < 0)
		stream_close(out, rc);
	return rc;
}

int raw_dial(const struct dial *d, const struct addr *to,
	     const struct sockopt *so, enum domain_strategy strategy,
	     struct stream **out)
{
	if (d->ob && d->ob->dialer)
		return chain_dial(d, to, strategy, out);
	return happy_dial(d, to, so ? so : &sockopt_default, strategy, out);
}

/* A server's address of the configuration; a client's names have no such bytes */
static bool to_unix(const struct dial *d, const struct addr *to)
{
	return to->kind == ADDR_NAME && sock_is_unix(to->name) && d->ob &&
	       !d->ob->ops->local;
}

static int raw_dial_server(const struct transport *t, const struct dial *d,
			   const struct addr *to, struct stream **out)
{
	const struct sockopt *so = d->ob ? &d->ob->sockopt : &sockopt_default;
	uint8_t strategy = so->domain_strategy;
	int rc;

	/* freedom under a mask: its targets are looked up as it says */
	if (d->ob && d->ob->ops->local && d->ob->target_strategy != DS_AS_IS)
		strategy = d->ob->target_strategy;

	if (to_unix(d, to))
		rc = dest_dial_unix(to->name, d, out);
	else
		rc = raw_dial(d, to, so, (enum domain_strategy)strategy, out);
	return rc < 0 ? rc : wrap_dialed(t, d, out);
}

static int raw_accept(const struct transport *t, struct worker *w,
		      struct stream *below, struct stream **out)
{
	(void)w;
	*out = below;
	return raw_wrap(t, 0, out);
}

const struct transport_ops transport_raw_ops = {
	.name = "raw",
	.alias = "tcp",
	.key = "rawSettings",
	.key_alias = "tcpSettings",
	.parse = raw_parse,
	.dial = raw_dial_server,
	.accept = raw_accept,
};

static int head_dial(const struct transport *t, const struct dial *d,
		     const struct addr *to, struct stream **out)
{
	int rc = transport_dial(t->below, d, to, out);

	return rc < 0 ? rc : wrap_dialed(t, d, out);
}

const struct transport_ops transport_tcp_ops = {
	.name = "tcp",
	.dial = raw_dial_server,
	.accept = raw_accept,
};

const struct transport_ops transport_raw_head_ops = {
	.name = "http head",
	.dial = head_dial,
	.accept = raw_accept,
};

const struct transport transport_raw = { .ops = &transport_raw_ops };

int transport_dial(const struct transport *t, const struct dial *d,
		   const struct addr *to, struct stream **out)
{
	return t->ops->dial(t, d, to, out);
}

bool transport_secure(const struct transport *t)
{
	for (; t; t = t->below)
		if (t->ops->secure || (t->ops->secret && t->ops->secret(t)))
			return true;
	return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the stack of levels */
int transport_accept(const struct transport *t, struct worker *w,
		     struct stream *below, struct stream **out)
{
	struct stream *s = below;
	int err;

	if (t && t->below) {
		err = transport_accept(t->below, w, below, &s);
		if (err < 0)
			return err;
	}
	if (t)
		return t->ops->accept(t, w, s, out);
	*out = s;
	return 0;
}

/* The level that must know its client first; NULL: none must */
static const struct transport *meeter(const struct transport *t)
{
	while (t && !t->ops->meet)
		t = t->below;
	return t;
}

bool transport_serves(const struct transport *t)
{
	return t && (t->ops->serve || meeter(t));
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the stack of levels */
static int accept_above(const struct transport *t,
			const struct transport *level, struct worker *w,
			struct stream **s)
{
	int rc = 0;

	if (t == level)
		return 0;
	if (t->below)
		rc = accept_above(t->below, level, w, s);
	return rc ? rc : t->ops->accept(t, w, *s, s);
}

/* @level: the uppermost that stands; NULL: none does */
int transport_met(const struct transport *top, const struct transport *level,
		  struct worker *w, struct stream *s, const struct birth *b)
{
	bool serves = top->ops->serve;
	int rc = accept_above(serves ? top->below : top, level, w, &s);

	if (rc == 0)
		rc = serves ? top->ops->serve(top, w, s, b) : b->born(b, w, s);
	if (rc < 0)
		stream_close(&s, rc);
	return rc;
}

int transport_serve(const struct transport *t, struct worker *w,
		    struct stream *below, const struct birth *b)
{
	const struct transport *m = meeter(t);
	int rc = 0;

	if (!m)
		return transport_met(t, NULL, w, below, b);
	if (m->below)
		rc = transport_accept(m->below, w, below, &below);
	if (rc == 0)
		return m->ops->meet(m, t, w, below, b);
	stream_close(&below, rc);
	return rc;
}
