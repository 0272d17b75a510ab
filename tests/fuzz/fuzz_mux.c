/* fuzz_mux.c - A stream of frames, and the same as XUDP; heads encode to themselves */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/mux.h"
#include "proxy/wire/xudp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
static void frames(const uint8_t *p, size_t n, bool ends)
{
	while (n) {
		struct mux_frame f, again;
		uint8_t out[MUX_HEAD_MAX];
		ssize_t len = mux_frame_decode_as(p, n, ends, &f), m;

		if (len <= 0)
			return;
		if ((size_t)len > n)
			abort();
		m = mux_frame_encode(&f, out, sizeof(out));
		if (m <= 0 ||
		    mux_frame_decode_as(out, (size_t)m, ends, &again) != m ||
		    !addr_eq(&again.from, &f.from) || again.len != f.len ||
		    !addr_eq(&again.to, &f.to))
			abort();
		p += len;
		n -= (size_t)len;
		if (n < f.len)
			return;
		p += f.len;
		n -= f.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct wire_packet pk;
	ssize_t len;
	bool is;

	frames(p, n, false);
	frames(p, n, true);
	while (n && (len = xudp_decode(p, n, &pk, &is)) > 0) {
		if ((size_t)len > n || (is && pk.data + pk.len != p + len))
			abort();
		p += len;
		n -= (size_t)len;
	}
	return 0;
}
