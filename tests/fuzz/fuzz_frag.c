/*
 * fuzz_frag.c - Fragments by script: no input may corrupt the table, and what comes
 * together is what was cut
 *
 * Input: records of 6 bytes: id, offset/8 (2), length, flags, fill.
 * Flags: 1 more fragments, 2 IPv6, 4 time passes. An id from 128 on stands for a
 * datagram that is good: its pieces lie where they say, and lengths are its own.
 * Whatever the table is full of, another datagram gets through.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/compat.h"
#include "must.h"
#include "netstack/netstack.h"

enum { GOOD = 128, GOOD_MAX = 8 + 127 * 37, HEAD = 48 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct packet fragment(uint8_t *buf, bool v6, uint32_t id)
{
	struct packet p = { .data = buf, .l4 = HEAD, .frag = true };

	p.proto = IPPROTO_UDP;
	p.v6 = v6;
	p.frag_id = id;
	p.src.kind = p.dst.kind = v6 ? ADDR_V6 : ADDR_V4;
	p.src.ip[0] = 10;
	p.dst.ip[0] = 11;
	return p;
}

/* The datagram of a good @id at @d; its length */
static uint32_t good_make(const struct packet *p, uint8_t *d)
{
	uint32_t n = 8 + (p->frag_id & 127) * 37, sum;

	for (uint32_t i = 8; i < n; i++)
		d[i] = (uint8_t)(i * 7 + (i >> 8) + p->frag_id);
	put_be16(d, 1000);
	put_be16(d + 2, 2000);
	put_be16(d + 4, (uint16_t)n);
	put_be16(d + 6, 0);
	sum = csum_fold(
		csum_add(csum_pseudo(&p->src, &p->dst, IPPROTO_UDP, n), d, n));
	put_be16(d + 6, (uint16_t)(sum ? sum : 0xffff));
	return n;
}

/* Bytes [@off, @off + @len) of a good one, cut to what there is */
static bool good_piece(struct frag_table *t, struct packet *p, uint32_t off,
		       uint32_t len)
{
	uint8_t d[GOOD_MAX];
	uint32_t n = good_make(p, d);
	struct packet whole;

	off = off % n & ~7u;
	len = off + len < n ? len : n - off;
	memcpy(p->data + HEAD, d + off, len);
	p->len = HEAD + len;
	p->frag_offset = off;
	p->frag_more = off + len < n;
	if (!frag_input(t, p, &whole))
		return false;
	MUST(whole.len - whole.l4 == n);
	MUST(!memcmp(whole.data + whole.l4, d, n));
	MUST(addr_eq_host(&whole.src, &p->src));
	return true;
}

static void one(struct worker *w, struct frag_table *t, const uint8_t *r)
{
	uint8_t buf[64 + 8 * 255];
	size_t len = (size_t)r[3] * 8 - (r[4] & 1 || !r[3] ? 0 : r[5] & 7);
	struct packet p = fragment(buf, r[4] & 2, r[0]), whole;

	memset(buf, r[5], sizeof(buf));
	p.len = (uint32_t)(p.l4 + len);
	p.frag_more = r[4] & 1;
	p.frag_offset = (uint32_t)(get_be16(r + 1) & 0x1fff) * 8;
	if (r[4] & 4) {
		w->now_ms += 1000;
		wheel_run(&w->wheel, w->now_ms);
	}
	if (r[0] >= GOOD)
		(void)good_piece(t, &p, p.frag_offset, (uint32_t)r[3] * 8);
	else if (frag_input(t, &p, &whole))
		MUST(whole.l4 <= whole.len &&
		     whole.data[whole.len - 1] == r[5]);
}

static void another(struct frag_table *t, bool v6)
{
	uint8_t buf[HEAD + 2000];
	struct packet p = fragment(buf, v6, 0x10000 + GOOD + 127);

	MUST(!good_piece(t, &p, 4000, 2000));
	MUST(!good_piece(t, &p, 0, 2000));
	MUST(good_piece(t, &p, 2000, 2000));
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
	another(t, false);
	another(t, true);
	frag_table_free(t);
	return 0;
}
