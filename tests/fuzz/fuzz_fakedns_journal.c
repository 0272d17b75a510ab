/* fuzz_fakedns_journal.c - Any bytes as a pool's file */
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/fake_journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cidr net = { .kind = ADDR_V4, .bits = 15, .ip = { 198, 18 } };
	struct fake_pool p;
	uint8_t *b = malloc(size + FAKE_HEAD_BYTES);
	long good;
	uint32_t i;

	if (!b || fake_pool_init(&p, &net, 1000, 7, 7) < 0)
		abort();
	fake_head_encode(b, &p); /* a good head, any records */
	memcpy(b + FAKE_HEAD_BYTES, data, size);
	good = fake_replay(&p, b, size + FAKE_HEAD_BYTES);
	if (good < FAKE_HEAD_BYTES || (size_t)good > size + FAKE_HEAD_BYTES)
		abort();
	for (i = 0; i < p.used; i++) {
		struct addr a = fake_pool_addr(&p, i);

		if (p.slots[i].name && fake_pool_find(&p, &a) != i)
			abort();
	}
	fake_pool_fini(&p);
	if (fake_pool_init(&p, &net, 1000, 7, 7) < 0)
		abort();
	(void)fake_replay(&p, data, size);
	fake_pool_fini(&p);
	free(b);
	return 0;
}
