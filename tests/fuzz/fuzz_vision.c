/* fuzz_vision.c - Frames in any pieces; what is framed comes back */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/vision.h"

static const uint8_t id[VISION_ID_BYTES] = "0123456789abcde";

static void unframe(const uint8_t *p, size_t n, size_t piece)
{
	uint8_t buf[VISION_ID_BYTES + 64];
	struct vision_rx rx;
	size_t used, k;

	vision_rx_init(&rx, id);
	memcpy(buf, id, sizeof(id));
	vision_unframe(&rx, buf, sizeof(id), &used);
	for (; n && !rx.done; p += k, n -= k) {
		ssize_t got;

		k = piece < n ? piece : n;
		memcpy(buf, p, k);
		got = vision_unframe(&rx, buf, k, &used);
		if (got < 0)
			return;
		if ((size_t)got > used || used > k || (used < k && !rx.done))
			abort();
	}
}

static void there_and_back(const uint8_t *p, size_t n)
{
	static uint8_t out[VISION_FRAME_MAX];
	enum vision_command command;
	struct vision_look look;
	struct vision_tx tx;
	struct vision_rx rx;
	size_t used, k;

	vision_look_init(&look);
	vision_tx_init(&tx, id);
	vision_rx_init(&rx, id);
	while (n && !tx.done) {
		ssize_t len, got;

		vision_look_at(&look, p, n);
		k = vision_plan(&tx, &look, p, n, &command);
		if (!k || k > n)
			abort();
		len = vision_frame(&tx,
				   &(struct vision_piece){ command, look.tls,
							   (uint32_t)n, p, k },
				   out, sizeof(out));
		if (len <= 0)
			abort();
		got = vision_unframe(&rx, out, (size_t)len, &used);
		if (got != (ssize_t)k || used != (size_t)len ||
		    memcmp(out, p, k) != 0 || rx.done != tx.done)
			abort();
		p += k;
		n -= k;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n)
		unframe(p, n, p[0] % 64 + 1u);
	there_and_back(p, n);
	return 0;
}
