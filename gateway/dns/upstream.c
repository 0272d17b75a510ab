/* upstream.c - One query on its way to one server (see upstream.h) */
#include "gateway/dns/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/fd_stream.h"
#include "gateway/core/pair.h"
#include "gateway/core/sock.h"
#include "gateway/core/udp.h"

/**
 * struct up_end - The client side of a routed query by UDP
 * @u:		NULL when the query is over; then this end only waits for close
 * @unsent:	The query shall be read (again)
 */
struct up_end {
	struct dgram d;
	struct upstream *u;
	struct udp_map *map;
	bool unsent;
	uint8_t query[2 + DNS_PADDED_MAX];
};

static void up_fail(struct upstream *u, int err)
{
	if (!u->err)
		u->err = err ? err : -ECONNRESET;
	job_ready(u->job);
}

/* --- bytes of a TCP answer ---------------------------------------------- */

static int rx_message(void *arg, uint8_t *msg, size_t n)
{
	struct upstream *u = arg;

	return n && u->answer(u, msg, n);
}

/* Take bytes of the stream; true when the answer is complete and accepted */
static bool rx_put(struct upstream *u, const uint8_t *p, size_t n)
{
	int rc = frame_each(&u->rx, p, n, rx_message, u);

	if (rc < 0)
		up_fail(u, rc);
	return rc > 0;
}

/* --- the datagram end ------------------------------------------------------ */

static int end_recv(struct dgram *d, struct pkt *v, int max)
{
	struct up_end *e = container_of(d, struct up_end, d);

	if (!e->u || !e->unsent || max < 1)
		return -EAGAIN;
	e->unsent = false;
	v->peer = e->u->to;
	v->data = e->query + 2;
	v->len = e->u->query_len - 2;
	return 1;
}

static int end_send(struct dgram *d, const struct pkt *v, int n)
{
	struct up_end *e = container_of(d, struct up_end, d);
	int i;

	for (i = 0; i < n && e->u; i++) {
		if (e->u->to.kind != ADDR_NAME &&
		    !addr_eq(&v[i].peer, &e->u->to))
			continue;
		if (e->u->answer(e->u, v[i].data, v[i].len))
			break;
	}
	return n;
}

static void end_want(struct dgram *d, unsigned int events)
{
	struct up_end *e = container_of(d, struct up_end, d);

	if (e->u && e->unsent && (events & ST_READ))
		job_ready(d->job);
}

static void end_close(struct dgram *d)
{
	struct up_end *e = container_of(d, struct up_end, d);

	if (e->u) {
		e->u->end = NULL;
		up_fail(e->u, -ECONNRESET);
	}
	free(e);
}

static void end_reject(struct dgram *d, const struct addr *peer)
{
	struct up_end *e = container_of(d, struct up_end, d);

	(void)peer;
	if (e->u)
		up_fail(e->u, -EACCES);
}

static const struct dgram_ops end_dgram_ops = {
	.name = "dns",
	.recv = end_recv,
	.send = end_send,
	.want = end_want,
	.close = end_close,
	.reject = end_reject,
};

/* --- open and close ---------------------------------------------------------- */

static int open_routed(struct upstream *u, const struct inbound *ib)
{
	struct addr client = own_client();
	struct up_end *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->d.ops = &end_dgram_ops;
	e->u = u;
	e->unsent = true;
	memcpy(e->query, u->query, u->query_len);
	e->map = udp_map_new(u->worker, ib, &client, &e->d);
	if (!e->map) {
		free(e);
		return -ENOBUFS;
	}
	udp_map_set(e->map, NULL, true);
	u->end = e;
	return 0;
}

static int open_routed_tcp(struct upstream *u, const struct inbound *ib)
{
	int err = pair_open(u->worker, u->job, ib, &u->to, &u->s);

	if (!err)
		job_ready(u->job);
	return err;
}

static int open_straight(struct upstream *u)
{
	int family = u->to.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	int fd, err;

	if (!addr_is_ip(&u->to))
		return -EINVAL;
	fd = sock_open(NULL, family, u->tcp ? SOCK_STREAM : SOCK_DGRAM);
	if (fd < 0)
		return fd;
	err = sock_connect(fd, family, &u->to);
	if (!err && u->tcp)
		u->s = fd_stream_new(u->worker, fd, u->job, true);
	else if (!err)
		u->d = fd_dgram_new(u->worker, fd, family, u->job);
	if (!u->s && !u->d) {
		close(fd);
		return err ? err : -ENOMEM;
	}
	job_ready(u->job);
	return 0;
}

