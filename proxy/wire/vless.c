/*
 * vless.c - VLESS: request and response head, packets of the UDP command
 *
 *	request   00 | id 16 | addons length u8 | addons | command
 *		  | [port u16 | type | address]
 *	response  00 | addons length u8 | addons	before the first byte
 *	packet    length u16 | data			both ways, command UDP
 *	addons    protobuf: 0A length flow, 12 length seed
 *
 * Source: xray.md, 2.6; Xray proxy/vless/encoding (facts)
 */
#include "proxy/wire/vless.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/rd.h"
#include "gateway/base/wr.h"
#include "proxy/wire/addr_wire.h"

static bool has_address(unsigned int command)
{
	return command == VLESS_TCP || command == VLESS_UDP;
}

ssize_t vless_request_encode(const struct vless_request *rq, uint8_t *out,
			     size_t room)
{
	struct wr w = wr_init(out, room);
	size_t flow = strlen(rq->flow);
	ssize_t n;

	wr_u8(&w, 0);
	wr_bytes(&w, rq->id, sizeof(rq->id));
	wr_u8(&w, (uint8_t)(flow ? flow + 2 : 0));
	if (flow) {
		wr_u8(&w, 0x0a);
		wr_u8(&w, (uint8_t)flow);
		wr_bytes(&w, rq->flow, flow);
	}
	wr_u8(&w, (uint8_t)rq->command);
	if (!wr_ok(&w))
		return -ENOBUFS;
	if (has_address(rq->command)) {
		n = addr_wire_encode(ADDR_PORT, &rq->to, w.p, wr_left(&w));
		if (n < 0)
			return n;
		wr_room(&w, (size_t)n);
	}
	return (ssize_t)wr_len(&w);
}

/* A protobuf varint, as far as 32 bits go */
static uint32_t rd_protobuf(struct rd *r)
{
	uint32_t v = 0;

	for (unsigned int shift = 0; shift < 35; shift += 7) {
		uint8_t b = rd_u8(r);

		v |= shift < 32 ? (uint32_t)(b & 0x7f) << shift : 0;
		if (!(b & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

/* Both known fields are strings; a third one is skipped when it is one */
static int addons_read(struct rd a, char flow[VLESS_FLOW_MAX])
{
	flow[0] = '\0';
	while (rd_left(&a)) {
		uint32_t tag = rd_protobuf(&a), len = rd_protobuf(&a);
		const uint8_t *p;

		if (!rd_ok(&a) || (tag & 7) != 2)
			return -EPROTO;
		p = rd_bytes(&a, len);
		if (!p)
			return -EPROTO;
		if (tag != 0x0a)
			continue;
		if (len >= VLESS_FLOW_MAX || memchr(p, 0, len))
			return -EPROTO;
		memcpy(flow, p, len);
		flow[len] = '\0';
	}
	return 0;
}

ssize_t vless_request_decode(const uint8_t *p, size_t n,
			     struct vless_request *out)
{
	struct rd r = rd_init(p, n), addons;
	char flow[VLESS_FLOW_MAX];
	struct addr to = { 0 };
	const uint8_t *id;
	uint8_t command;
	ssize_t len = 0;

	if (n && p[0] != 0)
		return -EPROTO;
	rd_u8(&r);
	id = rd_bytes(&r, 16);
	addons = rd_sub(&r, rd_u8(&r));
	command = rd_u8(&r);
	if (!rd_ok(&r))
		return 0;
	if (addons_read(addons, flow) || command < VLESS_TCP ||
	    command > VLESS_REVERSE)
		return -EPROTO;
	if (has_address(command)) {
		len = addr_wire_decode(ADDR_PORT, r.p, rd_left(&r), &to,
				       out->name);
		if (len <= 0)
			return len;
	}
	memcpy(out->id, id, sizeof(out->id));
	memcpy(out->flow, flow, sizeof(flow));
	out->command = (enum vless_command)command;
	out->to = to;
	return r.p - p + len;
}

ssize_t vless_response_decode(const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);

	if (n && p[0] != 0)
		return -EPROTO;
	rd_u8(&r);
	rd_bytes(&r, rd_u8(&r));
	return rd_ok(&r) ? r.p - p : 0;
}

ssize_t vless_response_encode(uint8_t *out, size_t room)
{
	struct wr w = wr_init(out, room);

	wr_be16(&w, 0);
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}

ssize_t vless_packet_decode(const uint8_t *p, size_t n, const uint8_t **data,
			    size_t *len)
{
	struct rd r = rd_init(p, n);
	uint16_t want = rd_be16(&r);
	const uint8_t *b = rd_bytes(&r, want);

	if (!b)
		return 0;
	*data = b;
	*len = want;
	return r.p - p;
}

ssize_t vless_packet_encode(const uint8_t *p, size_t n, uint8_t *out,
			    size_t room)
{
	struct wr w = wr_init(out, room);

	if (n > UINT16_MAX)
		return -EINVAL;
	wr_be16(&w, (uint16_t)n);
	wr_bytes(&w, p, n);
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}
