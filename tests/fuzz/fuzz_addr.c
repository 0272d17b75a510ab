/* fuzz_addr.c - Address text: what is read, written and read again is equal */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/addr.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_ip(const char *s)
{
	struct addr a = { .port = 9 }, b = { .port = 9 };
	struct sockaddr_storage ss;
	char buf[ADDR_TEXT_MAX];

	if (addr_parse_ip(&a, s))
		return;
	addr_format_host(&a, buf, sizeof(buf));
	MUST(!addr_parse_ip(&b, buf) && addr_eq(&a, &b));
	MUST(addr_hash(&a, 1) == addr_hash(&b, 1));
	MUST(addr_to_sockaddr(&a, AF_INET6, &ss));
	b = addr_from_sockaddr(&ss);
	MUST(addr_eq(&a, &b));
}

static void try_cidr(const char *s)
{
	struct cidr c = { 0 }, again = { 0 };
	char buf[ADDR_TEXT_MAX];
	struct addr a;

	if (cidr_parse(&c, s))
		return;
	cidr_format(&c, buf, sizeof(buf));
	MUST(!cidr_parse(&again, buf) && !memcmp(&c, &again, sizeof(c)));
	a = (struct addr){ .kind = c.kind };
	memcpy(a.ip, c.ip, 16);
	MUST(cidr_has(&c, &a));
}

static void try_name(const char *s, size_t n)
{
	char out[256], again[256];
	int len = addr_clean_name(s, n, out);

	if (len < 0)
		return;
	MUST(len > 0 && (size_t)len == strlen(out) && (size_t)len <= n);
	MUST(addr_clean_name(out, (size_t)len, again) == len);
	MUST(!strcmp(out, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = malloc(n + 1);

	MUST(s);
	if (n)
		memcpy(s, data, n);
	s[n] = '\0';
	try_ip(s);
	try_cidr(s);
	try_name(s, n);
	free(s);
	return 0;
}
