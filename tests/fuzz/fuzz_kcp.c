/*
 * fuzz_kcp.c - mKCP: layers, segments, and a connection that gets them
 *
 * First byte: which layers. Then steps of a connection: bytes of a datagram (their
 * count first), reading, writing, time. It holds no more than its window.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/transport/kcp_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void no_random(void *p, size_t n)
{
	memset(p, 0, n);
}

static void masks(const uint8_t *p, size_t n, uint8_t which)
{
	struct kcp_mask_key k[2];
	struct kcp_masks_key m;
	uint8_t *copy = malloc(n + 1);
	size_t off, len;

	if (!copy)
		abort();
	memcpy(copy, p, n);
	if (kcp_mask_set(&k[0], which & 1 ? KCP_MASK_AES : KCP_MASK_SIMPLE,
			 "seed") ||
	    kcp_mask_set(&k[1], KCP_MASK_SRTP + which % 6, "a.test") ||
	    kcp_masks_init(&m, k, which & 2 ? 2 : 1, no_random))
		abort();
	if (kcp_open(&m, copy, n, &off, &len) == 0 && off + len > n)
		abort();
	kcp_masks_drop(&m);
	free(copy);
}

static void segment(const uint8_t *p, size_t n)
{
	uint8_t *out = malloc(n + 1);
	struct kcp_seg s;
	ssize_t used = kcp_decode(p, n, &s);

	if (!out || used > (ssize_t)n)
		abort();
	if (used > 0 && (kcp_encode(&s, out, n) != used ||
			 memcmp(out, p, (size_t)used) != 0))
		abort();
	free(out);
}

static void nowhere(struct kcp_link *l, const struct kcp_seg *s)
{
	(void)l;
	if (s->len && !s->data)
		abort();
}

static void steps(const uint8_t *p, size_t n)
{
	static const struct kcp_rules rules = {
		.mss = 100, .tti_ms = 20, .rate = 16, .window = 40, .queue = 40
	};
	struct kcp_pool pool = { .most = 100000 };
	struct kcp_link l = { .emit = nowhere };
	uint8_t buf[300] = { 0 };
	struct iovec v = { buf, sizeof(buf) };
	uint32_t now = 0;

	kcp_link_init(&l, &rules, &pool, now);
	l.conv = 0x3030;
	while (n) {
		size_t k = *p++;

		n--;
		if (k == 255 && n)
			now += (uint32_t)*p * 64;
		else if (k == 254)
			(void)kcp_link_read(&l, &v, 1);
		else if (k == 253)
			(void)kcp_link_write(&l, &v, 1);
		else if (k == 252)
			(void)kcp_link_finish(&l);
		else if (k == 251)
			kcp_link_close(&l, n & 1 ? 0 : -1, now);
		k = k > 250 ? 0 : k < n ? k : n;
		kcp_link_input(&l, p, k, now);
		p += k;
		n -= k;
		kcp_link_tick(&l, now);
		if (l.ready_count + l.ahead_count > rules.window ||
		    l.out_count > rules.queue + 1)
			abort();
	}
	kcp_link_drop(&l);
	if (pool.used)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (!n)
		return 0;
	masks(p + 1, n - 1, p[0]);
	segment(p + 1, n - 1);
	steps(p + 1, n - 1);
	return 0;
}
