/*
 * ws_lend.c - Payload of WebSocket frames where it lies, when the level below lends
 *
 * Frames are looked at, and unmasked, in the bytes that below lends: up to @ahead of
 * them. What is a head or a control frame is passed over when the payload before it
 * has been taken. One call shows the payload of up to WS_SEGS frames.
 */
#include <string.h>

#include "gateway/base/log.h"
#include "proxy/transport/ws_int.h"

/* May bytes that are no payload follow what was looked at? */
static bool may_skip(const struct ws *w)
{
	return w->seg_count < WS_SEGS || !w->seg[WS_SEGS - 1].len;
}

static struct ws_seg *last_seg(struct ws *w, bool fresh)
{
	if (!w->seg_count || fresh) {
		w->seg[w->seg_count] = (struct ws_seg){ 0 };
		w->seg_count++;
	}
	return &w->seg[w->seg_count - 1];
}

static void note_skip(struct ws *w, size_t n)
{
	struct ws_seg *s =
		last_seg(w, w->seg_count && w->seg[w->seg_count - 1].len);

	s->skip += (uint32_t)n;
}

/* One step at @p: a head, or payload of one frame. Bytes or -EPROTO */
static ssize_t look_once(struct ws *w, uint8_t *p, size_t n)
{
	bool control;
	ssize_t used;

	if (!w->left) {
		used = ws_eat_head(w, p, n);
		if (used > 0)
			note_skip(w, (size_t)used);
		return used;
	}
	if (n > w->left)
		n = (size_t)w->left;
	control = w->cur.opcode >= WS_CLOSE;
	ws_eat_payload(w, p, n, p);
	if (control)
		note_skip(w, n);
	else
		last_seg(w, false)->len += (uint32_t)n;
	return (ssize_t)n;
}

/* Look at what was not looked at yet. 0 or -EPROTO */
static int look_ahead(struct ws *w, const struct iovec *lent, int cnt)
{
	size_t at = w->ahead;

	for (int i = 0; i < cnt; i++) {
		uint8_t *p = lent[i].iov_base;
		size_t n = lent[i].iov_len;

		if (at >= n) {
			at -= n;
			continue;
		}
		p += at;
		n -= at;
		at = 0;
		while (n) {
			ssize_t used;

			if (w->eof || (!may_skip(w) && !w->left))
				return 0;
			used = look_once(w, p, n);
			if (used < 0)
				return (int)used;
			p += used;
			n -= (size_t)used;
			w->ahead += (uint32_t)used;
		}
	}
	return 0;
}

/* The payload among @lent. Bytes */
static ssize_t show(const struct ws *w, const struct iovec *lent, int lent_cnt,
		    struct iovec *iov, int *cnt)
{
	size_t at = 0, total = 0; /* @at: within *lent */
	int out = 0;

	for (int i = 0; i < w->seg_count; i++) {
		size_t skip = w->seg[i].skip, left = w->seg[i].len;

		while (lent_cnt > 0 && (skip || left) && out < *cnt) {
			size_t n = lent->iov_len - at;
			size_t some = skip ? skip : left;

			if (some > n)
				some = n;
			if (!skip && some) {
				iov[out].iov_base =
					(uint8_t *)lent->iov_base + at;
				iov[out++].iov_len = some;
				total += some;
			}
			*(skip ? &skip : &left) -= some;
			at += some;
			if (at == lent->iov_len) {
				lent++;
				lent_cnt--;
				at = 0;
			}
		}
	}
	*cnt = out;
	return (ssize_t)total;
}

static void pass(struct ws *w, size_t n)
{
	w->s.below->ops->took(w->s.below, n);
	w->ahead -= (uint32_t)n;
}

/* Give back what comes before the next payload */
static void pass_skips(struct ws *w)
{
	while (w->seg_count && (w->seg[0].skip || !w->seg[0].len)) {
		if (w->seg[0].skip)
			pass(w, w->seg[0].skip);
		w->seg[0].skip = 0;
		if (w->seg[0].len)
			return;
		w->seg_count--;
		memmove(w->seg, w->seg + 1, w->seg_count * sizeof(w->seg[0]));
	}
}

void ws_took(struct stream *s, size_t n)
{
	struct ws *w = container_of(s, struct ws, s);

	while (n && w->seg_count) {
		size_t some = w->seg[0].len < n ? w->seg[0].len : n;

		pass(w, some);
		w->seg[0].len -= (uint32_t)some;
		n -= some;
		pass_skips(w);
	}
}

ssize_t ws_lend(struct stream *s, struct iovec *iov, int *cnt)
{
	struct ws *w = container_of(s, struct ws, s);
	int places = *cnt, rc = ws_step(w);

	while (!rc) {
		struct iovec lent[STREAM_IOV];
		int lent_cnt = STREAM_IOV;
		struct stream *b = s->below;
		ssize_t n;

		if (w->eof && !w->seg_count)
			return ws_read_end(w);
		n = b->ops->lend(b, lent, &lent_cnt);
		if (n == -EAGAIN)
			n = ws_nothing(w);
		if (n <= 0) /* its end is no end: there was no Close */
			return ws_fail(w, n ? (int)n : -ECONNRESET);
		rc = look_ahead(w, lent, lent_cnt);
		if (rc < 0) {
			log_info("s%x ws: malformed frame", w->id);
			return ws_fail(w, rc);
		}
		if (w->pong_due)
			(void)ws_settle(w);
		*cnt = places;
		n = show(w, lent, lent_cnt, iov, cnt);
		if (n)
			return n;
		pass_skips(w);
	}
	return rc;
}
