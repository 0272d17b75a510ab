/*
 * wg_dev.c - A WireGuard tunnel at home: its socket, and whose message it is
 *
 *   socket -> head -> index -> handshake or session of a peer -> packet -> deliver
 *   packet -> peer by destination -> session -> batch -> socket, at the end of the turn
 *
 * Everything from the socket is hostile. What is not a handshake with a right MAC, or
 * not of a session we know, costs a look at sixteen bytes. Under load a handshake
 * is answered by a cookie first (paper, 5.4.7).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/compat.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/core/fd_dgram.h"
#include "gateway/core/stream.h"
#include "proxy/layer/wg_int.h"

enum {
	TURN_BATCHES = 16,
	PLAIN_BYTES = 65536,
	LOAD_SHAKES = 50, /* in LOAD_MS: more is load */
	LOAD_MS = 500,
	INDEX_TRIES = 8
};

uint32_t wg_dev_index(struct wg_dev *d)
{
	struct hnode *n;
	uint32_t i;

	do {
		i = rand_u32();
		n = htab_match(d->indices.slot[i & d->indices.mask], i);
	} while (n);
	return i;
}

static struct wg_slot *find_index(const struct wg_dev *d, uint32_t index)
{
	struct hnode *n;

	htab_each(n, &d->indices, index)
	{
		return container_of(n, struct wg_slot, node);
	}
	return NULL;
}

static struct wg_peer *find_key(const struct wg_dev *d, const uint8_t *key)
{
	struct hnode *n;
	uint32_t h;

	memcpy(&h, key, sizeof(h));
	htab_each(n, &d->keys, h)
	{
		struct wg_peer *p = container_of(n, struct wg_peer, by_key);

		if (ct_equal(p->key.public_key, key, WG_KEY_BYTES))
			return p;
	}
	return NULL;
}

/* --- out ------------------------------------------------------------------------ */

static void flush_out(struct wg_dev *d)
{
	int done = 0, rc = 1;

	while (d->sock && done < d->out_count && rc > 0) {
		rc = d->sock->ops->send(d->sock, d->out + done,
					d->out_count - done);
		done += rc > 0 ? rc : 0;
	}
	if (done < d->out_count)
		worker_drops(d->worker, DROP_UDP_SEND,
			     (uint64_t)(d->out_count - done));
	d->out_count = 0;
	d->out_used = 0;
}

static void on_flush(struct flusher *f)
{
	struct wg_dev *d = container_of(f, struct wg_dev, flusher);

	if (!d->out_count)
		return;
	/* the three bytes of which no MAC knows */
	for (int i = 0; i < d->out_count; i++)
		memcpy(d->out[i].data + 1, d->conf->reserved, 3);
	flush_out(d);
}

uint8_t *wg_dev_room(struct wg_dev *d, const struct addr *to, size_t n)
{
	struct pkt *k;

	if (d->out_count == DGRAM_BATCH || d->out_used + n > WG_OUT_BYTES)
		on_flush(&d->flusher);
	if (n > WG_OUT_BYTES || to->kind == ADDR_NONE)
		return NULL;
	k = &d->out[d->out_count++];
	*k = (struct pkt){ .peer = *to,
			   .data = d->out_bytes + d->out_used,
			   .len = n };
	d->out_used += n;
	return k->data;
}

void wg_dev_undo(struct wg_dev *d)
{
	d->out_used -= d->out[--d->out_count].len;
}

/* Source or destination of an IP packet. 0 or -EPROTO */
static int ip_addr_of(const uint8_t *p, size_t n, bool dest, struct addr *out)
{
	if (n >= 20 && p[0] >> 4 == 4)
		*out = addr_v4(p + (dest ? 16 : 12), 0);
	else if (n >= 40 && p[0] >> 4 == 6)
		*out = addr_v6(p + (dest ? 24 : 8), 0);
	else
		return -EPROTO;
	return 0;
}

void wg_dev_send(struct wg_dev *d, const struct iovec *iov, int cnt)
{
	struct wg_peer *p = NULL;
	struct addr to;
	size_t len = 0;

	for (int i = 0; i < cnt; i++)
		len += iov[i].iov_len;
	if (cnt && d->sock &&
	    !ip_addr_of(iov[0].iov_base, iov[0].iov_len, true, &to))
		p = wg_routes_find(&d->routes, &to);
	if (p)
		wg_peer_send(p, iov, cnt, len);
	else
		worker_drop(d->worker, DROP_IP_MARTIAN);
}

