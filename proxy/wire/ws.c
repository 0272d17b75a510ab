/*
 * ws.c - WebSocket: frame heads, masking, the accept key
 *
 *	FIN, RSV 3, opcode 4 | MASK, length 7 | [length u16 or u64] | [mask 4]
 *
 * Source: RFC 6455, 1.3 and 5
 */
#include "proxy/wire/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/base64.h"
#include "gateway/base/crypto.h"
#include "gateway/base/rd.h"
#include "gateway/base/wr.h"

#define KEY_MAX 128 /* 24 by the standard */

static bool opcode_known(uint8_t op)
{
	return op <= WS_BINARY || (op >= WS_CLOSE && op <= WS_PONG);
}

ssize_t ws_head_decode(const uint8_t *p, size_t n, struct ws_head *out)
{
	struct rd r = rd_init(p, n);
	uint8_t first = rd_u8(&r), second = rd_u8(&r);
	uint8_t op = first & 15, small = second & 0x7f;
	struct ws_head h = { .fin = first & 0x80,
			     .masked = second & 0x80,
			     .len = small };
	const uint8_t *mask;

	if ((n >= 1 && (first & 0x70 || !opcode_known(op))) ||
	    (n >= 2 && op >= WS_CLOSE && (!h.fin || small > WS_CONTROL_MAX)))
		return -EPROTO;
	if (small == 126) {
		h.len = rd_be16(&r);
	} else if (small == 127) {
		h.len = (uint64_t)rd_be32(&r) << 32;
		h.len |= rd_be32(&r);
	}
	mask = h.masked ? rd_bytes(&r, sizeof(h.mask)) : NULL;
	if (!rd_ok(&r))
		return 0;
	if (h.len >> 63 || (small == 126 && h.len < 126) ||
	    (small == 127 && h.len <= UINT16_MAX))
		return -EPROTO;
	if (mask)
		memcpy(h.mask, mask, sizeof(h.mask));
	h.opcode = (enum ws_opcode)op;
	*out = h;
	return r.p - p;
}

ssize_t ws_head_encode(const struct ws_head *h, uint8_t *out, size_t room)
{
	struct wr w = wr_init(out, room);
	uint8_t small = h->len < 126         ? (uint8_t)h->len :
			h->len <= UINT16_MAX ? 126 :
					       127;

	wr_u8(&w, (uint8_t)((h->fin ? 0x80 : 0) | (uint8_t)h->opcode));
	wr_u8(&w, (uint8_t)((h->masked ? 0x80 : 0) | small));
	if (small == 126)
		wr_be16(&w, (uint16_t)h->len);
	else if (small == 127)
		wr_be64(&w, h->len);
	if (h->masked)
		wr_bytes(&w, h->mask, sizeof(h->mask));
	return wr_ok(&w) ? (ssize_t)wr_len(&w) : -ENOBUFS;
}

/*
 * What fits one register of most machines (wider ones are spilled by GCC 12);
 * aliases like char
 */
typedef uint64_t wide __attribute__((vector_size(16), aligned(1), may_alias));

void ws_mask_copy(uint8_t *to, const uint8_t *p, size_t n,
		  const uint8_t mask[4], uint64_t at)
{
	union {
		uint8_t b[16];
		wide w;
	} turned;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(turned.b); k++)
		turned.b[k] = mask[(at + k) % 4];
	for (; n - i >= sizeof(wide); i += sizeof(wide))
		*(wide *)(void *)(to + i) =
			*(const wide *)(const void *)(p + i) ^ turned.w;
	for (; i < n; i++)
		to[i] = p[i] ^ turned.b[i % 4];
}

void ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t at)
{
	ws_mask_copy(p, p, n, mask, at);
}

int ws_accept(const char *key, char out[WS_ACCEPT_TEXT])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_MAX + sizeof(guid)];
	size_t n = strlen(key);
	uint8_t sum[20];
	int err;

	if (n > KEY_MAX)
		return -EINVAL;
	snprintf(text, sizeof(text), "%s%s", key, guid);
	err = hash_once(HASH_SHA1, text, n + strlen(guid), sum);
	if (err)
		return err;
	base64_encode(sum, sizeof(sum), false, out, WS_ACCEPT_TEXT);
	return 0;
}
