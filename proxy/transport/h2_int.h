/* h2_int.h - What the files of the HTTP/2 carrier share */
#ifndef PROXY_TRANSPORT_H2_INT_H
#define PROXY_TRANSPORT_H2_INT_H

#include <nghttp2/nghttp2.h>

#include "gateway/base/buf.h"
#include "gateway/base/list.h"
#include "gateway/base/pool.h"
#include "gateway/base/timer.h"
#include "proxy/transport/h2_carrier.h"
#include "proxy/wire/grpc.h"

#define H2_FRAME_HEAD  9u
#define H2_FRAME_BYTES 16384u /* payload of a frame, as all peers take */
#define H2_DATA_BYTES  (H2_FRAME_BYTES - H2_FRAME_HEAD) /* a whole TLS record */
#define H2_PUT_FRAMES  8
#define H2_BATCH_BYTES (H2_PUT_FRAMES * (H2_FRAME_BYTES + H2_FRAME_HEAD) + 1024)
#define H2_READ_BYTES  65536u
#define H2_TURN_BYTES  (2 * H2_READ_BYTES)
#define H2_IN_MORE     (8u << 10) /* before what a turn receives for one stream */
#define H2_LEAVE_MS    2000u /* a client may leave, after GOAWAY */
#define H2_WINDOW_MIN  (256u << 10) /* what a stream begins with */
#define H2_WINDOW_MAX  (4u << 20)
/* Payload of one message: so many DATA frames; waits in the stream */
#define H2_PUT_BYTES (H2_PUT_FRAMES * H2_DATA_BYTES - GRPC_HEAD_MAX)

/**
 * struct h2_room - Of one worker; ROOM_H2
 * @carriers:	struct h2
 * @in:		struct buf of @in_bytes, for streams that receive much: what one read
 *		below brings, and H2_IN_MORE
 * @batch:	H2_BATCH_BYTES each, for flushes: one may go through another carrier,
 *		which flushes meanwhile
 */
struct h2_room {
	struct list carriers;
	struct pool in, batch;
	uint32_t in_bytes;
	uint8_t rx[H2_READ_BYTES];
};

/**
 * struct h2 - A carrier
 * @job:	Reads from below, wakes streams, writes what they left
 * @node:	In room->carriers
 * @below:	Owned; NULL once it is dead
 * @out:	Frames below did not take; NULL none
 * @early:	Received before it began; NULL none
 * @batch:	Frames, @used bytes of them, during a flush
 * @subs:	struct h2_sub
 * @count:	Of @subs
 * @timer:	Idle, keepalive, and the end of a dead one
 * @heard_ms:	When something was received; @ping_ms: a ping waits since
 * @goaway:	No new streams
 * @hearing:	nghttp2 is being told what came: nothing is written meanwhile
 * @err:	Of a flush: the carrier's turn ends it when all that came was heard
 * @d:		Client: who dialed it, for another one to the same place
 * @said:	Bytes kept for h2_again()
 * @birth:	Server: what to do with new streams; @over: there shall be none any more,
 *		as birth_is_over(); @told: the client knows it, since @told_ms
 * @flows:	struct h2_flow that go on with it, @flow_count of them
 * @uses_left, @requests_left:	Flows and requests it may still get
 * @until_ms:	No new ones afterwards; @limited: that holds
 */
struct h2 {
	struct job job; /* must be first */
	struct list node;
	struct h2_room *room;
	const struct h2_conf *conf;
	const struct transport *t;
	struct config *cfg;
	struct addr to;
	struct dial d;
	char name[256];
	struct stream *below;
	nghttp2_session *ng;
	struct buf *out, *early;
	uint8_t *batch;
	size_t used, said;
	struct list subs;
	unsigned int count;
	struct timer timer;
	uint32_t heard_ms, ping_ms, told_ms;
	bool server, goaway, pinging, dead, hearing, over, told;
	int err;
	struct birth birth;
	struct list flows;
	unsigned int flow_count;
	uint32_t uses_left, requests_left, until_ms;
	bool limited;
};

/**
 * struct h2_sub - A stream of a carrier
 * @h:		NULL when it is dead; then @err is set
 * @in:		Payload not read yet; NULL none
 * @out:	Messages not in frames yet; NULL none
 * @src:	Payload of the caller of writev, @src_left bytes from @src_off of the
 *		first on; during that call only. Before it, @head_left bytes at
 *		the end of @head
 * @unread:	Bytes of DATA frames the other side has no window for yet
 * @window:	What the other side may send ahead; @given: bytes of it that were
 *		given back since @since_ms
 * @fin:	finish() was called; @last: the next frame is the last one; @fin_sent:
 *		it is made
 * @answered:	The response's head came, or went
 * @raw:	Bytes, no gRPC messages
 * @left:	Bytes of the body to come, when that is known; else UINT64_MAX
 * @server:	Of a server's carrier
 * @text:	Server: a request's head so far, as HTTP/1 would say it; NULL
 * @asked:	Client: the request's head went
 * @said:	Client: what is asked once more if the server did not look at it; NULL:
 *		nothing. @flow: struct http_ask's
 */
