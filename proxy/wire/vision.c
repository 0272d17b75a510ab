/* vision.c - Vision: frames that pad, and when to stop */
#include "proxy/wire/vision.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "gateway/base/wr.h"

#define LOOK_PIECES 8 /* of both directions together */

enum { REC_HANDSHAKE = 0x16, REC_DATA = 0x17 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };

/* --- looking ------------------------------------------------------------------ */

void vision_look_init(struct vision_look *l)
{
	*l = (struct vision_look){ .left = LOOK_PIECES, .hello_left = -1 };
}

static void see_server_hello(struct vision_look *l, const uint8_t *p, size_t n)
{
	size_t at = 44;

	l->hello_left = get_be16(p + 3) + 5;
	l->tls = l->tls12 = true;
	if (n < 79 || l->hello_left < 79)
		return;
	at += p[43]; /* behind the session id */
	if (at + 2 <= n)
		l->suite = get_be16(p + at);
}

/* supported_versions with TLS 1.3 alone, as a server sends it */
static bool has_tls13(const uint8_t *p, size_t n)
{
	static const uint8_t ext[] = { 0x00, 0x2b, 0x00, 0x02, 0x03, 0x04 };

	return memmem(p, n, ext, sizeof(ext)) != NULL;
}

/* The ServerHello goes on, or ends, in this piece */
static void see_version(struct vision_look *l, const uint8_t *p, size_t n)
{
	size_t part = (size_t)l->hello_left < n ? (size_t)l->hello_left : n;

	l->hello_left -= (int32_t)n;
	if (has_tls13(p, part)) {
		/* not TLS_AES_128_CCM_8_SHA256, nor anything unknown */
		l->direct = l->suite >= 0x1301 && l->suite <= 0x1304;
		l->left = 0;
	} else if (l->hello_left <= 0) {
		l->left = 0; /* TLS 1.2 */
	}
}

void vision_look_at(struct vision_look *l, const uint8_t *p, size_t n)
{
	if (l->left <= 0 || !n)
		return;
	l->left--;
	if (n >= 6 && p[0] == REC_HANDSHAKE && p[1] == 3) {
		if (p[2] == 3 && p[5] == SERVER_HELLO)
			see_server_hello(l, p, n);
		else if (p[5] == CLIENT_HELLO)
			l->tls = true;
	}
	if (l->hello_left > 0)
		see_version(l, p, n);
}

/* --- reading ------------------------------------------------------------------ */

void vision_rx_init(struct vision_rx *rx, const uint8_t id[VISION_ID_BYTES])
{
	memset(rx, 0, sizeof(*rx));
	memcpy(rx->id, id, VISION_ID_BYTES);
	rx->id_left = VISION_ID_BYTES;
}

static bool frame_over(const struct vision_rx *rx)
{
	return rx->head_len == VISION_HEAD_BYTES && !rx->content &&
	       !rx->padding;
}

/* One byte of what is before a frame's content. 0 or -EPROTO */
static int take_head(struct vision_rx *rx, uint8_t b)
{
	if (rx->id_left) {
		if (b != rx->id[VISION_ID_BYTES - rx->id_left])
			return -EPROTO;
		rx->id_left--;
		return 0;
	}
	rx->head[rx->head_len++] = b;
	if (rx->head_len < VISION_HEAD_BYTES)
		return 0;
	rx->command = rx->head[0];
	rx->content = get_be16(rx->head + 1);
	rx->padding = get_be16(rx->head + 3);
	return rx->command > VISION_DIRECT ? -EPROTO : 0;
}

ssize_t vision_unframe(struct vision_rx *rx, uint8_t *p, size_t n, size_t *used)
{
	size_t at = 0, out = 0, k;

	while (!rx->done && (at < n || frame_over(rx))) {
		if (frame_over(rx)) {
			rx->done = rx->command;
			rx->head_len = 0;
		} else if (rx->head_len < VISION_HEAD_BYTES) {
			if (take_head(rx, p[at++]) < 0)
				return -EPROTO;
		} else if (rx->content) {
			k = rx->content < n - at ? rx->content : n - at;
			memmove(p + out, p + at, k);
			rx->content = (uint16_t)(rx->content - k);
			out += k;
			at += k;
		} else {
			k = rx->padding < n - at ? rx->padding : n - at;
			rx->padding = (uint16_t)(rx->padding - k);
			at += k;
		}
	}
	*used = at;
	return (ssize_t)out;
}

