/*
 * wg.c - WireGuard tunnels of the process, and the workers that use them
 *
 *   worker's stack -> (message) -> home: wg_dev -> socket
 *   socket -> wg_dev -> home's stack -> (another lane: message) -> worker's stack
 *
 * A tunnel ends when no configuration wants it: home is told, and tells the others.
 * At the end of the process each worker takes its own part down.
 */
#include "proxy/layer/wg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/core/config.h"
#include "gateway/core/ipstack.h"
#include "proxy/layer/wg_int.h"

/**
 * struct wg_port - One worker's end of a tunnel
 * @node:	In the worker's struct wg_room
 * @at_home:	It speaks with the tunnel without messages
 * @ib:		A server's: where its users are found; NULL
 */
struct wg_port {
	struct list node;
	struct wg *wg;
	struct worker *worker;
	struct ipstack *stack;
	const struct inbound *const *ib;
	bool at_home;
};

/**
 * struct wg - A tunnel
 * @node:	In the table, while a configuration wants it
 * @users:	Configurations; @refs: these, ports, home, messages. Under table_lock
 * @lock:	Of @home and @port, and held while posting to them
 * @home:	NULL before the first use, and after the end
 * @port:	By worker; each is touched by its own alone
 * @moving:	Packets in messages
 * @dev:	Home's
 */
struct wg {
	struct list node;
	struct arena arena;
	struct wg_conf conf;
	unsigned int users, refs;
	pthread_mutex_t lock;
	struct worker *home;
	struct wg_port *port[WORKERS_MAX];
	atomic_uint moving;
	struct list homed; /* in home's struct wg_room */
	struct wg_dev dev;
};

/* worker->rooms[ROOM_WG] */
struct wg_room {
	struct list ports, homes;
};

/**
 * struct wg_message - What one worker tells another about a tunnel
 * @data:	A packet; aligned
 */
struct wg_message {
	struct message m; /* first member */
	struct wg *wg;
	size_t len;
	_Alignas(16) uint8_t data[];
};

/* Tunnels that are wanted, of all threads */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list table = { &table, &table };

/* --- references --------------------------------------------------------------------- */

static void wg_ref(struct wg *wg)
{
	pthread_mutex_lock(&table_lock);
	wg->refs++;
	pthread_mutex_unlock(&table_lock);
}

static void wg_unref(struct wg *wg)
{
	bool last;

	pthread_mutex_lock(&table_lock);
	last = --wg->refs == 0;
	pthread_mutex_unlock(&table_lock);
	if (!last)
		return;
	pthread_mutex_destroy(&wg->lock);
	wg_conf_wipe(&wg->conf);
	arena_free(&wg->arena);
	free(wg);
}

static struct wg_message *message_new(struct wg *wg, size_t n)
{
	struct wg_message *m = malloc(sizeof(*m) + n);

	if (!m)
		return NULL;
	m->wg = wg;
	m->len = n;
	wg_ref(wg);
	return m;
}

static void message_free(struct wg_message *m)
{
	struct wg *wg = m->wg;

	free(m);
	wg_unref(wg);
}

/* Room for a packet on its way to another worker, or NULL */
static struct wg_message *packet_new(struct wg *wg, size_t n)
{
	struct wg_message *m = NULL;

	if (atomic_fetch_add_explicit(&wg->moving, 1, memory_order_relaxed) <
	    WG_MOVING_MAX)
		m = message_new(wg, n);
	if (!m)
		atomic_fetch_sub_explicit(&wg->moving, 1, memory_order_relaxed);
	return m;
}

static void packet_free(struct wg_message *m)
{
	atomic_fetch_sub_explicit(&m->wg->moving, 1, memory_order_relaxed);
	message_free(m);
}

/* --- packets between workers ---------------------------------------------------------- */

/*
 * In home's thread. A worker may send before home has begun, when it could not, and
 * until it has heard that home ended
 */
static void home_send(struct wg *wg, struct worker *w, const struct iovec *iov,
		      int cnt)
{
	if (wg->dev.sock)
		wg_dev_send(&wg->dev, iov, cnt);
	else
		worker_drop(w, DROP_UDP_SEND);
}

/* In home's thread: out of another worker's stack */
static void packet_out(struct worker *w, struct message *m)
{
	struct wg_message *pm = container_of(m, struct wg_message, m);
	struct iovec v = { pm->data, pm->len };

	home_send(pm->wg, w, &v, 1);
	packet_free(pm);
}

/* In another worker's thread: for its stack */
static void packet_in(struct worker *w, struct message *m)
{
	struct wg_message *pm = container_of(m, struct wg_message, m);
	struct wg_port *port = pm->wg->port[w->index];

	if (port)
		ipstack_ops.input(port->stack, pm->data, pm->len);
	packet_free(pm);
}

