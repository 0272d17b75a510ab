/*
 * listen.c - Accepting TCP and unix connections for an inbound
 *
 *   readable -> accept4 up to LISTEN_BURST -> (listen_early: PROXY header) ->
 *   ses_new -> target -> ses_start
 *   EMFILE, ENOMEM -> pause: a timer, not a loop; the kernel keeps the clients
 *
 * Socket options (mark, keepalive, TCP_NODELAY, congestion ...) are set on the
 * listener; Linux clones them into what it accepts, IP_TRANSPARENT too.
 */
#include "gateway/core/listen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/listen_early.h"
#include "gateway/core/session.h"
#include "gateway/core/transport.h"

/* The client sees a reset, not a clean end */
void listen_shed(int fd)
{
	struct linger cut = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &cut, sizeof(cut));
	close(fd);
}

/* Who and where; a unix client counts as this host */
static struct ends ends_of(int fd, const struct sockaddr_storage *peer)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct ends e = { .source = addr_from_sockaddr(peer) };

	if (!getsockname(fd, (struct sockaddr *)&ss, &len))
		e.local = addr_from_sockaddr(&ss);
	if (e.source.kind == ADDR_NONE)
		e.source = addr_v4(loopback, 0);
	if (e.local.kind == ADDR_NONE)
		e.local = addr_v4(loopback, 0);
	return e;
}

/* A stream of a carrier; its configuration may be an older one */
static int born(const struct birth *b, struct worker *w, struct stream *in)
{
	struct session *s = ses_new(w, b->ib, NET_TCP, in);
	struct acceptor at = { .at = b->local };
	int err;

	if (!s)
		return -ENOBUFS;
	config_ref(b->cfg);
	config_unref(s->cfg);
	s->cfg = b->cfg;
	s->source = b->source;
	s->local = s->orig = s->target = b->local;
	err = b->target ? b->target(&at, -1, s) : 0;
	if (err < 0)
		ses_kill(s, err, 2);
	else
		ses_start(s);
	return 0;
}

/* The connection is no session: it carries some, or becomes one later */
static void serve(struct acceptor *a, struct stream *in, const struct ends *e)
{
	struct worker *w = a->job.worker;
	struct birth b = { .ib = a->owner->l.ib,
			   .cfg = w->cfg,
			   .source = e->source,
			   .local = e->local,
			   .target = a->owner->target,
			   .born = born };

	(void)transport_serve(b.ib->transport, w, in, &b);
}

/* @fd: of @in, or -1. 0, or -errno: @in is closed */
static int take_stream(struct acceptor *a, int fd, struct stream *in,
		       const struct ends *e)
{
	struct tcp_listener *tl = a->owner;
	struct worker *w = a->job.worker;
	struct session *s;
	int err;

	if (transport_serves(tl->l.ib->transport)) {
		serve(a, in, e);
		return 0;
	}
	s = ses_new(w, tl->l.ib, NET_TCP, in);
	if (!s) {
		in->ops->close(in, -ECONNRESET);
		return -ECONNRESET;
	}
	s->source = e->source;
	s->local = s->orig = s->target = e->local;
	err = tl->target ? tl->target(a, fd, s) : 0;
	if (!err && tl->l.ib->transport)
		err = transport_accept(tl->l.ib->transport, w, in, &s->in);
	if (err < 0)
		ses_kill(s, err, 2);
	else
		ses_start(s);
	return 0;
}

int listen_take(struct acceptor *a, struct stream *in, const struct ends *e)
{
	return take_stream(a, -1, in, e);
}

static void take(struct acceptor *a, int fd, const struct ends *e)
{
	struct worker *w = a->job.worker;
	struct stream *in = fd_stream_new(w, fd, NULL, false);

	if (!in) {
		worker_drop(w, DROP_NO_MEMORY);
		listen_shed(fd);
		return;
	}
	(void)take_stream(a, fd, in, e);
}

/* Who is new goes, so that those who are in have what they need */
static void shed(struct acceptor *a, int fd)
{
	worker_drop(a->job.worker, DROP_DESCRIPTORS);
	if (!a->told)
		log_warning("inbound [%s]: few descriptors are left: new "
			    "connections are refused",
			    a->owner->l.ib->tag);
	a->told = true;
	listen_shed(fd);
}

