/*
 * redirect.c - freedom's "redirect": another host or port for the target
 *
 * Datagrams: the remote's answer carries the redirected address; the client
 * knows only the one it sent to. The last destination a port was redirected
 * from is remembered (Xray loses the source altogether).
 */
#include "proxy/out/redirect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/text.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/stream.h"

#define BACK_SLOTS 64

/**
 * struct redirect - The layer
 * @req:	Lookup of a redirect to a name; rc 0 when @to is usable
 * @back:	By redirected port: where the client sent to
 */
struct redirect {
	struct dgram d;
	struct addr to;
	struct dns_req req;
	struct addr back[BACK_SLOTS];
};

static struct redirect *redirect_of(struct dgram *d)
{
	return container_of(d, struct redirect, d);
}

int redirect_parse(const char *text, struct arena *a, struct addr *out)
{
	const char *colon = strrchr(text, ':');
	struct addr r = { .kind = ADDR_NONE };
	int rc = 0;

	if (!colon || text_port(colon + 1, strlen(colon + 1), &r.port) < 0)
		return -EINVAL;
	if (colon != text)
		rc = addr_parse_host(&r, text, (size_t)(colon - text), a);
	else if (!r.port)
		rc = -EINVAL;
	if (!rc)
		*out = r;
	return rc;
}

void redirect_apply(const struct addr *r, struct addr *to)
{
	uint16_t port = r->port ? r->port : to->port;

	if (r->kind != ADDR_NONE)
		*to = *r;
	to->port = port;
}

/* 0 when @to is an address. -EAGAIN, -errno */
static int resolved(struct redirect *r)
{
	if (r->to.kind == ADDR_NAME && !r->req.rc && r->req.count)
		r->to = dns_ip_addr(&r->req.ips[0], r->to.port);
	return r->to.kind == ADDR_NAME ? r->req.rc : 0;
}

static int redirect_send(struct dgram *d, const struct pkt *v, int n)
{
	struct redirect *r = redirect_of(d);
	struct pkt out[DGRAM_BATCH];
	int rc = resolved(r);

	if (rc < 0)
		return rc;
	if (n > DGRAM_BATCH)
		n = DGRAM_BATCH;
	for (int i = 0; i < n; i++) {
		out[i] = v[i];
		redirect_apply(&r->to, &out[i].peer);
		r->back[out[i].peer.port % BACK_SLOTS] = v[i].peer;
	}
	return d->below->ops->send(d->below, out, n);
}

static int redirect_recv(struct dgram *d, struct pkt *v, int max)
{
	struct redirect *r = redirect_of(d);
	int n = d->below->ops->recv(d->below, v, max);

	for (int i = 0; i < n; i++) {
		const struct addr *back = &r->back[v[i].peer.port % BACK_SLOTS];
		struct addr sent = *back;

		if (back->kind == ADDR_NONE)
			continue;
		redirect_apply(&r->to, &sent);
		if (addr_eq(&sent, &v[i].peer))
			v[i].peer = *back;
	}
	return n;
}

static void redirect_want(struct dgram *d, unsigned int events)
{
	struct redirect *r = redirect_of(d);

	r->req.job = d->job;
	d->below->job = d->job;
	/* While the name is looked up, only the answer can help */
	if (resolved(r) == -EAGAIN)
		events &= ~(unsigned int)ST_WRITE;
	d->below->ops->want(d->below, events);
}

static void redirect_close(struct dgram *d)
{
	struct redirect *r = redirect_of(d);

	dns_cancel(&r->req);
	d->below->ops->close(d->below);
	free(r);
}

static const struct dgram_ops redirect_ops = {
	.name = "redirect",
	.recv = redirect_recv,
	.send = redirect_send,
	.want = redirect_want,
	.close = redirect_close,
};

int redirect_dgram(struct worker *w, struct config *cfg, const struct addr *r,
		   struct dgram *below, struct dgram **out)
{
	struct redirect *l = calloc(1, sizeof(*l));

	if (!l) {
		below->ops->close(below);
		return -ENOMEM;
	}
	l->d = (struct dgram){ .ops = &redirect_ops,
			       .below = below,
			       .job = below->job };
	l->to = *r;
	if (r->kind == ADDR_NAME)
		(void)dns_ask(w, cfg, &l->req, below->job, r->name,
			      DNS_V4 | DNS_V6, 0);
	*out = &l->d;
	return 0;
}
