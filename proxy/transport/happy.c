/*
 * happy.c - One kernel TCP connection to a name or address, raced
 *
 *   names (A and AAAA as they come) -> addresses -> attempts -> first connected
 *
 *   - the preferred family's addresses alternate with the other's
 *   - the next attempt starts 250 ms after the last one, or when it fails
 *   - when only the other family is known, the preferred one is waited for 50 ms
 *   - all failed for want of a route or port: again, as Xray's dialer, 5 times
 *     in all; a refused port is told at once
 *   - 16 s in all from the first attempt
 *
 * Everything happens in happy_step(), which every call comes by; DNS, the
 * sockets and the timer only mark the job ready.
 * Source: RFC 8305 sections 3 to 5; xray.md sections H and P
 */
#include "proxy/transport/happy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "gateway/core/sockopt.h"
#include "gateway/core/target.h"
#include "gateway/core/worker.h"

#define DIAL_MS       16000u
#define RESOLUTION_MS 50u
#define TRIES         5
#define RETRY_STEP_MS 100u
#define ATTEMPTS_MAX  8

_Static_assert(DNS_MAX_IPS <= 16, "tried has a bit for each address");

/**
 * struct happy - A connection under way; s.below is the winner
 * @ob:		Its rules and @src, its sendThrough; NULL for probes
 * @to:		Name or address asked for
 * @req:	The question; a literal is its only answer
 * @guard:	Direct target of a client: our own listeners are refused
 * @reach:	What @ob's rules are asked; @ses: is told how they answer, or NULL
 * @own:	An address of this host, where the session was accepted
 * @tried:	Bit for each of req.ips
 * @family, @run:	Kind tried last, and how often in a row
 * @next_ms:	No attempt before; @dead_ms: end of it all, once @started
 * @err:	Most telling -errno of failed attempts
 * @rc:		-EAGAIN under way, 0 connected, else final
 * @want:	What the owner waits for
 */
struct happy {
	struct stream s;
	struct worker *worker;
	struct config *cfg;
	const struct outbound *ob;
	const struct sockopt *so;
	struct addr to, own, src;
	struct reach reach;
	struct session *ses;
	struct dns_req req;
	struct server_turn turn;
	struct timer timer;
	struct stream *attempt[ATTEMPTS_MAX];
	uint8_t attempts, retries, family, run;
	bool guard, started, held;
	uint16_t tried;
	uint32_t next_ms, dead_ms, id;
	int err, rc;
	unsigned int want;
};

static struct happy *happy_of(struct stream *s)
{
	return container_of(s, struct happy, s);
}

static bool no_route(int err)
{
	return err == -ENETUNREACH || err == -EADDRNOTAVAIL ||
	       err == -ENETDOWN || err == -EAFNOSUPPORT;
}

/* The last error counts, but a family without a route does not hide a refusal */
static void note_error(struct happy *h, int err)
{
	if (!h->err || no_route(h->err) || !no_route(err))
		h->err = err;
	h->next_ms = h->worker->now_ms;
}

/* Would this connection come back to us? */
static bool own_listener(const struct happy *h, const struct addr *a)
{
	static const uint8_t any[16];
	const struct config *c = h->cfg;

	for (unsigned int i = 0; c && i < c->inbound_count; i++) {
		const struct inbound *ib = c->inbounds[i];
		bool wild =
			addr_is_ip(&ib->listen) &&
			!memcmp(ib->listen.ip, any, addr_ip_len(&ib->listen));

		if (wild ? !addr_is_martian(a) && !addr_eq_host(a, &h->own) :
			   !addr_eq_host(a, &ib->listen))
			continue;
		for (unsigned int p = 0; p < ib->port_count; p++)
			if (a->port >= ib->ports[p].lo &&
			    a->port <= ib->ports[p].hi)
				return true;
	}
	return false;
}

/* 0, or why @a must not be dialed */
static int check_addr(struct happy *h, const struct addr *a)
{
	if (h->cfg && h->cfg->fakedns && fakedns_in_pool(h->cfg->fakedns, a))
		return -EADDRNOTAVAIL;
	if (!ses_may_reach(h->ses, h->ob, &h->reach, a))
		return -EFORBIDDEN;
	if (h->guard && own_listener(h, a)) {
		log_warning("s%x raw: target is a listener of our own", h->id);
		return -ELOOP;
	}
	return 0;
}

