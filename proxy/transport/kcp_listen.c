/*
 * kcp_listen.c - mKCP: a server's side
 *
 * A connection begins with the first segment of a client (number 0); anything else
 * of nobody known is dropped without a word. Anybody can send that with any
 * source, so those not answered yet are few and hold little: when there are too
 * many, new ones are shed, and the others do not notice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/listen_early.h"
#include "proxy/transport/kcp_int.h"

struct kcp_conn *kcp_accept(struct kcp_port *p, const struct addr *peer,
			    const struct addr *own, const struct kcp_seg *s)
{
	struct ends e = { .source = *peer, .local = p->at->at };
	struct kcp_conn *c;

	if (s->cmd != KCP_DATA || s->number || (!s->len && !(s->opt & KCP_END)))
		return NULL;
	if (p->young >= KCP_YOUNG_MAX) {
		worker_drop(p->worker, DROP_SESSIONS);
		return NULL;
	}
	c = kcp_conn_new(p->worker, &p->conf->rules, NULL);
	if (!c)
		return NULL;
	kcp_conn_join(c, p);
	c->peer = *peer;
	c->own = *own;
	if (own->kind != ADDR_NONE) {
		e.local = *own;
		e.local.port = p->at->at.port;
	}
	c->link.conv = s->conv;
	c->link.tight = true;
	c->young = true;
	p->young++;
	return listen_take(p->at, &c->s, &e) < 0 ? NULL : c;
}

static bool is_wildcard(const struct addr *a)
{
	static const uint8_t any[16];

	return !memcmp(a->ip, any, addr_ip_len(a));
}

int kcp_listen(const struct transport *t, struct acceptor *a, int fd)
{
	int family = a->at.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	struct kcp_conf *own = malloc(sizeof(*own));
	struct kcp_port *p;

	if (!own) {
		close(fd);
		return -ENOMEM;
	}
	*own = *(const struct kcp_conf *)t->settings;
	p = kcp_port_new(a->job.worker, fd, family, own);
	if (!p) {
		wipe(own, sizeof(*own));
		free(own);
		return -ENOMEM;
	}
	p->own_conf = own;
	if (htab_init(&p->conns, 64)) {
		kcp_port_close(p);
		kcp_port_unref(p);
		return -ENOMEM;
	}
	if (is_wildcard(&a->at)) /* if refused: as v2ray, any address */
		(void)fd_dgram_want_own(p->sock);
	p->at = a;
	a->bottom = p;
	return 0;
}

/* Its other side is told, and so is its session */
static void end_conn(struct kcp_conn *c)
{
	uint32_t now = c->worker->now_ms;

	kcp_link_abort(&c->link, now);
	kcp_link_tick(&c->link, now);
	kcp_port_send(c->port);
	kcp_link_enter(&c->link, KCP_OVER, now);
	c->link.err = -ECONNRESET;
	timer_cancel(&c->timer);
	if (!c->open)
		kcp_conn_free(c);
	else if (c->s.job)
		job_ready(c->s.job);
}

void kcp_unlisten(struct acceptor *a)
{
	struct kcp_port *p = a->bottom;
	struct kcp_room *r = p->room;
	struct list *l, *next;

	p->at = NULL;
	list_for_each_safe (l, next, &r->conns) {
		struct kcp_conn *c = container_of(l, struct kcp_conn, all);

		if (c->port == p)
			end_conn(c);
	}
	kcp_port_close(p);
	kcp_port_unref(p);
	a->bottom = NULL;
}
