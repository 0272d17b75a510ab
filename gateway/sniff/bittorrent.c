/*
 * bittorrent.c - BitTorrent handshake over TCP, uTP connection requests
 *
 *	TCP: 13 | "BitTorrent protocol"
 *	uTP: type<<4 | version (41 = SYN) | extension u8 | connection id u16
 *	     | time u32 | time difference u32 (0) | window u32 | seq u16
 *	     | ack u16 (0) | { next u8 | length u8 | bytes }...
 *
 * Only a SYN without payload is taken for uTP: its length must end with its
 * extensions and 48 bits must be zero, so that chance hits do not happen.
 * (Xray's own check compares microseconds with nanoseconds and never matches.
 * It knows no UDP trackers; neither do we.)
 *
 * Source: BEP 3, BEP 29; xray.md, 1 D
 */
#include <string.h>

#include "gateway/base/rd.h"
#include "gateway/sniff/sniffers.h"

enum verdict sniff_bt_stream(const uint8_t *p, size_t n, struct sniffed *out)
{
	static const char hello[] = "\x13"
				    "BitTorrent protocol";
	size_t want = sizeof(hello) - 1;

	if (memcmp(p, hello, n < want ? n : want))
		return SNIFF_NO;
	if (n < want)
		return SNIFF_MORE;
	sniffed_set(out, SNIFF_BITTORRENT, NULL, 0);
	return SNIFF_YES;
}

enum verdict sniff_utp(const uint8_t *p, size_t n, struct sniffed *out)
{
	struct rd r = rd_init(p, n);
	uint8_t first = rd_u8(&r), ext = rd_u8(&r);
	uint32_t difference;
	uint16_t ack;

	rd_bytes(&r, 2 + 4);
	difference = rd_be32(&r);
	rd_bytes(&r, 4 + 2);
	ack = rd_be16(&r);
	while (rd_ok(&r) && ext) {
		if (ext > 2)
			return SNIFF_NO;
		ext = rd_u8(&r);
		rd_bytes(&r, rd_u8(&r));
	}
	if (!rd_ok(&r) || rd_left(&r) || first != 0x41 || difference || ack)
		return SNIFF_NO;
	sniffed_set(out, SNIFF_BITTORRENT, NULL, 0);
	return SNIFF_YES;
}