struct h2_sub {
	struct stream s;
	struct list node;
	struct h2 *h;
	int32_t id;
	uint32_t log_id, born_ms;
	struct grpc_rd rd;
	struct h2_room *room;
	struct buf *in, *out;
	const struct iovec *src;
	size_t src_off, src_left;
	uint8_t head[GRPC_HEAD_MAX], head_left;
	size_t unread;
	uint32_t window, given, since_ms;
	unsigned int want;
	bool eof, fin, last, fin_sent, answered, raw, server, asked;
	uint64_t left;
	struct buf *text;
	struct h2_said *said;
	struct h2_flow *flow;
	int err;
};

/* h2_stream.c */
struct h2_sub *h2_sub_new(struct h2 *h, struct job *j);
/* Something happened: mark the owner */
void h2_sub_wake(struct h2_sub *u);
/* DATA bytes arrived. 0 or -errno */
int h2_sub_data(struct h2_sub *u, const uint8_t *p, size_t n);
void h2_sub_fail(struct h2_sub *u, int err);
extern const nghttp2_data_provider h2_sub_source;
int h2_sub_send_data(nghttp2_session *ng, nghttp2_frame *frame,
		     const uint8_t *head, size_t n, nghttp2_data_source *source,
		     void *arg);
/* Forget what was received and not read */
void h2_sub_drop_in(struct h2_sub *u);
/* Free one that nobody owns: its request is not complete, or was refused */
void h2_sub_unborn(struct h2_sub *u);

/* h2_session.c */
/* The library's session, its callbacks and our SETTINGS. 0 or -ENOMEM */
int h2_session_new(struct h2 *h);
/* A gRPC request goes out as @u. 0 or -ENOMEM */
int h2_session_request(struct h2 *h, struct h2_sub *u);

/* h2_request.c: what requests that are no gRPC say */
/* A header of a request that comes in. 0 or -errno */
int h2_text_add(struct h2_sub *u, const uint8_t *name, size_t name_len,
		const uint8_t *value, size_t value_len);
/* It is complete: the handler's turn */
void h2_request(struct h2 *h, struct h2_sub *u);
/* The request @ask goes out as @u. 0 or -ENOMEM */
int h2_submit(struct h2 *h, struct h2_sub *u, const struct http_ask *ask);

/* h2_reuse.c */
/* Draw its limits */
void h2_reuse_init(struct h2 *h);
/* A carrier for a new flow, but @not_this (NULL: any). NULL: dial one */
struct h2 *h2_pick(struct h2_room *r, const struct transport *t,
		   const struct h2_conf *conf, const struct addr *from,
		   const struct addr *to, const struct h2 *not_this);
/* It may get another request (of a flow it has) */
bool h2_takes_request(struct h2 *h);
bool h2_has_place(struct h2 *h);
/* @u was given up: if @h was silent all the time, it gets nothing new */
void h2_doubt(struct h2 *h, const struct h2_sub *u);
void h2_flow_join(struct h2_flow *f, struct h2 *h);
/* It is dead: its flows find another one */
void h2_flows_gone(struct h2 *h);

/* h2_over.c: a server's carrier whose listener is gone */
/* May the client be told now? False: it was, or there is nothing to tell yet */
bool h2_over_may_tell(const struct h2 *h);
void h2_over_tell(struct h2 *h);
/* May no request begin anything? */
bool h2_over_refuses(const struct h2 *h);
/* The request @id of it is refused: its client asks elsewhere */
void h2_over_refuse(struct h2 *h, int32_t id);

/* h2_again.c */
/* What @u, a new client's stream, says is kept; @ask: as of h2_submit() */
void h2_again_may(struct h2_sub *u, const struct http_ask *ask);
/* It says @n bytes at @iov, behind @k bytes at @head */
void h2_again_said(struct h2_sub *u, const uint8_t *head, size_t k,
		   const struct iovec *iov, size_t n);
/* The server looked at it, or nobody waits for it */
void h2_again_over(struct h2_sub *u);
/* The server of @h did not look at @u: another one is asked. False: it cannot be */
bool h2_again(struct h2 *h, struct h2_sub *u);

/* h2_carrier.c */
/* Another carrier to the same place, dialed if need be. NULL: none can be had */
struct h2 *h2_another(struct h2 *h);
/* When the carrier is looked at: as soon as it was silent for too long */
void h2_set_timer(struct h2 *h);
/* Write frames in this turn or the next */
void h2_flush_soon(struct h2 *h);
/* Write frames now, what below takes; an error ends @h in its own turn */
void h2_flush_now(struct h2 *h);
/* @u leaves @h; its owner frees it */
void h2_sub_gone(struct h2 *h, struct h2_sub *u);

#endif
