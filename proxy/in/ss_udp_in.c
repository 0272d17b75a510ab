/*
 * ss_udp_in.c - Shadowsocks server: datagrams
 *
 *   socket --open--> client (address, and session of 2022) --> its map
 *   socket <--seal-- client <-- replies, each with its own source
 *
 * One socket a worker; the kernel keeps a client on its socket (SO_REUSEPORT).
 * Packets of one turn wait in their client's queue, bounded. AEAD packets have
 * no replay protection of their own (nor had they in the original).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/htab.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/listen.h"
#include "gateway/core/udp.h"
#include "proxy/in/ss_in.h"

#define QUEUE_MAX  128 /* packets of one client that wait for its map */
#define TURN_READS 8 /* batches a turn */
#define LOOK_MS    1000u /* between two looks whether a client is a user still */
#define EXTRA_MAX  (SS22_PACKET_EXTRA + 64)

/**
 * struct ss_udp_in - One socket
 * @refs:	Itself and its clients; those outlive the listener
 * @sock:	NULL: stopped
 */
struct ss_udp_in {
	struct job job; /* must be first */
	struct listener *l;
	struct worker *worker;
	struct dgram *sock;
	struct htab clients; /* struct ss_client_in by address */
	struct ss_udp_in *next; /* another port */
	unsigned int refs;
};

struct ss_pkt {
	struct list node;
	struct addr peer;
	size_t len;
	char name[256];
	uint8_t data[];
};

/**
 * struct ss_client_in - A client's end of its map
 * @queue, @given:	Packets for the map; handed out by the last recv
 * @users:	Keeps @key; @cfg: @server, its identity key or NULL
 * @seen:	The list that it was last looked for in, at @looked_ms
 * @gone:	It was not there: @map ends
 * @tx, @rx:	Sessions of 2022 methods; ours, and the client's
 */
struct ss_client_in {
	struct dgram d; /* must be first */
	struct hnode by_addr;
	struct ss_udp_in *u;
	struct addr addr;
	struct config *cfg;
	struct srv_users *users, *seen;
	const struct ss_secret_key *key, *server;
	struct udp_map *map;
	struct list queue, given;
	unsigned int queued;
	uint32_t looked_ms;
	bool gone;
	struct ss22_udp_key tx, rx[2];
};

static struct ss_client_in *client_of(struct dgram *d)
{
	return container_of(d, struct ss_client_in, d);
}

static void unref(struct ss_udp_in *u)
{
	if (--u->refs)
		return;
	htab_free(&u->clients);
	free(u);
}

static void pkts_free(struct list *l)
{
	struct list *p, *next;

	list_for_each_safe (p, next, l)
		free(container_of(p, struct ss_pkt, node));
	list_init(l);
}

/* --- a client's end -------------------------------------------------------------- */

static int client_recv(struct dgram *d, struct pkt *v, int max)
{
	struct ss_client_in *c = client_of(d);
	int n = 0;

	pkts_free(&c->given);
	for (; n < max && !list_empty(&c->queue); n++) {
		struct ss_pkt *p = list_first(&c->queue, struct ss_pkt, node);

		list_del(&p->node);
		list_add_tail(&c->given, &p->node);
		c->queued--;
		v[n] = (struct pkt){ p->peer, p->data, p->len };
	}
	return n ? n : -EAGAIN;
}

static ssize_t seal(struct ss_client_in *c, const struct pkt *p, uint8_t *out,
		    size_t room)
{
	struct wire_packet pk = { .peer = p->peer,
				  .data = p->data,
				  .len = p->len };
	struct ss22_udp_head h = { .from_server = true,
				   .time_s = (uint64_t)clock_wall() };
	uint8_t salt[SS_KEY_MAX];

	if (c->key->method->v2022) {
		memcpy(h.client, c->rx[0].session, sizeof(h.client));
		rand_bytes(h.random, sizeof(h.random));
		return ss22_udp_encode(&c->tx, &c->key->psk, &h, &pk, out,
				       room);
	}
	rand_bytes(salt, sizeof(salt));
	return ss_udp_seal(c->key->method, c->key->master, salt, &pk, out,
			   room);
}

