/* fuzz_addr_wire.c - What decodes encodes again to an equal address */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proxy/wire/addr_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	for (int s = ADDR_SOCKS; s <= ADDR_PORT; s++) {
		enum addr_style style = (enum addr_style)s;
		char name[256], again[256];
		uint8_t buf[ADDR_WIRE_MAX];
		struct addr a, b;
		ssize_t len = addr_wire_decode(style, p, n, &a, name);

		if (len <= 0)
			continue;
		if ((size_t)len > n)
			abort();
		len = addr_wire_encode(style, &a, buf, sizeof(buf));
		if (len <= 0 ||
		    addr_wire_decode(style, buf, (size_t)len, &b, again) !=
			    len ||
		    !addr_eq(&a, &b))
			abort();
	}
	return 0;
}
