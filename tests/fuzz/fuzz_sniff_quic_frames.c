/*
 * fuzz_sniff_quic_frames.c - Any bytes as the frames of an opened Initial
 *
 * The AEAD would keep a fuzzer out of this parser. The hello parser runs on
 * what was put together.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/sniff/sniffers.h"
#include "proxy/wire/tls_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct quic_hello h;
	const uint8_t *name = NULL;
	ssize_t len;

	quic_hello_init(&h);
	quic_frames(&h, p, n);
	len = tls_hello_name(h.bytes, quic_hello_len(&h), &name);
	if (len > 0 && (name < h.bytes || name + len > h.bytes + h.high))
		abort();
	return 0;
}