/* A stack sends */
static void port_send(void *arg, const struct iovec *iov, int cnt)
{
	struct wg_port *port = arg;
	struct wg *wg = port->wg;
	struct wg_message *m;
	size_t len = 0;

	if (port->at_home) {
		home_send(wg, port->worker, iov, cnt);
		return;
	}
	for (int i = 0; i < cnt; i++)
		len += iov[i].iov_len;
	m = packet_new(wg, len);
	if (!m) {
		worker_drop(port->worker, DROP_UDP_QUEUE);
		return;
	}
	len = 0;
	for (int i = 0; i < cnt; len += iov[i++].iov_len)
		memcpy(m->data + len, iov[i].iov_base, iov[i].iov_len);
	m->m.fn = packet_out;
	pthread_mutex_lock(&wg->lock);
	if (wg->home) {
		worker_post(wg->home, &m->m);
		m = NULL;
	}
	pthread_mutex_unlock(&wg->lock);
	if (m)
		packet_free(m);
}

/* Home's stack: this packet is for the worker of another lane */
static void port_pass(void *arg, unsigned int lane, const uint8_t *p, size_t n)
{
	struct wg_port *port = arg;
	struct wg *wg = port->wg;
	struct wg_message *m = packet_new(wg, n);

	if (!m) {
		worker_drop(port->worker, DROP_UDP_QUEUE);
		return;
	}
	memcpy(m->data, p, n);
	m->m.fn = packet_in;
	pthread_mutex_lock(&wg->lock);
	if (wg->port[lane]) {
		worker_post(wg->port[lane]->worker, &m->m);
		m = NULL;
	}
	pthread_mutex_unlock(&wg->lock);
	if (m)
		packet_free(m);
}

/* The peer whose address it is; its user is that of the generation in force */
static struct ipstack_user port_user(void *arg, const struct addr *client)
{
	struct wg_port *port = arg;
	struct wg_dev *d = &port->wg->dev;
	const struct wg_conf *c = (*port->ib)->settings;
	const struct wg_peer *p = wg_routes_find(&d->routes, client);
	struct ipstack_user u = { 0 };

	if (p && port->worker->cfg) {
		const struct wg_peer_conf *pc = &c->peers[p - d->peers];

		u.name = pc->email && *pc->email ? pc->email : NULL;
		u.policy = config_policy(port->worker->cfg, pc->level);
	}
	return u;
}

static void deliver(struct wg_dev *d, uint8_t *p, size_t n)
{
	struct wg *wg = container_of(d, struct wg, dev);
	struct wg_port *port = wg->port[d->worker->index];

	if (port)
		ipstack_ops.input(port->stack, p, n);
}

/* --- a worker's part -------------------------------------------------------------------- */

static void port_close(struct wg_port *port)
{
	struct wg *wg = port->wg;

	pthread_mutex_lock(&wg->lock);
	wg->port[port->worker->index] = NULL;
	pthread_mutex_unlock(&wg->lock);
	ipstack_ops.close(port->stack);
	list_del(&port->node);
	free(port);
	wg_unref(wg);
}

/* In home's thread */
static void home_close(struct wg *wg)
{
	list_del(&wg->homed);
	pthread_mutex_lock(&wg->lock);
	wg->home = NULL;
	pthread_mutex_unlock(&wg->lock);
	wg_dev_stop(&wg->dev);
	wg_unref(wg);
}

/* At the end of the worker. Stacks may have last words: home comes after them */
static void room_free(void *p)
{
	struct wg_room *r = p;

	while (!list_empty(&r->ports))
		port_close(list_first(&r->ports, struct wg_port, node));
	while (!list_empty(&r->homes))
		home_close(list_first(&r->homes, struct wg, homed));
	free(r);
}

static struct wg_room *room_of(struct worker *w)
{
	struct wg_room *r = w->rooms[ROOM_WG];

	if (r)
		return r;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	list_init(&r->ports);
	list_init(&r->homes);
	w->rooms[ROOM_WG] = r;
	w->room_free[ROOM_WG] = room_free;
	return r;
}

/* @ib: of a server, whose stack has no lanes; NULL */
static int port_open(struct wg *wg, struct worker *w, struct wg_room *room,
		     const struct inbound *const *ib)
{
	struct wg_port *port = calloc(1, sizeof(*port));
	struct ipstack_conf conf = {
		.worker = w,
		.ib = ib,
		.mtu = wg->conf.mtu,
		.own = { wg->conf.own[0], wg->conf.own[1] },
		.lane = ib ? 0 : w->index,
		.lanes = ib || !workers_count ? 1 : workers_count,
		.send = port_send,
		.pass = port_pass,
		.user = ib ? port_user : NULL,
		.arg = port,
	};
	int rc;

	if (!port)
		return -ENOMEM;
	port->wg = wg;
	port->worker = w;
	port->ib = ib;
	rc = ipstack_ops.open(&conf, &port->stack);
	if (rc < 0) {
		if (rc == -ENOTSUP)
			log_error("wireguard: [%s] worker %u has no stack: too "
				  "many workers",
				  wg->conf.tag, w->index);
		free(port);
		return rc;
	}
	wg_ref(wg);
	list_add_tail(&room->ports, &port->node);
	pthread_mutex_lock(&wg->lock);
	port->at_home = wg->home == w;
	wg->port[w->index] = port;
	pthread_mutex_unlock(&wg->lock);
	return 0;
}

