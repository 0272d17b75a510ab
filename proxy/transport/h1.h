/* h1.h - What both ends of HTTP/1 share: heads and bodies over a connection */
#ifndef PROXY_TRANSPORT_H1_H
#define PROXY_TRANSPORT_H1_H

#include "gateway/base/buf.h"
#include "gateway/base/list.h"
#include "gateway/base/timer.h"
#include "gateway/core/worker.h"
#include "proxy/transport/http_msg.h"
#include "proxy/wire/http_req.h"

#define H1_IDLE_MS 45000u /* a connection that waits for its next request */

enum h1_framing { H1_NOTHING, H1_LENGTH, H1_CHUNKED, H1_UNTIL_END };

/**
 * struct h1 - One connection, as the stream of the request it carries now
 * @id:		Session, for messages
 * @in:		Received: @ready bytes of payload, then what is no body (any more);
 *		NULL nothing
 * @body, @in_end:	How far the other side's body is; until the connection ends
 * @eof:	It is over
 * @out:	Not written yet; NULL nothing
 * @how:	Of our body; @left bytes of H1_LENGTH
 * @fin, @fin_sent:	finish() was asked for; all of it went out
 * @keep:	Both sides want to go on with this connection
 * @server:	The other side's request is over before our answer is: its end is a
 *		cut then
 * @err:	Final -errno; 0. @tx_err: of writing, told when nothing more is read
 */
struct h1 {
	struct stream s; /* must be first */
	struct worker *worker;
	uint32_t id;
	struct buf *in, *out;
	size_t ready;
	struct http_body body;
	enum h1_framing how;
	uint64_t left;
	bool server, in_end, eof, fin, fin_sent, keep, below_eof;
	int err, tx_err;
};

/**
 * struct h1_room - Connections of one worker that no session owns; ROOM_H1
 * @idle:	struct h1_idle of clients, @idle_count of them
 * @serving:	struct h1_conn of servers, all of them
 */
struct h1_room {
	struct list idle, serving;
	unsigned int idle_count;
};

/* NULL: out of memory */
struct h1_room *h1_room(struct worker *w);
/* h1_client.c and h1_server.c: the worker ends */
void h1_idle_free(struct list *node);
void h1_conn_free(struct list *node);

/* One read below. Bytes, 0 end, -EAGAIN, -errno; @most: a buffer for so much */
ssize_t h1_fill(struct h1 *h, size_t most);
/* Of what is in @in, sort out the body. 0 or -errno */
int h1_sort(struct h1 *h);
/* Payload at the head of @in, reading if there is none. As lend */
ssize_t h1_lend(struct h1 *h, struct iovec *iov, int *cnt);
void h1_took(struct h1 *h, size_t n);
ssize_t h1_readv(struct h1 *h, const struct iovec *iov, int cnt);
/* Whatever ends writing; 0 */
static inline int h1_write_err(const struct h1 *h)
{
	return h->err ? h->err : h->tx_err;
}
/* Append to what waits in @out. 0 or -errno */
int h1_say(struct h1 *h, const char *text, size_t n);
/* Write what waits. 0, -EAGAIN, -errno */
int h1_flush(struct h1 *h);
ssize_t h1_writev(struct h1 *h, const struct iovec *iov, int cnt);
int h1_finish(struct h1 *h);
void h1_want(struct h1 *h, unsigned int events);
void h1_drop_buffers(struct h1 *h);

#endif
