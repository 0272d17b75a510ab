/* server_udp.c - How datagrams to a server leave: a socket, or the dialer's leg */
#include "proxy/out/server_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/send_through.h"
#include "gateway/core/sock.h"
#include "gateway/core/target.h"
#include "gateway/core/worker.h"

_Static_assert(DNS_MAX_IPS <= 16, "tried has a bit for each address");

/**
 * struct server_search - For the addresses of a server's name
 * @to:		The name, which the settings hold
 * @cfg:	Borrowed: the leg keeps it
 * @tried:	Bit for each of req.ips
 * @last:	Why an address is none
 */
struct server_search {
	struct dns_req req;
	struct server_turn turn;
	struct addr to;
	struct config *cfg;
	uint16_t tried;
	int last;
};

int server_udp_init(struct server_udp *u, const struct outbound *ob,
		    struct udp_map *m, struct session *s)
{
	*u = (struct server_udp){ .ob = ob,
				  .worker = udp_map_worker(m),
				  .src = send_through_pick(ob, s) };
	if (!ob->dialer)
		return 0;
	u->buf = malloc(WORKER_SCRATCH_BYTES);
	return u->buf ? outbound_dial_dgram(ob, m, s, &u->via) : -ENOMEM;
}

int server_udp_open(struct server_udp *u, const struct addr *to,
		    struct job *job, struct dgram **out)
{
	int family = to->kind == ADDR_V6 ? AF_INET6 : AF_INET, rc, fd;
	struct dgram *d = NULL;

	if (u->via) {
		*out = u->via;
		u->via = NULL;
		return 0;
	}
	fd = sock_open(&u->ob->sockopt, family, SOCK_DGRAM);
	if (fd < 0)
		return fd;
	rc = send_through_to(u->ob, fd, &u->src, to);
	if (!rc) {
		d = fd_dgram_new(u->worker, fd, family, job);
		rc = d ? 0 : -ENOMEM;
	}
	if (rc < 0)
		close(fd);
	else
		*out = d;
	return rc;
}

int server_udp_seek(struct server_udp *u, const struct addr *server,
		    struct config *cfg)
{
	struct server_search *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->req.rc = -ENOENT;
	f->turn.strategy = u->ob->sockopt.domain_strategy;
	f->to = *server;
	f->cfg = cfg;
	f->last = -EHOSTUNREACH;
	u->search = f;
	return 0;
}

/* Nobody answers a datagram: is there a route, at least? 0 or -errno */
static int has_route(const struct server_udp *u, const struct addr *to)
{
	int family = to->kind == ADDR_V6 ? AF_INET6 : AF_INET, rc;
	int fd = sock_open(&u->ob->sockopt, family, SOCK_DGRAM);

	if (fd < 0)
		return fd;
	rc = send_through_to(u->ob, fd, &u->src, to);
	if (!rc)
		rc = sock_connect(fd, family, to);
	close(fd);
	return rc;
}

static int try_one(struct server_udp *u, struct job *job, const struct addr *to,
		   struct dgram **out)
{
	const struct fakedns *fake = u->search->cfg->fakedns;
	int rc = 0;

	if (fake && fakedns_in_pool(fake, to))
		return -EADDRNOTAVAIL;
	if (!u->via) /* it has ways of its own */
		rc = has_route(u, to);
	return rc ? rc : server_udp_open(u, to, job, out);
}

/* The addresses of @kind that were not tried yet. 0: one did */
static int try_kind(struct server_udp *u, uint8_t kind, struct job *job,
		    struct addr *at, struct dgram **out)
{
	struct server_search *f = u->search;

	for (int i = 0; i < f->req.count; i++) {
		struct addr a = dns_ip_addr(&f->req.ips[i], f->to.port);

		if (a.kind != kind || f->tried & 1u << i)
			continue;
		f->tried |= (uint16_t)(1u << i);
		f->last = try_one(u, job, &a, out);
		if (!f->last) {
			*at = a;
			return 0;
		}
	}
	return f->last;
}

static int search_step(struct server_udp *u, struct job *job, struct addr *at,
		       struct dgram **out)
{
	struct server_search *f = u->search;
	bool v6 = u->ob->sockopt.happy_v6_first;
	int rc = server_ask(&f->turn, &f->req, u->worker, f->cfg, job,
			    f->to.name);

	if (rc < 0)
		return rc;
	if (!try_kind(u, v6 ? ADDR_V6 : ADDR_V4, job, at, out))
		return 0;
	if (f->req.pending & (v6 ? DNS_V6 : DNS_V4))
		return -EAGAIN;
	if (!try_kind(u, v6 ? ADDR_V4 : ADDR_V6, job, at, out))
		return 0;
	return f->req.pending ? -EAGAIN : f->last;
}

int server_udp_step(struct server_udp *u, struct job *job, struct addr *at,
		    struct dgram **out)
{
	int rc = search_step(u, job, at, out);

	if (rc != -EAGAIN)
		dns_cancel(&u->search->req);
	return rc;
}

uint8_t *server_udp_room(const struct server_udp *u)
{
	return u->buf ? u->buf : u->worker->scratch;
}

void server_udp_drop(struct server_udp *u)
{
	if (u->via)
		u->via->ops->close(u->via);
	if (u->search)
		dns_cancel(&u->search->req);
	free(u->search);
	free(u->buf);
	u->via = NULL;
	u->search = NULL;
	u->buf = NULL;
}
