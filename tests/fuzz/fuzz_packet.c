/* fuzz_packet.c - Frames: what passes has headers inside the packet */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "must.h"
#include "netstack/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vnet vnet = { 0 };
	struct packet p;
	enum drop why = DROP_COUNT;
	uint8_t *copy;

	if (n < 1)
		return 0;
	vnet.csum_ok = data[0] & 1; /* else sums stop nearly everything */
	vnet.csum_partial = data[0] & 2;
	vnet.gso = data[0] >> 2 & 3;
	vnet.gso_size = (uint16_t)(data[0] >> 4 << 8);
	n--;
	copy = malloc(n ? n : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, n);
	if (packet_parse(copy, n, &vnet, &p, &why)) {
		MUST(why < DROP_COUNT);
	} else {
		MUST(p.len <= n && p.l4 <= p.len && p.l4 >= 20);
		MUST(addr_is_ip(&p.src) && addr_is_ip(&p.dst));
		MUST(p.frag || p.proto != 6 ||
		     (copy[p.l4 + 12] >> 4) * 4u <= p.len - p.l4);
		MUST(p.frag || p.proto != 17 ||
		     get_be16(copy + p.l4 + 4) == p.len - p.l4);
	}
	MUST(!n || !memcmp(copy, data + 1, n));
	free(copy);
	return 0;
}
