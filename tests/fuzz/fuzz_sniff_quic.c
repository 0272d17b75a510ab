/*
 * fuzz_sniff_quic.c - Any bytes as up to four datagrams
 *
 * Input: { length u16 | datagram }..., the last one takes the rest.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sniff/sniffers.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct iovec v[SNIFF_DGRAMS];
	struct rd r = rd_init(p, n);
	struct sniffed s;
	int cnt = 0;

	while (rd_left(&r) >= 2 && cnt < SNIFF_DGRAMS) {
		size_t len = rd_be16(&r);

		if (len > rd_left(&r) || cnt + 1 == SNIFF_DGRAMS)
			len = rd_left(&r);
		v[cnt].iov_base = malloc(len ? len : 1);
		v[cnt].iov_len = len;
		if (!v[cnt].iov_base)
			break;
		if (len)
			memcpy(v[cnt].iov_base, rd_bytes(&r, len), len);
		cnt++;
	}
	if (sniff_dgrams(v, cnt, &s) == SNIFF_YES && strlen(s.domain) != s.len)
		abort();
	while (cnt--)
		free(v[cnt].iov_base);
	return 0;
}
