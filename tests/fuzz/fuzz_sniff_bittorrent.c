/* fuzz_sniff_bittorrent.c - Any bytes as a stream's head and as a datagram */
#include <stddef.h>
#include <stdint.h>

#include "gateway/sniff/sniffers.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct sniffed s;

	sniff_bt_stream(p, n, &s);
	sniff_utp(p, n, &s);
	return 0;
}