/* Seal into scratch and send. How many are done with, or -errno */
static int send_some(struct ss_client_in *c, const struct pkt *v, int n)
{
	struct worker *w = c->u->worker;
	uint8_t *p = w->scratch, *end = p + WORKER_SCRATCH_BYTES;
	struct pkt out[DGRAM_BATCH];
	int at[DGRAM_BATCH] = { 0 }; /* of @v, what out[] is made of */
	int used = 0, count = 0;

	for (; used < n && count < DGRAM_BATCH; used++) {
		ssize_t k;

		if ((size_t)(end - p) < EXTRA_MAX + v[used].len && count)
			break;
		k = seal(c, &v[used], p, (size_t)(end - p));
		if (k < 0 || k > DGRAM_MAX) {
			worker_drop(w, DROP_UDP_SEND);
			continue;
		}
		at[count] = used;
		out[count++] = (struct pkt){ c->addr, p, (size_t)k };
		p += k;
	}
	return dgram_pass(c->u->sock, out, count, at, used);
}

static int client_send(struct dgram *d, const struct pkt *v, int n)
{
	struct ss_client_in *c = client_of(d);
	int done = 0, rc = 0;

	if (!c->u->sock)
		return -EPIPE; /* the listener is gone */
	while (rc >= 0 && done < n) {
		rc = send_some(c, v + done, n - done);
		if (rc > 0)
			done += rc;
	}
	return done ? done : rc;
}

static void client_want(struct dgram *d, unsigned int events)
{
	struct ss_client_in *c = client_of(d);

	if (events & ST_READ && !list_empty(&c->queue))
		job_ready(d->job);
}

static void client_close(struct dgram *d)
{
	struct ss_client_in *c = client_of(d);

	htab_del(&c->u->clients, &c->by_addr);
	pkts_free(&c->queue);
	pkts_free(&c->given);
	ss22_udp_drop(&c->tx);
	ss22_udp_drop(&c->rx[0]);
	ss22_udp_drop(&c->rx[1]);
	config_unref(c->cfg);
	srv_users_put(c->users);
	srv_users_put(c->seen);
	unref(c->u);
	free(c);
}

static const struct dgram_ops client_ops = {
	.name = "shadowsocks",
	.recv = client_recv,
	.send = client_send,
	.want = client_want,
	.close = client_close,
};

/* --- the socket -------------------------------------------------------------------- */

static struct ss_client_in *client_find(struct ss_udp_in *u,
					const struct addr *a)
{
	struct hnode *n;

	htab_each(n, &u->clients, addr_hash(a, rand_key()))
	{
		struct ss_client_in *c =
			container_of(n, struct ss_client_in, by_addr);

		if (addr_eq(&c->addr, a))
			return c;
	}
	return NULL;
}

/* Open a 2022 packet of the user @k. 0 or -errno */
static int open_2022(struct ss22_udp_key rx[2],
		     const struct ss_secret_key *server,
		     const struct ss_secret_key *k, const struct pkt *p,
		     struct wire_packet *pk)
{
	struct ss22_udp_head h = { .from_server = false,
				   .now_s = (uint64_t)clock_wall() };
	struct iovec v = { p->data, p->len };

	return server ? ss22_udp_user_decode(rx, &server->psk, &k->psk, &v, &h,
					     pk) :
			ss22_udp_decode(rx, &k->psk, &v, &h, pk);
}

/* Which user, or -errno */
static int first_2022(const struct ss_in *conf, const struct srv_users *us,
		      const struct pkt *p, struct ss22_udp_key rx[2],
		      struct wire_packet *pk)
{
	struct iovec v = { p->data, p->len };
	uint8_t hash[SS22_HASH];
	int user, rc;

	if (!conf->server.method)
		return open_2022(rx, NULL, &ss_key(us, 0)->k, p, pk);
	rc = ss22_udp_identity(&conf->server.psk, &v, hash);
	user = rc < 0 ? rc : ss_find_hash(us, hash);
	if (user < 0)
		return user;
	rc = open_2022(rx, &conf->server, &ss_key(us, (unsigned int)user)->k, p,
		       pk);
	return rc < 0 ? rc : user;
}

/* Open @p with one of the users' keys. Which, or -EPROTO */
static int open_first(const struct ss_in *conf, const struct srv_users *us,
		      const struct pkt *p, struct ss22_udp_key rx[2],
		      struct wire_packet *pk)
{
	uint8_t *copy = NULL;
	int rc = -EPROTO;

