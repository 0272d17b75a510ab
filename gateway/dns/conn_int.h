/* conn_int.h - What conn.c and the kinds of connections share */
#ifndef GATEWAY_DNS_CONN_INT_H
#define GATEWAY_DNS_CONN_INT_H

#include "gateway/base/buf.h"
#include "gateway/base/timer.h"
#include "gateway/dns/conf.h"
#include "gateway/dns/conn.h"

#define CONN_OUT_MAX   (64u << 10) /* bytes that below did not take yet */
#define CONN_MSG_MAX   65535u
#define CONN_STRAY_MAX 64 /* answers to nobody between two to somebody */
#define DOH_TYPE       "application/dns-message"

/**
 * struct conn_kind - How queries and answers are framed
 * @name:	For the log
 * @begin:	The stream is up: make conn->state. 0 or -errno
 * @places:	How many more queries may be sent now
 * @send:	0, or -errno: it failed
 * @take:	Bytes came. 0, or -errno: the connection ends
 * @give:	More frames into conn->out. 0 or -errno. NULL: none of its own
 * @end:	The server's end of stream. NULL: nothing to do
 * @cancel:	@a is not of interest any more. It is still on conn->asks. NULL: its
 *		answer will be one to nobody
 * @drop:	Free conn->state
 */
struct conn_kind {
	const char *name;
	int (*begin)(struct conn *c);
	unsigned int (*places)(struct conn *c);
	int (*send)(struct conn *c, struct conn_ask *a);
	int (*take)(struct conn *c, const uint8_t *p, size_t n);
	int (*give)(struct conn *c);
	void (*end)(struct conn *c);
	void (*cancel)(struct conn *c, struct conn_ask *a);
	void (*drop)(struct conn *c);
};

extern const struct conn_kind conn_dot, conn_h1, conn_h2;

/**
 * struct conn - A connection
 * @timer:	End of the handshake, then of idleness
 * @pool:	NULL: dead
 * @kind, @state:	Of the framing; NULL while the handshake is under way
 * @out:	Bytes below did not take; NULL none
 * @asks, @count:	struct conn_ask sent and not answered
 * @answers:	How many it has given
 * @strays:	Answers nobody waits for, since the last good one
 * @leaving:	No more queries; it ends when those under way have ended
 * @err:	It ends in its next turn
 */
struct conn {
	struct job job; /* must be first */
	struct timer timer;
	struct list node;
	struct conn_pool *pool;
	const struct dns_server *server;
	struct config *cfg;
	struct stream *s;
	const struct conn_kind *kind;
	void *state;
	struct buf *out;
	struct list asks;
	unsigned int count;
	uint32_t answers, strays;
	bool leaving;
	int err;
};

/* @n bytes for the server. 0, -ENOMEM, -ENOBUFS */
int conn_put(struct conn *c, const void *p, size_t n);
/* Say what is wrong with a response: its status, else its type */
void conn_log_http(const struct conn *c, unsigned int status);
/* Query @a has ended, and leaves the connection. -EAGAIN: it may be sent again */
void conn_answer(struct conn *c, struct conn_ask *a, int rc, uint8_t *msg,
		 size_t n, uint32_t age_s);

#endif
