/*
 * ws_read.c - Frames: what is in them, and reading them where nothing lends
 *
 * Reading happens in the caller's memory: frames are read there, unmasked and
 * pushed together over their heads; the next head, whose place is known, is read
 * aside so that nothing need be pushed.
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/log.h"
#include "proxy/transport/ws_int.h"

#define ASIDE_MIN 4096 /* shorter frames: one plain read takes several */

const char ws_end_words[] = "culvert: end of upload";
_Static_assert(sizeof(ws_end_words) - 1 == WS_END_BYTES, "");

static void control_done(struct ws *w)
{
	bool end = w->server && w->cur.opcode == WS_PING &&
		   w->ctl_len == WS_END_BYTES &&
		   !memcmp(w->ctl, ws_end_words, w->ctl_len);

	if (w->cur.opcode == WS_CLOSE || end)
		w->eof = true;
	if (w->cur.opcode == WS_PING && !end) {
		memcpy(w->pong, w->ctl, w->ctl_len);
		w->pong_len = w->ctl_len;
		w->pong_due = true;
	}
	w->ctl_len = 0;
}

/* A head was read: may it come now? 0 or -EPROTO */
static int frame_begin(struct ws *w, const struct ws_head *h)
{
	if (h->masked != w->server)
		return -EPROTO;
	if (h->opcode < WS_CLOSE) {
		if ((h->opcode == WS_CONTINUE) != w->message)
			return -EPROTO;
		w->message = !h->fin;
	}
	w->cur = *h;
	w->left = h->len;
	if (h->opcode >= WS_CLOSE && !h->len)
		control_done(w);
	return 0;
}

/* Head bytes at @p. Bytes used or -EPROTO */
ssize_t ws_eat_head(struct ws *w, const uint8_t *p, size_t n)
{
	size_t had = w->part_len, take = WS_HEAD_MAX - had;
	struct ws_head h;
	ssize_t used;

	if (take > n)
		take = n;
	memcpy(w->part + had, p, take);
	used = ws_head_decode(w->part, had + take, &h);
	if (used < 0)
		return used;
	if (used == 0) {
		w->part_len = (uint8_t)(had + take);
		return (ssize_t)take;
	}
	w->part_len = 0;
	w->head_len = (uint8_t)used;
	return frame_begin(w, &h) < 0 ? -EPROTO : used - (ssize_t)had;
}

/* Payload of the current frame at @p; data goes to @to. Data bytes */
size_t ws_eat_payload(struct ws *w, const uint8_t *p, size_t n, uint8_t *to)
{
	bool control = w->cur.opcode >= WS_CLOSE;

	if (control) /* the decoder has a limit */
		to = w->ctl + w->ctl_len;
	if (w->cur.masked)
		ws_mask_copy(to, p, n, w->cur.mask, w->cur.len - w->left);
	else if (to != p)
		memmove(to, p, n);
	w->left -= n;
	if (!control)
		return n;
	w->ctl_len = (uint8_t)(w->ctl_len + n);
	if (!w->left)
		control_done(w);
	return 0;
}

/*
 * Turn @n received bytes at @p into payload at @p. Payload bytes, or -EPROTO.
 * What follows an end is dropped
 */
static ssize_t unframe(struct ws *w, uint8_t *p, size_t n)
{
	size_t at = 0, out = 0;

	while (at < n && !w->eof) {
		size_t some = n - at;

		if (!w->left) {
			ssize_t used = ws_eat_head(w, p + at, some);

			if (used < 0)
				return used;
			at += (size_t)used;
			continue;
		}
		if (some > w->left)
			some = (size_t)w->left;
		out += ws_eat_payload(w, p + at, some, p + out);
		at += some;
	}
	return (ssize_t)out;
}

/* What came together with the handshake. Bytes, -EPROTO */
static ssize_t read_kept(struct ws *w, const struct iovec *v)
{
	size_t n = v->iov_len < w->in->len ? v->iov_len : w->in->len;
	bool early = w->early;

	memcpy(v->iov_base, buf_head(w->in), n);
	buf_drop(w->in, n);
	if (!w->in->len) {
		buf_free(w->in);
		w->in = NULL;
		w->early = false;
	}
	return early ? (ssize_t)n : unframe(w, v->iov_base, n);
}

/*
 * The end itself is read once, whatever became of the connection behind it: a
 * server that has said Close may be gone. Afterwards only its break is of interest
 */
ssize_t ws_read_end(struct ws *w)
{
	uint8_t junk[256];
	ssize_t n;

	if (!w->end_read) {
		w->end_read = true;
		return 0;
	}
	do {
		n = stream_read(w->s.below, junk, sizeof(junk));
	} while (n > 0);
	return n == -EAGAIN ? 0 : n;
}

/*
 * The rest of a frame, @left bytes, is at @p; @n bytes came behind it: the first
 * @aside of them in @head, the others at @p + @left. Payload bytes or -EPROTO
 */
static ssize_t unframe_aside(struct ws *w, uint8_t *p, size_t left,
			     uint8_t *head, size_t aside, size_t n)
{
	ssize_t got = unframe(w, p, left), used, more;
	size_t at = 0, rest;

	if (n < aside)
		aside = n;
	rest = n - aside;
	while (got >= 0 && at < aside && !w->left && !w->eof) {
		used = ws_eat_head(w, head + at, aside - at);
		if (used < 0)
			return used;
		at += (size_t)used;
	}
	if (got < 0 || w->eof)
		return got;
	aside -= at; /* no head: it goes before the others */
	if (aside) {
		memmove(p + left + aside, p + left, rest);
		memcpy(p + left, head + at, aside);
	}
	more = unframe(w, p + left, aside + rest);
	return more < 0 ? more : got + more;
}

/* One read of below, as much payload as came. Bytes, 0 none yet, -errno */
static ssize_t read_frames(struct ws *w, const struct iovec *v)
{
	uint8_t head[WS_HEAD_MAX], *p = v->iov_base;
	size_t left = (size_t)w->left, aside = w->head_len;
	struct stream *b = w->s.below;
	struct iovec part[3];
	ssize_t n;

	if (!aside || w->left < ASIDE_MIN ||
	    w->left + 2u * aside >= v->iov_len) {
		n = b->ops->readv(b, v, 1);
		if (n > 0)
			return unframe(w, p, (size_t)n);
		return n ? n : -ECONNRESET; /* no Close */
	}
	part[0] = (struct iovec){ p, left };
	part[1] = (struct iovec){ head, aside };
	part[2] = (struct iovec){ p + left, v->iov_len - left - aside };
	n = b->ops->readv(b, part, 3);
	if (n <= 0)
		return n ? n : -ECONNRESET;
	if ((size_t)n <= left)
		return unframe(w, p, (size_t)n);
	return unframe_aside(w, p, left, head, aside, (size_t)n - left);
}

ssize_t ws_read(struct ws *w, const struct iovec *iov, int cnt)
{
	ssize_t n;

	while (cnt > 1 && !iov->iov_len) {
		iov++;
		cnt--;
	}
	do {
		if (w->eof)
			return ws_read_end(w);
		if (w->in) {
			n = read_kept(w, iov);
		} else {
			n = read_frames(w, iov);
		}
		if (n == -EAGAIN)
			n = ws_nothing(w);
		if (n == -EPROTO)
			log_info("s%x ws: malformed frame", w->id);
		if (n < 0)
			ws_fail(w, (int)n);
		if (w->pong_due)
			(void)ws_settle(w);
	} while (n == 0 && iov->iov_len);
	return n;
}
