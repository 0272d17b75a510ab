/* fuzz_pb.c - Messages of protocol buffers: what is read is written again */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "must.h"
#include "proxy/wire/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct pb_out o = { .most = 2 * n + 64 };
	struct rd r = rd_init(p, n), again;
	struct pb_field f, g;
	uint64_t v[4];
	char text[64];
	int rc, count;

	while ((rc = pb_next(&r, &f)) > 0) {
		size_t mark = o.len;

		MUST(f.type != PB_BYTES || (f.p >= p && f.p + f.len <= p + n));
		if (f.type == PB_BYTES)
			pb_put_bytes(&o, f.number, f.p, f.len);
		else
			pb_put_number(&o, f.number, f.value);
		MUST(!o.bad);
		again = rd_init(o.p + mark, o.len - mark);
		MUST(pb_next(&again, &g) == 1 && g.number == f.number);
		MUST(g.value == f.value && g.len == f.len);
		MUST(!f.len || !memcmp(g.p, f.p, f.len));
	}
	MUST(rc == 0 || pb_find(p, n, 1, PB_BYTES, &f) < 0);
	if (!pb_text(p, n, 1, text, sizeof(text)))
		MUST(strlen(text) < sizeof(text));
	count = pb_numbers(p, n, 2, v, 4);
	MUST(count <= (int)n && (count >= 0 || count == -EPROTO));
	pb_free(&o);
	return 0;
}
