/*
 * ss_udp.c - Shadowsocks client: the datagrams of one client address:port
 *
 * One socket to the server for all destinations; each packet is sealed for
 * itself and carries its address. The server's name is resolved first. What
 * does not come from the server, or does not open, is dropped.
 *
 * Source: docs/wire/shadowsocks.md, shadowsocks2022.md
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/dns.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/session.h"
#include "gateway/core/udp.h"
#include "proxy/layer/room.h"
#include "proxy/out/server_udp.h"
#include "proxy/out/shadowsocks.h"

#define EXTRA_MAX (SS22_PACKET_EXTRA + 64)

/**
 * struct ss_udp - One leg; d.below is the socket once there is one
 * @way:	How datagrams leave
 * @server:	Resolved; kind NONE until then
 * @tx, @rx:	Sessions of 2022 methods
 * @err:	Final -errno
 */
struct ss_udp {
	struct dgram d;
	struct worker *worker;
	const struct outbound *ob;
	const struct ss_secret_key *key;
	struct server_udp way;
	struct addr server;
	struct ss22_udp_key tx, rx[2];
	int err;
};

static struct ss_udp *udp_of(struct dgram *d)
{
	return container_of(d, struct ss_udp, d);
}

/* 0 there is a socket, -EAGAIN, -errno */
static int udp_step(struct ss_udp *u)
{
	int rc = u->err;

	if (rc || u->d.below)
		return rc;
	if (u->way.search)
		rc = server_udp_step(&u->way, u->d.job, &u->server,
				     &u->d.below);
	else
		rc = server_udp_open(&u->way, &u->server, u->d.job,
				     &u->d.below);
	if (rc != -EAGAIN)
		u->err = rc;
	return rc;
}

static ssize_t seal_packet(struct ss_udp *u, const struct pkt *p, uint8_t *out,
			   size_t room)
{
	struct wire_packet pk = { .peer = p->peer,
				  .data = p->data,
				  .len = p->len };
	struct ss22_udp_head h = { .time_s = (uint64_t)clock_wall() };
	uint8_t salt[SS_KEY_MAX];

	if (u->key->method->v2022) {
		rand_bytes(h.random, sizeof(h.random));
		return ss22_udp_encode(&u->tx, &u->key->psk, &h, &pk, out,
				       room);
	}
	rand_bytes(salt, sizeof(salt));
	return ss_udp_seal(u->key->method, u->key->master, salt, &pk, out,
			   room);
}

/* Seal packets into scratch and send them. How many are done with, or -errno */
static int send_some(struct ss_udp *u, const struct pkt *v, int n)
{
	uint8_t *p = server_udp_room(&u->way);
	uint8_t *end = p + WORKER_SCRATCH_BYTES;
	struct pkt out[DGRAM_BATCH];
	int at[DGRAM_BATCH] = { 0 }; /* of @v, what out[] is made of */
	int used = 0, count = 0;

	for (; used < n && count < DGRAM_BATCH; used++) {
		ssize_t k;

		if ((size_t)(end - p) < EXTRA_MAX + v[used].len && count)
			break;
		k = seal_packet(u, &v[used], p, (size_t)(end - p));
		/* What cannot be carried is lost, like in any network */
		if (k < 0 || k > DGRAM_MAX) {
			worker_drop(u->worker, DROP_UDP_SEND);
			continue;
		}
		at[count] = used;
		out[count++] = (struct pkt){ .peer = u->server,
					     .data = p,
					     .len = (size_t)k };
		p += k;
	}
	return dgram_pass(u->d.below, out, count, at, used);
}

static int ss_send(struct dgram *d, const struct pkt *v, int n)
{
	struct ss_udp *u = udp_of(d);
	int rc = udp_step(u), done = 0;

	while (rc >= 0 && done < n) {
		rc = send_some(u, v + done, n - done);
		if (rc > 0)
			done += rc;
	}
	return done ? done : rc;
}