/* --- in --------------------------------------------------------------------------- */

/* @more: initiations that came: of responses there are no more than we asked for */
static bool under_load(struct wg_dev *d, uint32_t more)
{
	uint32_t now = d->worker->now_ms;

	if (now - d->shake_ms >= LOAD_MS) {
		d->loaded = d->shakes > LOAD_SHAKES;
		d->shakes = 0;
		d->shake_ms = now;
	}
	d->shakes += more;
	return d->shakes > LOAD_SHAKES || d->loaded;
}

/* The cookie of who sends from @from */
static void cookie_for(struct wg_dev *d, const struct addr *from,
		       uint8_t cookie[WG_MAC_BYTES])
{
	uint8_t id[18] = { (uint8_t)(from->port >> 8), (uint8_t)from->port };

	if (d->worker->now_ms - d->secret_ms >= WG_COOKIE_MS) {
		rand_bytes(d->secret, sizeof(d->secret));
		d->secret_ms = d->worker->now_ms;
	}
	memcpy(id + 2, from->ip, addr_ip_len(from));
	wg_cookie_make(d->secret, id, 2 + addr_ip_len(from), cookie);
}

static void send_cookie(struct wg_dev *d, const struct pkt *msg,
			const uint8_t *cookie)
{
	uint8_t *out = wg_dev_room(d, &msg->peer, WG_COOKIE_BYTES);
	struct iovec v = { msg->data, msg->len };
	uint8_t nonce[WG_NONCE_BYTES];

	if (!out)
		return;
	rand_bytes(nonce, sizeof(nonce));
	if (wg_cookie_encode(&d->self, nonce, cookie, &v, out) < 0)
		wg_dev_undo(d);
}

/* Its MACs are right, and it is its turn: worth a multiplication on the curve */
static bool shake_allowed(struct wg_dev *d, const struct pkt *msg)
{
	uint8_t cookie[WG_MAC_BYTES];

	if (!wg_mac1_ok(&d->self, msg->data, msg->len))
		return false;
	if (!under_load(d, msg->data[0] == WG_INITIATION))
		return true;
	cookie_for(d, &msg->peer, cookie);
	if (wg_mac2_ok(cookie, msg->data, msg->len))
		return true;
	send_cookie(d, msg, cookie);
	return false;
}

static void take_initiation(struct wg_dev *d, const struct pkt *msg)
{
	struct wg_shake_key s = { 0 };
	uint8_t key[WG_KEY_BYTES];
	struct wg_peer *p;

	if (!shake_allowed(d, msg) ||
	    wg_initiation_who(&s, &d->self, msg->data, key) < 0)
		return;
	p = find_key(d, key);
	if (p)
		wg_peer_initiation(p, &s, msg->data, &msg->peer);
	else
		log_info("wireguard: [%s] a handshake of an unknown peer",
			 d->conf->tag);
	wipe(&s, sizeof(s));
}

static void take_data(struct wg_dev *d, struct wg_slot *slot,
		      const struct pkt *msg, const struct wg_head *h)
{
	struct wg_peer *p = slot->peer;
	struct wg_pair_key *pair = container_of(slot, struct wg_pair_key, slot);
	ssize_t n = wg_peer_data(pair, msg, h);
	struct addr from;

	if (n <= 0)
		return;
	if (ip_addr_of(d->plain, (size_t)n, false, &from) < 0 ||
	    wg_routes_find(&d->routes, &from) != p) {
		worker_drop(d->worker, DROP_IP_MARTIAN);
		return;
	}
	d->deliver(d, d->plain, (size_t)n);
}

static void take(struct wg_dev *d, struct pkt *msg)
{
	struct wg_slot *slot;
	struct wg_head h;

	if (msg->len < 4)
		return;
	memset(msg->data + 1, 0, 3);
	if (wg_head_decode(msg->data, msg->len, &h) < 0)
		return;
	if (h.kind == WG_INITIATION) {
		take_initiation(d, msg);
		return;
	}
	slot = find_index(d, h.receiver);
	if (!slot)
		return;
	/* an index of a session, too: for the response that made it */
	if (h.kind == WG_COOKIE)
		wg_peer_cookie(slot->peer, msg->data);
	else if (slot->pair != (h.kind == WG_DATA))
		return;
	else if (h.kind == WG_DATA)
		take_data(d, slot, msg, &h);
	else if (shake_allowed(d, msg))
		wg_peer_response(slot->peer, msg->data, &h, &msg->peer);
}

