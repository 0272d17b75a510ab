/*
 * socks_udp.c - SOCKS5 client: the datagrams of one client address:port
 *
 *   control stream:  UDP ASSOCIATE; its end ends the leg
 *   socket:          datagrams to the relay, each with its own head
 *
 * One association serves all destinations of a map. The socket is made when
 * the server has named its relay; until then send says -EAGAIN. Whatever comes
 * from elsewhere, in fragments, or malformed, is dropped.
 * Source: RFC 1928 section 7; xray.md section 2.1
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/send_through.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "proxy/out/server_udp.h"
#include "proxy/out/socks.h"
#include "proxy/wire/socks5.h"

/**
 * struct socks_udp - One association; d.below is the socket once it is up
 * @control:	Kept open; NULL after its end
 * @way:	How datagrams leave
 * @relay:	Where datagrams go, and the only address they may come from
 * @timer:	The handshake's deadline, absolute
 * @err:	Final -errno; 0 while it goes on
 * @names:	Places for names in answers (rare); NULL until one came
 */
struct socks_udp {
	struct dgram d;
	struct worker *worker;
	const struct outbound *ob;
	struct stream *control;
	struct server_udp way;
	struct addr relay;
	struct timer timer;
	int err;
	char (*names)[256];
};

static struct socks_udp *udp_of(struct dgram *d)
{
	return container_of(d, struct socks_udp, d);
}

/* "Same address as the control connection's": the peer of its socket */
static int server_addr(const struct socks_udp *u, struct addr *out)
{
	const struct socks_conf *conf = u->ob->settings;
	struct stream *c = u->control;
	const struct watch *w;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (addr_is_ip(&conf->server.server)) {
		*out = conf->server.server;
		return 0;
	}
	if (u->ob->dialer) /* only the dialer knows */
		return -EHOSTUNREACH;
	while (c->below)
		c = c->below;
	w = c->ops->watch ? c->ops->watch(c, ST_READ) : NULL;
	if (!w || getpeername(w->fd, (struct sockaddr *)&ss, &len) < 0)
		return -EHOSTUNREACH;
	*out = addr_from_sockaddr(&ss);
	return addr_is_ip(out) ? 0 : -EHOSTUNREACH;
}

static bool is_any(const struct addr *a)
{
	static const uint8_t any[16];

	return !addr_is_ip(a) || !memcmp(a->ip, any, addr_ip_len(a));
}

/* The server said yes: a socket to its relay. 0 or -errno */
static int open_relay(struct socks_udp *u, const struct addr *bound)
{
	int rc;

	u->relay = *bound;
	if (is_any(bound)) {
		rc = server_addr(u, &u->relay);
		if (rc < 0)
			return rc;
		u->relay.port = bound->port;
	}
	if (!u->relay.port)
		return -EPROTO;
	rc = server_udp_open(&u->way, &u->relay, u->d.job, &u->d.below);
	if (rc < 0)
		return rc;
	timer_cancel(&u->timer);
	return 0;
}

/* Nothing is expected on the control stream but its end */
static int watch_control(struct socks_udp *u)
{
	uint8_t junk[256];
	ssize_t n = stream_read(u->control, junk, sizeof(junk));

	if (n == 0)
		return -ECONNRESET;
	if (n > 0)
		job_ready(u->d.job);
	return n == -EAGAIN || n > 0 ? 0 : (int)n;
}

/* 0 datagrams may flow, -EAGAIN, or final -errno */
static int udp_step(struct socks_udp *u)
{
	struct addr bound;
	int rc;

	if (u->err)
		return u->err;
	if (u->control->job != u->d.job)
		stream_set_job(u->control, u->d.job);
	if (!u->d.below) {
		rc = socks_relay(u->control, &bound);
		if (!rc)
			rc = open_relay(u, &bound);
	} else {
		rc = watch_control(u);
	}
	if (rc < 0 && rc != -EAGAIN)
		u->err = rc;
	return rc;
}

static void udp_due(struct timer *t)
{
	struct socks_udp *u = container_of(t, struct socks_udp, timer);

	u->err = -ETIMEDOUT;
	job_ready(u->d.job);
}

