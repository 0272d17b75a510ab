/* fuzz_dns_name.c - A name decodes, encodes and decodes to itself */
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/dns_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[256], back[256], text[256];
	struct addr a;
	uint8_t wire[256];
	size_t off = 0;
	bool odd;
	ssize_t n;
	int len = dns_name_decode(data, size, &off, name, &odd);

	if (len >= 0 && !odd) {
		n = dns_name_encode(name, wire, sizeof(wire));
		off = 0;
		if (n < 0 ||
		    dns_name_decode(wire, (size_t)n, &off, back, NULL) != len ||
		    strcmp(name, back) || off != (size_t)n)
			abort();
	}
	len = (int)(size < 255 ? size : 255);
	memcpy(text, data, (size_t)len);
	text[len] = '\0';
	(void)dns_arpa_addr(text, &a);
	(void)dns_name_encode(text, wire, sizeof(wire));
	return 0;
}