static void run(struct job *j)
{
	struct wg_dev *d = container_of(j, struct wg_dev, job);
	struct pkt v[DGRAM_BATCH];
	int n = 0;

	for (int i = 0; i < TURN_BATCHES; i++) {
		n = d->sock->ops->recv(d->sock, v, DGRAM_BATCH);
		if (n <= 0)
			break;
		for (int k = 0; k < n; k++)
			take(d, v + k);
	}
	if (n > 0)
		job_ready(j);
	else
		d->sock->ops->want(d->sock, ST_READ);
}

/* --- birth and end ------------------------------------------------------------------ */

/* For both families where the host has both. Descriptor or -errno */
static int open_fd(const struct wg_conf *c, int *family)
{
	static const uint8_t any[16];
	struct addr at = c->bind;
	int fd, rc;

	*family = at.kind == ADDR_V4 ? AF_INET : AF_INET6;
	fd = sock_open(&c->sockopt, *family, SOCK_DGRAM);
	if (fd == -EAFNOSUPPORT && at.kind == ADDR_NONE) {
		*family = AF_INET;
		fd = sock_open(&c->sockopt, *family, SOCK_DGRAM);
	}
	if (fd < 0 || (at.kind == ADDR_NONE && !at.port))
		return fd;
	if (at.kind == ADDR_NONE)
		at = *family == AF_INET ? addr_v4(any, at.port) :
					  addr_v6(any, at.port);
	rc = sock_bind(fd, &at);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static int open_sock(struct wg_dev *d)
{
	int family, fd = open_fd(d->conf, &family);

	if (fd < 0)
		return fd;
	d->sock = fd_dgram_new(d->worker, fd, family, &d->job);
	if (!d->sock) {
		close(fd);
		return -ENOMEM;
	}
	d->sock->ops->want(d->sock, ST_READ);
	return 0;
}

static void load_peers(struct wg_dev *d)
{
	for (unsigned int i = 0; i < d->conf->peer_count; i++) {
		struct wg_peer *p = &d->peers[i];
		uint32_t h;

		wg_peer_init(p, d, &d->conf->peers[i]);
		memcpy(&h, p->key.public_key, sizeof(h));
		htab_put(&d->keys, &p->by_key, h);
	}
}

static int allocate(struct wg_dev *d)
{
	d->peers = calloc(d->conf->peer_count + 1u, sizeof(*d->peers));
	d->out_bytes = malloc(WG_OUT_BYTES);
	d->plain = malloc(PLAIN_BYTES);
	if (!d->peers || !d->out_bytes || !d->plain ||
	    htab_init(&d->indices, 64) || htab_init(&d->keys, 64))
		return -ENOMEM;
	return wg_routes_set(&d->routes, d->peers, d->conf);
}

int wg_dev_start(struct wg_dev *d, struct worker *w, const struct wg_conf *conf)
{
	int rc;

	d->job = (struct job){ .run = run, .worker = w };
	d->worker = w;
	d->conf = conf;
	d->flusher.flush = on_flush;
	list_init(&d->flusher.node);
	d->secret_ms = w->now_ms - WG_COOKIE_MS;
	d->shake_ms = w->now_ms;
	rc = wg_self_set(&d->self, conf->secret_key);
	if (!rc)
		rc = allocate(d);
	if (!rc)
		rc = open_sock(d);
	if (rc < 0) {
		log_error("wireguard: [%s] does not start: %s", conf->tag,
			  strerror(-rc));
		wg_dev_stop(d);
		return rc;
	}
	load_peers(d);
	list_add_tail(&w->flushers, &d->flusher.node);
	return 0;
}

void wg_dev_stop(struct wg_dev *d)
{
	if (d->sock) /* last words */
		on_flush(&d->flusher);
	for (unsigned int i = 0; d->sock && i < d->conf->peer_count; i++)
		wg_peer_fini(&d->peers[i]);
	list_del(&d->flusher.node);
	if (d->sock)
		d->sock->ops->close(d->sock);
	job_forget(&d->job);
	htab_free(&d->indices);
	htab_free(&d->keys);
	wg_routes_drop(&d->routes);
	free(d->peers);
	free(d->out_bytes);
	free(d->plain);
	wipe(&d->self, sizeof(d->self));
	wipe(d->secret, sizeof(d->secret));
	d->sock = NULL;
	d->peers = NULL;
	d->out_bytes = NULL;
	d->plain = NULL;
	d->worker = NULL;
}