/* --- writing ------------------------------------------------------------------ */

const struct vision_seed vision_seed_usual = { 900, 500, 900, 256 };

void vision_tx_init(struct vision_tx *tx, const uint8_t id[VISION_ID_BYTES])
{
	memset(tx, 0, sizeof(*tx));
	memcpy(tx->id, id, VISION_ID_BYTES);
	tx->first = true;
	tx->seed = vision_seed_usual;
}

/* A head within is whole: where does its record end, and what is it? */
static void see_record(struct vision_tx *tx)
{
	uint8_t type = tx->head[0];

	tx->head_len = 0;
	if (type < 0x14 || type > REC_DATA || tx->head[1] != 3) {
		tx->lost = true;
		return;
	}
	tx->record_left = get_be16(tx->head + 3);
	tx->data |= type == REC_DATA;
}

/*
 * Follow the TLS records of @n bytes; stop at the first end of one after data
 * records began, when @stop. Bytes followed
 */
static size_t follow(struct vision_tx *tx, const uint8_t *p, size_t n,
		     bool stop)
{
	size_t at = 0, k;

	while (at < n && !tx->lost) {
		if (!tx->record_left) {
			tx->head[tx->head_len++] = p[at++];
			if (tx->head_len == VISION_HEAD_BYTES)
				see_record(tx);
			if (tx->head_len || tx->record_left)
				continue;
		} else {
			k = tx->record_left < n - at ? tx->record_left : n - at;
			tx->record_left -= (uint32_t)k;
			at += k;
		}
		if (!tx->record_left && tx->data && stop)
			return at;
	}
	return n;
}

/* A piece ends where a record of data does: frames may end there */
static bool at_border(const struct vision_tx *tx)
{
	return tx->data && !tx->lost && !tx->record_left && !tx->head_len;
}

size_t vision_plan(struct vision_tx *tx, const struct vision_look *l,
		   const uint8_t *p, size_t n, enum vision_command *command)
{
	*command = VISION_CONTINUE;
	if (n > VISION_CONTENT_MAX)
		n = VISION_CONTENT_MAX;
	n = follow(tx, p, n, l->tls);
	if (l->tls && at_border(tx))
		*command = l->direct ? VISION_DIRECT : VISION_END;
	else if ((!l->tls12 && l->left <= 1) || (tx->lost && l->left <= 0))
		*command = VISION_END;
	return n;
}

static uint16_t padding(const struct vision_seed *s, bool long_padding,
			size_t n, uint32_t dice)
{
	uint64_t room = VISION_CONTENT_MAX - n, pad = dice % s->few;

	if (long_padding && n < s->limit) {
		pad = (uint64_t)s->least + dice % s->range;
		pad = pad > n ? pad - n : 0;
	}
	return (uint16_t)(pad < room ? pad : room);
}

ssize_t vision_frame(struct vision_tx *tx, const struct vision_piece *f,
		     uint8_t *out, size_t room)
{
	struct wr w = wr_init(out, room);
	uint16_t pad = padding(&tx->seed, f->longer, f->n, f->dice);
	uint8_t *fill;

	if (tx->first)
		wr_bytes(&w, tx->id, VISION_ID_BYTES);
	wr_u8(&w, (uint8_t)f->command);
	wr_be16(&w, (uint16_t)f->n);
	wr_be16(&w, pad);
	wr_bytes(&w, f->p, f->n);
	fill = wr_room(&w, pad);
	if (!wr_ok(&w))
		return -ENOBUFS;
	memset(fill, 0, pad);
	tx->first = false;
	tx->done = (uint8_t)f->command;
	return (ssize_t)wr_len(&w);
}
