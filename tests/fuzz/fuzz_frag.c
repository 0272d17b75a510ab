/*
 * fuzz_frag.c - Fragments by script: no input may corrupt the table
 *
 * Input: records of 6 bytes: id, offset/8 (2), length, flags, fill.
 * Flags: 1 more fragments, 2 IPv6, 4 time passes.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "netstack/netstack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(struct worker *w, struct frag_table *t, const uint8_t *r)
{
	uint8_t buf[64 + 8 * 255];
	size_t len = (size_t)r[3] * 8 - (r[4] & 1 || !r[3] ? 0 : r[5] & 7);
	struct packet p = { .data = buf, .l4 = 48, .frag = true }, whole;

	memset(buf, r[5], sizeof(buf));
	p.len = (uint32_t)(p.l4 + len);
	p.proto = IPPROTO_UDP;
	p.v6 = r[4] & 2;
	p.frag_more = r[4] & 1;
	p.frag_offset = (uint32_t)(get_be16(r + 1) & 0x1fff) * 8;
	p.frag_id = r[0];
	p.src.kind = p.dst.kind = p.v6 ? ADDR_V6 : ADDR_V4;
	p.src.ip[0] = 10;
	p.dst.ip[0] = 11;
	if (r[4] & 4) {
		w->now_ms += 1000;
		wheel_run(&w->wheel, w->now_ms);
	}
	if (frag_input(t, &p, &whole) &&
	    (whole.l4 > whole.len || whole.data[whole.len - 1] != r[5]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct worker w;
	struct frag_table *t;

	memset(&w, 0, sizeof(w));
	wheel_init(&w.wheel, 0);
	t = frag_table_new(&w);
	if (!t)
		return 0;
	for (; size >= 6; data += 6, size -= 6)
		one(&w, t, data);
	frag_table_free(t);
	return 0;
}
