/* fuzz_geodata.c - .dat files: finding entries, reading domains and prefixes */
#include <stdlib.h>

#include "gateway/route/geodata.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void walk(const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct geo_domain d;
	struct cidr c;
	bool reverse;

	while (geo_next_domain(&r, &d) > 0) {
		if (d.len > n || d.type > GEO_FULL)
			abort();
		geo_has_attr(&d, "ads", 3);
	}
	r = rd_init(p, n);
	while (geo_next_cidr(&r, &c, &reverse) > 0)
		if (c.bits > (c.kind == ADDR_V4 ? 32 : 128))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct geo_src src = geo_mem(p, n);
	struct geo_near near;
	uint8_t *buf = NULL;
	size_t len = 0;

	walk(p, n);
	geo_check(&src);
	if (geo_find(&src, "CN", 2, &near, &buf, &len) == 0) {
		if (!buf || len > n)
			abort();
		walk(buf, len);
		free(buf);
	}
	return 0;
}
