/*
 * kcp_port.c - A UDP socket of mKCP connections
 *
 *   datagram -> masks -> segments -> connection by (address, port, number)
 *   segments -> masks -> scratch -> sendmmsg, once a turn
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/compat.h"
#include "gateway/base/rand.h"
#include "gateway/core/config.h"
#include "gateway/core/fd_dgram.h"
#include "proxy/transport/kcp_int.h"

#define TURN_READS 16 /* batches a turn */

static uint32_t conn_hash(const struct addr *peer, uint16_t conv)
{
	return addr_hash(peer, rand_key()) ^ conv * 0x9e3779b1u;
}

static struct kcp_conn *conn_find(struct kcp_port *p, const struct addr *peer,
				  uint16_t conv)
{
	struct hnode *n;

	if (p->only)
		return p->only->link.conv == conv ? p->only : NULL;
	htab_each(n, &p->conns, conn_hash(peer, conv))
	{
		struct kcp_conn *c = container_of(n, struct kcp_conn, node);

		if (c->link.conv == conv && addr_eq(&c->peer, peer))
			return c;
	}
	return NULL;
}

/* --- out --------------------------------------------------------------------------- */

void kcp_port_send(struct kcp_port *p)
{
	int done = 0, rc = 1;

	while (p->sock && rc > 0 && done < p->count) {
		rc = fd_dgram_send_from(p->sock, &p->own, p->room->out + done,
					p->count - done);
		done += rc > 0 ? rc : 0;
	}
	/* what a full socket does not take is lost, and comes again */
	if (done < p->count)
		worker_drops(p->worker, DROP_UDP_SEND,
			     (uint64_t)(p->count - done));
	p->count = 0;
	p->used = 0;
}

/*
 * The segment at @out. v2ray and Xray take an empty data segment for a cut one when
 * nothing is behind it, and never acknowledge it: a word follows. Bytes
 */
static ssize_t put_segment(const struct kcp_link *l, const struct kcp_seg *s,
			   uint8_t *out)
{
	ssize_t n = kcp_encode(s, out, KCP_PACKET_MAX);
	struct kcp_seg word = kcp_link_word(l, KCP_PING);

	if (n > 0 && s->cmd == KCP_DATA && !s->len)
		n += kcp_encode(&word, out + n, KCP_PACKET_MAX - (size_t)n);
	return n;
}

void kcp_port_emit(struct kcp_link *l, const struct kcp_seg *s)
{
	struct kcp_conn *c = container_of(l, struct kcp_conn, link);
	struct kcp_port *p = c->port;
	size_t extra = p->masks.head_len + p->masks.tail_len;
	uint8_t *at;
	ssize_t n;

	if (p->count == DGRAM_BATCH || !addr_eq_host(&p->own, &c->own) ||
	    WORKER_SCRATCH_BYTES - p->used < KCP_PACKET_MAX + extra)
		kcp_port_send(p);
	p->own = c->own;
	at = p->worker->scratch + p->used;
	n = put_segment(l, s, at + p->masks.head_len);
	if (n > 0)
		n = kcp_seal(&p->masks, at, (size_t)n);
	if (n <= 0)
		return;
	p->room->out[p->count++] = (struct pkt){ c->peer, at, (size_t)n };
	p->used += (size_t)n;
}

/* --- in ---------------------------------------------------------------------------- */

/* @k: packet @i of what was received */
static void take(struct kcp_port *p, const struct pkt *k, int i)
{
	struct kcp_conn *c;
	struct kcp_seg first;
	struct addr own;
	size_t off, len;

	if (k->len > KCP_PACKET_MAX ||
	    kcp_open(&p->masks, k->data, k->len, &off, &len) < 0 ||
	    kcp_decode(k->data + off, len, &first) < 0)
		return;
	c = conn_find(p, &k->peer, first.conv);
	if (!c && p->at) {
		own = fd_dgram_own(p->sock, i);
		c = kcp_accept(p, &k->peer, &own, &first);
		if (c)
			htab_put(&p->conns, &c->node,
				 conn_hash(&c->peer, first.conv));
	}
	if (!c)
		return;
	kcp_link_input(&c->link, k->data + off, len, p->worker->now_ms);
	kcp_conn_mark(c);
}

/* False: more may be there */
static bool read_all(struct kcp_port *p)
{
	struct pkt v[DGRAM_BATCH];

	for (int i = 0; i < TURN_READS && p->sock; i++) {
		int n = p->sock->ops->recv(p->sock, v, DGRAM_BATCH);

		if (n <= 0)
			return true;
		for (int k = 0; k < n; k++)
			take(p, &v[k], k);
	}
	return false;
}

static void port_run(struct job *j)
{
	struct kcp_port *p = container_of(j, struct kcp_port, job);
	bool all = read_all(p);

	while (!list_empty(&p->dirty))
		kcp_conn_run(
			container_of(p->dirty.next, struct kcp_conn, dirty));
	kcp_port_send(p);
	if (!p->sock)
		return;
	p->sock->ops->want(p->sock, ST_READ);
	if (!all)
		job_ready(j);
}

/* --- life -------------------------------------------------------------------------- */

/* A step's segments come and go at once: more than the kernel's usual room */
static void more_room(int fd)
{
	int n = KCP_SOCK_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof(n)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
}

struct kcp_port *kcp_port_new(struct worker *w, int fd, int family,
			      const struct kcp_conf *conf)
{
	struct kcp_port *p = calloc(1, sizeof(*p));

	if (!p) {
		close(fd);
		return NULL;
	}
	p->job = (struct job){ .run = port_run, .worker = w };
	p->worker = w;
	p->conf = conf;
	p->refs = 1;
	list_init(&p->dirty);
	more_room(fd);
	p->room = kcp_room(w);
	p->sock = p->room ? fd_dgram_new(w, fd, family, &p->job) : NULL;
	if (!p->sock)
		close(fd);
	if (!p->sock ||
	    kcp_masks_init(&p->masks, conf->mask, conf->masks, rand_bytes)) {
		kcp_port_close(p);
		kcp_port_unref(p);
		return NULL;
	}
	p->sock->ops->want(p->sock, ST_READ);
	return p;
}

void kcp_port_unref(struct kcp_port *p)
{
	if (--p->refs)
		return;
	job_forget(&p->job);
	kcp_masks_drop(&p->masks);
	htab_free(&p->conns);
	if (p->own_conf)
		wipe(p->own_conf, sizeof(*p->own_conf));
	free(p->own_conf);
	if (p->cfg)
		config_unref(p->cfg);
	free(p);
}

void kcp_port_close(struct kcp_port *p)
{
	job_forget(&p->job);
	if (p->sock)
		p->sock->ops->close(p->sock);
	p->sock = NULL;
	p->only = NULL;
}