/*
 * In home's thread, once. Its stack comes first: what that flushes leaves in the same
 * turn
 */
static void home_open(struct worker *w, struct wg *wg)
{
	struct wg_room *room = room_of(w);

	if (wg->dev.sock)
		return;
	pthread_mutex_lock(&wg->lock);
	wg->home = w;
	pthread_mutex_unlock(&wg->lock);
	if (!room ||
	    (!wg->port[w->index] && port_open(wg, w, room, NULL) < 0) ||
	    wg_dev_start(&wg->dev, w, &wg->conf) < 0) {
		pthread_mutex_lock(&wg->lock);
		wg->home = NULL; /* the next use tries again */
		pthread_mutex_unlock(&wg->lock);
		return;
	}
	wg_ref(wg);
	list_add_tail(&room->homes, &wg->homed);
}

static void on_home_open(struct worker *w, struct message *m)
{
	struct wg_message *wm = container_of(m, struct wg_message, m);

	home_open(w, wm->wg);
	message_free(wm);
}

/* Home is told that it is that. 0 or -ENOMEM */
static int home_tell(struct wg *wg, struct worker *home)
{
	struct wg_message *m = NULL;
	int rc = 0;

	pthread_mutex_lock(&wg->lock);
	if (!wg->home) {
		m = message_new(wg, 0);
		rc = m ? 0 : -ENOMEM;
	}
	if (m) {
		wg->home = home;
		m->m.fn = on_home_open;
		worker_post(home, &m->m);
	}
	pthread_mutex_unlock(&wg->lock);
	return rc;
}

/* The first use gives it a home: worker 0, where the observatory is, too */
static int find_home(struct wg *wg, struct worker *w)
{
	struct worker *home = workers_count ? workers_all[0] : w;

	if (home != w)
		return home_tell(wg, home);
	home_open(w, wg); /* the message of another may still be on its way */
	return wg->dev.sock ? 0 : -ENETDOWN;
}

int wg_stack(struct wg *wg, struct worker *w, struct ipstack **out)
{
	struct wg_room *room = room_of(w);
	int rc = room ? find_home(wg, w) : -ENOMEM;

	if (!rc && !wg->port[w->index])
		rc = port_open(wg, w, room, NULL);
	if (!rc)
		*out = wg->port[w->index]->stack;
	return rc;
}

/* --- birth -------------------------------------------------------------------------------- */

static int copy_peer(struct arena *a, struct wg_peer_conf *p)
{
	size_t bytes = p->allowed_count * sizeof(*p->allowed);
	struct cidr *allowed = arena_alloc(a, bytes + 1);

	if (!allowed)
		return -ENOMEM;
	if (bytes)
		memcpy(allowed, p->allowed, bytes);
	p->allowed = allowed;
	p->email = NULL; /* asked of the generation in force */
	if (p->endpoint.kind == ADDR_NAME)
		p->endpoint.name = arena_strdup(a, p->endpoint.name);
	return p->endpoint.kind != ADDR_NAME || p->endpoint.name ? 0 : -ENOMEM;
}

static int copy(struct wg *wg, const struct wg_conf *conf)
{
	struct arena *a = &wg->arena;
	struct wg_conf *c = &wg->conf;
	size_t bytes = conf->peer_count * sizeof(*conf->peers);
	int rc = 0;

	*c = *conf;
	c->sockopt.dialer_proxy = NULL;
	c->sockopt.trusted = NULL;
	c->tag = arena_strdup(a, conf->tag);
	c->peers = arena_alloc(a, bytes + 1);
	if (!c->tag || !c->peers) {
		c->peer_count = 0;
		return -ENOMEM;
	}
	memcpy(c->peers, conf->peers, bytes);
	for (unsigned int i = 0; !rc && i < c->peer_count; i++)
		rc = copy_peer(a, &c->peers[i]);
	return rc;
}

static struct wg *wg_new(const struct wg_conf *conf)
{
	struct wg *wg = calloc(1, sizeof(*wg));

	if (!wg)
		return NULL;
	wg->refs = 1;
	wg->users = 1;
	list_init(&wg->node);
	list_init(&wg->homed);
	pthread_mutex_init(&wg->lock, NULL);
	wg->dev.deliver = deliver;
	if (!copy(wg, conf))
		return wg;
	wg_unref(wg);
	return NULL;
}

