/*
 * quic_frames.c - Frames of a decrypted Initial; the ClientHello put together
 *
 *	00 PADDING | 01 PING | 02, 03 ACK | 06 CRYPTO | 1c CONNECTION_CLOSE
 *
 * CRYPTO pieces may come in any order, twice, and with gaps between. Bytes
 * that lie outside the buffer are ignored: the name stands near the front.
 *
 * Source: RFC 9000, 12.4, 16, 17.2.2 and 19
 */
#include <errno.h>
#include <string.h>

#include "gateway/base/rd.h"
#include "gateway/sniff/sniffers.h"

void quic_hello_init(struct quic_hello *h)
{
	h->high = 0;
	memset(h->have, 0, sizeof(h->have));
}

uint64_t quic_varint(struct rd *r)
{
	uint8_t first = rd_u8(r);
	uint64_t v = first & 0x3f;

	for (int more = (1 << (first >> 6)) - 1; more > 0; more--)
		v = v << 8 | rd_u8(r);
	return v;
}

static void skip_varints(struct rd *r, uint64_t count)
{
	while (count-- && rd_ok(r))
		quic_varint(r);
}

static void skip_ack(struct rd *r, bool ecn)
{
	uint64_t ranges;

	skip_varints(r, 2);
	ranges = quic_varint(r);
	skip_varints(r, 1);
	/* Each takes two bytes at least, so a lie ends at the cursor's end */
	while (ranges-- && rd_ok(r))
		skip_varints(r, 2);
	if (ecn)
		skip_varints(r, 3);
}

static const uint8_t *rd_block(struct rd *r, uint64_t n)
{
	if (n > rd_left(r)) {
		r->bad = true;
		return NULL;
	}
	return rd_bytes(r, (size_t)n);
}

static void read_crypto(struct quic_hello *h, struct rd *r)
{
	uint64_t offset = quic_varint(r), len = quic_varint(r);
	const uint8_t *p = rd_block(r, len);
	size_t room;

	if (!p || offset >= QUIC_CRYPTO_MAX_BYTES)
		return;
	room = QUIC_CRYPTO_MAX_BYTES - (size_t)offset;
	if (len > room)
		len = room;
	memcpy(h->bytes + offset, p, (size_t)len);
	for (size_t i = (size_t)offset; i < offset + len; i++)
		h->have[i / 8] |= (uint8_t)(1u << i % 8);
	if (h->high < offset + len)
		h->high = (uint32_t)(offset + len);
}

int quic_frames(struct quic_hello *h, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);

	while (rd_left(&r)) {
		uint8_t type = rd_u8(&r);

		switch (type) {
		case 0x00:
		case 0x01:
			break;
		case 0x02:
		case 0x03:
			skip_ack(&r, type == 0x03);
			break;
		case 0x06:
			read_crypto(h, &r);
			break;
		case 0x1c:
			skip_varints(&r, 2);
			rd_block(&r, quic_varint(&r));
			break;
		default:
			return -EPROTO;
		}
		if (!rd_ok(&r))
			return -EPROTO;
	}
	return 0;
}

size_t quic_hello_len(const struct quic_hello *h)
{
	size_t i = 0;

	while (i < sizeof(h->have) && h->have[i] == 0xff)
		i++;
	i *= 8;
	while (i < h->high && h->have[i / 8] & 1u << i % 8)
		i++;
	return i;
}