static int open_packet(struct ss_udp *u, struct pkt *p, struct wire_packet *pk)
{
	struct ss22_udp_head h = { .from_server = true,
				   .own = u->tx.session,
				   .now_s = (uint64_t)clock_wall() };
	struct iovec v = { p->data, p->len };

	if (!u->key->method->v2022)
		return ss_udp_open(u->key->method, u->key->master, p->data,
				   p->len, pk);
	return ss22_udp_decode(u->rx, &u->key->psk, &v, &h, pk);
}

/* Open in place; what is not the server's goes. How many are left */
static int open_all(struct ss_udp *u, struct pkt *v, int n)
{
	struct layer_room *r = layer_room(u->worker);
	struct wire_packet pk;
	int kept = 0;

	for (int i = 0; r && i < n; i++) {
		if (!addr_eq(&v[i].peer, &u->server) ||
		    open_packet(u, &v[i], &pk) < 0)
			continue;
		if (pk.peer.kind == ADDR_NAME)
			pk.peer.name = memcpy(r->names[kept], pk.name, 256);
		v[kept].peer = pk.peer;
		v[kept].data = v[i].data + (pk.data - v[i].data);
		v[kept++].len = pk.len;
	}
	return kept;
}

static int ss_recv(struct dgram *d, struct pkt *v, int max)
{
	struct ss_udp *u = udp_of(d);
	int rc = udp_step(u);

	if (rc < 0)
		return rc;
	if (max > DGRAM_BATCH)
		max = DGRAM_BATCH;
	for (int i = 0; i < DGRAM_TRIES; i++) {
		int n = u->d.below->ops->recv(u->d.below, v, max);

		if (n <= 0)
			return n;
		n = open_all(u, v, n);
		if (n)
			return n;
	}
	job_ready(d->job);
	return -EAGAIN;
}

static void ss_want(struct dgram *d, unsigned int events)
{
	if (!d->below)
		return; /* the question marks the job */
	d->below->job = d->job;
	d->below->ops->want(d->below, events);
}

static void ss_close(struct dgram *d)
{
	struct ss_udp *u = udp_of(d);

	if (d->below)
		d->below->ops->close(d->below);
	server_udp_drop(&u->way);
	ss22_udp_drop(&u->tx);
	ss22_udp_drop(&u->rx[0]);
	ss22_udp_drop(&u->rx[1]);
	free(u);
}

static const struct dgram_ops ss_dgram_ops = {
	.name = "shadowsocks",
	.recv = ss_recv,
	.send = ss_send,
	.want = ss_want,
	.close = ss_close,
};

/* The server's address, or a search for it. 0 or -errno */
static int find_server(struct ss_udp *u, struct config *cfg)
{
	const struct ss_conf *conf = u->ob->settings;
	const struct addr *server = &conf->server.server;

	if (!addr_is_ip(server))
		return server_udp_seek(&u->way, server, cfg);
	u->server = *server;
	return 0;
}

int ss_open_dgram(const struct outbound *ob, struct udp_map *m,
		  struct session *s, struct dgram **out)
{
	const struct ss_conf *conf = ob->settings;
	struct ss_udp *u;
	uint8_t session[8];
	int rc;

	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->d = (struct dgram){ .ops = &ss_dgram_ops, .job = udp_map_job(m) };
	u->worker = udp_map_worker(m);
	u->ob = ob;
	u->key = &conf->key;
	rand_bytes(session, sizeof(session));
	rc = u->key->method->v2022 ?
		     ss22_udp_set(&u->tx, &u->key->psk, session) :
		     0;
	if (!rc)
		rc = server_udp_init(&u->way, ob, m, s);
	if (!rc)
		rc = find_server(u, s->cfg);
	if (!rc)
		rc = udp_step(u) == -EAGAIN ? 0 : u->err;
	if (rc < 0) {
		ss_close(&u->d);
		return rc;
	}
	*out = &u->d;
	return 0;
}