/* A socket on its way to @a; descriptor or -errno */
static int connect_fd(struct happy *h, const struct addr *a)
{
	int family = a->kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int rc = check_addr(h, a), fd;

	if (rc < 0)
		return rc;
	fd = sock_open(h->so, family, SOCK_STREAM);
	if (fd < 0)
		return fd;
	rc = send_through_to(h->ob, fd, &h->src, a);
	if (!rc)
		rc = sock_connect(fd, family, a);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static void start_attempt(struct happy *h, int i)
{
	struct addr a = dns_ip_addr(&h->req.ips[i], h->to.port);
	struct stream *st;
	int fd = connect_fd(h, &a);

	h->tried |= (uint16_t)(1u << i);
	if (!h->started)
		h->dead_ms = h->worker->now_ms + DIAL_MS;
	h->started = true;
	if (fd < 0) {
		note_error(h, fd);
		return;
	}
	st = fd_stream_new(h->worker, fd, h->s.job, true);
	if (!st) {
		close(fd);
		note_error(h, -ENOMEM);
		return;
	}
	h->attempt[h->attempts++] = st;
	h->next_ms = h->worker->now_ms + h->so->happy_delay_ms;
	st->ops->want(st, ST_WRITE);
}

/* An address of @kind not tried yet, or -1 */
static int untried(const struct happy *h, uint8_t kind)
{
	for (int i = 0; i < h->req.count; i++)
		if (h->req.ips[i].kind == kind && !(h->tried & 1u << i))
			return i;
	return -1;
}

/* Next address by RFC 8305 section 4; -1 when none is left */
static int pick(struct happy *h)
{
	uint8_t other = h->family == ADDR_V4 ? ADDR_V6 : ADDR_V4;
	int same_i = untried(h, h->family), other_i = untried(h, other);

	if (other_i >= 0 && (same_i < 0 || h->run >= h->so->happy_interleave)) {
		h->family = other;
		h->run = 0;
		same_i = other_i;
	}
	h->run++;
	return same_i;
}

static bool any_untried(const struct happy *h)
{
	return untried(h, ADDR_V4) >= 0 || untried(h, ADDR_V6) >= 0;
}

/*
 * May an attempt start now? Only the other family is known before the first
 * one: wait a little for the preferred.
 */
static bool may_start(struct happy *h)
{
	uint32_t now = h->worker->now_ms;
	bool v6 = h->so->happy_v6_first;

	if (!any_untried(h) || h->attempts >= ATTEMPTS_MAX ||
	    h->attempts >= h->so->happy_max)
		return false;
	if (!h->started && (h->req.pending & (v6 ? DNS_V6 : DNS_V4)) &&
	    untried(h, v6 ? ADDR_V6 : ADDR_V4) < 0) {
		if (!h->held)
			h->next_ms = now + RESOLUTION_MS;
		h->held = true;
	} else if (!h->started) {
		return true;
	}
	return !clock_before(now, h->next_ms);
}

/* Take decided attempts out. True: one is connected, now s.below */
static bool poll_attempts(struct happy *h)
{
	for (unsigned int i = 0; i < h->attempts;) {
		struct stream *st = h->attempt[i];
		ssize_t rc;

		if (st->job != h->s.job) {
			stream_set_job(st, h->s.job);
			st->ops->want(st, ST_WRITE);
		}
		if (st->ops->up(st)) {
			h->s.below = st;
			h->attempt[i] = h->attempt[--h->attempts];
			return true;
		}
		/* Not connected, so this only tells how it stands */
		rc = st->ops->writev(st, NULL, 0);
		if (rc == -EAGAIN) {
			i++;
			continue;
		}
		note_error(h, rc < 0 ? (int)rc : -EIO);
		st->ops->close(st, -ECANCELED);
		h->attempt[i] = h->attempt[--h->attempts];
	}
	return false;
}

/* Every address failed: start over for want of a route, or give the error */
static int all_failed(struct happy *h)
{
	bool v4 = h->err != -ENETUNREACH;

	for (int i = 0; i < h->req.count; i++)
		v4 |= h->req.ips[i].kind == ADDR_V4;
	/* No route for IPv6 alone is how a host without IPv6 looks */
	if (!no_route(h->err) || h->err == -EAFNOSUPPORT || !v4 ||
	    ++h->retries >= TRIES)
		return h->err ? h->err : -EHOSTUNREACH;
	h->tried = 0;
	h->run = 0;
	h->next_ms = h->worker->now_ms + (h->retries - 1u) * RETRY_STEP_MS;
	return -EAGAIN;
}

static int race(struct happy *h)
{
	int rc;

	if (poll_attempts(h))
		return 0;
	rc = server_ask(&h->turn, &h->req, h->worker, h->cfg, h->s.job,
			h->to.name);
	if (rc < 0 && rc != -EAGAIN)
		return rc;
	if (h->started && !clock_before(h->worker->now_ms, h->dead_ms))
		return h->err && !h->attempts ? h->err : -ETIMEDOUT;
	while (may_start(h)) {
		int i = pick(h);

		if (i < 0)
			break;
		start_attempt(h, i);
	}
	if (h->attempts || any_untried(h) || rc == -EAGAIN || h->req.pending)
		return -EAGAIN;
	rc = all_failed(h);
	if (rc == -EAGAIN && h->next_ms == h->worker->now_ms)
		job_ready(h->s.job);
	return rc;
}

static void set_timer(struct happy *h)
{
	uint32_t now = h->worker->now_ms, wait = DIAL_MS;
	bool set = h->started;

	if (h->started)
		wait = h->dead_ms - now;
	if (any_untried(h) && h->attempts < h->so->happy_max &&
	    (h->started || h->held)) {
		set = true;
		if (clock_before(now, h->next_ms) && h->next_ms - now < wait)
			wait = h->next_ms - now;
	}
	if (set)
		timer_set(&h->worker->wheel, &h->timer, wait);
}

/* All that is not the winner goes */
static void let_go(struct happy *h)
{
	timer_cancel(&h->timer);
	dns_cancel(&h->req);
	while (h->attempts) {
		struct stream *st = h->attempt[--h->attempts];

		st->ops->close(st, -ECANCELED);
	}
}

/* How it stands: 0 connected, -EAGAIN, or the final -errno */
static int happy_step(struct happy *h)
{
	char text[ADDR_TEXT_MAX];

	if (h->rc != -EAGAIN)
		return h->rc;
	h->rc = race(h);
	if (h->rc == -EAGAIN) {
		set_timer(h);
		return h->rc;
	}
	let_go(h);
	if (h->rc < 0 && h->ses)
		h->ses->unreached = true;
	if (h->rc < 0)
		log_info("s%x raw: %s: %s", h->id,
			 addr_format(&h->to, text, sizeof(text)),
			 h->rc == -EFORBIDDEN ? "blocked" : strerror(-h->rc));
	else
		h->s.below->ops->want(h->s.below, h->want);
	return h->rc;
}

static void happy_due(struct timer *t)
{
	struct happy *h = container_of(t, struct happy, timer);

	job_ready(h->s.job);
}

static ssize_t happy_readv(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = happy_step(happy_of(s));

	return rc < 0 ? rc : s->below->ops->readv(s->below, iov, cnt);
}

static ssize_t happy_writev(struct stream *s, const struct iovec *iov, int cnt)
{
	int rc = happy_step(happy_of(s));

	return rc < 0 ? rc : s->below->ops->writev(s->below, iov, cnt);
}

static void happy_want(struct stream *s, unsigned int events)
{
	struct happy *h = happy_of(s);

	h->want = events;
	if (s->below)
		s->below->ops->want(s->below, events);
}

static bool happy_up(const struct stream *s)
{
	return s->below && s->below->ops->up(s->below);
}

static int happy_finish(struct stream *s)
{
	int rc = happy_step(happy_of(s));

	return rc < 0 ? rc : s->below->ops->finish(s->below);
}

static void happy_close(struct stream *s, int why)
{
	struct happy *h = happy_of(s);

	let_go(h);
	stream_close(&h->s.below, why);
	free(h);
}

static struct stream *happy_shed(struct stream *s)
{
	struct happy *h = happy_of(s);
	struct stream *below;

	if (happy_step(h) < 0)
		return NULL;
	below = s->below;
	free(h);
	return below;
}

static const struct stream_ops happy_ops = {
	.name = "dial",
	.readv = happy_readv,
	.writev = happy_writev,
	.want = happy_want,
	.up = happy_up,
	.finish = happy_finish,
	.close = happy_close,
	.shed = happy_shed,
};

int happy_dial(const struct dial *d, const struct addr *to,
	       const struct sockopt *so, enum domain_strategy strategy,
	       struct stream **out)
{
	struct happy *h;
	size_t n = addr_ip_len(to);

	if (to->kind == ADDR_NONE || !to->port)
		return -EADDRNOTAVAIL;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->s = (struct stream){ .ops = &happy_ops, .job = d->job };
	h->worker = d->worker;
	h->cfg = d->cfg;
	h->ob = d->ob;
	h->so = so;
	h->to = *to;
	h->turn.strategy = (uint8_t)strategy;
	h->id = d->s ? d->s->id : 0;
	h->guard = d->s && d->ob && d->ob->ops->local &&
		   addr_eq(to, &d->s->target);
	h->reach = (struct reach){ .net = NET_TCP,
				   .stranger = d->stranger,
				   .id = h->id };
	h->ses = d->s;
	if (d->s)
		h->own = d->s->local;
	h->src = d->from.kind == ADDR_NONE ? send_through_pick(d->ob, d->s) :
					     d->from;
	h->family = so->happy_v6_first ? ADDR_V6 : ADDR_V4;
	h->rc = -EAGAIN;
	h->req.rc = -ENOENT;
	if (n) { /* a literal: its own answer */
		h->req = (struct dns_req){ .count = 1 };
		h->req.ips[0].kind = to->kind;
		memcpy(h->req.ips[0].ip, to->ip, n);
		h->family = to->kind;
	}
	timer_init(&h->timer, happy_due);
	(void)happy_step(h);
	*out = &h->s;
	return 0;
}
