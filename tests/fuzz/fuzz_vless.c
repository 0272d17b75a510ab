/* fuzz_vless.c - Requests, responses, packets; what decodes encodes to itself */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/vless.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vless_request rq, again;
	uint8_t out[VLESS_HEAD_MAX];
	const uint8_t *data;
	size_t data_len;
	ssize_t len = vless_request_decode(p, n, &rq);

	if (len > 0) {
		if ((size_t)len > n)
			abort();
		len = vless_request_encode(&rq, out, sizeof(out));
		if (len <= 0 ||
		    vless_request_decode(out, (size_t)len, &again) != len ||
		    strcmp(rq.flow, again.flow))
			abort();
	}
	if (vless_response_decode(p, n) > (ssize_t)n)
		abort();
	len = vless_packet_decode(p, n, &data, &data_len);
	if (len > 0 && data + data_len != p + len)
		abort();
	return 0;
}
