/* ws_int.h - What ws*.c share */
#ifndef PROXY_TRANSPORT_WS_INT_H
#define PROXY_TRANSPORT_WS_INT_H

#include "gateway/base/buf.h"
#include "gateway/base/timer.h"
#include "gateway/core/transport.h"
#include "proxy/transport/http_conf.h"
#include "proxy/wire/ws.h"

#define EARLY_MAX 8192u

struct ws_conf {
	struct http_conf http;
	uint32_t heartbeat_ms;
};

enum ws_state { WS_UNDIALED, WS_ASK, WS_OPEN };

#define WS_SEGS 8

/* Bytes that are no payload, and then payload, in what below lends */
struct ws_seg {
	uint32_t skip, len;
};

/**
 * struct ws - The layer; s.below is NULL until the first write with early data
 * @dial, @to, @t:	For the late dial
 * @out:	Bytes below did not take; NULL none
 * @in:		Handshake bytes, then frames that came with them, or @early
 *		payload of the request; NULL none
 * @timer:	Handshake's end, then heartbeat
 * @cur, @left:	Frame being read and its payload still to come
 * @part, @part_len:	A frame head that is not complete
 * @head_len:	Of the last frame; 0: none yet
 * @ctl, @ctl_len:	Payload of a control frame being read
 * @message:	A fragmented message is under way
 * @seg, @seg_count, @ahead:	What was looked at of the bytes below lends
 * @put_left:	Server: payload promised by a frame head and not put yet
 * @pong, @pong_len:	Answer to the last ping; due when @pong_due
 * @eof:	The other side's end came; @end_read: and our owner was told
 * @err:	Final -errno; 0. @tx_err: of writing, told when nothing more is read
 * @closed:	Our Close went out; @told: our end was told otherwise
 */
struct ws {
	struct stream s;
	const struct ws_conf *conf;
	const struct transport *t;
	struct worker *worker;
	struct dial dial;
	struct addr to;
	struct timer timer;
	struct buf *out, *in;
	uint32_t id;
	uint8_t state, seg_count;
	bool server, message, eof, closed, told, pong_due, ping_due, timed_out;
	bool early, end_read;
	int err, tx_err;
	struct ws_head cur;
	uint64_t left, put_left;
	uint32_t ahead;
	struct ws_seg seg[WS_SEGS];
	uint8_t part[WS_HEAD_MAX], part_len, head_len;
	uint8_t ctl[WS_CONTROL_MAX], ctl_len;
	uint8_t pong[WS_CONTROL_MAX], pong_len;
	char accept[WS_ACCEPT_TEXT];
};

/* ws.c */
/* Note a final -errno; returns @err */
int ws_fail(struct ws *w, int err);
/* The same of writing: what waits is lost, what was received is not */
int ws_write_fail(struct ws *w, int err);
/* What a read that gave -EAGAIN means: nothing will come when writing failed */
static inline int ws_nothing(const struct ws *w)
{
	return w->tx_err ? w->tx_err : -EAGAIN;
}
/* @n bytes behind what waits to go down. 0 or -ENOMEM */
int ws_keep(struct ws *w, const void *p, size_t n);
/* 0 all is down, -EAGAIN, -errno */
int ws_flush(struct ws *w);
/* Before reading: 0 open, -EAGAIN, -errno */
int ws_step(struct ws *w);
/* What we owe, if a frame may begin now. 0, -EAGAIN, -errno */
int ws_settle(struct ws *w);

/* ws_read.c */
#define WS_END_BYTES 22
extern const char ws_end_words[]; /* a client's end, in a ping */
/* As much payload as came, once w->state is WS_OPEN. As readv */
ssize_t ws_read(struct ws *w, const struct iovec *iov, int cnt);
/* Head bytes at @p, of a frame that begins. Bytes used or -EPROTO */
ssize_t ws_eat_head(struct ws *w, const uint8_t *p, size_t n);
/* Payload of the current frame at @p; data goes to @to. Data bytes */
size_t ws_eat_payload(struct ws *w, const uint8_t *p, size_t n, uint8_t *to);
/* The end, once; then 0, or -errno: it broke */
ssize_t ws_read_end(struct ws *w);

/* ws_lend.c: ops, when below lends and nothing waits in @in */
ssize_t ws_lend(struct stream *s, struct iovec *iov, int *cnt);
void ws_took(struct stream *s, size_t n);

/* ws_shake.c */
/* The request of a client, with @n bytes of early data, to what waits */
int ws_put_request(struct ws *w, const uint8_t *early, size_t n);
/* Read until the other side's head is complete. 0 open, -EAGAIN, -errno */
int ws_read_head(struct ws *w);

#endif