	if (!us->count)
		return -EPROTO;
	if (conf->method->v2022)
		return first_2022(conf, us, p, rx, pk);
	/* a key that does not fit leaves garbage */
	if (us->count > 1 && !(copy = malloc(p->len + 1)))
		return -ENOMEM;
	if (copy)
		memcpy(copy, p->data, p->len);
	for (unsigned int i = 0; rc < 0 && i < us->count; i++) {
		const struct ss_secret_key *k = &ss_key(us, i)->k;

		if (i)
			memcpy(p->data, copy, p->len);
		if (!ss_udp_open(k->method, k->master, p->data, p->len, pk))
			rc = (int)i;
	}
	free(copy);
	return rc;
}

static int open_known(struct ss_client_in *c, const struct pkt *p,
		      struct wire_packet *pk)
{
	if (!c->key->method->v2022)
		return ss_udp_open(c->key->method, c->key->master, p->data,
				   p->len, pk);
	return open_2022(c->rx, c->server, c->key, p, pk);
}

/* A new client's end and map. @rx moves in. NULL: shed */
static struct ss_client_in *client_new(struct ss_udp_in *u,
				       const struct addr *a,
				       struct srv_users *us, unsigned int user,
				       struct ss22_udp_key rx[2])
{
	const struct ss_in *conf = u->l->ib->settings;
	struct ss_client_in *c = calloc(1, sizeof(*c));
	struct udp_map *m;
	uint8_t session[8];

	if (!c)
		return NULL;
	c->d.ops = &client_ops;
	c->u = u;
	c->addr = *a;
	c->key = &ss_key(us, user)->k;
	c->server = conf->server.method ? &conf->server : NULL;
	list_init(&c->queue);
	list_init(&c->given);
	rand_bytes(session, sizeof(session));
	if (c->key->method->v2022 &&
	    ss22_udp_set(&c->tx, &c->key->psk, session)) {
		free(c);
		return NULL;
	}
	m = udp_map_new(u->worker, u->l->ib, a, &c->d);
	if (!m) {
		ss22_udp_drop(&c->tx);
		free(c);
		return NULL;
	}
	c->map = m;
	c->users = srv_users_ref(us);
	c->seen = srv_users_ref(us);
	c->looked_ms = u->worker->now_ms;
	if (*us->v[user]->email)
		udp_map_set(m, us->v[user]->email, false);
	memcpy(c->rx, rx, sizeof(c->rx));
	memset(rx, 0, sizeof(c->rx));
	c->cfg = config_ref(udp_map_cfg(m));
	udp_map_set_policy(m, config_policy(c->cfg, us->v[user]->level));
	htab_put(&u->clients, &c->by_addr, addr_hash(a, rand_key()));
	u->refs++;
	return c;
}

static bool same_key(const struct ss_secret_key *a,
		     const struct ss_secret_key *b)
{
	return a->method == b->method && a->psk.count == b->psk.count &&
	       ct_equal(a->master, b->master, sizeof(a->master)) &&
	       ct_equal(a->psk.psk, b->psk.psk, sizeof(a->psk.psk));
}

/* Has somebody in force the key of @c? */
static bool is_user(const struct ss_client_in *c, const struct ss_in *conf,
		    const struct srv_users *us)
{
	bool found = false;

	if (!c->server != !conf->server.method ||
	    (c->server && !same_key(c->server, &conf->server)))
		return false;
	for (unsigned int i = 0; !found && i < us->count; i++)
		found = same_key(c->key, &ss_key(us, i)->k);
	return found;
}

/*
 * Unlike a connection, a map ends by itself never while packets come: whom the API or
 * a reload took away must not stay for that. True: @c may go on
 */
static bool client_stays(struct ss_client_in *c)
{
	struct ss_in *conf = c->u->l->ib->settings;
	uint32_t now = c->u->worker->now_ms;
	struct srv_users *us;

	if (c->gone || now - c->looked_ms < LOOK_MS)
		return !c->gone;
	c->looked_ms = now;
	us = srv_users_get(&conf->srv.users);
	c->gone = us != c->seen && !is_user(c, conf, us);
	srv_users_put(c->seen);
	c->seen = us;
	if (c->gone)
		udp_map_kill(c->map, -EACCES);
	return !c->gone;
}

