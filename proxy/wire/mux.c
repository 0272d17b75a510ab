/*
 * mux.c - Mux.cool: frames of many sessions on one stream
 *
 *	meta length u16 | session u16 | status | option
 *	  New:            | network | port u16 | type | address | [global id 8]
 *	    to a client   | ... | [network | source | [network | local]]
 *	  Keep with UDP:  | 02      | port u16 | type | address
 *	| [data length u16 | data]		when option has bit 0
 *
 * The meta length bounds everything before the data length; what is left of
 * it after the known members is skipped (padding, or members of the future).
 *
 * Source: xray.md, 2.10; Xray common/mux/frame.go (facts)
 */
#include "proxy/wire/mux.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/rd.h"
#include "gateway/base/wr.h"
#include "proxy/wire/addr_wire.h"

enum { OPTION_DATA = 1, OPTION_ERROR = 2 };

/* One end of a session that comes to the client; nothing, or padding: none */
static int end_read(struct rd *m, struct addr *out)
{
	struct addr a = { 0 };
	char name[256];
	uint8_t network;
	ssize_t n;

	if (!rd_left(m) || !*m->p)
		return 0;
	network = rd_u8(m);
	if (network != MUX_TCP && network != MUX_UDP)
		return -EPROTO;
	n = addr_wire_decode(ADDR_PORT, m->p, rd_left(m), &a, name);
	if (n <= 0)
		return -EPROTO;
	rd_bytes(m, (size_t)n);
	if (addr_is_ip(&a))
		*out = a;
	return 0;
}

static int ends_read(struct rd *m, struct mux_frame *f)
{
	int rc = end_read(m, &f->from);

	return rc ? rc : end_read(m, &f->at);
}

/* Address and, for a new UDP session with data, the global id */
static int target_read(struct rd *m, bool ends, struct mux_frame *f)
{
	const uint8_t *id;
	ssize_t n;

	f->network = rd_u8(m);
	if (f->network != MUX_TCP && f->network != MUX_UDP)
		return -EPROTO;
	n = addr_wire_decode(ADDR_PORT, m->p, rd_left(m), &f->to, f->name);
	if (n <= 0)
		return -EPROTO;
	rd_bytes(m, (size_t)n);
	if (ends && f->status == MUX_NEW)
		return ends_read(m, f);
	if (f->status != MUX_NEW || f->network != MUX_UDP || !f->has_data)
		return 0;
	id = rd_bytes(m, sizeof(f->global));
	if (!id)
		return 0;
	memcpy(f->global, id, sizeof(f->global));
	f->has_global = true;
	return 0;
}

static int meta_read(struct rd *m, bool ends, struct mux_frame *f)
{
	uint8_t option;

	f->session = rd_be16(m);
	f->status = (enum mux_status)rd_u8(m);
	option = rd_u8(m);
	f->has_data = option & OPTION_DATA;
	f->error = option & OPTION_ERROR;
	if (f->status < MUX_NEW || f->status > MUX_ALIVE)
		return -EPROTO;
	if (f->status == MUX_NEW ||
	    (f->status == MUX_KEEP && rd_left(m) && *m->p == MUX_UDP))
		return target_read(m, ends, f);
	return 0;
}

ssize_t mux_frame_decode(const uint8_t *p, size_t n, struct mux_frame *out)
{
	return mux_frame_decode_as(p, n, false, out);
}

ssize_t mux_frame_decode_as(const uint8_t *p, size_t n, bool ends,
			    struct mux_frame *out)
{
	struct rd r = rd_init(p, n), meta;
	uint16_t len = rd_be16(&r), data;
	struct mux_frame f = { 0 };

	if (!rd_ok(&r))
		return 0;
	if (len < 4 || len > MUX_META_MAX)
		return -EPROTO;
	meta = rd_sub(&r, len);
	if (!rd_ok(&r))
		return 0;
	if (meta_read(&meta, ends, &f))
		return -EPROTO;
	data = f.has_data ? rd_be16(&r) : 0;
	if (!rd_ok(&r))
		return 0;
	f.len = data;
	*out = f;
	if (f.to.kind == ADDR_NAME)
		out->to.name = out->name;
	return r.p - p;
}

static bool has_target(const struct mux_frame *f)
{
	return f->status == MUX_NEW ||
	       (f->status == MUX_KEEP && f->network == MUX_UDP);
}

static int end_write(struct wr *w, uint8_t network, const struct addr *a)
{
	ssize_t n;

	if (!addr_is_ip(a))
		return 0;
	wr_u8(w, network);
	n = addr_wire_encode(ADDR_PORT, a, w->p, wr_left(w));
	if (n < 0)
		return (int)n;
	wr_room(w, (size_t)n);
	return 0;
}

ssize_t mux_frame_encode(const struct mux_frame *f, uint8_t *out, size_t room)
{
	struct wr w = wr_init(out, room);
	ssize_t n;

	wr_be16(&w, 0);
	wr_be16(&w, f->session);
	wr_u8(&w, (uint8_t)f->status);
	wr_u8(&w, (uint8_t)((f->has_data ? OPTION_DATA : 0) |
			    (f->error ? OPTION_ERROR : 0)));
	if (has_target(f)) {
		wr_u8(&w, f->network);
		n = addr_wire_encode(ADDR_PORT, &f->to, w.p, wr_left(&w));
		if (n < 0)
			return n;
		wr_room(&w, (size_t)n);
		if (f->has_global && f->status == MUX_NEW)
			wr_bytes(&w, f->global, sizeof(f->global));
		n = f->status == MUX_NEW ? end_write(&w, f->network, &f->from) :
					   0;
		if (!n && addr_is_ip(&f->from) && f->status == MUX_NEW)
			n = end_write(&w, f->network, &f->at);
		if (n < 0)
			return n;
	}
	if (!wr_ok(&w))
		return -ENOBUFS;
	put_be16(out, (uint16_t)(wr_len(&w) - 2));
	if (f->has_data)
		wr_be16(&w, f->len);
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}