/* A shared connection has the answer, or none */
static void shared_done(struct conn_ask *a, int rc, uint8_t *msg, size_t n,
			uint32_t age_s)
{
	struct upstream *u = container_of(a, struct upstream, ask);

	if (!rc && n < DNS_HEAD_BYTES)
		rc = -EPROTO;
	if (!rc) {
		put_be16(msg, u->id);
		u->age_s = age_s;
		rc = u->answer(u, msg, n) ? 0 : -EPROTO;
	}
	if (rc)
		up_fail(u, rc);
}

/* Ids are for the connection to give; over HTTPS there is none (RFC 8484, 4.1) */
static int open_shared(struct upstream *u)
{
	u->id = get_be16(u->query + 2);
	put_be16(u->query + 2, 0);
	u->ask = (struct conn_ask){ .query = u->query + 2,
				    .len = u->query_len - 2,
				    .done = shared_done };
	return conn_ask(u->conns, u->worker, u->cfg, u->via, &u->ask);
}

int upstream_open(struct upstream *u, const struct inbound *ib)
{
	int err;

	u->err = 0;
	u->age_s = 0;
	u->timed_out = false;
	u->sent = 0;
	frame_next(&u->rx);
	put_be16(u->query, (uint16_t)(u->query_len - 2));
	if (u->via)
		err = open_shared(u);
	else if (!ib)
		err = open_straight(u);
	else
		err = u->tcp ? open_routed_tcp(u, ib) : open_routed(u, ib);
	u->open = !err;
	return err;
}

void upstream_again(struct upstream *u)
{
	if (u->open && u->via)
		conn_ask_again(&u->ask);
	if (!u->open || u->tcp)
		return;
	if (u->end) {
		u->end->unsent = true;
		job_ready(u->end->d.job);
	} else if (u->d) {
		u->sent = 0;
		job_ready(u->job);
	}
}

static void run_dgram(struct upstream *u)
{
	struct pkt v[4], q = {
		.peer = u->to,
		.data = u->query + 2,
		.len = u->query_len - 2,
	};
	int n, i;

	if (!u->sent) {
		n = u->d->ops->send(u->d, &q, 1);
		if (n > 0)
			u->sent = q.len;
		else if (n != -EAGAIN)
			u->err = n;
	}
	while (!u->err && (n = u->d->ops->recv(u->d, v, 4)) != -EAGAIN) {
		if (n <= 0)
			u->err = n ? n : -EIO;
		for (i = 0; i < n; i++)
			if (u->answer(u, v[i].data, v[i].len))
				return;
	}
	u->d->ops->want(u->d, ST_READ | (u->sent ? 0 : ST_WRITE));
}

static void run_stream(struct upstream *u)
{
	uint8_t buf[2048];
	ssize_t n = 0;

	while (u->sent < u->query_len) {
		n = stream_write(u->s, u->query + u->sent,
				 u->query_len - u->sent);
		if (n <= 0)
			break;
		u->sent += (size_t)n;
	}
	if (n >= 0 || n == -EAGAIN) {
		while ((n = stream_read(u->s, buf, sizeof(buf))) > 0)
			if (rx_put(u, buf, (size_t)n))
				return;
	}
	if (n != -EAGAIN && !u->err)
		u->err = n ? (int)n : -ECONNRESET;
	if (!u->err)
		u->s->ops->want(
			u->s,
			ST_READ | (u->sent < u->query_len ? ST_WRITE : 0));
}

void upstream_run(struct upstream *u)
{
	if (!u->open || u->err)
		return;
	if (u->d)
		run_dgram(u);
	else if (u->s)
		run_stream(u);
}

void upstream_close(struct upstream *u)
{
	struct up_end *e = u->end;

	u->open = false;
	u->end = NULL;
	if (e) {
		e->u = NULL;
		udp_map_kill(e->map, 0);
	}
	if (u->d)
		u->d->ops->close(u->d);
	u->d = NULL;
	if (u->via)
		conn_ask_end(&u->ask, u->timed_out);
	stream_close(&u->s, 0);
	frame_next(&u->rx);
}
