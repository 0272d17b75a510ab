/*
 * fuzz_tmpl.c - Header texts with templates: what is known can be filled in
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/wire/tmpl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t ip[4] = { 192, 0, 2, 1 };
	struct addr source = addr_v4(ip, 5000);
	struct addr target = addr_name("a.test", 6, 443);
	char *text = malloc(n + 1), out[512];
	ssize_t rc;

	if (!text)
		abort();
	memcpy(text, p, n);
	text[n] = '\0';
	rc = tmpl_fill(text, &source, &target, out, sizeof(out));
	if (tmpl_known(text) ? rc == -EINVAL : rc >= 0)
		abort();
	if (rc >= 0 && strlen(out) != (size_t)rc)
		abort();
	free(text);
	return 0;
}