/* No descriptor, no memory: not a reason to spin */
static void pause_accept(struct acceptor *a, int err)
{
	struct worker *w = a->job.worker;

	worker_drop(w, DROP_DESCRIPTORS);
	if (!a->told)
		log_warning("inbound [%s]: accept: %s; tried again each %d ms",
			    a->owner->l.ib->tag, strerror(err),
			    LISTEN_PAUSE_MS);
	a->told = true;
	watch_mute(&a->watch, true);
	timer_set(&w->wheel, &a->pause, LISTEN_PAUSE_MS);
}

static void pause_over(struct timer *t)
{
	watch_mute(&container_of(t, struct acceptor, pause)->watch, false);
}

static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS ||
	       err == ENOMEM;
}

static void accepted(struct acceptor *a, int fd,
		     const struct sockaddr_storage *peer)
{
	struct ends e = ends_of(fd, peer);

	if (worker_fds_short(a->job.worker)) {
		shed(a, fd);
		return;
	}
	a->told = false;
	if (a->owner->l.ib->head)
		early_begin(a, fd, &e);
	else
		take(a, fd, &e);
}

/*
 * How many to accept now. The kernel tells again of those that are left, and to find
 * out that there is none costs as much as to take one: one, and twice as many in each
 * turn that follows at once
 */
static unsigned int burst_of(struct acceptor *a)
{
	bool more = a->job.worker->tick - a->tick == 1;

	a->tick = a->job.worker->tick;
	if (!more || !a->burst)
		a->burst = 1;
	else if (a->burst < LISTEN_BURST)
		a->burst *= 2;
	return a->burst;
}

static void acceptor_run(struct job *j)
{
	struct acceptor *a = container_of(j, struct acceptor, job);
	unsigned int most = burst_of(a);
	struct sockaddr_storage peer;
	socklen_t len;
	int fd;

	watch_used_up(&a->watch, ST_READ);
	watch_want(&a->watch, ST_READ);
	for (unsigned int i = 0; i < most; i++) {
		len = sizeof(peer);
		peer.ss_family = AF_UNSPEC;
		fd = accept4(a->watch.fd, (struct sockaddr *)&peer, &len,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			accepted(a, fd, &peer);
		} else if (errno == EAGAIN) {
			a->burst = i / 2; /* about what the next turn brings */
			return;
		} else if (is_shortage(errno)) {
			pause_accept(a, errno);
			return;
		} /* else: this connection had an error of its own */
	}
}

/* The bottom of @ib when it is not TCP, else NULL */
static const struct transport *other_bottom(const struct inbound *ib)
{
	const struct transport *t = transport_bottom(ib->transport);

	return t && t->ops->listen ? t : NULL;
}

/* The socket of @a, and who waits at it. 0 or -errno; nothing is open then */
static int acceptor_bind(struct acceptor *a, const struct inbound *ib)
{
	const struct transport *other = other_bottom(ib);
	int fd, err;

	if (other && a->at.kind == ADDR_NAME)
		return -EPROTONOSUPPORT;
	fd = sock_listen(&ib->sockopt, &a->at,
			 other ? SOCK_DGRAM : SOCK_STREAM);
	if (fd < 0)
		return fd;
	if (other) {
		a->ops = other->ops;
		return other->ops->listen(other, a, fd);
	}
	err = watch_add_level(a->job.worker, &a->watch, fd, &a->job);
	if (err < 0)
		close(fd);
	else
		watch_want(&a->watch, ST_READ);
	return err;
}

static int acceptor_open(struct tcp_listener *tl, const struct inbound *ib,
			 struct worker *w, uint16_t port)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->at = ib->listen;
	a->at.port = port;
	a->owner = tl;
	a->job = (struct job){ .run = acceptor_run, .worker = w };
	timer_init(&a->pause, pause_over);
	a->watch.fd = -1;
	err = acceptor_bind(a, ib);
	if (err < 0) {
		char text[ADDR_TEXT_MAX];

		log_error("inbound [%s]: cannot listen on %s %s: %s%s", ib->tag,
			  other_bottom(ib) ? "udp" : "tcp",
			  port ? addr_format(&a->at, text, sizeof(text)) :
				 a->at.name,
			  strerror(-err), sock_listen_hint(err));
		free(a);
		return err;
	}
	a->next = tl->acceptors;
	tl->acceptors = a;
	return 0;
}

