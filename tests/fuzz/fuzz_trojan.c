/* fuzz_trojan.c - Requests and packets; what decodes encodes to itself */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/trojan.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t out[TROJAN_PACKET_MAX + TROJAN_HEAD_MAX];
	struct trojan_request rq, again;
	struct wire_packet pk, back;
	ssize_t len = trojan_request_decode(p, n, &rq);

	if (len > 0) {
		if ((size_t)len > n)
			abort();
		len = trojan_request_encode(&rq, out, sizeof(out));
		if (len <= 0 ||
		    trojan_request_decode(out, (size_t)len, &again) != len)
			abort();
	}
	len = trojan_packet_decode(p, n, &pk);
	if (len > 0) {
		if ((size_t)len > n || pk.data + pk.len != p + len)
			abort();
		len = trojan_packet_encode(&pk, out, sizeof(out));
		if (len <= 0 ||
		    trojan_packet_decode(out, (size_t)len, &back) != len ||
		    back.len != pk.len)
			abort();
	}
	return 0;
}
