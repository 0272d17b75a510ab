/*
 * kcp.c - mKCP segments
 *
 *   conv(2) cmd(1) opt(1)
 *     data	time(4) number(4) una(4) len(2) payload
 *     ack	window(4) next(4) time(4) count(1) number(4)*
 *     others	una(4) next(4) rto(4)
 *
 * Source: docs/wire/kcp.md
 */
#include "proxy/wire/kcp.h"

#include <errno.h>

#include "gateway/base/rd.h"
#include "gateway/base/wr.h"

static void decode_data(struct rd *r, struct kcp_seg *s)
{
	s->time = rd_be32(r);
	s->number = rd_be32(r);
	s->una = rd_be32(r);
	s->len = rd_be16(r);
	s->data = rd_bytes(r, s->len);
}

static void decode_ack(struct rd *r, struct kcp_seg *s)
{
	s->window = rd_be32(r);
	s->next = rd_be32(r);
	s->time = rd_be32(r);
	s->len = rd_u8(r);
	s->data = rd_bytes(r, 4 * (size_t)s->len);
}

static void decode_cmd(struct rd *r, struct kcp_seg *s)
{
	s->una = rd_be32(r);
	s->next = rd_be32(r);
	s->rto = rd_be32(r);
}

ssize_t kcp_decode(const uint8_t *p, size_t n, struct kcp_seg *out)
{
	struct rd r = rd_init(p, n);
	struct kcp_seg s = { 0 };

	s.conv = rd_be16(&r);
	s.cmd = rd_u8(&r);
	s.opt = rd_u8(&r);
	if (s.cmd == KCP_DATA)
		decode_data(&r, &s);
	else if (s.cmd == KCP_ACK)
		decode_ack(&r, &s);
	else
		decode_cmd(&r, &s);
	if (!rd_ok(&r))
		return -EPROTO;
	*out = s;
	return (ssize_t)(n - rd_left(&r));
}

ssize_t kcp_encode(const struct kcp_seg *s, uint8_t *out, size_t room)
{
	struct wr w = wr_init(out, room);

	wr_be16(&w, s->conv);
	wr_u8(&w, s->cmd);
	wr_u8(&w, s->opt);
	if (s->cmd == KCP_DATA) {
		wr_be32(&w, s->time);
		wr_be32(&w, s->number);
		wr_be32(&w, s->una);
		wr_be16(&w, s->len);
		wr_bytes(&w, s->data, s->len);
	} else if (s->cmd == KCP_ACK) {
		wr_be32(&w, s->window);
		wr_be32(&w, s->next);
		wr_be32(&w, s->time);
		wr_u8(&w, (uint8_t)s->len);
		wr_bytes(&w, s->data, 4 * (size_t)s->len);
	} else {
		wr_be32(&w, s->una);
		wr_be32(&w, s->next);
		wr_be32(&w, s->rto);
	}
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}
