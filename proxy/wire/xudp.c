/*
 * xudp.c - XUDP: packets with their peers in a Mux.cool stream of one session
 *
 *	first  meta length | 00 00 | 01 | 01 | 02 | port | type | address
 *	       | global id 8 | data length | data
 *	then   meta length | 00 00 | 02 | 01 | 02 | port | type | address
 *	       | data length | data
 *
 * Frames are those of mux.c with session 0.
 *
 * Source: xray.md, 2.11; Xray common/xudp/xudp.go (facts)
 */
#include "proxy/wire/xudp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/blake3.h"
#include "gateway/base/wr.h"
#include "proxy/wire/mux.h"

void xudp_global_id(const uint8_t key[32], const struct addr *client,
		    uint8_t out[8])
{
	char text[4 + ADDR_TEXT_MAX] = "udp:";

	addr_format(client, text + 4, ADDR_TEXT_MAX);
	blake3_keyed(key, text, strlen(text), out, 8);
}

ssize_t xudp_encode(struct xudp_out *x, const struct wire_packet *pk,
		    uint8_t *out, size_t room)
{
	struct mux_frame f = {
		.status = x->begun ? MUX_KEEP : MUX_NEW,
		.network = MUX_UDP,
		.has_data = true,
		.has_global = !x->begun,
		.len = (uint16_t)pk->len,
		.to = pk->peer,
	};
	struct wr w;
	ssize_t n;

	if (!pk->len || pk->len > XUDP_PACKET_MAX)
		return -EINVAL;
	memcpy(f.global, x->global, sizeof(f.global));
	n = mux_frame_encode(&f, out, room);
	if (n < 0)
		return n;
	w = wr_init(out + n, room - (size_t)n);
	wr_bytes(&w, pk->data, pk->len);
	if (!wr_ok(&w))
		return -ENOBUFS;
	x->begun = true;
	return n + (ssize_t)pk->len;
}

ssize_t xudp_decode(const uint8_t *p, size_t n, struct wire_packet *out,
		    bool *is_packet)
{
	struct mux_frame f;
	ssize_t head = mux_frame_decode(p, n, &f);

	*is_packet = false;
	if (head <= 0)
		return head;
	if (f.status == MUX_NEW || f.status == MUX_END)
		return -EPIPE;
	if (n - (size_t)head < f.len)
		return 0;
	if (f.status == MUX_KEEP && f.len) {
		out->peer = f.network == MUX_UDP ? f.to : (struct addr){ 0 };
		memcpy(out->name, f.name, sizeof(out->name));
		if (out->peer.kind == ADDR_NAME)
			out->peer.name = out->name;
		out->data = p + head;
		out->len = f.len;
		*is_packet = true;
	}
	return head + f.len;
}