/* Send packets laid out in scratch. How many were taken, or -errno */
static int send_packed(struct socks_udp *u, const struct pkt *v, int n)
{
	uint8_t *p = server_udp_room(&u->way);
	uint8_t *end = p + WORKER_SCRATCH_BYTES;
	struct pkt out[DGRAM_BATCH];
	int at[DGRAM_BATCH] = { 0 }; /* of @v, what out[] is made of */
	int used = 0, count = 0;

	for (; used < n && count < DGRAM_BATCH; used++) {
		const struct pkt *in = &v[used];
		ssize_t head;

		if ((size_t)(end - p) < SOCKS5_UDP_HEAD_MAX + in->len && count)
			break;
		head = socks5_set_udp(p, &in->peer);
		/* What cannot be carried is lost, like in any network */
		if (head < 0 || (size_t)head + in->len > DGRAM_MAX) {
			worker_drop(u->worker, DROP_UDP_SEND);
			continue;
		}
		if (in->len)
			memcpy(p + head, in->data, in->len);
		at[count] = used;
		out[count++] = (struct pkt){ .peer = u->relay,
					     .data = p,
					     .len = (size_t)head + in->len };
		p += (size_t)head + in->len;
	}
	return dgram_pass(u->d.below, out, count, at, used);
}

static int udp_send(struct dgram *d, const struct pkt *v, int n)
{
	struct socks_udp *u = udp_of(d);
	int rc = udp_step(u), done = 0;

	if (rc < 0)
		return rc;
	while (done < n) {
		rc = send_packed(u, v + done, n - done);
		if (rc < 0)
			return done ? done : rc;
		done += rc;
	}
	return done;
}

/* Take the heads off; what is not a datagram of the relay goes */
static int strip(struct socks_udp *u, struct pkt *v, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++) {
		char name[256];
		struct addr from;
		ssize_t head;

		if (!addr_eq(&v[i].peer, &u->relay))
			continue;
		head = socks5_get_udp(v[i].data, v[i].len, &from, name);
		if (head < 0)
			continue;
		if (from.kind == ADDR_NAME) {
			if (!u->names)
				u->names = calloc(DGRAM_BATCH, 256);
			if (!u->names || kept >= DGRAM_BATCH)
				continue;
			memcpy(u->names[kept], name, sizeof(name));
			from.name = u->names[kept];
		}
		v[kept++] = (struct pkt){ .peer = from,
					  .data = v[i].data + head,
					  .len = v[i].len - (size_t)head };
	}
	return kept;
}

static int udp_recv(struct dgram *d, struct pkt *v, int max)
{
	struct socks_udp *u = udp_of(d);
	int rc = udp_step(u);

	if (rc < 0)
		return rc;
	for (int i = 0; i < DGRAM_TRIES; i++) {
		int n = u->d.below->ops->recv(u->d.below, v, max);

		if (n <= 0)
			return n;
		n = strip(u, v, n);
		if (n)
			return n;
	}
	job_ready(d->job);
	return -EAGAIN;
}

static void udp_want(struct dgram *d, unsigned int events)
{
	struct socks_udp *u = udp_of(d);

	/* While the handshake goes on this says what the layer waits for */
	stream_set_job(u->control, d->job);
	u->control->ops->want(u->control, ST_READ);
	if (!u->d.below)
		return;
	u->d.below->job = d->job;
	u->d.below->ops->want(u->d.below, events);
}

static void udp_close(struct dgram *d)
{
	struct socks_udp *u = udp_of(d);

	timer_cancel(&u->timer);
	stream_close(&u->control, 0);
	if (u->d.below)
		u->d.below->ops->close(u->d.below);
	server_udp_drop(&u->way);
	free(u->names);
	free(u);
}

static const struct dgram_ops socks_udp_ops = {
	.name = "socks",
	.recv = udp_recv,
	.send = udp_send,
	.want = udp_want,
	.close = udp_close,
};

int socks_open_dgram(const struct outbound *ob, struct udp_map *m,
		     struct session *s, struct dgram **out)
{
	struct socks_conf *conf = ob->settings;
	struct dial d = { .worker = udp_map_worker(m),
			  .job = udp_map_job(m),
			  .cfg = s->cfg, /* the leg holds a reference */
			  .ob = ob,
			  .from = send_through_own(ob, s) };
	struct socks_udp *u;
	int rc;

	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->d = (struct dgram){ .ops = &socks_udp_ops, .job = d.job };
	u->worker = d.worker;
	u->ob = ob;
	timer_init(&u->timer, udp_due);
	rc = server_udp_init(&u->way, ob, m, s);
	if (!rc)
		rc = socks_dial(conf, &d, SOCKS5_UDP, NULL, &u->control);
	if (rc < 0) {
		udp_close(&u->d);
		return rc;
	}
	timer_set(&d.worker->wheel, &u->timer,
		  config_policy(d.cfg, conf->server.level)->handshake_ms);
	*out = &u->d;
	return 0;
}
