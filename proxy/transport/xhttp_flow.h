/* xhttp_flow.h - A server's flows and the pieces of their uploads */
#ifndef PROXY_TRANSPORT_XHTTP_FLOW_H
#define PROXY_TRANSPORT_XHTTP_FLOW_H

#include <errno.h>

#include "gateway/base/buf.h"
#include "gateway/base/list.h"
#include "gateway/base/timer.h"
#include "gateway/core/worker.h"
#include "proxy/transport/xhttp_int.h"

#define XHTTP_SLOTS 1024u

/**
 * struct xhttp_room - Flows of one worker; ROOM_XHTTP
 * @unborn:	struct xhttp_flow without a GET, the oldest first; @unborn_pieces: of them
 */
struct xhttp_room {
	struct list slots[XHTTP_SLOTS];
	struct list unborn;
	unsigned int unborn_count, unborn_pieces;
};

/**
 * struct xhttp_piece - A POST with a number
 * @s:		NULL: it is whole, and answered; or it was cut
 * @body:	What was read of it and not taken; NULL nothing
 * @got:	Bytes of it so far; of a repeated one @skip bytes are these, to come
 * @bare:	Its request has no body
 * @cut:	Its request broke: the same number may come again
 */
struct xhttp_piece {
	struct list node;
	struct stream *s;
	int (*answer)(struct stream *s, unsigned int status, const char *lines,
		      bool body);
	uint64_t seq;
	struct buf *body;
	size_t got, skip;
	bool whole, bare, cut;
};

/**
 * struct xhttp_flow - A session's requests
 * @s:		For the session
 * @job:	Until it is born
 * @node:	In a slot; @unborn in the list of these
 * @tag, @port:	Which inbound: names of sessions are theirs
 * @down, @up:	The GET; the POST of stream-up
 * @pieces:	struct xhttp_piece by number, @piece_count of them, @held bytes in them
 * @next:	Number whose turn it is
 * @timer:	Its GET, the piece whose turn it is, padding
 * @heard_ms:	Something of @pieces came
 * @pads:	The answer to @up gets padding
 */
struct xhttp_flow {
	struct stream s; /* must be first */
	struct job job;
	struct list node, unborn;
	struct xhttp_room *room;
	struct config *cfg;
	const struct xhttp_conf *conf;
	const char *tag;
	uint16_t port;
	struct stream *down, *up;
	struct list pieces;
	unsigned int piece_count;
	size_t held;
	uint64_t next;
	struct timer timer;
	uint32_t heard_ms, born_ms, pad_ms;
	bool eof, pads;
	int err;
	uint8_t name_len;
	char name[XHTTP_SESSION_MAX];
};

static inline struct worker *xhttp_flow_worker(const struct xhttp_flow *f)
{
	return f->job.worker;
}

static inline void xhttp_flow_fail(struct xhttp_flow *f, int err)
{
	if (!f->err)
		f->err = err;
}

/* xhttp_piece.c */
/* The earliest that is here; NULL none */
struct xhttp_piece *xhttp_piece_first(struct xhttp_flow *f);
/* A piece of @rq, with what its head carries. NULL: it was refused */
struct xhttp_piece *xhttp_piece_new(const struct http_rq *rq, uint64_t seq,
				    const struct xhttp_conf *c);
/* In its place by number; false: it is there, or was */
bool xhttp_piece_place(struct xhttp_flow *f, struct xhttp_piece *p);
/* That of number @seq, if it was cut; NULL */
struct xhttp_piece *xhttp_piece_cut(struct xhttp_flow *f, uint64_t seq);
/* The request of @p, which is spent then, says @old once more */
void xhttp_piece_again(struct xhttp_piece *old, struct xhttp_piece *p);
/* A piece whose turn it is, or an earlier one, is missing */
bool xhttp_piece_missing(struct xhttp_flow *f);
/* More than a piece may have: known from the head */
bool xhttp_piece_too_large(const struct xhttp_flow *f,
			   const struct xhttp_piece *p,
			   const struct http_rq *rq);
/* Answer @p; its connection is free for the next request */
void xhttp_piece_answer(const struct xhttp_flow *f, struct xhttp_piece *p,
			unsigned int status);
void xhttp_piece_free(struct xhttp_flow *f, struct xhttp_piece *p, int why);
/* Read what may be read */
void xhttp_pieces_pump(struct xhttp_flow *f);
/* Somebody to be told when something comes */
void xhttp_pieces_want(struct xhttp_flow *f, struct job *j);
/* Of the pieces whose turn it is. Bytes, 0 end, -EAGAIN, -errno */
ssize_t xhttp_pieces_read(struct xhttp_flow *f, const struct iovec *iov,
			  int cnt);
/* Something can be read now */
bool xhttp_pieces_ready(struct xhttp_flow *f);

#endif
