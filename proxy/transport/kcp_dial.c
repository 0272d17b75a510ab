/*
 * kcp_dial.c - A client's mKCP connection: its server's address, its socket
 *
 *   name --dns by strategy--> addresses --route?--> connected UDP socket
 *
 * The first address that there is a route to is taken, those of the preferred
 * family first; nobody answers a datagram, so there is nothing to race. The
 * socket is made as any other that dials: mark, interface, sendThrough.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "gateway/core/sockopt.h"
#include "gateway/core/target.h"
#include "proxy/transport/kcp_int.h"

_Static_assert(DNS_MAX_IPS <= 16, "tried has a bit for each address");

/**
 * struct kcp_way - A connection that has no socket yet
 * @cfg, @ob, @ses:	Borrowed: the session is there as long as the stream
 * @req:	The question; an address is its only answer
 * @err:	-EAGAIN, or why there is no way; @last: why an address is none
 */
struct kcp_way {
	const struct kcp_conf *conf;
	struct config *cfg;
	const struct outbound *ob;
	struct session *ses;
	struct reach reach;
	struct addr to, src;
	struct dns_req req;
	struct server_turn turn;
	uint16_t tried;
	int err, last;
};

static const struct sockopt sockopt_default = SOCKOPT_DEFAULT;

static const struct sockopt *options(const struct kcp_way *y)
{
	return y->ob ? &y->ob->sockopt : &sockopt_default;
}

/* A connected socket; descriptor or -errno */
static int open_fd(const struct kcp_way *y, int family, const struct addr *a)
{
	int fd = sock_open(options(y), family, SOCK_DGRAM), rc;

	if (fd < 0)
		return fd;
	rc = send_through_to(y->ob, fd, &y->src, a);
	if (!rc)
		rc = sock_connect(fd, family, a);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

/* 0: @c has its port */
static int connect_to(struct kcp_conn *c, const struct addr *a)
{
	struct kcp_way *y = c->way;
	int family = a->kind == ADDR_V6 ? AF_INET6 : AF_INET, fd;
	struct kcp_port *p;

	if (y->cfg && y->cfg->fakedns && fakedns_in_pool(y->cfg->fakedns, a))
		return -EADDRNOTAVAIL;
	if (!ses_may_reach(y->ses, y->ob, &y->reach, a))
		return -EFORBIDDEN;
	fd = open_fd(y, family, a);
	if (fd < 0)
		return fd;
	p = kcp_port_new(c->worker, fd, family, y->conf);
	if (!p)
		return -ENOMEM;
	if (y->cfg)
		p->cfg = config_ref(y->cfg);
	p->only = c;
	c->peer = *a;
	kcp_conn_join(c, p);
	kcp_port_unref(p);
	return 0;
}

/* The addresses of @kind not tried yet. 0: one did */
static int try_kind(struct kcp_conn *c, uint8_t kind)
{
	struct kcp_way *y = c->way;

	for (int i = 0; i < y->req.count; i++) {
		struct addr a = dns_ip_addr(&y->req.ips[i], y->to.port);

		if (a.kind != kind || y->tried & 1u << i)
			continue;
		y->tried |= (uint16_t)(1u << i);
		y->last = connect_to(c, &a);
		if (!y->last)
			return 0;
	}
	return y->last;
}

static int find_way(struct kcp_conn *c)
{
	struct kcp_way *y = c->way;
	bool v6 = options(y)->happy_v6_first;
	int rc = server_ask(&y->turn, &y->req, c->worker, y->cfg, c->s.job,
			    y->to.name);

	if (rc < 0)
		return rc;
	if (!try_kind(c, v6 ? ADDR_V6 : ADDR_V4))
		return 0;
	if (y->req.pending & (v6 ? DNS_V6 : DNS_V4))
		return -EAGAIN;
	if (!try_kind(c, v6 ? ADDR_V4 : ADDR_V6))
		return 0;
	return y->req.pending ? -EAGAIN : y->last;
}

int kcp_way_step(struct kcp_conn *c)
{
	struct kcp_way *y = c->way;
	char text[ADDR_TEXT_MAX];

	if (y->err == -EAGAIN)
		y->err = find_way(c);
	if (y->err == -EAGAIN)
		return y->err;
	dns_cancel(&y->req);
	if (y->err < 0) {
		log_info("s%x kcp: %s: %s", y->reach.id,
			 addr_format(&y->to, text, sizeof(text)),
			 y->err == -EFORBIDDEN ? "blocked" : strerror(-y->err));
		c->link.err = y->err; /* for all who ask from now on */
	}
	kcp_way_free(c);
	return c->link.err;
}

void kcp_way_free(struct kcp_conn *c)
{
	if (c->way)
		dns_cancel(&c->way->req);
	free(c->way);
	c->way = NULL;
}

static struct kcp_way *way_new(const struct transport *t, const struct dial *d,
			       const struct addr *to)
{
	struct kcp_way *y = calloc(1, sizeof(*y));

	if (!y)
		return NULL;
	y->conf = t->settings;
	y->cfg = d->cfg;
	y->ob = d->ob;
	y->ses = d->s;
	y->to = *to;
	y->turn.strategy = options(y)->domain_strategy;
	y->reach = (struct reach){ .net = NET_UDP,
				   .stranger = d->stranger,
				   .id = d->s ? d->s->id : 0 };
	y->src = send_through_pick(d->ob, d->s);
	y->err = -EAGAIN;
	y->last = -EHOSTUNREACH;
	y->req.rc = -ENOENT;
	if (addr_is_ip(to)) { /* its own answer */
		y->req = (struct dns_req){ .count = 1 };
		y->req.ips[0].kind = to->kind;
		memcpy(y->req.ips[0].ip, to->ip, addr_ip_len(to));
	}
	return y;
}

int kcp_dial(const struct transport *t, const struct dial *d,
	     const struct addr *to, struct stream **out)
{
	const struct kcp_conf *conf = t->settings;
	struct kcp_conn *c;

	if (d->ob && d->ob->dialer)
		return -EPROTONOSUPPORT;
	if (to->kind == ADDR_NONE || !to->port)
		return -EADDRNOTAVAIL;
	c = kcp_conn_new(d->worker, &conf->rules, d->job);
	if (!c)
		return -ENOMEM;
	c->way = way_new(t, d, to);
	if (!c->way) {
		kcp_conn_free(c);
		return -ENOMEM;
	}
	rand_bytes(&c->link.conv, sizeof(c->link.conv));
	(void)kcp_way_step(c);
	*out = &c->s;
	return 0;
}
