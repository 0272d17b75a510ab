/*
 * kcp_int.h - mKCP: settings, sockets, connections
 *
 *   stream -- kcp_conn: kcp_link -- kcp_port: masks, UDP socket
 *
 * A server's connections share the port of their worker; a client's has its own.
 * Writing only marks the port's job: it sends, so that what was written in a turn
 * goes out together, and nobody's scratch is touched.
 */
#ifndef PROXY_TRANSPORT_KCP_INT_H
#define PROXY_TRANSPORT_KCP_INT_H

#include "gateway/base/htab.h"
#include "gateway/base/timer.h"
#include "gateway/core/dgram.h"
#include "gateway/core/listen.h"
#include "gateway/core/transport.h"
#include "proxy/transport/kcp_link.h"

#define KCP_POOL_BYTES (64u << 20) /* of all connections of a worker */
#define KCP_YOUNG_MAX  1024u /* a port: connections that were not answered yet */
#define KCP_LINGER_MAX 4096u /* a worker: closed, and not over yet */
#define KCP_PACKET_MAX 8192u /* a longer datagram is none of ours */
#define KCP_SOCK_BYTES (4u << 20) /* wanted of the kernel, each way */
#define KCP_YOUNG_MS   10000u

/**
 * struct kcp_conf - Settings of one transport
 * @mask, @masks:	Layers, the innermost first
 * @mtu:	Bytes of a datagram
 * @old_form:	header or seed say which layers
 */
struct kcp_conf {
	struct kcp_rules rules;
	struct kcp_mask_key mask[KCP_MASKS];
	unsigned int masks;
	uint32_t mtu;
	bool old_form;
};

/**
 * struct kcp_room - One worker's; ROOM_KCP
 * @conns:	All; @closed: those without a stream, the oldest first
 * @out:	What a port is about to send, packed in the worker's scratch
 */
struct kcp_room {
	struct kcp_pool pool;
	struct list conns, closed;
	unsigned int closed_count;
	struct pkt out[DGRAM_BATCH];
};

/**
 * struct kcp_port - A socket
 * @sock:	NULL: closed, nothing is sent or comes
 * @conf:	A copy for a server; else of @cfg's
 * @cfg:	Kept; NULL for a server
 * @at:		A server's; NULL: a client's, or stopped
 * @conns:	A server's struct kcp_conn by address and number
 * @only:	A client's one
 * @dirty:	struct kcp_conn that have something to do
 * @young:	Connections not answered yet
 * @count, @used:	Datagrams that wait for the end of the call, and their bytes;
 *		they leave from @own
 * @refs:	Its owner and its connections
 */
struct kcp_port {
	struct job job; /* must be first */
	struct worker *worker;
	struct kcp_room *room;
	struct dgram *sock;
	struct kcp_masks_key masks;
	const struct kcp_conf *conf;
	struct kcp_conf *own_conf;
	struct config *cfg;
	struct acceptor *at;
	struct htab conns;
	struct kcp_conn *only;
	struct list dirty;
	unsigned int young, refs;
	int count;
	size_t used;
	struct addr own;
};

struct kcp_way;

/**
 * struct kcp_conn - One connection
 * @port:	NULL: a client's whose server is not known yet
 * @way:	That search; NULL: over, or a server's
 * @own:	This host's address that a client spoke to; kind NONE: any
 * @node:	In port->conns; @all: in the room
 * @dirty, @closed:	In the lists of these names, or alone
 * @young:	Counted by the port: not answered yet
 * @want:	Of the stream; @open: there is one
 */
struct kcp_conn {
	struct stream s; /* must be first */
	struct kcp_link link;
	struct worker *worker;
	struct kcp_room *room;
	struct kcp_port *port;
	struct kcp_way *way;
	struct addr peer, own;
	struct hnode node;
	struct list all, dirty, closed;
	struct timer timer;
	uint32_t born_ms;
	uint8_t want;
	bool open, young;
};

/* kcp_conf.c */
int kcp_parse(struct transport *t, struct jobj *o, struct config *cfg);
int kcp_parse_masks(const struct transport *t, struct jobj *o,
		    struct config *cfg);
bool kcp_same(const struct transport *a, const struct transport *b);
bool kcp_secret(const struct transport *t);
void kcp_drop(struct transport *t);

/* kcp_conn.c */

/* NULL: no memory */
struct kcp_room *kcp_room(struct worker *w);

/* With a stream. NULL: no memory */
struct kcp_conn *kcp_conn_new(struct worker *w, const struct kcp_rules *r,
			      struct job *job);
/* Take it out of everything and free it; the stream is gone or nobody's */
void kcp_conn_free(struct kcp_conn *c);
/* Give it its port, of which it keeps a reference */
void kcp_conn_join(struct kcp_conn *c, struct kcp_port *p);
/* Its port's job comes to it in this turn */
void kcp_conn_mark(struct kcp_conn *c);
/* By the port's job */
void kcp_conn_run(struct kcp_conn *c);
/* Something answered it: it is no longer young */
void kcp_conn_grown(struct kcp_conn *c);

/* kcp_port.c */

/* @fd becomes the port's, also when it fails. NULL: no memory */
struct kcp_port *kcp_port_new(struct worker *w, int fd, int family,
			      const struct kcp_conf *conf);
void kcp_port_unref(struct kcp_port *p);
/* No more datagrams; connections that have a stream end by -ECONNRESET */
void kcp_port_close(struct kcp_port *p);
/* Send what waits */
void kcp_port_send(struct kcp_port *p);
/* kcp_link.emit of all connections */
void kcp_port_emit(struct kcp_link *l, const struct kcp_seg *s);

/* kcp_dial.c, kcp_listen.c */
int kcp_dial(const struct transport *t, const struct dial *d,
	     const struct addr *to, struct stream **out);
/* 0 there is a port, -EAGAIN, -errno */
int kcp_way_step(struct kcp_conn *c);
void kcp_way_free(struct kcp_conn *c);
int kcp_listen(const struct transport *t, struct acceptor *a, int fd);
void kcp_unlisten(struct acceptor *a);
/* A connection for the first segment of a client, or NULL: shed */
struct kcp_conn *kcp_accept(struct kcp_port *p, const struct addr *peer,
			    const struct addr *own, const struct kcp_seg *s);

#endif
