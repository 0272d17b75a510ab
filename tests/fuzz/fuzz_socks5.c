/* fuzz_socks5.c - What a server, or a relay, may send */
#include <stdlib.h>

#include "proxy/wire/socks5.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct socks5_reply r;
	struct addr a;
	char name[256];
	uint8_t again[SOCKS5_UDP_HEAD_MAX], method;
	ssize_t got;
	bool ok;

	(void)socks5_get_method(p, n, &method);
	(void)socks5_get_auth_reply(p, n, &ok);
	got = socks5_get_reply(p, n, &r);
	if (got > 0 && ((size_t)got > n || got > SOCKS5_REPLY_MAX ||
			(size_t)got != socks5_reply_size(p, n)))
		abort();
	got = socks5_get_udp(p, n, &a, name);
	if (got > 0 && ((size_t)got > n || socks5_set_udp(again, &a) < 0))
		abort();
	return 0;
}