/* --- servers ------------------------------------------------------------------------------ */

int wg_serve(const struct wg_conf *conf, const struct inbound *const *ib,
	     struct worker *w, struct wg **out)
{
	struct wg_room *room = room_of(w);
	struct wg *wg = room ? wg_new(conf) : NULL;
	int rc;

	if (!wg)
		return -ENOMEM;
	wg->home = w;
	rc = port_open(wg, w, room, ib);
	if (!rc)
		rc = wg_dev_start(&wg->dev, w, &wg->conf);
	if (rc < 0) {
		wg_serve_end(wg);
		return rc;
	}
	*out = wg;
	return 0;
}

void wg_serve_end(struct wg *wg)
{
	struct worker *w = wg->home;
	struct wg_port *port = wg->port[w->index];

	if (port)
		port_close(port);
	if (wg->dev.sock)
		wg_dev_stop(&wg->dev);
	wg_unref(wg);
}

/* --- the table ---------------------------------------------------------------------------- */

static bool same_peer(const struct wg_peer_conf *a,
		      const struct wg_peer_conf *b)
{
	if (memcmp(a->public_key, b->public_key, WG_KEY_BYTES) != 0 ||
	    !ct_equal(a->psk, b->psk, WG_KEY_BYTES) ||
	    !addr_eq(&a->endpoint, &b->endpoint) ||
	    a->keep_alive_s != b->keep_alive_s ||
	    a->allowed_count != b->allowed_count)
		return false;
	return !memcmp(a->allowed, b->allowed,
		       a->allowed_count * sizeof(*a->allowed));
}

bool wg_conf_same(const struct wg_conf *a, const struct wg_conf *b)
{
	if (!ct_equal(a->secret_key, b->secret_key, WG_KEY_BYTES) ||
	    !addr_eq(&a->own[0], &b->own[0]) ||
	    !addr_eq(&a->own[1], &b->own[1]) || !addr_eq(&a->bind, &b->bind) ||
	    memcmp(a->reserved, b->reserved, sizeof(a->reserved)) != 0 ||
	    a->strategy != b->strategy || a->mtu != b->mtu ||
	    a->peer_count != b->peer_count || strcmp(a->tag, b->tag) != 0 ||
	    a->sockopt.mark != b->sockopt.mark ||
	    strcmp(a->sockopt.interface, b->sockopt.interface) != 0)
		return false;
	for (unsigned int i = 0; i < a->peer_count; i++)
		if (!same_peer(&a->peers[i], &b->peers[i]))
			return false;
	return true;
}

struct wg *wg_get(const struct wg_conf *conf)
{
	struct wg *wg;
	struct list *p;

	pthread_mutex_lock(&table_lock);
	list_for_each (p, &table) {
		wg = container_of(p, struct wg, node);
		if (!wg_conf_same(&wg->conf, conf))
			continue;
		wg->users++;
		wg->refs++;
		pthread_mutex_unlock(&table_lock);
		return wg;
	}
	pthread_mutex_unlock(&table_lock);
	wg = wg_new(conf); /* only the main thread comes here */
	if (!wg)
		return NULL;
	pthread_mutex_lock(&table_lock);
	list_add_tail(&table, &wg->node);
	pthread_mutex_unlock(&table_lock);
	return wg;
}

/* In the thread of a worker that has a part of a tunnel nobody wants */
static void on_part_close(struct worker *w, struct message *m)
{
	struct wg_message *wm = container_of(m, struct wg_message, m);
	struct wg_port *port = wm->wg->port[w->index];
	bool home;

	if (port)
		port_close(port);
	pthread_mutex_lock(&wm->wg->lock);
	home = wm->wg->home == w;
	pthread_mutex_unlock(&wm->wg->lock);
	if (home)
		home_close(wm->wg);
	message_free(wm);
}

/* Every worker that has a part is told; when memory is out, it ends with them */
static void close_parts(struct wg *wg)
{
	struct wg_message *m;

	pthread_mutex_lock(&wg->lock);
	for (unsigned int i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = wg->port[i] ? wg->port[i]->worker : NULL;

		if (!w && wg->home && wg->home->index == i)
			w = wg->home;
		m = w ? message_new(wg, 0) : NULL;
		if (!m)
			continue;
		m->m.fn = on_part_close;
		worker_post(w, &m->m);
	}
	pthread_mutex_unlock(&wg->lock);
}

void wg_put(struct wg *wg)
{
	bool last;

	pthread_mutex_lock(&table_lock);
	last = --wg->users == 0;
	if (last)
		list_del(&wg->node);
	pthread_mutex_unlock(&table_lock);
	if (last)
		close_parts(wg);
	wg_unref(wg);
}
