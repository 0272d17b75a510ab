/*
 * wireguard.c - Through a WireGuard tunnel: TCP and UDP of our own stack inside
 *
 *   target -> (name: built-in DNS by domainStrategy) -> stack of this worker
 *          -> packets -> proxy/layer/wg
 *
 * A name's addresses are tried in their order until one connects. Once there is a
 * connection this layer sheds. UDP: a port of the tunnel's address a client's
 * address and port; the core resolves names (ops->local).
 * Source: docs/wire/wireguard.md; Xray-core, proxy/wireguard/client.go
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/ipstack.h"
#include "gateway/core/session.h"
#include "gateway/core/sockopt.h"
#include "gateway/core/transport.h"
#include "gateway/core/udp.h"
#include "proxy/layer/wg.h"
#include "proxy/out/out.h"

/**
 * struct wg_out - Settings
 * @wg:		One reference
 */
struct wg_out {
	struct wg_conf conf;
	struct wg *wg;
};

/**
 * struct wg_dial - A connection to a name, until it is one
 * @stack:	Lives as long as the configuration, which the session holds
 * @dns:	The question, while @asking; its answers, tried up to @next
 * @round:	Of the strategy
 * @err:	Why the last address did not connect; final once nothing is left
 */
struct wg_dial {
	struct stream s;
	struct worker *worker;
	struct config *cfg;
	struct ipstack *stack;
	struct addr to;
	struct dns_req dns;
	enum domain_strategy strategy;
	uint8_t round, next;
	bool asking;
	int err;
};

static struct wg_dial *dial_of(struct stream *s)
{
	return container_of(s, struct wg_dial, s);
}

/* Ask by this round and the next, until one has an answer or is waited for */
static int ask(struct wg_dial *d)
{
	int rc = -ENOENT;

	while (rc < 0 && rc != -EAGAIN) {
		unsigned int families = ds_families(d->strategy, d->round++);

		if (!families)
			return rc;
		rc = dns_ask(d->worker, d->cfg, &d->dns, d->s.job, d->to.name,
			     families, 0);
	}
	return rc;
}

/* Connect to the next address. 0: under way; -errno: none is left */
static int connect_next(struct wg_dial *d)
{
	int rc = d->err ? d->err : -EHOSTUNREACH;

	while (d->next < d->dns.count) {
		struct addr a = dns_ip_addr(&d->dns.ips[d->next++], d->to.port);

		rc = ipstack_ops.connect(d->stack, &a, d->s.job, &d->s.below);
		if (!rc)
			return 0;
	}
	return rc;
}

/* 0, -EAGAIN or why there is no address */
static int answer(struct wg_dial *d)
{
	int rc;

	if (!d->asking)
		return 0;
	rc = d->dns.rc;
	if (rc < 0 && rc != -EAGAIN)
		rc = ask(d);
	if (rc == -EAGAIN)
		return rc;
	d->asking = false;
	dns_cancel(&d->dns);
	return rc;
}

/* 0: connected, or on its way to an address that may still answer */
static int under_way(struct wg_dial *d)
{
	struct stream *b = d->s.below;
	uint8_t none;
	ssize_t rc;

	if (!b)
		return connect_next(d);
	if (b->ops->up(b))
		return 0;
	rc = stream_read(b, &none, 1); /* tells only how it stands */
	if (rc == -EAGAIN)
		return 0;
	d->err = rc < 0 ? (int)rc : -ECONNRESET;
	stream_close(&d->s.below, -ECANCELED);
	return connect_next(d);
}

/* 0: something is below to be asked. -EAGAIN, -errno */
static int dial_step(struct wg_dial *d)
{
	int rc = answer(d);

	return rc ? rc : under_way(d);
}

static ssize_t dial_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = dial_step(dial_of(s));

	return rc ? rc : s->below->ops->readv(s->below, iov, cnt);
}

static ssize_t dial_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = dial_step(dial_of(s));

	return rc ? rc : s->below->ops->writev(s->below, iov, cnt);
}

static void dial_want(struct stream *s, unsigned int events)
{
	/* an answer marks the job by itself */
	if (s->below)
		s->below->ops->want(s->below, events);
}

static bool dial_up(const struct stream *s)
{
	return s->below && s->below->ops->up(s->below);
}

static int dial_finish(struct stream *s)
{
	int rc = dial_step(dial_of(s));

	return rc ? rc : s->below->ops->finish(s->below);
}

static void dial_free(struct wg_dial *d)
{
	if (d->asking)
		dns_cancel(&d->dns);
	free(d);
}

static void dial_close(struct stream *s, int why)
{
	stream_close(&s->below, why);
	dial_free(dial_of(s));
}