static void queue_put(struct ss_client_in *c, const struct wire_packet *pk)
{
	struct ss_pkt *x;

	if (c->queued >= QUEUE_MAX) {
		worker_drop(c->u->worker, DROP_UDP_QUEUE);
		return;
	}
	x = malloc(sizeof(*x) + pk->len);
	if (!x) {
		worker_drop(c->u->worker, DROP_NO_MEMORY);
		return;
	}
	x->peer = pk->peer;
	if (pk->peer.kind == ADDR_NAME)
		x->peer.name = memcpy(x->name, pk->name, sizeof(x->name));
	x->len = pk->len;
	if (pk->len)
		memcpy(x->data, pk->data, pk->len);
	list_add_tail(&c->queue, &x->node);
	c->queued++;
	job_ready(c->d.job);
}

/* What does not open is dropped without a word */
static void take(struct ss_udp_in *u, const struct pkt *p)
{
	struct ss_client_in *c = client_find(u, &p->peer);
	struct ss22_udp_key rx[2] = { { .live = false } };
	struct ss_in *conf = u->l->ib->settings;
	struct srv_users *us;
	struct wire_packet pk;
	int user;

	if (c) {
		if (client_stays(c) && !open_known(c, p, &pk))
			queue_put(c, &pk);
		return;
	}
	us = srv_users_get(&conf->srv.users);
	user = open_first(conf, us, p, rx, &pk);
	if (user >= 0)
		c = client_new(u, &p->peer, us, (unsigned int)user, rx);
	srv_users_put(us);
	if (c)
		queue_put(c, &pk);
	ss22_udp_drop(&rx[0]);
	ss22_udp_drop(&rx[1]);
}

static void socket_run(struct job *j)
{
	struct ss_udp_in *u = container_of(j, struct ss_udp_in, job);
	struct pkt v[DGRAM_BATCH];
	int n = 0;

	if (!u->sock)
		return;
	for (int i = 0; i < TURN_READS; i++) {
		n = u->sock->ops->recv(u->sock, v, DGRAM_BATCH);
		if (n <= 0)
			break;
		for (int k = 0; k < n; k++)
			take(u, &v[k]);
	}
	if (n < 0 && n != -EAGAIN)
		log_warning("inbound [%s]: udp: %s", u->l->ib->tag,
			    strerror(-n));
	u->sock->ops->want(u->sock, ST_READ);
	if (n > 0)
		job_ready(j);
}

static int socket_open(struct ss_udp_in *u, uint16_t port)
{
	const struct inbound *ib = u->l->ib;
	struct addr at = ib->listen;
	int family, fd;

	at.port = port;
	family = at.kind == ADDR_V6 ? AF_INET6 : AF_INET;
	fd = sock_listen(&ib->sockopt, &at, SOCK_DGRAM);
	if (fd < 0) {
		char text[ADDR_TEXT_MAX];

		log_error("inbound [%s]: cannot listen on udp %s: %s%s",
			  ib->tag, addr_format(&at, text, sizeof(text)),
			  strerror(-fd), sock_listen_hint(fd));
		return fd;
	}
	u->sock = fd_dgram_new(u->worker, fd, family, &u->job);
	if (!u->sock) {
		close(fd);
		return -ENOMEM;
	}
	u->sock->ops->want(u->sock, ST_READ);
	return 0;
}

int ss_udp_start(struct listener *l, struct ss_udp_in **out)
{
	struct ss_udp_in *u, *first = NULL;
	uint32_t port = 0;
	int rc = 0;

	while (!rc && listen_next_port(l->ib, &port)) {
		u = calloc(1, sizeof(*u));
		rc = u ? htab_init(&u->clients, 64) : -ENOMEM;
		if (rc) {
			free(u);
			break;
		}
		u->job = (struct job){ .run = socket_run, .worker = l->worker };
		u->l = l;
		u->worker = l->worker;
		u->refs = 1;
		u->next = first;
		first = u;
		rc = socket_open(u, (uint16_t)port);
	}
	if (rc)
		ss_udp_stop(first);
	else
		*out = first;
	return rc;
}

void ss_udp_stop(struct ss_udp_in *u)
{
	struct ss_udp_in *next;

	for (; u; u = next) {
		next = u->next;
		job_forget(&u->job);
		if (u->sock)
			u->sock->ops->close(u->sock);
		u->sock = NULL;
		unref(u);
	}
}
