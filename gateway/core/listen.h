/*
 * listen.h - Accepting TCP and unix connections for an inbound, on one worker
 *
 * Each worker has its own SO_REUSEPORT socket an address; the kernel spreads
 * connections by hash. A unix socket has no such thing: the first worker
 * listens and serves it alone (its clients are few: programs of this host).
 */
#ifndef GATEWAY_CORE_LISTEN_H
#define GATEWAY_CORE_LISTEN_H

#include "gateway/base/addr.h"
#include "gateway/base/timer.h"
#include "gateway/core/inbound.h"
#include "gateway/core/worker.h"

struct ends;
struct session;
struct stream;
struct transport_ops;

#define LISTEN_BURST    64 /* connections a turn and socket */
#define LISTEN_PAUSE_MS 100 /* without descriptors or memory */

/**
 * struct acceptor - One listening socket
 * @job:	Accepts
 * @watch:	Its descriptor is owned; -1 when @bottom has it
 * @ops, @bottom:	A transport that is not TCP, and what it has here; NULL: TCP
 * @pause:	Running: descriptors or memory were short; clients wait in the
 *		kernel's queue meanwhile
 * @at:		Where it listens, port included
 * @next:	Another port of the same listener
 * @tick, @burst:	Turn of the last one, and how many were accepted in it
 */
struct acceptor {
	struct job job; /* must be first */
	struct watch watch;
	struct timer pause;
	struct tcp_listener *owner;
	struct acceptor *next;
	const struct transport_ops *ops;
	void *bottom;
	struct addr at;
	unsigned int tick, burst;
	bool told; /* the shortage was logged; until a connection is taken */
};

/**
 * struct tcp_listener - All ports of one inbound on one worker
 * @l:		l.ib may be swapped by a reload at any time
 * @early:	Connections whose header is awaited; none when @early_count is 0
 * @ready:	Goes on with an accepted connection, its ends known (listen.c's)
 * @target:	A connection was accepted on @a as @fd; @s has its source and
 *		local address. Sets s->orig and s->target. 0, or -errno: closed
 *		by a reset. NULL: greet finds the target
 */
struct tcp_listener {
	struct listener l; /* must be first */
	struct acceptor *acceptors;
	struct list early;
	unsigned int early_count;
	void (*ready)(struct acceptor *a, int fd, const struct ends *e);
	int (*target)(const struct acceptor *a, int fd, struct session *s);
};

/*
 * Open @ib's ports (or its path) on @w. @tl is zeroed but for @target. On
 * failure nothing stays open. 0 or -errno
 */
int listen_start(struct tcp_listener *tl, const struct inbound *ib,
		 struct worker *w);
/* Close them; @tl itself stays the caller's */
void listen_stop(struct tcp_listener *tl);
/* Do both listen at the same places? */
bool listen_same_place(const struct inbound *a, const struct inbound *b);
/* Do both listen at the same places in the same way? For inbound_ops.same */
bool listen_same(const struct inbound *a, const struct inbound *b);
/* Is @a an address of this host (as far as a socket can be bound to it)? */
bool listen_is_local(const struct addr *a);
/*
 * A connection for @a's inbound that a bottom other than TCP accepted. Owns @in.
 * 0, or -errno: it is closed already
 */
int listen_take(struct acceptor *a, struct stream *in, const struct ends *e);
/* Close an accepted connection by a reset */
void listen_shed(int fd);
/* Next port of @ib after *@at (start with 0); false: that was the last */
bool listen_next_port(const struct inbound *ib, uint32_t *at);

#endif