bool listen_next_port(const struct inbound *ib, uint32_t *at)
{
	uint32_t best = UINT32_MAX;

	for (unsigned int i = 0; i < ib->port_count; i++) {
		uint32_t p = ib->ports[i].lo;

		if (p <= *at)
			p = *at + 1;
		if (p <= ib->ports[i].hi && p < best)
			best = p;
	}
	*at = best;
	return best != UINT32_MAX;
}

static bool one_worker(const struct inbound *ib)
{
	return ib->transport && ib->transport->one_worker;
}

/* Does @w take connections of @ib? All do, or the one its first port is for */
static bool serves(const struct inbound *ib, const struct worker *w)
{
	unsigned int n = workers_count ? workers_count : 1;

	return !one_worker(ib) || w->index == ib->ports[0].lo % n;
}

int listen_start(struct tcp_listener *tl, const struct inbound *ib,
		 struct worker *w)
{
	uint32_t port = 0;
	int err = 0;

	tl->l.ib = ib;
	tl->l.worker = w;
	tl->ready = take;
	if (ib->listen.kind == ADDR_NAME)
		return w->index ? 0 : acceptor_open(tl, ib, w, 0);
	if (!serves(ib, w))
		return 0;
	while (!err && listen_next_port(ib, &port))
		err = acceptor_open(tl, ib, w, (uint16_t)port);
	if (err)
		listen_stop(tl);
	return err;
}

void listen_stop(struct tcp_listener *tl)
{
	struct acceptor *a, *next;

	early_stop(tl);
	for (a = tl->acceptors; a; a = next) {
		int fd = a->watch.fd;

		next = a->next;
		job_forget(&a->job);
		timer_cancel(&a->pause);
		watch_del(a->job.worker, &a->watch);
		if (a->ops)
			a->ops->unlisten(a);
		else
			close(fd);
		/* a reload's new listener comes after us: the file is ours */
		if (a->at.kind == ADDR_NAME)
			sock_unlisten(&tl->l.ib->listen);
		free(a);
	}
	tl->acceptors = NULL;
}

static bool same_address(const struct addr *a, const struct addr *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ADDR_NAME)
		return !strcmp(a->name, b->name);
	return addr_eq_host(a, b);
}

/* Are the bottoms of one kind, and do they agree with those who are connected? */
static bool same_bottom(const struct inbound *a, const struct inbound *b)
{
	const struct transport *x = other_bottom(a), *y = other_bottom(b);

	if (!x || !y)
		return x == y;
	return x->ops == y->ops && (!x->ops->same || x->ops->same(x, y));
}

bool listen_same_place(const struct inbound *a, const struct inbound *b)
{
	uint32_t pa = 0, pb = 0;
	bool more = true;

	while (more) {
		more = listen_next_port(a, &pa);
		if (listen_next_port(b, &pb) != more || pa != pb)
			return false;
	}
	return same_address(&a->listen, &b->listen);
}

bool listen_same(const struct inbound *a, const struct inbound *b)
{
	const struct sockopt *x = &a->sockopt, *y = &b->sockopt;

	return listen_same_place(a, b) && same_bottom(a, b) &&
	       one_worker(a) == one_worker(b) && x->mark == y->mark &&
	       !strcmp(x->interface, y->interface) && x->tfo == y->tfo &&
	       x->keep_idle_s == y->keep_idle_s &&
	       x->keep_interval_s == y->keep_interval_s &&
	       x->user_timeout_ms == y->user_timeout_ms &&
	       x->window_clamp == y->window_clamp && x->max_seg == y->max_seg &&
	       !strcmp(x->congestion, y->congestion) && x->mptcp == y->mptcp &&
	       x->v6only == y->v6only && x->tproxy == y->tproxy &&
	       sock_same_custom(x, y);
}

bool listen_is_local(const struct addr *a)
{
	int family = a->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd = sock_open_local(NULL, family, SOCK_DGRAM);
	struct sockaddr_storage ss;
	struct addr any_port = *a;
	bool local;

	if (fd < 0)
		return false;
	any_port.port = 0;
	local = !bind(fd, (struct sockaddr *)&ss,
		      addr_to_sockaddr(&any_port, family, &ss));
	close(fd);
	return local;
}