static struct stream *dial_shed(struct stream *s)
{
	struct stream *below = s->below;

	if (!dial_up(s))
		return NULL;
	dial_free(dial_of(s));
	return below;
}

static const struct stream_ops dial_ops = {
	.name = "wireguard",
	.readv = dial_readv,
	.writev = dial_writev,
	.want = dial_want,
	.up = dial_up,
	.finish = dial_finish,
	.close = dial_close,
	.shed = dial_shed,
};

static int dial_name(const struct outbound *ob, struct session *s,
		     struct ipstack *stack, struct stream **out)
{
	struct wg_dial *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	d->s = (struct stream){ .ops = &dial_ops, .job = &s->job };
	d->worker = s->job.worker;
	d->cfg = s->cfg;
	d->stack = stack;
	d->to = s->target;
	d->strategy = (enum domain_strategy)ob->target_strategy;
	rc = ask(d);
	d->asking = rc == -EAGAIN;
	if (rc < 0 && !d->asking) {
		log_info("s%x wireguard: no address for %s: %s", s->id,
			 d->to.name, strerror(-rc));
		dial_free(d);
		return rc;
	}
	*out = &d->s;
	return 0;
}

static int wg_open(const struct outbound *ob, struct session *s,
		   struct stream **out)
{
	const struct wg_out *conf = ob->settings;
	struct ipstack *stack;
	int rc = wg_stack(conf->wg, s->job.worker, &stack);

	if (rc < 0)
		return rc;
	if (addr_is_ip(&s->target))
		return ipstack_ops.connect(stack, &s->target, &s->job, out);
	return dial_name(ob, s, stack, out);
}

static int wg_open_dgram(const struct outbound *ob, struct udp_map *m,
			 struct session *s, struct dgram **out)
{
	const struct wg_out *conf = ob->settings;
	struct ipstack *stack;
	int rc = wg_stack(conf->wg, s->job.worker, &stack);

	return rc < 0 ? rc : ipstack_ops.bind(stack, udp_map_job(m), out);
}

/* --- settings ------------------------------------------------------------------------- */

/* Names become what there are addresses for inside the tunnel */
static uint8_t narrowed(const struct wg_conf *c, uint8_t strategy)
{
	bool v4 = c->own[0].kind != ADDR_NONE, v6 = c->own[1].kind != ADDR_NONE;

	if (v4 == v6 || strategy == DS_USE_IPV4 || strategy == DS_USE_IPV6 ||
	    strategy == DS_FORCE_IPV4 || strategy == DS_FORCE_IPV6)
		return strategy;
	return v4 ? DS_FORCE_IPV4 : DS_FORCE_IPV6;
}

static void check_around(const struct outbound *ob, struct jobj *settings)
{
	if (ob->sockopt.dialer_proxy)
		diag_error(settings->d, ob->node, NULL,
			   "WireGuard's datagrams do not go through another "
			   "outbound (dialerProxy, proxySettings)");
	if (ob->send_how || ob->send_bits)
		diag_error(settings->d, ob->node, "sendThrough",
			   "WireGuard needs one address");
	if (ob->transport->below || ob->transport->settings)
		diag_warning(settings->d, ob->node, "streamSettings",
			     "WireGuard has no transport: only sockopt counts");
}

static int wg_parse(struct outbound *ob, struct jobj *settings,
		    struct config *cfg)
{
	struct wg_out *out = arena_alloc(&cfg->arena, sizeof(*out));
	unsigned int before = settings->d->errors;
	int rc;

	if (!out)
		return -ENOMEM;
	ob->settings = out;
	rc = wg_conf_parse(settings, &out->conf, &cfg->arena, false);
	if (rc < 0)
		return rc;
	check_around(ob, settings);
	if (ob->target_strategy == DS_AS_IS)
		ob->target_strategy = out->conf.strategy;
	ob->target_strategy = narrowed(&out->conf, ob->target_strategy);
	out->conf.tag = ob->tag;
	out->conf.sockopt = ob->sockopt;
	out->conf.bind = ob->send_through;
	if (settings->d->errors != before)
		return 0; /* there will be no such generation */
	out->wg = wg_get(&out->conf);
	return out->wg ? 0 : -ENOMEM;
}

static void wg_drop(struct outbound *ob)
{
	struct wg_out *out = ob->settings;

	if (!out)
		return;
	if (out->wg)
		wg_put(out->wg);
	wg_conf_wipe(&out->conf);
}

const struct outbound_ops out_wireguard = {
	.name = "wireguard",
	.local = true,
	.parse = wg_parse,
	.open = wg_open,
	.open_dgram = wg_open_dgram,
	.drop = wg_drop,
};
